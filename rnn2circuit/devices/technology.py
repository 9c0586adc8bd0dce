"""Technologies: what parts there are, and how good they are. Numbers are SI; V, A, ohm, Hz."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from rnn2circuit.devices.bipolar import GENERIC_NPN, GENERIC_PNP, Bjt
from rnn2circuit.errors import UsageError

BOLTZMANN_PER_CHARGE = 8.617333262e-5  # V/K
KELVIN = 273.15
NOMINAL = 27.0  # degrees Celsius
THERMAL = BOLTZMANN_PER_CHARGE * (KELVIN + NOMINAL)  # V, thermal voltage at 27 degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class OpAmp:
    """A JFET-input op-amp, by default of the class of a TL074."""

    gain: float = 2e5  # V/V at DC
    bandwidth: float = 3e6  # Hz, gain-bandwidth product
    output_resistance: float = 150.0
    slew_rate: float = 13e6  # V/s
    headroom: float = 1.5  # V between supply and the largest output
    offset: float = 0.0
    bias_current: float = 0.0

    def __post_init__(self) -> None:
        _check(self, positive=("gain", "bandwidth", "output_resistance", "slew_rate", "headroom"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ota:
    """A bipolar transconductance amplifier, by default ideal but for its thermal voltage."""

    gain_error: float = 0.0
    gain_per_decade: float = 0.0  # change of the gain with the bias current
    beta: float = 1e9  # of the input pair
    early_voltage: float = 1e9
    early_skew: float = 0.0  # of the output conductance: more of it where current flows out
    offset: float = 0.0
    output_offset: float = 0.0  # A per A of the output's amplitude
    output_offset_per_decade: float = 0.0
    slope: float = 1.0  # of the argument
    bias_voltage: float = 1.2  # V of the bias pin above the negative supply
    bias_voltage_per_decade: float = 0.0
    reference_bias: float = 5e-5  # A, at which the numbers above hold
    largest_bias: float = 2e-3

    def __post_init__(self) -> None:
        _check(
            self,
            positive=(
                "beta",
                "early_voltage",
                "slope",
                "bias_voltage",
                "reference_bias",
                "largest_bias",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """A four-quadrant multiplier with a summing pin, by default of the class of an AD633."""

    gain_error: float = 0.0
    x_offset: float = 0.0
    y_offset: float = 0.0
    output_offset: float = 0.0
    bend: float = 0.0  # 1/V: growth of the gain with the mean voltage of both y inputs, times two
    bend_relief: float = 0.0  # 1/V^2: how that falls with the square of x
    summing_error: float = 0.0  # of the gain from the summing pin
    bandwidth: float = 1e6  # Hz
    output_resistance: float = 0.1
    unit: float = 10.0  # V: out = x y / unit

    def __post_init__(self) -> None:
        _check(self, positive=("bandwidth", "output_resistance", "unit"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """The parts of a level, its supplies and its limits."""

    opamp: OpAmp = field(default_factory=OpAmp)
    ota: Ota = field(default_factory=Ota)
    multiplier: Multiplier = field(default_factory=Multiplier)
    npn: Bjt = GENERIC_NPN  # level device
    pnp: Bjt = GENERIC_PNP
    supply: float = 12.0  # V, of either sign
    reference: float = 10.0  # V
    swing: float = 9.0  # V, the largest that any signal may have
    pair_resistance: float = 500.0  # at each input of an OTA
    operand_resistance: float = 5e4  # at each input of a multiplier that sums
    sum_resistance: float = 1e5  # feedback of amplifiers that sum
    stage_bias: float = 5e-5  # A, of stages whose output is a voltage
    stage_swing: float = 8.0  # V, of their outputs
    smallest_resistor: float = 100.0
    largest_resistor: float = 1e12
    smallest_capacitor: float = 1e-12
    largest_capacitor: float = 1e-4
    smallest_inductor: float = 1e-6
    largest_inductor: float = 100.0  # above about 1 H, a gyrator with a capacitor

    def __post_init__(self) -> None:
        _check(self, positive=tuple(f.name for f in fields(self) if f.type is float))
        if not self.swing < self.supply - self.opamp.headroom:
            raise UsageError(
                f"swing must be below supply less headroom, {self.supply - self.opamp.headroom!r}"
                f" V, got {self.swing!r} V"
            )


def _check(part: Any, *, positive: tuple[str, ...]) -> None:
    for f in fields(part):
        value = getattr(part, f.name)
        if not isinstance(value, int | float):
            continue
        if not math.isfinite(value) or (f.name in positive and value <= 0):
            rule = "positive and finite" if f.name in positive else "finite"
            raise UsageError(f"{type(part).__name__} {f.name} must be {rule}, got {value!r}")
