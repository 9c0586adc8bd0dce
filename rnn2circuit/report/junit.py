"""Reports as JUnit XML, which CI servers display."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from rnn2circuit.verify.checks import Check, Report, Verdict

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_junit(reports: Sequence[Report]) -> str:
    """One test suite per report, one test case per check; ends in a newline.

    A FAIL is a failure; ERROR, TIMEOUT and UNVERIFIABLE are errors, so that no consumer takes
    them for passes. A report without checks gets one case that is an error.
    """
    root = ET.Element("testsuites")
    for report in reports:
        _suite(root, report)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, report: Report) -> None:
    p = report.provenance
    failed = sum(c.verdict is Verdict.FAIL for c in report.checks)
    broken = sum(c.verdict not in (Verdict.PASS, Verdict.FAIL) for c in report.checks)
    empty = not report.checks
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_clean(f"rnn2circuit.{p.subject}"),
        tests=str(len(report.checks) or 1),
        failures=str(failed),
        errors=str(broken + empty),
        skipped="0",
    )
    properties = ET.SubElement(suite, "properties")
    facts = {
        "family": p.family,
        "simulator": f"{p.simulator} {p.simulator_version}",
        "tool_version": p.tool_version,
        "weights_sha256": p.weights_sha256,
        "netlist_sha256": p.netlist_sha256,
        **dict(p.options),
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    for check in report.checks:
        _case(suite, report, check)
    if empty:
        case = ET.SubElement(suite, "testcase", classname=_clean(p.subject), name="report")
        ET.SubElement(case, "error", message="nothing was checked", type="UNVERIFIABLE")


def _case(suite: ET.Element, report: Report, check: Check) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"rnn2circuit.{report.provenance.subject}"),
        name=_clean(check.id),
    )
    message = _clean(f"{check.title}: measured {check.value}, limit {check.limit}")
    if check.verdict is Verdict.PASS:
        ET.SubElement(case, "system-out").text = message
        return
    kind = "failure" if check.verdict is Verdict.FAIL else "error"
    fault = ET.SubElement(case, kind, message=message, type=str(check.verdict))
    fault.text = _clean(check.detail)


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("?", text)
