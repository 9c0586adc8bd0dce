"""Technologies: what parts there are, and how good they are. Numbers are SI; V, A, ohm, Hz."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from rnn2circuit.devices.bipolar import GENERIC_NPN, GENERIC_PNP, Bjt
from rnn2circuit.devices.mos import GENERIC_NMOS, GENERIC_PMOS, PIN, SLOPE, Mosfet
from rnn2circuit.errors import UsageError

BOLTZMANN_PER_CHARGE = 8.617333262e-5  # V/K
KELVIN = 273.15
NOMINAL = 27.0  # degrees Celsius
THERMAL = BOLTZMANN_PER_CHARGE * (KELVIN + NOMINAL)  # V, thermal voltage at 27 degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class OpAmp:
    """A JFET-input op-amp, by default of the class of a TL074H."""

    gain: float = 1e6  # V/V at DC
    bandwidth: float = 5e6  # Hz, gain-bandwidth product
    output_resistance: float = 150.0
    slew_rate: float = 20e6  # V/s
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
    smallest_bias: float = 1e-7  # A, from where stages are calibrated and gyrators work
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
                "smallest_bias",
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
    nmos: Mosfet | None = None  # both or none: then OTAs are of these, in weak inversion
    pmos: Mosfet | None = None
    gyrator: Literal["howland", "ota"] = "howland"  # what gyrators between states are made of
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
    impedance: float | None = None  # of states, where nobody says; None: as at level ideal
    # What finite bandwidth costs falls with the time constant: 50 ms instead of 1, with 500 nF.
    slower: float = 50.0  # than at level ideal, in form rc

    def __post_init__(self) -> None:
        _check(self, positive=(*(f.name for f in fields(self) if f.type is float), "impedance"))
        if (self.nmos is None) != (self.pmos is None):
            raise UsageError("a technology needs both nmos and pmos, or none of them")
        if self.gyrator not in ("howland", "ota"):
            raise UsageError(f"gyrator must be howland or ota, got {self.gyrator!r}")
        if self.gyrator == "ota" and self.is_mos:
            raise UsageError("gyrators of OTAs are of bipolar ones; of MOS transistors use howland")
        if not self.swing < self.supply - self.opamp.headroom:
            raise UsageError(
                f"swing must be below supply less headroom, {self.supply - self.opamp.headroom!r}"
                f" V, got {self.swing!r} V"
            )

    @property
    def is_mos(self) -> bool:
        """Whether OTAs are of MOS transistors in weak inversion."""
        return self.nmos is not None


def _check(part: Any, *, positive: tuple[str, ...]) -> None:
    for f in fields(part):
        value = getattr(part, f.name)
        if not isinstance(value, int | float):
            continue
        if not math.isfinite(value) or (f.name in positive and value <= 0):
            rule = "positive and finite" if f.name in positive else "finite"
            raise UsageError(f"{type(part).__name__} {f.name} must be {rule}, got {value!r}")


# Experimental: currents of 20 nA, as on a chip.
SUBTHRESHOLD = Technology(
    opamp=OpAmp(headroom=0.15, gain=1e5, bandwidth=1e6, slew_rate=1e6, output_resistance=1e3),
    ota=Ota(
        slope=SLOPE,
        bias_voltage=PIN,
        reference_bias=2e-8,
        smallest_bias=1e-10,
        largest_bias=1e-6,
    ),
    nmos=GENERIC_NMOS,
    pmos=GENERIC_PMOS,
    supply=1.65,
    reference=1.0,
    swing=1.2,
    pair_resistance=1e6,
    sum_resistance=1e7,
    stage_bias=2e-8,
    stage_swing=1.0,
    impedance=2.5e7,
    slower=10.0,
)
TECHNOLOGIES: Mapping[str, Technology] = {"subthreshold": SUBTHRESHOLD}
