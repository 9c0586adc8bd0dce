"""The n-port ``i = Y v`` of resistors, gyrators and ideal transformers, on nets or sensed.

S and K are the symmetric and skew parts of Y (Caruso & Jarne 2023): S dissipates and becomes
resistors, K neither dissipates nor is reciprocal and becomes gyrators.
"""

from typing import Literal, TypeAlias

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Ammeters,
    CurrentMirrors,
    Gyrators,
    Resistors,
    Transformers,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.blocks import CANCELLATION, copies
from rnn2circuit.synthesis.factors import equilibration, skew_factors, symmetric_factors

NportKind: TypeAlias = Literal["gyrator", "transformer", "minimal-gyrator"]


def conductances(
    b: CircuitBuilder, *, nets: Indices, y: Matrix, tag: str = "", kind: NportKind = "gyrator"
) -> None:
    """The n-port ``i = Y v`` on `nets`, currents into the n-port.

    ``gyrator``: a resistor and a gyrator per pair. ``transformer``: resistors behind ideal
    transformers, so that only as many are negative as S has negative eigenvalues.
    ``minimal-gyrator``: gyrators behind ideal transformers, half the rank of K of them.
    """
    symmetric, skew = (y + y.T) / 2, (y - y.T) / 2
    scale = equilibration(y)
    if kind == "transformer":
        _transformed_resistors(b, nets, symmetric, scale, tag)
    else:
        _pair_resistors(b, nets, symmetric, tag)
    if kind == "minimal-gyrator":
        _transformed_gyrators(b, nets, skew, scale, tag)
    else:
        _pair_gyrators(b, nets, skew, tag)


def _pair_resistors(b: CircuitBuilder, nets: Indices, symmetric: Matrix, tag: str) -> None:
    """A conductance -S_ij between nets i and j, and ``sum_j S_ij`` from net i to ground."""
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


def _pair_gyrators(b: CircuitBuilder, nets: Indices, skew: Matrix, tag: str) -> None:
    """A gyrator of gyration conductance K_ij between nets i and j."""
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


def _transformed_resistors(
    b: CircuitBuilder, nets: Indices, symmetric: Matrix, scale: Vector, tag: str
) -> None:
    """``S = sum_k e_k t_k t_k'``: a resistor 1 / e_k behind a transformer of turns t_k."""
    e, turns = symmetric_factors(symmetric, scale)
    if not e.size:
        return
    b.add(
        Resistors(
            stem=f"sym{tag}",
            index=counting(e.size),
            meaning="symmetric part of the conductance matrix, behind transformers",
            p=transformed(b, f"ts{tag}", nets=nets, turns=turns),
            n=np.full(e.size, GROUND),
            resistance=1.0 / e,
        )
    )


def _transformed_gyrators(
    b: CircuitBuilder, nets: Indices, skew: Matrix, scale: Vector, tag: str
) -> None:
    """``K = sum_k g_k (a_k b_k' - b_k a_k')``: a gyrator g_k between two transformers."""
    g, turns_a, turns_b = skew_factors(skew, scale)
    if not g.size:
        return
    ground = np.full(g.size, GROUND)
    b.add(
        Gyrators(
            stem=f"skew{tag}",
            index=counting(g.size),
            meaning="skew part of the conductance matrix: gyrators between transformers",
            p1=transformed(b, f"ta{tag}", nets=nets, turns=turns_a),
            n1=ground,
            p2=transformed(b, f"tb{tag}", nets=nets, turns=turns_b),
            n2=ground,
            gyration_conductance=g,
        )
    )


def transformed(b: CircuitBuilder, stem: str, *, nets: Indices, turns: Matrix) -> Indices:
    """Secondaries of ideal transformers: net k shows ``turns[:, k]' v(nets)``.

    A column that is a single turn needs no transformer; its secondary is the net itself.
    """
    r = turns.shape[1]
    plain = (np.count_nonzero(turns, axis=0) == 1) & np.any(turns == 1.0, axis=0)
    secondary = nets[np.argmax(turns != 0, axis=0)]
    wound = np.flatnonzero(~plain)
    if not wound.size:
        return secondary
    secondary = np.array(secondary)
    secondary[wound] = (
        b.nets(stem, r)[wound] if wound.size == r else [b.net(f"{stem}{k + 1}") for k in wound]
    )
    owner, winding = np.nonzero(turns[:, wound].T)
    b.add(
        Transformers(
            stem=stem,
            index=wound[:, None] + 1,
            meaning="ideal transformers: turns in V/V on every winding",
            secondary=secondary[wound],
            transformer=owner,
            net=nets[winding],
            turns=turns[winding, wound[owner]],
        )
    )
    return secondary


def sense_nport(
    b: CircuitBuilder,
    *,
    control: Indices,
    out: Indices,
    g: Matrix,
    tag: str = "",
    kind: NportKind = "gyrator",
) -> None:
    """Currents ``g @ v(control)`` into `out`, computed by an n-port of `kind`.

    Copies of the control voltages force the ports through ammeters; the n-port has ``Y = -g``,
    and its port currents, mirrored, are the sums. So a sum whose operands do not live on the
    nets it drives (an activation stands between) is an n-port all the same. `tag` tells several
    n-ports of one circuit apart.
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
    conductances(b, nets=ports, y=-g[live[:, None], live], tag=tag, kind=kind)
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
