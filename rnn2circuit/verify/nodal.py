"""Modified nodal equations of a netlist: matrices, and behavioural sources by shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.expression import Shape, parse_shape, split_references
from rnn2circuit.verify.netlist import GROUND, Netlist

Sparse: TypeAlias = Any  # a scipy matrix; scipy ships no types


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceGroup:
    """Behavioural sources of one shape: where their operands are and where they act."""

    shape: Shape
    operands: NDArray[np.int64]  # (sources, operands), unknowns; -1 is ground
    rows: NDArray[np.int64]  # (sources, 2), equations they enter; -1 is none
    signs: NDArray[np.float64]  # (sources, 2)
    names: tuple[str, ...]


def linear_part(net: Netlist, branch: dict[str, int], drives: dict[str, int], size: int) -> Sparse:
    """Matrix of Kirchhoff's laws and of all linear elements but the storage ones."""
    stamps = _Stamps()
    for _, p, n, ohm in net.r:
        stamps.conductance(p, n, 1.0 / ohm)
    stamps.transconductances(net.g)
    for name, p, n, cp, cn, gain in net.e:
        stamps.voltage(branch[name], p, n)
        stamps.add(branch[name], cp, -gain)
        stamps.add(branch[name], cn, gain)
    for _, p, n, source, gain in net.f:
        stamps.add(p, branch[source], gain)
        stamps.add(n, branch[source], -gain)
    for name, p, n, source, ohm in net.h:
        stamps.voltage(branch[name], p, n)
        stamps.add(branch[name], branch[source], -ohm)
    for name, p, n, *_ in (*net.v, *net.c, *(b for b in net.b if b[3] == "v")):
        stamps.voltage(branch[name], p, n)
    for name, p, n, out in net.nullors:  # the output's current is what makes both inputs equal
        q = branch[name]
        stamps.add(out, q, 1.0)
        stamps.add(q, p, 1.0)
        stamps.add(q, n, -1.0)
    for port, q in drives.items():
        stamps.voltage(q, net.nodes[port], GROUND)
    return stamps.matrix((size, size))


def storage(net: Netlist, branch: dict[str, int], size: int) -> tuple[Sparse, Sparse]:
    """How the circuit's states enter the equations, and how their rates are read from them.

    A capacitor is a voltage source of value w with ``dw/dt = i / C``, an inductor a current
    source of value w with ``dw/dt = v / L``.
    """
    states = [(branch[c[0]], k, 1.0) for k, c in enumerate(net.c)]
    rates = [(k, branch[c[0]], 1.0 / c[3]) for k, c in enumerate(net.c)]
    for k, (_, p, n, henry, _) in enumerate(net.l, start=len(net.c)):
        states += [(node, k, s) for node, s in ((p, -1.0), (n, 1.0)) if node >= 0]
        rates += [(k, node, s / henry) for node, s in ((p, 1.0), (n, -1.0)) if node >= 0]
    count = len(net.c) + len(net.l)
    return from_triples(size, states, count), from_triples(count, rates, size)


class _Stamps:
    """Entries of the matrix, collected; ground rows and columns fall away."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._values: list[float] = []
        self._blocks: list[tuple[NDArray[np.int64], NDArray[np.int64], Vector]] = []

    def add(self, row: int, column: int, value: float) -> None:
        self._rows.append(row)
        self._columns.append(column)
        self._values.append(value)

    def conductance(self, p: int, n: int, value: float) -> None:
        self.add(p, p, value)
        self.add(p, n, -value)
        self.add(n, p, -value)
        self.add(n, n, value)

    def voltage(self, q: int, p: int, n: int) -> None:
        """A branch current q from p to n, and the start of its equation v(p) - v(n) = .."""
        for node, sign in ((p, 1.0), (n, -1.0)):
            self.add(node, q, sign)
            self.add(q, node, sign)

    def transconductances(self, rows: list[tuple[str, int, int, int, int, float]]) -> None:
        """All G elements at once: a dense network has a million of them."""
        if not rows:
            return
        _, p, n, cp, cn, values = zip(*rows, strict=True)
        gm = np.array(values)
        nets = [np.array(column, dtype=np.int64) for column in (p, n, cp, cn)]
        for row, row_sign in ((nets[0], 1.0), (nets[1], -1.0)):
            for column, sign in ((nets[2], 1.0), (nets[3], -1.0)):
                self._blocks.append((row, column, row_sign * sign * gm))

    def matrix(self, shape: tuple[int, int]) -> Sparse:
        blocks = [
            *self._blocks,
            (np.array(self._rows), np.array(self._columns), np.array(self._values)),
        ]
        r, c, x = (np.concatenate(part) for part in zip(*blocks, strict=True))
        keep = (r >= 0) & (c >= 0)
        return sp.csc_matrix(
            (x[keep], (r[keep].astype(np.int64), c[keep].astype(np.int64))), shape=shape
        )


def group_sources(net: Netlist, branch: dict[str, int]) -> list[SourceGroup]:
    """Behavioural sources by shape of their expression."""
    found: dict[str, tuple[list[list[int]], list[tuple[int, int]], list[tuple[float, float]]]] = {}
    names: dict[str, list[str]] = {}
    for name, p, n, kind, expression in net.b:
        try:
            text, references = split_references(expression.strip())
            operands = [_unknown(net, branch, ref.kind, ref.name) for ref in references]
            if text not in found:
                parse_shape(text)
                found[text], names[text] = ([], [], []), []
        except UnverifiableError as error:
            raise UnverifiableError(f"{name}: {error}") from error
        group = found[text]
        group[0].append(operands)
        # A voltage source enters its own equation, a current source those of its two nodes.
        group[1].append((branch[name], -1) if kind == "v" else (p, n))
        group[2].append((1.0, 0.0) if kind == "v" else (-1.0, 1.0))
        names[text].append(name)
    return [
        SourceGroup(
            shape=parse_shape(text),
            operands=np.array(operands, dtype=np.int64).reshape(len(names[text]), -1),
            rows=np.array(rows, dtype=np.int64),
            signs=np.array(signs),
            names=tuple(names[text]),
        )
        for text, (operands, rows, signs) in found.items()
    ]


def _unknown(net: Netlist, branch: dict[str, int], kind: str, name: str) -> int:
    if kind == "i":
        if name not in branch:
            raise UnverifiableError(f"i({name}): there is no such voltage source")
        return branch[name]
    if name in ("0", "gnd"):
        return GROUND
    if name not in net.nodes:
        raise UnverifiableError(f"v({name}): there is no such node")
    return net.nodes[name]


def unknown_labels(net: Netlist, branch: dict[str, int], inputs: Sequence[str]) -> list[str]:
    """What each unknown of the equations is, in words."""
    labels = [f"node {name}" for name in net.nodes]
    labels += [f"current of {name}" for name in branch]
    return labels + [f"current of input {name}" for name in inputs]


def from_triples(
    rows: int, entries: list[tuple[int, int, float]], columns: int | None = None
) -> Sparse:
    """Sparse matrix from (row, column, value) triples; as many columns as entries by default."""
    width = len(entries) if columns is None else columns
    if not entries:
        return sp.csr_matrix((rows, width))
    r, c, x = zip(*entries, strict=True)
    return sp.csr_matrix((x, (r, c)), shape=(rows, width))
