"""Banks of parts that have pins for their supplies: op-amps, OTAs, multipliers, gyrators.

What a part does exactly is a matter of the library that comes with a netlist; the sentence below
is what the network relies on. The conventions of all banks are in `banks`.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnn2circuit.arrays import Indices, Vector, require
from rnn2circuit.circuit.columns import check_columns
from rnn2circuit.errors import CircuitError

OtaKind: TypeAlias = Literal["bipolar", "mos"]
GyratorKind: TypeAlias = Literal["howland", "ota"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpAmps:
    """Operational amplifier: with feedback, ``v(p) = v(n) - offset``."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    out: Indices
    positive: Indices  # supply nets
    negative: Indices
    offset: Vector  # V

    def __post_init__(self) -> None:
        nets = ("p", "n", "out", "positive", "negative")
        check_columns(self, nets=nets, values=("offset",))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Otas:
    """Transconductance amplifier: ``I tanh((v(p) - v(n) + offset) / (2 V_T))`` into `out`.

    I is the current into `bias`, times ``1 + gain_error``; V_T the thermal voltage, of kind
    ``mos`` (in weak inversion) over the part of the gate's voltage that counts.
    """

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    bias: Indices
    out: Indices
    positive: Indices
    negative: Indices
    offset: Vector  # V
    gain_error: Vector
    kind: OtaKind = "bipolar"

    def __post_init__(self) -> None:
        nets = ("p", "n", "bias", "out", "positive", "negative")
        check_columns(self, nets=nets, values=("offset", "gain_error"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Multipliers:
    """Four-quadrant multiplier: ``v(out) = v(x1, x2) v(y1, y2) / 10 V + v(z)``.

    The product has the factor ``1 + gain_error``; each of its inputs and the output an offset.
    """

    stem: str
    index: Indices
    meaning: str
    x1: Indices
    x2: Indices
    y1: Indices
    y2: Indices
    out: Indices
    z: Indices
    positive: Indices
    negative: Indices
    gain_error: Vector
    x_offset: Vector  # V
    y_offset: Vector  # V
    output_offset: Vector  # V

    def __post_init__(self) -> None:
        nets = ("x1", "x2", "y1", "y2", "out", "z", "positive", "negative")
        values = ("gain_error", "x_offset", "y_offset", "output_offset")
        check_columns(self, nets=nets, values=values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActiveGyrators:
    """Two voltage-controlled current sources: ``i1 = g v2`` into p1, ``i2 = -g v1`` into p2.

    Both ports are grounded; g is the reciprocal of `resistance`, which each source is built with:
    an op-amp (B. Howland's source), or a pair of OTAs of which one linearizes the other.
    """

    stem: str
    index: Indices
    meaning: str
    p1: Indices
    p2: Indices
    positive: Indices
    negative: Indices
    resistance: Vector  # ohm
    kind: GyratorKind = "howland"

    def __post_init__(self) -> None:
        nets = ("p1", "p2", "positive", "negative")
        check_columns(self, nets=nets, values=("resistance",))
        require(
            f"resistance of {self.stem!r}",
            self.resistance,
            self.resistance > 0,
            rule="positive",
            error=CircuitError,
        )
