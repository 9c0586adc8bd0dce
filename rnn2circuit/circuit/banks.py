"""Element banks: many instances of one kind, as arrays.

An ideal circuit is a handful of banks, however many elements it has. Nets are integers, 0 is
ground. Every bank carries three things beside its columns:

``stem``
    its name; instance k is called ``stem`` followed by its index row, as in ``w_3_1``
``index``
    shape (k, d): the position of each instance in the model's arrays, counted from 1
``meaning``
    one ASCII sentence that ends up as a comment above the bank in the netlist

Sign convention: a source of current drives it *into* its ``out`` net (from ground). A bank that
exists is valid: columns are of one length, read-only and finite.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

from rnn2circuit.arrays import Indices, Vector, require
from rnn2circuit.circuit.columns import check_ammeter, check_columns
from rnn2circuit.circuit.multiport import (
    Ammeters,
    DifferenceAmplifiers,
    SeriesTransresistances,
    Transformers,
)
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.errors import CircuitError

SUPPLY_PINS = ("positive", "negative")
CHARACTERISTICS = ("tanh", "logistic", "relu", "softplus", "sqrt", "exp", "linoid")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resistors:
    """``i = v / R`` from p to n. A negative value is an explicit active element."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    resistance: Vector  # ohm, either sign, not zero
    temperature_coefficient: float = 0.0  # 1/K, from 27 degrees Celsius

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n"), values=("resistance",))
        if not math.isfinite(self.temperature_coefficient):
            raise CircuitError(
                f"temperature_coefficient of {self.stem!r} must be finite, got "
                f"{self.temperature_coefficient!r}"
            )
        require(
            f"resistance of {self.stem!r}",
            self.resistance,
            self.resistance != 0,
            rule="different from zero",
            error=CircuitError,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capacitors:
    """``i = C dv/dt`` from p to n, with ``v = v_initial`` at t = 0."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    capacitance: Vector  # F
    v_initial: Vector  # V

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n"), values=("capacitance", "v_initial"))
        require(
            f"capacitance of {self.stem!r}",
            self.capacitance,
            self.capacitance > 0,
            rule="positive",
            error=CircuitError,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariableCapacitors:
    """``i = C (1 + v(control) / 1 V) dv/dt`` from p to ground, with ``v = v_initial`` at t = 0.

    The capacitance multiplies the rate: this is C(t) dv/dt and not d(C v)/dt. Instance k is a
    fixed capacitor from p to `sense`, where its current is measured and multiplied.
    """

    stem: str
    index: Indices
    meaning: str
    p: Indices
    sense: Indices
    control: Indices
    capacitance: Vector  # F, where the control is zero
    v_initial: Vector  # V

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "sense", "control"), values=("capacitance", "v_initial"))
        require(
            f"capacitance of {self.stem!r}",
            self.capacitance,
            self.capacitance > 0,
            rule="positive",
            error=CircuitError,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inductors:
    """``v = L di/dt`` with i from p to n, and ``i = i_initial`` at t = 0."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    inductance: Vector  # H
    i_initial: Vector  # A

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n"), values=("inductance", "i_initial"))
        require(
            f"inductance of {self.stem!r}",
            self.inductance,
            self.inductance > 0,
            rule="positive",
            error=CircuitError,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurrentSources:
    """A constant current into `out`."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    current: Vector  # A

    def __post_init__(self) -> None:
        check_columns(self, nets=("out",), values=("current",))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transconductances:
    """VCCS: ``gm * v(control)`` flows into `out`."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    control: Indices
    gm: Vector  # S, either sign

    def __post_init__(self) -> None:
        check_columns(self, nets=("out", "control"), values=("gm",))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoltageAmplifiers:
    """VCVS: ``v(out) = gain * v(control)``."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    control: Indices
    gain: Vector  # V/V

    def __post_init__(self) -> None:
        check_columns(self, nets=("out", "control"), values=("gain",))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transresistances:
    """CCVS: ``v(out) = resistance * i(ammeter)``; instance k listens to instance k of `ammeter`."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    ammeter: Ammeters
    resistance: Vector  # ohm

    def __post_init__(self) -> None:
        check_columns(self, nets=("out",), values=("resistance",))
        check_ammeter(self.stem, self.index, self.ammeter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurrentMirrors:
    """CCCS: ``gain * i(ammeter)`` flows into `out`; instance k copies instance k of `ammeter`."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    ammeter: Ammeters
    gain: Vector  # A/A

    def __post_init__(self) -> None:
        check_columns(self, nets=("out",), values=("gain",))
        check_ammeter(self.stem, self.index, self.ammeter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gyrators:
    """Ideal gyrator: ``i1 = g v2`` and ``i2 = -g v1``, currents into p1 and p2.

    Lossless and nonreciprocal (B. D. H. Tellegen, 1948). Either port may float.
    """

    stem: str
    index: Indices
    meaning: str
    p1: Indices
    n1: Indices
    p2: Indices
    n2: Indices
    gyration_conductance: Vector  # S, either sign, not zero

    def __post_init__(self) -> None:
        check_columns(self, nets=("p1", "n1", "p2", "n2"), values=("gyration_conductance",))
        require(
            f"gyration conductance of {self.stem!r}",
            self.gyration_conductance,
            self.gyration_conductance != 0,
            rule="different from zero",
            error=CircuitError,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SigmoidStages:
    """``v(out) = σ(v(control))`` with both in volts, for σ named by `activation`.

    ``linoid(z) = z / (1 - exp(-z))``, which is 1 at z = 0.
    """

    stem: str
    index: Indices
    meaning: str
    out: Indices
    control: Indices
    activation: str  # one of CHARACTERISTICS

    def __post_init__(self) -> None:
        check_columns(self, nets=("out", "control"), values=())
        if self.activation not in CHARACTERISTICS:
            raise CircuitError(
                f"stage {self.stem!r}: no amplifier has the characteristic {self.activation!r}; "
                f"known are {', '.join(CHARACTERISTICS)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Products:
    """Four-quadrant multiplier: ``v(out) = v(a) * v(b) / 1 V``."""

    stem: str
    index: Indices
    meaning: str
    out: Indices
    a: Indices
    b: Indices

    def __post_init__(self) -> None:
        check_columns(self, nets=("out", "a", "b"), values=())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Switches:
    """A resistance between p and n that the voltage of `control` switches.

    With ``closes = "high"`` it is `on_resistance` above ``threshold + hysteresis`` and
    `off_resistance` below ``threshold - hysteresis``; with ``"low"`` the other way round.
    """

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    control: Indices
    closes: str  # high or low
    threshold: float  # V
    hysteresis: float  # V
    on_resistance: float  # ohm
    off_resistance: float  # ohm

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n", "control"), values=())
        if self.closes not in ("high", "low"):
            raise CircuitError(
                f"switches {self.stem!r} must close at high or low, got {self.closes!r}"
            )
        sizes = (self.hysteresis, self.on_resistance, self.off_resistance)
        if not (all(math.isfinite(v) and v > 0 for v in sizes) and math.isfinite(self.threshold)):
            raise CircuitError(
                f"switches {self.stem!r} need a finite threshold and positive hysteresis and "
                f"resistances, got {self.threshold!r} and {sizes!r}"
            )


Bank: TypeAlias = (  # closed: a new kind must break the type check of every consumer
    Resistors
    | Capacitors
    | VariableCapacitors
    | Inductors
    | CurrentSources
    | Transconductances
    | VoltageAmplifiers
    | Ammeters
    | Transresistances
    | CurrentMirrors
    | Gyrators
    | SigmoidStages
    | Products
    | Switches
    | DifferenceAmplifiers
    | SeriesTransresistances
    | Transformers
    | OpAmps
    | Otas
    | Multipliers
    | ActiveGyrators
)


def net_columns(bank: Bank) -> tuple[str, ...]:  # noqa: C901 - one case per bank kind
    """Names of the columns of a bank that hold nets."""
    match bank:
        case Resistors() | Capacitors() | Inductors() | Ammeters():
            return ("p", "n")
        case VariableCapacitors():
            return ("p", "sense", "sense", "control")  # capacitor and meter meet at the sense net
        case CurrentSources() | Transresistances() | CurrentMirrors():
            return ("out",)
        case Transconductances() | VoltageAmplifiers() | SigmoidStages():
            return ("out", "control")
        case Gyrators():
            return ("p1", "n1", "p2", "n2")
        case Products():
            return ("out", "a", "b")
        case Switches():
            return ("p", "n", "control")
        case DifferenceAmplifiers():
            return ("p", "n", "control_p", "control_n")
        case SeriesTransresistances():
            return ("p", "n")
        case Transformers():
            return ("secondary", "net")
        case OpAmps():
            return ("p", "n", "out", *SUPPLY_PINS)
        case Otas():
            return ("p", "n", "bias", "out", *SUPPLY_PINS)
        case Multipliers():
            return ("x1", "x2", "y1", "y2", "out", "z", *SUPPLY_PINS)
        case ActiveGyrators():
            return ("p1", "p2", *SUPPLY_PINS)
