"""The program behind an ncps LTC, and what of that package has no circuit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.errors import ModelError
from rnn2circuit.models.import_ncps import ltc_from_ncps
from rnn2circuit.models.io import load, save
from rnn2circuit.models.ncps_program import ltc_fused_step

DATA = Path(__file__).parent / "data"
DOUBLE = 1e-12  # the same sums in another order


def test_the_step_is_the_packages_own():
    with np.load(DATA / "ltc_cell.npz") as data:
        u, y, h = data["u"], data["y"], data["h"]
    model = load(DATA / "ltc_cell.pt", ncps_parameters="softplus", unfolds=400)
    v = np.zeros(model.n_states)
    for now, then in zip(u, y, strict=True):
        v = ltc_fused_step(model, v, now, unfolds=400)
        np.testing.assert_allclose(model.readout(v, now), then, rtol=0, atol=DOUBLE)
    np.testing.assert_allclose(v, h, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize("mode", ["softplus", "raw"])
@pytest.mark.parametrize("maps", [("affine", "affine"), ("linear", None), (None, "linear")])
def test_random_ltcs_step_as_the_package_does_where_it_is_installed(tmp_path, mode, maps):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("ncps.torch")
    wirings = pytest.importorskip("ncps.wirings")
    torch.manual_seed(11)
    net = package.LTCCell(
        wirings.AutoNCP(8, 2),
        3,
        input_mapping=maps[0],
        output_mapping=maps[1],
        ode_unfolds=5,
        epsilon=1e-6,
        implicit_param_constraints=mode == "softplus",
    ).double()
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name in ("vleak", "erev", "sensory_erev", "input_b", "output_w"):
                value.add_(torch.randn_like(value))
        if mode == "softplus":
            net.w[0, :] = 20.0 + torch.arange(-1, 7)  # torch's softplus is linear above 20
    torch.save({f"x.rnn_cell.{k}": v for k, v in net.state_dict().items()}, tmp_path / "m.pt")
    model = load(tmp_path / "m.pt", ncps_parameters=mode)
    rng = np.random.default_rng(0)
    v, u = rng.normal(size=(4, 8)), rng.normal(size=(4, 3))
    for elapsed in (1.0, 0.3):
        with torch.no_grad():
            y, h = net(torch.tensor(u), torch.tensor(v), elapsed)
        new = ltc_fused_step(model, v, u, unfolds=5, elapsed=elapsed, epsilon=1e-6)
        np.testing.assert_allclose(new, h.numpy(), rtol=0, atol=DOUBLE)
        # Motor neurons come first; without an output map the file does not say how many.
        np.testing.assert_allclose(model.readout(new, u)[:, :2], y.numpy(), rtol=0, atol=DOUBLE)


def test_a_masked_synapse_does_not_exist_whatever_it_holds():
    from rnn2circuit.models.torch_file import read_torch_zip

    found = read_torch_zip(DATA / "ltc_cell.pt", limit=1 << 20)
    mask = found["rnn_cell.sparsity_mask"]
    assert 0 < mask.sum() < mask.size
    model = ltc_from_ncps(found, ncps_parameters="softplus")
    np.testing.assert_array_equal(model.g_syn != 0, mask.T != 0)
    other = dict(found) | {"rnn_cell.w": np.where(mask == 0, 7.0, found["rnn_cell.w"])}
    again = ltc_from_ncps(other, ncps_parameters="softplus")
    np.testing.assert_array_equal(again.g_syn, model.g_syn)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unfolds": 0}, "unfolds must be a positive whole number, got 0"),
        ({"unfolds": 1.5}, "unfolds must be a positive whole number, got 1.5"),
        ({"unfolds": 1, "elapsed": 0.0}, "elapsed must be positive"),
        ({"unfolds": 1, "epsilon": -1.0}, "epsilon must be zero or positive"),
    ],
)
def test_a_step_of_nonsense_is_refused(options, message):
    model = random_model("ltc", 3, 1, 0)
    with pytest.raises(ModelError, match=message):
        ltc_fused_step(replace(model, g_gap=None), np.zeros(3), np.zeros(1), **options)


def test_gap_junctions_have_no_such_program():
    model = replace(random_model("ltc", 2, 0, 0), g_gap=np.ones((2, 2)))
    with pytest.raises(ModelError, match="knows no gap junctions"):
        ltc_fused_step(model, np.zeros(2), np.zeros(0), unfolds=6)
    alone = replace(model, g_gap=None)
    assert ltc_fused_step(alone, np.zeros(2), np.zeros(0), unfolds=6).shape == (2,)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("ff1.weight", "ff2.weight", "time_a.weight"), "this is a CfC"),
        (("rnn_cell.layer_0.ff1.weight", "rnn_cell.layer_0.time_a.weight"), "this is a wired CfC"),
        (("rnn_cell.ff1.weight", "rnn_cell.w_tau", "rnn_cell.A"), "this is a CfC"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"dt": 1.0}, {"clocked": True}])
def test_a_cfc_is_refused_with_an_explanation(tmp_path, names, said, options):
    path = tmp_path / "cfc.npz"
    np.savez(path, **{name: np.ones((1, 1)) for name in names})
    with pytest.raises(ModelError, match=rf"{said}.*no unique differential equation.*LTC"):
        load(path, **options)


def test_a_clipped_leak_is_refused_by_name():
    from rnn2circuit.models.torch_file import read_torch_zip

    found = dict(read_torch_zip(DATA / "ltc_cell.pt", limit=1 << 20))
    found = {
        k: np.abs(v) if k.split(".")[-1] in ("w", "sensory_w") else v for k, v in found.items()
    }
    found["rnn_cell.gleak"] = np.zeros(7)
    with pytest.raises(ModelError, match=r"gleak\[0\] is 0, clipped there.*has no leak"):
        ltc_from_ncps(found, ncps_parameters="raw")
    with pytest.raises(ModelError, match="unfolds must be a positive whole number"):
        ltc_from_ncps(found, ncps_parameters="softplus", unfolds=2.5)


def test_the_imported_equation_survives_its_own_file(tmp_path):
    model = load(DATA / "ltc_cell.pt", ncps_parameters="softplus")
    save(model, tmp_path / "m.npz")
    v, u = np.full(7, 0.3), np.array([0.2, -0.1])
    np.testing.assert_array_equal(load(tmp_path / "m.npz").rhs(v, u), model.rhs(v, u))
