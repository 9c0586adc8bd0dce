"""Weighted sums as currents into nets, in every coupling; and the inputs' share of them."""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Gyrators, Resistors
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, positions
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.synthesis.blocks import (
    bias,
    copies,
    inject,
    loaded_sum_nodes,
    sum_nodes,
    without_dust,
)
from rnn2circuit.synthesis.factors import LowRank, low_rank
from rnn2circuit.synthesis.nport import sense_nport
from rnn2circuit.synthesis.scaling import Scaling
from rnn2circuit.synthesis.topology import Topology

EXACT_RANK = 1e-12  # relative error of a low-rank coupling that counts as none


def couple(
    b: CircuitBuilder,
    topology: Topology,
    *,
    stem: str,
    meaning: str,
    control: Indices,
    out: Indices,
    g: Matrix,
    scaling: Scaling,
    tag: str = "",
) -> None:
    """Currents ``g @ v(control)`` into the nets `out`, coupled as `topology` says.

    What `coupling_load` says is attached to `out` on top: ``rails`` draw ``load * v(out)`` too,
    which the caller takes off the conductance of these nets.
    """
    match topology.kind:
        case "vccs":
            inject(b, stem, meaning, out=out, control=control, gm=g)
        case "gyrator" | "transformer" | "minimal-gyrator":
            sense_nport(b, control=control, out=out, g=g, tag=tag, kind=topology.kind)
        case "rails":
            rail_resistors(b, stem, control=control, out=out, g=g, tag=tag)
        case "lowrank":
            factors = factored(topology, g, meaning)
            report_rank(b, factors, stem)
            through_sums(
                b, stem, control=control, out=out, factors=factors, tag=tag, scaling=scaling
            )
        case "balanced" | "ccvs":
            raise NotRealizableError(
                f"coupling {topology.kind!r} does not exist for sums on nodes; nearest: 'vccs'"
            )


def coupling_load(topology: Topology, g: Matrix) -> Vector:
    """Conductance (S) that `couple` attaches to each of the nets it drives."""
    return np.abs(g).sum(axis=1) if topology.kind == "rails" else np.zeros(len(g))


def rail_resistors(
    b: CircuitBuilder, stem: str, *, control: Indices, out: Indices, g: Matrix, tag: str
) -> None:
    """A resistor ``1 / |g_kj|`` to net k from +v_j or -v_j, whichever the sign asks for.

    The two rails of Hopfield (1984): ideal amplifiers of gain 1 and -1 where they are needed.
    """
    rows, columns = np.nonzero(g)
    if not rows.size:
        return
    rails = {
        sign: copies(
            b,
            f"{name}{tag}",
            f"rails: the operands, times {sign:+g}",
            control=control,
            gain=sign,
            used=np.any(sign * g > 0, axis=0),
        )
        for sign, name in ((1.0, "rp"), (-1.0, "rn"))
    }
    b.add(
        Resistors(
            stem=stem,
            index=positions(rows, columns),
            meaning="couplings as resistors from the rails: R = 1 / |g|",
            p=out[rows],
            n=np.where(g[rows, columns] > 0, rails[1.0][columns], rails[-1.0][columns]),
            resistance=1.0 / np.abs(g[rows, columns]),
        )
    )


def factored(topology: Topology, g: Matrix, what: str) -> LowRank:
    """A coupling matrix as few terms, or the refusal that it is not of low rank."""
    tolerance = EXACT_RANK if topology.rank_tolerance is None else topology.rank_tolerance
    factors = low_rank(g, rank=topology.rank, tolerance=tolerance)
    require_low_rank(topology, factors, min(g.shape), what)
    return factors


def require_low_rank(topology: Topology, factors: LowRank, full: int, what: str) -> None:
    """Refuse a factorization that saves nothing, unless its rank was asked for.

    Raises
    ------
    NotRealizableError
        If the rank is full to the tolerance.
    """
    if topology.rank is None and factors.rank >= full > 1:
        raise NotRealizableError(
            f"coupling 'lowrank': the matrix of {what!r} has full rank {full} to the tolerance; "
            "give --rank or --rank-tolerance to cut it off, or use 'vccs'"
        )


def report_rank(b: CircuitBuilder, factors: LowRank, stem: str) -> None:
    """Tell the reader of the report what was kept and what was lost."""
    full = len(factors.left)
    b.note(
        f"lowrank: matrix {stem} has {factors.rank} of {full} terms, "
        f"||w - w_r|| = {factors.error:.3g} ||w||"
    )


def through_sums(
    b: CircuitBuilder,
    stem: str,
    *,
    control: Indices,
    out: Indices,
    factors: LowRank,
    tag: str,
    scaling: Scaling,
) -> None:
    """Currents ``left @ right' @ v(control)`` by r sum nodes ``z = right' v``: 2 n r elements."""
    if not factors.rank:
        return
    z = sum_nodes(b, f"lr{tag}", factors.rank, scaling)
    inject(
        b,
        f"lrin{tag}",
        "onto the sums of low rank: gm = right / impedance",
        out=z,
        control=control,
        gm=factors.right.T / scaling.impedance,
    )
    inject(b, stem, "from the sums of low rank: gm = left", out=out, control=z, gm=factors.left)


def drive_inputs(
    b: CircuitBuilder,
    topology: Topology,
    *,
    stem: str,
    meaning: str,
    control: Indices,
    out: Indices,
    g: Matrix,
) -> None:
    """Currents ``g @ v(control)`` from input ports, which ideal sources drive, into nets.

    ``resistor`` attaches `input_load` to `out` on top. ``gyrator`` draws ``g' v(out)`` from the
    inputs, so that the network with its inputs is as passive as it is without.
    """
    g = without_dust(b, stem, g)
    rows, columns = np.nonzero(g)
    match topology.inputs:
        case "vccs":
            inject(b, stem, meaning, out=out, control=control, gm=g)
        case "resistor" if rows.size:
            inverted = copies(
                b,
                f"{stem}m",
                "inverted inputs",
                control=control,
                gain=-1.0,
                used=np.any(g < 0, axis=0),
            )
            b.add(
                Resistors(
                    stem=stem,
                    index=positions(rows, columns),
                    meaning="input weights[post, input] as resistors: R = 1 / |g|",
                    p=out[rows],
                    n=np.where(g[rows, columns] > 0, control[columns], inverted[columns]),
                    resistance=1.0 / np.abs(g[rows, columns]),
                )
            )
        case "gyrator" if rows.size:
            ground = np.full(rows.size, GROUND)
            b.add(
                Gyrators(
                    stem=stem,
                    index=positions(rows, columns),
                    meaning="input weights[post, input] as gyrators from input to net",
                    p1=out[rows],
                    n1=ground,
                    p2=control[columns],
                    n2=ground,
                    gyration_conductance=-g[rows, columns],
                )
            )
        case "resistor" | "gyrator":
            return


def input_load(topology: Topology, g: Matrix) -> Vector:
    """Conductance (S) that `drive_inputs` attaches to each of the nets it drives."""
    return np.abs(g).sum(axis=1) if topology.inputs == "resistor" else np.zeros(len(g))


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
    coupling: Topology | None = None,
    scaling: Scaling,
) -> Indices:
    """Nets with ``W y + V u + b`` at 1 V per unit, coupled as `coupling` says."""
    matrix = recurrent.matrix
    if matrix is None:
        raise TypeError("a weighted sum has a recurrent term")
    topology = Topology() if coupling is None else coupling
    g = matrix * (1.0 / (scaling.impedance * recurrent.volts_per_unit))
    load = coupling_load(topology, g)
    g_in = np.zeros((len(matrix), 0))
    if inputs is not None and inputs.matrix is not None:
        g_in = inputs.matrix / (scaling.impedance * inputs.volts_per_unit)
        load = load + input_load(topology, g_in)
    nodes, gain = loaded_sum_nodes(b, prefix, load=load, scaling=scaling)
    couple(
        b,
        topology,
        stem=recurrent.stem,
        meaning=f"{recurrent.meaning}: gm = w / (impedance volts)",
        control=recurrent.control,
        out=nodes,
        g=g,
        scaling=scaling,
        tag=recurrent.stem,
    )
    if inputs is not None:
        drive_inputs(
            b,
            topology,
            stem=inputs.stem,
            meaning=f"{inputs.meaning}: gm = w / (impedance volts)",
            control=inputs.control,
            out=nodes,
            g=g_in,
        )
    if constant is not None:
        bias(
            b,
            f"bias{prefix}",
            "biases: bias / impedance",
            out=nodes,
            current=constant / scaling.impedance,
        )
    return restored(b, prefix, nodes, gain)


def restored(b: CircuitBuilder, prefix: str, nodes: Indices, gain: Vector) -> Indices:
    """The nets of a sum, behind an amplifier where resistors divided it down."""
    weak = gain != 1.0
    if not np.any(weak):
        return nodes
    amplified = copies(
        b,
        f"{prefix}amp",
        "sums that resistors divided down, at 1 V per unit again",
        control=nodes,
        gain=gain,
        used=weak,
    )
    return np.where(weak, amplified, nodes)
