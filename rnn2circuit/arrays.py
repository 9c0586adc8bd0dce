"""Checked, read-only arrays: what every model and every element bank is made of."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError, Rnn2CircuitError

Vector: TypeAlias = NDArray[np.float64]  # shape (k,)
Matrix: TypeAlias = NDArray[np.float64]  # shape (rows, columns)
Indices: TypeAlias = NDArray[np.int64]  # net numbers or instance positions


def readonly(
    name: str,
    value: object,
    shape: tuple[int, ...],
    *,
    error: type[Rnn2CircuitError] = ModelError,
) -> NDArray[np.float64]:
    """Copy `value` into a read-only float64 array of exactly `shape`, or say why not.

    Raises
    ------
    ModelError (or `error`)
        If the value is not a plain array of real numbers, has another shape, cannot be held
        exactly by float64, or contains a number that is not finite.
    """
    raw = np.asarray(value)
    if raw.dtype.kind not in "fiu":
        raise error(
            f"{name} must be an array of real numbers, got dtype {raw.dtype}; "
            "convert it to float64 before saving"
        )
    if raw.shape != shape:
        raise error(f"{name} must have shape {shape}, got {raw.shape}")
    array = np.array(raw, dtype=np.float64, order="C")
    if raw.dtype.kind in "iu":
        # 2**53 + 1 is rounded to 2**53; below, all are exact.
        require_exact(name, raw[np.abs(array) >= 2.0**53].tolist(), error=error)
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise error(f"{name}{list(where)} is {array[where]}; every entry must be finite")
    array.setflags(write=False)
    return array


def require_exact(
    name: str, integers: Sequence[int], *, error: type[Rnn2CircuitError] = ModelError
) -> None:
    """Raise `error` if float64 cannot hold one of `integers`."""
    for value in integers:
        try:
            exact = float(value) == value
        except OverflowError:
            exact = False
        if not exact:
            raise error(f"{name} holds an integer above 2**53, which float64 cannot hold exactly")


def first_where(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Index of the first true entry of `mask`, as plain integers."""
    return tuple(int(i) for i in np.argwhere(mask)[0])


def require(
    name: str,
    array: NDArray[np.float64],
    good: NDArray[np.bool_],
    *,
    rule: str,
    error: type[Rnn2CircuitError] = ModelError,
) -> None:
    """Raise `error`, naming the first entry of `array` that is not `good`."""
    if not bool(np.all(good)):
        where = first_where(~good)
        raise error(f"{name} must be {rule}, got {name}{list(where)} = {float(array[where])!r}")


def frozen_indices(value: Sequence[int] | NDArray[np.int64]) -> Indices:
    """Copy `value` into a read-only int64 array."""
    array = np.array(value, dtype=np.int64)
    array.setflags(write=False)
    return array
