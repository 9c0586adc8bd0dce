"""Discrete-time cells: their steps against independent programs, derivatives, files."""

from dataclasses import fields

import numpy as np
import pytest
from random_models import CELLS, random_cell

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Elman, EnergyMap, Gru, LemCell, Lrc, Lstm, Stack
from rnn2circuit.models.io import load, save

DIFFERENCES = 1e-7  # central differences of step 1e-6 in double precision
ROUND_OFF = 1e-12  # a few dozen operations on numbers of order one


@pytest.mark.parametrize("family", CELLS)
def test_folding_the_input_map_changes_no_value(family):
    for seed in range(10):
        cell = random_cell(family, 4, 3, seed)
        folded = cell.without_input_map()
        assert folded.in_scale is None
        assert folded.in_bias is None
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=(5, cell.n_states)), rng.normal(size=(5, cell.n_inputs))
        np.testing.assert_allclose(folded.step(x, u), cell.step(x, u), atol=ROUND_OFF)
        np.testing.assert_allclose(
            folded.input_jacobian(x[0], u[0]), cell.input_jacobian(x[0], u[0]), atol=ROUND_OFF
        )


@pytest.mark.parametrize("family", CELLS)
def test_jacobians_are_derivatives(family):
    h = 1e-6
    for seed in range(12):
        cell = random_cell(family, 5, 2, seed)
        n, m = cell.n_states, cell.n_inputs
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=n), rng.normal(size=m)
        up, down = (cell.step(x + s * h * np.eye(n), np.tile(u, (n, 1))) for s in (1, -1))
        scale = max(1.0, np.abs(cell.jacobian(x, u)).max())
        np.testing.assert_allclose(
            cell.jacobian(x, u), (up - down).T / (2 * h), atol=DIFFERENCES * scale
        )
        if m:
            up, down = (cell.step(np.tile(x, (m, 1)), u + s * h * np.eye(m)) for s in (1, -1))
            np.testing.assert_allclose(
                cell.input_jacobian(x, u), (up - down).T / (2 * h), atol=DIFFERENCES * scale
            )


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".json"])
@pytest.mark.parametrize("family", CELLS)
def test_every_cell_survives_its_file(tmp_path, family, suffix):
    cell = random_cell(family, 4, 2, 7)
    save(cell, tmp_path / f"cell{suffix}")
    again = load(tmp_path / f"cell{suffix}")
    rng = np.random.default_rng(1)
    x, u = rng.normal(size=(3, cell.n_states)), rng.normal(size=(3, cell.n_inputs))
    assert type(again) is type(cell)
    np.testing.assert_array_equal(again.step(x, u), cell.step(x, u))
    np.testing.assert_array_equal(again.readout(x, u), cell.readout(x, u))


def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_elman_is_its_equation():
    w, w_in, b = np.array([[0.5, -1], [2, 0.1]]), np.array([[1.0], [-2]]), np.array([0.1, 0.2])
    x, u = np.array([0.3, -0.4]), np.array([0.7])
    z = np.array([w[i] @ x + w_in[i, 0] * u[0] + b[i] for i in range(2)])
    np.testing.assert_allclose(Elman(w=w, w_in=w_in, bias=b).step(x, u), np.tanh(z))
    relu = Elman(w=w, w_in=w_in, bias=b, activation="relu")
    np.testing.assert_allclose(relu.step(x, u), np.maximum(z, 0))


def test_a_gru_with_the_reset_before_the_matrix_is_its_equation():
    rng = np.random.default_rng(5)
    w = {f"w_{g}": rng.normal(size=(2, 2)) for g in "rzn"}
    b = {f"b_{g}": rng.normal(size=2) for g in "rzn"}
    h = rng.normal(size=2)
    r, z = (logistic(w[f"w_{g}"] @ h + b[f"b_{g}"]) for g in "rz")
    n = np.tanh(w["w_n"] @ (r * h) + b["b_n"])
    cell = Gru(**w, **b, reset="before")
    np.testing.assert_allclose(cell.step(h, []), (1 - z) * n + z * h, rtol=0, atol=ROUND_OFF)
    assert not np.allclose(Gru(**w, **b).step(h, []), cell.step(h, []))


def test_a_reset_of_another_kind_is_refused():
    w = {f"w_{g}": np.ones((1, 1)) for g in "rzn"}
    with pytest.raises(ModelError, match="reset must be before or after, got 'never'"):
        Gru(**w, reset="never")
    with pytest.raises(ModelError, match="b_hn belongs to reset 'after'"):
        Gru(**w, reset="before", b_hn=np.ones(1))


def test_lrcu_is_equation_52_written_out():
    for seed in range(8):
        cell = random_cell("lrcu", 3, 2, seed, extras=False)
        rng = np.random.default_rng(seed)
        h, u = rng.normal(size=3), rng.normal(size=2)
        for i in range(3):
            f = k = cell.g_leak[i]
            for j in range(3):
                s = logistic(cell.slope[i, j] * h[j] + cell.offset[i, j])
                f, k = f + cell.g_syn[i, j] * s, k + cell.k_syn[i, j] * s
            for j in range(2):
                s = logistic(cell.slope_in[i, j] * u[j] + cell.offset_in[i, j])
                f, k = f + cell.g_syn_in[i, j] * s, k + cell.k_syn_in[i, j] * s
            w = cell.w_elast[i] @ h + cell.w_elast_in[i] @ u + cell.b_elast[i]
            if cell.elastance == "symmetric":
                e = logistic(w + cell.k_elast[i]) - logistic(w - cell.k_elast[i])
            else:
                e = logistic(w)
            e *= 1.0 if cell.dt is None else cell.dt
            new = (1 - e * logistic(f)) * h[i] + e * np.tanh(k) * cell.e_leak[i]
            assert abs(cell.step(h, u)[i] - new) < ROUND_OFF


def test_lrcu_is_the_euler_step_of_lrc():
    cell = random_cell("lrcu", 3, 2, 3)
    given = {f.name: getattr(cell, f.name) for f in fields(cell)}
    x, u = np.array([0.1, -0.7, 1.2]), np.array([0.4, -0.3])
    euler = x + cell.time_step * Lrc(**given).rhs(x, u)
    np.testing.assert_allclose(cell.step(x, u), euler, atol=ROUND_OFF)


def test_lem_cell_uses_the_new_z_for_y():
    cell = random_cell("lem_cell", 4, 2, 0, extras=False)
    rng = np.random.default_rng(0)
    y, z, u = rng.normal(size=2), rng.normal(size=2), rng.normal(size=2)
    slow = cell.dt * logistic(cell.w1 @ y + cell.v1 @ u + cell.b1)
    fast = cell.dt * logistic(cell.w2 @ y + cell.v2 @ u + cell.b2)
    z_new = (1 - slow) * z + slow * np.tanh(cell.wz @ y + cell.vz @ u + cell.bz)
    y_new = (1 - fast) * y + fast * np.tanh(cell.wy @ z_new + cell.vy @ u + cell.by)
    np.testing.assert_allclose(
        cell.step(np.concatenate([y, z]), u), np.concatenate([y_new, z_new]), atol=ROUND_OFF
    )


def test_lem_cell_obeys_the_papers_bound_from_zero():
    # Rusch et al. (2022), eq. 4: min(1, Δ̄ sqrt(t_n)) with Δ̄ = (1 + dt) / sqrt(2 - dt).
    for seed in range(10):
        cell = random_cell("lem_cell", 6, 2, seed, extras=False)
        x = np.zeros(6)
        rng = np.random.default_rng(seed)
        slope = (1 + cell.dt) / np.sqrt(2 - cell.dt)
        for k in range(1, 200):
            x = cell.step(x, 3 * rng.normal(size=2))
            assert np.abs(x).max() <= min(1.0, slope * np.sqrt(k * cell.dt))


def test_the_two_forms_of_the_energy_map_are_conjugate():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        xi, phi = rng.normal(size=(5, 3)), rng.normal(size=(3, 3))
        sigma = ("tanh", "logistic", "identity")[seed % 3]
        scale = 0.3 if sigma == "identity" else 1.0
        inner = EnergyMap(xi=scale * xi, phi=phi, sigma_f=sigma, form="inner")
        outer = EnergyMap(xi=scale * xi, phi=phi, sigma_f=sigma, form="outer")
        value = {"tanh": np.tanh, "logistic": logistic, "identity": np.array}[sigma]
        v = rng.normal(size=5)
        w = value(v)
        for _ in range(10):
            v, w = inner.step(v, []), outer.step(w, [])
            np.testing.assert_allclose(w, value(v), atol=ROUND_OFF * max(1, np.abs(w).max()))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("layers", [1, 3])
def test_steps_are_torchs_own(kind, layers):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    net = getattr(torch.nn, kind)(3, 4, num_layers=layers).double()
    cells = []
    for k in range(layers):
        w_ih, w_hh, b_ih, b_hh = (
            getattr(net, f"{name}_l{k}").detach().numpy()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        cells.append(cell_of(kind, w_ih, w_hh, b_ih, b_hh))
    stack = Stack(layers=tuple(cells)) if layers > 1 else cells[0]
    u = torch.randn(20, 3, dtype=torch.float64)
    wanted = net(u[:, None])[0][:, 0].detach().numpy()
    x = np.zeros(stack.n_states)
    for k in range(20):
        x = stack.step(x, u[k].numpy())
        h = x[-8:-4] if kind == "LSTM" else x[-4:]
        np.testing.assert_allclose(h, wanted[k], atol=ROUND_OFF)


def cell_of(kind, w_ih, w_hh, b_ih, b_hh):
    if kind == "RNN":
        return Elman(w=w_hh, w_in=w_ih, bias=b_ih + b_hh)
    if kind == "GRU":
        w, w_in, b_i, b_h = (np.split(a, 3) for a in (w_hh, w_ih, b_ih, b_hh))
        given = {f"w_{g}": w[k] for k, g in enumerate("rzn")}
        given |= {f"w_{g}_in": w_in[k] for k, g in enumerate("rzn")}
        return Gru(**given, b_r=b_i[0] + b_h[0], b_z=b_i[1] + b_h[1], b_n=b_i[2], b_hn=b_h[2])
    w, w_in, b = (np.split(a, 4) for a in (w_hh, w_ih, b_ih + b_hh))
    given = {f"w_{g}": w[k] for k, g in enumerate("ifgo")}
    given |= {f"w_{g}_in": w_in[k] for k, g in enumerate("ifgo")}
    return Lstm(**given, **{f"b_{g}": b[k] for k, g in enumerate("ifgo")})


EYE = np.eye(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Elman(w=EYE, activation="softplus"), "elman cell must be tanh or relu"),
        (lambda: Elman(w=np.ones((2, 3))), r"w must have shape \(2, 2\)"),
        (lambda: Elman(w=EYE, w_in=np.ones(2)), r"w_in must have shape \(2, m\)"),
        (lambda: Gru(w_r=EYE, w_z=EYE, w_n=EYE, w_r_in=EYE), "w_z_in, w_n_in missing"),
        (lambda: Gru(w_r=EYE, w_z=EYE, w_n=EYE, b_hn=np.ones(3)), "b_hn must have shape"),
        (lambda: Lstm(w_i=EYE, w_f=EYE, w_g=EYE, w_o=np.eye(3)), "w_o must have shape"),
        (lambda: LemCell(wy=EYE, wz=EYE, w1=EYE, w2=EYE), "dt is missing"),
        (lambda: EnergyMap(xi=EYE, phi=EYE, form="both"), "form must be one of inner, outer"),
        (lambda: EnergyMap(xi=EYE, phi=EYE, sigma_f="relu"), "sigma_f must be one of"),
        (lambda: EnergyMap(xi=EYE, phi=np.eye(3)), "phi must have shape"),
        (lambda: Stack(layers=()), "at least one layer"),
        (lambda: Stack(layers=(EYE,)), "layer 1 of a stack must be a cell, got ndarray"),
        (lambda: Stack(layers=(Stack(layers=(Elman(w=EYE),)),)), "must be a cell, got Stack"),
        (lambda: Stack(layers=(Elman(w=EYE, x0=np.ones(2)),)), "layer 1 has x0"),
        (
            lambda: Stack(layers=(Elman(w=EYE), Elman(w=EYE, w_in=np.ones((2, 3))))),
            "layer 2 has 3 inputs, the layer below hands on 2 states",
        ),
    ],
)
def test_bad_cells_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("layer1.family"), "layer 1: the field 'family' is missing"),
        (lambda d: d.update({"layer4.w": np.eye(2)}), r"numbered from 1 without gaps.*4"),
        (lambda d: d.update({"layer1.w_out": np.eye(3)}), "layer 1: "),
        (
            lambda d: [d.pop(k) for k in list(d) if k.startswith("layer")],
            "needs the field 'layers'",
        ),
        (lambda d: d.update(layers=np.eye(2)), "field 'layers' is not one of"),
    ],
)
def test_bad_stack_files_are_refused(tmp_path, change, message):
    save(random_cell("stack", 4, 2, 1), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        data = dict(file)
    change(data)
    np.savez(tmp_path / "bad.npz", **data)
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "bad.npz")
