"""What a simulator is, to the rest of the package: decks in, waveforms out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import SimulationError, UsageError

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What makes a simulator do something other than simulate: commands in control blocks and in
# comments, files from elsewhere, code models. ngspice reads all of it whatever its case, and a
# title '*ng_script' turns the whole file into commands.
_COMMAND = re.compile(r"\*\s*#|\*\s*ng_script|\.control|\.lib|\.exec|\.pre|a", re.IGNORECASE)
_INCLUDE = re.compile(r"\.inc[a-z]*\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """A transient simulation as text.

    Attributes
    ----------
    files : mapping
        File name to text. The main file may include the others by their bare names.
    main : str
        The file to run.
    signals : tuple of str
        Vectors that must come back, such as ``v(x1)``.
    t_stop : float
        Where the transient must end, s.
    """

    files: Mapping[str, str]
    main: str
    signals: tuple[str, ...]
    t_stop: float

    def __post_init__(self) -> None:
        for name in self.files:
            if not _FILE.fullmatch(name):
                raise UsageError(f"deck file name {name!r} is not a plain name")
        if self.main not in self.files:
            raise UsageError(f"deck has no file {self.main!r} to run")
        for name, text in self.files.items():
            self._check_text(name, text)

    def _check_text(self, name: str, text: str) -> None:
        """Nothing but circuits: a netlist that someone else wrote is run as well."""
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            found = _INCLUDE.match(line)
            if (
                _COMMAND.match(line)
                or (found and found[1] not in self.files)
                or not all(" " <= c <= "~" or c == "\t" for c in raw)
            ):
                raise SimulationError(
                    f"line {number} of {name}, {line[:60]!r}, is not part of a circuit but could "
                    "make a simulator run commands or read other files; it is not run"
                )


def inlined(deck: Deck) -> list[str]:
    """The lines of a deck as one text, with each ``.include`` replaced by the file it names."""
    lines: list[str] = []
    for line in deck.files[deck.main].splitlines():
        found = _INCLUDE.match(line.strip())
        lines += deck.files[found[1]].splitlines() if found else [line]
    return lines


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waveforms:
    """An accepted simulation, on the simulator's own time points.

    Attributes
    ----------
    time : ndarray, shape (k,)
        s, strictly increasing.
    signals : mapping
        Vector name to values, shape (k,), in V.
    warnings : tuple of str
        What the simulator remarked and no acceptance rule explains.
    """

    time: Vector
    signals: Mapping[str, Vector]
    simulator: str
    version: str
    log: str
    warnings: tuple[str, ...]


Phasors: TypeAlias = NDArray[np.complex128]  # V per V of the one source, one per frequency


@runtime_checkable
class Simulator(Protocol):
    """What the verifier needs; a backend owes nothing else."""

    name: ClassVar[str]

    def is_available(self) -> bool: ...

    def version(self) -> str: ...

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        """Run a deck.

        Raises
        ------
        SimulationError
            If the run fails or its result breaks an acceptance rule.
        SimulationTimeout
            If it does not end within `timeout` seconds.
        """
        ...


@runtime_checkable
class OperatingPointSimulator(Simulator, Protocol):
    """A simulator that can also be asked for an operating point."""

    def measure(self, deck: Deck, *, timeout: float) -> Mapping[str, float]:
        """Voltages and currents of a deck whose analysis is ``.op``, by vector name.

        Raises
        ------
        SimulationError, SimulationTimeout
            As `run`.
        """
        ...


@runtime_checkable
class SweepSimulator(OperatingPointSimulator, Protocol):
    """A simulator that can also be asked for a small-signal frequency response."""

    def sweep(self, deck: Deck, *, timeout: float) -> tuple[Vector, Mapping[str, Phasors]]:
        """Frequencies in Hz, and the response of each signal of a deck whose analysis is ``.ac``.

        Raises
        ------
        SimulationError, SimulationTimeout
            As `run`.
        """
        ...


@runtime_checkable
class NoiseSimulator(Simulator, Protocol):
    """A simulator that can also integrate noise."""

    def integrate_noise(self, deck: Deck, *, timeout: float) -> float:
        """Noise of a deck whose analysis is ``.noise``, V rms over the deck's frequencies.

        Raises
        ------
        SimulationError, SimulationTimeout
            As `run`.
        """
        ...
