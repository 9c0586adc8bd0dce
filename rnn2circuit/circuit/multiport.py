"""Banks whose terminals float or are many: ammeters, sources in series, ideal transformers.

The conventions of all banks are in `banks`.
"""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Indices, Vector, readonly, require
from rnn2circuit.circuit.columns import check_columns
from rnn2circuit.errors import CircuitError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ammeters:
    """A wire from p to n whose current other elements may copy: a 0 V source."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n"), values=())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DifferenceAmplifiers:
    """VCVS with four free terminals: ``v(p) - v(n) = gain (v(control_p) - v(control_n))``."""

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    control_p: Indices
    control_n: Indices
    gain: Vector  # V/V

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n", "control_p", "control_n"), values=("gain",))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesTransresistances:
    """CCVS with a floating output: ``v(p) - v(n) = resistance * i(ammeter)``.

    Instance k listens to instance ``listens[k]`` of `ammeter`, counted from 0.
    """

    stem: str
    index: Indices
    meaning: str
    p: Indices
    n: Indices
    ammeter: Ammeters
    listens: Indices
    resistance: Vector  # ohm

    def __post_init__(self) -> None:
        check_columns(self, nets=("p", "n", "listens"), values=("resistance",))
        count = len(self.ammeter.index)
        if self.listens.min() < 0 or self.listens.max() >= count:
            raise CircuitError(
                f"bank {self.stem!r} listens to instances {int(self.listens.min())} to "
                f"{int(self.listens.max())} of {self.ammeter.stem!r}, which has 0 to {count - 1}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transformers:
    """Ideal multiport transformers: ``v(secondary) = sum_w turns_w v(net_w)``.

    A current i out of the secondary draws ``turns_w i`` from every ``net_w``: no power is lost.
    All windings are to ground. `transformer`, `net` and `turns` have one entry per winding,
    `secondary` and `index` one per transformer (V. Belevitch, Classical Network Theory, 1968).

    Attributes
    ----------
    transformer : ndarray, shape (windings,)
        To which transformer a winding belongs, counted from 0, in ascending order.
    """

    stem: str
    index: Indices
    meaning: str
    secondary: Indices
    transformer: Indices
    net: Indices
    turns: Vector  # V/V, either sign, not zero

    def __post_init__(self) -> None:
        check_columns(self, nets=("secondary",), values=())
        owner, net = np.array(self.transformer, np.int64), np.array(self.net, np.int64)
        count = len(self.index)
        if owner.ndim != 1 or owner.shape != net.shape:
            raise CircuitError(
                f"windings of bank {self.stem!r} need one transformer and one net each, got "
                f"shapes {owner.shape} and {net.shape}"
            )
        if not np.array_equal(np.unique(owner), np.arange(count)) or np.any(np.diff(owner) < 0):
            raise CircuitError(
                f"windings of bank {self.stem!r} must belong to transformers 0 to {count - 1} in "
                "ascending order, at least one each"
            )
        turns = readonly(f"turns of {self.stem!r}", self.turns, owner.shape, error=CircuitError)
        require(
            f"turns of {self.stem!r}",
            turns,
            turns != 0,
            rule="different from zero",
            error=CircuitError,
        )
        for name, column in (("transformer", owner), ("net", net), ("turns", turns)):
            column.setflags(write=False)
            object.__setattr__(self, name, column)
