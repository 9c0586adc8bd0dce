"""A board: parts collected one by one, by what they are for, until they become banks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.banks import Bank, Capacitors, Inductors, Resistors, Switches
from rnn2circuit.circuit.circuit import GROUND, Circuit, CircuitBuilder, counting
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.devices.macromodels import OTA_SHARES
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError

VANISHING = 1e-12  # of the sum that leaves it: a leg this small is rounding and is not there


@dataclass(frozen=True, slots=True)
class Role:
    """What a group of parts is called, and the sentence above them."""

    stem: str
    meaning: str


@dataclass(slots=True)
class Board:
    """Parts by role, in the order in which they were asked for."""

    builder: CircuitBuilder
    technology: Technology
    positive: int
    negative: int
    reference: int
    _resistors: dict[Role, list[tuple[int, int, float]]] = field(default_factory=lambda: {})
    _capacitors: dict[Role, list[tuple[int, float, float]]] = field(default_factory=lambda: {})
    _inductors: dict[Role, list[tuple[int, int, float, float]]] = field(default_factory=lambda: {})
    _opamps: dict[Role, list[tuple[int, int, int]]] = field(default_factory=lambda: {})
    _otas: dict[Role, list[tuple[int, int, int, int]]] = field(default_factory=lambda: {})
    _multipliers: dict[Role, list[tuple[int, ...]]] = field(default_factory=lambda: {})
    _gyrators: dict[Role, list[tuple[int, int, float]]] = field(default_factory=lambda: {})
    _switches: list[Switches] = field(default_factory=lambda: [])

    def net(self, name: str) -> int:
        return self.builder.net(name)

    def resistor(self, role: Role, p: int, n: int, siemens: float, what: str) -> None:
        """One resistor, refused where nobody sells its value."""
        ohm = 1.0 / siemens
        low, high = self.technology.smallest_resistor, self.technology.largest_resistor
        if not low <= ohm <= high:
            raise NotRealizableError(
                f"{what} needs a resistor of {ohm:.4g} ohm, outside {low:g} to {high:g}; "
                "change volts_per_unit or impedance, or leave out weights that small"
            )
        self._resistors.setdefault(role, []).append((p, n, ohm))

    def capacitor(self, role: Role, net: int, farad: float, start: float, what: str) -> None:
        low, high = self.technology.smallest_capacitor, self.technology.largest_capacitor
        if not low <= farad <= high:
            raise NotRealizableError(
                f"{what} needs a capacitor of {farad:.4g} F, outside {low:g} to {high:g}; "
                "change seconds_per_unit or impedance"
            )
        self._capacitors.setdefault(role, []).append((net, farad, start))

    def inductor(self, role: Role, p: int, n: int, henry: float, start: float, what: str) -> None:
        low, high = self.technology.smallest_inductor, self.technology.largest_inductor
        if not low <= henry <= high:
            raise NotRealizableError(
                f"{what} needs an inductor of {henry:.4g} H, outside {low:g} to {high:g}; "
                "change seconds_per_unit or impedance"
            )
        self._inductors.setdefault(role, []).append((p, n, henry, start))

    def opamp(self, role: Role, p: int, n: int, out: int) -> None:
        self._opamps.setdefault(role, []).append((p, n, out))

    def ota(self, role: Role, pair: tuple[int, int], bias: int, out: int) -> None:
        self._otas.setdefault(role, []).append((*pair, bias, out))

    def multiplier(
        self, role: Role, x: tuple[int, int], y: tuple[int, int], out: int, z: int
    ) -> None:
        if self.technology.is_mos:
            raise NotRealizableError(
                "the network needs products, and a technology of MOS transistors in weak inversion "
                "has OTAs alone: use a bipolar technology"
            )
        self._multipliers.setdefault(role, []).append((*x, *y, out, z))

    def gyrator(self, role: Role, p1: int, p2: int, siemens: float) -> None:
        """`siemens` is the gyration conductance; of a negative one the ports change places."""
        technology = self.technology
        if technology.gyrator == "ota":
            drop = 2 * technology.supply - technology.ota.bias_voltage
            ampere = drop * abs(siemens) / OTA_SHARES["r_bias_out"]
            low, high = technology.ota.smallest_bias, technology.ota.largest_bias
            if not low <= ampere <= high:
                raise NotRealizableError(
                    f"a gyrator of {1 / abs(siemens):.4g} ohm needs a bias of {ampere:.3g} A, OTAs "
                    f"are good from {low:g} to {high:g} A; change the impedance, or take gyrators "
                    "of kind howland"
                )
        ends = (p1, p2) if siemens > 0 else (p2, p1)
        self._gyrators.setdefault(role, []).append((*ends, 1.0 / abs(siemens)))

    def switch(self, bank: Switches) -> None:
        self._switches.append(bank)

    def build(self, ports: list[int]) -> Circuit:
        """The circuit."""
        for bank in self._banks():
            self.builder.add(bank)
        return self.builder.build(ports=ports)

    def _banks(self) -> list[Bank]:
        banks: list[Bank] = []
        for role, rows in self._capacitors.items():
            net, farad, start = _columns(rows)
            banks.append(
                Capacitors(
                    **_named(role, len(rows)),
                    p=_nets(net),
                    n=np.full(len(rows), GROUND),
                    capacitance=farad,
                    v_initial=start,
                )
            )
        for role, rows in self._inductors.items():
            p, n, henry, start = _columns(rows)
            banks.append(
                Inductors(
                    **_named(role, len(rows)),
                    p=_nets(p),
                    n=_nets(n),
                    inductance=henry,
                    i_initial=start,
                )
            )
        banks += self._switches
        for role, rows in self._multipliers.items():
            columns = [_nets(c) for c in _columns(rows)]
            names = ("x1", "x2", "y1", "y2", "out", "z")
            none = np.zeros(len(rows))
            banks.append(
                Multipliers(
                    **_named(role, len(rows)),
                    **dict(zip(names, columns, strict=True)),
                    **self._supplied(len(rows)),
                    gain_error=none,
                    x_offset=none,
                    y_offset=none,
                    output_offset=none,
                )
            )
        for role, rows in self._gyrators.items():
            p1, p2, ohm = _columns(rows)
            banks.append(
                ActiveGyrators(
                    **_named(role, len(rows)),
                    **self._supplied(len(rows)),
                    p1=_nets(p1),
                    p2=_nets(p2),
                    resistance=ohm,
                    kind=self.technology.gyrator,
                )
            )
        for role, rows in self._otas.items():
            p, n, bias, out = (_nets(c) for c in _columns(rows))
            none = np.zeros(len(rows))
            banks.append(
                Otas(
                    **_named(role, len(rows)),
                    **self._supplied(len(rows)),
                    p=p,
                    n=n,
                    bias=bias,
                    out=out,
                    offset=none,
                    gain_error=none,
                    kind="mos" if self.technology.is_mos else "bipolar",
                )
            )
        for role, rows in self._opamps.items():
            p, n, out = (_nets(c) for c in _columns(rows))
            banks.append(
                OpAmps(
                    **_named(role, len(rows)),
                    **self._supplied(len(rows)),
                    p=p,
                    n=n,
                    out=out,
                    offset=np.zeros(len(rows)),
                )
            )
        for role, rows in self._resistors.items():
            p, n, ohm = _columns(rows)
            named = _named(role, len(rows))
            banks.append(Resistors(**named, p=_nets(p), n=_nets(n), resistance=ohm))
        return banks

    def _supplied(self, count: int) -> dict[str, Any]:
        return {
            "positive": np.full(count, self.positive),
            "negative": np.full(count, self.negative),
        }


def _columns(rows: Sequence[tuple[float, ...]]) -> list[Vector]:
    return [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]


def _nets(column: Vector) -> Indices:
    return column.astype(np.int64)


def _named(role: Role, count: int) -> dict[str, Any]:
    return {"stem": role.stem, "meaning": role.meaning, "index": counting(count)}
