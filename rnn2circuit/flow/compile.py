"""Compile a model: netlist, testbench and map as text."""

import re
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from rnn2circuit.circuit.testbench import Testbench
from rnn2circuit.devices.calibration import Calibration
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import (
    StimulusError,
    UsageError,
)
from rnn2circuit.flow.calibrate import calibrate, calibration_notes
from rnn2circuit.flow.coordinates import change_states, read_coordinates, with_coordinates
from rnn2circuit.flow.levels import Level, Lowered, at_level, realistic_scale
from rnn2circuit.flow.recommend import StrategyChoice, choose_strategy
from rnn2circuit.flow.speed import speed_notes
from rnn2circuit.flow.swing import check_swing
from rnn2circuit.flow.values import (
    RoundedRealization,
    Values,
    check_values,
    describe_rounding,
    parts_table,
    round_realization,
    sized_scaling,
)
from rnn2circuit.linearize.strategies import StateRealization, Strategy, describe_states
from rnn2circuit.lowering.bill import BillLine, bill_csv, bill_summary
from rnn2circuit.models import Linear, Model
from rnn2circuit.models.base import AbstractCell, AbstractModel, AbstractNetwork, weights_sha256
from rnn2circuit.models.divergence import lyapunov_exponent
from rnn2circuit.models.reference import ReferenceSolution, solve
from rnn2circuit.models.timing import default_duration, largest_step
from rnn2circuit.models.trajectory import DEFAULT_STEPS, Trajectory, run_cell
from rnn2circuit.report.files import write_all
from rnn2circuit.statemap import NetlistMap, StateMap, map_to_json
from rnn2circuit.stimulus import Stimulus, default_stimulus
from rnn2circuit.synthesis.negative import refuse_negative
from rnn2circuit.synthesis.realize import Realization, Realizer, realize
from rnn2circuit.synthesis.scaling import (
    CAPACITANCES,
    FORMS,
    Capacitance,
    Form,
    Scaling,
    choose_scaling,
    scale_cell,
    scale_to,
)
from rnn2circuit.synthesis.testbench import describe_stimulus, make_testbench
from rnn2circuit.synthesis.topology import COUPLINGS, Coupling, InputCoupling
from rnn2circuit.verify.assembly import definitions_sha256
from rnn2circuit.verify.equations import sha256_text
from rnn2circuit.writers.ngspice import write_subcircuit, write_testbench

Accuracy: TypeAlias = Literal["default", "high"]

TOOL_VERSION = version("rnn2circuit")
_FAMILY = re.compile(r"[a-z][a-z0-9_]{0,40}")  # it becomes part of the subcircuit's name
# Of a clock period: only settled values count.
HELD_STEP = {"default": 1e-2, "high": 2.5e-3, "parts": 2e-2}
WHOLE = 1e-9  # by which a number of steps may be off a whole one
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """A model as text: the netlist, its testbench and its map, and what they were made from.

    Attributes
    ----------
    stimulus, duration
        What the testbench applies and for how long, in model time units.
    accuracy : str
        ``default`` or ``high``.
    reference : ReferenceSolution or Trajectory
        The model's own answer to the same stimulus: of a cell, its program.
    exponent : float
        Lyapunov exponent along the reference per model time unit where neighbouring solutions
        part within the run, else 0; see `models.divergence`.
    rounded : RoundedRealization or None
        How its values were rounded: `realized` is what they compute then.
    realization : Realization or None
        The circuit the text was written from; None for a text that came from elsewhere.
    realized : Linear or None
        What the circuit's own states obey, where a strategy changed them: `reference` is its
        solution then, and `original` that of the model.
    states : StateRealization or None
        How they were changed; None for ``direct``, and for a text that came from elsewhere.
    parts : Lowered or None
        What the parts are, their calibration and what to buy; None at level ideal, and for a
        text that came from elsewhere.
    notes : tuple of str
        What a reader of the report should know about the text.
    """

    name: str
    model: AbstractNetwork
    record: NetlistMap
    bench: Testbench
    netlist: str
    testbench: str
    stimulus: Stimulus
    duration: float
    accuracy: Accuracy
    reference: ReferenceSolution | Trajectory
    exponent: float = 0.0
    realization: Realization | None = None
    realized: Linear | None = None
    original: ReferenceSolution | None = None
    states: StateRealization | None = None
    rounded: RoundedRealization | None = None
    parts: Lowered | None = None
    notes: tuple[str, ...] = ()

    @property
    def circuit_model(self) -> AbstractNetwork:
        """What the states of the circuit obey: the model, or its change of coordinates."""
        return self.model if self.realized is None else self.realized

    @property
    def state_map(self) -> StateMap:
        return self.record.state_map

    @property
    def map_json(self) -> str:
        return map_to_json(self.record)

    @property
    def library(self) -> str:
        """The definitions of parts that the netlist ends with."""
        return "" if self.parts is None else self.parts.library

    @property
    def bill(self) -> tuple[BillLine, ...]:
        """What to buy; nothing at level ideal, and for a text that came from elsewhere."""
        return () if self.parts is None else self.parts.bill

    def files(self) -> dict[str, str]:
        """File name and text of everything `write` writes."""
        files = {
            f"{self.name}.cir": self.netlist,
            f"{self.name}.tb.cir": self.testbench,
            f"{self.name}.json": self.map_json,
        }
        if self.rounded is not None:
            files[f"{self.name}.parts.csv"] = parts_table(self.rounded)
        if self.bill:
            files[f"{self.name}.bom.csv"] = bill_csv(self.bill)
        return files

    def write(self, directory: str | Path) -> tuple[Path, ...]:
        """Write all files, or none.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        return write_all(Path(directory), self.files())

    def with_step(self, step: float) -> "Compiled":
        """The same circuit and stimulus with another largest step, in model time units."""
        bench = make_testbench(self.record, self.stimulus, duration=self.duration, step=step)
        title = _bench_title(self.record, self.stimulus)
        return replace(self, bench=bench, testbench=write_testbench(bench, title=title))


EXPERIMENTAL = (
    "OTAs are of MOS transistors in weak inversion: an experimental technology of generic "
    "transistors, op-amps and resistors that no process has at these values as they are"
)


def compile_model(
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
    technology: Technology | None = None,
    calibrated: bool | None = None,
) -> Compiled:
    """Compile a model to a netlist with testbench and map.

    Parameters
    ----------
    name : str
        Stem of the files; letters, digits, ``_`` and ``-``.
    form, coupling, level
        See `synthesis.realize.realize`. The level is ``ideal`` (controlled sources), ``macro``
        (op-amps, OTAs and multipliers) or ``device`` (these of transistors); see docs/levels.md.
    strategy : str
        Coordinates of the states of a linear model, see `linearize.strategies`. All but
        ``direct`` keep the behaviour from inputs to outputs and give up the single states.
        ``auto``: the one with the fewest elements whose predicted deviation with parts within
        1 % is at most twice that of ``direct``.
    kappa, order, tolerance
        See `realize_states`: limit of the condition of ``modal``; number of states, or the
        error that fewer of them may make.
    seconds_per_unit, volts_per_unit, amperes_per_unit, impedance : float, optional
        Scaling; chosen automatically where not given.
    inputs_as, rank, rank_tolerance
        How inputs are coupled, and the rank of coupling ``lowrank``; see `realize`.
    allow_negative : bool
        Whether the circuit may have negative resistors.
    stimulus : Stimulus, optional
        Input signal; `default_stimulus` (one sine per input) where not given.
    duration : float, optional
        Length of the run in model time units; the stimulus' own, or ten characteristic times.
        Of a cell, a number of steps; the stimulus' own, or 60.
    step : float, optional
        Largest time step in model time units; chosen from the reference for `accuracy`.
    realizer : callable, optional
        Turns a family that is not part of the package into elements; see docs/own_family.md.
    capacitance : {"fixed", "variable"}
        How an LRC's liquid capacitance is realized; see `synthesis.realize.realize`.
    values : Values, optional
        Preferred values and ranges, see docs/parts.md; of a linear model at level ideal also
        swing and capacitors, see docs/values.md.
    technology : Technology, optional
        The parts of levels other than ideal, and their supplies; see docs/levels.md.
    calibrated : bool, optional
        Whether the parts are measured first, with ngspice, and values corrected for what they
        do: as a rule of transistors, and not of macromodels. See `flow.calibrate`.

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
    if level == "ideal" and (technology is not None or calibrated):
        option = "technology" if technology is not None else "calibration"
        raise UsageError(f"level ideal has no parts; {option} belongs to level macro or device")
    if form == "rc" and amperes_per_unit is not None:
        raise UsageError("amperes_per_unit belongs to form 'rl'; in form 'rc' states are voltages")
    if not _FAMILY.fullmatch(model.family):
        raise UsageError(f"family name {model.family!r} must be lower-case letters and digits")
    limits = {"kappa": kappa, "order": order, "tolerance": tolerance}
    named = choose_strategy(model, strategy, form=form, coupling=coupling, **limits)
    states = change_states(model, named, kappa=kappa, order=order, tolerance=tolerance)
    target = model if states is None else states.model
    given = {
        "form": form,
        "seconds_per_unit": seconds_per_unit,
        "volts_per_unit": volts_per_unit,
        "amperes_per_unit": amperes_per_unit,
        "impedance": impedance,
    }
    technology = technology or Technology()
    reference = ran = None
    if level != "ideal":
        reference = _reference(model, stimulus, duration)
        usual = _scaling(target, given)
        ran = _own_run(states, reference)
        given = realistic_scale(target, ran, technology, given, usual=usual)
    scaling = _scaling(target, given)
    slow = () if level == "ideal" else speed_notes(target, scaling.seconds_per_unit, technology)
    if capacitance not in CAPACITANCES:
        known = ", ".join(CAPACITANCES)
        raise UsageError(f"capacitance must be one of {known}, got {capacitance!r}")
    if values is not None and level == "ideal":
        linear = check_values(values, target, form=form, coupling=coupling)
        scaling = sized_scaling(linear, values, given, scaling)
    realization = realize(
        target,
        form=form,
        coupling=coupling,
        scaling=scaling,
        inputs_as=inputs_as,
        rank=rank,
        rank_tolerance=rank_tolerance,
        realizer=realizer,
        capacitance=capacitance,
    )
    if not allow_negative and level == "ideal":  # parts are never negative
        refuse_negative(realization.circuit, target, coupling)
    rounded = None
    if values is not None and level == "ideal":
        rounded = round_realization(realization, target, model, values)
        realization = realization if rounded is None else rounded.realization
    calibration = _calibration(level, technology, calibrated)
    lowered = at_level(realization, level, technology, values, calibration=calibration)
    realization = lowered.realization
    subckt = f"{model.family}_{target.n_states}"
    weights = weights_sha256(model)
    netlist = write_subcircuit(
        realization.circuit,
        name=subckt,
        title=[
            f"rnn2circuit netlist: {model.family}, {target.n_states} states, "
            f"{model.n_inputs} inputs, form {form}, coupling {coupling}, level {level}"
            + (", capacitance variable" if capacitance == "variable" else ""),
            f"weights sha256 {weights}",
            *(() if states is None else describe_states(states)),
            *(() if rounded is None else describe_rounding(rounded)),
            *_scaling_lines(realization),
            *([] if inputs_as == "vccs" else [f"inputs as {inputs_as}s"]),
        ],
        library=lowered.library,
    )
    record = NetlistMap(
        netlist=f"{name}.cir",
        subckt=subckt,
        state_map=realization.state_map
        if states is None
        else with_coordinates(realization.state_map),
        family=model.family,
        level=level,
        form=form,
        coupling=coupling,
        weights_sha256=weights,
        netlist_sha256=sha256_text(netlist),
        tool_version=TOOL_VERSION,
        element_counts=tuple(realization.circuit.element_counts().items()),
        inputs_as=inputs_as,
        negative_resistors=realization.circuit.negative_resistors(),
        windings=realization.circuit.windings(),
        strategy=named,
        order=target.n_states if target.n_states < model.n_states else None,
        rounding="" if rounded is None else rounded.series,
        rounding_error=None if rounded is None else rounded.error,
        preferred="" if level == "ideal" or values is None else values.round or "",
        transistors="mos" if level != "ideal" and technology.is_mos else "",
        parts_sha256="" if level == "ideal" else definitions_sha256(netlist),
    )
    inside: tuple[str, ...] = ()
    if ran is not None:
        own = replace(record, state_map=realization.state_map)
        inside = check_swing(realization.circuit, netlist, own, ran, technology)
    changed = None if states is None else states.model
    compiled = _with_testbench(
        netlist,
        record,
        model,
        name,
        stimulus,
        duration=duration,
        step=step,
        accuracy=accuracy,
        realized=changed if rounded is None else rounded.equations,
        reference=reference,
        ran=ran,
    )
    return replace(
        compiled,
        realization=realization,
        states=states,
        rounded=rounded,
        parts=lowered if level != "ideal" else None,
        notes=(
            *realization.circuit.notes,
            *slow,
            *inside,
            *([f"{bill_summary(lowered.bill)}; see {name}.bom.csv"] if lowered.bill else []),
            *calibration_notes(calibration),
            *([EXPERIMENTAL] if record.transistors == "mos" else []),
        ),
    )


def levels_before(compiled: Compiled) -> tuple[Compiled, ...]:
    """The same network at the levels before its own, under the same stimulus and scales."""
    record, ports, parts = compiled.record, compiled.state_map, compiled.parts
    levels: tuple[Level, ...] = get_args(Level)
    return tuple(
        compile_model(
            compiled.model,
            name=compiled.name,
            form=cast(Form, record.form),
            coupling=cast(Coupling, record.coupling),
            level=level,
            strategy=cast(Strategy, record.strategy),
            order=record.order,
            seconds_per_unit=ports.seconds_per_unit,
            volts_per_unit=ports.states[0].volts_per_unit,
            inputs_as=cast(InputCoupling, record.inputs_as),
            stimulus=compiled.stimulus,
            duration=compiled.duration,
            accuracy=compiled.accuracy,
            technology=None if level == "ideal" or parts is None else parts.technology,
        )
        for level in levels[: levels.index(cast(Level, record.level))]
    )


def _calibration(
    level: Level, technology: Technology, calibrated: bool | None
) -> Calibration | None:
    wanted = level == "device" if calibrated is None else calibrated
    return calibrate(technology, level) if wanted and level != "ideal" else None


def adopt_netlist(
    netlist: str,
    record: NetlistMap,
    model: AbstractNetwork,
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

    Where the map names a strategy, the circuit's states are read from the netlist itself, and
    its behaviour from outside is what verification compares with the model.

    Raises
    ------
    UsageError
        If an option does not exist, or the map's strategy does not fit the model.
    UnverifiableError
        If the states of a strategy cannot be read from the netlist.
    """
    _check_options(
        name, form=record.form, coupling=record.coupling, level=record.level, accuracy=accuracy
    )
    notes: tuple[str, ...] = ()
    if sha256_text(netlist) != record.netlist_sha256:
        notes = ("the netlist was changed after its map was written; what follows judges it as is",)
    record = replace(record, netlist=f"{name}.cir", netlist_sha256=sha256_text(netlist))
    realized = read_coordinates(netlist, record, model)
    if record.rounding:
        notes += (
            f"the values are rounded to {record.rounding}, and the equations are read from the "
            "netlist: how far they are from the model is what rounding.h2 says",
        )
    elif realized is not None:
        notes += (
            "the states are coordinates of the circuit's own, read from the netlist: that they "
            "behave as the model is what transfer.input and transfer.free say",
        )
    compiled = _with_testbench(
        netlist,
        record,
        model,
        name,
        stimulus,
        duration=duration,
        step=step,
        accuracy=accuracy,
        realized=realized,
    )
    return replace(compiled, notes=notes)


def _with_testbench(
    netlist: str,
    record: NetlistMap,
    model: AbstractNetwork,
    name: str,
    stimulus: Stimulus | None,
    *,
    duration: float | None,
    step: float | None,
    accuracy: Accuracy,
    realized: Linear | None = None,
    reference: ReferenceSolution | Trajectory | None = None,
    ran: ReferenceSolution | Trajectory | None = None,
) -> Compiled:
    """Choose the step, and write the testbench.

    `reference` is the run of `model` and `ran` that of `realized`, where they are known already.
    """
    exponent, fineness = 0.0, accuracy
    if record.level != "ideal" and accuracy == "default":
        fineness = "parts"
    original: ReferenceSolution | None = None
    if reference is None:
        reference = _reference(model, stimulus, duration)
    stimulus, duration = reference.stimulus, reference.t_end
    if isinstance(reference, Trajectory):
        h = HELD_STEP[fineness]
    else:
        exponent = lyapunov_exponent(reference)
        h = largest_step(reference, accuracy=fineness, exponent=exponent)
        if realized is not None:
            original = reference
            known = isinstance(ran, ReferenceSolution)
            reference = ran if known else solve(realized, stimulus, t_end=duration)
            h = min(h, largest_step(reference, accuracy=fineness, exponent=exponent))
    h = h if step is None else positive("step", step)
    bench = make_testbench(record, stimulus, duration=duration, step=h)
    title = _bench_title(record, stimulus)
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
        exponent=exponent,
        realized=realized,
        original=original,
    )


def _own_run(
    states: StateRealization | None, reference: ReferenceSolution | Trajectory
) -> ReferenceSolution | Trajectory:
    """The run of the circuit's own states, where a strategy changed them."""
    if states is None:
        return reference
    return solve(states.model, reference.stimulus, t_end=reference.t_end)


def _reference(
    model: AbstractNetwork, stimulus: Stimulus | None, duration: float | None
) -> ReferenceSolution | Trajectory:
    """The network's own answer to the stimulus that is given, or to the usual one."""
    if isinstance(model, AbstractCell):
        return _run_program(model, stimulus, duration)
    continuous = _continuous(model)
    stimulus, duration = _drive(continuous, stimulus, duration)
    return solve(continuous, stimulus, t_end=duration)


def _bench_title(record: NetlistMap, stimulus: Stimulus) -> list[str]:
    return [f"rnn2circuit testbench of {record.netlist}", describe_stimulus(stimulus)]


def _continuous(model: AbstractNetwork) -> AbstractModel:
    if not isinstance(model, AbstractModel):
        raise UsageError(f"{type(model).__name__} is neither a continuous model nor a cell")
    return model


def _run_program(
    cell: AbstractCell, stimulus: Stimulus | None, duration: float | None
) -> Trajectory:
    """A cell's own steps: as many as asked for, as the stimulus has, or `DEFAULT_STEPS`."""
    own = None if stimulus is None else stimulus.duration
    steps = float(DEFAULT_STEPS) if own is None else np.floor(own + WHOLE)
    if duration is not None:
        steps = positive("duration", duration)
        if abs(steps - round(steps)) > WHOLE:
            raise UsageError(f"a clocked cell runs for whole steps, got duration {duration!r}")
    steps = round(steps)
    if stimulus is None:
        stimulus = default_stimulus(cell.n_inputs, duration=float(max(steps, 1)))
    return run_cell(cell, stimulus, n_steps=steps)


def _scaling(model: AbstractNetwork, given: dict[str, Any]) -> Scaling:
    """Automatic scaling; a family that is not part of the package counts in its own units."""
    if isinstance(model, AbstractCell):
        known = ("seconds_per_unit", "volts_per_unit", "impedance")
        return scale_cell(model, **{name: given[name] for name in known})
    if isinstance(model, get_args(Model)):
        return choose_scaling(cast(Model, model), **given)
    swing = max(1.0, float(np.max(np.abs(model.initial_state))))
    return scale_to(np.ones(model.n_states), swing, **given)


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


def positive(what: str, value: float) -> float:
    """Return `value` as a plain float if it is positive and finite, or raise UsageError."""
    value = float(value)
    if not (np.isfinite(value) and value > 0):
        raise UsageError(f"{what} must be positive and finite, got {value!r}")
    return value


def _drive(
    model: AbstractModel, stimulus: Stimulus | None, duration: float | None
) -> tuple[Stimulus, float]:
    """The stimulus and how long it runs."""
    if duration is None:
        own = None if stimulus is None else stimulus.duration
        duration = default_duration(model) if own is None else own
    duration = positive("duration", duration)
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
