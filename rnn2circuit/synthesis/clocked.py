"""Sample and hold: states that change once per clock period.

A state is a *hold* capacitor at its port. While the clock is high, a *master* capacitor follows
the new value, computed from the held states; while it is low, the hold capacitor follows the
master through a buffer. The switches of the two phases close at different thresholds, so that
between them neither does, and no new value runs through to its own input.
"""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.banks import Capacitors, Switches, VoltageAmplifiers
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting
from rnn2circuit.statemap import ClockMap
from rnn2circuit.synthesis.scaling import Scaling

CLOCK_LOW, CLOCK_HIGH = 0.0, 1.0  # V
SAMPLE_ABOVE, HOLD_BELOW = 0.75, 0.25  # V: between them neither phase is on
HYSTERESIS = 0.05  # V, either side of a threshold
SAMPLING_PHASE = 0.99  # of a period: the end of the phase in which the new state settles
# A switch of impedance / 1000 (100 ohm, as analog switches have) charges its capacitor in a
# fiftieth of the period: it settles for 24 time constants, to 3e-11.
SWITCH_RATIO = 1e-3
TIME_CONSTANTS = 50.0  # per period
OFF_RESISTANCE = 1e12  # ohm: droop of 1e-9 per step; a lower one was measured to cost as much more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Held states: where they show, and the nets that must be driven with their next value.

    Attributes
    ----------
    shown : ndarray, shape (n,)
        Nets whose voltage is ``volts_per_unit * x``.
    """

    shown: Indices
    drive: Indices

    def close(self, b: CircuitBuilder, target: Indices, scaling: Scaling) -> None:
        """Drive the samplers with `target`, which stands at 1 V per unit."""
        b.add(
            VoltageAmplifiers(
                stem="next",
                index=counting(len(target)),
                meaning="next states: volts_per_unit times the targets",
                out=self.drive,
                control=target,
                gain=np.full(len(target), scaling.volts_per_unit),
            )
        )


def clock_map(scaling: Scaling) -> ClockMap:
    """The clock of a cell: one period per model time unit, which is one step."""
    return ClockMap(
        port="clk",
        period=scaling.seconds_per_unit,
        sampling_phase=SAMPLING_PHASE,
        low=CLOCK_LOW,
        high=CLOCK_HIGH,
    )


def sample_and_hold(b: CircuitBuilder, *, clock: int, x0: Vector, scaling: Scaling) -> Held:
    """States that start at `x0` and take the values at `Held.drive` once per period."""
    n = len(x0)
    every = counting(n)
    shown, drive = b.nets("x", n), b.nets("t", n)
    master, buffered = b.nets("m", n), b.nets("q", n)
    on = SWITCH_RATIO * scaling.impedance
    ground = np.full(n, GROUND)
    phases = (
        ("sample", "high", SAMPLE_ABOVE, drive, master, "while the clock is high"),
        ("hold", "low", HOLD_BELOW, buffered, shown, "while the clock is low"),
    )
    for stem, closes, threshold, start, end, when in phases:
        b.add(
            Switches(
                stem=stem,
                index=every,
                meaning=f"switches that {stem} {when}",
                p=start,
                n=end,
                control=np.full(n, clock),
                closes=closes,
                threshold=threshold,
                hysteresis=HYSTERESIS,
                on_resistance=on,
                off_resistance=OFF_RESISTANCE,
            )
        )
        b.add(
            Capacitors(
                stem=f"c{stem}",
                index=every,
                meaning=f"capacitors that {stem}: C = seconds_per_unit / (50 r_on)",
                p=end,
                n=ground,
                capacitance=np.full(n, scaling.seconds_per_unit / (TIME_CONSTANTS * on)),
                v_initial=scaling.volts_per_unit * x0,
            )
        )
    b.add(
        VoltageAmplifiers(
            stem="buffer",
            index=every,
            meaning="buffers between the two capacitors of a state",
            out=buffered,
            control=master,
            gain=np.ones(n),
        )
    )
    return Held(shown=shown, drive=drive)
