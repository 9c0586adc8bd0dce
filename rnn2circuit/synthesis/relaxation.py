"""States: a leak and a storage element each, in voltage form or as its dual."""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Ammeters,
    Capacitors,
    Gyrators,
    Inductors,
    Resistors,
    SeriesTransresistances,
    Transresistances,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.blocks import CANCELLATION, Mask, loaded_sum_nodes
from rnn2circuit.synthesis.scaling import Form, Scaling


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxation:
    """The states of a network: where they show, and where they are driven.

    Attributes
    ----------
    shown : ndarray, shape (n,)
        Nets whose voltage is ``volts_per_unit * x``.
    drive : ndarray, shape (n,)
        Nets into which a current of ``amperes_per_rate * r`` adds r to x'. Empty where a state
        is not driven on one net.
    amperes_per_rate : ndarray, shape (n,)
        A per (unit of state per model time unit).
    swing : ndarray, shape (n,), or None
        Where states are scaled one by one: state i shows as ``swing[i] volts_per_unit x_i``.
    """

    shown: Indices
    drive: Indices
    amperes_per_rate: Vector
    swing: Vector | None = None


def relaxation(
    b: CircuitBuilder,
    *,
    form: Form,
    rate: Vector,
    weights: Vector,
    x0: Vector,
    scaling: Scaling,
    load: Vector | None = None,
) -> Relaxation:
    """States that decay with ``x' = -rate x + drive``; a rate may be negative or zero.

    Voltage form: R parallel C from the state's net to ground. Current form: its dual, a loop of
    a driving voltage, L and R, whose current is sensed through a transresistance.

    `load`, where given, are conductances (S) that the coupling attaches to the driven nets. In
    voltage form they are part of the leak, whose own resistor is what they leave of it: negative
    where they are more. In current form they are part of the resistor that sums.
    """
    if form == "rc":
        return _parallel_rc(b, rate=rate, weights=weights, x0=x0, scaling=scaling, load=load)
    return series_rl(
        b, rate=rate, weights=weights, x0=x0, scaling=scaling, gyrators=None, load=load
    )


def amperes_per_rate(form: Form, weights: Vector, scaling: Scaling) -> Vector:
    """Current that adds 1 to the rate of each state, before the states are made."""
    if form == "rc":
        return scaling.volts_per_unit / scaling.impedance * weights
    return scaling.amperes_per_unit * np.array(weights)


def _parallel_rc(
    b: CircuitBuilder,
    *,
    rate: Vector,
    weights: Vector,
    x0: Vector,
    scaling: Scaling,
    load: Vector | None,
) -> Relaxation:
    n = len(rate)
    x = b.nets("x", n)
    b.add(
        Capacitors(
            stem="state",
            index=counting(n),
            meaning="state capacitors: C = (seconds_per_unit / impedance) k",
            p=x,
            n=np.full(n, GROUND),
            capacitance=scaling.seconds_per_unit / scaling.impedance * weights,
            v_initial=scaling.volts_per_unit * x0,
        )
    )
    leak = weights * rate  # in units of 1 / impedance
    meaning = "leak resistors: R = impedance / (k rate)"
    if load is not None and np.any(load):
        own, loaded = leak, scaling.impedance * load
        leak = own - loaded
        leak[np.abs(leak) <= CANCELLATION * (np.abs(own) + loaded)] = 0.0
        meaning = "shunts to ground: the leak k rate / impedance less what the coupling loads"
    leaky = np.flatnonzero(leak)
    if leaky.size:
        b.add(
            Resistors(
                stem="leak",
                index=leaky[:, None] + 1,
                meaning=meaning,
                p=x[leaky],
                n=np.full(leaky.size, GROUND),
                resistance=scaling.impedance / leak[leaky],
            )
        )
    per_rate = amperes_per_rate("rc", weights, scaling)
    return Relaxation(shown=x, drive=x, amperes_per_rate=per_rate)


def series_rl(
    b: CircuitBuilder,
    *,
    rate: Vector,
    weights: Vector,
    x0: Vector,
    scaling: Scaling,
    gyrators: Matrix | None,
    load: Vector | None = None,
) -> Relaxation:
    """Loops of driving voltage, L and R whose currents are the states.

    The voltage of a loop is summed on a node (its `drive` net) and put in series by one
    amplifier: the impedance coupling of the n-port, without a chain of n sources in each loop.
    `gyrators`, where given, is a skew matrix K (ohm): loops i and j additionally share a gyrator
    that puts ``K_ij i_j`` into loop i and ``-K_ij i_i`` into loop j, as drops; where a
    loop has several, each is a pair of CCVS.
    """
    n = len(rate)
    x = b.nets("x", n)
    drive, gain = loaded_sum_nodes(
        b, "e", load=np.zeros(n) if load is None else load, scaling=scaling
    )
    loop = b.nets("la", n)
    b.add(
        VoltageAmplifiers(
            stem="loop",
            index=counting(n),
            meaning="loop voltages, copied from their sum nodes",
            out=loop,
            control=drive,
            gain=gain,
        )
    )
    end = b.nets("lb", n)
    b.add(
        Inductors(
            stem="state",
            index=counting(n),
            meaning="state inductors: L = seconds_per_unit impedance k",
            p=loop,
            n=end,
            inductance=scaling.seconds_per_unit * scaling.impedance * weights,
            i_initial=scaling.amperes_per_unit * x0,
        )
    )
    end = series_resistors(b, start=end, resistance=scaling.impedance * weights * rate)
    skew = np.zeros((n, n)) if gyrators is None else gyrators
    chained = _in_a_chain(skew)
    end = _series_gyrators(b, start=end, skew=np.where(chained, 0.0, skew))
    rows, columns = np.nonzero(chained)
    upper, lower, end = chain(b, "lh", end, rows, columns)
    ammeters = Ammeters(
        stem="sense",
        index=counting(n),
        meaning="state currents: 0 V sources that close the loops",
        p=end,
        n=np.full(n, GROUND),
    )
    b.add(ammeters)
    if rows.size:
        pairs = SeriesTransresistances(
            stem="turn",
            index=positions(rows, columns),
            meaning="skew part of the impedance matrix: gyrators, a pair of CCVS in series each",
            p=upper,
            n=lower,
            ammeter=ammeters,
            listens=columns,
            resistance=skew[rows, columns],
        )
        b.add(pairs)
    b.add(
        Transresistances(
            stem="shown",
            index=counting(n),
            meaning="state currents as voltages: volts_per_unit / amperes_per_unit",
            out=x,
            ammeter=ammeters,
            resistance=np.full(n, scaling.volts_per_unit / scaling.amperes_per_unit),
        )
    )
    return Relaxation(
        shown=x, drive=drive, amperes_per_rate=amperes_per_rate("rl", weights, scaling)
    )


def series_resistors(b: CircuitBuilder, *, start: Indices, resistance: Vector) -> Indices:
    """Put a resistor after each net of `start` where it is not zero; return the loops' ends."""
    end = np.array(start)
    lossy = np.flatnonzero(resistance)
    if lossy.size:
        end[lossy] = [b.net(f"lc{k + 1}") for k in lossy]
        b.add(
            Resistors(
                stem="leak",
                index=lossy[:, None] + 1,
                meaning="series resistors: R = impedance k rate",
                p=start[lossy],
                n=end[lossy],
                resistance=resistance[lossy],
            )
        )
    return end


def _in_a_chain(skew: Matrix) -> Mask:
    """Which gyrators share a loop with another, shape (n, n).

    A gyrator in series carries its loop's current by a conductance 1 / K. Two in a loop are
    current sources in series: what holds the net between them is the rounding of whatever
    solves the netlist. A pair of CCVS is the same two-port without that.
    """
    many = np.count_nonzero(skew, axis=1) > 1
    return (skew != 0) & (many[:, None] | many)


def _series_gyrators(b: CircuitBuilder, *, start: Indices, skew: Matrix) -> Indices:
    """Thread gyrators through the loops; return the loops' ends.

    Port 1 lies in loop i and port 2 in loop j: ``v1 = -i_j / g`` and ``v2 = i_i / g``, so
    ``g = -1 / K_ij``.
    """
    rows, columns = np.nonzero(np.triu(skew, 1))
    if not rows.size:
        return start
    end = np.array(start)
    p1, n1, p2, n2 = (np.empty(rows.size, dtype=np.int64) for _ in range(4))
    for k, (i, j) in enumerate(zip(rows, columns, strict=True)):
        p1[k], n1[k] = end[i], b.net(f"lg{i + 1}_{j + 1}")
        p2[k], n2[k] = end[j], b.net(f"lg{j + 1}_{i + 1}")
        end[i], end[j] = n1[k], n2[k]
    b.add(
        Gyrators(
            stem="skew",
            index=positions(rows, columns),
            meaning="skew part of the impedance matrix: gyrators in series with two loops",
            p1=p1,
            n1=n1,
            p2=p2,
            n2=n2,
            gyration_conductance=-1.0 / skew[rows, columns],
        )
    )
    return end


def chain(
    b: CircuitBuilder, prefix: str, start: Indices, rows: Indices, columns: Indices
) -> tuple[Indices, Indices, Indices]:
    """Nets of elements in series, several per loop: upper and lower ends, and the loops' ends.

    `rows` must be ascending: the loop of each element.
    """
    lower = b.numbered(prefix, positions(rows, columns))
    first = np.append(True, rows[1:] != rows[:-1])
    upper = np.where(first, start[rows], np.append(0, lower[:-1]))
    end = np.array(start)
    end[rows] = lower  # the last element of a loop is written last
    return upper, lower, end


def gap_resistors(b: CircuitBuilder, states: Relaxation, g: Matrix) -> None:
    """Gap junctions of conductance g (S), symmetric (n, n), between the states' own nets."""
    rows, columns = np.nonzero(np.triu(g, 1))
    if rows.size:
        b.add(
            Resistors(
                stem="gap",
                index=positions(rows, columns),
                meaning="gap junctions g_gap as resistors",
                p=states.shown[rows],
                n=states.shown[columns],
                resistance=1.0 / g[rows, columns],
            )
        )
