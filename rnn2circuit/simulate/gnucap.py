"""The gnucap program: an independent simulator, for linear circuits.

It shares no code with ngspice. It has no behavioural sources, ends with exit code 0 whatever goes
wrong, and runs commands from comments and from lines of its own; so only lines of the few kinds
that both simulators read alike are handed on, and whatever it prints besides its banner is an
error. Three rewrites: ``.include`` becomes the file, ``.ic`` goes (every capacitor and inductor
must say ``ic=`` itself), and the analysis is written as gnucap wants it.
"""

import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rnn2circuit.arrays import Matrix
from rnn2circuit.errors import OutOfScopeError, SimulationError
from rnn2circuit.simulate.acceptance import check_data, tail
from rnn2circuit.simulate.interface import Deck, Waveforms, inlined
from rnn2circuit.simulate.process import (
    path_of,
    private_directory,
    run_process,
    scrubbed_environment,
    version_of,
    write_new,
)

DECK, RESULT = "deck.cir", "out.txt"
INSTALL = "install the package gnucap"
# Fifteen digits; without them it prints five, and letters for powers of ten.
OPTIONS = ".options numdgt=15 reltol=1e-9 abstol=1e-18 vntol=1e-12"
# It takes a voltage source for a resistor and a CCVS for r / short**2 in its matrix, so that a loop
# of several of them drowns in rounding with the 10 micro-ohm that are usual: by up to 0.1 of
# range in loops of 1 kilo-ohm. This part of the circuit's median resistor costs 1e-5.
SHORT = 1e-6
_BANNER = re.compile(
    r"\s*$|Gnucap : |Never trust|Copyright|Gnucap comes|This is free software|under certain|"
    r"to redistribute|the GNU General|See the file|(main|core-lib) version: |default plugins: |\* "
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_NAME = r"[a-z][a-z0-9_]*"
_NET = rf"(?:0|{_NAME})"
# What ngspice and gnucap read alike, element by element.
_ELEMENTS = re.compile(
    rf"r\w* {_NET} {_NET} {_NUMBER}|[cl]\w* {_NET} {_NET} {_NUMBER} ic={_NUMBER}|"
    rf"[vi]\w* {_NET} {_NET} {_NUMBER}|[ge]\w* (?:{_NET} ){{4}}{_NUMBER}|"
    rf"[fh]\w* {_NET} {_NET} {_NAME} {_NUMBER}|x\w*(?: {_NET})+|"
    rf"v\w* {_NET} {_NET} (?:pwl|sin)\((?:{_NUMBER} ?)+\)|"
    rf"\.subckt(?: {_NAME})+|\.ends(?: {_NAME})?"
)
_DROPPED = (".ic ", ".options ", ".save ", ".nodeset ", "*")
_TRAN = re.compile(r"\.tran (\S+) (\S+) 0 (\S+)(?: uic)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gnucap:
    """The gnucap command line.

    Attributes
    ----------
    executable : str
        A program name on the PATH, or a path.
    """

    name: ClassVar[str] = "gnucap"

    executable: str = "gnucap"

    def is_available(self) -> bool:
        return shutil.which(self.executable) is not None

    def version(self) -> str:
        """Version, such as ``2017.10.03``.

        Raises
        ------
        SimulationError
            If the program is not there or does not say.
        """
        return version_of(
            self.executable, rb"main version: (?:master )?(\S+)", what="a gnucap", install=INSTALL
        )

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        columns, table, log = self._execute(deck, timeout)
        # At t = 0 it prints zeros where a run starts from given states.
        rows = table[table[:, 0] > 0]
        found = dict(zip(columns, rows.T, strict=True))
        time, signals = check_data(
            rows[:, 0], found, wanted=deck.signals, t_stop=deck.t_stop, log=log
        )
        return Waveforms(
            time=time,
            signals=signals,
            simulator=self.name,
            version=self.version(),
            log=log,
            warnings=(),
        )

    def measure(self, deck: Deck, *, timeout: float) -> Mapping[str, float]:
        columns, table, log = self._execute(deck, timeout)
        values = dict(zip(columns, table[-1].tolist(), strict=True))
        missing = [name for name in deck.signals if not math.isfinite(values.get(name, math.nan))]
        if missing:
            raise SimulationError(f"gnucap returned no finite {missing[0]!r}", log=log)
        return {name: values[name] for name in deck.signals}

    def _execute(self, deck: Deck, timeout: float) -> tuple[list[str], Matrix, str]:
        """Names of the columns and their values, rows by time or a single one."""
        path = self._path()
        with private_directory() as directory:
            write_new(directory, {DECK: translated(deck)})
            done = run_process(
                [path, "-b", DECK],
                directory=directory,
                environment=scrubbed_environment(directory),
                timeout=timeout,
            )
            result = directory / RESULT
            text = result.read_text("ascii", "replace") if result.is_file() else ""
        strange = [line for line in done.log.splitlines() if not _BANNER.match(line)]
        if done.code != 0 or strange or not text:
            said = strange[0].strip()[:160] if strange else tail(done.log)
            raise SimulationError(
                f"gnucap ended with exit code {done.code} and said: {said}", log=done.log
            )
        head, *rows = text.splitlines()
        try:
            table = np.array([[float(part) for part in row.split()] for row in rows])
        except ValueError as error:
            raise SimulationError(f"gnucap's table cannot be read: {error}", log=text) from error
        columns = [part.lower() for part in head.lstrip("#").split()]
        first = [] if columns[:1] == ["time"] else ["temperature"]  # it does not name this one
        columns = [*first, *columns]
        if table.ndim != 2 or table.shape[1] != len(columns):
            raise SimulationError("gnucap's table has rows of another length", log=text)
        return columns, table, done.log

    def _path(self) -> str:
        return path_of(self.executable, install=INSTALL)


def translated(deck: Deck) -> str:
    """The deck as gnucap reads it.

    Raises
    ------
    OutOfScopeError
        If a line is not one that gnucap is known to read as ngspice does.
    """
    names = " ".join(deck.signals)
    given = list(_joined(deck))
    lines = ["* rnn2circuit", f"{OPTIONS}{_short(given)}"]
    for line in given:
        if line.startswith(_DROPPED) or line == ".end":
            continue
        tran = _TRAN.fullmatch(line)
        if tran is not None:
            lines += [f".print tran {names}", f".tran {tran[1]} {tran[2]} uic > {RESULT}"]
        elif line == ".op":
            lines += [f".print op {names}", f".op > {RESULT}"]
        elif _ELEMENTS.fullmatch(line):
            lines.append(line)
        else:
            raise OutOfScopeError(
                f"gnucap is given no line like {line[:60]!r}: it has no behavioural sources, and "
                "reads some lines otherwise than ngspice"
            )
    return "\n".join([*lines, ".end", ""])


def _short(lines: Sequence[str]) -> str:
    """The option that says what a voltage source has for a resistance, where there are CCVS."""
    if not any(line.startswith("h") for line in lines):
        return ""
    plain = [line.split() for line in lines if line.startswith("r") and _ELEMENTS.fullmatch(line)]
    typical = float(np.median([abs(float(fields[3])) for fields in plain])) if plain else 0.0
    return f" short={SHORT * typical!r}" if typical > 0 else ""


def _joined(deck: Deck) -> Iterator[str]:
    for line in inlined(deck):
        if part := _plain(line.lower()):
            yield part


def _plain(line: str) -> str:
    """One blank between fields; no mark that a negative resistor makes no noise, no ``dc``."""
    return re.sub(r" noisy=0$|(?<=\d) dc(?= )", "", " ".join(line.split()))
