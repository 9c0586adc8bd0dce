"""Reports as text, for people."""

import textwrap

from rnn2circuit.units import si
from rnn2circuit.verify.checks import Check, Report, Verdict

WIDTH = 100
MOST_STATES = 12  # figures per state printed in full; beyond, the worst ones


def report_text(report: Report) -> str:
    """A page: the verdict, a line per check, what went wrong where, and with what it was run."""
    p = report.provenance
    passed = sum(c.verdict is Verdict.PASS for c in report.checks)
    lines = [
        f"{p.subject}: {p.family}, {p.n_states} states, {p.n_inputs} inputs",
        "",
        f"{'check':<22}{'measured':>12}{'limit':>12}  verdict",
    ]
    lines += [_line(check) for check in report.checks]
    for check in report.checks:
        if check.verdict is not Verdict.PASS:
            lines += ["", *_wrapped(f"{check.verdict} {check.id}: {check.title}: {check.detail}")]
    lines += ["", *_per_state(report)]
    for note in report.notes:
        lines += _wrapped(f"note: {note}")
    program = f"{p.simulator} {p.simulator_version}".strip()
    lines += [
        f"simulator {program}; rnn2circuit {p.tool_version}",
        f"weights {p.weights_sha256[:12]}; netlist {p.netlist_sha256[:12]}",
        *_wrapped("options " + ", ".join(f"{k} {v}" for k, v in p.options)),
        "",
        f"{report.verdict}  {p.subject}: {passed} of {len(report.checks)} checks passed",
    ]
    return "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    value = "-" if check.value is None else _figure(check.value, check.unit)
    limit = "-" if check.limit is None else _figure(check.limit, check.unit)
    return f"{check.id:<22}{value:>12}{limit:>12}  {check.verdict}"


def _figure(value: float, unit: str) -> str:
    return si(value, unit, 3) if unit else f"{value:.3g}"


def _per_state(report: Report) -> list[str]:
    """Figures of each state, worst first where there are too many to print."""
    lines: list[str] = []
    for check in report.checks:
        if not check.id.startswith("transient.") or not check.per_state:
            continue
        letter = "y" if check.id.endswith("outputs") else "x"
        figures = [(value, f"{letter}{k}") for k, value in enumerate(check.per_state, start=1)]
        if len(figures) > MOST_STATES:
            figures = sorted(figures, reverse=True)[:MOST_STATES]
            head = f"{check.id}, worst {MOST_STATES} of {len(check.per_state)}: "
        else:
            head = f"{check.id}: "
        lines += _wrapped(head + ", ".join(f"{name} {value:.2g}" for value, name in figures))
    return [*lines, ""] if lines else []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent="  ", break_long_words=True, break_on_hyphens=False
    )
