"""Specification files: what a verification must hold, in a file that is kept beside the weights.

A TOML file whose entries are the options of ``rnn2circuit verify`` by their names, and which may
ask for several runs: one for every stimulus and every seed. Paths in it are relative to it. An
option on the command line goes before the file's.
"""

import argparse
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn2circuit.arguments import (
    add_circuit,
    add_cross,
    add_limits,
    add_model,
    add_simulator,
    add_task,
    add_testbench,
)
from rnn2circuit.errors import UsageError

MAX_BYTES = 1 << 20
MAX_RUNS = 1000


def _names(add: Callable[[argparse.ArgumentParser], None], *given: str) -> frozenset[str]:
    """Names of the options that `add` defines."""
    parser = argparse.ArgumentParser()
    add(parser)
    return frozenset(vars(parser.parse_args(given)))


# Table of the file -> its keys, each the option of that name. Those of `limits` drop the prefix
# that they have on the command line, and `name` is the simulator's.
TABLES: Mapping[str, frozenset[str]] = {
    "model": _names(add_model, "MODEL") - {"model"},
    "circuit": _names(add_circuit),
    "testbench": _names(add_testbench),
    "task": _names(add_task),
    "simulator": _names(add_simulator) - {"simulator"} | {"name"} | _names(add_cross),
    "limits": frozenset(name.removeprefix("limit_") for name in _names(add_limits)),
}
_STIMULUS = frozenset({"stimulus", "hold", "duration", "targets"})  # keys of an entry of `stimuli`
_PATHS = frozenset({"stimulus", "targets", "technology", "refit-output"})
_TOP = frozenset({"seeds", "stimuli", *TABLES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One verification that a specification asks for.

    Attributes
    ----------
    label : str
        Which stimulus and seed, where there are several; empty for a single run.
    arguments : tuple of str
        Options as they would stand on the command line.
    """

    label: str
    arguments: tuple[str, ...]


def read_specification(path: Path) -> tuple[Run, ...]:
    """The runs that a file asks for, at least one.

    Raises
    ------
    UsageError
        If the file cannot be read, is no TOML, or holds a table, key or value that is not known;
        the message names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path.name} has {len(content)} bytes, the limit is {MAX_BYTES}")
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of the decoder and of the parser
        raise UsageError(f"{path.name} is not TOML: {error}") from error
    try:
        return _runs(data, path.parent)
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from error


def _runs(data: Mapping[str, Any], place: Path) -> tuple[Run, ...]:
    _known("the file", data, _TOP)
    common: list[str] = []
    for table, keys in TABLES.items():
        entries = data.get(table, {})
        if not isinstance(entries, dict):
            raise UsageError(f"{table!r} must be a table [{table}], got {entries!r}")
        _known(f"[{table}]", entries, keys)
        for key, value in entries.items():
            common += _option(_flag(table, key), value, place, f"[{table}] {key}")
    seeds = data.get("seeds", [])
    if not (isinstance(seeds, list) and all(type(seed) is int for seed in seeds)):
        raise UsageError(f"seeds must be a list of whole numbers, got {seeds!r}")
    drives = _stimuli(data.get("stimuli", []), place)
    if len(seeds) * len(drives) > MAX_RUNS:
        raise UsageError(f"{len(seeds) * len(drives)} runs, the limit is {MAX_RUNS}")
    return tuple(
        Run(
            label=", ".join(part for part in (label, _seed_label(seed, seeds)) if part),
            arguments=(*common, *drive, *(() if seed is None else ("--seed", str(seed)))),
        )
        for label, drive in drives or [("", [])]
        for seed in seeds or [None]
    )


def _seed_label(seed: int | None, seeds: list[int]) -> str:
    return f"seed {seed}" if len(seeds) > 1 else ""


def _stimuli(entries: object, place: Path) -> list[tuple[str, list[str]]]:
    """Label and options of each entry of `stimuli`."""
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise UsageError(f"stimuli must be tables [[stimuli]], got {entries!r}")
    found: list[tuple[str, list[str]]] = []
    for k, entry in enumerate(entries, start=1):
        where = f"[[stimuli]] {k}"
        _known(where, entry, _STIMULUS)
        if "stimulus" not in entry:
            raise UsageError(f"{where} names no file; it needs 'stimulus'")
        options = [
            token
            for key, value in entry.items()
            for token in _option(_flag("testbench", key), value, place, f"{where} {key}")
        ]
        found.append((str(entry["stimulus"]), options))
    return found


def _flag(table: str, key: str) -> str:
    match table, key:
        case "simulator", "name":
            return "--simulator"
        case "limits", _:
            return f"--limit-{key.replace('_', '-')}"
        case _:
            return f"--{key.replace('_', '-')}"


def _option(flag: str, value: object, place: Path, where: str) -> list[str]:
    """As it would stand on the command line, where its value is checked."""
    key = flag.removeprefix("--")
    if value is True:
        return [flag]
    if isinstance(value, str) and key in _PATHS:
        return [f"{flag}={place / value}"]
    if isinstance(value, str) or type(value) in (int, float):
        return [f"{flag}={value}"]
    raise UsageError(f"{where} must be text, a number or true, got {value!r}")


def _known(where: str, found: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise UsageError(
            f"{where} has an unknown entry {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
