import numpy as np
import pytest
from random_models import FAMILIES, random_model

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Energy, GruOde, Hopfield, LemTwoScale, Linear, Lrc, Ltc, Stc
from rnn2circuit.models.activations import ACTIVATIONS
from rnn2circuit.models.base import weights_sha256

DIFFERENCES = 1e-7  # central differences of step 1e-6 in double precision
ROUND_OFF = 1e-13  # folding the input map regroups sums of a dozen terms


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_the_input_map_changes_no_value(family):
    for seed in range(10):
        model = random_model(family, 4, 3, seed)
        folded = model.without_input_map()
        assert folded.in_scale is None
        assert folded.in_bias is None
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=(5, 4)), rng.normal(size=(5, model.n_inputs))
        np.testing.assert_allclose(
            folded.rhs(x, u), model.rhs(x, u), rtol=ROUND_OFF, atol=ROUND_OFF * 1e2
        )
        np.testing.assert_allclose(
            folded.readout(x, u), model.readout(x, u), rtol=0, atol=ROUND_OFF * 1e2
        )
        np.testing.assert_allclose(
            folded.input_jacobian(x[0], u[0]),
            model.input_jacobian(x[0], u[0]),
            atol=ROUND_OFF * 1e2,
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_jacobians_are_derivatives(family):
    h = 1e-6
    for seed in range(8):
        model = random_model(family, 4, 2, seed, activations=("tanh", "logistic", "softplus"))
        n, m = model.n_states, model.n_inputs
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=n), rng.normal(size=m)
        up, down = (model.rhs(x + s * h * np.eye(n), np.tile(u, (n, 1))) for s in (1, -1))
        scale = np.abs(model.jacobian(x, u)).max()
        np.testing.assert_allclose(
            model.jacobian(x, u), (up - down).T / (2 * h), atol=DIFFERENCES * scale
        )
        if m:
            up, down = (model.rhs(np.tile(x, (m, 1)), u + s * h * np.eye(m)) for s in (1, -1))
            np.testing.assert_allclose(
                model.input_jacobian(x, u), (up - down).T / (2 * h), atol=DIFFERENCES * scale
            )


def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_the_saturated_equations_are_the_papers_written_out():
    for family in ("stc", "lrc"):
        for seed in range(6):
            model = random_model(family, 3, 2, seed=seed, extras=False)
            rng = np.random.default_rng(seed)
            x, u = rng.normal(size=3), rng.normal(size=2)
            for i in range(3):
                f = k = model.g_leak[i]
                for j in range(3):
                    s = logistic(model.slope[i, j] * x[j] + model.offset[i, j])
                    f, k = f + model.g_syn[i, j] * s, k + model.k_syn[i, j] * s
                for j in range(2):
                    s = logistic(model.slope_in[i, j] * u[j] + model.offset_in[i, j])
                    f, k = f + model.g_syn_in[i, j] * s, k + model.k_syn_in[i, j] * s
                rate = -logistic(f) * x[i] + np.tanh(k) * model.e_leak[i]
                if family == "lrc":
                    w = model.w_elast[i] @ x + model.w_elast_in[i] @ u + model.b_elast[i]
                    if model.elastance == "symmetric":
                        half = model.k_elast[i]
                        rate *= logistic(w + half) - logistic(w - half)
                    else:
                        rate *= logistic(w)
                assert model.rhs(x, u)[i] == pytest.approx(rate, rel=1e-12)


def test_one_euler_step_of_gru_ode_with_reset_after_is_the_torch_gru():
    rng = np.random.default_rng(2)
    n = 3
    w = {g: rng.normal(size=(n, n)) for g in "rzn"}
    w_in = {g: rng.normal(size=(n, 2)) for g in "rzn"}
    b = {g: rng.normal(size=n) for g in "rzn"}
    b_hn = rng.normal(size=n)
    h, u = rng.normal(size=n), rng.normal(size=2)
    r = logistic(w["r"] @ h + w_in["r"] @ u + b["r"])
    z = logistic(w["z"] @ h + w_in["z"] @ u + b["z"])
    c = np.tanh(w_in["n"] @ u + b["n"] + r * (w["n"] @ h + b_hn))
    # torch's z keeps the old state, so f = 1 - z is a gate with all signs turned.
    model = GruOde(
        w_f=-w["z"],
        w_r=w["r"],
        w_u=w["n"],
        w_f_in=-w_in["z"],
        w_r_in=w_in["r"],
        w_u_in=w_in["n"],
        b_f=-b["z"],
        b_r=b["r"],
        b_u=b["n"],
        b_hu=b_hn,
        reset="after",
    )
    np.testing.assert_allclose(h + model.rhs(h, u), (1 - z) * c + z * h, rtol=1e-12)


def test_the_lem_equations_are_the_papers_written_out():
    model = random_model("lem", 4, 1, seed=3, extras=False)
    two = random_model("lem_two_scale", 4, 1, seed=3, extras=False)
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=4), rng.normal(size=1)
    y, z = x[:2], x[2:]
    for m, gates in (
        (model, [model.w2 @ y + model.v2 @ u + model.b2, model.w1 @ y + model.v1 @ u + model.b1]),
        (two, None),
    ):
        opened = [two.tau_y, two.tau_z] if gates is None else [logistic(g) for g in gates]
        fast = opened[0] * (np.tanh(m.wy @ z + m.vy @ u + m.by) - y)
        slow = opened[1] * (np.tanh(m.wz @ y + m.vz @ u + m.bz) - z)
        np.testing.assert_allclose(m.rhs(x, u), np.concatenate([fast, slow]), rtol=1e-12)


def test_the_energy_never_rises_without_transitions():
    rng = np.random.default_rng(0)
    model = Energy(
        xi=rng.normal(size=(4, 3)),
        phi=np.zeros((3, 3)),
        alpha_s=0.8,
        alpha_c=0.5,
        tau_f=1.0,
        tau_h=0.3,
        tau_d=5.0,
    )
    for _ in range(200):
        x = rng.normal(size=11)
        f, h = np.tanh(x[:4]), np.tanh(x[4:7])
        recall = np.sqrt(0.8)
        # dE/dv_f = J_f (v_f - a xi h), dE/dv_h = J_h (v_h - a xi^T f), J = sigma' >= 0 (eq. 2)
        by_f = (1 - f**2) * (x[:4] - recall * model.xi @ h)
        by_h = (1 - h**2) * (x[4:7] - recall * model.xi.T @ f)
        rate = model.rhs(x, [])
        assert by_f @ rate[:4] + by_h @ rate[4:7] <= 1e-12


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
COLUMN = np.ones((2, 1))


def saturated(kind, **changes):
    good = {"g_leak": ONE, "e_leak": ONE}
    good |= dict.fromkeys(("g_syn", "k_syn", "slope", "offset"), EYE)
    if kind is Lrc:
        good |= {"w_elast": EYE, "b_elast": ONE}
    return kind(**(good | changes))


def an_energy(**changes):
    good = {"xi": EYE, "phi": EYE}
    good |= dict.fromkeys(("alpha_s", "alpha_c", "tau_f", "tau_h", "tau_d"), 1.0)
    return Energy(**(good | changes))


INPUTS = dict.fromkeys(("g_syn_in", "k_syn_in", "slope_in", "offset_in"), COLUMN)


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
        (lambda: GruOde(w_f=EYE, w_r=EYE, w_u=EYE, rate=-ONE), "rate must be positive"),
        (lambda: saturated(Stc, slope_in=COLUMN), "are given together or not at all"),
        (lambda: saturated(Stc, k_syn=ONE), r"k_syn must have shape \(2, 2\)"),
        (lambda: saturated(Lrc, **INPUTS), r"w_elast_in is missing"),
        (lambda: saturated(Lrc, elastance="odd"), "elastance must be asymmetric or symmetric"),
        (lambda: saturated(Lrc, elastance="symmetric"), "k_elast belongs to the symmetric"),
        (lambda: saturated(Lrc, k_elast=ONE), "k_elast belongs to the symmetric"),
        (
            lambda: saturated(Lrc, elastance="symmetric", k_elast=-ONE),
            "k_elast must be zero or positive",
        ),
        (lambda: GruOde(w_f=EYE, w_r=EYE, w_u=EYE, w_f_in=COLUMN), "w_r_in, w_u_in missing"),
        (lambda: GruOde(w_f=EYE, w_r=EYE, w_u=EYE, reset="never"), "reset must be before or"),
        (lambda: GruOde(w_f=EYE, w_r=EYE, w_u=EYE, b_hu=ONE), "b_hu belongs to reset 'after'"),
        (lambda: LemTwoScale(wy=EYE, wz=EYE, tau_y=0.5, tau_z=0.2), "0 < tau_y <= tau_z <= 1"),
        (lambda: LemTwoScale(wy=EYE, wz=EYE, vy=COLUMN, tau_y=0.5, tau_z=1.0), "vz missing"),
        (lambda: an_energy(alpha_s=-1.0), "alpha_s must be zero or positive"),
        (lambda: an_energy(tau_h=0.0), "tau_h must be positive"),
        (lambda: an_energy(sigma_f="relu"), "sigma_f must be one of tanh, logistic, identity"),
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
