"""Every coupling and strategy: text, elements and waveforms of random and trained systems.

The campaign runs fifty random systems and all trained ones through each:
``pytest -m campaign -rP tests/test_linear_campaign.py``. Its table is in docs/topologies.md.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from linear_elements import assert_counts
from random_linear import hard_system, stable_system, trained_systems

from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow import Compiled, compile_model, verify_compiled
from rnn2circuit.linearize.strategies import STRATEGIES
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.topology import LINEAR
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.transfer import check_transfer

SYSTEMS = 50
EXTRACTED = 1e-9  # the transfer behaviour as read from the text, parts of its peak
SIMULATED = 1e-5  # outputs in ngspice, parts of their peak, at high accuracy
PATIENCE = 600.0  # s: lattices of 32 states on a busy machine
DIRECT = [("direct", form, kind) for form, kinds in LINEAR.items() for kind in kinds]
CHANGED = [(name, "rc", kind) for name in STRATEGIES[1:] for kind in ("vccs", "gyrator")]
VARIANTS = [*DIRECT, *CHANGED]
NAMES = ["-".join(variant) for variant in VARIANTS]


@pytest.fixture(scope="module")
def trained():
    return trained_systems()


def random_systems(strategy: str, coupling: str, count: int) -> Iterator[tuple[str, Linear]]:
    """Of six kinds, unstable and defective ones too, where the coordinates are what is tried."""
    for k in range(count):
        direct = strategy == "direct"
        yield f"system {k}", stable_system(k, coupling) if direct else hard_system(k)


def has_low_rank(model: Linear) -> bool:
    try:
        compile_model(model, coupling="lowrank")
    except NotRealizableError:
        return False
    return True


def figures(compiled: Compiled, *, counted: bool) -> tuple[float, float]:
    """What text and waveforms are off by; every check of the verifier must pass too."""
    record, truncation = compiled.record, compiled.states and compiled.states.truncation
    counts = dict(record.element_counts)
    if counted:
        assert_counts(counts, compiled.circuit_model, record.form, record.coupling)
    read = check_transfer(compiled.netlist, record, compiled.model, truncation, limit=EXTRACTED)
    result = verify_compiled(compiled, simulator="ngspice", quick=True, timeout=PATIENCE)
    for check in (*read, *result.report.checks):
        assert check.verdict is Verdict.PASS, check
    run, reference = result.simulation, compiled.original or compiled.reference
    # A network without readout shows its states, in coordinates of its own as outputs.
    found = run.y if run.y.size else run.x
    wanted = reference.outputs(run.t)
    apart = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    return max(check.value for check in read), apart


def judged(
    systems: list[tuple[str, Linear]],
    strategy: str,
    form: str,
    coupling: str,
    *,
    counted: bool = True,
) -> None:
    """Worst of all systems, printed for the table."""
    options = {"strategy": strategy, "form": form, "coupling": coupling, "accuracy": "high"}
    found = {
        name: figures(compile_model(model, **options), counted=counted) for name, model in systems
    }
    read, apart = (max(column) for column in zip(*found.values(), strict=True))
    row = f"| `{strategy}` | {form} `{coupling}` | {len(found)} | {read:.1e} | {apart:.1e} |"
    print(row)
    assert read <= EXTRACTED, found
    assert apart <= SIMULATED, found


@pytest.mark.spice
@pytest.mark.parametrize(
    ("strategy", "form", "coupling"), [v for v in VARIANTS if v[2] != "lowrank"]
)
def test_a_trained_system_in_every_coupling_and_strategy(strategy, form, coupling, trained):
    """Of full rank, so that coupling ``lowrank`` has nothing to offer it."""
    judged([("filter", trained["linear_filter"])], strategy, form, coupling)


@pytest.mark.campaign
@pytest.mark.spice
@pytest.mark.parametrize(("strategy", "form", "coupling"), VARIANTS, ids=NAMES)
def test_fifty_random_systems_in_every_coupling_and_strategy(strategy, form, coupling):
    judged(list(random_systems(strategy, coupling, SYSTEMS)), strategy, form, coupling)


@pytest.mark.campaign
@pytest.mark.spice
@pytest.mark.parametrize(("strategy", "form", "coupling"), VARIANTS, ids=NAMES)
def test_all_trained_systems_in_every_coupling_and_strategy(strategy, form, coupling, trained):
    systems = [(k, v) for k, v in trained.items() if coupling != "lowrank" or has_low_rank(v)]
    # Trained matrices of low rank have structure, and so zeros in their factors.
    judged(systems, strategy, form, coupling, counted=coupling != "lowrank")
