"""Values of a report as JSON holds them: strict readers that say where a text departs."""

import math
from collections.abc import Mapping
from typing import Any

from rnn2circuit.errors import ModelError


def finite(value: float | None) -> float | None:
    """A number as JSON can hold it: null where it is none, or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def number(where: str, value: Any) -> float | None:
    """A finite number or null."""
    if value is None:
        return None
    try:
        finite = type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        finite = False
    if not finite:
        raise ModelError(f"{where} must be a finite number or null, got {str(value)[:40]!r}")
    return float(value)


def texts(where: str, values: Any) -> tuple[str, ...]:
    """A list of strings."""
    expect(where, values, list)
    for k, value in enumerate(values):
        expect(f"{where}[{k}]", value, str)
    return tuple(values)


def figures(where: str, values: Any) -> tuple[float, ...]:
    """A list of numbers, of which a null reads as NaN."""
    expect(where, values, list)
    found = [number(f"{where}[{k}]", value) for k, value in enumerate(values)]
    return tuple(math.nan if figure is None else figure for figure in found)


_JSON_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer"}


def expect(where: str, value: Any, kind: type) -> None:
    """Refuse a value that is not of exactly this kind."""
    if type(value) is not kind:  # bool is an int to isinstance
        raise ModelError(
            f"the text is not a report: {where} must be {_JSON_NAMES[kind]}, "
            f"got {type(value).__name__}"
        )


def keys(where: str, entry: Mapping[str, Any], names: list[str] | tuple[str, ...]) -> None:
    """Refuse an object that lacks a key or has one too many."""
    for what, odd in (
        ("lacks", set(names) - set(entry)),
        ("has an unknown", set(entry) - set(names)),
    ):
        if odd:
            raise ModelError(f"the text is not a report: {where} {what} entry {min(odd)!r}")
