"""Preferred values of resistors and capacitors: the E series of IEC 60063, and pairs of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import NotRealizableError, UsageError

Series: TypeAlias = Literal["E6", "E12", "E24", "E48", "E96", "E192"]
SERIES: tuple[Series, ...] = get_args(Series)
Part: TypeAlias = Literal["resistor", "capacitor"]
Arrangement: TypeAlias = Literal["single", "series", "parallel"]
Arrangements: TypeAlias = Literal["series", "parallel", "either"]

# E24 is older than the rule and keeps its historical values (2.7 to 4.7 and 8.2 are not what
# 10^(k/24) rounds to). E12 and E6 are every second and fourth of them.
TABULATED = (
    "1.0 1.1 1.2 1.3 1.5 1.6 1.8 2.0 2.2 2.4 2.7 3.0 "
    "3.3 3.6 3.9 4.3 4.7 5.1 5.6 6.2 6.8 7.5 8.2 9.1"
)
# From E48 on the standard's rule holds, 10^(k/N) to three digits, with one exception in E192:
# 9.20 where the rule gives 9.19.
EXCEPTION = (185, 9.20)

RESISTORS = (1.0, 10e6)  # ohm: what is on sale in every series
CAPACITORS = (1e-12, 1e-3)  # F
EQUAL = 1e-12  # a part this near to the value needs no partner
# ohm, the larger of two in parallel: parts beyond it are rare, and a pair needs none of them.
LARGEST_BESIDE = 1e8
PARTNER = 1e4  # the smaller part of a pair is at least this part of the larger one


def decade(series: Series) -> Vector:
    """The values of one decade, from 1 to below 10, ascending.

    Raises
    ------
    UsageError
        If there is no such series.
    """
    if series not in SERIES:
        raise UsageError(f"series must be one of {', '.join(SERIES)}, got {series!r}")
    count = int(series[1:])
    if count <= 24:
        return np.array([float(v) for v in TABULATED.split()[:: 24 // count]])
    values = np.round(10.0 ** (np.arange(count) / count), 2)
    where, value = EXCEPTION
    if count == 192:
        values[where] = value
    return values


def values_between(series: Series, low: float, high: float) -> Vector:
    """All values of a series from `low` to `high`, both included, ascending.

    Each is the float nearest to its decimal value: 4.7e-9, not 4.7 times a rounded 1e-9.

    Raises
    ------
    UsageError
        If there is no such series, or the range is not one of positive numbers.
    NotRealizableError
        If the series has no value in the range.
    """
    if not (np.isfinite(high) and 0 < low <= high):
        raise UsageError(f"a range of values needs 0 < low <= high, got {low!r} to {high!r}")
    first, last = int(np.floor(np.log10(low))) - 1, int(np.floor(np.log10(high))) + 1
    mantissas = decade(series).tolist()
    grid = np.array([float(f"{m:.2f}e{k}") for k in range(first, last + 1) for m in mantissas])
    grid = grid[(grid >= low) & (grid <= high)]
    if not grid.size:
        raise NotRealizableError(f"{series} has no value from {low!r} to {high!r}")
    return grid


def nearest(series: Series, values: Vector, *, low: float, high: float) -> Vector:
    """The value of the series, from `low` to `high`, with the least ratio to each of `values`.

    Raises
    ------
    UsageError, NotRealizableError
        As `values_between`; or if a value is not positive and finite.
    """
    values = _positive(values)
    return nearest_on(values_between(series, low, high), values)


def nearest_on(grid: Vector, values: Vector) -> Vector:
    """The value of an ascending grid with the least ratio to each of `values`."""
    above = np.clip(np.searchsorted(grid, values), 0, len(grid) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(values / grid[below] < grid[above] / values, grid[below], grid[above])


def neighbours_on(grid: Vector, value: float, *, each_side: int = 2) -> Vector:
    """The values of an ascending grid around `value`: up to `each_side` below and above."""
    k = int(np.searchsorted(grid, value))
    k = min(max(k, 1), len(grid) - 1) if len(grid) > 1 else 0
    return grid[max(0, k - each_side) : k + each_side]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPair:
    """One or two parts that together have a value.

    Attributes
    ----------
    first, second : float
        The parts, the larger one first where they add; `second` is None of a single part.
    arrangement : str
        ``single``, ``series`` or ``parallel``.
    value : float
        What the parts are together.
    """

    first: float
    second: float | None
    arrangement: Arrangement
    value: float


def best_pair(
    series: Series,
    value: float,
    *,
    part: Part = "resistor",
    arrangements: Arrangements = "either",
    low: float | None = None,
    high: float | None = None,
) -> PartPair:
    """The single part or pair of parts of a series whose value has the least ratio to `value`.

    Parameters
    ----------
    part : {"resistor", "capacitor"}
        Resistors add in series, capacitors in parallel.
    arrangements : {"series", "parallel", "either"}
        Which pairs are allowed; a single part always is.
    low, high : float, optional
        Range of either part; `RESISTORS` or `CAPACITORS` where not given.

    Raises
    ------
    UsageError
        If an option is none of those, or `value` is not positive and finite.
    NotRealizableError
        If the series has no value in the range.
    """
    if part not in get_args(Part):
        raise UsageError(f"part must be resistor or capacitor, got {part!r}")
    if arrangements not in get_args(Arrangements):
        raise UsageError(f"arrangements must be series, parallel or either, got {arrangements!r}")
    value = float(_positive(np.array([value]))[0])
    usual = RESISTORS if part == "resistor" else CAPACITORS
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    grid = values_between(series, low, high)
    single = float(nearest_on(grid, np.array([value]))[0])
    found = [PartPair(first=single, second=None, arrangement="single", value=single)]
    adding: Arrangement = "series" if part == "resistor" else "parallel"
    sharing: Arrangement = "parallel" if part == "resistor" else "series"
    if arrangements in ("either", adding):
        found += _adding(grid, value, adding)
    if arrangements in ("either", sharing):
        beside = grid[grid <= LARGEST_BESIDE] if part == "resistor" else grid
        found += _sharing(beside, value, sharing)
    return min(found, key=lambda pair: abs(np.log(pair.value / value)))


def values_on_offer(series: Series, *, pairs: bool, low: float, high: float) -> Vector:
    """All resistances from `low` to `high` that one part has, or with `pairs` one or two together.

    Pairs are those among which `best_pair` chooses.

    Raises
    ------
    UsageError, NotRealizableError
        As `values_between`.
    """
    singles = values_between(series, low, high)
    if not pairs:
        return singles
    large, small = (part.ravel() for part in np.meshgrid(singles, singles))
    added, shared = large + small, large * small / (large + small)
    added = added[(large >= small) & (small * PARTNER >= added)]
    few = (large >= small) & (large <= PARTNER * shared) & (large <= LARGEST_BESIDE)
    shared = shared[few]
    return np.unique(np.concatenate([singles, added, shared]))


def _adding(grid: Vector, value: float, arrangement: Arrangement) -> list[PartPair]:
    """The best pair with ``first + second`` near `value`."""
    # The larger part is at least half; a step beyond it covers a pair that adds to too much.
    large = grid[(grid >= 0.4 * value) & (grid < value)]
    small = grid[(grid >= value / PARTNER) & (grid <= 0.6 * value)]
    if not (large.size and small.size):
        return []
    first, second = _closest(large, small, value - large, lambda a, b: a + b, value)
    return [_pair(first, second, arrangement, first + second)]


def _sharing(grid: Vector, value: float, arrangement: Arrangement) -> list[PartPair]:
    """The best pair with ``1 / (1 / first + 1 / second)`` near `value`."""
    small = grid[(grid > value * (1 + EQUAL)) & (grid <= 2.5 * value)]
    large = grid[(grid >= value / 0.6) & (grid <= PARTNER * value)]
    if not (small.size and large.size):
        return []

    def together(a: Vector, b: Vector) -> Vector:
        return a * b / (a + b)

    wanted = 1.0 / (1.0 / value - 1.0 / small)
    first, second = _closest(small, large, wanted, together, value)
    return [_pair(first, second, arrangement, first * second / (first + second))]


def _closest(
    first: Vector,
    grid: Vector,
    wanted: Vector,
    together: Callable[[Vector, Vector], Vector],
    value: float,
) -> tuple[float, float]:
    """Of each first part with its two best partners on `grid`, the pair nearest to `value`."""
    above = np.clip(np.searchsorted(grid, wanted), 0, len(grid) - 1)
    partners = np.stack([grid[np.maximum(above - 1, 0)], grid[above]])
    error = np.abs(np.log(together(first, partners) / value))
    row, column = np.unravel_index(int(np.argmin(error)), error.shape)
    return float(first[column]), float(partners[row, column])


def _pair(a: float, b: float, arrangement: Arrangement, value: float) -> PartPair:
    return PartPair(first=max(a, b), second=min(a, b), arrangement=arrangement, value=value)


def _positive(values: Vector) -> Vector:
    values = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(values) & (values > 0)):
        raise UsageError("component values must be positive and finite")
    return values
