"""The error budget as text: one row per part, one per state, and the user's own metric."""

import math
import textwrap
from collections.abc import Sequence

from rnn2circuit.report.lines import TIE, WIDTH, plain, wrapped
from rnn2circuit.verify.budget import Distance, ErrorBudget, Gap, RefitFigures, TaskFigures

MOST_STATES = 12  # rows of single states; beyond, those where the parts are largest
_COLUMN = 23  # characters of a part's name
_LABEL = 10  # characters before the figures of a state


def budget_lines(budget: ErrorBudget) -> list[str]:
    """Lines of at most 100 characters; none begins with a user's text."""
    gaps = [*budget.parts] if budget.whole in budget.parts else [*budget.parts, budget.whole]
    rows = [("error budget", "states", "worst at", "readout", "worst at")]
    rows += [_row(gap) for gap in gaps]
    lines = _table(rows)
    if len(gaps) > 1:
        lines.append("  in parts of each one's range; program against circuit is the whole way")
    else:
        lines.append("  in parts of each one's range")
    if budget.program:
        lines += wrapped(f"  program: {plain(budget.program)}")
    for reason in dict.fromkeys(gap.reason for gap in gaps if gap.reason):
        lines += wrapped(f"  {plain(reason)}")
    if budget.settling is not None:
        lines.append(f"  a clock period leaves {_number(budget.settling)} unsettled or leaked")
    lines += _per_state([gap for gap in gaps if gap.states is not None])
    if budget.task is not None:
        lines += ["", *_task(budget.task)]
    return lines


def _row(gap: Gap) -> tuple[str, ...]:
    name = plain(gap.title)[:_COLUMN]
    return (name, *_cells(gap.states, "x", gap.reason), *_cells(gap.outputs, "y", gap.reason))


def _cells(distance: Distance | None, letter: str, reason: str) -> tuple[str, str]:
    if distance is None:
        return ("unknown" if reason else "-", "")
    return _number(distance.largest), f"{letter}{distance.worst}, t = {distance.time:.4g}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns by turns to the right (figures) and to the left (places)."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [f"{row[0]:<{max(widths[0], _COLUMN)}}"]
        for k in range(1, len(row)):
            cells.append(f"{row[k]:{'>' if k % 2 else '<'}{widths[k]}}")
        lines.append("  ".join(cells).rstrip()[:WIDTH])
    return lines


def _per_state(gaps: Sequence[Gap]) -> list[str]:
    """A row per state and output, a column per part; the worst states where there are many."""
    found = {gap.title: (gap.states, gap.outputs) for gap in gaps}
    if not found:
        return []
    wide = min(_COLUMN, (WIDTH - _LABEL) // len(found) - 2)  # so that all parts fit the page
    lines = ["", *_heads([plain(title) for title in found], wide)]
    for which, letter in ((0, "x"), (1, "y")):
        columns = [parts[which] for parts in found.values()]
        figures = [c.figures for c in columns if c is not None]
        if len(figures) < len(columns):
            continue
        count = min(len(column) for column in figures)
        worst = sorted(range(count), key=lambda k: _badness([c[k] for c in figures]))
        shown = sorted(worst[:MOST_STATES])
        if len(shown) < count:
            lines.append(f"  the worst {MOST_STATES} of {count}:")
        lines += [
            f"{letter}{k + 1:<{_LABEL - 1}}"
            + "".join(f"  {_number(c[k]):>{wide}}" for c in figures)
            for k in shown
        ]
    return lines


def _heads(titles: Sequence[str], wide: int) -> list[str]:
    """Titles above their columns, over several lines where they are longer than a column."""
    parts = [textwrap.wrap(title, wide) or [""] for title in titles]
    most = max(len(part) for part in parts)
    rows = zip(*([""] * (most - len(part)) + part for part in parts), strict=True)
    lines = ["".join(f"  {word:>{wide}}" for word in row) for row in rows]
    labels = [*[""] * (most - 1), "per state"]
    return [f"{label:<{_LABEL}}{line}" for label, line in zip(labels, lines, strict=True)]


def _badness(figures: Sequence[float]) -> tuple[bool, float]:
    """Sort key, worst first: what is no number is worse than any."""
    if any(math.isnan(figure) for figure in figures):
        return (False, 0.0)
    return (True, -max(figures))


def _task(task: TaskFigures) -> list[str]:
    unit = "rms error in units of the output" if task.metric == "rmse" else "share of right classes"
    used = f"{task.n_used} of {task.n_given} targets, whose steps end within the run"
    used = used if task.n_used < task.n_given else f"{task.n_used} targets"
    lines = wrapped(f"task: {plain(task.metric)}, {unit}; {used}")
    stages = (("program", task.program), ("ODE", task.ode), ("circuit", task.circuit))
    known = [f"{name}{TIE}{_number(value)}" for name, value in stages if value is not None]
    lines += wrapped("  " + (", ".join(known) or "not measured"))
    if task.refit is not None:
        lines += _refit(task.refit)
    return lines


def _refit(refit: RefitFigures) -> list[str]:
    program = "" if refit.program is None else f" (program: {_number(refit.program)})"
    return wrapped(
        f"  readout refitted on the circuit's states: {_number(refit.before)} before, "
        f"{_number(refit.after)} after{program}, on the last {refit.n_held_out} samples; fitted on "
        f"the {refit.n_fitted} before them by ridge regression of strength "
        f"{_number(refit.strength)}; the weights change by {_number(refit.change)} of their norm"
    )


def _number(value: float) -> str:
    return f"{value:.3g}"
