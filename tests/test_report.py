import errno
import json
import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2circuit.demo import list_examples
from rnn2circuit.errors import ModelError, OutputError, UsageError
from rnn2circuit.report import files
from rnn2circuit.report.json_report import report_from_json, report_json
from rnn2circuit.report.junit import report_junit
from rnn2circuit.report.text import WIDTH, report_text
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict, measured


def provenance(**changes):
    fields = {
        "subject": "net",
        "family": "ctrnn",
        "n_states": 3,
        "n_inputs": 1,
        "weights_sha256": "a" * 64,
        "netlist_sha256": "b" * 64,
        "tool_version": "0.1",
        "simulator": "ngspice",
        "simulator_version": "39",
        "options": (("form", "rc"), ("seed", "1")),
    }
    return Provenance(**(fields | changes))


def report(*checks, notes=()):
    return Report(provenance=provenance(), checks=checks, notes=notes)


GOOD = measured("transient.states", "states", 1e-5, 1e-3, per_state=(1e-5, 2e-6, 0.0))
BAD = measured("extraction.f", "equations", 0.3, 1e-9, detail="d x2/dt: look at g_w_2_1")


@pytest.mark.parametrize(
    ("verdicts", "worst", "code"),
    [
        ([], Verdict.UNVERIFIABLE, 3),
        (["PASS"], Verdict.PASS, 0),
        (["PASS", "UNVERIFIABLE"], Verdict.UNVERIFIABLE, 3),
        (["UNVERIFIABLE", "TIMEOUT", "PASS"], Verdict.TIMEOUT, 5),
        (["TIMEOUT", "ERROR"], Verdict.ERROR, 4),
        (["ERROR", "FAIL", "PASS"], Verdict.FAIL, 1),
    ],
)
def test_the_worst_check_decides_and_an_empty_report_is_no_pass(verdicts, worst, code):
    checks = [Check(id=f"c{k}", title="t", verdict=Verdict(v)) for k, v in enumerate(verdicts)]
    found = report(*checks)
    assert found.verdict is worst
    assert found.verdict.exit_code == code
    assert found.passed == (worst is Verdict.PASS)


def test_a_figure_that_is_not_a_number_is_never_a_pass():
    assert measured("c", "t", float("nan"), 1.0).verdict is Verdict.FAIL


def test_the_text_says_verdict_place_and_program():
    text = report_text(report(GOOD, BAD, notes=("x0 is zero",)))
    assert "FAIL  net: 1 of 2 checks passed" in text
    assert "look at g_w_2_1" in text
    assert "x1 1e-05, x2 2e-06" in text
    assert "simulator ngspice 39" in text
    assert "note: x0 is zero" in text
    assert all(len(line) <= WIDTH for line in text.splitlines())


def test_many_states_are_abbreviated_to_the_worst():
    many = measured("transient.states", "t", 1.0, 2.0, per_state=tuple(np.linspace(0, 1, 40)))
    assert "worst 12 of 40: x40 1" in report_text(report(many))


def test_the_table_says_what_was_compared_in_a_column_of_its_own():
    found = measured("transient.states", "w" + " w" * 59, 1.0, 2.0)
    lines = report_text(report(found)).splitlines()
    start = lines[2].index("what")
    rows = lines[3 : lines.index("", 3)]
    assert " ".join(row[start:] for row in rows) == found.title
    assert len(rows) > 1
    assert all(row[:start].isspace() for row in rows[1:])


def test_no_line_breaks_between_a_state_and_its_figure():
    found = measured("transient.states", "t", 1.0, 2.0, per_state=(0.1234,) * 12)
    lines = report_text(report(found)).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("transient.states: "))
    rows = lines[start : lines.index("", start)]
    assert len(rows) > 1
    figures = ", ".join(row.rstrip(",").strip() for row in rows).split(": ")[1]
    assert figures == ", ".join(f"x{k} 0.12" for k in range(1, 13))


def test_figures_of_the_equations_are_printed_only_where_they_fail():
    ok = measured("extraction.f", "t", 0.0, 1.0, per_state=(0.0, 0.25))
    bad = measured("extraction.output", "t", 2.0, 1.0, per_state=(2.0, 0.25))
    assert "0.25" not in report_text(report(ok))
    assert "extraction.output: y1 2, y2 0.25" in report_text(report(bad))


def test_what_is_not_a_number_is_worse_than_any_number():
    figures = (*np.linspace(0, 1, 20), float("nan"))
    many = measured("transient.states", "t", float("nan"), 2.0, per_state=figures)
    assert "worst 12 of 21: x21 nan, x20 1, x19 0.95" in report_text(report(many))


def test_no_text_of_a_user_forges_a_verdict_or_moves_the_cursor():
    hostile = "net\nPASS  net: 4 of 4 checks passed\r\x1b[2J\u202e\udcff"
    bad = Check(id=hostile, title=hostile, verdict=Verdict.FAIL, unit=hostile, detail=hostile)
    found = Report(provenance=provenance(subject=hostile), checks=(bad,), notes=(hostile,))
    text = report_text(found)
    text.encode()
    assert text.isascii()
    assert all(c == "\n" or c.isprintable() for c in text)
    assert not any(line.startswith("PASS") for line in text.splitlines())
    assert text.splitlines()[-1].startswith("FAIL  net PASS")


@pytest.mark.parametrize("verdict", Verdict)
def test_the_longest_names_stay_within_the_line(verdict):
    word = "w" * 300
    check = Check(id=word, title=word, verdict=verdict, value=1.0, unit=word, detail=word)
    p = provenance(subject=word, family=word, simulator=word, options=((word, word),))
    text = report_text(Report(provenance=p, checks=(check,), notes=(word,)))
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert text.endswith("1 checks passed\n")


TEXTS = st.text(max_size=30)
LONG = st.text(max_size=150)
FIGURES = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def any_check(draw):
    value, limit = draw(st.none() | FIGURES), draw(st.none() | FIGURES)
    impossible = value is not None and limit is not None and value > limit
    verdicts = [v for v in Verdict if not (impossible and v is Verdict.PASS)]
    return Check(
        id=draw(LONG),
        title=draw(LONG),
        verdict=draw(st.sampled_from(verdicts)),
        value=value,
        limit=limit,
        unit=draw(TEXTS),
        detail=draw(LONG),
        per_state=tuple(draw(st.lists(FIGURES, max_size=3))),
    )


OPTIONS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda d: tuple(sorted(d.items())))
REPORTS = st.builds(
    Report,
    provenance=st.builds(provenance, subject=LONG, family=TEXTS, simulator=TEXTS, options=OPTIONS),
    checks=st.lists(any_check(), max_size=4).map(tuple),
    notes=st.lists(LONG, max_size=2).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(REPORTS)
def test_any_report_survives_json(found):
    text = report_json(found)
    assert report_from_json(text) == found
    assert report_json(report_from_json(text)) == text
    assert text.endswith("}\n")


@settings(max_examples=100, deadline=None)
@given(st.lists(REPORTS, max_size=2))
def test_any_reports_are_xml_that_counts_its_faults_right(found):
    root = ET.fromstring(report_junit(found).encode())
    suites = root.findall("testsuite")
    assert len(suites) == max(1, len(found))
    faults = [len(s.findall("testcase/failure") + s.findall("testcase/error")) for s in suites]
    passed = [r.passed for r in found] or [False]
    assert [fault == 0 for fault in faults] == passed
    for element in (root, *suites):
        assert int(element.get("tests", "")) == len(element.findall(".//testcase"))
        assert int(element.get("failures", "")) == len(element.findall(".//failure"))
        assert int(element.get("errors", "")) == len(element.findall(".//error"))


@settings(max_examples=100, deadline=None)
@given(REPORTS)
def test_any_report_is_narrow_text_whose_last_line_is_the_verdict(found):
    lines = report_text(found).split("\n")
    assert lines[-1] == ""
    assert lines[-2].startswith(f"{found.verdict}  ")
    assert max(len(line) for line in lines) <= WIDTH
    assert all(line.isprintable() for line in lines)


def test_junit_keeps_options_apart_from_what_ran_and_carries_the_notes():
    forged = Report(
        provenance=provenance(options=(("simulator", "none"),)), checks=(GOOD,), notes=("careful",)
    )
    root = ET.fromstring(report_junit([forged]))
    facts = [(p.get("name"), p.get("value")) for p in root.iter("property")]
    assert ("simulator", "ngspice 39") in facts
    assert ("option.simulator", "none") in facts
    assert len(dict(facts)) == len(facts)
    assert root.findtext("testsuite/system-out") == "careful"


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [("FAIL", "failure"), ("ERROR", "error"), ("TIMEOUT", "error"), ("UNVERIFIABLE", "error")],
)
def test_whatever_is_no_pass_is_a_fault_in_junit(verdict, tag):
    check = Check(id="c", title="t", verdict=Verdict(verdict), detail="where")
    fault = ET.fromstring(report_junit([report(check)])).find(f"testsuite/testcase/{tag}")
    assert fault is not None
    assert (fault.get("type"), fault.text) == (verdict, "where")


def test_infinite_figures_are_null_in_json():
    text = report_json(report(measured("c", "t", float("inf"), 1.0, per_state=(float("nan"),))))
    data = json.loads(text)
    assert data["checks"][0]["value"] is None
    assert data["checks"][0]["verdict"] == "FAIL"
    assert "NaN" not in text
    assert "Infinity" not in text
    assert report_json(report_from_json(text)) == text


def doctored(*path, to):
    """The JSON of a good report with the entry at `path` replaced, or deleted where `to` is ..."""
    data = json.loads(report_json(report(GOOD)))
    *way, last = path
    place = data
    for step in way:
        place = place[step]
    if to is ...:
        del place[last]
    else:
        place[last] = to
    return json.dumps(data)


CHECK = ("checks", 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "the report must be an object, got list"),
        ("{}", "expected a report of schema 'rnn2circuit-report-1', got None"),
        (doctored("schema", to="x"), "expected a report of schema .* got 'x'"),
        (doctored("notes", to=...), "the report lacks entry 'notes'"),
        (doctored("extra", to=1), "the report has an unknown entry 'extra'"),
        (doctored("verdict", to="FAIL"), "says 'FAIL' with exit code 0, its checks say 'PASS'"),
        (doctored("exit_code", to=1), "with exit code 1, its checks say 'PASS' with exit code 0"),
        (doctored("checks", to=[]), "its checks say 'UNVERIFIABLE' with exit code 3"),
        (doctored("checks", to={}), "checks must be a list, got dict"),
        (doctored("notes", to="abc"), "notes must be a list, got str"),
        (doctored("notes", to=[1]), r"notes\[0\] must be a string, got int"),
        (doctored(*CHECK, to="c"), r"checks\[0\] must be an object, got str"),
        (doctored(*CHECK, "title", to=...), r"checks\[0\] lacks entry 'title'"),
        (doctored(*CHECK, "id", to=None), r"checks\[0\].id must be a string, got NoneType"),
        (doctored(*CHECK, "verdict", to="pass"), "must be one of PASS, FAIL, .* got 'pass'"),
        (doctored(*CHECK, "value", to="1"), "value must be a finite number or null, got '1'"),
        (doctored(*CHECK, "value", to=True), "value must be a finite number or null, got 'True'"),
        (doctored(*CHECK, "value", to=10**400), "value must be a finite number or null"),
        (doctored(*CHECK, "value", to=float("nan")), "is no JSON: NaN is not JSON"),
        (doctored(*CHECK, "value", to=0).replace('"value": 0', '"value": 1e999'), "got 'inf'"),
        (doctored(*CHECK, "value", to=0.5), "says PASS, but its value 0.5 exceeds its limit 0.001"),
        (doctored(*CHECK, "per_state", to=0), "per_state must be a list, got int"),
        (doctored(*CHECK, "per_state", to=["a"]), r"per_state\[0\] must be a finite number"),
        (doctored("provenance", to=[]), "provenance must be an object, got list"),
        (doctored("provenance", "family", to=...), "provenance lacks entry 'family'"),
        (doctored("provenance", "family", to=3), "provenance.family must be a string, got int"),
        (doctored("provenance", "n_states", to="3"), "n_states must be an integer, got str"),
        (doctored("provenance", "n_states", to=True), "n_states must be an integer, got bool"),
        (doctored("provenance", "options", to=[]), "options must be an object, got list"),
        (doctored("provenance", "options", to={"a": 1}), "options.* must be a string, got int"),
    ],
)
def test_a_doctored_report_is_refused(text, message):
    with pytest.raises(ModelError, match=message):
        report_from_json(text)


def test_files_appear_together(tmp_path):
    paths = files.write_all(tmp_path / "new" / "dir", {"a": "1", "b": b"2"})
    assert [p.read_text() for p in paths] == ["1", "2"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full; nothing of"),
        (errno.EACCES, "no permission to write"),
        (errno.EIO, "cannot write"),
    ],
)
def test_a_failing_disk_leaves_nothing_behind(tmp_path, monkeypatch, code, message):
    (tmp_path / "a").write_text("old")
    calls = []

    def fail(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OutputError, match=message):
        files.write_all(tmp_path, {"a": "new", "b": "new"})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


def test_a_full_disk_in_the_middle_of_a_file_leaves_nothing_behind(tmp_path, monkeypatch):
    class Full:
        def __init__(self, descriptor, mode):
            self.descriptor = descriptor

        def __enter__(self):
            return self

        def __exit__(self, *fault):
            os.close(self.descriptor)

        def write(self, content):
            os.write(self.descriptor, content[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fdopen", Full)
    with pytest.raises(OutputError, match="the disk is full"):
        files.write_one(tmp_path / "a", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_fails_takes_new_files_away_again(tmp_path, monkeypatch):
    real = files.Path.replace

    def fail(self, target):
        if target.name == "b":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, target)

    monkeypatch.setattr(files.Path, "replace", fail)
    with pytest.raises(OutputError, match="cannot write"):
        files.write_all(tmp_path, {"a": "1", "b": "2"})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_all(tmp_path, {"a": "1"})
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_the_place_of_a_file_is_found_before_anything_is_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="b' is a directory; move it"):
        files.write_all(tmp_path, {"a": "new", "b": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_the_unfinished_file_of_another_run_is_neither_used_nor_deleted(tmp_path):
    other = tmp_path / f"a.tmp-{os.getpid()}"
    other.write_text("other")
    with pytest.raises(OutputError, match="left from a run that was killed"):
        files.write_all(tmp_path, {"a": "1"})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(other.name, "other")]


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "sub/a", "/a"])
def test_a_name_that_leaves_the_directory_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match="is not the name of a file in"):
        files.write_all(tmp_path / "d", {name: ""})
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_directory_is_said_so(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="is not a directory"):
        files.write_all(tmp_path / "f", {"a": ""})
    with pytest.raises(OutputError, match="is not a directory"):
        files.write_all(tmp_path / "f" / "deeper", {"a": ""})


def test_examples_that_are_missing_or_unknown_are_named(tmp_path, monkeypatch):
    from rnn2circuit import demo

    with pytest.raises(UsageError, match="no shipped network is called 'x'; there are rnn_delay"):
        demo.load_example("x")
    assert len(list_examples(demo.examples_directory())) >= 5
    monkeypatch.setattr(demo, "files", lambda name: tmp_path / "rnn2circuit")
    with pytest.raises(UsageError, match="shipped networks are missing"):
        demo.examples_directory()


def test_the_demo_runs_without_matplotlib_and_says_what_is_missing(tmp_path, monkeypatch):
    from rnn2circuit import demo

    few = list_examples(demo.examples_directory())[:2]
    monkeypatch.setattr(demo, "list_examples", lambda place: few)
    monkeypatch.setattr(demo, "is_drawable", lambda: False)
    result = demo.run_demo(tmp_path, simulator="neospice")
    assert result.verdict is Verdict.PASS
    assert "no pictures" in result.table
    assert not list(tmp_path.glob("*.png"))
