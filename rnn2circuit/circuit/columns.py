"""What every element bank checks about its own columns."""

import re
from typing import Any

import numpy as np

from rnn2circuit.arrays import Indices, readonly
from rnn2circuit.errors import CircuitError

_STEM = re.compile(r"[a-z][a-z0-9]*")
_MEANING = re.compile(r"[ -~]+")


def check_columns(bank: Any, *, nets: tuple[str, ...], values: tuple[str, ...]) -> None:
    """Check stem, meaning and index, and freeze all columns at the length of the index."""
    if not _STEM.fullmatch(bank.stem):
        raise CircuitError(f"bank stem must match [a-z][a-z0-9]*, got {bank.stem!r}")
    if not _MEANING.fullmatch(bank.meaning):
        raise CircuitError(f"meaning of bank {bank.stem!r} must be one line of printable ASCII")
    index = np.array(bank.index, dtype=np.int64)
    if index.ndim != 2 or index.shape[0] == 0 or not 1 <= index.shape[1] <= 2:
        raise CircuitError(
            f"index of bank {bank.stem!r} must have shape (k, 1) or (k, 2) with k >= 1, "
            f"got {index.shape}"
        )
    if np.any(index < 1):
        raise CircuitError(f"index of bank {bank.stem!r} counts from 1, got {int(index.min())}")
    key = index[:, 0] if index.shape[1] == 1 else index[:, 0] * (1 << 31) + index[:, 1]
    key = np.sort(key)
    if np.any(key[1:] == key[:-1]):
        raise CircuitError(f"bank {bank.stem!r} holds two instances of one index")
    index.setflags(write=False)
    object.__setattr__(bank, "index", index)
    count = index.shape[0]
    for name in nets:
        column = np.array(getattr(bank, name), dtype=np.int64)
        if column.shape != (count,):
            raise CircuitError(
                f"column {name} of bank {bank.stem!r} must have shape ({count},), "
                f"got {column.shape}"
            )
        column.setflags(write=False)
        object.__setattr__(bank, name, column)
    for name in values:
        label = f"{name} of bank {bank.stem!r}"
        column = readonly(label, getattr(bank, name), (count,), error=CircuitError)
        object.__setattr__(bank, name, column)


def check_ammeter(stem: str, index: Indices, ammeter: Any) -> None:
    """Check that a bank listens to a bank of ammeters instance by instance."""
    if len(index) != len(ammeter.index):
        raise CircuitError(
            f"bank {stem!r} has {len(index)} instances but its ammeter bank "
            f"{ammeter.stem!r} has {len(ammeter.index)}"
        )
