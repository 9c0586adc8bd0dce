"""The bill of materials of a realistic circuit: what to buy, and which element each part is.

Classes are neutral, suggestions are examples of them: parts whose data sheets the macromodels are
close to.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnn2circuit.circuit.banks import Bank, Capacitors, Inductors, Resistors, Switches
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.devices.macromodels import INVERT_OHM, OTA_LAG, OTA_OHM, OTA_SHARES
from rnn2circuit.errors import CircuitError

Grade: TypeAlias = Literal["1%", "0.1%"]

INDUCTOR = ("wound inductor, or a gyrator with a capacitor", "Bourns RL")
PASSIVE = ("resistor", "PTAT resistor", "capacitor", "inductor")
# What `devices.macromodels.gyrator` is made of.
GYRATOR_OPAMPS = ("x_follow_1", "x_howland_1", "x_follow_2", "x_howland_2")
GYRATOR_RESISTORS = tuple(f"r_{letter}_{k}" for k in (1, 2) for letter in "abcd")
# And `gyrator_ota`.
OTA_GYRATOR_OPAMPS = ("x_follow_1", "x_follow_2", "x_invert_2", "x_drive_1", "x_drive_2")
OTA_GYRATOR_OTAS = tuple(f"x_{which}_{k}" for k in (1, 2) for which in ("ref", "out"))
COLUMNS = (
    *("quantity", "part", "value", "unit", "tolerance", "class"),
    *("suggestion", "packages", "references"),
)
LARGEST_CERAMIC = 100e-9  # F: C0G is sold up to here, films above

LETTERS: Mapping[type[Bank], str] = {Resistors: "r", Capacitors: "c", Inductors: "l", Switches: "s"}


@dataclass(frozen=True, slots=True)
class Ic:
    """An integrated part: what it is, an example, and how many are in a package."""

    kind: str
    part_class: str
    suggestion: str
    per_package: int


ICS: Mapping[type[Bank], Ic] = {
    OpAmps: Ic("op-amp", "quad JFET-input op-amp", "TL074H", 4),
    Otas: Ic("OTA", "dual bipolar transconductance amplifier", "LM13700", 2),
    Multipliers: Ic("multiplier", "four-quadrant multiplier with summing pin", "AD633", 1),
    Switches: Ic("switch", "quad analog switch", "DG411", 4),
}
MOS_OTA = Ic(
    "OTA", "ten MOS transistors in weak inversion, on one chip", "chip of one's own", 10**6
)
RESISTORS: Mapping[Grade, tuple[str, str, str]] = {  # tolerance, class, suggestion
    "1%": ("1 %", "metal film resistor", "Yageo MFR"),
    "0.1%": ("0.1 %", "thin film resistor", "Vishay TNPW"),
}
HIGH_OHM = 10e6  # above which neither of these is sold
HIGH = ("1 %", "high-megohm thick film resistor", "Vishay CRHV")
PTAT = ("PTAT resistor, 3300 ppm/K", "Vishay TFPT")
CAPACITORS: Mapping[Grade, str] = {"1%": "5 %", "0.1%": "1 %"}
CERAMIC, FILM = ("C0G ceramic capacitor", "Murata GRM"), ("polypropylene capacitor", "WIMA FKP")


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One thing to buy.

    Attributes
    ----------
    value : float or None
        ohm or F; None of integrated parts.
    packages : int or None
        Of integrated parts: how many ICs hold them.
    references : tuple of str
        Elements of the netlist.
    """

    quantity: int
    kind: str
    value: float | None
    unit: str
    tolerance: str
    part_class: str
    suggestion: str
    packages: int | None
    references: tuple[str, ...]


def bill_of_materials(circuit: Circuit, *, grade: Grade = "1%") -> tuple[BillLine, ...]:
    """All parts: integrated ones first, then resistors and capacitors by value.

    Raises
    ------
    CircuitError
        If the circuit holds elements that are no parts.
    """
    ics: dict[Ic, list[str]] = {}
    passive: dict[tuple[str, str, float], list[str]] = {}
    for bank in circuit.banks:
        names = part_references(bank)
        if isinstance(bank, ActiveGyrators):
            for ic, parts in _ics_inside(bank).items():
                inside = [f"{name}.{part}" for name in names for part in parts]
                ics.setdefault(ic, []).extend(inside)
            for name, ohm in zip(names, bank.resistance.tolist(), strict=True):
                for key, part in _passive_inside(bank, ohm):
                    passive.setdefault(key, []).append(f"{name}.{part}")
            continue
        ic = MOS_OTA if isinstance(bank, Otas) and bank.kind == "mos" else ICS.get(type(bank))
        if ic is not None:
            ics.setdefault(ic, []).extend(names)
            continue
        for name, key in zip(names, _passive_keys(bank), strict=True):
            passive.setdefault(key, []).append(name)
    lines = [_ic(ic, ics[ic]) for ic in (*ICS.values(), MOS_OTA) if ic in ics]
    for key in sorted(passive, key=lambda k: (PASSIVE.index(k[0]), k[2])):
        lines.append(_passive(key, passive[key], grade))
    return tuple(lines)


def _ics_inside(bank: ActiveGyrators) -> dict[Ic, tuple[str, ...]]:
    """Integrated parts of one gyrator."""
    if bank.kind == "howland":
        return {ICS[OpAmps]: GYRATOR_OPAMPS}
    return {ICS[OpAmps]: OTA_GYRATOR_OPAMPS, ICS[Otas]: OTA_GYRATOR_OTAS}


def _passive_inside(bank: ActiveGyrators, ohm: float) -> list[tuple[tuple[str, str, float], str]]:
    """Kind, unit and value, and the name, of each resistor and capacitor of one gyrator."""
    if bank.kind == "howland":
        return [(("resistor", "ohm", ohm), part) for part in GYRATOR_RESISTORS]
    values = {f"{name}_{k}": share * ohm for name, share in OTA_SHARES.items() for k in (1, 2)}
    values |= {f"{name}_{k}": value for name, value in OTA_OHM.items() for k in (1, 2)}
    values |= {f"r_invert_{which}_2": INVERT_OHM for which in "ab"}
    found = [(("resistor", "ohm", value), name) for name, value in values.items()]
    return [*found, *((("capacitor", "F", OTA_LAG), f"c_lag_{k}") for k in (1, 2))]


def _passive_keys(bank: Bank) -> list[tuple[str, str, float]]:
    """Kind, unit and value of each."""
    match bank:
        case Inductors():
            return [("inductor", "H", henry) for henry in bank.inductance.tolist()]
        case Resistors():
            kind = "PTAT resistor" if bank.temperature_coefficient else "resistor"
            return [(kind, "ohm", ohm) for ohm in bank.resistance.tolist()]
        case Capacitors():
            return [("capacitor", "F", farad) for farad in bank.capacitance.tolist()]
        case _:
            raise CircuitError(f"there is no part for {type(bank).__name__} {bank.stem!r}")


def _ic(ic: Ic, names: Sequence[str]) -> BillLine:
    return BillLine(
        quantity=len(names),
        kind=ic.kind,
        value=None,
        unit="",
        tolerance="",
        part_class=ic.part_class,
        suggestion=ic.suggestion,
        packages=math.ceil(len(names) / ic.per_package),
        references=tuple(names),
    )


def _passive(key: tuple[str, str, float], names: Sequence[str], grade: Grade) -> BillLine:
    kind, unit, value = key
    tolerance, part_class, suggestion = HIGH if value > HIGH_OHM else RESISTORS[grade]
    if kind == "PTAT resistor":
        part_class, suggestion = PTAT
    if kind == "inductor":
        tolerance, (part_class, suggestion) = CAPACITORS[grade], INDUCTOR
    if kind == "capacitor":
        tolerance = CAPACITORS[grade]
        part_class, suggestion = CERAMIC if value <= LARGEST_CERAMIC else FILM
    return BillLine(
        quantity=len(names),
        kind=kind,
        value=value,
        unit=unit,
        tolerance=tolerance,
        part_class=part_class,
        suggestion=suggestion,
        packages=None,
        references=tuple(names),
    )


def part_references(bank: Bank) -> list[str]:
    """What the instances of a bank are called in a netlist."""
    letter = LETTERS.get(type(bank), "x")
    rows = ("_".join(str(v) for v in row) for row in bank.index.tolist())
    return [f"{letter}_{bank.stem}_{row}" for row in rows]


def bill_csv(lines: Sequence[BillLine]) -> str:
    """The bill as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        value = "" if line.value is None else repr(line.value)
        packages = "" if line.packages is None else line.packages
        what = (line.quantity, line.kind, value, line.unit, line.tolerance, line.part_class)
        writer.writerow([*what, line.suggestion, packages, " ".join(line.references)])
    return text.getvalue()


def bill_summary(lines: Sequence[BillLine]) -> str:
    """One sentence for reports."""
    parts = [
        f"{_counted(line.quantity, line.kind)} ({line.packages} {line.suggestion})"
        for line in lines
        if line.packages is not None
    ]
    for kind in PASSIVE:
        own = [line for line in lines if line.kind == kind]
        if own:
            parts.append(
                f"{_counted(sum(k.quantity for k in own), kind)} of {_counted(len(own), 'value')}"
            )
    return "parts: " + ", ".join(parts)


def _counted(count: int, kind: str) -> str:
    """``1 switch``, ``6 switches``."""
    return f"{count} {kind}" + ("" if count == 1 else "es" if kind.endswith("ch") else "s")
