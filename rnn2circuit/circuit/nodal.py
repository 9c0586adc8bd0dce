"""Modified nodal analysis of a linear circuit: stamps, state space, and what each element moves.

Unknowns are the voltages of all nets and, after them, the currents of branches whose voltage is
given (amplifiers, ammeters, transresistances, inductors). Ground keeps its place as unknown 0,
held at zero. Every element is one or two entries ``weight (e_r+ - e_r-) (e_c+ - e_c-)^T`` of the
matrix ``G + s C``, so that the derivative by an element is of rank one or two.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    ActiveGyrators,
    Ammeters,
    Bank,
    Capacitors,
    CurrentMirrors,
    CurrentSources,
    DifferenceAmplifiers,
    Gyrators,
    Inductors,
    Multipliers,
    OpAmps,
    Otas,
    Products,
    Resistors,
    SeriesTransresistances,
    SigmoidStages,
    Switches,
    Transconductances,
    Transformers,
    Transresistances,
    VariableCapacitors,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.errors import CircuitError

PartKind: TypeAlias = Literal["resistor", "capacitor", "inductor"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The parts that have a value: what is bought, rounded and toleranced.

    A transconductance or gyrator is set by one resistor, of the reciprocal of its conductance.

    Attributes
    ----------
    bank, instance : ndarray, shape (e,)
        Where in the circuit a part stands.
    value : ndarray, shape (e,)
        ohm, F or H; positive: a sign belongs to the element, not to the part.
    kind : tuple of str
    """

    bank: Indices
    instance: Indices
    value: Vector
    kind: tuple[PartKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nodal:
    """Entries of ``G + s C``, excitations, and the parts that the entries belong to.

    Attributes
    ----------
    size : int
        Number of unknowns, ground included.
    weight, reactive, part : ndarray, shape (k,)
        Value of each entry (S, or F and -H where it is multiplied by s), and the part it comes
        from (-1: none).
    rows, columns : ndarray, shape (k, 2)
        Positive and negative unknowns of each entry.
    current : ndarray, shape (size,)
        Constant currents into the nets, A.
    """

    size: int
    weight: Vector
    reactive: Indices
    part: Indices
    rows: Indices
    columns: Indices
    current: Vector
    parts: Parts

    def matrices(self) -> tuple[Matrix, Matrix]:
        """G and C, shape (size, size)."""
        g, c = np.zeros((self.size, self.size)), np.zeros((self.size, self.size))
        for r, r_sign in ((0, 1.0), (1, -1.0)):
            for k, k_sign in ((0, 1.0), (1, -1.0)):
                value = r_sign * k_sign * self.weight
                where = (self.rows[:, r], self.columns[:, k])
                np.add.at(g, where, np.where(self.reactive > 0, 0.0, value))
                np.add.at(c, where, np.where(self.reactive > 0, value, 0.0))
        return g, c


class _Stamps:
    """Columns of entries under construction."""

    def __init__(self, circuit: Circuit) -> None:
        self.size = len(circuit.nets)
        self.columns: list[tuple[Vector, Indices, Indices, Indices, Indices]] = []
        self.parts: list[tuple[int, Vector, PartKind]] = []
        self.n_parts = 0
        self.currents: list[tuple[Indices, Vector]] = []
        self.branches: dict[int, Indices] = {}

    def branch(self, bank: Bank) -> Indices:
        """The currents of a bank's branches, as unknowns."""
        if id(bank) not in self.branches:
            count = len(bank.index)
            self.branches[id(bank)] = np.arange(self.size, self.size + count)
            self.size += count
        return self.branches[id(bank)]

    def add(
        self,
        weight: Vector,
        rows: tuple[Indices, Indices],
        columns: tuple[Indices, Indices],
        *,
        reactive: bool = False,
        parts: Indices | None = None,
    ) -> None:
        count = len(weight)
        part = np.full(count, -1) if parts is None else parts
        flag = np.full(count, int(reactive))
        self.columns.append((weight, flag, part, np.stack(rows, 1), np.stack(columns, 1)))

    def part(self, bank: int, value: Vector, kind: PartKind) -> Indices:
        self.parts.append((bank, value, kind))
        numbers = np.arange(self.n_parts, self.n_parts + len(value))
        self.n_parts += len(value)
        return numbers


def nodal(circuit: Circuit) -> Nodal:
    """The equations of a linear circuit.

    Raises
    ------
    CircuitError
        If the circuit holds a nonlinear or switched element.
    """
    stamps = _Stamps(circuit)
    for number, bank in enumerate(circuit.banks):
        _stamp(stamps, number, bank)
    weight, reactive, part, rows, columns = (
        np.concatenate(column) for column in zip(*stamps.columns, strict=True)
    )
    current = np.zeros(stamps.size)
    for out, value in stamps.currents:
        np.add.at(current, out, value)
    sizes = [len(value) for _, value, _ in stamps.parts]
    return Nodal(
        size=stamps.size,
        weight=weight,
        reactive=reactive,
        part=part,
        rows=rows,
        columns=columns,
        current=current,
        parts=Parts(
            bank=np.repeat([bank for bank, _, _ in stamps.parts], sizes).astype(np.int64),
            instance=np.concatenate([np.arange(0), *(np.arange(k) for k in sizes)]),
            value=np.concatenate([np.zeros(0), *(value for _, value, _ in stamps.parts)]),
            kind=tuple(
                kind for (_, _, kind), k in zip(stamps.parts, sizes, strict=True) for _ in range(k)
            ),
        ),
    )


def _stamp(stamps: _Stamps, number: int, bank: Bank) -> None:  # noqa: C901 - one case per kind
    count = len(bank.index)
    ground, one = np.full(count, GROUND), np.ones(count)
    match bank:
        case Resistors():
            ports = (bank.p, bank.n)
            parts = stamps.part(number, np.abs(bank.resistance), "resistor")
            stamps.add(1.0 / bank.resistance, ports, ports, parts=parts)
        case Capacitors():
            ports = (bank.p, bank.n)
            parts = stamps.part(number, bank.capacitance, "capacitor")
            stamps.add(bank.capacitance, ports, ports, reactive=True, parts=parts)
        case Inductors():
            branch = (stamps.branch(bank), ground)
            parts = stamps.part(number, bank.inductance, "inductor")
            stamps.add(one, (bank.p, bank.n), branch)
            stamps.add(one, branch, (bank.p, bank.n))
            stamps.add(-bank.inductance, branch, branch, reactive=True, parts=parts)
        case CurrentSources():
            stamps.currents.append((bank.out, bank.current))
        case Transconductances():
            live = np.flatnonzero(bank.gm)
            parts = stamps.part(number, _reciprocal(bank.gm), "resistor")
            rows, columns = (bank.out, ground), (bank.control, ground)
            stamps.add(-bank.gm, rows, columns, parts=parts)
            if live.size != count:
                raise CircuitError(f"bank {bank.stem!r} holds a transconductance of zero")
        case Gyrators():
            first, second = (bank.p1, bank.n1), (bank.p2, bank.n2)
            g = bank.gyration_conductance
            parts = stamps.part(number, _reciprocal(g), "resistor")
            stamps.add(g, first, second, parts=parts)
            stamps.add(-g, second, first, parts=parts)
        case VoltageAmplifiers():
            branch = (stamps.branch(bank), ground)
            stamps.add(one, (bank.out, ground), branch)
            stamps.add(one, branch, (bank.out, ground))
            stamps.add(-bank.gain, branch, (bank.control, ground))
        case Ammeters():
            branch = (stamps.branch(bank), ground)
            stamps.add(one, (bank.p, bank.n), branch)
            stamps.add(one, branch, (bank.p, bank.n))
        case Transresistances():
            branch = (stamps.branch(bank), ground)
            stamps.add(one, (bank.out, ground), branch)
            stamps.add(one, branch, (bank.out, ground))
            stamps.add(-bank.resistance, branch, (stamps.branch(bank.ammeter), ground))
        case CurrentMirrors():
            stamps.add(-bank.gain, (bank.out, ground), (stamps.branch(bank.ammeter), ground))
        case DifferenceAmplifiers():
            branch = (stamps.branch(bank), ground)
            stamps.add(one, (bank.p, bank.n), branch)
            stamps.add(one, branch, (bank.p, bank.n))
            stamps.add(-bank.gain, branch, (bank.control_p, bank.control_n))
        case SeriesTransresistances():
            branch = (stamps.branch(bank), ground)
            heard = stamps.branch(bank.ammeter)[bank.listens]
            stamps.add(one, (bank.p, bank.n), branch)
            stamps.add(one, branch, (bank.p, bank.n))
            stamps.add(-bank.resistance, branch, (heard, ground))
        case Transformers():
            branch = (stamps.branch(bank), ground)
            stamps.add(one, (bank.secondary, ground), branch)
            stamps.add(one, branch, (bank.secondary, ground))
            none = np.full(len(bank.turns), GROUND)
            winding, net = (branch[0][bank.transformer], none), (bank.net, none)
            stamps.add(-bank.turns, winding, net)
            stamps.add(-bank.turns, net, winding)
        case (
            SigmoidStages()
            | Products()
            | Switches()
            | VariableCapacitors()
            | OpAmps()
            | Otas()
            | Multipliers()
            | ActiveGyrators()
        ):
            raise CircuitError(
                f"bank {bank.stem!r} of {type(bank).__name__} is not linear; "
                "linearize the model first"
            )
        case _:
            assert_never(bank)


def _reciprocal(conductance: Vector) -> Vector:
    with np.errstate(divide="ignore"):
        return 1.0 / np.abs(conductance)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitStateSpace:
    """``v' = A v + B u + bias`` of the storage elements, and all unknowns from them.

    Attributes
    ----------
    storage : ndarray, shape (n,)
        Unknowns that carry a state: capacitor voltages, inductor currents.
    a, b, bias : ndarray
        Shapes (n, n), (n, m) and (n,); per second.
    inverse : ndarray, shape (n, n)
        Of the storage matrix: ``a = inverse (...)``, 1/F or 1/H.
    from_storage, from_inputs, constant : ndarray
        All unknowns, shape (size, ...), from states, inputs and constant currents.
    """

    storage: Indices
    a: Matrix
    b: Matrix
    bias: Vector
    inverse: Matrix
    from_storage: Matrix
    from_inputs: Matrix
    constant: Vector


def state_space(system: Nodal, *, inputs: Indices) -> CircuitStateSpace:
    """Eliminate what has no memory.

    Raises
    ------
    CircuitError
        If the part without memory has no unique solution, or capacitors float in pairs (the
        balanced lattice), so that not every storing net is a state.
    """
    g, c = system.matrices()
    held = np.zeros(system.size, dtype=bool)
    held[[GROUND, *inputs.tolist()]] = True
    storing = np.any(c != 0, axis=1) & ~held
    storage, rest = np.flatnonzero(storing), np.flatnonzero(~storing & ~held)
    n, m = len(storage), len(inputs)
    known = np.concatenate([storage, inputs]).astype(np.int64)
    # What stands on the right of the algebraic part: states, inputs, constant currents.
    right = np.column_stack([-g[np.ix_(rest, known)], system.current[rest]])
    try:
        solved = np.linalg.solve(g[np.ix_(rest, rest)], right)
        if np.linalg.matrix_rank(c[np.ix_(storage, storage)]) < n:
            raise CircuitError(
                "capacitors float between nets of their own, as in a balanced lattice: its values "
                "are not analyzed; use another coupling"
            )
        inverse: Matrix = np.linalg.inv(c[np.ix_(storage, storage)]).astype(np.float64)
    except np.linalg.LinAlgError:
        raise CircuitError("the circuit's resistive part has no unique solution") from None
    unknowns = np.zeros((system.size, n + m + 1))
    unknowns[rest] = solved
    unknowns[known, np.arange(n + m)] = 1.0
    flow = -g[storage] @ unknowns
    flow[:, -1] += system.current[storage]
    rates = inverse @ flow
    return CircuitStateSpace(
        storage=storage,
        a=rates[:, :n],
        b=rates[:, n:-1],
        bias=rates[:, -1],
        inverse=inverse,
        from_storage=unknowns[:, :n],
        from_inputs=unknowns[:, n:-1],
        constant=unknowns[:, -1],
    )
