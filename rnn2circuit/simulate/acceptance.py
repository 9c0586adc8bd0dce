"""When a simulation counts: rules on its data, and signatures in its log.

A simulator's exit code says little. ngspice 39 exits with 0 after a full disk, a floating node
that gmin stepping papered over, or a resistor without a value. So a result is judged by its
data, and by what the program printed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import SimulationError

END = 1e-9  # relative: how near to the end the last time point must be
LOG_TAIL = 12  # lines of the log in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A line that a simulator prints when a result is not to be trusted."""

    id: str
    pattern: re.Pattern[str]
    meaning: str


def _signature(id: str, pattern: str, meaning: str) -> Signature:
    return Signature(id=id, pattern=re.compile(pattern, re.IGNORECASE), meaning=meaning)


SIGNATURES: tuple[Signature, ...] = (
    _signature(
        "singular",
        "singular matrix",
        "a node has no path for its current, or voltage sources form a loop",
    ),
    _signature(
        "gmin",
        "gmin stepping failed|source stepping failed|Transient op",
        "no operating point was found, and a substitute was used instead",
    ),
    _signature(
        "timestep",
        "Timestep too small|trouble with node",
        "the solution runs away, or the circuit switches infinitely fast",
    ),
    _signature("aborted", "aborted|interrupted", "the run was given up before its end"),
    _signature("disk", "rawfile write error|No space left", "the result could not be written"),
    _signature("domain", "out of range for", "a function was evaluated outside its domain"),
    _signature(
        "milliohm", "set to 1 mOhm", "a resistor without value, or of 0 ohm, became 1 milliohm"
    ),
    _signature("initial", "non-existent", "an initial condition names a node that does not exist"),
    _signature("redefined", "redefinition", "a subcircuit is defined twice; the first one won"),
    _signature("ignored", "ignored", "a line was ignored"),
    _signature("skipped", "skipping", "a line was skipped"),
    _signature(
        "breakpoint", "breakpoint in the past|impossible error", "a source's times go backwards"
    ),
    _signature("pwl", "PWL|increasing .* time points", "a source's times do not increase"),
    _signature("fatal", r"Fatal|PTerror|Panic|\berror\b", "the deck was not understood"),
)

# Remarks that every healthy run makes.
_HARMLESS = re.compile(
    r"^\s*$|^\s*\*|^-+$|^-+\s+-+|^% |^Note: |^Doing analysis|^Using |^Circuit: |"
    r"^Initial Transient Solution|^Node\s+Voltage|^\s*\S+\s+[-+0-9.e]+\s*$|"
    r"^No\. of Data (Rows|Columns)|^binary raw file|^\s*Reference value|"
    r"^Trying |^Starting |^One successful|^Supplies reduced|^Dynamic gmin stepping completed|"
    r"compatibility|^Warning: can't find the initialization file spinit|^ngspice-\d+|"
    r"Total analysis time|Total elapsed time|DRAM|program size|pages =|^Stack = |^Background",
)


def check_log(log: str) -> tuple[str, ...]:
    """Remarks that are not known to be harmless.

    Raises
    ------
    SimulationError
        If the log holds a known signature; the message explains it.
    """
    warnings: list[str] = []
    for line in log.splitlines():
        for signature in SIGNATURES:
            if signature.pattern.search(line):
                raise SimulationError(
                    f"the simulator printed {line.strip()[:160]!r} ({signature.id}): "
                    f"{signature.meaning}",
                    log=log,
                )
        if not _HARMLESS.search(line):
            warnings.append(line.strip()[:200])
    return tuple(warnings)


def check_data(
    time: Vector,
    signals: Mapping[str, NDArray[np.float64]],
    *,
    wanted: Sequence[str],
    t_stop: float,
    log: str,
) -> tuple[Vector, dict[str, NDArray[np.float64]]]:
    """Accept a transient: everything there, finite, to the end. Repeated time points are merged.

    Raises
    ------
    SimulationError
        If a vector is missing, a number is not finite, time runs backwards, or the run does not
        end at `t_stop`.
    """
    missing = [name for name in wanted if name not in signals]
    if missing:
        raise SimulationError(
            f"the simulator returned no vector {missing[0]!r} ({len(missing)} missing)", log=log
        )
    if time.size < 2:
        raise SimulationError(f"the simulator returned {time.size} time points", log=log)
    for name, values in (("time", time), *((n, signals[n]) for n in wanted)):
        if not np.all(np.isfinite(values)):
            raise SimulationError(f"the simulator returned {name} with a value not finite", log=log)
    if np.any(np.diff(time) < 0):
        raise SimulationError("the simulator's time runs backwards", log=log)
    if abs(float(time[-1]) - t_stop) > END * t_stop:
        raise SimulationError(
            f"the run ended at t = {float(time[-1])!r} s, expected {t_stop!r} s", log=log
        )
    keep = np.append(np.diff(time) > 0, True)  # of equal times the last holds
    return time[keep], {name: np.array(signals[name][keep]) for name in wanted}


def tail(log: str) -> str:
    """The last lines of a log, for a message."""
    lines = [line for line in log.splitlines() if line.strip()]
    return "\n  ".join(lines[-LOG_TAIL:])
