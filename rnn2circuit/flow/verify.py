"""Verify emitted text: equations, waveforms, steps, and the report on them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeAlias

from rnn2circuit.errors import (
    SimulationError,
    SimulationTimeout,
    UsageError,
)
from rnn2circuit.flow.budget import error_budget
from rnn2circuit.flow.compile import Accuracy, Compiled, Level, compile_model
from rnn2circuit.flow.run import Simulation, default_timeout, simulate
from rnn2circuit.models.base import AbstractCell, AbstractModel, AbstractNetwork
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.simulate.interface import OperatingPointSimulator, Simulator
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.stimulus import Stimulus
from rnn2circuit.synthesis.realize import Realizer
from rnn2circuit.synthesis.scaling import Form
from rnn2circuit.synthesis.testbench import describe_stimulus
from rnn2circuit.synthesis.topology import Coupling, InputCoupling
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict
from rnn2circuit.verify.equations import EXACT, check_equations
from rnn2circuit.verify.evaluated import check_evaluated
from rnn2circuit.verify.gaps import program_checks
from rnn2circuit.verify.rules import check_rules
from rnn2circuit.verify.steps import (
    HELD,
    check_evaluated_step,
    check_held,
    check_held_outputs,
    check_held_steps,
    check_step,
    held_states,
)
from rnn2circuit.verify.task import Task
from rnn2circuit.verify.transient import (
    STEP,
    WAVEFORM,
    check_outputs,
    check_steps,
    check_waveforms,
)

Progress: TypeAlias = Callable[[str], None]

SEED = 20230412  # of the random states of the extraction, unless another is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a check may measure at most; the defaults and their reasons are in docs/verify.md."""

    extraction: float = EXACT
    transient: float = WAVEFORM  # parts of each state's range
    steps: float = STEP  # parts of each state's largest rate
    held: float = HELD  # of clocked cells, held states: parts of each state's range
    program: float | None = None  # program against ODE, parts of range: judged where given


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
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
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
    )
    return verify_compiled(
        compiled,
        simulator=simulator,
        timeout=timeout,
        limits=limits,
        seed=seed,
        task=task,
        progress=progress,
    )


def verify_compiled(
    compiled: Compiled,
    *,
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
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
    task : Task, optional
        Targets for the stimulus: the task's own metric of program, equation and circuit.

    Raises
    ------
    SimulationError
        If no simulator of that name is installed.
    TargetsError
        If the task does not fit the network or the run.
    UsageError
        If `limits` judges a program against the ODE of a clocked cell, which has none.
    """
    limits = Limits() if limits is None else limits
    _check_request(compiled, limits, task)
    program = simulator if isinstance(simulator, Simulator) else simulator_named(simulator)
    _tell(progress, "reading the netlist back")
    evaluated = isinstance(program, OperatingPointSimulator)
    checks = list(_read_back(compiled, limits, seed))
    if isinstance(program, OperatingPointSimulator):
        _tell(progress, f"evaluating the equations with {program.name}")
        checks.append(_evaluate(compiled, program, limits, seed, timeout))
    _tell(progress, f"simulating with {program.name}")
    simulation = None
    warnings: tuple[str, ...] = ()
    try:
        simulation = simulate(compiled, simulator=program, timeout=timeout)
    except SimulationError as error:
        checks.append(_failed_run(error, limits.transient))
    else:
        _tell(progress, "comparing with the ODE")
        checks += _compare_run(simulation, limits)
        warnings = simulation.waveforms.warnings
    _tell(progress, "running the program that was trained")
    budget, refitted = error_budget(compiled, simulation, _settling(checks), task)
    if limits.program is not None:
        checks += program_checks(budget, limits.program)
    report = Report(
        provenance=_provenance(compiled, program, simulation, limits, seed),
        checks=tuple(checks),
        notes=(*_notes(compiled, program, evaluated=evaluated), *warnings),
        budget=budget,
    )
    return Verification(report=report, compiled=compiled, simulation=simulation, refitted=refitted)


def _check_request(compiled: Compiled, limits: Limits, task: Task | None) -> None:
    if limits.program is not None and isinstance(compiled.model, AbstractCell):
        raise UsageError(
            "a clocked cell has no ODE to hold its program against; its circuit is judged by the "
            "program itself, with limit transient"
        )
    if task is not None:
        task.check_fits(compiled.model)


def _settling(checks: list[Check]) -> float | None:
    return next((check.value for check in checks if check.id == "clock.settling"), None)


def _read_back(compiled: Compiled, limits: Limits, seed: int) -> tuple[Check, ...]:
    """What the text says, without a simulator."""
    text, record, model = compiled.netlist, compiled.record, compiled.model
    rules = check_rules(
        text, compiled.testbench, included=record.netlist, driven=record.state_map.driven
    )
    if isinstance(model, AbstractCell):
        return (rules, *check_step(text, record, model, seed=seed, limit=limits.extraction))
    return (
        rules,
        *check_equations(text, record, _continuous(model), seed=seed, limit=limits.extraction),
    )


def _evaluate(
    compiled: Compiled,
    program: OperatingPointSimulator,
    limits: Limits,
    seed: int,
    timeout: float | None,
) -> Check:
    """What the simulator makes of the same text, without time."""
    text, record, model = compiled.netlist, compiled.record, compiled.model
    timeout = default_timeout(compiled) if timeout is None else timeout
    limit = limits.extraction
    if isinstance(model, AbstractCell):
        return check_evaluated_step(
            text, record, model, program, seed=seed, timeout=timeout, limit=limit
        )
    return check_evaluated(
        text, record, _continuous(model), program, seed=seed, timeout=timeout, limit=limit
    )


def _continuous(model: AbstractNetwork) -> AbstractModel:
    if not isinstance(model, AbstractModel):
        raise TypeError(f"{type(model).__name__} is neither a continuous model nor a cell")
    return model


def _compare_run(simulation: Simulation, limits: Limits) -> list[Check]:
    compiled, t, x = simulation.compiled, simulation.t, simulation.x
    reference = compiled.reference
    if isinstance(reference, Trajectory):
        held = held_states(t, x, compiled.record, reference.n_steps)
        checks = [check_held(held, reference, limit=limits.held)]
        if compiled.state_map.outputs:
            y = held_states(t, simulation.y, compiled.record, reference.n_steps)
            checks.append(check_held_outputs(y, reference, limit=limits.held))
        return [*checks, check_held_steps(held, reference, limit=limits.held)]
    checks = [check_waveforms(t, x, reference, limit=limits.transient)]
    if compiled.state_map.outputs:
        checks.append(check_outputs(t, simulation.y, reference, limit=limits.transient))
    checks.append(check_steps(t, x, reference.model, reference, limit=limits.steps))
    return checks


def _failed_run(error: SimulationError, limit: float) -> Check:
    verdict = Verdict.TIMEOUT if isinstance(error, SimulationTimeout) else Verdict.ERROR
    return Check(
        id="transient.states",
        title="simulated states against the ODE, parts of range",
        verdict=verdict,
        limit=limit,
        detail=str(error),
    )


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
    return tuple(notes)


def _provenance(
    compiled: Compiled,
    program: Simulator,
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
