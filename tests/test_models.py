import numpy as np
import pytest
from random_models import FAMILIES, random_model

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Hopfield, Linear, Ltc
from rnn2circuit.models.activations import ACTIVATIONS
from rnn2circuit.models.base import weights_sha256

ROUND_OFF = 1e-13  # folding the input map regroups sums of a dozen terms


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_the_input_map_changes_no_value(family):
    for seed in range(10):
        model = random_model(family, 4, 3, seed)
        folded = model.without_input_map()
        assert folded.in_scale is None
        assert folded.in_bias is None
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
        np.testing.assert_allclose(folded.rhs(x, u), model.rhs(x, u), rtol=0, atol=ROUND_OFF * 1e2)
        np.testing.assert_allclose(
            folded.readout(x, u), model.readout(x, u), rtol=0, atol=ROUND_OFF * 1e2
        )
        np.testing.assert_allclose(
            folded.input_jacobian(x[0], u[0]),
            model.input_jacobian(x[0], u[0]),
            atol=ROUND_OFF * 1e2,
        )


def test_the_ltc_equation_is_the_papers_sum_written_out():
    model = random_model("ltc", 3, 2, seed=4, extras=False)
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=3), rng.normal(size=2)

    def gate(slope, y, offset):
        return 1 / (1 + np.exp(-(slope * y + offset)))

    for i in range(3):
        total = model.g_leak[i] * (model.e_leak[i] - x[i])
        for j in range(3):
            g = model.g_syn[i, j] * gate(model.slope[i, j], x[j], model.offset[i, j])
            total += g * (model.e_rev[i, j] - x[i])
            if model.g_gap is not None:
                total += model.g_gap[i, j] * (x[j] - x[i])
        for k in range(2):
            g = model.g_syn_in[i, k] * gate(model.slope_in[i, k], u[k], model.offset_in[i, k])
            total += g * (model.e_rev_in[i, k] - x[i])
        assert model.rhs(x, u)[i] == pytest.approx(total / model.c_m[i], rel=1e-13)


def test_one_euler_step_of_a_ctrnn_is_the_discrete_network():
    rng = np.random.default_rng(1)
    w, w_in, b, dt = rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), rng.normal(size=4), 0.05
    rate = np.full(4, 1 / dt)
    model = Ctrnn(rate=rate, gain=rate, w=w, w_in=w_in, bias=b)
    h, u = rng.normal(size=4), rng.normal(size=2)
    np.testing.assert_allclose(h + dt * model.rhs(h, u), np.tanh(w @ h + w_in @ u + b), rtol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
def test_slopes_are_derivatives(activation):
    z = np.linspace(-30, 30, 61) + 0.01
    h = 1e-6
    numeric = (activation.value(z + h) - activation.value(z - h)) / (2 * h)
    np.testing.assert_allclose(activation.slope(z), numeric, atol=1e-8)


def test_the_fingerprint_sees_every_weight_and_no_container():
    model = random_model("ctrnn", 4, 1, seed=1)
    assert weights_sha256(model) == weights_sha256(random_model("ctrnn", 4, 1, seed=1))
    w = model.w.copy()
    w[2, 1] = np.nextafter(w[2, 1], 9)
    from dataclasses import replace

    assert weights_sha256(replace(model, w=w)) != weights_sha256(model)
    assert weights_sha256(replace(model, w=np.asfortranarray(model.w))) == weights_sha256(model)


ONE, EYE = np.ones(2), np.eye(2)


def an_ltc(**changes):
    good = dict.fromkeys(("c_m", "g_leak", "e_leak"), ONE)
    good |= dict.fromkeys(("g_syn", "slope", "offset", "e_rev"), EYE)
    return Ltc(**(good | changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(a=np.ones((2, 3))), "a must be square"),
        (lambda: Linear(a=np.ones(4)), r"a must have shape \(n, n\)"),
        (lambda: Linear(a=None), "a is missing"),
        (lambda: Linear(a=np.zeros((0, 0))), "at least one state"),
        (lambda: Linear(a=EYE, b=np.ones(2)), r"b must have shape \(2, m\)"),
        (lambda: Linear(a=EYE, bias=np.ones(3)), r"bias must have shape \(2,\), got \(3,\)"),
        (lambda: Linear(a=EYE, d=np.ones((1, 1))), r"d must have shape \(2, 0\)"),
        (lambda: Linear(a=EYE * 1j), "real numbers, got dtype complex128"),
        (lambda: Linear(a=EYE, x0=[0, np.inf]), r"x0\[1\] is inf"),
        (lambda: Linear(a=EYE, w_out=np.ones(2)), r"w_out must have shape \(p, 2\)"),
        (lambda: Linear(a=EYE, b_out=np.ones(3)), r"b_out must have shape \(2,\)"),
        (lambda: Linear(a=EYE, dt=-0.1), "dt must be positive"),
        (lambda: Linear(a=np.array([["1", "2"], ["3", "4"]])), "real numbers"),
        (lambda: Linear(a=np.full((1, 1), 2**60 + 1)), "above 2"),
        (lambda: Ctrnn(rate=[1.0, 0.0], w=EYE), r"rate must be positive, got rate\[1\] = 0.0"),
        (lambda: Ctrnn(rate=EYE, w=EYE), r"rate must have shape \(n,\)"),
        (lambda: Ctrnn(rate=ONE, w=EYE, activation="elu"), "activation must be one of tanh"),
        (lambda: Hopfield(tau=-ONE, w=EYE), "tau must be positive"),
        (lambda: an_ltc(c_m=np.array([1.0, -1.0])), r"c_m must be positive, got c_m\[1\]"),
        (lambda: an_ltc(g_leak=0 * ONE), "g_leak must be positive"),
        (lambda: an_ltc(g_syn=-EYE), "g_syn must be zero or positive"),
        (lambda: an_ltc(g_gap=np.array([[0.0, 1.0], [2.0, 0.0]])), "g_gap must be symmetric"),
        (lambda: an_ltc(g_gap=-EYE), "g_gap must be zero or positive"),
        (lambda: an_ltc(slope_in=np.ones((2, 1))), "are given together or not at all"),
        (
            lambda: an_ltc(
                g_syn_in=-np.ones((2, 1)),
                slope_in=np.ones((2, 1)),
                offset_in=np.ones((2, 1)),
                e_rev_in=np.ones((2, 1)),
            ),
            "g_syn_in must be zero or positive",
        ),
    ],
)
def test_an_invalid_model_is_refused_with_its_reason(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_a_model_is_a_read_only_copy():
    a = -np.eye(2)
    model = Linear(a=a)
    a[0, 0] = 5
    assert model.a[0, 0] == -1
    with pytest.raises(ValueError, match="read-only"):
        model.a[0, 0] = 1
