"""Reports as JSON, for scripts; they read back to the same report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NoReturn

from rnn2circuit.errors import ModelError
from rnn2circuit.report.budget_json import budget_from_json, budget_to_json
from rnn2circuit.report.json_values import expect, figures, finite, keys, number, texts
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict, worst

SCHEMA = "rnn2circuit-report-1"
SCHEMA_OF_SEVERAL = "rnn2circuit-reports-1"
KEYS = ("schema", "verdict", "exit_code", "provenance", "checks", "notes", "budget")


def report_json(report: Report) -> str:
    """Deterministic JSON, ending in a newline.

    A figure that is not finite is null: a FAIL whose value is null measured no number. Options
    are an object, ordered by name.
    """
    return _text(_data(report))


def reports_json(reports: Sequence[Report]) -> str:
    """Several reports as one document, with the worst of their verdicts; each as `report_json`."""
    verdict = worst([report.verdict for report in reports])
    return _text(
        {
            "schema": SCHEMA_OF_SEVERAL,
            "verdict": str(verdict),
            "exit_code": verdict.exit_code,
            "reports": [_data(report) for report in reports],
        }
    )


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _data(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "verdict": str(report.verdict),
        "exit_code": report.verdict.exit_code,
        "provenance": asdict(report.provenance) | {"options": dict(report.provenance.options)},
        "checks": [_check(check) for check in report.checks],
        "notes": list(report.notes),
        "budget": None if report.budget is None else budget_to_json(report.budget),
    }


def _check(check: Check) -> dict[str, Any]:
    return asdict(check) | {
        "verdict": str(check.verdict),
        "value": finite(check.value),
        "limit": finite(check.limit),
        "per_state": [finite(v) for v in check.per_state],
    }


def report_from_json(text: str) -> Report:
    """Read a report back; a figure per state that is null reads as NaN.

    Raises
    ------
    ModelError
        If the text is not such a report, or its verdicts contradict its figures.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the text is not a report: it is no JSON: {error}") from error
    expect("the report", data, dict)
    if data.get("schema") != SCHEMA:
        raise ModelError(f"expected a report of schema {SCHEMA!r}, got {data.get('schema')!r}")
    keys("the report", data, KEYS)
    expect("checks", data["checks"], list)
    report = Report(
        provenance=_provenance_from(data["provenance"]),
        checks=tuple(_check_from(f"checks[{k}]", c) for k, c in enumerate(data["checks"])),
        notes=texts("notes", data["notes"]),
        budget=None if data["budget"] is None else budget_from_json(data["budget"]),
    )
    said = (data["verdict"], data["exit_code"])
    if said != (report.verdict.value, report.verdict.exit_code):
        raise ModelError(
            f"the report says {said[0]!r} with exit code {said[1]!r}, its checks say "
            f"{str(report.verdict)!r} with exit code {report.verdict.exit_code}"
        )
    return report


def _provenance_from(entry: Any) -> Provenance:
    where = "provenance"
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(Provenance)])
    options = entry["options"]
    expect(f"{where}.options", options, dict)
    for field in fields(Provenance):
        if field.name.startswith("n_"):
            expect(f"{where}.{field.name}", entry[field.name], int)
        elif field.name != "options":
            expect(f"{where}.{field.name}", entry[field.name], str)
    values = texts(f"{where}.options", list(options.values()))
    pairs = tuple(sorted(zip(options, values, strict=True)))
    return Provenance(**(entry | {"options": pairs}))


def _check_from(where: str, entry: Any) -> Check:
    expect(where, entry, dict)
    keys(where, entry, [f.name for f in fields(Check)])
    for name in ("id", "title", "verdict", "unit", "detail"):
        expect(f"{where}.{name}", entry[name], str)
    if entry["verdict"] not in list(Verdict):
        raise ModelError(
            f"{where}.verdict must be one of {', '.join(Verdict)}, got {entry['verdict']!r}"
        )
    value, limit = (number(f"{where}.{name}", entry[name]) for name in ("value", "limit"))
    verdict = Verdict(entry["verdict"])
    if verdict is Verdict.PASS and value is not None and limit is not None and value > limit:
        raise ModelError(f"{where} says PASS, but its value {value!r} exceeds its limit {limit!r}")
    return Check(
        id=entry["id"],
        title=entry["title"],
        verdict=verdict,
        value=value,
        limit=limit,
        unit=entry["unit"],
        detail=entry["detail"],
        per_state=figures(f"{where}.per_state", entry["per_state"]),
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
