"""The extractor against hand calculations, dense linear algebra, and ngspice itself."""

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.simulate.rawfile import read_raw
from rnn2circuit.verify.expression import evaluate, parse_shape, split_references
from rnn2circuit.verify.extraction import extract
from rnn2circuit.verify.netlist import read_netlist
from rnn2circuit.verify.structure import idle_currents

ROUND_OFF = 1e-12  # of a dozen unknowns of mixed magnitude
DIFFERENCES = 1e-6  # central differences of step 1e-6
NGSPICE = 1e-9  # ngspice cuts literals inside B expressions to 11 digits, and solves by Newton

EVERY_KIND = """* every element kind
V1 in 0 2
R1 in a 1000
C1 a 0 1e-6 ic=0.25
L1 a b 1e-3 ic=0.5
R2 b c 50
Vs c 0 0
F1 0 d Vs 3
R3 d 0 200
E1 e 0 a b 2
R4 e g 1e4
C2 g 0 2e-7
H1 k 0 Vs 25
R5 k g 5e3
G1 0 g d 0 1e-4
B1 0 a I=1e-3*tanh(v(g)-v(a))
I1 0 g DC 1e-5
Hl sense 0 Vs 1.0
.end
"""


def test_every_element_kind_gives_the_hand_calculated_rates():
    system = extract(EVERY_KIND, states=["a", "g", "sense"], inputs=[])
    rng = np.random.default_rng(0)
    v = rng.uniform(-2, 2, (5, 3))
    va, vg, il = v.T
    vb, vd, vk, ve = 50 * il, 600 * il, 25 * il, 2 * (va - 50 * il)
    expected = np.column_stack(
        [
            ((2 - va) / 1000 - il + 1e-3 * np.tanh(vg - va)) / 1e-6,
            ((ve - vg) / 1e4 + (vk - vg) / 5e3 + 1e-4 * vd + 1e-5) / 2e-7,
            (va - vb) / 1e-3,
        ]
    )
    found = system.rates(v, np.zeros((5, 0))).dv_dt
    np.testing.assert_allclose(found, expected, rtol=ROUND_OFF, atol=ROUND_OFF * 1e6)
    assert system.element_counts["r"] == 5


def test_initial_conditions_are_read_from_elements_and_from_cards():
    text = EVERY_KIND.replace(".end", ".ic v(a)=0.75\n.end")
    initial = extract(text, states=["a", "g", "sense"], inputs=[]).initial_state()
    np.testing.assert_array_equal(initial.elements, [0.25, np.nan, 0.5])
    np.testing.assert_array_equal(initial.cards, [0.75, np.nan, np.nan])


def test_a_gyrator_makes_an_inductor_of_a_capacitor():
    text = "* gyrator\nc1 x1 0 1e-8\ng1 x1 0 y 0 1e-4\ng2 y 0 x1 0 -1e-4\nc2 y 0 1e-8\n"
    system = extract(text, states=["x1", "y"], inputs=[])
    jacobian = system.rates(np.ones((1, 2)), np.zeros((1, 0)), jacobian_at=[0]).df_dv[0]
    np.testing.assert_allclose(jacobian, [[0, -1e4], [1e4, 0]], atol=1e-9)


def test_a_floating_capacitor_is_shown_by_the_port_it_shifts():
    text = "* floating\nv1 b 0 1\nc1 x1 b 1e-9 ic=0.5\nr1 x1 0 1000\n"
    system = extract(text, states=["x1"], inputs=[])
    rates = system.rates(np.array([[2.0]]), np.zeros((1, 0)))
    np.testing.assert_allclose(rates.dv_dt, [[-2.0 / 1000 / 1e-9]])
    np.testing.assert_allclose(system.initial_state().elements, [1.5])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 10**6))
def test_random_transconductance_networks_match_dense_algebra(n, m, seed):
    rng = np.random.default_rng(seed)
    c = rng.uniform(1e-9, 1e-8, n)
    y, beta = 1e-4 * rng.normal(size=(n, n)), 1e-4 * rng.normal(size=(n, m))
    lines = ["* dense", ".subckt d " + " ".join([*(f"u{k}" for k in range(m)), *_names(n)])]
    lines += [f"c{i} x{i} 0 {c[i]!r}".replace("np.float64(", "").replace(")", "") for i in range(n)]
    lines += [f"g{i}_{j} x{i} 0 x{j} 0 {float(y[i, j])!r}" for i in range(n) for j in range(n)]
    lines += [f"gu{i}_{j} 0 x{i} u{j} 0 {float(beta[i, j])!r}" for i in range(n) for j in range(m)]
    text = "\n".join([*lines, ".ends d", ""])
    system = extract(text, states=_names(n), inputs=[f"u{k}" for k in range(m)], subckt="d")
    v, u = rng.normal(size=(3, n)), rng.normal(size=(3, m))
    rates = system.rates(v, u, jacobian_at=[1])
    expected = (v @ -y.T + u @ beta.T) / c
    np.testing.assert_allclose(
        rates.dv_dt, expected, rtol=1e-9, atol=ROUND_OFF * np.abs(expected).max()
    )
    np.testing.assert_allclose(rates.df_dv[0], -y / c[:, None], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(rates.df_du[0], beta / c[:, None], rtol=1e-9, atol=1e-6)


def _names(n):
    return [f"x{k}" for k in range(n)]


NONLINEAR = """* nonlinear
.subckt n u1 x1 x2 y1
c1 x1 0 1e-8
c2 x2 0 2e-8
r1 x1 0 1e5
r2 x2 x1 2e5
b1 a 0 v=tanh(v(x1)-0.3*v(x2)+v(u1))
b2 q 0 v=0.5+0.5*tanh(0.5*v(a))
b3 m 0 v=v(q)*v(x2)
g1 0 x1 m 0 1e-5
b4 0 x2 i=1e-5*(exp(-abs(v(x1)))-uramp(v(x2)-0.1)/(2+v(a)*v(a)))
b5 y1 0 v=max(v(x1),v(x2))+min(v(x1),0.5)
.ends n
"""


def test_derivatives_of_nonlinear_sources_match_differences():
    system = extract(NONLINEAR, states=["x1", "x2"], inputs=["u1"], outputs=["y1"])
    rng = np.random.default_rng(3)
    v, u, h = rng.normal(size=(4, 2)), rng.normal(size=(4, 1)), 1e-6
    rates = system.rates(v, u, jacobian_at=range(4))
    for k in range(4):
        for j in range(2):
            step = h * np.eye(2)[j]
            up = system.rates(v[k : k + 1] + step, u[k : k + 1]).dv_dt
            down = system.rates(v[k : k + 1] - step, u[k : k + 1]).dv_dt
            slope = (up - down)[0] / (2 * h)
            np.testing.assert_allclose(
                rates.df_dv[k][:, j], slope, rtol=DIFFERENCES, atol=DIFFERENCES * 1e3
            )
    a = np.tanh(v[:, 0] - 0.3 * v[:, 1] + u[:, 0])
    q = 0.5 + 0.5 * np.tanh(a / 2)
    first = (-v[:, 0] / 1e5 + (v[:, 1] - v[:, 0]) / 2e5 + 1e-5 * q * v[:, 1]) / 1e-8
    np.testing.assert_allclose(rates.dv_dt[:, 0], first, rtol=ROUND_OFF)
    y = np.maximum(v[:, 0], v[:, 1]) + np.minimum(v[:, 0], 0.5)
    np.testing.assert_allclose(rates.outputs[:, 0], y, rtol=ROUND_OFF)


def test_implicit_sources_are_solved_by_newton():
    # a = tanh(1 - 2 a) feeds itself: substitution cycles, Newton does not.
    text = "* loop\nc1 x1 0 1e-9\nr1 x1 a 1000\nb1 a 0 v=tanh(v(x1)-2*v(a))\n"
    system = extract(text, states=["x1"], inputs=[])
    a = 0.0
    for _ in range(200):
        a -= (a - np.tanh(1 - 2 * a)) / (1 + 2 * (1 - np.tanh(1 - 2 * a) ** 2))
    rates = system.rates(np.array([[1.0]]), np.zeros((1, 0)))
    np.testing.assert_allclose(rates.dv_dt, [[-(1 - a) / 1000 / 1e-9]], rtol=1e-9)


def random_circuit(rng):
    """A random flat circuit of every kind, three capacitors and one inductor."""
    nets = ["x1", "x2", "x3", "n1", "n2"]
    lines = [f"c{k} x{k} 0 {10 ** rng.uniform(-9, -7):.6e}" for k in (1, 2, 3)]
    lines += [f"r{k} {net} 0 {10 ** rng.uniform(2, 5):.6e}" for k, net in enumerate(nets)]
    lines += ["l1 n1 n3 1.3e-3", "vs n3 0 0", "hs s 0 vs 100"]
    for k in range(6):
        a, b, c, d = rng.choice([*nets, "0"], 4)
        value = rng.normal() * 1e-4
        kind = rng.choice(["g", "f", "i", "r", "b"])
        if kind == "g":
            lines.append(f"g{k} {a} {b} {c} {d} {value:.6e}")
        elif kind == "f":
            lines.append(f"f{k} {a} {b} vs {value * 1e3:.6e}")
        elif kind == "i":
            lines.append(f"i{k} {a} {b} {value:.6e}")
        elif kind == "r" and a != b:
            lines.append(f"rr{k} {a} {b} {10 ** rng.uniform(2, 5):.6e}")
        elif c != "0":
            lines.append(f"b{k} {a} 0 i={value:.6e}*tanh(v({c})-0.5)*exp(-abs(v(x1)))")
    return lines


@pytest.mark.spice
def test_the_extractor_and_ngspice_read_the_same_text_alike(tmp_path):
    # Capacitors become voltage sources and the inductor a current source: .op then measures the
    # right-hand side without any time step.
    compared = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        lines = random_circuit(rng)
        v, il = rng.uniform(-1, 1, 3), 1e-3 * rng.uniform(-1, 1)
        text = "\n".join(["* t", *lines, ""])
        system = extract(text, states=["x1", "x2", "x3", "s"], inputs=[])
        found = system.rates(np.array([[*v, 100 * il]]), np.zeros((1, 0))).dv_dt[0]
        held = [line for line in lines if line[0] not in "cl"]
        held += [
            f"vc{k} x{k} 0 {v[k - 1]!r}".replace("np.float64(", "").replace(")", "")
            for k in (1, 2, 3)
        ]
        held += [f"il n1 n3 {il!r}".replace("np.float64(", "").replace(")", "")]
        deck = "\n".join(
            ["* t", *held, ".options reltol=1e-12 abstol=1e-18 vntol=1e-15", ".op", ".end"]
        )
        (tmp_path / "d.cir").write_text(deck)
        subprocess.run(
            ["ngspice", "-b", "-n", "-r", "o.raw", "d.cir"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
        plot = read_raw((tmp_path / "o.raw").read_bytes())
        row = dict(zip(plot.variables, plot.data[0], strict=True))
        farad = [float(line.split()[3]) for line in lines if line[0] == "c"]
        rates = [row[f"i(vc{k})"] / farad[k - 1] for k in (1, 2, 3)]
        rates.append(100 * (row["v(n1)"] - row["v(n3)"]) / 1.3e-3)
        scale = np.maximum(np.abs(rates), 1e-3 * np.max(np.abs(rates)))
        assert np.max(np.abs(found - rates) / scale) < NGSPICE, (seed, found, rates)
        compared += 1
    assert compared == 30


BODY = "r1 x1 0 1000.0\nc1 x1 0 1e-09 ic=0.0\n"


def sub(body=BODY, ports="x1"):
    return f"* t\n.subckt s {ports}\n{body}.ends s\n"


REFUSALS = [
    (sub(BODY + "r2 x1 0 1k\n"), "line 5: '1k' is not a plain number"),
    (sub(BODY + "r2 x1 0 nan\n"), "'nan' is not a plain number"),
    (sub(BODY + "r2 x1 0 1e400\n"), "does not fit a float64"),
    (sub(BODY + "r2 x1 0 0\n"), "ngspice silently makes 1 mohm"),
    (sub(BODY + "r2 x1 0\n"), "has 3 fields, expected 4"),
    (sub(BODY + "r2 x1 0 1 2\n"), "has 5 fields"),
    (sub(BODY + "c2 x1 0 -1e-9\n"), "c2 must be positive"),
    (sub(BODY + "l2 x1 0 0.0\n"), "l2 must be positive"),
    (sub(BODY + "R1 x1 0 5\n"), "element 'r1' is there twice"),
    (sub(BODY + "d1 x1 0 dio\n"), "of a kind the extractor does not understand"),
    (sub(BODY + "xsub x1 sub\n"), "there is no subcircuit 'sub'"),
    (sub(BODY + "f1 0 x1 v9 1\n"), "no voltage source 'v9'"),
    (sub(BODY + "b1 x1 0 v=v(x1)**3\n"), "power operator"),
    (sub(BODY + "b1 x1 0 i=v(x1)0+v(x1)\n"), "'v' is not one of the known functions"),
    (sub(BODY + f"b1 x1 0 i=v(x1){'9' * 5000}\n"), "'v' is not one of the known functions"),
    (sub(BODY + "b1 x1 0 i=@0+v(x1)\n"), "unexpected '@'"),
    (sub(BODY + "b1 x1 0 i=v(x1)^3\n"), "power operator"),
    (sub(BODY + "b1 x1 0 i=pow(v(x1),3)\n"), "'pow' is not one of the known functions"),
    (sub(BODY + "b1 x1 0 i=time\n"), "'time' is not one of the known functions"),
    (sub(BODY + "b1 x1 0 i=1k*v(x1)\n"), "has a suffix"),
    (sub(BODY + "b1 x1 0 i=v(x9)\n"), "there is no such node"),
    (sub(BODY + "b1 x1 0 i=i(v9)\n"), "there is no such voltage source"),
    (sub(BODY + "b1 x1 0 i=i(v9,v8)\n"), "has two arguments"),
    (sub(BODY + "b1 x1 0 i=(v(x1)\n"), r"expected '\)'"),
    (sub(BODY + "b1 x1 0 i=v(x1) v(x1)\n"), "unexpected"),
    (sub(BODY + "b1 x1 0 i=2*\n"), "unexpected 'end'"),
    (sub(BODY + "b1 x1 0 i=v(x1)>0\n"), "unexpected character '>'"),
    (sub(BODY + "b1 x1 0 q=v(x1)\n"), "is not of the form"),
    (sub(BODY + ".ic v(x9)=1\n"), "node 'x9', which does not exist"),
    (sub(BODY + ".ic v(x1)=1\n.ic v(x1)=2\n"), "two initial conditions"),
    (sub(BODY + ".ic x1=1\n"), "is not a list of"),
    (sub(BODY + ".include /etc/passwd\n"), "card '.include'"),
    (sub(BODY + ".control\n"), "card '.control'"),
    (sub(BODY + ".model d d\n"), "the one kind of model"),
    (sub(BODY + "*#shell touch x\n"), "is a command to ngspice"),
    (sub(BODY + "r2 x1 a-b 1\n"), "is not plain letters and digits"),
    (sub().replace(".ends s\n", ""), "has no .ends"),
    (sub() + sub(), "a second .subckt"),
    (sub() + ".ends\n", ".ends without .subckt"),
    (sub() + ".end\nr9 a 0 1\n", "text after .end"),
    ("* t\n.subckt\n", ".subckt without a name"),
    ("* t\n+ r1 x1 0 1\n", "continuation without"),
    (sub(ports="x1 x1"), "two ports of the subcircuit have one name"),
    (sub().replace("r1", "ré"), "outside ASCII"),
    (sub(ports="x1 x2"), "ports are 'x1 x2', expected 'x1'"),
    (sub(BODY + "c2 z1 0 1e-9\nr2 z1 x1 1\n"), r"has 2 states \(2 capacitors, 0 inductors\), 1"),
    (sub("r1 x1 0 1000.0\n"), "has 0 states"),
    (sub(BODY + "v1 x1 0 1\n"), "singular.*involved"),
    (sub(BODY + "i1 0 z1 1\nc2 z1 z2 1\n"), "states|singular"),
    (sub(BODY + "b1 z1 0 v=ln(v(x1)-99)\n"), "b1: its expression is not finite"),
    (sub(BODY + "b1 z1 0 v=sqrt(v(x1)-0.01)\nr2 z1 0 1.0\n"), "b1|derivative of some"),
    (sub("r1 x1 0 1.0\nc1 z1 0 1e-9\nr2 z1 0 1.0\n"), "do not show all states"),
    (sub("c1 z1 0 1e-9\nr1 z1 0 1.0\nb1 x1 0 v=v(z1)*v(z1)+v(z1)\n"), "linearly"),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_what_is_not_understood_exactly_is_refused_with_line_and_reason(text, message):
    with pytest.raises(UnverifiableError, match=message):
        extract(text, states=["x1"], inputs=[]).rates(np.ones((1, 1)), np.zeros((1, 0)))


def test_other_refusals():
    with pytest.raises(UnverifiableError, match="expected subcircuit 'other', found 's'"):
        extract(sub(), states=["x1"], inputs=[], subckt="other")
    with pytest.raises(UnverifiableError, match="has no node 'x7'"):
        extract("* t\n" + BODY, states=["x7"], inputs=[])
    text = sub("r1 z1 0 1.0\nc1 z1 0 1e-9\ng1 0 x1 u1 0 1\ng2 0 x1 z1 0 1\nr2 x1 0 1.0\n", "u1 x1")
    with pytest.raises(UnverifiableError, match="depends on an input directly"):
        extract(text, states=["x1"], inputs=["u1"])
    text = "* t\nc1 x1 0 1e-9\nr1 x1 a 1.0\nb1 a 0 v=2+abs(v(a))\n"
    with pytest.raises(UnverifiableError, match=r"no solution that Newton finds|singular"):
        extract(text, states=["x1"], inputs=[])


def test_comments_continuations_and_case_are_read_as_spice_reads_them():
    text = "* T\nR1 X1 0\n+ 1000.0 ; leak\n* comment\nC1 x1 GND 1e-09 $ store\n\n.end\n"
    netlist = read_netlist(text)
    assert netlist.counts() == {"r": 1, "c": 1}
    assert netlist.r[0] == ("r1", 0, -1, 1000.0)


def test_the_first_line_is_a_title_whatever_it_says():
    assert read_netlist("r1 x1 0 1\nr2 x1 0 1\n").counts() == {"r": 1}


def test_idle_currents_are_named():
    text = "* t\ng1 0 u1 x1 0 1\ng2 0 x1 u1 0 1\ne1 a 0 x1 0 1\ni1 a 0 1\nv1 b 0 1\nf1 0 x1 v1 1\n"
    found = idle_currents(read_netlist(text), inputs=["u1"])
    assert found == [
        "g1 drives a net that input u1 holds",
        "i1 drives a net that e1 holds",
    ]


LEAVES = st.sampled_from(["v(a)", "v(b)", "v(a,b)", "0.5", "2", "1e-3"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("({}+{})".format, inner, inner),
        st.builds("{}-({})".format, inner, inner),
        st.builds("({})*({})".format, inner, inner),
        st.builds("({})/(2+abs({}))".format, inner, inner),
        st.builds("tanh({})".format, inner),
        st.builds("exp(-abs({}))".format, inner),
        st.builds("sqrt(1+abs({}))".format, inner),
        st.builds("ln(1+abs({}))".format, inner),
        st.builds("-({})".format, inner),
        st.builds("max({},{})".format, inner, inner),
        st.builds("min({},{})".format, inner, inner),
        st.builds("uramp({})".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, st.floats(-3, 3), st.floats(-3, 3))
def test_expressions_mean_what_python_says_they_mean(text, a, b):
    shape_text, references = split_references(text)
    shape = parse_shape(shape_text)
    values = {"a": np.array([[a]]), "b": np.array([[b]])}
    found, _ = evaluate(shape, [values[r.name] for r in references])
    names = {
        "tanh": np.tanh,
        "exp": np.exp,
        "sqrt": np.sqrt,
        "ln": np.log,
        "abs": abs,
        "max": max,
        "min": min,
        "uramp": lambda x: max(x, 0.0),
        "v": lambda *nets: nets[0] if len(nets) == 1 else nets[0] - nets[1],
        "a": a,
        "b": b,
    }
    expected = eval(text, {"__builtins__": {}}, names)
    assert np.ravel(found)[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)
