"""Specification files, reports of several runs, and the pytest fixture."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from rnn2circuit.cli import main
from rnn2circuit.errors import UsageError
from rnn2circuit.report.html import report_html
from rnn2circuit.report.json_report import reports_json
from rnn2circuit.report.markdown import report_markdown
from rnn2circuit.specification import read_specification
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
FILTER = str(EXAMPLES / "linear_filter.safetensors")

pytest_plugins = ["pytester"]


def spec(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return path


def test_a_specification_names_options_stimuli_and_seeds(tmp_path):
    runs = read_specification(
        spec(
            tmp_path,
            'seeds = [1, 2]\n[model]\nclocked = true\n[circuit]\nform = "rl"\n'
            '[simulator]\nname = "ngspice"\ntimeout = 5.5\n[limits]\ntransient = 1e-4\n'
            '[[stimuli]]\nstimulus = "a.csv"\nhold = "zoh"\n[[stimuli]]\nstimulus = "b.csv"\n',
        )
    )
    common = ("--clocked", "--form=rl", "--simulator=ngspice", "--timeout=5.5")
    common = (*common, "--limit-transient=0.0001")
    assert [run.label for run in runs] == [
        "a.csv, seed 1",
        "a.csv, seed 2",
        "b.csv, seed 1",
        "b.csv, seed 2",
    ]
    first = (f"--stimulus={tmp_path / 'a.csv'}", "--hold=zoh", "--seed", "1")
    assert runs[0].arguments == (*common, *first)


def test_an_empty_specification_is_one_run_as_it_comes(tmp_path):
    (run,) = read_specification(spec(tmp_path, ""))
    assert (run.label, run.arguments) == ("", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [", "is not TOML"),
        ("limit = 3", "unknown entry 'limit'; known: circuit"),
        ("limits = 3", r"'limits' must be a table \[limits\], got 3"),
        ("[limits]\ntransiet = 3", r"\[limits\] has an unknown entry 'transiet'"),
        ("[circuit]\nform = ['rc']", r"\[circuit\] form must be text, a number or true"),
        ("[model]\nclocked = false", r"\[model\] clocked must be text, a number or true"),
        ("seeds = 3", "seeds must be a list of whole numbers, got 3"),
        ("seeds = [true]", "seeds must be a list of whole numbers"),
        ("stimuli = 3", r"stimuli must be tables \[\[stimuli\]\], got 3"),
        ("[[stimuli]]\nhold = 'zoh'", r"\[\[stimuli\]\] 1 names no file"),
        ("[[stimuli]]\nstimulus = 'a'\nseed = 1", r"\[\[stimuli\]\] 1 has an unknown entry 'seed'"),
        (
            f"seeds = {list(range(501))}\n" + "[[stimuli]]\nstimulus = 'a'\n" * 2,
            "1002 runs, the limit is 1000",
        ),
        ("#" + "x" * (1 << 20), "the limit is 1048576"),
    ],
)
def test_a_bad_specification_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read_specification(spec(tmp_path, text))


def test_a_specification_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_specification(tmp_path / "none.toml")


@pytest.mark.spice
def test_the_command_line_runs_a_specification_and_goes_before_it(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("0,0\n1,1\n2,0\n")
    (tmp_path / "b.csv").write_text("0,1\n1,-1\n2,0\n")
    path = spec(
        tmp_path,
        '[circuit]\nform = "rl"\n[testbench]\nhold = "linear"\n'
        '[[stimuli]]\nstimulus = "a.csv"\n[[stimuli]]\nstimulus = "b.csv"\n',
    )
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "xml", "html", "md")}
    arguments = ["verify", FILTER, "--spec", str(path), "--form", "rc", "-o", str(tmp_path / "out")]
    for option, kind in (("json", "json"), ("junit", "xml"), ("html", "html"), ("markdown", "md")):
        arguments += [f"--{option}", str(files[kind])]
    assert main([*arguments, "--plot", str(tmp_path / "wave.svg")]) == 0
    out = capsys.readouterr().out
    assert "== a.csv\n" in out
    assert out.endswith("PASS  2 of 2 runs passed\n")
    data = json.loads(files["json"].read_text())
    assert (data["schema"], data["verdict"], len(data["reports"])) == (
        "rnn2circuit-reports-1",
        "PASS",
        2,
    )
    follows_schema(data)
    assert all(r["provenance"]["options"]["form"] == "rc" for r in data["reports"])
    assert len(ET.parse(files["xml"]).getroot().findall("testsuite")) == 2
    assert files["html"].read_text().count("data:image/svg+xml;base64,") == 2
    assert files["md"].read_text().count("### PASS") == 2
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {
        "linear_filter.report.1.html",
        "linear_filter.report.2.json",
    }
    assert (tmp_path / "wave.1.svg").exists()
    assert (tmp_path / "wave.2.svg").exists()


def follows_schema(data):
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)


@pytest.mark.spice
def test_reports_follow_the_published_schema(tmp_path):
    out = tmp_path / "o.json"
    for arguments in (
        ["verify", FILTER],
        ["verify", str(EXAMPLES / "rnn_delay.pt"), "--dt", "0.1"],
        ["verify", FILTER, "--limit-transient", "1e-12"],
        ["verify", FILTER, "--timeout", "0.001"],
    ):
        main([*arguments, "--duration", "1.0", "--json", str(out)])
        data = json.loads(out.read_text())
        follows_schema(data)
        with pytest.raises(jsonschema.ValidationError):
            follows_schema(data | {"verdict": "FINE"})
        with pytest.raises(jsonschema.ValidationError):
            follows_schema(data | {"extra": 1})


@pytest.mark.spice
def test_one_run_that_fails_decides(tmp_path, capsys):
    path = spec(tmp_path, "[limits]\ntransient = 1e-12\n")
    assert main(["verify", FILTER, "--spec", str(path)]) == 1
    assert capsys.readouterr().out.rstrip().endswith("checks passed")


HOSTILE = "</table><script>alert(1)</script>|`x`\n# PASS\x1b[2J\u202e"


def hostile_report():
    return Report(
        provenance=Provenance(
            subject=HOSTILE,
            family=HOSTILE,
            n_states=1,
            n_inputs=0,
            weights_sha256=HOSTILE,
            netlist_sha256="0" * 64,
            tool_version="1",
            simulator=HOSTILE,
            simulator_version="39",
            options=((HOSTILE, HOSTILE),),
        ),
        checks=(
            Check(id=HOSTILE, title=HOSTILE, verdict=Verdict.FAIL, detail=HOSTILE),
            Check(
                id="transient.states",
                title="t",
                verdict=Verdict.PASS,
                value=0.1,
                limit=1.0,
                per_state=(0.1, float("nan")),
            ),
        ),
        notes=(HOSTILE,),
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_runs_nothing():
    page = report_html([(hostile_report(), {HOSTILE: b"<svg/>"})])
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "script" not in [tag for tag, _ in tags.seen]
    for _, attributes in tags.seen:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert "<b>x2 nan</b>" in page  # the worst figure is the one that is none
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_page_of_nothing_is_no_pass():
    assert "UNVERIFIABLE" in report_html([])
    assert json.loads(reports_json([]))["verdict"] == "UNVERIFIABLE"


def test_markdown_cannot_be_forged():
    text = report_markdown(hostile_report())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 4  # head, rule of the head, two checks
    assert all(re.sub(r"\\.", "", line).count("|") == 6 for line in rows)
    outside = re.sub(r"`[^`]*`", "", text)  # renderers show code as it stands
    assert not re.search(r"(?<!\\)[<>]", outside)
    assert sum(line.startswith("#") for line in text.splitlines()) == 1


@pytest.mark.spice
def test_the_fixture_passes_and_fails_tests_of_other_projects(pytester):
    pytester.makepyfile(
        f"""
        import pytest, rnn2circuit as r2c
        from rnn2circuit.errors import UsageError

        FILE = {FILTER!r}

        def test_passes(rnn2circuit):
            result = rnn2circuit(FILE, form="rl", limits={{"transient": 1e-4}}, duration=2.0)
            assert result.passed
            assert result.compiled.name == "linear_filter"

        def test_takes_a_network_and_a_stimulus(rnn2circuit, tmp_path):
            (tmp_path / "u.csv").write_text("0,0\\n1,1\\n")
            rnn2circuit(r2c.load(FILE), stimulus=tmp_path / "u.csv", hold="linear")

        def test_fails(rnn2circuit):
            rnn2circuit(FILE, limits={{"transient": 1e-12}}, duration=2.0)

        def test_bad_use_is_refused(rnn2circuit):
            with pytest.raises(UsageError, match="'dt' is an option of files"):
                rnn2circuit(r2c.load(FILE), dt=0.1)
            with pytest.raises(UsageError, match="hold goes with the path"):
                rnn2circuit(FILE, hold="zoh")
        """
    )
    result = pytester.runpytest_subprocess("-p", "rnn2circuit.pytest_plugin")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*FAIL*linear_filter:*checks passed*"])
