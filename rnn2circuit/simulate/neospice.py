"""The embedded engine: the package neospice, in a child process.

It follows ngspice closely and is not independent of it. Four habits are handled here: a line it
cannot parse is dropped with a warning (here an error), ``.ic`` inside a subcircuit is ignored
(here hoisted to the top), its row at t = 0 shows initial conditions on the nets that have one and
an operating point without them on all others (here that row is left out), and a hard fault takes
the process down (here a child's).
"""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import ClassVar

import numpy as np

from rnn2circuit.errors import OutOfScopeError, SimulationError
from rnn2circuit.simulate.acceptance import check_data, check_log, tail
from rnn2circuit.simulate.interface import Deck, Waveforms, inlined
from rnn2circuit.simulate.process import (
    import_path,
    private_directory,
    run_process,
    scrubbed_environment,
    write_new,
)

DECK, RESULT = "deck.cir", "result.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neospice:
    """The neospice package of this Python installation.

    Attributes
    ----------
    python : str
        The interpreter that runs the child.
    """

    name: ClassVar[str] = "neospice"

    python: str = sys.executable

    def is_available(self) -> bool:
        return find_spec("neospice") is not None

    def version(self) -> str:
        """Version of the package.

        Raises
        ------
        SimulationError
            If it is not installed.
        """
        try:
            return version("neospice")
        except PackageNotFoundError:
            raise SimulationError(
                "neospice is not installed; pip install neospice (Linux and macOS), or install "
                "ngspice and use --simulator ngspice"
            ) from None

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        release = self.version()
        with private_directory() as directory:
            write_new(directory, {DECK: flatten(deck)})
            names = [name.removeprefix("v(").removesuffix(")") for name in deck.signals]
            done = run_process(
                [self.python, "-m", "rnn2circuit.simulate.neospice_child", DECK, RESULT, *names],
                directory=directory,
                environment=scrubbed_environment(directory) | {"PYTHONPATH": import_path()},
                timeout=timeout,
            )
            warnings = check_log(done.log)
            path = directory / RESULT
            if done.code != 0 or not path.is_file():
                raise SimulationError(
                    f"neospice ended with exit code {done.code}:\n  {tail(done.log)}", log=done.log
                )
            with np.load(path, allow_pickle=False) as data:
                keep = data["time"] > 0.0
                time = data["time"][keep]
                columns = {f"v({name})": data[f"v_{name}"][keep] for name in names}
        times, signals = check_data(
            time, columns, wanted=deck.signals, t_stop=deck.t_stop, log=done.log
        )
        return Waveforms(
            time=times,
            signals=signals,
            simulator=self.name,
            version=release,
            log=done.log,
            warnings=warnings,
        )


def flatten(deck: Deck) -> str:
    """One text for the engine, with two mechanical rewrites and no other change.

    - ``.include NAME`` is replaced by that file of the deck, because the child gets one text.
    - A subcircuit whose one instance connects every port to a net of that name becomes part of the
      deck: inside, neospice ignores ``.ic`` without a word. Where the names differ, the ``.ic`` of
      a port alone moves to the top level, onto the net of the instance.

    Raises
    ------
    SimulationError
        If an initial condition inside a subcircuit names something that is not a port of its one
        instance.
    """
    return "\n".join(_hoisted(inlined(deck))) + "\n"


def _hoisted(lines: list[str]) -> list[str]:
    inside = [k for k, line in enumerate(lines) if line.lower().startswith((".subckt", ".ends"))]
    if not inside:
        return lines
    if len(inside) > 2:
        raise OutOfScopeError(
            "neospice is given one flat subcircuit only, because it ignores initial conditions "
            "within others; use ngspice"
        )
    first, last = inside[0], inside[-1]
    name, *ports = lines[first].split()[1:]
    instances = [line.split() for line in lines if line.startswith("x")]
    nets = dict(zip(ports, instances[0][1:-1], strict=False)) if len(instances) == 1 else {}
    if nets and all(port == net for port, net in nets.items()):
        return [line for line in lines if not line.startswith((".subckt ", ".ends", "x"))]
    kept: list[str] = []
    moved: list[str] = []
    for k, line in enumerate(lines):
        if not (first < k < last and line.startswith(".ic ")):
            kept.append(line)
            continue
        found = re.fullmatch(r"\.ic v\((\w+)\)=(\S+)", line)
        if found is None or found[1] not in nets:
            raise SimulationError(
                f"neospice ignores {line!r} inside subcircuit {name!r}, and it is not at a port"
            )
        moved.append(f".ic v({nets[found[1]]})={found[2]}")
    at = next(k for k, line in enumerate(kept) if line.startswith(".ends")) + 1
    return [*kept[:at], *moved, *kept[at:]]
