"""Reports as one page of HTML that needs nothing else: no script, no font, no other file."""

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

from rnn2circuit.report.budget_text import budget_lines
from rnn2circuit.report.lines import plain
from rnn2circuit.report.text import figure
from rnn2circuit.verify.budget import ErrorBudget
from rnn2circuit.verify.checks import Check, Report, Verdict, worst

# Verdicts differ in form as well as in colour, so that a print in black and white still tells.
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
       max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0;
         border-bottom: 1px solid #e4e4e4; }
th { font-weight: 600; white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: .9em; }
.verdict { font-weight: 700; white-space: nowrap; }
.PASS { color: #00603f; }
.FAIL, .ERROR, .TIMEOUT { color: #fff; background: #a11; padding: 0 .4rem; }
.UNVERIFIABLE { color: #1b1b1b; outline: 2px solid #a60; padding: 0 .4rem; }
.where { color: #555; }
img { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
"""
MOST_STATES = 64  # figures per state in the page; beyond, the worst ones


Section: TypeAlias = tuple[Report, Mapping[str, bytes]]  # with its pictures: caption to SVG


def report_html(sections: Sequence[Section]) -> str:
    """Reports as a page, one below the other.

    Pictures are embedded as images, so that nothing in them is run. A page without reports says
    that it proves nothing.
    """
    verdict = worst([report.verdict for report, _ in sections])
    names = ", ".join(dict.fromkeys(report.provenance.subject for report, _ in sections))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{verdict} {_text(names)}</title><style>{STYLE}</style></head><body>",
        *(_section(report, pictures) for report, pictures in sections),
        "" if sections else f"<h1>{_verdict(verdict)} nothing was verified</h1>",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _section(report: Report, pictures: Mapping[str, bytes]) -> str:
    p = report.provenance
    passed = sum(c.verdict is Verdict.PASS for c in report.checks)
    parts = [
        f"<h1>{_verdict(report.verdict)} {_text(p.subject)}</h1>",
        f"<p>{_text(p.family)}, {p.n_states} states, {p.n_inputs} inputs: "
        f"{passed} of {len(report.checks)} checks passed.</p>",
        _checks(report.checks),
        _budget(report.budget),
        *(_picture(caption, svg) for caption, svg in pictures.items()),
        _per_state(report.checks),
        _notes(report.notes),
        _provenance(report),
    ]
    return "\n".join(part for part in parts if part)


def _text(text: str) -> str:
    return escape(plain(text))


def _verdict(verdict: Verdict) -> str:
    return f'<span class="verdict {verdict}">{verdict}</span>'


def _checks(checks: tuple[Check, ...]) -> str:
    rows = [
        "<tr>"
        f"<td><code>{_text(c.id)}</code><br>{_text(c.title)}</td>"
        f'<td class="number">{_text(figure(c.limit, c.unit))}</td>'
        f'<td class="number">{_text(figure(c.value, c.unit))}</td>'
        f"<td>{_verdict(c.verdict)}</td>"
        f'<td class="where">{_text(c.detail)}</td></tr>'
        for c in checks
    ]
    return _table(("parameter", "limit", "value", "verdict", "where"), rows)


def _table(headings: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th>{_text(h)}</th>" for h in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _budget(budget: ErrorBudget | None) -> str:
    """As in the text report, whose columns need no other layout."""
    if budget is None:
        return ""
    lines = "\n".join(escape(line) for line in budget_lines(budget))
    return f"<h2>Error budget</h2><pre>{lines}</pre>"


def _picture(caption: str, svg: bytes) -> str:
    data = base64.b64encode(svg).decode("ascii")
    source = f"data:image/svg+xml;base64,{data}"
    return f'<h2>{_text(caption)}</h2><img alt="{_text(caption)}" src="{source}">'


def _per_state(checks: tuple[Check, ...]) -> str:
    """Of every check that has figures per state: a row each, the worst state marked."""
    rows: list[str] = []
    for check in checks:
        if not check.per_state:
            continue
        letter = "y" if check.id.endswith((".outputs", ".output")) else "x"
        order = sorted(range(len(check.per_state)), key=lambda k: -_size(check.per_state[k]))
        shown = sorted(order[:MOST_STATES])
        figures = ", ".join(
            f"<b>{letter}{k + 1} {check.per_state[k]:.2g}</b>"
            if k == order[0]
            else f"{letter}{k + 1} {check.per_state[k]:.2g}"
            for k in shown
        )
        rows.append(f"<tr><td><code>{_text(check.id)}</code></td><td>{figures}</td></tr>")
    if not rows:
        return ""
    return "<h2>Each state (worst in bold)</h2>" + _table(("check", "figures"), rows)


def _size(value: float) -> float:
    return math.inf if math.isnan(value) else abs(value)  # NaN is worse than any number


def _notes(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    return "<h2>Notes</h2><ul>" + "".join(f"<li>{_text(n)}</li>" for n in notes) + "</ul>"


def _provenance(report: Report) -> str:
    p = report.provenance
    pairs = [
        ("weights sha256", p.weights_sha256),
        ("netlist sha256", p.netlist_sha256),
        ("simulator", f"{p.simulator} {p.simulator_version}"),
        ("rnn2circuit", p.tool_version),
        *p.options,
    ]
    entries = "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in pairs)
    return f"<h2>What was run</h2><dl>{entries}</dl>"
