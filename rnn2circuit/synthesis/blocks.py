"""The analog vocabulary: what a family's realization is written in.

Every block works on nets of a `CircuitBuilder`. A *sum node* is a net with one resistor to
ground into which currents flow, so that an n-term sum costs n linear elements and no
nonlinear one. A *relaxation* is one state: the leak and the storage element, with a net that
shows the state as a voltage and a net into which its drive current flows.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Ammeters,
    Capacitors,
    CurrentMirrors,
    CurrentSources,
    Gyrators,
    Inductors,
    Products,
    Resistors,
    SigmoidStages,
    Transconductances,
    Transresistances,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.scaling import Form, Scaling

Mask: TypeAlias = NDArray[np.bool_]  # shape (k,)
Coupling: TypeAlias = Literal["vccs", "gyrator"]
COUPLINGS: tuple[Coupling, ...] = ("vccs", "gyrator")

# A conductance that is zero in exact arithmetic comes out as rounding noise of the terms that
# cancel; below this many units of rounding per term it is the structural zero it should be.
CANCELLATION = 8 * np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxation:
    """The states of a network: where they show, and where they are driven.

    Attributes
    ----------
    shown : ndarray, shape (n,)
        Nets whose voltage is ``volts_per_unit * x``.
    drive : ndarray, shape (n,)
        Nets into which a current of ``amperes_per_rate * r`` adds r to x'.
    amperes_per_rate : ndarray, shape (n,)
        A per (unit of state per model time unit).
    """

    shown: Indices
    drive: Indices
    amperes_per_rate: Vector


def relaxation(
    b: CircuitBuilder, *, form: Form, rate: Vector, weights: Vector, x0: Vector, scaling: Scaling
) -> Relaxation:
    """States that decay with ``x' = -rate x + drive``; a rate may be negative or zero.

    Voltage form: R parallel C from the state's net to ground. Current form: its dual, a loop of
    a driving voltage, L and R, whose current is sensed through a transresistance.
    """
    if form == "rc":
        return _parallel_rc(b, rate=rate, weights=weights, x0=x0, scaling=scaling)
    return series_rl(b, rate=rate, weights=weights, x0=x0, scaling=scaling, gyrators=None)


def _parallel_rc(
    b: CircuitBuilder, *, rate: Vector, weights: Vector, x0: Vector, scaling: Scaling
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
    leaky = np.flatnonzero(rate)
    if leaky.size:
        b.add(
            Resistors(
                stem="leak",
                index=leaky[:, None] + 1,
                meaning="leak resistors: R = impedance / (k rate)",
                p=x[leaky],
                n=np.full(leaky.size, GROUND),
                resistance=scaling.impedance / (weights * rate)[leaky],
            )
        )
    per_rate = scaling.volts_per_unit / scaling.impedance * weights
    return Relaxation(shown=x, drive=x, amperes_per_rate=per_rate)


def series_rl(
    b: CircuitBuilder,
    *,
    rate: Vector,
    weights: Vector,
    x0: Vector,
    scaling: Scaling,
    gyrators: Matrix | None,
) -> Relaxation:
    """Loops of driving voltage, L and R whose currents are the states.

    The voltage of a loop is summed on a node (its `drive` net) and put in series by one
    amplifier: the impedance coupling of the n-port, without a chain of n sources in each loop.
    `gyrators`, where given, is a skew matrix K (ohm): loops i and j additionally share a gyrator
    that puts ``K_ij i_j`` into loop i and ``-K_ij i_i`` into loop j, as drops.
    """
    n = len(rate)
    x = b.nets("x", n)
    drive = sum_nodes(b, "e", n, scaling)
    loop = b.nets("la", n)
    b.add(
        VoltageAmplifiers(
            stem="loop",
            index=counting(n),
            meaning="loop voltages, copied from their sum nodes",
            out=loop,
            control=drive,
            gain=np.ones(n),
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
    end = _series_resistors(b, start=end, resistance=scaling.impedance * weights * rate)
    if gyrators is not None:
        end = _series_gyrators(b, start=end, skew=gyrators)
    ammeters = Ammeters(
        stem="sense",
        index=counting(n),
        meaning="state currents: 0 V sources that close the loops",
        p=end,
        n=np.full(n, GROUND),
    )
    b.add(ammeters)
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
        shown=x, drive=drive, amperes_per_rate=scaling.amperes_per_unit * np.array(weights)
    )


def _series_resistors(b: CircuitBuilder, *, start: Indices, resistance: Vector) -> Indices:
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


def sum_nodes(
    b: CircuitBuilder, prefix: str, count: int, scaling: Scaling, *, used: Mask | None = None
) -> Indices:
    """Nets on which currents are summed: one resistor of the impedance level each.

    Where `used` is given and false there is no node, and the net returned is ground.
    """
    nodes, index = _some_nets(b, prefix, np.ones(count, dtype=bool) if used is None else used)
    if index.size:
        b.add(
            Resistors(
                stem=f"sum{prefix}",
                index=index,
                meaning=f"sum resistors of the nets {prefix}: impedance",
                p=nodes[index[:, 0] - 1],
                n=np.full(len(index), GROUND),
                resistance=np.full(len(index), scaling.impedance),
            )
        )
    return nodes


def inject(
    b: CircuitBuilder, stem: str, meaning: str, *, out: Indices, control: Indices, gm: Matrix
) -> None:
    """Currents ``gm @ v(control)`` into the nets `out`: one transconductance per nonzero entry.

    Column-major order, all elements controlled by one net together: ngspice's sparse matrix
    then keeps each column contiguous, which is worth a factor of three at n = 300.
    """
    columns, rows = np.nonzero(gm.T)
    if rows.size:
        b.add(
            Transconductances(
                stem=stem,
                index=positions(rows, columns),
                meaning=meaning,
                out=out[rows],
                control=control[columns],
                gm=gm[rows, columns],
            )
        )


def bias(b: CircuitBuilder, stem: str, meaning: str, *, out: Indices, current: Vector) -> None:
    """Constant currents into the nets `out`, none where the value is zero."""
    where = np.flatnonzero(current)
    if where.size:
        b.add(
            CurrentSources(
                stem=stem,
                index=where[:, None] + 1,
                meaning=meaning,
                out=out[where],
                current=current[where],
            )
        )


def stages(
    b: CircuitBuilder, prefix: str, meaning: str, *, control: Indices, activation: str, used: Mask
) -> Indices:
    """One amplifier per net of `control` that is `used`: ``v(out) = σ(v(control))``, in volts.

    Returns one net per entry of `control`, ground where there is no amplifier.
    """
    out, index = _some_nets(b, prefix, used)
    if index.size:
        b.add(
            SigmoidStages(
                stem=prefix,
                index=index,
                meaning=meaning,
                out=out[used],
                control=control[used],
                activation=activation,
            )
        )
    return out


def products(b: CircuitBuilder, prefix: str, meaning: str, *, a: Indices, c: Indices) -> Indices:
    """Multipliers ``v(out) = v(a) v(c) / 1 V``."""
    out = b.nets(prefix, len(a))
    b.add(Products(stem=prefix, index=counting(len(a)), meaning=meaning, out=out, a=a, b=c))
    return out


def copies(
    b: CircuitBuilder, prefix: str, meaning: str, *, control: Indices, gain: float, used: Mask
) -> Indices:
    """Ideal amplifiers ``v(out) = gain v(control)`` where `used`; they do not load `control`.

    Returns one net per entry of `control`, ground where there is no amplifier.
    """
    out, index = _some_nets(b, prefix, used)
    if index.size:
        b.add(
            VoltageAmplifiers(
                stem=prefix,
                index=index,
                meaning=meaning,
                out=out[used],
                control=control[used],
                gain=np.full(len(index), gain),
            )
        )
    return out


def _some_nets(b: CircuitBuilder, prefix: str, used: Mask) -> tuple[Indices, Indices]:
    """Nets for the positions in use, ground for the others; and the index column of the former."""
    where = np.flatnonzero(used)
    nets = np.full(len(used), GROUND)
    nets[where] = [b.net(f"{prefix}{k + 1}") for k in where]
    return nets, where[:, None] + 1


def conductances(b: CircuitBuilder, *, nets: Indices, y: Matrix, tag: str = "") -> None:
    """The n-port ``i = Y v`` on `nets`: symmetric part as resistors, skew part as gyrators.

    With S and K the symmetric and skew parts of Y (Caruso & Jarne 2023): a conductance -S_ij
    between nets i and j, ``sum_j S_ij`` from net i to ground, and a gyrator of gyration
    conductance K_ij. Negative resistors are explicit elements.
    """
    symmetric, skew = (y + y.T) / 2, (y - y.T) / 2
    rows, columns = np.nonzero(np.triu(symmetric, 1))
    if rows.size:
        b.add(
            Resistors(
                stem=f"sym{tag}",
                index=positions(rows, columns),
                meaning="symmetric part of the conductance matrix, between nets",
                p=nets[rows],
                n=nets[columns],
                resistance=-1.0 / symmetric[rows, columns],
            )
        )
    shunt = symmetric.sum(axis=1)
    shunt[np.abs(shunt) <= CANCELLATION * np.abs(symmetric).sum(axis=1)] = 0.0
    where = np.flatnonzero(shunt)
    if where.size:
        b.add(
            Resistors(
                stem=f"shunt{tag}",
                index=where[:, None] + 1,
                meaning="row sums of the symmetric part, to ground",
                p=nets[where],
                n=np.full(where.size, GROUND),
                resistance=1.0 / shunt[where],
            )
        )
    rows, columns = np.nonzero(np.triu(skew, 1))
    if rows.size:
        b.add(
            Gyrators(
                stem=f"skew{tag}",
                index=positions(rows, columns),
                meaning="skew part of the conductance matrix: gyrators",
                p1=nets[rows],
                n1=np.full(rows.size, GROUND),
                p2=nets[columns],
                n2=np.full(rows.size, GROUND),
                gyration_conductance=skew[rows, columns],
            )
        )


def sense_nport(
    b: CircuitBuilder, *, control: Indices, out: Indices, g: Matrix, tag: str = ""
) -> None:
    """Currents ``g @ v(control)`` into `out`, computed by a resistor and gyrator n-port.

    Copies of the control voltages force the ports through ammeters; the n-port has ``Y = -g``,
    and its port currents, mirrored, are the sums. So a sum whose operands do not live on the
    nets it drives (an activation stands between) still has one resistor and one gyrator per
    pair. `tag` tells several n-ports of one circuit apart.
    """
    used = np.any(g != 0, axis=0) | np.any(g != 0, axis=1)
    live = np.flatnonzero(used)
    if not live.size:
        return
    source = copies(
        b, f"b{tag}", "port voltages of the coupling n-port", control=control, gain=1.0, used=used
    )
    ports = np.array([b.net(f"p{tag}{k + 1}") for k in live])
    ammeters = Ammeters(
        stem=f"port{tag}",
        index=live[:, None] + 1,
        meaning="port currents of the coupling n-port",
        p=source[live],
        n=ports,
    )
    b.add(ammeters)
    conductances(b, nets=ports, y=-g[live[:, None], live], tag=tag)
    b.add(
        CurrentMirrors(
            stem=f"w{tag}",
            index=live[:, None] + 1,
            meaning="port currents, reversed, into the sums",
            out=out[live],
            ammeter=ammeters,
            gain=np.full(live.size, -1.0),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """``matrix @ y`` in a weighted sum, for operands y that stand on nets.

    Attributes
    ----------
    stem : str
        What the elements are called.
    volts_per_unit : float
        V per unit of y on the nets `control`.
    """

    stem: str
    meaning: str
    control: Indices
    volts_per_unit: float
    matrix: Matrix | None


def affine_sum(
    b: CircuitBuilder,
    prefix: str,
    *,
    recurrent: Term,
    inputs: Term | None = None,
    constant: Vector | None = None,
    coupling: Coupling = "vccs",
    scaling: Scaling,
) -> Indices:
    """Nets with ``W y + V u + b`` at 1 V per unit.

    The recurrent term is coupled as `coupling` says, inputs always by transconductances.
    """
    matrix = recurrent.matrix
    if matrix is None:
        raise TypeError("a weighted sum has a recurrent term")
    nodes = sum_nodes(b, prefix, len(matrix), scaling)
    per_volt = 1.0 / (scaling.impedance * recurrent.volts_per_unit)
    if coupling == "gyrator":
        sense_nport(
            b, control=recurrent.control, out=nodes, g=per_volt * matrix, tag=recurrent.stem
        )
    else:
        inject(
            b,
            recurrent.stem,
            f"{recurrent.meaning}: gm = w / (impedance volts)",
            out=nodes,
            control=recurrent.control,
            gm=per_volt * matrix,
        )
    if inputs is not None and inputs.matrix is not None:
        inject(
            b,
            inputs.stem,
            f"{inputs.meaning}: gm = w / (impedance volts)",
            out=nodes,
            control=inputs.control,
            gm=inputs.matrix / (scaling.impedance * inputs.volts_per_unit),
        )
    if constant is not None:
        bias(
            b,
            f"bias{prefix}",
            "biases: bias / impedance",
            out=nodes,
            current=constant / scaling.impedance,
        )
    return nodes


def gated_pull(
    b: CircuitBuilder,
    tag: str,
    *,
    gate: Indices,
    candidate: Indices,
    shown: Indices,
    drive: Indices,
    amperes_per_rate: Vector,
    scaling: Scaling,
) -> None:
    """``x' += gate (candidate - x)``: a difference on a sum node, and one multiplier per state.

    Gate and candidate are at 1 V per unit.
    """
    n = len(shown)
    difference = sum_nodes(b, f"d{tag}", n, scaling)
    inject(
        b,
        f"draw{tag}",
        "candidates, at volts_per_unit",
        out=difference,
        control=candidate,
        gm=np.eye(n) * scaling.volts_per_unit / scaling.impedance,
    )
    inject(
        b,
        f"back{tag}",
        "minus the states themselves",
        out=difference,
        control=shown,
        gm=-np.eye(n) / scaling.impedance,
    )
    pull = products(b, f"m{tag}", "gate times difference", a=gate, c=difference)
    inject(
        b,
        f"pull{tag}",
        "into the states: gm = amperes_per_rate / volts_per_unit",
        out=drive,
        control=pull,
        gm=np.diag(amperes_per_rate / scaling.volts_per_unit),
    )
