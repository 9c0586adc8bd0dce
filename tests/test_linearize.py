"""Linearizations against closed forms, central differences, python-control and themselves."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2circuit.errors import ModelError, OutputError, UsageError
from rnn2circuit.linearize import (
    controllability_rank,
    describe_linearization,
    find_equilibria,
    find_equilibrium,
    linearize,
    to_control,
    write_linearization,
)
from rnn2circuit.models import Ctrnn, Hopfield, Linear, Ltc
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import SineStimulus

ROUND_OFF = 1e-13  # of sums of a few products of numbers of order one
DIFFERENCES = 1e-7  # central differences with step 1e-5: step**2 f''' / 6 plus eps / step
STEP = 1e-5
SECOND_ORDER = 0.05  # how far a quotient of errors may be from 4: the third-order term
POLES = 1e-9  # eigenvalues of one well-conditioned matrix by two routes


def random_ctrnn(rng, n, m, activation="tanh"):
    return Ctrnn(
        rate=rng.uniform(0.5, 2.0, n),
        gain=rng.normal(size=n),
        w=rng.normal(size=(n, n)),
        w_in=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n),
        activation=activation,
        **random_map(rng, m),
    )


def random_hopfield(rng, n, m, activation="tanh"):
    return Hopfield(
        tau=rng.uniform(0.5, 2.0, n),
        w=rng.normal(size=(n, n)),
        w_in=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n),
        activation=activation,
        **random_map(rng, m),
    )


def random_linear(rng, n, m):
    return Linear(
        a=rng.normal(size=(n, n)),
        b=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n),
        **random_map(rng, m),
    )


def random_ltc(rng, n, m):
    gap = rng.uniform(0, 1, (n, n)) * rng.integers(0, 2, (n, n))
    inputs = {
        "g_syn_in": rng.uniform(0, 1, (n, m)),
        "slope_in": rng.normal(size=(n, m)),
        "offset_in": rng.normal(size=(n, m)),
        "e_rev_in": rng.normal(size=(n, m)),
    }
    return Ltc(
        c_m=rng.uniform(0.5, 2.0, n),
        g_leak=rng.uniform(0.5, 2.0, n),
        e_leak=rng.normal(size=n),
        g_syn=rng.uniform(0, 1, (n, n)),
        slope=rng.normal(size=(n, n)),
        offset=rng.normal(size=(n, n)),
        e_rev=rng.normal(size=(n, n)),
        g_gap=gap + gap.T,
        **(inputs if m else {}),
        **random_map(rng, m),
    )


def random_map(rng, m):
    if not rng.integers(2):
        return {}
    return {"in_scale": rng.uniform(0.5, 2.0, m), "in_bias": rng.normal(size=m)}


FAMILIES = {
    "linear": random_linear,
    "ltc": random_ltc,
    **{
        f"{name}, {act}": lambda rng, n, m, make=make, act=act: make(rng, n, m, act)
        for name, make in (("ctrnn", random_ctrnn), ("hopfield", random_hopfield))
        for act in ("tanh", "logistic", "identity", "relu", "softplus")
    },
}

relu_at_rest = Ctrnn(rate=[1.0, 1.0], w=[[0.0, 0.5], [0.5, 0.0]], activation="relu")
bistable = Hopfield(tau=[1.0, 1.0], w=[[0.0, 2.0], [2.0, 0.0]])


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), m=st.integers(0, 3))
def test_the_jacobians_are_the_central_differences_of_the_equation(family, seed, n, m):
    rng = np.random.default_rng(seed)
    model = FAMILIES[family](rng, n, m)
    x, u = rng.normal(size=n), rng.normal(size=m)
    lin = linearize(model, at=x, u=u)
    steps = STEP * np.eye(n)
    slopes = (model.rhs(x + steps, u) - model.rhs(x - steps, u)).T / (2 * STEP)
    np.testing.assert_allclose(lin.a, slopes, rtol=0, atol=DIFFERENCES * (1 + np.abs(lin.a).max()))
    for k in range(m):
        step = STEP * np.eye(m)[k]
        slope = (model.rhs(x, u + step) - model.rhs(x, u - step)) / (2 * STEP)
        scale = 1 + np.abs(lin.b).max()
        np.testing.assert_allclose(lin.b[:, k], slope, rtol=0, atol=DIFFERENCES * scale)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), m=st.integers(0, 3))
def test_the_linear_model_agrees_with_the_network_at_the_point(family, seed, n, m):
    rng = np.random.default_rng(seed)
    model = FAMILIES[family](rng, n, m)
    x, u = rng.normal(size=n), rng.normal(size=m)
    lin = linearize(model, at=x, u=u)
    scale = 1 + np.abs(lin.a).max() * np.abs(x).max()
    np.testing.assert_allclose(lin.model.rhs(x, u), model.rhs(x, u), atol=ROUND_OFF * 10 * scale)
    np.testing.assert_array_equal(lin.residual, model.rhs(x, u))


def test_an_rc_step_has_one_pole_at_its_rate():
    lin = linearize(Linear(a=[[-4.0]], b=[[4.0]]))
    assert lin.eigenvalues == [-4.0]
    assert lin.time_constants == [0.25]
    assert (lin.stability, lin.controllability_rank) == ("stable", 1)
    assert lin.is_equilibrium
    assert lin.model.bias is None


def test_an_undamped_oscillator_is_marginal_with_infinite_time_constants():
    lin = linearize(Linear(a=[[0.0, 3.0], [-3.0, 0.0]]))
    np.testing.assert_allclose(lin.eigenvalues, [-3.0j, 3.0j], atol=ROUND_OFF)
    assert lin.stability == "marginal"
    np.testing.assert_array_equal(lin.time_constants, [np.inf, np.inf])
    assert lin.eigenvector_condition == pytest.approx(1.0)  # a normal matrix
    assert lin.controllability_rank == 0  # nothing drives it


def test_a_growing_mode_has_no_time_constant():
    lin = linearize(Linear(a=[[2.0, 0.0], [0.0, -2.0]]))
    assert lin.stability == "unstable"
    np.testing.assert_array_equal(lin.time_constants, [np.nan, 0.5])


def test_a_defective_matrix_has_eigenvectors_without_bound():
    assert linearize(Linear(a=[[-1.0, 1.0], [0.0, -1.0]])).eigenvector_condition > 1e12


@pytest.mark.parametrize(
    ("activation", "value", "slope"), [("tanh", 0, 1), ("logistic", 0.5, 0.25)]
)
def test_at_the_origin_a_ctrnn_is_the_matrix_of_the_paper(activation, value, slope):
    rng = np.random.default_rng(1)
    rate, w, w_in = np.array([1.0, 2.0, 3.0]), rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
    gain = np.array([2.0, 1.0, 0.5])
    lin = linearize(Ctrnn(rate=rate, gain=gain, w=w, w_in=w_in, activation=activation))
    np.testing.assert_array_equal(lin.a, slope * gain[:, None] * w - np.diag(rate))
    np.testing.assert_array_equal(lin.b, slope * gain[:, None] * w_in)
    np.testing.assert_array_equal(lin.offset, value * gain)
    assert lin.is_equilibrium is (value == 0)
    assert (lin.model.bias is None) is (value == 0)


def test_discretizing_and_linearizing_commute():
    """Caruso & Jarne (2023), section 2: for the leaky step, differentiated by hand."""
    rng = np.random.default_rng(2)
    n, m, dt, alpha = 5, 2, 0.1, 0.3
    w, w_in, bias = rng.normal(size=(n, n)), rng.normal(size=(n, m)), rng.normal(size=n)
    network = Ctrnn(
        rate=np.full(n, alpha / dt), gain=np.full(n, alpha / dt), w=w, w_in=w_in, bias=bias
    )
    point, held = rng.normal(size=n), rng.normal(size=m)
    lin = linearize(network, at=point, u=held).model
    h, u = rng.normal(size=n), rng.normal(size=m)
    euler_of_linear = h + dt * lin.rhs(h, u)
    z = w @ point + w_in @ held + bias
    step = (1 - alpha) * point + alpha * np.tanh(z)
    slope = alpha / np.cosh(z) ** 2
    moved = (1 - alpha) * (h - point) + slope * (w @ (h - point) + w_in @ (u - held))
    np.testing.assert_allclose(euler_of_linear, step + moved, atol=ROUND_OFF)


def test_the_error_of_the_linear_trajectory_is_of_second_order():
    rng = np.random.default_rng(3)
    network = Ctrnn(
        rate=np.ones(3),
        w=0.4 * rng.normal(size=(3, 3)),
        w_in=rng.normal(size=(3, 1)),
        bias=rng.normal(size=3),
    )
    rest = find_equilibrium(network)
    network = Ctrnn(rate=network.rate, w=network.w, w_in=network.w_in, bias=network.bias, x0=rest.x)
    lin = linearize(network, at="equilibrium").model
    times = np.linspace(0.0, 6.0, 61)
    errors = []
    for amplitude in (2e-2, 1e-2):
        wave = SineStimulus(offset=[0.0], amplitude=[amplitude], frequency=[0.3])
        both = [solve(model, wave, t_end=6.0)(times) for model in (network, lin)]
        errors.append(np.abs(both[0] - both[1]).max())
    assert errors[0] > 1e-6  # the effect is far above the accuracy of the reference
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=SECOND_ORDER)


def test_readout_initial_state_and_step_come_along():
    model = Linear(
        a=[[-1.0]],
        b=[[1.0, 2.0]],
        bias=[0.5],
        d=[[3.0, 4.0]],
        w_out=[[2.0]],
        b_out=[0.25],
        x0=[0.7],
        in_scale=[2.0, 3.0],
        in_bias=[0.1, 0.2],
        dt=0.1,
    )
    lin = linearize(model, at=[0.3], u=[1.0, -1.0]).model
    rng = np.random.default_rng(4)
    x, u = rng.normal(size=(5, 1)), rng.normal(size=(5, 2))
    np.testing.assert_allclose(lin.rhs(x, u), model.rhs(x, u), atol=ROUND_OFF)
    np.testing.assert_allclose(lin.readout(x, u), model.readout(x, u), atol=ROUND_OFF)
    assert (lin.x0, lin.dt) == (0.7, 0.1)


def test_an_offset_of_mere_round_off_is_none():
    rng = np.random.default_rng(5)
    model = Linear(a=rng.normal(size=(6, 6)), b=rng.normal(size=(6, 2)))
    lin = linearize(model, at=rng.normal(size=6), u=rng.normal(size=2))
    assert lin.model.bias is None
    assert not lin.is_equilibrium


def test_all_equilibria_of_a_bistable_pair_are_found_in_order():
    found = find_equilibria(bistable)
    assert [e.stability for e in found] == ["stable", "unstable", "stable"]
    root = 1.915008048154655  # x = 2 tanh(x), by bisection
    states = [[-root, -root], [0, 0], [root, root]]
    np.testing.assert_allclose([e.x for e in found], states, rtol=ROUND_OFF)
    np.testing.assert_array_equal(found[1].x, [0.0, 0.0])
    np.testing.assert_allclose(found[1].eigenvalues, [1.0, -3.0], rtol=ROUND_OFF)


def test_two_weakly_coupled_switches_have_nine_equilibria_of_which_four_are_stable():
    found = find_equilibria(Hopfield(tau=[1.0, 1.0], w=[[2.0, 0.1], [0.1, 2.0]]))
    assert len(found) == 9
    assert sum(e.stability == "stable" for e in found) == 4


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_equilibria_are_found_whatever_the_unit_of_the_states(scale):
    """y = scale x turns tau x' = -x + w tanh(x) into a ctrnn's units by its gain."""
    switch = Ctrnn(rate=[1.0], gain=[2.0 * scale], w=[[1.0 / scale]])
    found = find_equilibria(switch)
    np.testing.assert_allclose(
        [e.x[0] / scale for e in found], [-1.915008048154655, 0, 1.915008048154655], rtol=ROUND_OFF
    )


def sharp_millivolt_ltc(rng, n):
    """Volts, siemens and farads of a cell: states near -0.05, rates near 1000."""
    return Ltc(
        c_m=np.full(n, 1e-12),
        g_leak=np.full(n, 1e-9),
        e_leak=np.full(n, -0.07),
        g_syn=5e-9 * rng.uniform(size=(n, n)),
        slope=np.full((n, n), 200.0),
        offset=np.full((n, n), 8.0),
        e_rev=np.where(rng.uniform(size=(n, n)) > 0.3, 0.0, -0.09),
    )


def sharp_ctrnn(rng, n):
    return Ctrnn(
        rate=rng.uniform(0.5, 2, n), w=2 * rng.normal(size=(n, n)), bias=0.3 * rng.normal(size=n)
    )


@pytest.mark.parametrize("make", [sharp_ctrnn, sharp_millivolt_ltc])
@pytest.mark.parametrize("seed", range(8))
def test_no_equilibrium_of_a_dissipative_network_is_missing_by_its_index(make, seed):
    """Poincare-Hopf: where f points inward on a sphere, the signs of det(-J) sum to one."""
    rng = np.random.default_rng(seed)
    model = make(rng, int(rng.integers(2, 6)))
    found = find_equilibria(model)
    signs = [np.sign(np.linalg.det(-model.jacobian(e.x, e.u) / 1e3)) for e in found]
    assert sum(signs) == 1


def test_searching_twice_finds_the_same():
    first, second = (find_equilibria(bistable, seed=7) for _ in range(2))
    np.testing.assert_array_equal([e.x for e in first], [e.x for e in second])


def test_the_start_decides_which_equilibrium_is_found():
    for sign in (-1.0, 1.0):
        assert sign * find_equilibrium(bistable, start=[sign * 3, sign * 3]).x[0] > 1.9
    assert find_equilibrium(bistable).stability == "unstable"  # zero comes first


def test_an_input_moves_the_equilibrium():
    model = Ctrnn(rate=[2.0], w=[[0.0]], w_in=[[1.0]], in_scale=[2.0])
    rest = find_equilibrium(model, u=[0.4])
    np.testing.assert_allclose(rest.x, [np.tanh(0.8) / 2], rtol=ROUND_OFF)
    assert linearize(model, at="equilibrium", u=[0.4]).is_equilibrium


@pytest.mark.parametrize("family", FAMILIES)
def test_where_an_equilibrium_is_found_the_network_rests(family):
    rng = np.random.default_rng(6)
    for _ in range(3):
        model = FAMILIES[family](rng, 4, 2)
        for rest in find_equilibria(model, u=[0.3, -0.2], starts=5):
            assert np.abs(model.rhs(rest.x, [0.3, -0.2])).max() < 1e-10
            assert np.abs(rest.residual).max() < 1e-10


def test_at_a_kink_an_equilibrium_has_undecided_stability():
    rest = find_equilibrium(relu_at_rest)
    np.testing.assert_array_equal(rest.x, [0.0, 0.0])
    assert rest.stability == "undecided"
    assert np.isnan(rest.eigenvalues).all()


def test_a_kink_that_the_equations_cannot_feel_is_none():
    silent = Hopfield(tau=[1.0, 1.0], w=[[0.0, 1.0], [0.0, 1.0]], activation="relu")
    lin = linearize(silent, at=[0.0, 1.0])  # no weight leaves unit 0
    np.testing.assert_array_equal(lin.a, [[-1.0, 1.0], [0.0, 0.0]])


def test_away_from_its_kinks_a_relu_network_is_exactly_linear():
    rng = np.random.default_rng(8)
    model = random_ctrnn(rng, 4, 2, "relu")
    x, u = rng.normal(size=4), rng.normal(size=2)
    lin = linearize(model, at=x, u=u).model
    near = x + 1e-3 * rng.normal(size=4)
    np.testing.assert_allclose(lin.rhs(near, u), model.rhs(near, u), atol=ROUND_OFF * 10)


def orthogonal(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


CHAIN = np.diag(np.full(7, 1e-3), -1) - np.eye(8)  # one input through seven weak couplings
RANKS = {
    "one input cannot part three equal modes": (-np.eye(3), np.ones((3, 1)), 1),
    "three inputs can": (-np.eye(3), np.eye(3), 3),
    "a decoupled unit": (
        np.array([[-1.0, 0.5, 0], [0.2, -2, 0], [0, 0, -3]]),
        np.array([[1.0], [0], [0]]),
        2,
    ),
    "no drive": (-np.eye(3), np.zeros((3, 2)), 0),
    "no input": (-np.eye(3), np.zeros((3, 0)), 0),
    "an integrator": (np.zeros((2, 2)), np.array([[1.0], [2.0]]), 1),
    "distinct modes, one hidden": (np.diag([-1.0, -2.0, -3.0]), np.array([[1.0], [0], [1]]), 2),
    "rates over eight decades": (np.diag([-1.0, -1e4, -1e8]), np.ones((3, 1)), 3),
    "a long weak chain": (CHAIN, np.eye(8)[:, :1], 8),
    "the chain from its far end": (CHAIN, np.eye(8)[:, 7:], 1),
    "dependent inputs of unlike size": (
        np.diag([-1.0, -1.0]),
        np.array([[1.0, 1e-14], [1.0, 1e-14]]),
        1,
    ),
}


@pytest.mark.parametrize("name", RANKS)
def test_the_controllability_rank_is_known(name):
    a, b, rank = RANKS[name]
    assert controllability_rank(a, b) == rank


@pytest.mark.parametrize("hidden", [0, 1, 3, 7])
def test_the_controllability_rank_does_not_depend_on_the_coordinates(hidden):
    rng = np.random.default_rng(9)
    n, m = 20, 2
    a, b = rng.normal(size=(n, n)), rng.normal(size=(n, m))
    a[n - hidden :, : n - hidden] = 0.0
    b[n - hidden :] = 0.0
    turn = orthogonal(rng, n)
    assert controllability_rank(turn @ a @ turn.T, turn @ b) == n - hidden


def test_the_poles_of_python_control_are_the_eigenvalues():
    lin = linearize(random_ctrnn(np.random.default_rng(10), 5, 2), at="equilibrium")
    system = to_control(lin)
    poles = np.sort_complex(system.poles())
    np.testing.assert_allclose(poles, np.sort_complex(lin.eigenvalues), rtol=POLES)
    assert system.input_labels == ["u1", "u2"]
    assert system.output_labels == [f"y{k}" for k in range(1, 6)]


def test_the_python_control_system_is_the_difference_of_two_solutions():
    model = Linear(
        a=[[-1.0, 2.0], [0.0, -3.0]],
        b=[[1.0], [1.0]],
        bias=[5.0, 6.0],
        w_out=[[1.0, 1.0]],
        b_out=[9.0],
        d=[[0.5]],
        in_scale=[2.0],
        in_bias=[0.3],
    )
    system = to_control(model)
    rng = np.random.default_rng(11)
    x, z, u, v = (rng.normal(size=k) for k in (2, 2, 1, 1))
    np.testing.assert_allclose(
        system.dynamics(0.0, x - z, u - v), model.rhs(x, u) - model.rhs(z, v), atol=ROUND_OFF
    )
    np.testing.assert_allclose(
        system.output(0.0, x - z, u - v), model.readout(x, u) - model.readout(z, v), atol=ROUND_OFF
    )


def test_a_system_without_inputs_reaches_python_control():
    assert to_control(Linear(a=-np.eye(2))).ninputs == 0


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_what_is_written_reads_back_exactly(tmp_path, suffix):
    rng = np.random.default_rng(12)
    lin = linearize(random_ltc(rng, 3, 2), at=rng.normal(size=3))
    path = tmp_path / f"lin{suffix}"
    write_linearization(lin, path)
    write_linearization(lin, path)  # over an older file
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    read = json.loads(path.read_text()) if suffix == ".json" else dict(np.load(path))
    for key in ("a", "b", "offset", "x", "u", "residual", "time_constants"):
        np.testing.assert_array_equal(np.asarray(read[key]), getattr(lin, key))
    np.testing.assert_array_equal(read["eigenvalues_real"], lin.eigenvalues.real)
    np.testing.assert_array_equal(read["eigenvalues_imag"], lin.eigenvalues.imag)
    assert (read["family"], read["stability"]) == ("ltc", lin.stability)
    assert read["controllability_rank"] == lin.controllability_rank
    assert read["is_equilibrium"] == lin.is_equilibrium
    assert read["eigenvector_condition"] == lin.eigenvector_condition


def test_json_has_null_for_a_time_constant_that_is_not_finite(tmp_path):
    lin = linearize(Linear(a=np.diag([1.0, 0.0, -2.0]), w_out=[[1.0, 2.0, 3.0]], dt=0.5))
    write_linearization(lin, tmp_path / "lin.json")
    text = (tmp_path / "lin.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = json.loads(text)
    assert read["time_constants"] == [None, None, 0.5]
    assert (read["w_out"], read["dt"]) == ([[1.0, 2.0, 3.0]], 0.5)


def test_small_linearizations_are_described_in_full():
    text = describe_linearization(
        linearize(Linear(a=[[-1.0, 0.25], [-0.25, -1.0]], b=[[0.5], [8]]))
    )
    for part in ("A (2 x 2)", "0.25", "B (2 x 1)", "stable", "rank: 2 of 2", "-1 +0.25j"):
        assert part in text


def test_growing_modes_and_missing_inputs_are_described():
    text = describe_linearization(linearize(Linear(a=[[1.0]], bias=[2.0])))
    for part in ("B: none", "offset: 2", "grows", "unstable", "not an equilibrium"):
        assert part in text


def test_large_linearizations_are_described_by_shape_and_norm():
    text = describe_linearization(linearize(Linear(a=-np.eye(25))))
    assert "A: 25 x 25, too large to print, Frobenius norm 5" in text
    assert "12 of 25 shown" in text
    assert len(text.splitlines()) < 30


def without_control(monkeypatch):
    monkeypatch.setitem(sys.modules, "control", None)
    to_control(Linear(a=-np.eye(2)))


ERRORS = {
    "at the kink of a ctrnn": (
        lambda: linearize(relu_at_rest),
        ModelError,
        r"no Jacobian .* entry \[0, 1\] .* another state",
    ),
    "at the kink of a hopfield": (
        lambda: linearize(Hopfield(tau=[1.0], w=[[1.0]], bias=[1.0], activation="relu")),
        ModelError,
        "kink",
    ),
    "at the kink of an input": (
        lambda: linearize(Ctrnn(rate=[1.0], w=[[0.0]], w_in=[[1.0]], activation="relu"), at=[3.0]),
        ModelError,
        r"entry \[0, 1\]",
    ),
    "an unknown word": (lambda: linearize(bistable, at="zero"), UsageError, "'origin', 'equil"),
    "a state of another length": (
        lambda: linearize(bistable, at=[1.0]),
        ModelError,
        r"at must have shape \(2,\)",
    ),
    "an input of another length": (
        lambda: linearize(bistable, u=[1.0]),
        ModelError,
        r"u must have shape \(0,\)",
    ),
    "a start of another length": (
        lambda: find_equilibrium(bistable, start=[1.0]),
        ModelError,
        r"start must have shape \(2,\)",
    ),
    "no equilibrium": (
        lambda: find_equilibrium(Linear(a=[[0.0]], bias=[1.0], x0=[1.0]), start=[2.0]),
        ModelError,
        "no equilibrium of this linear model .* 67 starts",
    ),
    "one state without inputs": (
        lambda: to_control(Linear(a=[[-1.0]])),
        UsageError,
        "python-control cannot hold",
    ),
    "negative starts": (lambda: find_equilibria(bistable, starts=-1), UsageError, "got -1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_is_wrong(name):
    make, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        make()


def test_a_missing_extra_is_named(monkeypatch):
    with pytest.raises(UsageError, match=r'pip install "rnn2circuit\[control\]"'):
        without_control(monkeypatch)


def test_a_file_of_another_kind_or_place_is_refused(tmp_path):
    lin = linearize(bistable)
    with pytest.raises(UsageError, match=r"\.json or \.npz, got '\.txt'"):
        write_linearization(lin, tmp_path / "lin.txt")
    with pytest.raises(OutputError, match=r"cannot write .*nowhere"):
        write_linearization(lin, tmp_path / "nowhere" / "lin.json")
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_linearization(lin, tmp_path / "taken.json")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.json"]


def test_a_search_without_result_is_an_empty_tuple():
    assert find_equilibria(Linear(a=[[0.0]], bias=[1.0])) == ()
