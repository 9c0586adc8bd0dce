"""The balanced lattice: a linear n-port of 2n nodes, where every coupling may have either sign.

State k is the voltage across the capacitor between nets xp_k and xn_k. Resistors straight or
crossed realize the symmetric part S of Y, gyrators between differential ports its skew part K:
all resistors are positive exactly if S is diagonally dominant (Slepian & Weinberg 1958).
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Capacitors, DifferenceAmplifiers, Gyrators, Resistors
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.blocks import CANCELLATION, Mask, bias, copies, inject
from rnn2circuit.synthesis.scaling import Scaling
from rnn2circuit.synthesis.topology import InputCoupling


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lattice:
    """Differential ports p, n of the states, and the nets that show them to ground."""

    p: Indices
    n: Indices
    shown: Indices


def lattice_states(b: CircuitBuilder, *, weights: Vector, x0: Vector, scaling: Scaling) -> Lattice:
    """Capacitors between the two nets of each state, and ideal amplifiers that show it."""
    count = len(weights)
    x = b.nets("x", count)
    p, n = b.nets("xp", count), b.nets("xn", count)
    b.add(
        Capacitors(
            stem="state",
            index=counting(count),
            meaning="state capacitors across the pairs: C = (seconds_per_unit / impedance) k",
            p=p,
            n=n,
            capacitance=scaling.seconds_per_unit / scaling.impedance * weights,
            v_initial=scaling.volts_per_unit * x0,
        )
    )
    b.add(
        DifferenceAmplifiers(
            stem="shown",
            index=counting(count),
            meaning="states shown to ground: the differences, sensed without load",
            p=x,
            n=np.full(count, GROUND),
            control_p=p,
            control_n=n,
            gain=np.ones(count),
        )
    )
    return Lattice(p=p, n=n, shown=x)


def lattice_conductances(
    b: CircuitBuilder, ports: Lattice, y: Matrix, *, load: Vector, impedance: float
) -> None:
    """The n-port ``i = Y v`` on differential ports: straight and crossed resistors, gyrators.

    `load` is what resistive inputs attach to the ports: it is taken off Y, and it joins the
    pairs to ground.
    """
    y = y - np.diag(load)
    symmetric, skew = (y + y.T) / 2, (y - y.T) / 2
    rows, columns = np.nonzero(np.triu(symmetric, 1))
    value = symmetric[rows, columns]
    if rows.size:
        partner = np.where(value < 0, ports.p[columns], ports.n[columns])
        opposite = np.where(value < 0, ports.n[columns], ports.p[columns])
        for stem, near, far in (("latp", ports.p, partner), ("latn", ports.n, opposite)):
            b.add(
                Resistors(
                    stem=stem,
                    index=positions(rows, columns),
                    meaning="lattice: 1 / (2 |S|), straight where S < 0 and crossed where S > 0",
                    p=near[rows],
                    n=far,
                    resistance=1.0 / (2.0 * np.abs(value)),
                )
            )
    off = np.abs(symmetric).sum(axis=1) - np.abs(np.diag(symmetric))
    shunt = np.diag(symmetric) - off
    shunt[np.abs(shunt) <= CANCELLATION * (off + np.abs(np.diag(symmetric)))] = 0.0
    _shunts(b, ports, shunt)
    _references(b, ports, symmetric, (shunt > 0) | (load > 0), impedance)
    rows, columns = np.nonzero(np.triu(skew, 1))
    if rows.size:
        b.add(
            Gyrators(
                stem="skew",
                index=positions(rows, columns),
                meaning="skew part of the conductance matrix: gyrators between pairs",
                p1=ports.p[rows],
                n1=ports.n[rows],
                p2=ports.p[columns],
                n2=ports.n[columns],
                gyration_conductance=skew[rows, columns],
            )
        )


def _shunts(b: CircuitBuilder, ports: Lattice, shunt: Vector) -> None:
    """What dominance leaves: positive, half from each side to ground; negative, across."""
    ample, short = np.flatnonzero(shunt > 0), np.flatnonzero(shunt < 0)
    for stem, nets in (("shuntp", ports.p), ("shuntn", ports.n)):
        if ample.size:
            b.add(
                Resistors(
                    stem=stem,
                    index=ample[:, None] + 1,
                    meaning="what dominance leaves, 1 / (2 g), to ground: common mode too",
                    p=nets[ample],
                    n=np.full(ample.size, GROUND),
                    resistance=1.0 / (2.0 * shunt[ample]),
                )
            )
    if short.size:
        b.add(
            Resistors(
                stem="lack",
                index=short[:, None] + 1,
                meaning="what dominance lacks, across the pair",
                p=ports.p[short],
                n=ports.n[short],
                resistance=1.0 / shunt[short],
            )
        )


def _references(
    b: CircuitBuilder, ports: Lattice, symmetric: Matrix, anchored: Mask, impedance: float
) -> None:
    """A common mode for pairs that no resistor joins to ground: one resistor for each group.

    All sources of a lattice are differential, so it carries no current and changes nothing.
    """
    _, group = connected_components(csr_matrix(symmetric != 0), directed=False)
    floating = np.setdiff1d(group, group[anchored])
    if not floating.size:
        return
    first = np.array([int(np.argmax(group == k)) for k in floating])
    b.add(
        Resistors(
            stem="common",
            index=np.sort(first)[:, None] + 1,
            meaning="common-mode references of pairs that nothing joins to ground: no current",
            p=ports.n[np.sort(first)],
            n=np.full(first.size, GROUND),
            resistance=np.full(first.size, impedance),
        )
    )


def lattice_inputs(
    b: CircuitBuilder, ports: Lattice, *, control: Indices, g: Matrix, inputs: InputCoupling
) -> None:
    """Currents ``g @ v(control)`` through the pairs; as resistors they load the ports by |g|."""
    rows, columns = np.nonzero(g)
    match inputs:
        case "vccs":
            what = "input weights b[post, input] as transconductances"
            inject(b, "inp", f"{what}, into xp", out=ports.p, control=control, gm=g)
            inject(b, "inn", f"{what}, out of xn", out=ports.n, control=control, gm=-g)
        case "gyrator" if rows.size:
            b.add(
                Gyrators(
                    stem="in",
                    index=positions(rows, columns),
                    meaning="input weights[post, input] as gyrators from input to pair",
                    p1=ports.p[rows],
                    n1=ports.n[rows],
                    p2=control[columns],
                    n2=np.full(rows.size, GROUND),
                    gyration_conductance=-g[rows, columns],
                )
            )
        case "resistor" if rows.size:
            used = np.any(g != 0, axis=0)
            half = {
                sign: copies(
                    b,
                    name,
                    f"inputs, halved to {0.5 * sign:+g}: a balanced pair",
                    control=control,
                    gain=0.5 * sign,
                    used=used,
                )
                for sign, name in ((1.0, "up"), (-1.0, "um"))
            }
            for stem, nets, sign in (("inp", ports.p, 1.0), ("inn", ports.n, -1.0)):
                straight = sign * g[rows, columns] > 0
                b.add(
                    Resistors(
                        stem=stem,
                        index=positions(rows, columns),
                        meaning="input weights[post, input] as resistors: R = 1 / (2 |g|)",
                        p=nets[rows],
                        n=np.where(straight, half[1.0][columns], half[-1.0][columns]),
                        resistance=1.0 / (2.0 * np.abs(g[rows, columns])),
                    )
                )
        case "gyrator" | "resistor":
            return


def lattice_bias(b: CircuitBuilder, ports: Lattice, current: Vector) -> None:
    """Constant currents through the pairs."""
    bias(b, "biasp", "constant drive, into xp", out=ports.p, current=current)
    bias(b, "biasn", "constant drive, out of xn", out=ports.n, current=-current)
