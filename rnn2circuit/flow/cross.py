"""The same text in a second simulator, against the ODE: agreement of programs, not of runs.

Each program is judged by the model alone. That two of them agree with one another would prove
less: neospice is derived from the code that ngspice is derived from. gnucap is independent.
"""

from dataclasses import replace

from rnn2circuit.errors import OutOfScopeError, SimulationError, SimulationTimeout, UsageError
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.layers import Limits, compare_run, continuous
from rnn2circuit.flow.run import default_timeout, simulate
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.simulate.interface import OperatingPointSimulator, Simulator
from rnn2circuit.simulate.registry import CROSS_SIMULATORS
from rnn2circuit.verify.checks import Check, Verdict
from rnn2circuit.verify.operating import check_operating_point

TITLES = {
    "transient.states": "states by a second simulator",
    "transient.outputs": "readout by a second simulator",
    "operating.point": "operating point by a second simulator",
}
# gnucap takes a 0 V source for a small resistor and prints ten digits: loops in which several meet
# were measured to be 8.5e-6 off.
POINT = 1e-4
# gnucap is a program of its own; the engine of neospice follows ngspice closely.
SANITY = "the embedded engine follows ngspice closely: that it agrees is no independent evidence"


def cross_simulator(name: str | None, first: Simulator) -> Simulator | None:
    """The second simulator of that name, installed or not; None where none is asked for.

    Raises
    ------
    UsageError
        If there is none of that name, or it is the first one.
    """
    if name is None or name == "none":
        return None
    if name not in CROSS_SIMULATORS:
        raise UsageError(f"cross must be one of {', '.join(CROSS_SIMULATORS)}, none; got {name!r}")
    if name == first.name:
        raise UsageError(f"cross is {name!r}, which is the simulator already; choose another one")
    return CROSS_SIMULATORS[name]()


def cross_checks(
    compiled: Compiled, program: Simulator, limits: Limits, seed: int, timeout: float | None
) -> list[Check]:
    """Transient and, of a program that has operating points, the operating point.

    What was asked for and could not run is UNVERIFIABLE, ERROR or TIMEOUT, never left out.
    """
    if not program.is_available():
        reason = f"{program.name} is not installed, so nothing was compared with it"
        return [_not_run(compiled, program, limits, Verdict.UNVERIFIABLE, reason)]
    try:
        run = simulate(compiled, simulator=program, timeout=timeout)
    except OutOfScopeError as error:
        return [_not_run(compiled, program, limits, Verdict.UNVERIFIABLE, str(error))]
    except SimulationTimeout as error:
        return [_not_run(compiled, program, limits, Verdict.TIMEOUT, str(error))]
    except SimulationError as error:
        return [_not_run(compiled, program, limits, Verdict.ERROR, str(error))]
    found = compare_run(run, limits)
    if isinstance(program, OperatingPointSimulator):
        found += _point(compiled, program, limits, seed, timeout)
    return [_renamed(check, program) for check in found if check.id in TITLES]


def cross_notes(program: Simulator | None) -> tuple[str, ...]:
    """What a reader must know of the second simulator."""
    return (SANITY,) if program is not None and program.name == "neospice" else ()


def _point(
    compiled: Compiled,
    program: OperatingPointSimulator,
    limits: Limits,
    seed: int,
    timeout: float | None,
) -> list[Check]:
    if isinstance(compiled.model, AbstractCell):
        return []
    found = check_operating_point(
        compiled.netlist,
        compiled.record,
        continuous(compiled.circuit_model),
        program,
        seed=seed,
        timeout=default_timeout(compiled) if timeout is None else timeout,
        limit=max(limits.operating, POINT),
    )
    return [] if found is None else [found[0]]


def _renamed(check: Check, program: Simulator) -> Check:
    ending = {"transient.states": "", "transient.outputs": ".outputs", "operating.point": ".point"}
    title = f"{TITLES[check.id]}: {check.title}"
    return replace(check, id=f"cross.{program.name}{ending[check.id]}", title=title)


def _not_run(
    compiled: Compiled, program: Simulator, limits: Limits, verdict: Verdict, reason: str
) -> Check:
    limit = limits.held if isinstance(compiled.model, AbstractCell) else limits.transient
    title = TITLES["transient.states"]
    return Check(
        id=f"cross.{program.name}", title=title, verdict=verdict, limit=limit, detail=reason
    )
