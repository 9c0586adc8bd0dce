"""A second simulator: gnucap where the netlist is linear, neospice as a sanity check."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit import Limits, compile_model, verify_compiled, verify_model
from rnn2circuit.cli import main
from rnn2circuit.errors import OutOfScopeError, SimulationError, UsageError
from rnn2circuit.flow import adopt_netlist
from rnn2circuit.flow import cross as cross_layer
from rnn2circuit.models.io import save
from rnn2circuit.simulate.gnucap import Gnucap, translated
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.verify.checks import Verdict

gnucap = pytest.mark.skipif(shutil.which("gnucap") is None, reason="gnucap is not installed")
pytestmark = pytest.mark.spice


def verdicts(result):
    return {c.id: c.verdict for c in result.report.checks if c.id.startswith("cross.")}


@gnucap
@pytest.mark.parametrize(
    ("form", "coupling", "inputs_as"),
    [
        ("rc", "vccs", "vccs"),
        ("rc", "gyrator", "gyrator"),
        ("rc", "minimal-gyrator", "vccs"),
        ("rc", "transformer", "vccs"),
        ("rc", "rails", "vccs"),
        ("rl", "vccs", "vccs"),
        ("rl", "ccvs", "vccs"),
        ("rl", "gyrator", "vccs"),
    ],
)
def test_gnucap_agrees_on_every_linear_form(form, coupling, inputs_as):
    model = random_model("linear", 4, 2, 3)
    model = replace(model, a=model.a - 3 * np.abs(model.a).max() * np.eye(4), bias=np.ones(4))
    compiled = compile_model(model, form=form, coupling=coupling, inputs_as=inputs_as)
    found = cross_layer.cross_checks(compiled, Gnucap(), Limits(), 1, None)
    ids = ["cross.gnucap", "cross.gnucap.outputs", "cross.gnucap.point"]
    assert [check.id for check in found] == ids
    assert all(check.verdict is Verdict.PASS for check in found), found
    assert found[0].value < 1e-4


@gnucap
def test_the_layer_can_fail():
    model = random_model("linear", 3, 1, 8)
    compiled = compile_model(model)
    line = next(line for line in compiled.netlist.splitlines() if line.startswith("g_a_"))
    value = float(line.split()[-1])
    wrong = compiled.netlist.replace(line, line.replace(line.split()[-1], repr(1.1 * value)))
    adopted = adopt_netlist(wrong, compiled.record, model)
    found = cross_layer.cross_checks(adopted, Gnucap(), Limits(), 1, None)
    assert found[0].id == "cross.gnucap"
    assert found[0].verdict is Verdict.FAIL
    assert "circuit" in found[0].detail


@gnucap
def test_the_report_says_which_second_simulator_it_was(tmp_path, capsys):
    path = tmp_path / "net.npz"
    save(random_model("linear", 2, 1, 1), path)
    spec = tmp_path / "spec.toml"
    spec.write_text('[simulator]\ncross = "gnucap"\n')
    outputs = [
        *("--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml")),
        *("--html", str(tmp_path / "r.html"), "--markdown", str(tmp_path / "r.md")),
    ]
    assert main(["verify", str(path), "--spec", str(spec), "--quick", *outputs]) == 0
    assert "cross gnucap 20" in capsys.readouterr().out.replace("\n ", "")
    for name in ("r.json", "r.xml", "r.html", "r.md"):
        assert "cross.gnucap" in (tmp_path / name).read_text(), name


@pytest.mark.parametrize("family", ["ctrnn", "ltc"])
def test_a_nonlinear_netlist_is_no_pass_in_gnucap(family, monkeypatch):
    monkeypatch.setattr(Gnucap, "is_available", lambda _: True)
    monkeypatch.setattr(Gnucap, "version", lambda _: "2017.10.03")
    monkeypatch.setattr(Gnucap, "_path", lambda _: "gnucap")
    result = verify_model(random_model(family, 2, 1, 1), cross="gnucap", quick=True, duration=0.1)
    assert verdicts(result) == {"cross.gnucap": Verdict.UNVERIFIABLE}
    assert result.verdict is Verdict.UNVERIFIABLE


def test_what_is_not_installed_is_no_pass(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "gnucap" else f"/bin/{name}")
    assert not Gnucap().is_available()
    with pytest.raises(SimulationError, match="install the package gnucap"):
        Gnucap().version()
    compiled = compile_model(random_model("linear", 2, 1, 1))
    (check,) = cross_layer.cross_checks(compiled, Gnucap(), Limits(), 1, None)
    assert check.verdict is Verdict.UNVERIFIABLE
    assert "not installed" in check.detail


def test_without_being_asked_for_there_is_no_second_simulator():
    result = verify_model(random_model("linear", 2, 1, 1), quick=True, duration=0.1)
    assert verdicts(result) == {}
    assert "cross" not in dict(result.report.provenance.options)
    with pytest.raises(UsageError, match="cross must be one of gnucap, neospice, none"):
        verify_model(random_model("linear", 2, 1, 1), cross="spice")


def test_neospice_is_a_sanity_check_only():
    pytest.importorskip("neospice")
    compiled = compile_model(random_model("ltc", 2, 1, 1), duration=0.5)
    result = verify_compiled(compiled, simulator="ngspice", cross="neospice", quick=True)
    assert set(verdicts(result).values()) == {Verdict.PASS}
    assert any("no independent evidence" in note for note in result.report.notes)
    with pytest.raises(UsageError, match="which is the simulator already"):
        verify_compiled(compiled, simulator="neospice", cross="neospice")


def test_a_clocked_cell_is_compared_step_by_step():
    pytest.importorskip("neospice")
    compiled = compile_model(random_cell("gru", 2, 1, 0), duration=3)
    result = verify_compiled(compiled, simulator="ngspice", cross="neospice", quick=True)
    assert verdicts(result)["cross.neospice"] is Verdict.PASS


class Broken(Gnucap):
    """A second simulator whose runs fail."""

    def is_available(self):
        return True

    def run(self, deck, *, timeout):
        raise SimulationError("broken")


def test_a_second_simulator_that_breaks_is_an_error():
    compiled = compile_model(random_model("linear", 2, 1, 1))
    (check,) = cross_layer.cross_checks(compiled, Broken(), Limits(), 1, None)
    assert check.verdict is Verdict.ERROR
    if shutil.which("gnucap"):
        (check,) = cross_layer.cross_checks(compiled, Gnucap(), Limits(), 1, 1e-3)
        assert check.verdict is Verdict.TIMEOUT


def deck(body, main="* t\n.include n.cir\nv_u1 u1 0 dc 1.0\nx_dut u1 x1 n\n.op\n.end\n"):
    return Deck(
        files={"n.cir": f"* n\n.subckt n u1 x1\n{body}\n.ends n\n", "m.cir": main},
        main="m.cir",
        signals=("v(x1)",),
        t_stop=0.0,
    )


def test_only_lines_that_both_read_alike_are_handed_on():
    text = translated(deck("r_1 u1 x1 -5.0 noisy=0\nc_1 x1 0 1e-9 ic=0.5\n.ic v(x1)=0.5"))
    assert text.splitlines() == [
        "* rnn2circuit",
        ".options numdgt=15 reltol=1e-9 abstol=1e-18 vntol=1e-12",
        ".subckt n u1 x1",
        "r_1 u1 x1 -5.0",
        "c_1 x1 0 1e-9 ic=0.5",
        ".ends n",
        "v_u1 u1 0 1.0",
        "x_dut u1 x1 n",
        ".print op v(x1)",
        ".op > out.txt",
        ".end",
    ]


def test_sources_are_as_resistive_as_a_circuit_with_ccvs_can_bear():
    resistors = "r_1 u1 x1 5e3\nr_2 x1 0 -1e3\nr_3 u1 0 2e3"
    assert "short" not in translated(deck(resistors))
    ccvs = "v_1 u1 n1 0\nh_1 n1 0 v_1 5.0"
    assert " short=0.002\n" in translated(deck(f"{resistors}\n{ccvs}"))
    assert "short" not in translated(deck(ccvs))


@pytest.mark.parametrize(
    "body",
    [
        "b_1 x1 0 v=v(u1)",
        "c_1 x1 0 1e-9",  # where it starts, only an operating point would say
        "r_1 x1 0 {2}",
        "r_1 x1 0 1k",
        "s_1 x1 0 u1 0 sw",
        ".param q=1",
        "r_1 x1 0 1.0 > file",
        ".!touch file",
        "!touch file",
        "r_1 x1 0 5.0 ; x",
    ],
)
def test_other_lines_are_out_of_scope(body):
    with pytest.raises(OutOfScopeError, match="gnucap is given no line like"):
        translated(deck(body))


@gnucap
def test_what_gnucap_says_besides_its_banner_is_an_error():
    with pytest.raises(SimulationError, match="exit code 0 and said"):
        Gnucap().measure(replace(deck("r_1 u1 x1 5.0"), signals=("v(x9)",)), timeout=20)
    values = Gnucap().measure(deck("r_1 u1 x1 5e3\nr_2 x1 0 5e3"), timeout=20)
    assert values["v(x1)"] == pytest.approx(0.5, rel=1e-8)  # its sources have 10 micro-ohm


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo nonsense", "said: nonsense"),
        ("exit 3", "exit code 3"),
        ("printf '# v(x1)\\n27. x\\n' > out.txt", "cannot be read"),
        ("printf '# v(x1)\\n27.\\n' > out.txt", "rows of another length"),
        ("printf '# v(x1)\\n27. nan\\n' > out.txt", "no finite"),
        ("printf '# v(x2)\\n27. 1\\n' > out.txt", "no finite"),
    ],
)
def test_a_result_is_judged_by_its_data(tmp_path, script, message):
    program = tmp_path / "fake"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(SimulationError, match=message):
        Gnucap(executable=str(program)).measure(deck("r_1 u1 x1 5.0"), timeout=20)


def test_a_version_that_is_not_told(tmp_path):
    program = tmp_path / "fake"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(SimulationError, match="does not name a gnucap version"):
        Gnucap(executable=str(program)).version()
    program.write_bytes(b"\0")
    with pytest.raises(SimulationError, match="--version failed"):
        Gnucap(executable=str(program)).version()


@gnucap
def test_doctor_examines_gnucap(capsys):
    assert main(["doctor", "--simulator", "gnucap"]) == 0
    assert "gnucap 20" in capsys.readouterr().out
