"""Reports as JSON, for scripts; they read back to the same report."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NoReturn

from rnn2circuit.errors import ModelError
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict, worst

SCHEMA = "rnn2circuit-report-1"
SCHEMA_OF_SEVERAL = "rnn2circuit-reports-1"


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
    }


def _check(check: Check) -> dict[str, Any]:
    return asdict(check) | {
        "verdict": str(check.verdict),
        "value": _finite(check.value),
        "limit": _finite(check.limit),
        "per_state": [_finite(v) for v in check.per_state],
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


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
    _expect("the report", data, dict)
    if data.get("schema") != SCHEMA:
        raise ModelError(f"expected a report of schema {SCHEMA!r}, got {data.get('schema')!r}")
    _keys("the report", data, ("schema", "verdict", "exit_code", "provenance", "checks", "notes"))
    _expect("checks", data["checks"], list)
    report = Report(
        provenance=_provenance_from(data["provenance"]),
        checks=tuple(_check_from(f"checks[{k}]", c) for k, c in enumerate(data["checks"])),
        notes=_texts("notes", data["notes"]),
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
    _expect(where, entry, dict)
    _keys(where, entry, [f.name for f in fields(Provenance)])
    options = entry["options"]
    _expect(f"{where}.options", options, dict)
    for field in fields(Provenance):
        if field.name.startswith("n_"):
            _expect(f"{where}.{field.name}", entry[field.name], int)
        elif field.name != "options":
            _expect(f"{where}.{field.name}", entry[field.name], str)
    values = _texts(f"{where}.options", list(options.values()))
    pairs = tuple(sorted(zip(options, values, strict=True)))
    return Provenance(**(entry | {"options": pairs}))


def _check_from(where: str, entry: Any) -> Check:
    _expect(where, entry, dict)
    _keys(where, entry, [f.name for f in fields(Check)])
    for name in ("id", "title", "verdict", "unit", "detail"):
        _expect(f"{where}.{name}", entry[name], str)
    if entry["verdict"] not in list(Verdict):
        raise ModelError(
            f"{where}.verdict must be one of {', '.join(Verdict)}, got {entry['verdict']!r}"
        )
    value, limit = (_number(f"{where}.{name}", entry[name]) for name in ("value", "limit"))
    verdict = Verdict(entry["verdict"])
    if verdict is Verdict.PASS and value is not None and limit is not None and value > limit:
        raise ModelError(f"{where} says PASS, but its value {value!r} exceeds its limit {limit!r}")
    _expect(f"{where}.per_state", entry["per_state"], list)
    figures = [_number(f"{where}.per_state[{k}]", v) for k, v in enumerate(entry["per_state"])]
    return Check(
        id=entry["id"],
        title=entry["title"],
        verdict=verdict,
        value=value,
        limit=limit,
        unit=entry["unit"],
        detail=entry["detail"],
        per_state=tuple(math.nan if figure is None else figure for figure in figures),
    )


def _number(where: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        finite = type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        finite = False
    if not finite:
        raise ModelError(f"{where} must be a finite number or null, got {str(value)[:40]!r}")
    return float(value)


def _texts(where: str, values: Any) -> tuple[str, ...]:
    _expect(where, values, list)
    for k, value in enumerate(values):
        _expect(f"{where}[{k}]", value, str)
    return tuple(values)


_JSON_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer"}


def _expect(where: str, value: Any, kind: type) -> None:
    if type(value) is not kind:  # bool is an int to isinstance
        raise ModelError(
            f"the text is not a report: {where} must be {_JSON_NAMES[kind]}, "
            f"got {type(value).__name__}"
        )


def _keys(where: str, entry: Mapping[str, Any], names: list[str] | tuple[str, ...]) -> None:
    for what, odd in (
        ("lacks", set(names) - set(entry)),
        ("has an unknown", set(entry) - set(names)),
    ):
        if odd:
            raise ModelError(f"the text is not a report: {where} {what} entry {min(odd)!r}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
