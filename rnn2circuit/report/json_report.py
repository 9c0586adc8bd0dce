"""Reports as JSON, for scripts; they read back to the same report."""

import json
import math
from dataclasses import asdict
from typing import Any

from rnn2circuit.errors import ModelError
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict

SCHEMA = "rnn2circuit-report-1"


def report_json(report: Report) -> str:
    """Deterministic JSON, ending in a newline. A figure that is not finite is null."""
    data = {
        "schema": SCHEMA,
        "verdict": str(report.verdict),
        "exit_code": report.verdict.exit_code,
        "provenance": asdict(report.provenance) | {"options": dict(report.provenance.options)},
        "checks": [_check(check) for check in report.checks],
        "notes": list(report.notes),
    }
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _check(check: Check) -> dict[str, Any]:
    return asdict(check) | {
        "verdict": str(check.verdict),
        "value": _finite(check.value),
        "limit": _finite(check.limit),
        "per_state": [_finite(v) for v in check.per_state],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def report_from_json(text: str) -> Report:
    """Read a report back.

    Raises
    ------
    ModelError
        If the text is not such a report.
    """
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise ModelError(f"expected a report of schema {SCHEMA!r}, got {data['schema']!r}")
        options = tuple(sorted(data["provenance"]["options"].items()))
        report = Report(
            provenance=Provenance(**(data["provenance"] | {"options": options})),
            checks=tuple(_check_from(entry) for entry in data["checks"]),
            notes=tuple(data["notes"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"the text is not a report: {type(error).__name__} {error}") from error
    if data.get("verdict") != report.verdict:
        raise ModelError(
            f"the report says {data.get('verdict')!r}, its checks say {str(report.verdict)!r}"
        )
    return report


def _check_from(entry: dict[str, Any]) -> Check:
    per_state = tuple(math.nan if v is None else v for v in entry["per_state"])
    arguments: dict[str, Any] = dict(entry)
    arguments |= {"verdict": Verdict(entry["verdict"]), "per_state": per_state}
    return Check(**arguments)
