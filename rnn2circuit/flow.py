"""The stages in order, for Python users: compile, simulate, verify. Nothing else lives here."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.circuit.testbench import Testbench
from rnn2circuit.errors import (
    SimulationError,
    SimulationTimeout,
    StimulusError,
    UsageError,
)
from rnn2circuit.models import Model
from rnn2circuit.models.base import weights_sha256
from rnn2circuit.models.reference import ReferenceSolution, solve
from rnn2circuit.models.timing import default_duration, largest_step
from rnn2circuit.report.files import write_all
from rnn2circuit.simulate.interface import Deck, Simulator, Waveforms
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.statemap import NetlistMap, StateMap, map_to_json, to_units
from rnn2circuit.stimulus import Stimulus, default_stimulus
from rnn2circuit.synthesis.blocks import COUPLINGS, Coupling
from rnn2circuit.synthesis.realize import Realization, realize
from rnn2circuit.synthesis.scaling import FORMS, Form, choose_scaling
from rnn2circuit.synthesis.testbench import describe_stimulus, make_testbench
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict
from rnn2circuit.verify.equations import EXACT, check_equations, sha256_text
from rnn2circuit.verify.transient import (
    STEP,
    WAVEFORM,
    check_outputs,
    check_steps,
    check_waveforms,
)
from rnn2circuit.writers.ngspice import write_subcircuit, write_testbench

Accuracy: TypeAlias = Literal["default", "high"]
Level: TypeAlias = Literal["ideal"]
Progress: TypeAlias = Callable[[str], None]

TOOL_VERSION = version("rnn2circuit")
SEED = 20230412  # of the random states of the extraction, unless another is given
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# A simulator gets this long before it is taken to hang: a minute, and more for large networks
# (seconds per accepted step and cubed state, thirty times what dense LU was measured to need).
BASE_TIMEOUT = 60.0  # s
TIMEOUT_PER_STEP = 2e-7  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a check may measure at most; the defaults and their reasons are in docs/verify.md."""

    extraction: float = EXACT
    transient: float = WAVEFORM  # parts of each state's range
    steps: float = STEP  # parts of each state's largest rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """A model as text: the netlist, its testbench and its map, and what they were made from.

    Attributes
    ----------
    stimulus, duration
        What the testbench applies and for how long, in model time units.
    accuracy : str
        ``default`` or ``high``.
    reference : ReferenceSolution
        The model's own answer to the same stimulus.
    realization : Realization or None
        The circuit the text was written from; None for a text that came from elsewhere.
    notes : tuple of str
        What a reader of the report should know about the text.
    """

    name: str
    model: Model
    record: NetlistMap
    bench: Testbench
    netlist: str
    testbench: str
    stimulus: Stimulus
    duration: float
    accuracy: Accuracy
    reference: ReferenceSolution
    realization: Realization | None = None
    notes: tuple[str, ...] = ()

    @property
    def state_map(self) -> StateMap:
        return self.record.state_map

    @property
    def map_json(self) -> str:
        return map_to_json(self.record)

    def files(self) -> dict[str, str]:
        """File name and text of everything `write` writes."""
        return {
            f"{self.name}.cir": self.netlist,
            f"{self.name}.tb.cir": self.testbench,
            f"{self.name}.json": self.map_json,
        }

    def write(self, directory: str | Path) -> tuple[Path, ...]:
        """Write all files, or none.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        return write_all(Path(directory), self.files())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """A simulated circuit in model units, on the simulator's own time points."""

    compiled: Compiled
    waveforms: Waveforms
    t: Vector  # (k,), model time units
    x: Matrix  # (k, n)
    y: Matrix  # (k, p); p = 0 where the circuit has no output ports


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verification:
    """A report and what it speaks of; `simulation` is None where no simulation was accepted."""

    report: Report
    compiled: Compiled
    simulation: Simulation | None

    @property
    def verdict(self) -> Verdict:
        return self.report.verdict

    @property
    def passed(self) -> bool:
        return self.report.passed


def compile_model(
    model: Model,
    *,
    name: str = "network",
    form: Form = "rc",
    coupling: Coupling = "vccs",
    level: Level = "ideal",
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    amperes_per_unit: float | None = None,
    impedance: float | None = None,
    stimulus: Stimulus | None = None,
    duration: float | None = None,
    step: float | None = None,
    accuracy: Accuracy = "default",
) -> Compiled:
    """Compile a model to a netlist with testbench and map.

    Parameters
    ----------
    name : str
        Stem of the files; letters, digits, ``_`` and ``-``.
    form, coupling, level
        See `synthesis.realize.realize`. The level is ``ideal``.
    seconds_per_unit, volts_per_unit, amperes_per_unit, impedance : float, optional
        Scaling; chosen automatically where not given.
    stimulus : Stimulus, optional
        Input signal; `default_stimulus` (one sine per input) where not given.
    duration : float, optional
        Length of the run in model time units; the stimulus' own, or ten characteristic times.
    step : float, optional
        Largest time step in model time units; chosen from the reference for `accuracy`.

    Raises
    ------
    UsageError
        If an option does not exist or contradicts another.
    NotRealizableError, CircuitError
        If no circuit of this scaling exists.
    StimulusError
        If the stimulus does not fit the model.
    ModelError
        If the model's own solution escapes within the duration.
    """
    _check_options(name, form=form, coupling=coupling, level=level, accuracy=accuracy)
    if form == "rc" and amperes_per_unit is not None:
        raise UsageError("amperes_per_unit belongs to form 'rl'; in form 'rc' states are voltages")
    scaling = choose_scaling(
        model,
        form=form,
        seconds_per_unit=seconds_per_unit,
        volts_per_unit=volts_per_unit,
        amperes_per_unit=amperes_per_unit,
        impedance=impedance,
    )
    realization = realize(model, form=form, coupling=coupling, scaling=scaling)
    subckt = f"{model.family}_{model.n_states}"
    weights = weights_sha256(model)
    netlist = write_subcircuit(
        realization.circuit,
        name=subckt,
        title=[
            f"rnn2circuit netlist: {model.family}, {model.n_states} states, "
            f"{model.n_inputs} inputs, form {form}, coupling {coupling}, level {level}",
            f"weights sha256 {weights}",
            *_scaling_lines(realization),
        ],
    )
    record = NetlistMap(
        netlist=f"{name}.cir",
        subckt=subckt,
        state_map=realization.state_map,
        family=model.family,
        level=level,
        form=form,
        coupling=coupling,
        weights_sha256=weights,
        netlist_sha256=sha256_text(netlist),
        tool_version=TOOL_VERSION,
        element_counts=tuple(realization.circuit.element_counts().items()),
    )
    compiled = _with_testbench(
        netlist, record, model, name, stimulus, duration=duration, step=step, accuracy=accuracy
    )
    return replace(compiled, realization=realization)


def adopt_netlist(
    netlist: str,
    record: NetlistMap,
    model: Model,
    *,
    name: str = "network",
    stimulus: Stimulus | None = None,
    duration: float | None = None,
    step: float | None = None,
    accuracy: Accuracy = "default",
) -> Compiled:
    """Take a netlist that someone edited by hand, so that it can be simulated and verified.

    Parameters
    ----------
    netlist : str
        Text with the ports that `record` describes.
    record : NetlistMap
        The map that was written with the original. A different fingerprint of the text is noted
        in the report; a different fingerprint of the model is a failed check.
    """
    _check_options(
        name, form=record.form, coupling=record.coupling, level=record.level, accuracy=accuracy
    )
    notes: tuple[str, ...] = ()
    if sha256_text(netlist) != record.netlist_sha256:
        notes = ("the netlist was changed after its map was written; what follows judges it as is",)
    record = replace(record, netlist=f"{name}.cir", netlist_sha256=sha256_text(netlist))
    compiled = _with_testbench(
        netlist, record, model, name, stimulus, duration=duration, step=step, accuracy=accuracy
    )
    return replace(compiled, notes=notes)


def _with_testbench(
    netlist: str,
    record: NetlistMap,
    model: Model,
    name: str,
    stimulus: Stimulus | None,
    *,
    duration: float | None,
    step: float | None,
    accuracy: Accuracy,
) -> Compiled:
    stimulus, duration = _drive(model, stimulus, duration)
    reference = solve(model, stimulus, t_end=duration)
    h = largest_step(reference, accuracy=accuracy) if step is None else _positive("step", step)
    bench = make_testbench(record, stimulus, duration=duration, step=h)
    title = [f"rnn2circuit testbench of {record.netlist}", describe_stimulus(stimulus)]
    return Compiled(
        name=name,
        model=model,
        record=record,
        bench=bench,
        netlist=netlist,
        testbench=write_testbench(bench, title=title),
        stimulus=stimulus,
        duration=duration,
        accuracy=accuracy,
        reference=reference,
    )


def simulate(
    compiled: Compiled,
    *,
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
) -> Simulation:
    """Run the emitted testbench in a SPICE program.

    Parameters
    ----------
    simulator : str or Simulator, optional
        ``ngspice`` or ``neospice``; the first that is installed where not given.
    timeout : float, optional
        Time limit in s.

    Raises
    ------
    SimulationError, SimulationTimeout
        If the run fails or breaks an acceptance rule.
    """
    program = simulator if isinstance(simulator, Simulator) else simulator_named(simulator)
    main = f"{compiled.name}.tb.cir"
    bench, ports = compiled.bench, compiled.state_map
    deck = Deck(
        files={f"{compiled.name}.cir": compiled.netlist, main: compiled.testbench},
        main=main,
        signals=tuple(f"v({port})" for port in bench.recorded),
        t_stop=bench.transient.stop,
    )
    if timeout is None:
        steps = bench.transient.stop / bench.transient.step
        timeout = BASE_TIMEOUT + TIMEOUT_PER_STEP * steps * compiled.model.n_states**3
    waves = program.run(deck, timeout=_positive("timeout", timeout))
    return Simulation(
        compiled=compiled,
        waveforms=waves,
        t=waves.time / ports.seconds_per_unit,
        x=to_units(ports.states, _columns(waves, [m.port for m in ports.states])),
        y=to_units(ports.outputs, _columns(waves, [m.port for m in ports.outputs])),
    )


def verify_model(
    model: Model,
    *,
    name: str = "network",
    form: Form = "rc",
    coupling: Coupling = "vccs",
    level: Level = "ideal",
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    amperes_per_unit: float | None = None,
    impedance: float | None = None,
    stimulus: Stimulus | None = None,
    duration: float | None = None,
    step: float | None = None,
    accuracy: Accuracy = "default",
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
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
        stimulus=stimulus,
        duration=duration,
        step=step,
        accuracy=accuracy,
    )
    return verify_compiled(
        compiled, simulator=simulator, timeout=timeout, limits=limits, seed=seed, progress=progress
    )


def verify_compiled(
    compiled: Compiled,
    *,
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Verification:
    """Check emitted text against its model.

    The netlist's equations by extraction; then, simulated, its waveforms against the reference
    and each step against the model's step equation. A simulation that fails is a check with
    verdict ERROR or TIMEOUT, never a pass.

    Raises
    ------
    SimulationError
        If no simulator of that name is installed.
    """
    limits = Limits() if limits is None else limits
    program = simulator if isinstance(simulator, Simulator) else simulator_named(simulator)
    _tell(progress, "reading the netlist back")
    checks = list(
        check_equations(
            compiled.netlist, compiled.record, compiled.model, seed=seed, limit=limits.extraction
        )
    )
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
    report = Report(
        provenance=_provenance(compiled, program, simulation, limits, seed),
        checks=tuple(checks),
        notes=(*_notes(compiled), *warnings),
    )
    return Verification(report=report, compiled=compiled, simulation=simulation)


def _compare_run(simulation: Simulation, limits: Limits) -> list[Check]:
    compiled, t, x = simulation.compiled, simulation.t, simulation.x
    reference = compiled.reference
    checks = [check_waveforms(t, x, reference, limit=limits.transient)]
    if compiled.state_map.outputs:
        checks.append(check_outputs(t, simulation.y, reference, limit=limits.transient))
    checks.append(check_steps(t, x, compiled.model, reference, limit=limits.steps))
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


def _notes(compiled: Compiled) -> tuple[str, ...]:
    if float(compiled.reference.range.max()) == 0.0:
        still = (
            "no state moves under this stimulus, so the waveforms prove little; the extraction "
            "does not depend on it"
        )
        return (*compiled.notes, still)
    return compiled.notes


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
        "accuracy": compiled.accuracy,
        "duration": repr(compiled.duration),
        "step": repr(compiled.bench.transient.step / seconds),
        "stimulus": describe_stimulus(compiled.stimulus),
        "seed": str(seed),
    }
    options |= {
        "seconds_per_unit": repr(seconds),
        "volts_per_unit": repr(record.state_map.states[0].volts_per_unit),
    }
    options |= {f"limit_{f.name}": repr(getattr(limits, f.name)) for f in fields(limits)}
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


def _check_options(name: str, *, form: str, coupling: str, level: str, accuracy: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"name must be 1 to 64 letters, digits, '_' or '-', starting with a letter or digit, "
            f"got {name[:80]!r}"
        )
    for what, got, known in (
        ("form", form, FORMS),
        ("coupling", coupling, COUPLINGS),
        ("level", level, get_args(Level)),
        ("accuracy", accuracy, get_args(Accuracy)),
    ):
        if got not in known:
            raise UsageError(f"{what} must be one of {', '.join(known)}, got {got!r}")


def _positive(what: str, value: float) -> float:
    value = float(value)
    if not (np.isfinite(value) and value > 0):
        raise UsageError(f"{what} must be positive and finite, got {value!r}")
    return value


def _drive(
    model: Model, stimulus: Stimulus | None, duration: float | None
) -> tuple[Stimulus, float]:
    """The stimulus and how long it runs."""
    if duration is None:
        own = None if stimulus is None else stimulus.duration
        duration = default_duration(model) if own is None else own
    duration = _positive("duration", duration)
    if stimulus is None:
        stimulus = default_stimulus(model.n_inputs, duration=duration)
    if stimulus.n_inputs != model.n_inputs:
        raise StimulusError(
            f"the stimulus has {stimulus.n_inputs} inputs, the model has {model.n_inputs}"
        )
    return stimulus, duration


def _scaling_lines(realization: Realization) -> list[str]:
    """How ports and time relate to the model, for whoever reads the netlist alone."""
    scaling = realization.scaling
    lines = [
        f"v(port) = {scaling.volts_per_unit!r} V per unit of x, u and y; "
        f"t = {scaling.seconds_per_unit!r} s per model time unit",
        f"impedance level {scaling.impedance!r} ohm",
    ]
    if realization.form == "rl":
        lines.append(f"loop currents: {scaling.amperes_per_unit!r} A per unit of x")
    return lines


def _columns(waves: Waveforms, ports: list[str]) -> Matrix:
    if not ports:
        return np.zeros((len(waves.time), 0))
    return np.column_stack([waves.signals[f"v({port})"] for port in ports])


def _tell(progress: Progress | None, text: str) -> None:
    if progress is not None:
        progress(text)
