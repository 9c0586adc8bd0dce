"""Technology files: TOML with nothing but numbers, each by a name that is known here."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rnn2circuit.devices import bipolar, mos
from rnn2circuit.devices.technology import (
    SUBTHRESHOLD,
    TECHNOLOGIES,
    Multiplier,
    OpAmp,
    Ota,
    Technology,
)
from rnn2circuit.errors import UsageError

LARGEST_FILE = 100_000  # bytes
PARTS = {"opamp": OpAmp, "ota": Ota, "multiplier": Multiplier}
# Model cards: what they may hold, and what makes one of it.
CARDS: Mapping[str, tuple[Mapping[str, Any], Callable[[Mapping[str, float]], Any]]] = {
    **dict.fromkeys(("npn", "pnp"), (bipolar.PARAMETERS, bipolar.bjt)),
    **dict.fromkeys(("nmos", "pmos"), (mos.PARAMETERS, mos.mosfet)),
}


def read_technology(path: str | Path) -> Technology:
    """A technology by its name, or from a file; what that leaves out is as in `Technology`.

    A table ``[npn]`` or ``[pnp]`` replaces a whole model card: what it leaves out is not taken
    from the generic one, but is what SPICE takes by default. With ``[nmos]`` or ``[pmos]`` the
    rest is as in `SUBTHRESHOLD`.

    Raises
    ------
    UsageError
        If the file cannot be read, is not TOML, has a key that is not known, or a value that is
        not a number or out of range.
    """
    if path in TECHNOLOGIES:
        return TECHNOLOGIES[str(path)]
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{path.name} is longer than {LARGEST_FILE} bytes: not a technology file")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name} is not TOML: {error}") from error
    return technology_from(table, path.name)


def technology_from(table: Mapping[str, Any], where: str) -> Technology:
    """A technology from the tables of a file called `where`.

    Raises
    ------
    UsageError
        As `read_technology`.
    """
    tables = (*PARTS, *CARDS)
    base = SUBTHRESHOLD if {"nmos", "pmos"} & set(table) else Technology()
    own = [f.name for f in fields(Technology) if f.name not in (*tables, "gyrator")]
    _known(table, (*own, *tables), where)
    values: dict[str, Any] = {
        name: _number(table[name], name, where) for name in own if name in table
    }
    for name in tables:
        if name not in table:
            continue
        place = f"[{name}] of {where}"
        if not isinstance(table[name], dict):
            raise UsageError(f"{name} in {where} must be a table, [{name}]")
        part: Any = getattr(base, name) if name in PARTS else None
        keys = list(CARDS[name][0]) if part is None else [f.name for f in fields(part)]
        _known(table[name], keys, place)
        numbers = {key: _number(value, key, place) for key, value in table[name].items()}
        try:
            values[name] = CARDS[name][1](numbers) if part is None else replace(part, **numbers)
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from error
    return replace(base, **values)


def _known(table: Mapping[str, Any], keys: tuple[str, ...] | list[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise UsageError(f"{where} has no key {key[:40]!r}; known are {', '.join(keys)}")


def _number(value: object, key: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key} in {where} must be a number, got {str(value)[:40]!r}")
    return float(value)
