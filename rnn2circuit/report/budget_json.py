"""The error budget as JSON, and back; docs/verify.md lists its keys."""

from dataclasses import asdict, fields
from typing import Any, TypeVar

from rnn2circuit.errors import ModelError
from rnn2circuit.report.json_values import expect, figures, finite, keys, number
from rnn2circuit.verify.budget import Distance, ErrorBudget, Gap, RefitFigures, TaskFigures

Flat = TypeVar("Flat", TaskFigures, RefitFigures)


def budget_to_json(budget: ErrorBudget) -> dict[str, Any]:
    """The budget as JSON values; a figure that is not finite is null."""
    return {
        "program": budget.program,
        "parts": [_gap(part) for part in budget.parts],
        "whole": _gap(budget.whole),
        "settling": finite(budget.settling),
        "task": None if budget.task is None else _task(budget.task),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "id": gap.id,
        "title": gap.title,
        "states": None if gap.states is None else _distance(gap.states),
        "outputs": None if gap.outputs is None else _distance(gap.outputs),
        "reason": gap.reason,
    }


def _distance(distance: Distance) -> dict[str, Any]:
    return {
        "figures": [finite(figure) for figure in distance.figures],
        "worst": distance.worst,
        "time": finite(distance.time),
    }


def _task(task: TaskFigures) -> dict[str, Any]:
    data = _numbers(asdict(task))
    return data | {"refit": None if task.refit is None else _numbers(asdict(task.refit))}


def _numbers(data: dict[str, Any]) -> dict[str, Any]:
    return {k: finite(v) if isinstance(v, float) else v for k, v in data.items()}


def budget_from_json(entry: Any) -> ErrorBudget:
    """Read a budget back; a figure of a list that is null reads as NaN.

    Raises
    ------
    ModelError
        If the values are not those of a budget.
    """
    where = "budget"
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(ErrorBudget)])
    expect(f"{where}.program", entry["program"], str)
    expect(f"{where}.parts", entry["parts"], list)
    return ErrorBudget(
        program=entry["program"],
        parts=tuple(_gap_from(f"{where}.parts[{k}]", g) for k, g in enumerate(entry["parts"])),
        whole=_gap_from(f"{where}.whole", entry["whole"]),
        settling=number(f"{where}.settling", entry["settling"]),
        task=None if entry["task"] is None else _task_from(f"{where}.task", entry["task"]),
    )


def _gap_from(where: str, entry: Any) -> Gap:
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(Gap)])
    for name in ("id", "title", "reason"):
        expect(f"{where}.{name}", entry[name], str)
    found = {
        name: None if entry[name] is None else _distance_from(f"{where}.{name}", entry[name])
        for name in ("states", "outputs")
    }
    return Gap(id=entry["id"], title=entry["title"], reason=entry["reason"], **found)


def _distance_from(where: str, entry: Any) -> Distance:
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(Distance)])
    found = figures(f"{where}.figures", entry["figures"])
    expect(f"{where}.worst", entry["worst"], int)
    if not 1 <= entry["worst"] <= len(found):
        raise ModelError(f"{where}.worst must be from 1 to {len(found)}, got {entry['worst']}")
    time = number(f"{where}.time", entry["time"])
    if time is None:
        raise ModelError(f"{where}.time must be a number")
    return Distance(figures=found, worst=entry["worst"], time=time)


def _task_from(where: str, entry: Any) -> TaskFigures:
    expect(where, entry, dict)
    refit = entry.get("refit")
    rest = entry | {"refit": None}
    found = None if refit is None else _flat(f"{where}.refit", refit, RefitFigures)
    return _flat(where, rest, TaskFigures, refit=found)


def _flat(where: str, entry: Any, kind: type[Flat], **given: Any) -> Flat:
    """A record of counts (``n_``), numbers and, for the metric, a word."""
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(kind)])
    values: dict[str, Any] = {}
    for field in fields(kind):
        name, value = field.name, entry[field.name]
        if name.startswith("n_"):
            expect(f"{where}.{name}", value, int)
            values[name] = value
        elif field.type is str:
            expect(f"{where}.{name}", value, str)
            values[name] = value
        elif name not in given:
            values[name] = number(f"{where}.{name}", value)
            if values[name] is None and field.type is float:
                raise ModelError(f"{where}.{name} must be a number")
    return kind(**(values | given))
