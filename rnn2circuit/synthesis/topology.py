"""Which networks couple the states and inputs, and where each of them exists."""

from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, get_args

from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.synthesis.scaling import Form

Coupling: TypeAlias = Literal[
    "vccs",
    "gyrator",
    "rails",
    "balanced",
    "transformer",
    "minimal-gyrator",
    "lowrank",
    "ccvs",
]
COUPLINGS: tuple[Coupling, ...] = get_args(Coupling)

InputCoupling: TypeAlias = Literal["vccs", "resistor", "gyrator"]
INPUT_COUPLINGS: tuple[InputCoupling, ...] = get_args(InputCoupling)

# What each kind of network offers. A sum node takes currents from anywhere; the n-port of a
# linear system in voltage form may also be a lattice, and its dual has sources in series.
ON_SUMS: tuple[Coupling, ...] = (
    "vccs",
    "gyrator",
    "rails",
    "transformer",
    "minimal-gyrator",
    "lowrank",
)
ON_SYNAPSES: tuple[Coupling, ...] = ("vccs", "gyrator")
LINEAR: dict[Form, tuple[Coupling, ...]] = {
    "rc": (*ON_SUMS, "balanced"),
    "rl": ("vccs", "gyrator", "ccvs"),
}
SYNAPTIC_FAMILIES = ("ltc", "stc")  # their inputs and couplings are gated conductances
MEMBRANE_FAMILIES = (
    *SYNAPTIC_FAMILIES,
    "gated",
)  # of their couplings, gap junctions alone are mutual


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """How a network's couplings become elements.

    Attributes
    ----------
    kind : str
        One of `COUPLINGS`; docs/topologies.md shows each.
    inputs : {"vccs", "resistor", "gyrator"}
        How inputs reach the states or sum nodes.
    rank : int or None
        Of ``lowrank``: keep so many terms, whatever is lost.
    rank_tolerance : float or None
        Of ``lowrank``: the largest relative error (Frobenius norm) of a coupling matrix.
    """

    kind: Coupling = "vccs"
    inputs: InputCoupling = "vccs"
    rank: int | None = None
    rank_tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in COUPLINGS:
            raise UsageError(f"coupling must be one of {', '.join(COUPLINGS)}, got {self.kind!r}")
        if self.inputs not in INPUT_COUPLINGS:
            raise UsageError(
                f"inputs must be one of {', '.join(INPUT_COUPLINGS)}, got {self.inputs!r}"
            )
        given = [v for v in (self.rank, self.rank_tolerance) if v is not None]
        if given and self.kind != "lowrank":
            raise UsageError("rank and rank_tolerance belong to coupling 'lowrank'")
        if len(given) > 1:
            raise UsageError("give rank or rank_tolerance, not both")
        if self.rank is not None and self.rank < 1:
            raise UsageError(f"rank must be at least 1, got {self.rank!r}")
        if self.rank_tolerance is not None and not 0 < self.rank_tolerance < 1:
            raise UsageError(
                f"rank_tolerance must lie between 0 and 1, got {self.rank_tolerance!r}"
            )

    def inputs_alone(self) -> Self:
        """Couple inputs as this one does, and all else by transconductances."""
        return replace(self, kind="vccs", rank=None, rank_tolerance=None)


def require_offered(family: str, form: Form, topology: Topology, *, clocked: bool) -> None:
    """Refuse a coupling that the family or form does not have.

    Raises
    ------
    NotRealizableError
        With the reason and the nearest that exists.
    """
    kind = topology.kind
    offered = LINEAR[form] if family == "linear" else ON_SUMS
    if family in MEMBRANE_FAMILIES:
        offered = ON_SYNAPSES
    if kind not in offered:
        reason, nearest = _reason(kind, family, form)
        raise NotRealizableError(
            f"coupling {kind!r} does not exist for a {family} network in form {form!r}: {reason}; "
            f"nearest: {nearest} (offered: {', '.join(offered)})"
        )
    if topology.inputs == "vccs":
        return
    if family in SYNAPTIC_FAMILIES:
        why = "its inputs are gates of synapses, which draw no current"
    elif family == "gated":
        why = "its channels draw on the membranes' voltages, which input elements would load"
    elif clocked:
        why = "the layers of a clocked cell read one another, and none may load another"
    elif family == "linear" and form == "rl":
        why = "inputs of the current form are voltages in series with the loops, not currents"
    else:
        return
    raise NotRealizableError(
        f"inputs {topology.inputs!r} do not exist for a {family} network in form {form!r}: {why}; "
        "nearest: inputs 'vccs'"
    )


def _reason(kind: Coupling, family: str, form: Form) -> tuple[str, str]:
    """Why a coupling is not offered, and what comes nearest."""
    if kind == "ccvs":
        if family != "linear":
            return "its sums are currents on nodes, not voltages around loops", "'vccs'"
        return "it puts voltages in series with the loops of form 'rl'", "its dual 'vccs'"
    if family == "gated":
        return "neurons are joined by gap junctions alone, which are reciprocal", "'gyrator'"
    if family in SYNAPTIC_FAMILIES:
        return (
            "synapses are one-way gates without a square coupling matrix, and only gap junctions "
            "are reciprocal",
            "'gyrator'",
        )
    if kind == "balanced" and family != "linear":
        return (
            "an activation reads one voltage to ground, so the lattice would have to leave "
            "differential form at every neuron",
            "'transformer', which is as free of sign restrictions",
        )
    return (
        f"form {form!r} couples loops by voltages in series, and this network adds currents",
        "'ccvs', or form 'rc'",
    )
