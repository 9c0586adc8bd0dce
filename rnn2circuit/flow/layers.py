"""The layers of a verification, each on a compiled network."""

import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields, replace

import numpy as np

from rnn2circuit.errors import SimulationError, SimulationTimeout, UsageError
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.original import check_behaviour, check_original
from rnn2circuit.flow.run import Simulation, default_timeout
from rnn2circuit.models.base import AbstractCell, AbstractModel, AbstractNetwork
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.simulate.interface import OperatingPointSimulator, SweepSimulator
from rnn2circuit.verify.assembly import check_assembly
from rnn2circuit.verify.checks import Check, Verdict
from rnn2circuit.verify.equations import EXACT, check_equations
from rnn2circuit.verify.evaluated import check_evaluated
from rnn2circuit.verify.invariants import check_invariants
from rnn2circuit.verify.operating import RESPONSE, RESTS, check_operating_point, check_response
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
from rnn2circuit.verify.transient import (
    STEP,
    WAVEFORM,
    check_outputs,
    check_steps,
    check_waveforms,
)
from rnn2circuit.verify.windows import (
    DEFECT,
    EXTRAPOLATED,
    check_extrapolated,
    check_windows,
    comparable_until,
)

SEED = 20230412  # of the random states of the extraction, unless another is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a verification allows; each reason is where the default stands.

    Raises
    ------
    UsageError
        If a limit is negative or not finite: a check that cannot fail proves nothing.
    """

    extraction: float = EXACT
    transient: float = WAVEFORM  # parts of each state's range
    outputs: float = WAVEFORM  # parts of each output's range, in which large terms may cancel
    steps: float = STEP  # parts of each state's largest rate
    held: float = HELD  # of clocked cells, held states: parts of each state's range
    extrapolated: float = EXTRAPOLATED  # the circuit's own part of the waveforms' error
    windows: float = DEFECT  # of chaotic networks, from the simulator's own states
    operating: float = RESTS  # rates at the operating point, parts of each state's largest
    response: float = RESPONSE  # small signals, parts of each output's largest
    program: float | None = None  # program against ODE, parts of range: judged where given

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            limit = getattr(self, name)
            if limit is not None and not (math.isfinite(limit) and limit >= 0):
                raise UsageError(f"limit {name} must be finite and not negative, got {limit!r}")


# What realistic parts are allowed, in parts of each state's range. Parts with finite bandwidth are
# wrong by a few 1e-4 at a time constant of a millisecond; calibrated transistors by a few 1e-3.
REALISTIC = {"macro": 1e-3, "device": 1e-2}
# MOS transistors in weak inversion are experimental: plain mirrors, whose output depends on its
# voltage, and pairs that leave weak inversion as the current grows.
WEAK_INVERSION = 3e-2
# Transistors are calibrated by distorting the values, and preferred values are not those wanted:
# such a netlist read with ideal parts is off by as much; a wrong sign or net is off by far more.
CALIBRATED = 0.1


_TRANSISTOR = re.compile(r"^\s*[qm]", re.MULTILINE | re.IGNORECASE)

# With accuracy high the time step is chosen for 2e-7 of each state.
HIGH = {"transient": 1e-6, "outputs": 1e-5}


def limits_for(
    level: str,
    accuracy: str = "default",
    given: Mapping[str, float] | None = None,
    *,
    preferred: bool = False,
    weak_inversion: bool = False,
) -> Limits:
    """The limits of a level, but for those that are `given`.

    Parameters
    ----------
    preferred : bool
        Whether the values of a realistic level are preferred ones, which cost as much as
        transistors do.
    weak_inversion : bool
        Whether the transistors of level device are MOS ones in weak inversion.
    """
    usual: dict[str, float] = HIGH if accuracy == "high" else {}
    if level in REALISTIC:
        allowed = REALISTIC["device" if preferred else level]
        if weak_inversion and level == "device":
            allowed = WEAK_INVERSION
        usual = dict.fromkeys(("transient", "outputs", "held"), allowed)
    if level == "device" or (preferred and level in REALISTIC):
        usual["extraction"] = CALIBRATED
    return Limits(**{**usual, **(given or {})})


def usual_limits(compiled: Compiled, given: Mapping[str, float] | None = None) -> Limits:
    """The limits of a compiled network, but for those that are `given`."""
    record = compiled.record
    preferred = bool(record.preferred)
    # A state of the lattice is the difference of two nets, each with the simulator's own error.
    accuracy = "default" if record.coupling == "balanced" else compiled.accuracy
    limits = limits_for(
        record.level,
        accuracy,
        given,
        preferred=preferred,
        weak_inversion=record.transistors == "mos",
    )
    if preferred or _is_calibrated(compiled) or "extraction" in (given or {}):
        return limits
    return replace(limits, extraction=EXACT)


def continuous(model: AbstractNetwork) -> AbstractModel:
    """`model` as a continuous-time one, which every network is that is no cell."""
    if not isinstance(model, AbstractModel):
        raise TypeError(f"{type(model).__name__} is neither a continuous model nor a cell")
    return model


def read_back(compiled: Compiled, limits: Limits, seed: int) -> tuple[Check, ...]:
    """What the text says, without a simulator."""
    text, record, model = compiled.netlist, compiled.record, compiled.model
    ports = record.state_map
    before = [
        check_rules(
            text,
            compiled.testbench,
            included=record.netlist,
            driven=(*ports.driven, *(m.port for m in ports.supplies)),
            subckt=record.subckt,
        )
    ]
    if record.level != "ideal":
        before.append(check_assembly(text, record))
    if isinstance(model, AbstractCell):
        checks = check_step(text, record, model, seed=seed, limit=limits.extraction)
        return (*before, *_judged(checks, compiled))
    checks = check_equations(
        text,
        record,
        continuous(model),
        seed=seed,
        limit=limits.extraction,
        realized=compiled.realized,
    )
    if len(checks) > 2:  # the map belongs to this model, and the text was understood
        checks += check_behaviour(compiled, limit=limits.extraction)
    return (*before, *_judged(checks, compiled))


def _judged(checks: Sequence[Check], compiled: Compiled) -> Sequence[Check]:
    """Without derivatives where values are not those of the model: far out, small ones are lost."""
    exact = not (_is_calibrated(compiled) or compiled.record.preferred)
    return [c for c in checks if exact or c.id != "extraction.jacobian"]


def _is_calibrated(compiled: Compiled) -> bool:
    """Whether values are distorted for transistors. A map that claims it does not suffice."""
    return compiled.record.level == "device" and _TRANSISTOR.search(compiled.netlist) is not None


def evaluate(
    compiled: Compiled,
    program: OperatingPointSimulator,
    limits: Limits,
    seed: int,
    timeout: float | None,
) -> Check:
    """What the simulator makes of the same text, without time."""
    text, record, model = compiled.netlist, compiled.record, compiled.circuit_model
    timeout = default_timeout(compiled) if timeout is None else timeout
    limit = limits.extraction
    if isinstance(model, AbstractCell):
        return check_evaluated_step(
            text, record, model, program, seed=seed, timeout=timeout, limit=limit
        )
    return check_evaluated(
        text, record, continuous(model), program, seed=seed, timeout=timeout, limit=limit
    )


def small_signals(
    compiled: Compiled,
    program: SweepSimulator,
    limits: Limits,
    seed: int,
    timeout: float | None,
) -> list[Check]:
    """Operating point and frequency response; nothing where the network has no such point."""
    if isinstance(compiled.model, AbstractCell):
        return []
    model = continuous(compiled.circuit_model)
    timeout = default_timeout(compiled) if timeout is None else timeout
    text, record = compiled.netlist, compiled.record
    found = check_operating_point(
        text, record, model, program, seed=seed, timeout=timeout, limit=limits.operating
    )
    if found is None:
        return []
    check, rest = found
    if rest is None or check.verdict is not Verdict.PASS:
        return [check]
    response = check_response(
        text, record, model, program, rest, timeout=timeout, limit=limits.response
    )
    return [check] if response is None else [check, response]


def compare_run(simulation: Simulation, limits: Limits) -> list[Check]:
    """Waveforms and single steps against the model."""
    compiled, t, x = simulation.compiled, simulation.t, simulation.x
    reference, realistic = compiled.reference, compiled.record.level != "ideal"
    if isinstance(reference, Trajectory):
        held = held_states(t, x, compiled.record, reference.n_steps)
        checks = [check_held(held, reference, limit=limits.held)]
        if compiled.state_map.outputs:
            y = held_states(t, simulation.y, compiled.record, reference.n_steps)
            checks.append(check_held_outputs(y, reference, limit=limits.held))
        if realistic:
            return checks
        checks.append(check_held_steps(held, reference, limit=limits.held))
        done = np.arange(1.0, reference.n_steps + 1.0)
        return [*checks, *check_invariants(reference.model, done, held, reference.inputs)]
    windows: list[Check] = []
    if compiled.exponent > 0:
        windows = [check_windows(t, x, reference, exponent=compiled.exponent, limit=limits.windows)]
    until = _until(compiled, windows, limits)
    checks = [check_waveforms(t, x, reference, limit=limits.transient, until=until)]
    if compiled.original is not None and compiled.state_map.outputs:
        checks.append(check_original(simulation, compiled.original, limits.outputs, until=until))
    elif compiled.state_map.outputs:
        y = simulation.y
        checks.append(check_outputs(t, y, reference, limit=limits.outputs, until=until))
    checks += windows
    if realistic:
        return checks
    checks.append(check_steps(t, x, reference.model, reference, limit=limits.steps))
    return [*checks, *check_invariants(reference.model, t, x, reference.input(t))]


def _until(compiled: Compiled, checks: list[Check], limits: Limits) -> float:
    """Up to when waveforms are comparable, from what the windows showed."""
    reference = compiled.reference
    if isinstance(reference, Trajectory):
        return reference.t_end
    defect = next((c.value for c in checks if c.id == "transient.windows"), None) or 0.0
    return comparable_until(reference, compiled.exponent, limit=limits.transient, defect=defect)


def with_half_step(compiled: Compiled) -> Compiled:
    """The same circuit, to be simulated in half the steps."""
    seconds = compiled.state_map.seconds_per_unit
    return compiled.with_step(0.5 * compiled.bench.transient.step / seconds)


def compare_finer(
    simulation: Simulation, finer: Future[Simulation], limits: Limits, checks: list[Check]
) -> list[Check]:
    """Held against a second run `finer`: which part of the error is the simulator's."""
    compiled, reference = simulation.compiled, simulation.compiled.reference
    if isinstance(reference, Trajectory):
        return []
    try:
        fine = finer.result()
    except SimulationError as error:
        return [failed_run(error, limits.extrapolated, id="transient.extrapolated")]
    return [
        check_extrapolated(
            (simulation.t, simulation.x),
            (fine.t, fine.x),
            reference,
            until=_until(compiled, checks, limits),
            waveform_limit=limits.transient,
            limit=limits.extrapolated,
        )
    ]


def failed_run(error: SimulationError, limit: float, *, id: str = "transient.states") -> Check:
    """A simulation that gave nothing to compare."""
    verdict = Verdict.TIMEOUT if isinstance(error, SimulationTimeout) else Verdict.ERROR
    return Check(
        id=id,
        title="simulated states against the ODE, parts of range",
        verdict=verdict,
        limit=limit,
        detail=str(error),
    )


def chaos_note(compiled: Compiled, limits: Limits, checks: list[Check]) -> tuple[str, ...]:
    """What a reader must know where neighbouring solutions part."""
    if compiled.exponent <= 0:
        return ()
    until, end = _until(compiled, checks, limits), compiled.duration
    return (
        f"neighbouring solutions part with exponent {compiled.exponent:.3g} per time unit: "
        f"waveforms are compared up to t = {until:.4g} of {end:.4g}, the rest window by window",
    )
