"""A testbench as data: sources, the transient analysis, and what to record."""

from dataclasses import dataclass
from typing import TypeAlias

from rnn2circuit.arrays import Vector, readonly
from rnn2circuit.errors import CircuitError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PwlSource:
    """Voltage source, piecewise linear in time."""

    times: Vector  # s, strictly increasing from 0
    volts: Vector  # V

    def __post_init__(self) -> None:
        times = readonly("times", self.times, (len(self.times),), error=CircuitError)
        if times.size == 0 or times[0] != 0.0 or (times[1:] <= times[:-1]).any():
            raise CircuitError(
                "PWL times must start at 0 s and increase strictly; seconds_per_unit may be so "
                "small that two of them became one number"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(
            self, "volts", readonly("volts", self.volts, times.shape, error=CircuitError)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SineSource:
    """Voltage source ``offset + amplitude sin(2 pi frequency t)``."""

    offset: float  # V
    amplitude: float  # V
    frequency: float  # Hz


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseSource:
    """A clock: low at t = 0, rising at once to high, and so on with each period."""

    low: float  # V
    high: float  # V
    edge: float  # s, of rise and fall
    high_for: float  # s, between the edges
    period: float  # s

    def __post_init__(self) -> None:
        spans = (self.edge, self.high_for, self.period)
        if not (min(spans) > 0 and 2 * self.edge + self.high_for < self.period):
            raise CircuitError(
                "a pulse needs positive spans that fit its period, got edge "
                f"{self.edge!r} s, high for {self.high_for!r} s, period {self.period!r} s"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplySource:
    """A constant voltage."""

    voltage: float  # V


Source: TypeAlias = PwlSource | SineSource | PulseSource | SupplySource


@dataclass(frozen=True, slots=True, kw_only=True)
class Transient:
    """Transient analysis from t = 0 to `stop`.

    Attributes
    ----------
    step : float
        Largest time step in s: the accuracy knob of the trapezoidal rule.
    from_initial : bool
        Start from the elements' initial conditions without solving for an operating point
        (SPICE's ``uic``), which inductor currents need.
    """

    step: float
    stop: float
    from_initial: bool

    def __post_init__(self) -> None:
        if not 0 < self.step < self.stop:
            raise CircuitError(
                f"a transient needs 0 < step < stop, got step {self.step!r} s and "
                f"stop {self.stop!r} s"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Testbench:
    """A subcircuit with its inputs driven and its state and output voltages recorded.

    Attributes
    ----------
    netlist : str
        File name of the netlist to include.
    subckt : str
        Name of its subcircuit.
    ports : tuple of str
        Port nets in the order of the ``.subckt`` line.
    sources : tuple of (str, Source)
        Port net and what drives it.
    recorded : tuple of str
        Port nets to save.
    level : str
        How exact the parts are, which decides how exactly it is worth solving their equations.
    faint : bool
        Whether currents of nA count, which solvers take for nothing unless told.
    floating : bool
        Whether states lie between two nets of which little holds the common voltage, so that a
        solver finds it to fewer digits than others.
    temperature : float or None
        Degrees Celsius; the simulator's nominal 27 where not given.
    """

    __test__ = False  # a testbench, not a test

    netlist: str
    subckt: str
    ports: tuple[str, ...]
    sources: tuple[tuple[str, Source], ...]
    recorded: tuple[str, ...]
    transient: Transient
    level: str = "ideal"
    faint: bool = False
    floating: bool = False
    temperature: float | None = None
