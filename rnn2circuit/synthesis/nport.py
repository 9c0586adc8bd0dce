"""Coupling: resistor and gyrator n-ports, and weighted sums that may use them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Ammeters,
    CurrentMirrors,
    Gyrators,
    Resistors,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, positions
from rnn2circuit.synthesis.blocks import bias, copies, inject, sum_nodes
from rnn2circuit.synthesis.scaling import Scaling

Coupling: TypeAlias = Literal["vccs", "gyrator"]
COUPLINGS: tuple[Coupling, ...] = ("vccs", "gyrator")

# A conductance that is zero in exact arithmetic comes out as rounding noise of the terms that
# cancel; below this many units of rounding per term it is the structural zero it should be.
CANCELLATION = 8 * np.finfo(np.float64).eps


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
