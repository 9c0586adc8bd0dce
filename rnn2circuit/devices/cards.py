"""Model cards: numbers by the names that SPICE has for them, each known and within its range."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rnn2circuit.errors import UsageError

Ranges: TypeAlias = Mapping[str, tuple[float, float]]  # of each parameter, from where to where
Parameters: TypeAlias = tuple[tuple[str, float], ...]


def check_card(parameters: Parameters, known: Ranges, needed: Sequence[str], *, kind: str) -> None:
    """Refuse a card of a `kind` of transistor with a parameter too many, too few or out of range.

    Raises
    ------
    UsageError
        If it has one that is not known, twice or out of range, or lacks one that is needed.
    """
    names = [name for name, _ in parameters]
    for name, value in parameters:
        if name not in known:
            raise UsageError(f"a {kind} has no parameter {name!r}; known are {', '.join(known)}")
        low, high = known[name]
        if not (math.isfinite(value) and low <= value <= high):
            raise UsageError(
                f"{kind} parameter {name} must be from {low:g} to {high:g}, got {value!r}"
            )
    for name in needed:
        if name not in names:
            raise UsageError(f"a {kind} needs the parameter {name}")
    if len(set(names)) < len(names):
        raise UsageError(f"a {kind} has a parameter twice")


def in_order(values: Mapping[str, float], known: Ranges) -> Parameters:
    """The parameters of a mapping in the order of `known`, those that are not in it behind."""
    here = {name: float(values[name]) for name in known if name in values}
    other = {name: float(value) for name, value in values.items() if name not in known}
    return tuple((here | other).items())
