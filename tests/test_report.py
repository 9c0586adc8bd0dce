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
from rnn2circuit.report import files, plots
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


TEXTS = st.text(max_size=30)
CHECKS = st.builds(
    Check,
    id=TEXTS,
    title=TEXTS,
    verdict=st.sampled_from(Verdict),
    value=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    limit=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    unit=st.sampled_from(["", "V"]),
    detail=TEXTS,
    per_state=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(CHECKS, max_size=4).map(tuple), TEXTS)
def test_any_report_survives_json_and_xml(checks, subject):
    found = Report(provenance=provenance(subject=subject), checks=checks, notes=(subject,))
    assert report_from_json(report_json(found)) == found
    root = ET.fromstring(report_junit([found]))
    suite = root.find("testsuite")
    assert suite is not None
    bad = len(suite.findall(".//failure")) + len(suite.findall(".//error"))
    assert (bad == 0) == found.passed
    assert report_text(found).rstrip("\n").splitlines()


def test_infinite_figures_are_null_in_json():
    text = report_json(report(measured("c", "t", float("inf"), 1.0, per_state=(float("nan"),))))
    data = json.loads(text)
    assert data["checks"][0]["value"] is None
    assert data["checks"][0]["verdict"] == "FAIL"
    assert "NaN" not in text
    assert "Infinity" not in text


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.replace("rnn2circuit-report-1", "x"), "expected a report of schema"),
        (lambda t: t.replace('"checks"', '"chex"'), "is not a report"),
        (lambda t: t[:40], "is not a report"),
        (lambda t: t.replace('"verdict": "PASS"', '"verdict": "FAIL"', 1), "its checks say|report"),
        (lambda t: t.replace('"title"', '"titel"'), "is not a report"),
    ],
)
def test_a_doctored_report_is_refused(edit, message):
    with pytest.raises(ModelError, match=message):
        report_from_json(edit(report_json(report(GOOD))))


def test_files_appear_together(tmp_path):
    paths = files.write_all(tmp_path / "new" / "dir", {"a": "1", "b": b"2"})
    assert [p.read_text() for p in paths] == ["1", "2"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full; nothing was written"),
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


def test_a_file_in_the_place_of_a_directory_is_said_so(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="is not a directory"):
        files.write_all(tmp_path / "f", {"a": ""})
    with pytest.raises(OutputError, match="is not a directory"):
        files.write_all(tmp_path / "f" / "deeper", {"a": ""})


def wave(path, **changes):
    t = np.linspace(0, 5e-3, 200)
    x = np.column_stack([np.sin(1e3 * k * t) for k in range(1, 11)])
    fields = {
        "title": "ten states",
        "t_ref": t,
        "x_ref": x,
        "t_sim": t,
        "x_sim": x,
        "error": np.full_like(x, 1e-6),
        "state_names": [f"x{k}" for k in range(1, 11)],
        "limit": 1e-3,
    }
    plots.plot_waveforms(path, **(fields | changes))


def test_pictures_are_whole_files_of_the_kind_asked_for(tmp_path):
    wave(tmp_path / "w.png")
    wave(tmp_path / "w.svg")
    png, svg = (tmp_path / "w.png").read_bytes(), (tmp_path / "w.svg").read_text()
    assert png.startswith(b"\x89PNG")
    assert len(png) < 300_000
    assert "2 more not shown" in svg or "more" in svg
    wave(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == svg


def test_without_matplotlib_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def fail(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(UsageError, match=r'pip install "rnn2circuit\[plot\]"'):
        wave(tmp_path / "w.png")


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

    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    result = demo.run_demo(tmp_path, simulator="neospice")
    assert result.verdict is Verdict.PASS
    assert "no pictures" in result.table
    assert not list(tmp_path.glob("*.png"))
