"""Rules of the text: each fires on the line that breaks it, none on a netlist of ours."""

from dataclasses import replace

import pytest
from random_models import CELLS, FAMILIES, random_cell, random_model

from rnn2circuit import Hopfield, compile_model, verify_compiled
from rnn2circuit.errors import SimulationError
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.rules import bench_findings, check_rules, netlist_findings

HEAD = "* good\n.subckt s u1 x1\nr_1 u1 x1 1000.0\nc_1 x1 0 1e-09 ic=0.5\n"
TAIL = ".ic v(x1)=0.5\n.ends s\n"
BENCH = (
    "* bench\n.include s.cir\n.options klu reltol=1e-9\nv_u1 u1 0 pwl(0.0 1.0 0.001 2.0)\n"
    "x_dut u1 x1 s\n.save v(x1)\n.tran 1e-06 0.001 0 1e-06\n.end\n"
)


def found(text):
    return [(f.rule, f.line) for f in netlist_findings(text, driven=["u1"])]


def bench(text):
    return [(f.rule, f.line) for f in bench_findings(text, included="s.cir")]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_rule_fires_on_what_is_emitted(family):
    for form in ("rc", "rl"):
        for coupling in ("vccs", "gyrator"):
            for seed in range(3):
                model = random_model(family, 1 + seed, seed, seed)
                compiled = compile_model(model, form=form, coupling=coupling, duration=1.0)
                assert rules(compiled).verdict is Verdict.PASS, rules(compiled).detail


@pytest.mark.parametrize("family", CELLS)
def test_no_rule_fires_on_a_clocked_cell(family):
    assert rules(compile_model(random_cell(family, 4, 2, 1))).verdict is Verdict.PASS


def rules(compiled):
    return check_rules(
        compiled.netlist,
        compiled.testbench,
        included=compiled.record.netlist,
        driven=compiled.state_map.driven,
    )


def test_the_plain_examples_keep_every_rule():
    assert found(HEAD + TAIL) == []
    assert bench(BENCH) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("*#shell echo", "N1"),
        ("* # shell echo", "N1"),
        (".control", "N1"),
        (".CONTROLX", "N1"),
        (".include other.cir", "N1"),
        (".lib other", "N1"),
        ("a1 x1 0 filesource", "N1"),
        ("* \u00b5", "N1"),
        ("r_2 x1 0 1e3\r", "N1"),
        ("R_1 x1 0 1000.0", "N2"),
        ("r_2 X1 0 1000.0", "N2"),
        ("r_2 x1 time 1000.0", "N2"),
        ("r_2 x1 gnd 1000.0", "N2"),
        ("r_2 x1 00 1000.0", "N2"),
        ("r_2 x1 0 1k", "N3"),
        ("r_2 x1 0 1,5", "N3"),
        ("r_2 x1 0 nan", "N3"),
        ("r_2 x1 0 1e400", "N3"),
        ("c_2 x1 0 1e-31 ic=0.0", "N3"),
        ("c_2 x1 0 1e-09 ic=1m", "N3"),
        ("r_2 x1 0 0", "N4"),
        ("r_2 x1 0 -1000.0", "N4"),
        ("c_2 x1 0 0.0 ic=0.0", "N4"),
        ("l_2 x1 0 -1e-3 ic=0.0", "N4"),
        ("r_2 x1 0", "N5"),
        ("g_2 0 x1 u1 1e-3", "N5"),
        ("f_2 0 x1 v_none 1.0", "N5"),
        ("s_2 x1 0 u1 0 none", "N5"),
        ("b_2 x1 0 i=tanh(v(none))", "N5"),
        ("b_2 x1 0 i=i(none)", "N5"),
        (".ic v(none)=0.5", "N5"),
        (".model m sw vt=0.5\n.model m sw vt=0.6", "N5"),
        (".model m sw vt=1k", "N3"),
        ("g_2 0 lost u1 0 1e-3", "N6"),
        ("c_2 lost 0 1e-9", "N6"),
        ("e_2 q 0 u1 0 1.0\nv_2 q 0 1.0", "N7"),
        ("b_2 q 0 v=v(u1)\nb_3 q 0 v=v(u1)", "N7"),
        ("b_2 x1 0 i=time*v(x1)", "N9"),
        (".tran 1e-6 1e-3", "N10"),
        (".options cshunt=1e-12", "N10"),
        (".temp 100", "N10"),
        ("b_2 x1 0 i=v(x1)**3", "N11"),
        ("b_2 x1 0 i=v(x1)^3", "N11"),
        ("b_2 x1 0 i=pow(v(x1),3)", "N11"),
        ("b_2 x1 0 i=0.123456789012*v(x1)", "N11"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(line, rule):
    rows = found(HEAD + line + "\n" + TAIL)
    assert (rule, 5 + line.count("\n")) in rows
    assert len(rows) == 1 or line.startswith("g_2 0 x1 u1 1e-3")  # its value stands for a node


@pytest.mark.parametrize(
    "line",
    [
        "r_2 x1 0 -1000.0 noisy=0",
        "g_2 q 0 q 0 1e-3",
        "b_2 q 0 i=tanh(v(q))",
        "g_2 p q x1 u1 1e-3\ng_3 x1 u1 p q -1e-3\nr_3 q 0 10.0",
        "b_2 q 0 v=0.5+0.5*tanh(0.5*v(x1))",
        "+ noisy=0",
        "d_2 x1 0 diode",
    ],
)
def test_lines_that_only_look_wrong_pass(line):
    head = HEAD if line[0] != "+" else HEAD + "r_2 x1 0 -5.0\n"
    assert found(head + line + "\n" + TAIL) == []


def test_a_title_that_is_an_element_is_lost_and_named():
    assert found("r_0 x1 0 5.0\n" + HEAD[7:] + TAIL)[0] == ("N1", 1)
    assert ("N1", 1) in found("*ng_script\n" + HEAD[7:] + TAIL)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("pwl(0.0 1.0", "pwl(0.0005 1.0", "N8"),
        ("0.001 2.0)", "0.001)", "N8"),
        ("0.001 2.0)", "0.0 2.0)", "N8"),
        ("0.001 2.0)", "1m 2.0)", "N3"),
        (".include s.cir", ".include t.cir", "N1"),
        (".tran 1e-06 0.001 0 1e-06\n", "", "N10"),
        (".end", ".op\n.end", "N10"),
        ("reltol=", "reltoll=", "N10"),
        ("reltol=1e-9", "reltol=0", "N10"),
        ("reltol=1e-9", "reltol=1n", "N10"),
        ("v(x1)\n", "v(x1) v(x9)\n", "N10"),
        ("x_dut", "r_9 x1 0 5.0\nx_dut", "N10"),
    ],
)
def test_a_testbench_that_breaks_a_rule_is_named(old, new, rule):
    assert old in BENCH
    assert [r for r, _ in bench(BENCH.replace(old, new, 1))] == [rule]


@pytest.mark.spice
def test_a_netlist_with_a_command_is_refused_and_the_command_never_runs(tmp_path):
    model = Hopfield(tau=[1.0], w=[[0.5]], activation="tanh", x0=[0.5])
    compiled = compile_model(model)
    for k, line in enumerate(
        ("*#shell touch {0}", "*  #shell touch {0}", ".control\nshell touch {0}\n.endc")
    ):
        proof = tmp_path / f"proof{k}"
        text = compiled.netlist.replace("*\n", line.format(proof) + "\n", 1)
        assert text != compiled.netlist
        result = verify_compiled(replace(compiled, netlist=text))
        assert result.verdict is Verdict.FAIL
        rule = next(c for c in result.report.checks if c.id == "structure.rules")
        assert "N1 line 5" in rule.detail
        assert not proof.exists()


@pytest.mark.parametrize(
    "text",
    [
        "* t\n*#shell true\n",
        "*NG_SCRIPT\n",
        "* t\n .Control\n",
        "* t\n.inc /etc/hostname\n",
        "* t\n.lib x\n",
        "* t\na1 x 0 filesource\n",
        "* t\nr1 x 0 1\r\n",
    ],
)
def test_no_simulator_gets_a_deck_that_could_run_something(text):
    with pytest.raises(SimulationError, match="it is not run"):
        Deck(files={"a.cir": text}, main="a.cir", signals=(), t_stop=1.0)


def test_sizes_and_spread_of_values_are_told_and_no_fault():
    compiled = compile_model(random_model("linear", 3, 1, 1))
    check = rules(compiled)
    assert check.verdict is Verdict.PASS
    assert check.detail.startswith("N12 sizes of values: R ")
    text = (
        HEAD + "r_2 x1 0 5.0\nr_3 x1 0 -2e6 noisy=0\ng_1 x1 0 u1 0 -1e-5\ng_2 0 x1 u1 0 0\n" + TAIL
    )
    check = check_rules(text, BENCH, included="s.cir", driven=["u1"])
    assert check.detail == (
        "N12 sizes of values: R 5 to 2e+06 ohm (4e+05 : 1), C 1e-09 to 1e-09 F (1 : 1), "
        "gm 1e-05 to 1e-05 S (1 : 1); more than 10000 : 1 of R is hard to build"
    )
    nested = "* t\n.subckt s x1\nx1 x1 p r=7\n.ends\n.subckt p a r=1\nr1 a 0 {2*r}\n.ends\n"
    check = check_rules(nested, BENCH, included="s.cir", driven=[], subckt="s")
    assert check.detail == "N12 sizes of values: R 14 to 14 ohm (1 : 1)"
    bare = check_rules("* t\n", BENCH, included="s.cir", driven=[])
    assert bare.detail == ""


@pytest.mark.spice
def test_a_report_notes_the_sizes_of_values():
    notes = verify_compiled(compile_model(random_model("linear", 2, 1, 1)), quick=True).report.notes
    assert any(note.startswith("N12 sizes of values: R") for note in notes)
