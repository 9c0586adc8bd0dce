"""LRC's liquid capacitance: two realizations of one equation, and what ngspice makes of others."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit.circuit.banks import VariableCapacitors
from rnn2circuit.circuit.circuit import counting
from rnn2circuit.errors import CircuitError, NotRealizableError, UsageError
from rnn2circuit.flow import compile_model, verify_model
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations, sha256_text
from rnn2circuit.writers.ngspice import OPTIONS, cards

DEFAULT = 1e-4  # worst state, parts of range
FOLLOWS = 1e-6  # of a charging curve in a thousand trapezoidal steps
APART = 0.1  # how far the two laws are from each other at the end of the run

I, C = 1e-5, 1e-8  # A, F: one volt per millisecond where the control is zero
CURVES = {
    # I t = ∫ C (1 + v) dv, the law of a capacitance that multiplies the rate
    "C(v) dv/dt": lambda t: np.sqrt(1 + 2 * t) - 1,
    # I t = C (1 + v) v, the law of a charge
    "d(C v)/dt": lambda t: (np.sqrt(1 + 4 * t) - 1) / 2,
}


def own_capacitor():
    bank = VariableCapacitors(
        stem="state",
        index=counting(1),
        meaning="a capacitor that grows with its own voltage",
        p=np.array([1]),
        sense=np.array([2]),
        control=np.array([1]),
        capacitance=np.array([C]),
        v_initial=np.zeros(1),
    )
    return cards(bank, ["0", "x1", "s1"])


SPELLINGS = {
    "c": ([f"c1 x1 0 c='{C!r}*(1+v(x1))'"], "C(v) dv/dt"),
    "q": ([f"c1 x1 0 q='{C!r}*(1+v(x1))*v(x1)'"], "d(C v)/dt"),
    "ours": (own_capacitor(), "C(v) dv/dt"),
}


@pytest.mark.spice
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_ngspice_integrates_for_each_spelling_of_a_varying_capacitor(spelling):
    lines, law = SPELLINGS[spelling]
    body = [
        "* charging",
        f"i1 0 x1 {I!r}",
        *lines,
        ".ic v(x1)=0",
        OPTIONS,
        ".tran 1e-06 0.001 0 1e-06",
    ]
    deck = Deck(
        files={"q.cir": "\n".join([*body, ".save v(x1)", ".end", ""])},
        main="q.cir",
        signals=("v(x1)",),
        t_stop=1e-3,
    )
    waves = Ngspice().run(deck, timeout=60)
    off = {
        name: float(np.max(np.abs(waves.signals["v(x1)"] - curve(waves.time * 1e3))))
        for name, curve in CURVES.items()
    }
    other = next(name for name in CURVES if name != law)
    assert off[law] <= FOLLOWS
    assert off[other] >= APART


def liquid(elastance, seed=0, n=3):
    for k in range(seed, seed + 40):
        model = random_model("lrc", n, 1, seed=k)
        if model.elastance == elastance:
            return model
    raise AssertionError("no such model")


@pytest.mark.parametrize("elastance", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("coupling", ["vccs", "gyrator"])
def test_both_realizations_hold_the_same_equation(elastance, coupling):
    for seed in (0, 10, 20):
        model = liquid(elastance, seed, n=2 + seed // 10)
        for capacitance in ("fixed", "variable"):
            compiled = compile_model(
                model, coupling=coupling, capacitance=capacitance, duration=1.0, step=0.01
            )
            for check in check_equations(compiled.netlist, compiled.record, model, seed=seed):
                assert check.verdict is Verdict.PASS, (capacitance, check)


@pytest.mark.spice
@pytest.mark.parametrize("elastance", ["asymmetric", "symmetric"])
def test_the_variable_capacitor_follows_the_ode_from_its_initial_state(elastance):
    result = verify_model(liquid(elastance), capacitance="variable", volts_per_unit=0.5)
    assert result.passed, result.report
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    assert worst <= DEFAULT
    counts = dict(result.compiled.record.element_counts)
    assert counts["VariableCapacitors"] == 3
    assert "Capacitors" not in counts
    assert "capacitance variable" in result.compiled.netlist.splitlines()[0]


@pytest.mark.spice
def test_the_initial_state_holds_with_uic_and_without():
    compiled = compile_model(liquid("asymmetric"), capacitance="variable", duration=0.5, step=1e-3)
    wanted = compiled.model.initial_state * compiled.state_map.states[0].volts_per_unit
    tran = next(line for line in compiled.testbench.splitlines() if line.startswith(".tran"))
    for card in (tran, f"{tran} uic"):
        deck = Deck(
            files={
                "network.cir": compiled.netlist,
                "tb.cir": compiled.testbench.replace(tran, card),
            },
            main="tb.cir",
            signals=tuple(f"v(x{k + 1})" for k in range(3)),
            t_stop=compiled.bench.transient.stop,
        )
        waves = Ngspice().run(deck, timeout=60)
        first = [waves.signals[name][1] for name in deck.signals]
        np.testing.assert_allclose(first, wanted, atol=1e-2)


def test_a_wrong_capacitor_is_caught():
    model = liquid("symmetric")
    compiled = compile_model(model, capacitance="variable", duration=1.0, step=0.01)
    line = next(x for x in compiled.netlist.splitlines() if x.startswith("b_state_2 "))
    for wrong in (line.replace("v(cl2)", "v(cl1)"), line.replace("i=", "i=-"), ""):
        text = compiled.netlist.replace(line, wrong)
        record = replace(compiled.record, netlist_sha256=sha256_text(text))
        checks = check_equations(text, record, model, seed=1)
        assert any(c.verdict is not Verdict.PASS for c in checks if c.id.startswith("extraction"))


def wrong_capacitor():
    VariableCapacitors(
        stem="c",
        index=counting(1),
        meaning="c",
        p=np.array([1]),
        sense=np.array([2]),
        control=np.array([3]),
        capacitance=np.zeros(1),
        v_initial=np.zeros(1),
    )


def own_realizer(*_, **__):
    raise AssertionError("never called")


def variable(model, **options):
    return compile_model(model, capacitance="variable", **options)


FAULTS = [
    (lambda: variable(random_model("stc", 2, 1, 0)), NotRealizableError, "'stc' has none"),
    (lambda: variable(liquid("symmetric"), form="rl"), NotRealizableError, "variable inductor"),
    (
        lambda: variable(replace(liquid("symmetric"), k_elast=np.array([1.0, 0.0, 1.0]))),
        NotRealizableError,
        r"k_elast\[1\] = 0",
    ),
    (lambda: variable(random_cell("lrcu", 2, 1, 0)), NotRealizableError, "lrcu cell holds"),
    (
        lambda: variable(liquid("symmetric"), realizer=own_realizer),
        NotRealizableError,
        "no option of one's own realizer",
    ),
    (
        lambda: compile_model(liquid("symmetric"), capacitance="big"),
        UsageError,
        "capacitance must be one of fixed, variable, got 'big'",
    ),
    (wrong_capacitor, CircuitError, "capacitance of 'c' must be positive"),
]


@pytest.mark.parametrize(("make", "error", "message"), FAULTS)
def test_what_has_no_variable_capacitor_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
