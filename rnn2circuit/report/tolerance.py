"""What a tolerance analysis found: figures, their intervals, and how they are told.

A run is one board: the circuit with every part off by chance. Runs that failed are boards whose
behaviour is not known; they count as not within the limit, and are listed.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import beta, binom

from rnn2circuit.arrays import Vector
from rnn2circuit.report.lines import plain

CONFIDENCE = 0.95  # of every interval
SHOWN = 10  # parts and groups in the text; JSON has all
SCHEMA = "rnn2circuit-tolerance-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One board against the model's own solution, worst state.

    Attributes
    ----------
    nrmse, largest : float or None
        Rms over time, and largest deviation, in parts of the state's range; None where the run
        failed.
    state : int
        Which state is worst by rms, from 1.
    task : float or None
        The user's own metric, where targets were given.
    failure : str
        Why there is no figure: ``timeout``, or what the simulator said.
    """

    nrmse: float | None = None
    largest: float | None = None
    state: int = 0
    task: float | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Boards of one spread; the same random numbers on every rung of a ladder of trims."""

    trims: tuple[str, ...]
    runs: tuple[Outcome, ...]

    @property
    def values(self) -> Vector:
        """The nrmse of all boards that ran, ascending."""
        return np.sort([r.nrmse for r in self.runs if r.nrmse is not None])

    @property
    def failures(self) -> dict[str, int]:
        """How many boards failed, by reason."""
        return dict(Counter(r.failure for r in self.runs if r.failure))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """The exact circuit at one temperature."""

    celsius: float
    ptat: bool
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What one part, or a group of them, does when off by its standard deviation.

    Attributes
    ----------
    shift : float
        Rms change of a state's waveform, in parts of its range; of a group, the root of the sum
        of squares of its parts.
    state : int
        Which state, from 1: of a part the one that it moves most, of all groups the one that
        all parts together move most.
    """

    name: str
    shift: float
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Which parts matter, most important first, and what all of them do to first order."""

    groups: tuple[Influence, ...]
    parts: tuple[Influence, ...]
    total: Influence


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """A whole analysis.

    Attributes
    ----------
    asked : int
        Boards that were asked for, per rung.
    limit : float
        Up to which nrmse a board is good.
    task_limit : float or None
        Up to (rmse) or from (accuracy) which metric of the task a board is good.
    nominal : Outcome
        The circuit with exact parts.
    interrupted : bool
        Whether someone stopped it: what had been measured by then is here.
    """

    name: str
    family: str
    level: str
    spread: tuple[tuple[str, float], ...]
    seed: int
    asked: int
    limit: float
    metric: str | None
    task_limit: float | None
    nominal: Outcome
    rungs: tuple[Rung, ...]
    corners: tuple[Corner, ...] = ()
    sensitivity: Sensitivity | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many, and where the true share lies with `CONFIDENCE`."""

    good: int
    of: int
    low: float
    high: float


def share(good: int, of: int) -> Share:
    """The exact binomial interval.

    References
    ----------
    C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26(4), 1934.
    """
    rest = (1.0 - CONFIDENCE) / 2
    low = 0.0 if good == 0 else float(beta.ppf(rest, good, of - good + 1))
    high = 1.0 if good == of else float(beta.ppf(1.0 - rest, good + 1, of - good))
    return Share(good=good, of=of, low=low, high=high)


def quantile(values: Vector, q: float) -> tuple[float, float, float]:
    """A quantile of ascending values, and two of them between which the true one lies.

    The interval needs no distribution: how many values lie below a quantile is binomial.
    """
    n, rest = len(values), (1.0 - CONFIDENCE) / 2
    low = int(np.clip(binom.ppf(rest, n, q) - 1, 0, n - 1))
    high = int(np.clip(binom.ppf(1.0 - rest, n, q), 0, n - 1))
    return float(np.quantile(values, q)), float(values[low]), float(values[high])


def yields(found: Tolerance, rung: Rung) -> tuple[Share, Share | None]:
    """Share of boards within the waveform limit, and of those within the task's."""
    good = sum(r.nrmse is not None and r.nrmse <= found.limit for r in rung.runs)
    waveform = share(good, len(rung.runs))
    limit = found.task_limit
    if limit is None:
        return waveform, None
    scores = [r.task for r in rung.runs if r.task is not None]
    passed = [s >= limit if found.metric == "accuracy" else s <= limit for s in scores]
    return waveform, share(sum(passed), len(rung.runs))


def tolerance_text(found: Tolerance) -> str:
    """The analysis for a terminal; ends in a newline."""
    lines = [
        f"tolerance of {plain(found.name)}: {found.family}, level {found.level}, seed {found.seed}",
        "  spread: " + ", ".join(f"{name} {size:g}" for name, size in found.spread if size),
        f"  exact parts: {_outcome(found.nominal)}",
    ]
    if found.asked:
        lines += _ladder(found)
    if found.corners:
        lines.append("temperature, exact parts (nrmse of the worst state):")
        for corner in found.corners:
            legs = "PTAT legs" if corner.ptat else "plain legs"
            lines.append(f"  {corner.celsius:g} C, {legs:10}  {_outcome(corner.outcome)}")
    if found.sensitivity is not None:
        lines += _ranking(found.sensitivity)
    if found.interrupted:
        lines.append("interrupted: what had been measured by then is above")
    return "\n".join(lines) + "\n"


def _outcome(outcome: Outcome) -> str:
    if outcome.nrmse is None or outcome.largest is None:
        return f"failed: {plain(outcome.failure)}"
    task = "" if outcome.task is None else f", task {outcome.task:.4g}"
    return f"nrmse {outcome.nrmse:.2e}, largest {outcome.largest:.2e}, x{outcome.state}{task}"


def _ladder(found: Tolerance) -> list[str]:
    lines: list[str] = []
    for rung in found.rungs:
        done = " + ".join(rung.trims) or "untrimmed"
        lines.append(f"{len(rung.runs)} of {found.asked} boards, {done}:")
        if len(rung.values):
            for label, q in (("median", 0.5), ("90 %", 0.9)):
                at, low, high = quantile(rung.values, q)
                lines.append(f"  nrmse {label:7} {at:.2e}  ({low:.2e} to {high:.2e})")
            lines.append(f"  nrmse worst   {rung.values[-1]:.2e}")
        if rung.runs:
            waveform, task = yields(found, rung)
            lines.append(f"  yield, nrmse <= {found.limit:g}: {_share(waveform)}")
            if task is not None:
                sign = ">=" if found.metric == "accuracy" else "<="
                what = f"{found.metric} {sign} {found.task_limit:g}"
                lines.append(f"  yield, {what}: {_share(task)}")
        for reason, count in rung.failures.items():
            lines.append(f"  {count} failed: {plain(reason)[:160]}")
    lines.append(f"  intervals hold with {100 * CONFIDENCE:g} %; failed boards are not good ones")
    return lines


def _share(s: Share) -> str:
    return f"{s.good} of {s.of}, {100 * s.low:.1f} % to {100 * s.high:.1f} %"


def _ranking(found: Sensitivity) -> list[str]:
    total = found.total
    lines = [
        f"all parts to first order: rms {total.shift:.2e} at x{total.state}; by group (standard "
        "deviation):"
    ]
    square = total.shift**2 or 1.0
    for g in found.groups[:SHOWN]:
        lines.append(f"  {g.shift:.2e} {100 * g.shift**2 / square:4.0f} %  {g.name}")
    lines.append("by part:")
    lines += [f"  {p.shift:.2e} at x{p.state}  {p.name}" for p in found.parts[:SHOWN]]
    return lines


def tolerance_json(found: Tolerance) -> str:
    """Deterministic JSON, ending in a newline: no times, no workers."""
    data: dict[str, Any] = asdict(found) | {
        "schema": SCHEMA,
        "spread": dict(found.spread),
        "confidence": CONFIDENCE,
    }
    for entry, rung in zip(data["rungs"], found.rungs, strict=True):
        entry["failures"] = rung.failures
        if len(rung.values):
            for label, q in (("median", 0.5), ("p90", 0.9)):
                at, low, high = quantile(rung.values, q)
                entry[label] = {"value": at, "low": low, "high": high}
        if rung.runs:
            waveform, task = yields(found, rung)
            entry["yield"] = asdict(waveform)
            entry["task_yield"] = None if task is None else asdict(task)
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"
