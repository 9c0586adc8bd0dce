"""The testbench of a compiled network: its stimulus as voltage sources, through the map."""

import numpy as np

from rnn2circuit.circuit.testbench import (
    PulseSource,
    PwlSource,
    SineSource,
    Source,
    SupplySource,
    Testbench,
    Transient,
)
from rnn2circuit.errors import UsageError
from rnn2circuit.statemap import ClockMap, NetlistMap
from rnn2circuit.stimulus import EDGE_FRACTION, PwlStimulus, SineStimulus, Stimulus


def make_testbench(
    record: NetlistMap, stimulus: Stimulus, *, duration: float, step: float
) -> Testbench:
    """Drive inputs, clock and supplies, record states and outputs for `duration` time units.

    Raises
    ------
    UsageError
        If the step is not shorter than the duration.
    """
    ports = record.state_map
    seconds = ports.seconds_per_unit
    if not step < duration:
        raise UsageError(f"step must be shorter than the duration {duration!r}, got {step!r}")
    clock = () if ports.clock is None else ((ports.clock.port, _clock(ports.clock)),)
    return Testbench(
        netlist=record.netlist,
        subckt=record.subckt,
        ports=ports.ports,
        sources=(
            *(
                (m.port, _source(stimulus, k, m.volts_per_unit, m.v_offset, seconds))
                for k, m in enumerate(ports.inputs)
            ),
            *clock,
            *((m.port, SupplySource(voltage=m.voltage)) for m in ports.supplies),
        ),
        level=record.level,
        faint=record.transistors == "mos",
        floating=record.coupling == "balanced" and record.level == "ideal",
        recorded=tuple(m.port for m in (*ports.states, *ports.outputs)),
        transient=Transient(
            step=step * seconds, stop=duration * seconds, from_initial=record.form == "rl"
        ),
    )


def _clock(clock: ClockMap) -> PulseSource:
    """High in the first half of each period."""
    edge = EDGE_FRACTION * clock.period
    return PulseSource(
        low=clock.low,
        high=clock.high,
        edge=edge,
        high_for=clock.period / 2 - edge,
        period=clock.period,
    )


def _source(stimulus: Stimulus, k: int, volts: float, offset: float, seconds: float) -> Source:
    """Input k as a voltage source; samples between which it is straight anyway are left out."""
    match stimulus:
        case SineStimulus():
            return SineSource(
                offset=offset + volts * float(stimulus.offset[k]),
                amplitude=volts * float(stimulus.amplitude[k]),
                frequency=float(stimulus.frequency[k]) / seconds,
            )
        case PwlStimulus():
            u = stimulus.values[:, k]
            flat = np.zeros(len(u), dtype=bool)
            flat[1:-1] = (u[1:-1] == u[:-2]) & (u[1:-1] == u[2:])
            return PwlSource(times=seconds * stimulus.times[~flat], volts=offset + volts * u[~flat])


def describe_stimulus(stimulus: Stimulus) -> str:
    """A few words on a stimulus, for comments and reports."""
    if stimulus.n_inputs == 0:
        return "no inputs"
    match stimulus:
        case SineStimulus():
            return "stimulus: one sine per input"
        case PwlStimulus():
            return f"stimulus: piecewise linear, {stimulus.times.size} corners"
