"""What an ideal circuit computes: sums, stages, products and states, read from its banks.

Ideal sums stand on nets of their own; real ones are resistors at the inputs of the part that
needs them. So a lowering first looks through the sums: every voltage is an affine function of
*signals*, which are the voltages of inputs, capacitors, stages and products.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from rnn2circuit.circuit.banks import (
    Ammeters,
    Bank,
    Capacitors,
    CurrentSources,
    Gyrators,
    Inductors,
    Products,
    Resistors,
    SigmoidStages,
    Switches,
    Transconductances,
    Transresistances,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.errors import NotRealizableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """``Σ terms[k] v(k) + constant`` over signals k."""

    terms: dict[int, float]
    constant: float = 0.0

    @property
    def is_zero(self) -> bool:
        return not self.terms and self.constant == 0.0


ZERO = Affine(terms={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """``v(out) = σ(argument)``, in volts."""

    out: int
    activation: str
    argument: Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """``v(out) = a b / 1 V``."""

    out: int
    a: Affine
    b: Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A capacitor to ground, with what flows into it where no switch drives it.

    Attributes
    ----------
    current : Affine or None
        A, without the leak; None where a switch drives it.
    leak : float
        S to ground, of either sign.
    """

    net: int
    capacitance: float
    v_initial: float
    current: Affine | None
    leak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throw:
    """A switch from a voltage to a capacitor."""

    bank: Switches
    instance: int
    source: Affine
    store: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A current through L and R, driven by a voltage and shown as another.

    Attributes
    ----------
    net : int
        Where the current shows: ``v(net) = transresistance * i``.
    voltage : Affine
        V around the loop.
    """

    net: int
    voltage: Affine
    inductance: float
    i_initial: float
    resistance: float  # ohm, of either sign
    transresistance: float


Node: TypeAlias = Stage | Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """Everything in a circuit, by what it does.

    Attributes
    ----------
    nodes : tuple of Stage or Product
        Each after what it needs.
    voltages : dict of int to Affine
        Ports that show neither an input nor a capacitor.
    ties : tuple of (int, int, float)
        Resistors between two capacitors: nets and conductance in S, positive.
    loops : tuple of Loop
        States of the current form.
    gyrators : tuple of (int, int, float)
        Gyrators between two capacitors: both nets and the gyration conductance in S.
    """

    nodes: tuple[Node, ...]
    stores: tuple[Store, ...]
    throws: tuple[Throw, ...]
    voltages: dict[int, Affine]
    ties: tuple[tuple[int, int, float], ...] = ()
    gyrators: tuple[tuple[int, int, float], ...] = ()
    loops: tuple[Loop, ...] = ()


@dataclass(slots=True)
class _Wiring:
    """What is attached to each net."""

    to_ground: dict[int, float] = field(default_factory=lambda: {})  # S
    currents: dict[int, list[tuple[int, float]]] = field(default_factory=lambda: {})
    constants: dict[int, float] = field(default_factory=lambda: {})
    amplifiers: dict[int, tuple[int, float]] = field(default_factory=lambda: {})
    stages: dict[int, tuple[str, int]] = field(default_factory=lambda: {})
    products: dict[int, tuple[int, int]] = field(default_factory=lambda: {})
    capacitors: dict[int, tuple[float, float]] = field(default_factory=lambda: {})
    switches: list[tuple[Switches, int, int, int]] = field(default_factory=lambda: [])
    ties: list[tuple[int, int, float]] = field(default_factory=lambda: [])
    gyrators: list[tuple[int, int, float]] = field(default_factory=lambda: [])
    inductors: list[tuple[int, int, float, float]] = field(default_factory=lambda: [])
    ammeters: dict[int, int] = field(default_factory=lambda: {})  # positive net -> shown net
    shown: dict[int, float] = field(default_factory=lambda: {})  # shown net -> transresistance


def read_dataflow(circuit: Circuit, held: Sequence[str] = ()) -> Dataflow:
    """Look through the sums of an ideal circuit.

    Parameters
    ----------
    held : sequence of str
        Nets that whoever uses the circuit drives: its inputs. What flows into them moves nothing.

    Raises
    ------
    NotRealizableError
        If the circuit holds elements that no rule below covers.
    """
    return _Reader(circuit, frozenset(circuit.nets.index(name) for name in held)).read()


class _Reader:
    def __init__(self, circuit: Circuit, held: frozenset[int]) -> None:
        self.circuit = circuit
        self.wiring = _Wiring()
        for bank in circuit.banks:
            _attach(self.wiring, bank)
        self.series = self._series()
        self.ties = [row for row in self.wiring.ties if self._between_stores(row) and row[2] > 0]
        self.gyrators = [row for row in self.wiring.gyrators if self._between_stores(row)]
        for row in self.wiring.ties:
            if row not in self.ties and row[0] not in self.series:
                self._conduct(*row, held)
        for p1, p2, g in self.wiring.gyrators:
            if (p1, p2, g) not in self.gyrators:
                for here, there, gm in ((p1, p2, -g), (p2, p1, g)):
                    if here not in held:
                        self.wiring.currents.setdefault(here, []).append((there, gm))
        self.known: dict[int, Affine] = {GROUND: ZERO}
        self.nodes: dict[int, Node] = {}
        self.pending: set[int] = set()
        self.driven = {int(s[3]) for s in self.wiring.switches}

    def read(self) -> Dataflow:
        wiring = self.wiring
        stores = tuple(self._store(net) for net in wiring.capacitors)
        throws = tuple(
            Throw(bank=bank, instance=k, source=self.affine(p), store=n)
            for bank, k, p, n in wiring.switches
        )
        loops = tuple(self._loop(*row) for row in wiring.inductors)
        inner = {*wiring.capacitors, *wiring.shown}
        voltages = {
            p: self.affine(p) for p in self.circuit.ports if p not in inner and self._computed(p)
        }
        return Dataflow(
            nodes=tuple(self.nodes.values()),
            stores=stores,
            throws=throws,
            voltages=voltages,
            ties=tuple(self.ties),
            gyrators=tuple(self.gyrators),
            loops=loops,
        )

    def _conduct(self, p: int, n: int, siemens: float, held: frozenset[int]) -> None:
        """A resistor loads both its ends, and each end drives the other."""
        w = self.wiring
        for here, there in ((p, n), (n, p)):
            if here != GROUND and here not in held:
                w.to_ground[here] = w.to_ground.get(here, 0.0) + siemens
                if there != GROUND:
                    w.currents.setdefault(here, []).append((there, siemens))

    def _series(self) -> dict[int, tuple[int, float]]:
        """Resistors that follow an inductor: from its end to the next net, and their ohms."""
        ends = {row[1] for row in self.wiring.inductors}
        return {p: (n, 1.0 / g) for p, n, g in self.wiring.ties if p in ends and n != GROUND}

    def _loop(self, start: int, end: int, henry: float, ampere: float) -> Loop:
        net, ohm = self.series.get(end, (end, 0.0))
        shown = self.wiring.ammeters.get(net)
        if shown is None:
            raise NotRealizableError(
                f"the loop through net {self.circuit.nets[end]!r} holds more than L and R; levels "
                "other than ideal take coupling vccs in form rl"
            )
        return Loop(
            net=shown,
            voltage=self.affine(start),
            inductance=henry,
            i_initial=ampere,
            resistance=ohm,
            transresistance=self.wiring.shown[shown],
        )

    def _between_stores(self, row: tuple[int, int, float]) -> bool:
        return row[0] in self.wiring.capacitors and row[1] in self.wiring.capacitors

    def _computed(self, net: int) -> bool:
        w = self.wiring
        made = (w.currents, w.constants, w.amplifiers, w.to_ground, w.stages, w.products)
        return any(net in d for d in made)

    def _store(self, net: int) -> Store:
        capacitance, v_initial = self.wiring.capacitors[net]
        current = None if net in self.driven else self._into(net)
        leak = self.wiring.to_ground.get(net, 0.0)
        return Store(
            net=net, capacitance=capacitance, v_initial=v_initial, current=current, leak=leak
        )

    def _into(self, net: int) -> Affine:
        """Currents into a net, in A."""
        terms: dict[int, float] = {}
        constant = self.wiring.constants.get(net, 0.0)
        for control, gm in self.wiring.currents.get(net, []):
            part = self.affine(control)
            constant += gm * part.constant
            for signal, factor in part.terms.items():
                terms[signal] = terms.get(signal, 0.0) + gm * factor
        return Affine(terms={k: v for k, v in terms.items() if v != 0.0}, constant=constant)

    def affine(self, net: int) -> Affine:
        """The voltage of a net, as a function of signals."""
        found = self.known.get(net)
        if found is None:
            if net in self.pending:
                raise NotRealizableError(
                    f"net {self.circuit.nets[net]!r} depends on itself with no capacitor between"
                )
            self.pending.add(net)
            found = self.known[net] = self._find(net)
        return found

    def _find(self, net: int) -> Affine:
        w = self.wiring
        signal = Affine(terms={net: 1.0})
        if net in w.capacitors or net in w.shown:
            return signal
        if net in w.stages:
            activation, control = w.stages[net]
            argument = self.affine(control)
            self.nodes[net] = Stage(out=net, activation=activation, argument=argument)
            return signal
        if net in w.products:
            a, b = (self.affine(k) for k in w.products[net])
            self.nodes[net] = Product(out=net, a=a, b=b)
            return signal
        if net in w.amplifiers:
            control, gain = w.amplifiers[net]
            inner = self.affine(control)
            terms = {k: gain * v for k, v in inner.terms.items() if v != 0.0}
            return Affine(terms=terms, constant=gain * inner.constant)
        if net in w.to_ground:
            total = self._into(net)
            ohm = 1.0 / w.to_ground[net]
            terms = {k: ohm * v for k, v in total.terms.items()}
            return Affine(terms=terms, constant=ohm * total.constant)
        return signal  # an input or the clock


def _attach(w: _Wiring, bank: Bank) -> None:  # noqa: C901 - one case per bank kind
    match bank:
        case Resistors():
            for p, n, ohm in zip(bank.p, bank.n, bank.resistance, strict=True):
                w.ties.append((int(p), int(n), 1.0 / float(ohm)))
        case Gyrators():
            g = bank.gyration_conductance
            columns = (bank.p1, bank.n1, bank.p2, bank.n2, g)
            for p1, n1, p2, n2, value in zip(*columns, strict=True):
                if n1 != GROUND or n2 != GROUND:
                    raise NotRealizableError(
                        f"gyrators {bank.stem!r} float; realistic levels ground their ports"
                    )
                w.gyrators.append((int(p1), int(p2), float(value)))
        case Transconductances():
            for out, control, gm in zip(bank.out, bank.control, bank.gm, strict=True):
                w.currents.setdefault(int(out), []).append((int(control), float(gm)))
        case CurrentSources():
            for out, ampere in zip(bank.out, bank.current, strict=True):
                w.constants[int(out)] = w.constants.get(int(out), 0.0) + float(ampere)
        case VoltageAmplifiers():
            for out, control, gain in zip(bank.out, bank.control, bank.gain, strict=True):
                w.amplifiers[int(out)] = (int(control), float(gain))
        case SigmoidStages():
            for out, control in zip(bank.out, bank.control, strict=True):
                w.stages[int(out)] = (bank.activation, int(control))
        case Products():
            for out, a, b in zip(bank.out, bank.a, bank.b, strict=True):
                w.products[int(out)] = (int(a), int(b))
        case Capacitors() if np.all(bank.n == GROUND):
            for p, farad, start in zip(bank.p, bank.capacitance, bank.v_initial, strict=True):
                w.capacitors[int(p)] = (float(farad), float(start))
        case Inductors():
            columns = (bank.p, bank.n, bank.inductance, bank.i_initial)
            for p, n, henry, ampere in zip(*columns, strict=True):
                w.inductors.append((int(p), int(n), float(henry), float(ampere)))
        case Transresistances() if np.all(bank.ammeter.n == GROUND):
            columns = (bank.out, bank.ammeter.p, bank.resistance)
            for out, p, ohm in zip(*columns, strict=True):
                w.ammeters[int(p)] = int(out)
                w.shown[int(out)] = float(ohm)
        case Ammeters():
            return  # who listens to one says what it is for
        case Switches():
            for k, (p, n) in enumerate(zip(bank.p, bank.n, strict=True)):
                w.switches.append((bank, k, int(p), int(n)))
        case _:
            raise NotRealizableError(
                f"there is no realistic part for {type(bank).__name__} ({bank.stem!r}); levels "
                "macro and device take coupling vccs, and gyrator in form rc"
            )
