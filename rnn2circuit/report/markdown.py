"""Reports as Markdown, for pull requests: parameter, limit, value, verdict."""

from rnn2circuit.report.budget_text import budget_lines
from rnn2circuit.report.lines import plain
from rnn2circuit.report.text import figure
from rnn2circuit.verify.checks import Check, Report, Verdict

HEADINGS = ("parameter", "limit", "value", "verdict", "where")


def report_markdown(report: Report) -> str:
    """One section: the verdict, a table of checks, notes, and what it was run with.

    Text that came from outside cannot open a table cell, a heading or a tag of its own.
    """
    p = report.provenance
    lines = [
        f"### {report.verdict}: {_text(p.subject)}",
        "",
        f"{_text(p.family)}, {p.n_states} states, {p.n_inputs} inputs; "
        f"simulator {_text(p.simulator)} {_text(p.simulator_version)}; "
        f"rnn2circuit {_text(p.tool_version)}",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|" + " --- |" * len(HEADINGS),
        *(_row(check) for check in report.checks),
        "",
    ]
    if report.budget is not None:  # indented by four, it is shown as it stands
        lines += [*(f"    {line}".rstrip() for line in budget_lines(report.budget)), ""]
    lines += [f"- {_text(note)}" for note in report.notes]
    options = ", ".join(f"{_text(k)} {_text(v)}" for k, v in p.options)
    lines += [
        "" if report.notes else None,
        f"weights `{_hash(p.weights_sha256)}`, netlist `{_hash(p.netlist_sha256)}`; "
        f"options {options or 'none'}",
    ]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _row(check: Check) -> str:
    # What a check that passed has to say about its worst state is for the long reports.
    where = "" if check.verdict is Verdict.PASS else check.detail
    cells = (
        f"`{_code(check.id)}` {_text(check.title)}",
        figure(check.limit, check.unit),
        figure(check.value, check.unit),
        f"**{check.verdict}**" if check.verdict is not Verdict.PASS else str(check.verdict),
        _text(where),
    )
    return "| " + " | ".join(cells) + " |"


def _text(text: str) -> str:
    """Printable text on one line without any character that Markdown or HTML would read."""
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-!|~$" else c for c in plain(text))
    return escaped.replace("&", "&amp;")


def _code(text: str) -> str:
    return plain(text).replace("`", "'").replace("|", "/")


def _hash(text: str) -> str:
    return _code(text)[:12]
