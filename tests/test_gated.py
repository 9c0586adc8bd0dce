from dataclasses import replace

import mpmath
import numpy as np
import pytest

from rnn2circuit.circuit.banks import SigmoidStages
from rnn2circuit.circuit.circuit import counting
from rnn2circuit.errors import ModelError, NotRealizableError
from rnn2circuit.flow import compile_model, simulate, verify_model
from rnn2circuit.models import HodgkinHuxley
from rnn2circuit.models.activations import linoid, linoid_slope
from rnn2circuit.models.gated import RATE_FUNCTIONS
from rnn2circuit.models.io import load
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.stimulus import PwlStimulus
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations
from rnn2circuit.verify.evaluated import OPTIONS, check_evaluated
from rnn2circuit.verify.expression import evaluate, parse_shape, split_references
from rnn2circuit.writers.ngspice import cards

EXACT = 1e-12  # rates in NumPy, against forty digits
STAGE = 1e-12  # rates in ngspice: the negative tail of linoid keeps absolute digits only
DEFAULT = 1e-4  # worst state of a transient, parts of range
SINGULAR = (-55.0, -40.0)  # mV, where alpha_n and alpha_m are 0/0 as published

OFFSETS = [0.0] + [s * 10.0**-k for k in (15, 12, 10, 9, 8, 7, 6, 4, 2) for s in (1, -1)]
POINTS = np.array([*OFFSETS, 2e-8, -2e-8, 0.29, -0.31, 0.3, 1.0, -1.0, 6.0, -6.0, 20.0, 700.0])


def exact_linoid(x):
    """Value and slope of ``x / (1 - exp(-x))`` to forty digits, by its limit at 0."""
    with mpmath.workdps(60):
        x = mpmath.mpf(float(x))
        if x == 0:
            return mpmath.mpf(1), mpmath.mpf(1) / 2
        e = mpmath.exp(-x)
        return x / (1 - e), ((1 - e) - x * e) / (1 - e) ** 2


def neuron(v=-65.0, **fields):
    model = HodgkinHuxley(**fields)
    return replace(model, x0=model.settled(v))


def test_linoid_and_its_slope_are_right_at_and_around_the_singular_point():
    value, slope = linoid(POINTS), linoid_slope(POINTS)
    for k, x in enumerate(POINTS):
        wanted = exact_linoid(x)
        assert abs(value[k] - wanted[0]) <= EXACT * wanted[0], x
        assert abs(slope[k] - wanted[1]) <= EXACT * wanted[1], x


def linoid_cards():
    bank = SigmoidStages(
        stem="q",
        index=counting(len(POINTS)),
        meaning="linoids",
        out=np.arange(len(POINTS)) + 1 + len(POINTS),
        control=np.arange(len(POINTS)) + 1,
        activation="linoid",
    )
    count = len(POINTS)
    names = [f"z{k}" for k in range(count)] + [f"q{k}" for k in range(count)]
    return cards(bank, ["0", *names])


@pytest.mark.spice
def test_ngspice_evaluates_the_rate_at_and_around_the_singular_point():
    lines = ["* rates", OPTIONS, *linoid_cards()]
    lines += [f"v{k} z{k} 0 {float(x)!r}" for k, x in enumerate(POINTS)]
    wanted = [f"v(q{k})" for k in range(len(POINTS))]
    deck = Deck(
        files={"op.cir": "\n".join([*lines, ".op", ".save " + " ".join(wanted), ".end", ""])},
        main="op.cir",
        signals=tuple(wanted),
        t_stop=0.0,
    )
    found = Ngspice().measure(deck, timeout=30)
    for name, x in zip(wanted, POINTS, strict=True):
        exact = float(exact_linoid(x)[0])
        assert abs(found[name] - exact) <= STAGE * exact, x


def test_the_extractor_evaluates_the_same_text_with_its_slope():
    text = linoid_cards()[0].split("v=", 1)[1]
    shape, references = split_references(text)
    operands = [POINTS] * len(references)
    value, partials = evaluate(parse_shape(shape), operands)
    for k, x in enumerate(POINTS):
        exact = exact_linoid(x)
        assert abs(value[k] - exact[0]) <= STAGE * exact[0], x
        # Below the clamp the even part counts as constant, which costs x/6 of 1/2.
        slope = sum(p[k] for p in partials)
        assert abs(slope - exact[1]) <= 1e-7 * exact[1], x


def test_no_power_operator_and_no_bare_quotient_reaches_the_netlist():
    text = compile_model(neuron(), duration=1.0, step=0.01).netlist
    assert "**" not in text
    assert "^" not in text
    assert "pow" not in text


def published(v):
    """The 1952 rates as the paper prints them, with its u = -(V + 65) (mV)."""
    u = -(v + 65.0)
    return {
        "n": (0.01 * (u + 10) / (np.exp((u + 10) / 10) - 1), 0.125 * np.exp(u / 80)),
        "m": (0.1 * (u + 25) / (np.exp((u + 25) / 10) - 1), 4 * np.exp(u / 18)),
        "h": (0.07 * np.exp(u / 20), 1 / (np.exp((u + 30) / 10) + 1)),
    }


def test_the_equations_are_the_papers_written_out():
    rng = np.random.default_rng(0)
    model = neuron(bias=np.array([7.0]), w_in=np.array([[3.0, -1.0]]))
    for _ in range(20):
        v, n, m, h = rng.uniform(-90, 40), *rng.random(3)
        u = rng.normal(size=2)
        current = 7.0 + 3.0 * u[0] - u[1]
        current -= 36.0 * n**4 * (v + 77.0) + 120.0 * m**3 * h * (v - 50.0) + 0.3 * (v + 54.387)
        wanted = [current]
        for gate, (alpha, beta) in zip((n, m, h), published(v).values(), strict=True):
            wanted.append(alpha * (1 - gate) - beta * gate)
        np.testing.assert_allclose(model.rhs([v, n, m, h], u), wanted, rtol=1e-10)


def test_the_resting_state_is_the_textbooks():
    # Steady gates at -65 mV: 0.3177, 0.0529, 0.5961; no current flows there.
    model = neuron()
    np.testing.assert_allclose(model.x0[1:], [0.3177, 0.0529, 0.5961], atol=5e-5)
    assert np.abs(model.rhs(model.x0, [])).max() < 0.01


def test_coupled_neurons_exchange_the_current_of_their_gap_junction():
    pair = neuron(np.array([-65.0, -50.0]), g_gap=np.array([[9.0, 0.5], [0.5, 0.0]]))
    alone = replace(pair, g_gap=None)
    change = pair.rhs(pair.x0, []) - alone.rhs(pair.x0, [])
    np.testing.assert_allclose(change[:2], [7.5, -7.5], rtol=1e-12)
    np.testing.assert_array_equal(change[2:], 0.0)


@pytest.mark.spice
@pytest.mark.parametrize("form", ["rc", "rl"])
@pytest.mark.parametrize("v", SINGULAR)
def test_circuit_and_simulator_are_right_exactly_at_the_singular_voltages(form, v):
    compiled = compile_model(neuron(v), form=form, duration=0.1, step=1e-3)
    parts = (compiled.netlist, compiled.record, compiled.model)
    for check in (*check_equations(*parts, seed=1), evaluated(parts)):
        assert check.verdict is Verdict.PASS, check


def evaluated(parts):
    return check_evaluated(*parts, Ngspice(), seed=1, timeout=30)


@pytest.mark.spice
@pytest.mark.parametrize("form", ["rc", "rl"])
def test_an_action_potential_is_the_models_at_default_settings(form):
    kick = PwlStimulus(times=np.array([0.0, 1.0, 1.1, 3.0, 3.1, 20.0]), values=PULSE)
    result = verify_model(neuron(w_in=np.array([[10.0]])), form=form, stimulus=kick)
    assert result.passed, result.report
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    assert worst <= DEFAULT
    v, gates = result.simulation.x[:, 0], result.simulation.x[:, 1:]
    assert v.max() > 30.0  # it fires
    assert v.min() < -70.0  # and undershoots
    assert gates.min() >= 0.0
    assert gates.max() <= 1.0


PULSE = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [0.0]])


@pytest.mark.spice
def test_without_input_the_voltage_stays_between_the_potentials():
    rest = neuron()
    model = replace(rest, x0=np.array([-40.0, *rest.x0[1:]]))  # depolarized: it fires
    v = simulate(compile_model(model, duration=30.0)).x[:, 0]
    assert v.min() >= -77.0
    assert v.max() <= 50.0
    assert v.max() > 0.0


def test_scaling_is_automatic_real_time_and_within_ten_volts():
    compiled = compile_model(neuron(), duration=1.0, step=0.01)
    ports = compiled.state_map
    assert ports.seconds_per_unit == 1e-3  # a millisecond is a millisecond
    assert ports.states[0].volts_per_unit == 0.1  # -77 mV is -7.7 V


def test_a_hand_written_file_needs_no_constants(tmp_path):
    (tmp_path / "axon.json").write_text('{"family": "gated", "w_in": [[10.0], [5.0]]}')
    model = load(tmp_path / "axon.json")
    assert model.n_states == 8
    np.testing.assert_array_equal(model.g_na, [120.0, 120.0])
    assert len(RATE_FUNCTIONS) == len(model.rates)


FAULTS = [
    ({"instance": "fitzhugh"}, "instance must be hodgkin_huxley, got 'fitzhugh'"),
    ({"c_m": np.array([0.0])}, "c_m must be positive"),
    ({"g_na": np.array([-1.0])}, "g_na must be zero or positive"),
    ({"rates": np.zeros((6, 3))}, "amplitudes in rates must be positive"),
    ({"rates": np.array([[1.0, 0.0, 0.0]] * 6)}, "widths in rates must be different from zero"),
    ({"rates": np.ones((5, 3))}, "rates must have shape"),
    ({"g_gap": np.array([[0.0, 1.0], [2.0, 0.0]])}, "g_gap must be symmetric"),
    ({"g_gap": -np.ones((2, 2))}, "g_gap must be zero or positive"),
    ({"c_m": np.ones(2), "g_k": np.ones(3)}, "c_m must have shape"),
    ({"w_in": np.ones(2)}, "w_in must have shape"),
]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupling": "rails"}, "joined by gap junctions alone"),
        ({"inputs_as": "resistor"}, "which input elements would load"),
    ],
)
def test_couplings_that_membranes_do_not_have_are_refused(options, message):
    with pytest.raises(NotRealizableError, match=message):
        compile_model(neuron(w_in=np.array([[10.0]])), **options)


@pytest.mark.parametrize(("fields", "message"), FAULTS)
def test_what_is_no_neuron_is_refused(fields, message):
    with pytest.raises(ModelError, match=message):
        HodgkinHuxley(**fields)
