"""Reports as text, for people."""

import math
import textwrap

from rnn2circuit.units import si
from rnn2circuit.verify.checks import Check, Report, Verdict

WIDTH = 100
MOST_STATES = 12  # figures per state printed in full; beyond, the worst ones
_WIDEST = 40  # characters of an id or a unit in the table
_TIE = "\xa0"  # a space at which no line is broken


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
        *_wrapped(f"{subject}: {plain(p.family)}, {p.n_states} states, {p.n_inputs} inputs"),
        "",
        *_table(report.checks),
    ]
    for check in report.checks:
        if check.verdict is not Verdict.PASS:
            fault = f"{check.verdict} {check.id}: {check.title}: {check.detail}"
            lines += ["", *_wrapped(plain(fault))]
    lines += ["", *_per_state(report)]
    for note in report.notes:
        lines += _wrapped(f"note: {plain(note)}")
    options = ", ".join(f"{plain(k)}{_TIE}{plain(v)}" for k, v in p.options)
    program = plain(f"{p.simulator} {p.simulator_version}")
    lines += [
        *_wrapped(f"simulator {program}; rnn2circuit {plain(p.tool_version)}"),
        f"weights {plain(p.weights_sha256[:12])}; netlist {plain(p.netlist_sha256[:12])}",
        *_wrapped(f"options {options or 'none'}"),
        "",
        f"{report.verdict}  {subject}{outcome}",
    ]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """One line of printable characters; what moves a cursor or turns text around is spelled out."""
    joined = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in joined
    )


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
        wrapped = textwrap.wrap(title, WIDTH - indent) or [""]
        first, rest = f"{head}  {wrapped[0]}".rstrip(), wrapped[1:]
        return [first, *(" " * indent + line for line in rest)]
    return [line.rstrip() for line in (*_wrapped(head), *_wrapped(f"  {title}"))]


def figure(value: float | None, unit: str) -> str:
    """A figure with its unit, or a dash where there is none."""
    if value is None:
        return "-"
    return si(value, _short(unit), 3) if unit else f"{value:.3g}"


def _per_state(report: Report) -> list[str]:
    """Figures of each state, worst first where there are too many to print.

    Of the waveforms always; of the equations, where they are rounding errors, only if they are
    not.
    """
    lines: list[str] = []
    for check in report.checks:
        wanted = check.id.startswith("transient.") or check.verdict is not Verdict.PASS
        if not wanted or not check.per_state:
            continue
        letter = "y" if check.id.endswith((".outputs", ".output")) else "x"
        figures = list(enumerate(check.per_state, start=1))
        head = f"{plain(check.id)}: "
        if len(figures) > MOST_STATES:
            figures = sorted(figures, key=_worst_first)[:MOST_STATES]
            head = f"{plain(check.id)}, worst {MOST_STATES} of {len(check.per_state)}: "
        lines += _wrapped(head + ", ".join(f"{letter}{k}{_TIE}{v:.2g}" for k, v in figures))
    return [*lines, ""] if lines else []


def _worst_first(figure: tuple[int, float]) -> tuple[bool, float]:
    """Sort key: what is not a number is worse than any number."""
    value = figure[1]
    return (False, 0.0) if math.isnan(value) else (True, -value)


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return [line.replace(_TIE, " ") for line in lines]
