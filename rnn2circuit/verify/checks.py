"""What a verification says: one measured number against one limit, and the verdict of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rnn2circuit.units import si
from rnn2circuit.verify.budget import ErrorBudget


class Verdict(StrEnum):
    """Outcome of a check or of a whole report; only PASS is a pass."""

    PASS = "PASS"
    FAIL = "FAIL"  # ran, and the circuit disagrees with the model
    UNVERIFIABLE = "UNVERIFIABLE"  # the tool cannot decide
    ERROR = "ERROR"  # the tool or the simulator broke
    TIMEOUT = "TIMEOUT"

    @property
    def exit_code(self) -> int:
        """Exit code of a command that ends with this verdict; 2 is bad usage or bad input."""
        return {"PASS": 0, "FAIL": 1, "UNVERIFIABLE": 3, "ERROR": 4, "TIMEOUT": 5}[self.value]


# The worst verdict of several: a disagreement outranks what could not be run or decided.
SEVERITY = (Verdict.FAIL, Verdict.ERROR, Verdict.TIMEOUT, Verdict.UNVERIFIABLE, Verdict.PASS)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of several; of none UNVERIFIABLE, because nothing was proved."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.UNVERIFIABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One measured number against one limit.

    Attributes
    ----------
    id : str
        Stable machine name such as ``extraction.f``.
    title : str
        What was compared, for people.
    value, limit : float or None
        Measured figure and its limit, in `unit`; None where the check did not get that far.
    detail : str
        Where the worst value is, or why the check could not run; names element and weight.
    per_state : tuple of float
        The figure of each state, where the check has one per state.
    """

    id: str
    title: str
    verdict: Verdict
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    detail: str = ""
    per_state: tuple[float, ...] = ()

    def __str__(self) -> str:
        figure = "-" if self.value is None else si(self.value, self.unit, 3)
        return f"{self.verdict:<12} {self.id:<18} {figure}"


def measured(
    id: str,
    title: str,
    value: float,
    limit: float,
    *,
    unit: str = "",
    detail: str = "",
    per_state: tuple[float, ...] = (),
) -> Check:
    """A check that ran: PASS where ``value <= limit``; NaN is never a pass."""
    verdict = Verdict.PASS if value <= limit else Verdict.FAIL
    return Check(
        id=id,
        title=title,
        verdict=verdict,
        value=float(value),
        limit=float(limit),
        unit=unit,
        detail=detail,
        per_state=per_state,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What was verified, with what: enough to repeat the run.

    Attributes
    ----------
    options : tuple of (str, str)
        Every option that shapes the result (level, form, coupling, accuracy, limits, seed ...).
    """

    subject: str  # name of the compiled network
    family: str
    n_states: int
    n_inputs: int
    weights_sha256: str
    netlist_sha256: str
    tool_version: str
    simulator: str  # program that ran, or "none"
    simulator_version: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks of one verification.

    Attributes
    ----------
    notes : tuple of str
        What a reader should know beyond the numbers: assumptions, warnings of the simulator.
    budget : ErrorBudget or None
        How far program, equation and circuit are apart: figures to read, which judge nothing.
    """

    provenance: Provenance
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    budget: ErrorBudget | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the checks; a report without checks proves nothing."""
        return worst([c.verdict for c in self.checks])

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.PASS
