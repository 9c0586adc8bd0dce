"""Verify emitted text: equations, waveforms, steps, and the report on them."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TypeAlias

from rnn2circuit.errors import NotRealizableError, SimulationError, UsageError
from rnn2circuit.flow.budget import error_budget, with_lower_levels
from rnn2circuit.flow.compile import Accuracy, Compiled, Level, compile_model
from rnn2circuit.flow.cross import cross_checks, cross_notes, cross_simulator
from rnn2circuit.flow.layers import (
    SEED,
    Limits,
    chaos_note,
    compare_finer,
    compare_run,
    evaluate,
    failed_run,
    read_back,
    small_signals,
    usual_limits,
    with_half_step,
)
from rnn2circuit.flow.recommend import StrategyChoice
from rnn2circuit.flow.run import Simulation, simulate, simulated_meanwhile
from rnn2circuit.flow.values import Values
from rnn2circuit.linearize.strategies import describe_states
from rnn2circuit.models.base import AbstractCell, AbstractNetwork
from rnn2circuit.simulate.interface import OperatingPointSimulator, Simulator, SweepSimulator
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.stimulus import Stimulus
from rnn2circuit.synthesis.realize import Realizer
from rnn2circuit.synthesis.scaling import Capacitance, Form
from rnn2circuit.synthesis.testbench import describe_stimulus
from rnn2circuit.synthesis.topology import Coupling, InputCoupling
from rnn2circuit.verify.budget import ErrorBudget
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict
from rnn2circuit.verify.gaps import program_checks
from rnn2circuit.verify.task import Task

Progress: TypeAlias = Callable[[str], None]

REALISTIC_NOTE = (
    "read back with ideal parts in place of the netlist's own, so that its wiring and values are "
    "proved; waveforms tell what the parts themselves cost; single steps, half steps, operating "
    "point and frequency response are layers of level ideal"
)
QUICK = "asked to be quick: no second run with half the step, no operating point, no response"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verification:
    """A report and what it speaks of; `simulation` is None where no simulation was accepted.

    Attributes
    ----------
    refitted : AbstractNetwork or None
        The network with its readout refitted on the circuit, where a task asked for it.
    """

    report: Report
    compiled: Compiled
    simulation: Simulation | None
    refitted: AbstractNetwork | None = None

    @property
    def verdict(self) -> Verdict:
        return self.report.verdict

    @property
    def passed(self) -> bool:
        return self.report.passed


def verify_model(
    model: AbstractNetwork,
    *,
    name: str = "network",
    form: Form = "rc",
    coupling: Coupling = "vccs",
    level: Level = "ideal",
    strategy: StrategyChoice = "direct",
    kappa: float | None = None,
    order: int | None = None,
    tolerance: float | None = None,
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    amperes_per_unit: float | None = None,
    impedance: float | None = None,
    inputs_as: InputCoupling = "vccs",
    rank: int | None = None,
    rank_tolerance: float | None = None,
    allow_negative: bool = True,
    stimulus: Stimulus | None = None,
    duration: float | None = None,
    step: float | None = None,
    accuracy: Accuracy = "default",
    realizer: Realizer | None = None,
    capacitance: Capacitance = "fixed",
    values: Values | None = None,
    simulator: str | Simulator | None = None,
    cross: str | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
    quick: bool = False,
    task: Task | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compile a model, and check the emitted text against it; see `verify_compiled`.

    Takes the options of `compile_model` and of `verify_compiled`.
    """
    _tell(progress, "compiling")
    compiled = compile_model(
        model,
        name=name,
        form=form,
        coupling=coupling,
        level=level,
        strategy=strategy,
        kappa=kappa,
        order=order,
        tolerance=tolerance,
        seconds_per_unit=seconds_per_unit,
        volts_per_unit=volts_per_unit,
        amperes_per_unit=amperes_per_unit,
        impedance=impedance,
        inputs_as=inputs_as,
        rank=rank,
        rank_tolerance=rank_tolerance,
        allow_negative=allow_negative,
        stimulus=stimulus,
        duration=duration,
        step=step,
        accuracy=accuracy,
        realizer=realizer,
        capacitance=capacitance,
        values=values,
    )
    return verify_compiled(
        compiled,
        simulator=simulator,
        cross=cross,
        timeout=timeout,
        limits=limits,
        seed=seed,
        quick=quick,
        task=task,
        progress=progress,
    )


def verify_compiled(
    compiled: Compiled,
    *,
    simulator: str | Simulator | None = None,
    cross: str | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
    quick: bool = False,
    task: Task | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check emitted text against its model.

    The netlist's equations by extraction; then, simulated, its waveforms against the reference
    and each step against the model's step equation. A simulation that fails is a check with
    verdict ERROR or TIMEOUT, never a pass. The report's error budget says besides how far the
    program that was trained is from the equation.

    Parameters
    ----------
    cross : str, optional
        A second simulator, ``gnucap`` or ``neospice``, that runs the same netlist and is held
        against the ODE as well. gnucap reads linear netlists only: of others, and where the
        program is not installed, its check is UNVERIFIABLE.
    quick : bool
        Leave out the second run with half the step, the operating point and the frequency
        response; the report says so.
    task : Task, optional
        Targets for the stimulus: the task's own metric of program, equation and circuit.

    Raises
    ------
    SimulationError
        If no simulator of that name is installed.
    TargetsError
        If the task does not fit the network or the run.
    UsageError
        If `limits` judges a program against the ODE of a clocked cell, which has none, or if
        there is no second simulator of that name, or it is the first one.
    """
    level = compiled.record.level
    limits = usual_limits(compiled) if limits is None else limits
    _check_request(compiled, limits, task)
    program = simulator if isinstance(simulator, Simulator) else simulator_named(simulator)
    second = cross_simulator(cross, program)
    _tell(progress, "reading the netlist back")
    evaluated = isinstance(program, OperatingPointSimulator)
    checks = list(read_back(compiled, limits, seed))
    if not _ports_fit(compiled):
        report = Report(
            provenance=_provenance(compiled, program, second, None, limits, seed),
            checks=tuple(checks),
            notes=("the ports of the netlist do not fit the model, so nothing was simulated",),
        )
        return Verification(report=report, compiled=compiled, simulation=None)
    exact = level == "ideal"
    if exact and isinstance(program, OperatingPointSimulator):
        _tell(progress, f"evaluating the equations with {program.name}")
        checks.append(evaluate(compiled, program, limits, seed, timeout))
    if exact and isinstance(program, SweepSimulator) and not quick:
        _tell(progress, f"operating point and small signals with {program.name}")
        checks += small_signals(compiled, program, limits, seed, timeout)
    _tell(progress, f"simulating with {program.name}")
    with _second_run(compiled, program, timeout, wanted=exact and not quick) as finer:
        try:
            simulation = simulate(compiled, simulator=program, timeout=timeout)
        except SimulationError as error:
            simulation = None
            checks.append(failed_run(error, limits.transient))
        else:
            _tell(progress, "comparing with the ODE")
            checks += compare_run(simulation, limits)
            if finer is not None:
                _tell(progress, f"simulating with {program.name}, half the step")
                checks += compare_finer(simulation, finer, limits, checks)
    if second is not None:
        _tell(progress, f"simulating with {second.name}, to compare")
        checks += cross_checks(compiled, second, limits, seed, timeout)
    _tell(progress, "running the program that was trained")
    budget, refitted = error_budget(compiled, simulation, _settling(checks), task)
    notes: tuple[str, ...] = ()
    if simulation is not None and not exact:
        _tell(progress, f"simulating the levels before {level}")
        budget, notes = _with_lower_levels(budget, simulation, program, timeout)
    if limits.program is not None:
        checks += program_checks(budget, limits.program)
    report = Report(
        provenance=_provenance(compiled, program, second, simulation, limits, seed),
        checks=tuple(checks),
        notes=(
            *_notes(compiled, program, evaluated=evaluated),
            *_sizes(checks),
            *(() if exact else (REALISTIC_NOTE,)),
            *chaos_note(compiled, limits, checks),
            *((QUICK,) if quick else ()),
            *cross_notes(second),
            *notes,
            *(() if simulation is None else simulation.waveforms.warnings),
        ),
        budget=budget,
    )
    return Verification(report=report, compiled=compiled, simulation=simulation, refitted=refitted)


@contextmanager
def _second_run(
    compiled: Compiled, program: Simulator, timeout: float | None, *, wanted: bool
) -> Generator[Future[Simulation] | None]:
    """The run with half the step, side by side with the first; a clocked cell has none."""
    if not wanted or isinstance(compiled.model, AbstractCell):
        yield None
        return
    half = with_half_step(compiled)
    with simulated_meanwhile(half, simulator=program, timeout=timeout) as finer:
        yield finer


def _with_lower_levels(
    budget: ErrorBudget, simulation: Simulation, program: Simulator, timeout: float | None
) -> tuple[ErrorBudget, tuple[str, ...]]:
    """The budget with the levels before the circuit's own, or a note why they are not in it."""
    try:
        return with_lower_levels(budget, simulation, program=program, timeout=timeout), ()
    except (SimulationError, NotRealizableError) as error:
        return budget, (f"the levels before this one are not in the budget: {error}",)


def _check_request(compiled: Compiled, limits: Limits, task: Task | None) -> None:
    if limits.program is not None and isinstance(compiled.model, AbstractCell):
        raise UsageError(
            "a clocked cell has no ODE to hold its program against; its circuit is judged by the "
            "program itself, with limit transient"
        )
    if task is not None:
        task.check_fits(compiled.model)


def _ports_fit(compiled: Compiled) -> bool:
    """Whether states, inputs and clock can be told apart at all; `identity` says what differs."""
    ports, network = compiled.state_map, compiled.circuit_model
    return (
        len(ports.states) == network.n_states
        and len(ports.inputs) == network.n_inputs
        and (ports.clock is not None) == isinstance(network, AbstractCell)
    )


def _sizes(checks: list[Check]) -> tuple[str, ...]:
    """How large and how far apart the values are, where no rule of the text is broken."""
    rules = next(check for check in checks if check.id == "structure.rules")
    return (rules.detail,) if rules.verdict is Verdict.PASS and rules.detail else ()


def _settling(checks: list[Check]) -> float | None:
    return next((check.value for check in checks if check.id == "clock.settling"), None)


def _notes(compiled: Compiled, program: Simulator, *, evaluated: bool) -> tuple[str, ...]:
    notes = list(compiled.notes)
    if not evaluated:
        notes.append(
            f"{program.name} gives no operating points, so its own right-hand side was not checked"
        )
    if float(compiled.reference.range.max()) == 0.0:
        notes.append(
            "no state moves under this stimulus, so the waveforms prove little; the extraction "
            "does not depend on it"
        )
    if compiled.states is not None:
        notes += describe_states(compiled.states)
    return tuple(notes)


def _provenance(
    compiled: Compiled,
    program: Simulator,
    second: Simulator | None,
    simulation: Simulation | None,
    limits: Limits,
    seed: int,
) -> Provenance:
    record = compiled.record
    seconds = record.state_map.seconds_per_unit
    options = {
        "level": record.level,
        "form": record.form,
        "coupling": record.coupling,
        "inputs_as": record.inputs_as,
        "strategy": record.strategy,
        "accuracy": compiled.accuracy,
        "duration": repr(compiled.duration),
        "step": repr(compiled.bench.transient.step / seconds),
        "stimulus": describe_stimulus(compiled.stimulus).removeprefix("stimulus: "),
        "seed": str(seed),
    }
    options |= {
        "seconds_per_unit": repr(seconds),
        "volts_per_unit": repr(record.state_map.states[0].volts_per_unit),
    }
    if second is not None:
        release = second.version() if second.is_available() else "not installed"
        options["cross"] = f"{second.name} {release}"
    if record.order is not None:
        options["order"] = str(record.order)
    judged = {f.name: getattr(limits, f.name) for f in fields(limits)}
    options |= {f"limit_{name}": repr(limit) for name, limit in judged.items() if limit is not None}
    return Provenance(
        subject=compiled.name,
        family=record.family,
        n_states=compiled.model.n_states,
        n_inputs=compiled.model.n_inputs,
        weights_sha256=record.weights_sha256,
        netlist_sha256=record.netlist_sha256,
        tool_version=record.tool_version,
        simulator=program.name,
        simulator_version=program.version() if simulation is None else simulation.waveforms.version,
        options=tuple(sorted(options.items())),
    )


def _tell(progress: Progress | None, text: str) -> None:
    if progress is not None:
        progress(text)
