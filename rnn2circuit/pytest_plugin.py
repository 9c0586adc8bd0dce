"""A pytest fixture that verifies a network's circuit, for the tests of other projects.

Installed with the package, it needs no import::

    def test_filter(rnn2circuit):
        rnn2circuit("filter.npz", form="rc", limits={"transient": 1e-4})
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rnn2circuit.errors import UsageError
from rnn2circuit.flow import Limits, Verification, limits_for, verify_model
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.models.importers import ImportOptions
from rnn2circuit.models.io import load
from rnn2circuit.report.text import report_text
from rnn2circuit.stimulus import load_stimulus

Verify = Callable[..., Verification]


@pytest.fixture(name="rnn2circuit")
def verify_fixture(request: pytest.FixtureRequest) -> Verify:
    """A function that compiles, simulates and verifies a network, and fails the test if it must.

    ``rnn2circuit(model, **options)`` takes a network or the path of a file, relative to the file
    of the test; options are those of `rnn2circuit.verify_model`, those of a foreign weight file
    (``dt``, ``clocked`` ...), ``limits`` also as a mapping and ``stimulus`` also as a path with
    ``hold``. Anything but PASS fails the test with the report; the `Verification` is returned.
    """
    place = request.path.parent

    def verify(
        model: AbstractNetwork | str | Path,
        *,
        limits: Limits | Mapping[str, float] | None = None,
        stimulus: Any = None,
        hold: str | None = None,
        **options: Any,
    ) -> Verification:
        reading = {f.name: options.pop(f.name) for f in fields(ImportOptions) if f.name in options}
        if isinstance(model, AbstractNetwork):
            if reading:
                raise UsageError(f"{min(reading)!r} is an option of files, and a network was given")
            network, name = model, "network"
        else:
            path = place / model
            network, name = load(path, **reading), path.stem
        if isinstance(stimulus, str | Path):
            stimulus = load_stimulus(place / stimulus, n_inputs=network.n_inputs, hold=hold)
        elif hold is not None:
            raise UsageError("hold goes with the path of a stimulus, and none was given")
        options.setdefault("name", name)
        if isinstance(limits, Mapping):
            limits = limits_for(
                options.get("level", "ideal"), options.get("accuracy", "default"), limits
            )
        result = verify_model(network, stimulus=stimulus, limits=limits, **options)
        if not result.passed:
            pytest.fail(report_text(result.report), pytrace=False)
        return result

    return verify
