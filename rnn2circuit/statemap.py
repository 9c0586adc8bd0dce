"""The bridge between model and circuit: which port carries which quantity, and in what units."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.errors import CircuitError


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMap:
    """One model quantity at one port: ``v = v_offset + volts_per_unit * x``."""

    name: str  # what it is in the model, such as x1
    port: str  # net of the port
    volts_per_unit: float  # V, positive
    v_offset: float = 0.0  # V

    def __post_init__(self) -> None:
        if not (np.isfinite(self.volts_per_unit) and self.volts_per_unit > 0):
            raise CircuitError(
                f"volts_per_unit of {self.name} must be positive, got {self.volts_per_unit!r}"
            )
        if not np.isfinite(self.v_offset):
            raise CircuitError(f"v_offset of {self.name} must be finite, got {self.v_offset!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMap:
    """The clock of a sample-and-hold circuit: one period per step, high in its first half.

    Step k (from 0) reads the inputs and the held state while the clock is high in
    ``k period .. (k + 1/2) period``, and the new state stands at the ports from the following
    half to the next: read it at ``(k + sampling_phase) period``.
    """

    port: str  # net of the clock
    period: float  # s
    sampling_phase: float  # of a period, when the new state is read
    low: float  # V
    high: float  # V

    def __post_init__(self) -> None:
        if not (np.isfinite(self.period) and self.period > 0):
            raise CircuitError(f"clock_period must be positive, got {self.period!r}")
        if not 0.5 < self.sampling_phase < 1.0:
            raise CircuitError(
                "sampling_phase must lie in the second half of a period, between 0.5 and 1, "
                f"got {self.sampling_phase!r}"
            )
        if not self.low < self.high:
            raise CircuitError(f"a clock needs low < high, got {self.low!r} and {self.high!r} V")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyMap:
    """A constant voltage that a circuit needs at one of its ports."""

    name: str
    port: str
    voltage: float  # V

    def __post_init__(self) -> None:
        if not np.isfinite(self.voltage):
            raise CircuitError(f"voltage of {self.name} must be finite, got {self.voltage!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMap:
    """All ports of a circuit, and the time scale ``t_circuit = seconds_per_unit * t``.

    It travels with the circuit, is written beside the netlist, and nothing else relates the
    two worlds.
    """

    inputs: tuple[PortMap, ...]
    states: tuple[PortMap, ...]
    outputs: tuple[PortMap, ...]  # empty where the model has no readout
    seconds_per_unit: float  # s per model time unit
    clock: ClockMap | None = None  # of clocked cells, whose unit of time is one step
    supplies: tuple[SupplyMap, ...] = ()  # of levels whose parts need any

    def __post_init__(self) -> None:
        if not (np.isfinite(self.seconds_per_unit) and self.seconds_per_unit > 0):
            raise CircuitError(f"seconds_per_unit must be positive, got {self.seconds_per_unit!r}")

    @property
    def ports(self) -> tuple[str, ...]:
        """Port nets in the order of the subcircuit: inputs, clock, states, outputs, supplies."""
        shown = (m.port for m in (*self.states, *self.outputs))
        return (*self.driven, *shown, *(m.port for m in self.supplies))

    @property
    def driven(self) -> tuple[str, ...]:
        """Port nets that a testbench holds: inputs, clock."""
        clock = () if self.clock is None else (self.clock.port,)
        return (*(m.port for m in self.inputs), *clock)


def to_volts(ports: Sequence[PortMap], values: ArrayLike) -> NDArray[np.float64]:
    """Model values, shape (..., k), as port voltages."""
    return offsets(ports) + scales(ports) * np.asarray(values, dtype=np.float64)


def to_units(ports: Sequence[PortMap], volts: ArrayLike) -> NDArray[np.float64]:
    """Port voltages, shape (..., k), as model values."""
    return (np.asarray(volts, dtype=np.float64) - offsets(ports)) / scales(ports)


def scales(ports: Sequence[PortMap]) -> NDArray[np.float64]:
    """``volts_per_unit`` of each port, shape (k,)."""
    return np.array([m.volts_per_unit for m in ports], dtype=np.float64)


def offsets(ports: Sequence[PortMap]) -> NDArray[np.float64]:
    """``v_offset`` of each port, shape (k,)."""
    return np.array([m.v_offset for m in ports], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetlistMap:
    """What stands in ``NAME.json`` beside a netlist: ports, scales, identity.

    Attributes
    ----------
    netlist : str
        File name of the netlist, in the same directory.
    subckt : str
        Name of its subcircuit.
    weights_sha256, netlist_sha256 : str
        Fingerprints of the model (see `models.base.weights_sha256`) and of the netlist's bytes.
    element_counts : tuple of (str, int)
        Elements of each kind.
    inputs_as : str
        How inputs are coupled: ``vccs``, ``resistor`` or ``gyrator``.
    negative_resistors : int
        How many of the resistors are negative.
    windings : int
        Primary windings of all transformers.
    strategy : str
        Coordinates of the states, ``direct`` where they are the model's own.
    order : int or None
        Number of states, where fewer than the model's.
    rounding : str
        Series that the values were rounded to; empty where they were not.
    rounding_error : float or None
        Relative H2 distance from the model that was promised then.
    preferred : str
        Series that the resistors of a realistic level are of; empty where values are exact.
    transistors : str
        ``mos`` where OTAs are of MOS transistors in weak inversion; empty where they are not.
    parts_sha256 : str
        Fingerprint of the definitions of a realistic level's parts; empty where there are none.
    """

    netlist: str
    subckt: str
    state_map: StateMap
    family: str
    level: str
    form: str
    coupling: str
    weights_sha256: str
    netlist_sha256: str
    tool_version: str
    element_counts: tuple[tuple[str, int], ...]
    inputs_as: str = "vccs"
    negative_resistors: int = 0
    windings: int = 0
    strategy: str = "direct"
    order: int | None = None
    rounding: str = ""
    rounding_error: float | None = None
    preferred: str = ""
    transistors: str = ""
    parts_sha256: str = ""


_TEXT_FIELDS = (
    "netlist",
    "subckt",
    "family",
    "level",
    "form",
    "coupling",
    "weights_sha256",
    "netlist_sha256",
    "tool_version",
)


def map_to_json(record: NetlistMap) -> str:
    """Deterministic JSON text of a map, ending in a newline."""
    ports = record.state_map
    data = {name: getattr(record, name) for name in _TEXT_FIELDS}
    data |= {
        "ports": list(ports.ports),
        "inputs": [asdict(m) for m in ports.inputs],
        "states": [asdict(m) for m in ports.states],
        "outputs": [asdict(m) for m in ports.outputs],
        "seconds_per_unit": ports.seconds_per_unit,
        "element_counts": dict(record.element_counts),
        "inputs_as": record.inputs_as,
        "negative_resistors": record.negative_resistors,
        "windings": record.windings,
        "strategy": record.strategy,
    }
    if record.order is not None:
        data["order"] = record.order
    if record.rounding:
        data |= {"rounding": record.rounding, "rounding_error": record.rounding_error}
    if record.preferred:
        data["preferred"] = record.preferred
    if record.transistors:
        data["transistors"] = record.transistors
    if record.parts_sha256:
        data["parts_sha256"] = record.parts_sha256
    if ports.supplies:
        data["supplies"] = [asdict(m) for m in ports.supplies]
    if ports.clock is not None:
        data |= {
            "clock_period": ports.clock.period,
            "sampling_phase": ports.clock.sampling_phase,
            "clock_port": ports.clock.port,
            "clock_low": ports.clock.low,
            "clock_high": ports.clock.high,
        }
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def map_from_json(text: str) -> NetlistMap:
    """Read a map back.

    Raises
    ------
    CircuitError
        If the text is not a map: the message names the field that is missing or wrong.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits
        raise CircuitError(f"the map is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CircuitError(f"the map must be a JSON object, got {type(data).__name__}")
    fields: dict[str, str] = {}
    for name in _TEXT_FIELDS:
        value = data.get(name)
        if not isinstance(value, str):
            raise CircuitError(f"map field {name!r} must be text, got {value!r}")
        fields[name] = value
    state_map = StateMap(
        inputs=_port_list(data, "inputs"),
        states=_port_list(data, "states"),
        outputs=_port_list(data, "outputs"),
        seconds_per_unit=_number(data, "seconds_per_unit"),
        clock=_clock(data) if "clock_period" in data else None,
        supplies=_supplies(data),
    )
    if data.get("ports") != list(state_map.ports):
        raise CircuitError(
            "map field 'ports' must list inputs, clock, states, outputs, supplies in order"
        )
    counts = data.get("element_counts")
    if not isinstance(counts, dict) or not all(isinstance(v, int) for v in counts.values()):
        raise CircuitError("map field 'element_counts' must map kinds to whole numbers")
    inputs_as = data.get("inputs_as", "vccs")
    if not isinstance(inputs_as, str):
        raise CircuitError(f"map field 'inputs_as' must be text, got {inputs_as!r}")
    strategy, order = _strategy(data)
    return NetlistMap(
        state_map=state_map,
        element_counts=tuple(counts.items()),
        inputs_as=inputs_as,
        negative_resistors=_count(data, "negative_resistors"),
        windings=_count(data, "windings"),
        strategy=strategy,
        order=order,
        rounding=_optional_text(data, "rounding"),
        preferred=_optional_text(data, "preferred"),
        transistors=_optional_text(data, "transistors"),
        parts_sha256=_optional_text(data, "parts_sha256"),
        rounding_error=_number(data, "rounding_error") if "rounding" in data else None,
        **fields,
    )


def _count(data: dict[str, object], name: str) -> int:
    value = data.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CircuitError(f"map field {name!r} must be a whole number, got {value!r}")
    return value


def _optional_text(data: dict[str, object], name: str) -> str:
    text = data.get(name, "")
    if not isinstance(text, str):
        raise CircuitError(f"map field {name!r} must be text, got {text!r}")
    return text


def _strategy(data: dict[str, object]) -> tuple[str, int | None]:
    """Maps written before there were strategies say nothing, and mean ``direct``."""
    strategy, order = data.get("strategy", "direct"), data.get("order")
    if not isinstance(strategy, str):
        raise CircuitError(f"map field 'strategy' must be text, got {strategy!r}")
    if order is not None and (isinstance(order, bool) or not isinstance(order, int)):
        raise CircuitError(f"map field 'order' must be a whole number, got {order!r}")
    return strategy, order


def _number(data: dict[str, object], name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CircuitError(f"map field {name!r} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise CircuitError(f"map field {name!r} does not fit a float64") from None


def _clock(data: dict[str, object]) -> ClockMap:
    port = data.get("clock_port")
    if not isinstance(port, str):
        raise CircuitError(f"map field 'clock_port' must be text, got {port!r}")
    return ClockMap(
        port=port,
        period=_number(data, "clock_period"),
        sampling_phase=_number(data, "sampling_phase"),
        low=_number(data, "clock_low"),
        high=_number(data, "clock_high"),
    )


def _supplies(data: dict[str, object]) -> tuple[SupplyMap, ...]:
    entries = data.get("supplies", [])
    if not isinstance(entries, list):
        raise CircuitError(f"map field 'supplies' must be a list of supplies, got {entries!r}")
    supplies: list[SupplyMap] = []
    for k, entry in enumerate(entries):
        try:
            supplies.append(
                SupplyMap(
                    name=str(entry["name"]),
                    port=str(entry["port"]),
                    voltage=float(entry["voltage"]),
                )
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CircuitError(
                f"map entry supplies[{k}] must hold name, port and voltage: "
                f"{type(error).__name__} {error}"
            ) from error
    return tuple(supplies)


def _port_list(data: dict[str, object], name: str) -> tuple[PortMap, ...]:
    entries = data.get(name)
    if not isinstance(entries, list):
        raise CircuitError(f"map field {name!r} must be a list of ports, got {entries!r}")
    ports: list[PortMap] = []
    for k, entry in enumerate(entries):
        try:
            ports.append(
                PortMap(
                    name=str(entry["name"]),
                    port=str(entry["port"]),
                    volts_per_unit=float(entry["volts_per_unit"]),
                    v_offset=float(entry["v_offset"]),
                )
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CircuitError(
                f"map entry {name}[{k}] must hold name, port, volts_per_unit and v_offset: "
                f"{type(error).__name__} {error}"
            ) from error
    return tuple(ports)
