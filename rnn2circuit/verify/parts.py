"""What realistic parts are meant to do: the verifier's own ideal op-amp, OTA and multiplier.

A netlist of parts is read with these in place of its own definitions, so that its wiring and its
values are held against the model to the last digits. What its own definitions do is for the
simulator to tell.
"""

from collections.abc import Callable

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.netlist import GROUND, Netlist, number_of

BIAS_PIN = 1.2  # V of an OTA's bias pin above its negative supply
MOS_PIN, MOS_SLOPE = 0.45, 0.8  # likewise, and what counts of the gates' voltage
THERMAL = 8.617333262e-5 * 300.15  # V, at 27 degrees Celsius
UNIT = 10.0  # V: a multiplier's output is x y / UNIT + z


def _opamp(n: Netlist, name: str, pins: list[str]) -> None:
    """A nullor: both inputs at one voltage, whatever current the output needs for it."""
    p, m, out, _, _ = pins
    n.nullors.append((name, n.node(p), n.node(m), n.node(out)))


def _ota(n: Netlist, name: str, pins: list[str]) -> None:
    _any_ota(n, name, pins, pin_volts=BIAS_PIN, slope=1.0)


def _mos_ota(n: Netlist, name: str, pins: list[str]) -> None:
    """In weak inversion a part of the gate's voltage counts."""
    _any_ota(n, name, pins, pin_volts=MOS_PIN, slope=MOS_SLOPE)


def _any_ota(n: Netlist, name: str, pins: list[str], *, pin_volts: float, slope: float) -> None:
    p, m, bias, out, _, negative = pins
    inner, argument = f"{name}.bias", f"{name}.z"
    pin, sense = f"v.{name}.pin", f"v.{name}.sense"
    n.v.append((pin, n.node(bias), n.node(inner), pin_volts))
    n.v.append((sense, n.node(inner), n.node(negative), 0.0))
    gain = slope / (2.0 * THERMAL)
    n.e.append((f"e.{name}", n.node(argument), GROUND, n.node(p), n.node(m), gain))
    n.b.append((f"b.{name}", GROUND, n.node(out), "i", f"i({sense})*tanh(v({argument}))"))


def _multiplier(n: Netlist, name: str, pins: list[str]) -> None:
    x1, x2, y1, y2, out, z, _, _ = pins
    for tag, plus, minus in (("x", x1, x2), ("y", y1, y2)):
        n.e.append(
            (f"e.{name}.{tag}", n.node(f"{name}.{tag}"), GROUND, n.node(plus), n.node(minus), 1.0)
        )
    added = "" if n.node(z) == GROUND else f"+v({z})"
    product = f"v({name}.x)*v({name}.y)/{UNIT!r}{added}"
    n.b.append((f"b.{name}", n.node(out), GROUND, "v", product))


def _gyrator(n: Netlist, name: str, pins: list[str], ohm: float) -> None:
    p1, p2, _, _ = (n.node(pin) for pin in pins)
    n.g.append((f"g.{name}.1", p1, GROUND, p2, GROUND, 1.0 / ohm))
    n.g.append((f"g.{name}.2", GROUND, p2, p1, GROUND, 1.0 / ohm))


_PARTS: dict[str, tuple[int, Callable[[Netlist, str, list[str]], None]]] = {
    "r2c_opamp": (5, _opamp),
    "r2c_ota": (6, _ota),
    "r2c_ota_mos": (6, _mos_ota),
    "r2c_multiplier": (8, _multiplier),
}
_GYRATORS, _GYRATOR_PINS = ("r2c_gyrator", "r2c_gyrator_ota"), 4
IDEAL_PARTS = frozenset({*_PARTS, *_GYRATORS})


def place(netlist: Netlist, line: str) -> None:
    """Put the ideal part of an instance line into a netlist.

    Errors that an instance may have of its own (offsets and the like) are not part of the ideal;
    with the nets of the supply pins, which are a part's last, they are noted in `Netlist.parts`.

    Raises
    ------
    UnverifiableError
        If it has not the pins of its part, or a gyrator no resistance.
    """
    name, *pins, part = [field for field in line.split() if "=" not in field]
    values = dict(field.split("=", 1) for field in line.split() if "=" in field)
    count = _GYRATOR_PINS if part in _GYRATORS else _PARTS[part][0]
    if len(pins) != count:
        raise UnverifiableError(f"{name}: {part} has {count} pins, got {len(pins)}")
    if name in netlist.names:
        raise UnverifiableError(f"element {name!r} is there twice")
    netlist.names.add(name)
    given = tuple(f for f in line.split() if "=" in f and not (part in _GYRATORS and f[:2] == "r="))
    netlist.parts.append((name, tuple(pins[-2:]), given))
    if part not in _GYRATORS:
        _PARTS[part][1](netlist, name, pins)
        return
    ohm = number_of(values.get("r", ""))
    if ohm <= 0:
        raise UnverifiableError(f"{name}: a gyrator's resistance must be positive, got {ohm!r}")
    _gyrator(netlist, name, pins, ohm)


def supply(netlist: Netlist, voltages: dict[str, float]) -> None:
    """Hold the supply ports, which come last, at their voltages; they are no ports any more.

    Raises
    ------
    UnverifiableError
        If the last ports are not the supplies.
    """
    count = len(voltages)
    if not count:
        return
    if netlist.ports[-count:] != tuple(voltages):
        raise UnverifiableError(
            f"the last ports are {' '.join(netlist.ports[-count:])[:60]!r}, expected the supplies "
            f"{' '.join(voltages)!r}"
        )
    netlist.ports = netlist.ports[:-count]
    for port, volts in voltages.items():
        netlist.v.append((f"v.supply.{port}", netlist.node(port), GROUND, volts))
