"""Reports as JUnit XML, which CI servers display."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from rnn2circuit.verify.budget import ErrorBudget
from rnn2circuit.verify.checks import Check, Report, Verdict

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTS = ("tests", "failures", "errors", "skipped")


def report_junit(reports: Sequence[Report]) -> str:
    """One test suite per report, one test case per check; ends in a newline.

    A FAIL is a failure; ERROR, TIMEOUT and UNVERIFIABLE are errors, so that no consumer takes
    them for passes. A report without checks gets one case that is an error, and so do no reports
    at all: a document without cases is green on most servers.
    """
    root = ET.Element("testsuites", name="rnn2circuit")
    for report in reports:
        _suite(root, report)
    if not reports:
        _nothing(ET.SubElement(root, "testsuite", name="rnn2circuit"), "rnn2circuit")
    for suite in root:
        _count(suite, [suite])
    _count(root, list(root))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, report: Report) -> None:
    p = report.provenance
    name = _clean(f"rnn2circuit.{p.subject}")
    suite = ET.SubElement(root, "testsuite", name=name)
    properties = ET.SubElement(suite, "properties")
    facts = [
        ("family", p.family),
        ("n_states", str(p.n_states)),
        ("n_inputs", str(p.n_inputs)),
        ("simulator", f"{p.simulator} {p.simulator_version}"),
        ("tool_version", p.tool_version),
        ("weights_sha256", p.weights_sha256),
        ("netlist_sha256", p.netlist_sha256),
        *((f"option.{key}", value) for key, value in p.options),
        *(() if report.budget is None else _budget(report.budget)),
    ]
    for key, value in facts:
        ET.SubElement(properties, "property", name=_clean(key), value=_clean(value))
    for check in report.checks:
        _case(suite, name, check)
    if not report.checks:
        _nothing(suite, name)
    if report.notes:
        ET.SubElement(suite, "system-out").text = _clean("\n".join(report.notes))


def _budget(budget: ErrorBudget) -> list[tuple[str, str]]:
    """The budget's figures as properties: nothing of it is judged, so no case is made of it."""
    facts = [("budget.program", budget.program or "unknown")]
    whole = () if budget.whole in budget.parts else (budget.whole,)
    for gap in (*budget.parts, *whole):
        for name, distance in (("states", gap.states), ("outputs", gap.outputs)):
            if distance is not None:
                facts.append((f"budget.{gap.id}.{name}", repr(distance.largest)))
        if gap.reason:
            facts.append((f"budget.{gap.id}", gap.reason))
    task = budget.task
    if task is not None:
        stages = (("program", task.program), ("ode", task.ode), ("circuit", task.circuit))
        if task.refit is not None:
            stages = (*stages, ("before", task.refit.before), ("after", task.refit.after))
        facts += [
            (f"task.{task.metric}.{name}", repr(value))
            for name, value in stages
            if value is not None
        ]
    return facts


def _case(suite: ET.Element, classname: str, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", classname=classname, name=_clean(check.id))
    message = _clean(
        f"{check.title}: measured {_figure(check.value, check.unit)}, "
        f"limit {_figure(check.limit, check.unit)}"
    )
    if check.verdict is Verdict.PASS:
        ET.SubElement(case, "system-out").text = message
        return
    kind = "failure" if check.verdict is Verdict.FAIL else "error"
    fault = ET.SubElement(case, kind, message=message, type=str(check.verdict))
    fault.text = _clean(check.detail)


def _nothing(suite: ET.Element, classname: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=classname, name="report")
    ET.SubElement(case, "error", message="nothing was checked", type=str(Verdict.UNVERIFIABLE))


def _count(element: ET.Element, suites: list[ET.Element]) -> None:
    """Write down what the suites hold, counted from the cases themselves."""
    totals = [
        sum(len(suite.findall(path)) for suite in suites)
        for path in ("testcase", "testcase/failure", "testcase/error", "testcase/skipped")
    ]
    for name, total in zip(_COUNTS, totals, strict=True):
        element.set(name, str(total))


def _figure(value: float | None, unit: str) -> str:
    return "nothing" if value is None else f"{value!r} {unit}".rstrip()


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("?", text)
