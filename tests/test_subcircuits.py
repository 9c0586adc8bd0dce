"""Subcircuits and parameters: unfolded as ngspice does, or refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
from mutants import draw, equivalent
from random_circuits import AGREEMENT, compare_circuits
from random_models import random_cell, random_model
from wrapped import wrapped

from rnn2circuit.cli import main
from rnn2circuit.errors import SimulationError, UnverifiableError
from rnn2circuit.flow import adopt_netlist, compile_model, verify_compiled
from rnn2circuit.models.io import save
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.neospice import flatten as neospice_text
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify import flatten as unfolding
from rnn2circuit.verify import suspects
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.definitions import read_deck
from rnn2circuit.verify.equations import check_equations, sha256_text
from rnn2circuit.verify.extraction import extract
from rnn2circuit.verify.lines import logical_lines
from rnn2circuit.verify.netlist import IGNORED, read_netlist
from rnn2circuit.verify.rules import netlist_findings

# Decks whose one resistor takes 1 mA, by what they ask of the rules for parameters and scopes.
RESISTORS = {
    "argument": ".subckt s a r=1000\nr1 a 0 {r}\n.ends\nx1 n s r=2000",
    "argument, by the word": ".subckt s a params: r=1000\nr1 a 0 {r}\n.ends\nx1 n s params: r=2000",
    "default": ".subckt s a params: r=1000\nr1 a 0 {r}\n.ends\nx1 n s",
    "of the file": ".param r=700\n.subckt s a\nr1 a 0 {r}\n.ends\nx1 n s",
    "default of the file's": ".param g=700\n.subckt s a r={g*2}\nr1 a 0 {r}\n.ends\nx1 n s",
    "default of another": ".subckt s a r={q*2} q=300\nr1 a 0 {r}\n.ends\nx1 n s q=400",
    "caller's value": ".param r=100\n.subckt s a r=1000\nr1 a 0 {r}\n.ends\nx1 n s r={r*3}",
    "bare expression": ".param q=150\n.subckt s a r=9\nr1 a 0 'r*2'\n.ends\nx1 n s r=q*2",
    "defined later": ".param a={b*2}\n.param b=100\nr1 n 0 {a}",
    "defined later, inside": "x1 n s\n.subckt s n\nr1 n 0 {a}\n.param a={b*2}\n.param b=1e2\n.ends",
    "of the caller": ".subckt in a\nr1 a 0 {q}\n.ends\n.subckt s a q=250\nx1 a in\n.ends\nx1 n s",
    "caller before file": (
        ".param q=111\n.subckt in a\nr1 a 0 {q}\n.ends\n.subckt s a\n.param q=250\nx1 a in\n.ends\n"
        "x1 n s"
    ),
    "default in the caller": (
        ".param q=3\n.subckt in a r={q}\nr1 a 0 {r}\n.ends\n.subckt s a q=50\nx1 a in\n.ends\n"
        "x1 n s"
    ),
    "same name handed on": (
        ".subckt in a r=5\nr1 a 0 {r}\n.ends\n.subckt s a r=7\nx1 a in r=r\n.ends\nx1 n s r=100"
    ),
    "of the argument": ".subckt s a r=7\n.param q={r*2}\nr1 a 0 {q}\n.ends\nx1 n s r=100",
    "default of its own": ".subckt s a r={q*2}\n.param q=9\nr1 a 0 {r}\n.ends\nx1 n s",
    "inner definition": (
        ".subckt in a\nr1 a 0 10\n.ends\n.subckt s a\n.subckt in a\nr1 a 0 20\n.ends in\nx1 a in\n"
        ".ends s\nx1 n s"
    ),
    "beside an inner one": (
        ".subckt s a\n.subckt one a\nx1 a two\n.ends\n.subckt two a\nr1 a 0 9\n.ends\nx1 a one\n"
        ".ends\nx1 n s"
    ),
    "capitals": ".PARAM Q=2\n.SUBCKT S A R=5\nR1 A 0 {R}\n.ENDS S\nX1 N s r={q*10}",
    "blanks": ".param q = 150\n.subckt s a r = 10\nr1 a 0 { r * 2 }\n.ends\nx1 n s r = { q + 1 }",
    "all digits": ".subckt s n q=1\nr1 n 0 {q}\n.ends\nx1 n s q=0.12345678901234567",
    "continued": ".subckt s a\n+ r=5\nr1 a 0 {r}\n.ends\nx1 n\n+ s\n+ r=6",
    "ground inside": ".subckt s a\nr1 a gnd 10\n.ends\nx1 n s",
    "a port that is ground": ".subckt s a b\nr1 a b 9\n.ends\nx1 n 0 s",
    **{
        f"expression {text}": f".param q=4\nr1 n 0 {{{text}}}"
        for text in (
            *("-2*3+10", "10-3-2", "12/2/3", "2*-3+10", "1/2*3", "-(2+3)*-2", "2--3", "+3", "q"),
            *("sqrt(q)", "exp(1)", "ln(5)", "abs(-3)", "min(2,q)", "max(2,q)", "9+sgn(-2)"),
            *("tanh(0.5)", "8/-2+10", "1+-1+5", "2*(3+q)*2", "-sqrt(q)+9", "2e-3*1e3", ".5*q"),
        )
    },
}


@pytest.mark.spice
@pytest.mark.parametrize("body", RESISTORS.values(), ids=RESISTORS)
def test_names_mean_what_they_mean_to_ngspice(body):
    deck = Deck(
        files={"a.cir": f"* t\n{body}\ni1 0 n 1m\n.op\n.save v(n)\n.end\n"},
        main="a.cir",
        signals=("v(n)",),
        t_stop=0.0,
    )
    measured = Ngspice().measure(deck, timeout=20)["v(n)"] / 1e-3
    resistors = read_netlist(f"* t\n{body}\n").r
    assert len(resistors) == 1
    assert resistors[0][3] == pytest.approx(measured, rel=1e-12)


@pytest.mark.spice
def test_random_circuits_of_subcircuits_agree_with_ngspice():
    done = compare_circuits(40, seed=11, parts=2)
    assert done.disagreements == []
    assert len(done.errors) == done.wrapped == 40
    assert max(done.errors) < AGREEMENT
    assert min(done.kinds[kind] for kind in "rclviegfhbs") > 5


WRAPPED = [("ctrnn", "rc", "vccs"), ("ltc", "rl", "gyrator"), ("hopfield", "rc", "vccs")]


def wrapped_network(family, form, coupling, seed):
    """A compiled network, and the same with parts of its netlist in subcircuits."""
    rng = np.random.default_rng(seed)
    if family == "gru":
        compiled = compile_model(random_cell("gru", 2, 1, seed), duration=3)
    else:
        model = random_model(family, 3, 1, seed)
        compiled = compile_model(model, form=form, coupling=coupling, duration=0.3)
    text = wrapped(compiled.netlist, rng)
    assert text.lower().count(".subckt") > 1
    return compiled, text


@pytest.mark.spice
@pytest.mark.parametrize(
    ("family", "form", "coupling"), [*WRAPPED, ("gru", "rc", "vccs"), ("lrc", "rl", "vccs")]
)
def test_a_netlist_cut_into_subcircuits_passes_every_layer(family, form, coupling):
    compiled, text = wrapped_network(family, form, coupling, 5)
    adopted = adopt_netlist(text, compiled.record, compiled.model, duration=compiled.duration)
    result = verify_compiled(adopted, simulator="ngspice")
    assert result.passed, result.report.checks
    ids = {check.id for check in result.report.checks}
    assert {"simulator.step" if family == "gru" else "simulator.f", "structure.rules"} <= ids


@pytest.mark.parametrize(("family", "form", "coupling"), WRAPPED)
def test_single_faults_within_subcircuits_are_found(family, form, coupling, monkeypatch):
    monkeypatch.setattr(suspects, "MOST", 0)  # whom to blame is another test's question
    compiled, text = wrapped_network(family, form, coupling, 7)
    assert accepted(text, compiled.record, compiled.model)
    rng, killed = np.random.default_rng(2), 0
    for kind in ("sign", "1 %", "swapped nodes", "deleted line", "doubled line") * 5:
        mutant = draw(text, kind, rng)
        if mutant is None or equivalent(mutant) or mutant.line.startswith("x_"):
            continue
        assert not accepted(mutant.text, compiled.record, compiled.model), mutant
        killed += 1
    assert killed >= 10


def accepted(text, record, model):
    record = replace(record, netlist_sha256=sha256_text(text))
    checks = check_equations(text, record, model, seed=1)
    findings = netlist_findings(text, driven=record.state_map.driven, subckt=record.subckt)
    return all(check.verdict is Verdict.PASS for check in checks) and not findings


def by_hand(text):
    """The recurrent weights of a compiled network as instances of one subcircuit."""
    weights = re.compile(r"^g_w_(\d)_(\d) 0 (\w+) (\w+) 0 (\S+)$", re.MULTILINE)
    text = weights.sub(r"x_w_\1_\2 \4 \3 coupling gm=\5", text)
    return text + ".subckt coupling from to gm=1\ng_1 0 to from 0 {gm}\n.ends coupling\n"


@pytest.mark.spice
def test_verify_netlist_names_instance_and_element_of_a_fault(tmp_path, capsys):
    model = tmp_path / "net.npz"
    save(random_model("ctrnn", 3, 1, 4), model)
    assert main(["compile", str(model), "-o", str(tmp_path), "--duration", "0.2"]) == 0
    path = tmp_path / "net.cir"
    edited = by_hand(path.read_text())
    assert edited.count("coupling gm=") >= 4
    path.write_text(edited)
    arguments = ["verify-netlist", str(path), "--model", str(model), "--duration", "0.2"]
    assert main([*arguments, "--quick"]) == 0
    found = re.search(r"(x_w_\d_\d) .* coupling gm=(\S+)", edited)
    path.write_text(edited.replace(f"gm={found[2]}", f"gm={-float(found[2])!r}", 1))
    capsys.readouterr()
    assert main([*arguments, "--quick"]) == 1
    told = capsys.readouterr().out
    assert f"g_1 in instance {found[1]} explains it" in " ".join(told.split())
    # A fault of the definition is one of all instances: none of them explains it alone.
    path.write_text(edited.replace("to from 0 {gm}", "to from 0 {1.01*gm}"))
    assert main([*arguments, "--quick"]) == 1


def test_names_are_those_of_ngspice():
    text = (
        "* t\n.subckt in a\nr1 a mid 1.0\nc1 mid 0 1.0\n.ic v(mid)=2\n.ends\n.global vdd\n"
        ".subckt s a\nx2 a in\nb1 a vdd i=v(a,q)*i(v1)\nv1 q 0 0\n.ends\n"
        ".subckt top x1\nx1 x1 s\nr9 vdd 0 1\n.ends\n"
    )
    netlist = read_netlist(text, subckt="top")
    assert netlist.subckt == "top"
    assert netlist.ports == ("x1",)
    assert list(netlist.nodes) == ["x1", "x1.x2.mid", "vdd", "x1.q"]
    assert netlist.names == {"r.x1.x2.r1", "c.x1.x2.c1", "b.x1.b1", "v.x1.v1", "r9"}
    assert netlist.b == [("b.x1.b1", 0, 2, "i", "(v(x1)-v(x1.q))*i(v.x1.v1)")]
    assert netlist.initial == {"x1.x2.mid": 2.0}


def test_instances_of_chosen_subcircuits_can_stay():
    text = (
        "* t\n.subckt s a\nx1 a 0 b amp gain={2*3}\nr1 b 0 1.0\n.ends\n.subckt t x\nx2 x s\n.ends\n"
    )
    deck = read_deck(logical_lines(text), ignored=IGNORED)
    top = unfolding.top_definition(deck, "t")
    lines = [line.text for line in unfolding.flatten(deck, top, keep=frozenset({"amp"}))]
    assert lines == ["x2.x1 x 0 x2.b amp gain=6.0", "r.x2.r1 x2.b 0 1.0"]


def sub(body, arguments="r=1"):
    return f"* t\n.subckt s a {arguments}\n{body}\n.ends\nx1 n s\n"


REFUSALS = {
    "x1 n t\n": "there is no subcircuit 't'",
    "x1\n": "x1 names no subcircuit",
    ".subckt s a b\n.ends\nx1 n s\n": "x1 has 1 nets, subcircuit 's' of line 2 has 2 ports",
    ".subckt s a\n.ends\nx1 n s q=2\n": "has no argument 'q'",
    ".subckt s a\n.ends\nx1 n s m=2\n": "keep for themselves",
    ".subckt s a\n.ends\n.subckt s a\n.ends\n": "line 2 has the first, which silently wins",
    ".subckt s a\nr1 a 0 {1}\n.ends t\n": "ends subcircuit 's' by another name",
    ".subckt s a\n.subckt t b\n.ends\n": "subcircuit 's' of line 2 has no .ends",
    ".subckt s a r=1\n.param r=2\n.ends\n": "given twice, and simulators differ",
    ".param r=1\n.param r=2\n": "given twice, and simulators differ",
    ".param r=1 r=2\n": "given twice",
    ".param r\n": "not of the form name=value",
    ".param 2r=1\n": "not of the form name=value",
    ".param tanh=1\n": "keep for themselves",
    ".param r={1\nr1 n 0 {r}\n": "without its other half",
    ".param r={s}\n.param s={r}\nr1 n 0 {r}\n": "is defined by itself",
    "r1 n 0 {q}\n": "there is no parameter 'q'",
    "r1 n 0 q\n.param q=1\n": "'q' is not a plain number",
    "r1 n 0 {1k}\n": "has a suffix",
    "r1 n 0 {2**3}\n": "power operator",
    "r1 n 0 {v(n)}\n": "'v' in 'v(n)' is not a function of parameters",
    "r1 n 0 {uramp(1)}\n": "is not a function of parameters",
    "r1 n 0 {@0}\n": "unexpected '@'",
    "r1 n 0 {1/0}\n": "not a finite number",
    "r1 n 0 1{2}\n": "glued to",
    "r1 n 0 {2}k\n": "glued to",
    "r1 n 0 {2\n": "without its other half",
    "b1 n 0 i={2\n": "without its other half",
    "b1 n 0 i=@0*{2}\n": "unexpected '@'",
    ".param n=5\nr1 n 0 {n}\n": "'n' is a parameter, and ngspice may put its value here",
    ".subckt s a\n.ends\n.param s=5\nx1 n s\n": "'s' is a parameter",
    ".global a\n.subckt s a\nr1 a 0 1\n.ends\nx1 n s\n": "is global and a port",
    ".subckt s a\n.model w sw vt=1 vh=1 ron=1 roff=1\nx1 a t\n.ends\n"
    ".subckt t a\ns1 a 0 a 0 w\n.ends\nx1 n s\n": "no model 'w' that is seen from here",
    ".subckt s a\n.ends\n.subckt t a\n.ends\n": "which of the subcircuits s, t",
    ".subckt s a\nr1 a 0 {1}\n.ends\n.tran 1\n.lib x\n": "card '.lib' is not one",
    ".subckt s a\nr1 a 0 {1}\nj1 a 0 0 jf\n.ends\n": "of a kind the extractor does not",
    ".subckt s a\nr1 a 0 {1}\nq1 a 0 0 npn\n.ends\n": "there is no model 'npn'",
    ".subckt s a\nr1 a 0 {1}\n.ends\n.ends\n": ".ends without .subckt",
    ".subckt s a\nr1 a 0 {1}\n.ends\n.end\nr1 a 0 1\n": "text after .end",
    ".subckt s a a\nr1 a 0 {1}\n.ends\n": "two ports",
    ".subckt\nr1 a 0 {1}\n.ends\n": ".subckt without a name",
    ".model w sw vt=1\n.model w sw vt=1\nr1 a 0 {1}\n": "model 'w' is there twice",
    "".join(f".param p{k}={{p{k + 1}}}\n" for k in range(60)) + ".param p60=1\nr1 n 0 {p0}\n": (
        "more than 50 parameters stand on one another"
    ),
    ".subckt s a\nx1 a s\n.ends\nx1 n s\n": "20 within one another",
    "".join(f".subckt s{k} a\n" for k in range(30)) + ".ends\n" * 30: "defined within one another",
}


@pytest.mark.parametrize(("body", "message"), REFUSALS.items(), ids=range(len(REFUSALS)))
def test_what_is_not_unfolded_exactly_is_refused(body, message):
    with pytest.raises(UnverifiableError, match=re.escape(message)):
        read_netlist(f"* t\n{body}")


def test_what_stands_beside_the_circuit_is_refused():
    inner = ".subckt s a\nr1 a 0 1.0\n.ends\n"
    with pytest.raises(UnverifiableError, match="defines no subcircuit 't'"):
        read_netlist(f"* t\n.param q=1\n{inner}", subckt="t")
    with pytest.raises(UnverifiableError, match="line 6: 'r9 a 0 1' stands outside"):
        read_netlist(f"* t\n.param q=1\n{inner}r9 a 0 1\n", subckt="s")
    with pytest.raises(UnverifiableError, match="stands outside of subcircuit 's'"):
        read_netlist(f"* t\n{inner}r9 a 0 1\n")
    with pytest.raises(UnverifiableError, match="before this line is outside"):
        read_netlist(f"* t\nr9 a 0 1\n{inner}")


def test_an_error_names_line_and_instance():
    text = "* t\n.subckt in a r=1\nr1 a 0 {r-1}\n.ends\n.subckt s a\nx2 a in\n.ends\nx1 n s\n"
    with pytest.raises(UnverifiableError, match=r"^line 3, in instance x1\.x2: .*r1 is 0 ohm"):
        read_netlist(text)
    with pytest.raises(UnverifiableError, match=r"^line 3, in instance x1\.x2: there is no param"):
        read_netlist(text.replace("{r-1}", "{q}"))


def test_no_text_asks_for_more_than_there_is_memory(monkeypatch):
    doubling = "".join(f".subckt s{k} a\nx1 a s{k + 1}\nx2 a s{k + 1}\n.ends\n" for k in range(15))
    bomb = f"* t\n{doubling}.subckt s15 a\nr1 a 0 1.0\n.ends\nx1 n s0\n"
    monkeypatch.setattr(unfolding, "MOST_INSTANCES", 1000)
    with pytest.raises(UnverifiableError, match="more than 1000 instances"):
        read_netlist(bomb)
    assert netlist_findings(bomb) == ()  # nothing is wrong with the text: it is only too much
    monkeypatch.setattr(unfolding, "MOST_INSTANCES", 100_000)
    monkeypatch.setattr(unfolding, "MOST_LINES", 1000)
    with pytest.raises(UnverifiableError, match="more than 1000 elements"):
        read_netlist(bomb)


@pytest.mark.parametrize(
    ("body", "rule", "line"),
    [
        ("r1 a 0 {r}\nr1 a 0 1.0", "N2", 4),
        ("r1 a M 1.0\nr2 m 0 {r}", "N2", 4),
        ("r1 a b.c 1.0\nr2 b.c 0 {r}", "N2", 3),
        ("r1 a 0 {r*1e31}", "N3", 3),
        ("r1 a 0 {-r}", "N4", 3),
        ("r1 a 0", "N5", 3),
        ("r1 a 0 {r}\nf1 a 0 v9 {r}", "N5", 4),
        ("r1 a 0 {r}\nx1 a t", "N5", 4),
        ("r1 a 0 {r}\ni1 a mid {r}", "N6", 4),
        ("v1 a 0 {r}\nv2 a 0 1.0", "N7", 4),
        ("r1 a 0 {r}\nb1 a 0 i=time*{r}", "N9", 4),
        ("r1 a 0 {r}\n.tran 1 1", "N10", 4),
        ("r1 a 0 {r}\nb1 a 0 i=v(a)**3*{r}", "N11", 4),
        ("r1 a 0 {r}\nb1 a 0 i=0.1234567890123*v(a)", "N11", 4),
        ("r1 a 0 {r}\n.lib x", "N1", 4),
        ("r1 a 0 {r}\na1 a 0 x", "N1", 4),
    ],
)
def test_rules_hold_within_subcircuits(body, rule, line):
    good = sub("r1 a 0 {r}\nb1 a 0 i=v(a)*{r/3}*r")
    assert netlist_findings(good, driven=["n"]) == ()
    found = netlist_findings(sub(body), driven=["n"])
    assert (rule, line) in {(f.rule, f.line) for f in found}


def test_one_line_is_reported_once_however_many_instances_have_it():
    text = sub("r1 a 0 {-r}") + "x2 n s\nx3 n s\n"
    assert [(f.rule, f.line) for f in netlist_findings(text)] == [("N4", 3)]


def test_the_embedded_engine_refuses_what_it_would_read_otherwise():
    text = "* t\n.subckt in a\nc1 a 0 1.0\n.ic v(a)=1\n.ends\n.subckt s x1\nx1 x1 in\n.ends\n"
    files = {"s.cir": text, "s.tb.cir": "* t\n.include s.cir\nx_dut x1 s\n.end\n"}
    deck = Deck(files=files, main="s.tb.cir", signals=("v(x1)",), t_stop=1.0)
    with pytest.raises(SimulationError, match="one flat subcircuit"):
        neospice_text(deck)


def test_equations_of_instances_with_different_arguments():
    text = (
        "* t\n.subckt cell x u tau=1\nr1 x 0 1.0\nc1 x 0 {tau} ic={tau/4}\ng1 0 x u 0 {0.5*tau}\n"
        ".ends\n.subckt net u1 x1 x2\nx_a x1 u1 cell tau=2\nx_b x2 x1 cell tau={2*k}\n"
        ".param k=4\n.ends\n"
    )
    system = extract(text, states=["x1", "x2"], inputs=["u1"], subckt="net")
    rates = system.rates(np.array([[3.0, 5.0]]), np.array([[7.0]]), jacobian_at=[0])
    assert rates.dv_dt[0] == pytest.approx([(7.0 - 3.0) / 2, (4 * 3.0 - 5.0) / 8], rel=1e-14)
    assert rates.df_dv[0] == pytest.approx(np.array([[-0.5, 0], [0.5, -0.125]]))
    assert system.initial_state().elements == pytest.approx([0.5, 2.0])
