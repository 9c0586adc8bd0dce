"""Reports as text, for people."""

import math
import textwrap

from rnn2circuit.report.budget_text import budget_lines
from rnn2circuit.report.lines import TIE, WIDTH, plain, wrapped
from rnn2circuit.units import si
from rnn2circuit.verify.checks import Check, Report, Verdict

MOST_STATES = 12  # figures per state printed in full; beyond, the worst ones
# Checks whose figures stand in the budget's table, where there is one.
TOLD = ("transient.states", "transient.outputs", "program.states", "program.outputs")
_WIDEST = 40  # characters of an id or a unit in the table


def report_text(report: Report) -> str:
    """A page: the verdict, a line per check, what went wrong where, and with what it was run.

    No line is wider than 100 characters, and no text of a user can begin a line of its own: what
    looks like a verdict is the verdict.
    """
    p = report.provenance
    passed = sum(c.verdict is Verdict.PASS for c in report.checks)
    outcome = f": {passed} of {len(report.checks)} checks passed"
    subject = _short(p.subject, WIDTH - len(f"{report.verdict}  {outcome}"))
    lines = [
        *wrapped(f"{subject}: {plain(p.family)}, {p.n_states} states, {p.n_inputs} inputs"),
        "",
        *_table(report.checks),
    ]
    for check in report.checks:
        if check.verdict is not Verdict.PASS:
            fault = f"{check.verdict} {check.id}: {check.title}: {check.detail}"
            lines += ["", *wrapped(plain(fault))]
    lines.append("")
    if report.budget is not None:
        lines += [*budget_lines(report.budget), ""]
    lines += _per_state(report)
    for note in report.notes:
        lines += wrapped(f"note: {plain(note)}")
    options = ", ".join(f"{plain(k)}{TIE}{plain(v)}" for k, v in p.options)
    program = plain(f"{p.simulator} {p.simulator_version}")
    lines += [
        *wrapped(f"simulator {program}; rnn2circuit {plain(p.tool_version)}"),
        f"weights {plain(p.weights_sha256[:12])}; netlist {plain(p.netlist_sha256[:12])}",
        *wrapped(f"options {options or 'none'}"),
        "",
        f"{report.verdict}  {subject}{outcome}",
    ]
    return "\n".join(lines) + "\n"


def _short(text: str, width: int = _WIDEST) -> str:
    text = plain(text)
    return text if len(text) <= width else text[: width - 3] + "..."


def _table(checks: tuple[Check, ...]) -> list[str]:
    """One row per check, with what was compared in the last column."""
    rows = [("check", "measured", "limit", "verdict")]
    rows += [
        (_short(c.id), figure(c.value, c.unit), figure(c.limit, c.unit), str(c.verdict))
        for c in checks
    ]
    ids, values, limits, verdicts = (max(len(row[k]) for row in rows) for k in range(len(rows[0])))
    titles = ["what", *(plain(c.title) for c in checks)]
    lines: list[str] = []
    for row, title in zip(rows, titles, strict=True):
        name, value, limit, verdict = row
        head = f"{name:<{ids}}  {value:>{values}}  {limit:>{limits}}  {verdict:<{verdicts}}"
        lines += _beside(head, title)
    return lines


def _beside(head: str, title: str) -> list[str]:
    """`title` in the column to the right of `head`, or below it where the column is too narrow."""
    indent = len(head) + 2
    if WIDTH - indent >= 20:  # narrower, most words would be broken
        pieces = textwrap.wrap(title, WIDTH - indent) or [""]
        first, rest = f"{head}  {pieces[0]}".rstrip(), pieces[1:]
        return [first, *(" " * indent + line for line in rest)]
    return [line.rstrip() for line in (*wrapped(head), *wrapped(f"  {title}"))]


def figure(value: float | None, unit: str) -> str:
    """A figure with its unit, or a dash where there is none."""
    if value is None:
        return "-"
    return si(value, _short(unit), 3) if unit else f"{value:.3g}"


def _per_state(report: Report) -> list[str]:
    """Figures of each state, worst first where there are too many to print.

    Of the waveforms always, unless the budget's table has them; of the equations and steps, where
    they are rounding errors, only if they are not.
    """
    lines: list[str] = []
    for check in report.checks:
        wanted = check.id.startswith("transient.") and report.budget is None
        told = report.budget is not None and check.id in TOLD
        if told or not check.per_state or not (wanted or check.verdict is not Verdict.PASS):
            continue
        letter = "y" if check.id.endswith((".outputs", ".output")) else "x"
        figures = list(enumerate(check.per_state, start=1))
        head = f"{plain(check.id)}: "
        if len(figures) > MOST_STATES:
            figures = sorted(figures, key=_worst_first)[:MOST_STATES]
            head = f"{plain(check.id)}, worst {MOST_STATES} of {len(check.per_state)}: "
        lines += wrapped(head + ", ".join(f"{letter}{k}{TIE}{v:.2g}" for k, v in figures))
    return [*lines, ""] if lines else []


def _worst_first(figure: tuple[int, float]) -> tuple[bool, float]:
    """Sort key: what is not a number is worse than any number."""
    value = figure[1]
    return (False, 0.0) if math.isnan(value) else (True, -value)
