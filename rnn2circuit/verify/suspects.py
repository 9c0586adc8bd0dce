"""Which element of a subcircuit explains a deviation: the one with which all would be right.

A netlist of ours names its elements after the weights. One that someone cut into subcircuits may
not, and a line may stand for many elements. So the value of each is fitted until the equations are
the model's; where that succeeds with one element alone, it and its value are named.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.netlist import Netlist

MOST = 120  # elements that are tried
LARGEST = 400  # nets of a circuit in which they are tried
PROMISING = 6  # of them are fitted
CHANGE = 1e-6  # relative, of an element's value, to see what it does
STARTS = (1.0, -1.0)  # factors from which a fit starts: a wrong sign is a fault of its own
STEPS = 8  # of a fit
STALLED = 0.7  # of what was left before: a fit that leaves more goes nowhere
EXPLAINED = 1e-8  # part of the deviation that may be left
_VALUE = {"r": 3, "c": 3, "l": 3, "v": 3, "i": 3, "g": 5, "e": 5, "f": 4, "h": 4, "b": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An element, and the factor on its value with which all would be right."""

    name: str
    factor: float
    value: float | None  # as it is; None of an expression

    def __str__(self) -> str:
        path, own = ".".join(self.name.split(".")[1:-1]), self.name.split(".")[-1]
        if self.value is None:
            return f"{own} in instance {path} explains it: {self.factor:.6g} times as much is right"
        right = self.factor * self.value
        return f"{own} in instance {path} explains it: {self.value:.10g}, {right:.10g} is right"


def find_suspect(
    netlist: Netlist, wanted: Vector, measure: Callable[[Netlist], Vector]
) -> Suspect | None:
    """The element of an instance whose value alone makes ``measure(netlist)`` what is wanted.

    None where there is no such element, or the circuit is too large to try them all.
    """
    tried = [(kind, k) for kind, name, k in _rows(netlist) if "." in name]
    if not tried or len(tried) > MOST or len(netlist.nodes) > LARGEST:
        return None
    deviation = measure(netlist) - wanted
    size = float(np.linalg.norm(deviation))
    if not 0 < size < np.inf:
        return None
    base = deviation + wanted
    slopes = [_slope(netlist, at, 1.0, base, measure) for at in tried]
    alike = [
        abs(float(slope @ deviation)) / max(float(np.linalg.norm(slope)), np.finfo(float).tiny)
        for slope in slopes
    ]
    for k in np.argsort(alike)[::-1][:PROMISING]:
        for start in STARTS:
            factor = _fitted(netlist, tried[k], start, wanted, measure, EXPLAINED * size)
            if factor is not None:
                row = getattr(netlist, tried[k][0])[tried[k][1]]
                value = row[_VALUE[tried[k][0]]] if tried[k][0] != "b" else None
                return Suspect(name=row[0], factor=factor, value=value)
    return None


def _fitted(
    netlist: Netlist,
    at: tuple[str, int],
    factor: float,
    wanted: Vector,
    measure: Callable[[Netlist], Vector],
    enough: float,
) -> float | None:
    """The factor that leaves no more than `enough`, by Gauss-Newton in one unknown."""
    before = np.inf
    for _ in range(STEPS):
        try:
            found = measure(scaled(netlist, *at, factor))
        except UnverifiableError:
            return None
        left = float(np.linalg.norm(found - wanted))
        if left <= enough:
            return factor
        slope = _slope(netlist, at, factor, found, measure)
        power = float(slope @ slope)
        if left > STALLED * before or not 0 < power < np.inf:
            return None
        factor, before = factor - float(slope @ (found - wanted)) / power, left
    return None


def _slope(
    netlist: Netlist,
    at: tuple[str, int],
    factor: float,
    base: Vector,
    measure: Callable[[Netlist], Vector],
) -> Vector:
    """Derivative of the figures by the factor; zero where it cannot be measured."""
    try:
        changed = measure(scaled(netlist, *at, factor * (1.0 + CHANGE)))
    except UnverifiableError:
        return np.zeros_like(base)
    return np.asarray((changed - base) / (CHANGE * factor), dtype=np.float64)


def _rows(netlist: Netlist) -> Iterator[tuple[str, str, int]]:
    for kind in _VALUE:
        for k, row in enumerate(getattr(netlist, kind)):
            yield kind, row[0], k


def scaled(netlist: Netlist, kind: str, k: int, factor: float) -> Netlist:
    """The netlist with the value of the k-th element of a kind multiplied."""
    rows = list(getattr(netlist, kind))
    row, at = list(rows[k]), _VALUE[kind]
    row[at] = f"({factor!r})*({row[at]})" if kind == "b" else row[at] * factor
    rows[k] = tuple(row)
    return replace(netlist, **{kind: rows})
