"""A circuit: nets, banks of elements and ports. One that exists is well formed."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.banks import (
    Ammeters,
    Bank,
    CurrentMirrors,
    Resistors,
    SeriesTransresistances,
    Transformers,
    Transresistances,
    net_columns,
)
from rnn2circuit.errors import CircuitError

GROUND = 0
_NET = re.compile(r"[a-z][a-z0-9_]*")
# B-source variables and ground's second name: legal tokens that a simulator would not
# read as the net we mean.
_RESERVED = frozenset({"gnd", "time", "temper", "hertz", "v", "i"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circuit:
    """An ideal electrical network.

    Parameters
    ----------
    nets : tuple of str
        Net names; net 0 is ground and called ``"0"``.
    banks : tuple of Bank
        Elements, in the order in which a writer spells them.
    ports : tuple of int
        Nets that a subcircuit shows, in order.
    notes : tuple of str
        What whoever made it wants a report to say, one sentence each.
    """

    nets: tuple[str, ...]
    banks: tuple[Bank, ...]
    ports: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_nets()
        touched = np.zeros(len(self.nets), dtype=np.int64)
        for bank in self.banks:
            for name in net_columns(bank):
                column: Indices = getattr(bank, name)
                if column.min() < 0 or column.max() >= len(self.nets):
                    raise CircuitError(
                        f"column {name} of bank {bank.stem!r} names net {int(column.max())}, "
                        f"the circuit has nets 0 to {len(self.nets) - 1}"
                    )
                np.add.at(touched, column, 1)
        self._check_banks()
        inner = set(range(1, len(self.nets))) - set(self.ports)
        loose = [self.nets[k] for k in sorted(inner) if touched[k] < 2]
        if loose:
            raise CircuitError(
                f"net {loose[0]!r} has fewer than two element terminals; "
                "every net that is not a port connects something"
            )

    def _check_nets(self) -> None:
        if not self.nets or self.nets[0] != "0":
            raise CircuitError("net 0 must be ground and called '0'")
        for name in self.nets[1:]:
            if not _NET.fullmatch(name) or name in _RESERVED:
                raise CircuitError(f"net name {name!r} is not a legal lower-case identifier")
        _refuse_repeats("net", self.nets)
        if len(set(self.ports)) != len(self.ports) or any(
            not 0 < p < len(self.nets) for p in self.ports
        ):
            raise CircuitError("ports must be distinct nets of the circuit, ground excluded")

    def _check_banks(self) -> None:
        _refuse_repeats("bank", [bank.stem for bank in self.banks])
        present = {id(bank) for bank in self.banks}
        for bank in self.banks:
            if isinstance(bank, Transresistances | CurrentMirrors | SeriesTransresistances) and (
                id(bank.ammeter) not in present
            ):
                raise CircuitError(
                    f"bank {bank.stem!r} listens to ammeters {bank.ammeter.stem!r}, "
                    "which are not part of the circuit"
                )
            if isinstance(bank, Transformers):
                self._check_inner_nets(bank.stem)

    def _check_inner_nets(self, stem: str) -> None:
        """Refuse nets that could be taken for the taps between the windings of a transformer."""
        taken = [name for name in self.nets if name.startswith(f"{stem}_")]
        if taken:
            raise CircuitError(
                f"net {taken[0]!r} is named like a tap of the transformers {stem!r}; "
                f"no net may begin with {stem + '_'!r}"
            )

    def element_counts(self) -> dict[str, int]:
        """Number of elements of each kind that is present, in order of first appearance."""
        counts: dict[str, int] = {}
        for bank in self.banks:
            kind = type(bank).__name__
            counts[kind] = counts.get(kind, 0) + len(bank.index)
        return counts

    def negative_resistors(self) -> int:
        """How many resistors are negative: active elements, counted among the resistors too."""
        values = [bank.resistance for bank in self.banks if isinstance(bank, Resistors)]
        return sum(int(np.count_nonzero(value < 0)) for value in values)

    def windings(self) -> int:
        """Number of primary windings of all transformers."""
        return sum(len(bank.turns) for bank in self.banks if isinstance(bank, Transformers))


class CircuitBuilder:
    """Assemble a circuit in small steps; a local variable, never returned or stored."""

    def __init__(self) -> None:
        self._nets: list[str] = ["0"]
        self._banks: list[Bank] = []
        self._notes: list[str] = []

    def net(self, name: str) -> int:
        """Add one net and return its number."""
        self._nets.append(name)
        return len(self._nets) - 1

    def nets(self, prefix: str, count: int) -> Indices:
        """Add nets ``prefix1 .. prefixN`` and return their numbers."""
        start = len(self._nets)
        self._nets += [f"{prefix}{k}" for k in range(1, count + 1)]
        return np.arange(start, start + count)

    def numbered(self, prefix: str, index: Indices) -> Indices:
        """Add one net ``prefixI_J`` per index row and return their numbers."""
        start = len(self._nets)
        self._nets += [f"{prefix}{i}_{j}" for i, j in index.tolist()]
        return np.arange(start, len(self._nets))

    def add(self, bank: Bank) -> None:
        """Add a bank of elements."""
        self._banks.append(bank)

    def note(self, text: str) -> None:
        """Add a sentence for the report."""
        self._notes.append(text)

    def build(self, *, ports: Sequence[int] | Indices) -> Circuit:
        """The circuit so far.

        Raises
        ------
        CircuitError
            If it is not well formed.
        """
        return Circuit(
            nets=tuple(self._nets),
            banks=tuple(self._banks),
            ports=tuple(int(p) for p in ports),
            notes=tuple(self._notes),
        )


def counting(count: int) -> Indices:
    """Index column ``1 .. count`` of a bank with one instance per position."""
    return np.arange(1, count + 1)[:, None]


def positions(rows: ArrayLike, columns: ArrayLike) -> Indices:
    """Index pairs, counted from 1, of instances at zero-based (row, column) positions."""
    return np.column_stack([np.asarray(rows), np.asarray(columns)]).astype(np.int64) + 1


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise CircuitError(f"two {what}s are called {repeated[0]!r}; names must be unique")


__all__ = ["GROUND", "Ammeters", "Circuit", "CircuitBuilder", "counting", "positions"]
