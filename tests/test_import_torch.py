"""torch's recurrent modules: the imported network against torch itself, and every refusal."""

from pathlib import Path

import numpy as np
import pytest

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Elman, Gru, GruOde, Lstm, Stack
from rnn2circuit.models.import_torch_rnn import network_from_torch
from rnn2circuit.models.io import load

DATA = Path(__file__).parent / "data"
DOUBLE = 1e-12  # the same sums in another order, a dozen steps
SINGLE = 1e-6  # float32 outputs of order one

SIZES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def run(cell, u, x=None):
    """States after every step, (T, n), and outputs."""
    x = cell.initial_state if x is None else x
    states = []
    for now in u:
        x = cell.step(x, now)
        states.append(x)
    states = np.array(states)
    return states, cell.readout(states, u)


def module(kind, hidden=3, inputs=2, layers=1, *, bias=True, prefix="core.", seed=0):
    """Random tensors of an ``nn.kind``, as its state_dict holds them."""
    rng = np.random.default_rng([seed, SIZES[kind], hidden, layers])
    rows = SIZES[kind] * hidden
    found = {}
    for k in range(layers):
        found[f"{prefix}weight_ih_l{k}"] = rng.normal(size=(rows, hidden if k else inputs))
        found[f"{prefix}weight_hh_l{k}"] = rng.normal(size=(rows, hidden))
        if bias:
            found[f"{prefix}bias_ih_l{k}"] = rng.normal(size=rows)
            found[f"{prefix}bias_hh_l{k}"] = rng.normal(size=rows)
    return found


EXPECTED = [
    ("gru", {}, Gru, DOUBLE),
    ("lstm_2", {}, Stack, DOUBLE),
    ("rnn_relu", {"activation": "relu"}, Elman, SINGLE),
]


@pytest.mark.parametrize(("name", "options", "family", "tolerance"), EXPECTED)
def test_every_step_is_torchs_own(name, options, family, tolerance):
    cell = load(DATA / f"torch_{name}.pt", clocked=True, **options)
    assert isinstance(cell, family)
    with np.load(DATA / "torch_expected.npz") as data:
        u, y, h = (data[f"{name}.{k}"].astype(float) for k in "uyh")
        c = data.get(f"{name}.c")
    states, outputs = run(cell, u)
    np.testing.assert_allclose(outputs, y, rtol=0, atol=tolerance)
    last = h if c is None else np.stack([h, c], axis=1)  # per layer: h, then c
    np.testing.assert_allclose(states[-1], last.ravel(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_random_modules_step_as_torch_does_where_it_is_installed(tmp_path, kind, layers, bias):
    torch = pytest.importorskip("torch")
    torch.manual_seed(layers)
    net = torch.nn.Module()
    net.core = getattr(torch.nn, kind)(2, 4, num_layers=layers, bias=bias).double()
    net.head = torch.nn.Linear(4, 2).double()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn_like(value) * 1.5)
    torch.save(net.state_dict(), tmp_path / "m.pt")
    cell = load(tmp_path / "m.pt", clocked=True)
    u = torch.randn(20, 1, 2, dtype=torch.float64)
    with torch.no_grad():
        y = net.head(net.core(u)[0])[:, 0].numpy()
    np.testing.assert_allclose(run(cell, u[:, 0].numpy())[1], y, rtol=0, atol=10 * DOUBLE)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_cells_step_as_torch_does_where_it_is_installed(tmp_path, kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(7)
    net = getattr(torch.nn, f"{kind}Cell")(2, 4).double()
    torch.save({f"a.b.{k}": v for k, v in net.state_dict().items()}, tmp_path / "m.pt")
    cell = load(tmp_path / "m.pt", clocked=True)
    x = np.random.default_rng(0).normal(size=cell.n_states)
    u = np.random.default_rng(1).normal(size=2)
    parts = torch.tensor(x)[None].split(4, dim=1)
    with torch.no_grad():
        new = net(torch.tensor(u)[None], parts if kind == "LSTM" else parts[0])
    expected = torch.cat(new, dim=1) if kind == "LSTM" else new
    np.testing.assert_allclose(cell.step(x, u), expected[0].numpy(), rtol=0, atol=DOUBLE)


def test_the_recurrent_bias_of_the_candidate_stays_inside_the_reset_product():
    tensors = module("GRU", hidden=1, inputs=1)
    for name in tensors:
        tensors[name] = np.zeros_like(tensors[name])
    tensors["core.bias_hh_l0"] = np.array([-2.0, 0.0, 3.0])  # r far from 1, b_hn far from 0
    cell = network_from_torch(tensors, clocked=True)
    r = 1 / (1 + np.exp(2.0))
    expected = 0.5 * np.tanh(3.0 * r) + 0.5 * 0.4
    assert abs(cell.step([0.4], [0.0])[0] - expected) < DOUBLE


def test_gates_are_read_in_torchs_order():
    gru = network_from_torch(module("GRU"), clocked=True)
    assert isinstance(gru, Gru)
    for k, gate in enumerate("rzn"):
        rows = module("GRU")["core.weight_hh_l0"][3 * k : 3 * k + 3]
        np.testing.assert_array_equal(gru.recurrent(gate), rows)
    lstm = network_from_torch(module("LSTM"), clocked=True)
    assert isinstance(lstm, Lstm)
    for k, gate in enumerate("ifgo"):
        rows = module("LSTM")["core.weight_ih_l0"][3 * k : 3 * k + 3]
        np.testing.assert_array_equal(lstm.input_matrix(gate), rows)


def test_one_euler_step_of_the_gru_as_an_equation_is_the_trained_step():
    for seed in range(10):
        tensors = module("GRU", seed=seed) | {"fc.weight": np.ones((1, 3))}
        cell = network_from_torch(tensors, clocked=True)
        model = network_from_torch(tensors, dt=0.1)
        assert isinstance(model, GruOde)
        assert (model.reset, model.dt) == ("after", 0.1)
        rng = np.random.default_rng(seed)
        h, u = rng.normal(size=3), rng.normal(size=2)
        np.testing.assert_allclose(h + 0.1 * model.rhs(h, u), cell.step(h, u), rtol=0, atol=DOUBLE)
        np.testing.assert_array_equal(model.readout(h, u), cell.readout(h, u))


def test_the_readout_reads_the_hidden_vector_of_the_last_layer_alone():
    w = np.array([[1.0, 2.0, 3.0]])
    tensors = module("LSTM", layers=2) | {"fc.weight": w, "fc.bias": np.array([0.5])}
    cell = network_from_torch(tensors, clocked=True)
    np.testing.assert_array_equal(cell.w_out, [[0] * 6 + [1.0, 2.0, 3.0] + [0] * 3])
    np.testing.assert_array_equal(cell.b_out, [0.5])


def test_learnt_initial_states_are_those_of_the_circuit():
    h0, c0 = np.arange(6.0).reshape(2, 1, 3), -np.arange(6.0).reshape(2, 3)
    cell = network_from_torch(module("LSTM", layers=2) | {"h0": h0, "net.c_0": c0}, clocked=True)
    np.testing.assert_array_equal(cell.x0, [0, 1, 2, 0, -1, -2, 3, 4, 5, -3, -4, -5])
    alone = network_from_torch(module("LSTM") | {"c0": np.ones(3)}, clocked=True)
    np.testing.assert_array_equal(alone.x0, [0, 0, 0, 1, 1, 1])
    model = network_from_torch(module("RNN") | {"core.h0": np.arange(3.0)}, dt=1.0)
    assert isinstance(model, Ctrnn)
    np.testing.assert_array_equal(model.x0, [0, 1, 2])


def test_a_layer_that_may_stand_before_the_network_is_named_by_the_user():
    tensors = module("GRU", inputs=3) | {"emb.weight": np.ones((3, 3))}
    with pytest.raises(ModelError, match=r"layer 'emb' fits before the nn.GRU.*--readout emb"):
        network_from_torch(tensors, clocked=True)
    assert network_from_torch(tensors, clocked=True, readout="emb").n_outputs == 3


def with_extra(kind="GRU", layers=1, **extra):
    return module(kind, layers=layers) | {k.replace("__", "."): v for k, v in extra.items()}


def without(tensors, name):
    return {k: v for k, v in tensors.items() if k != name}


CLOCKED = {"clocked": True}
REFUSED = [
    (with_extra(), {}, "nn.GRU holds a discrete program.*--clocked.*--dt DT"),
    (with_extra(), {"dt": 1.0, "clocked": True}, "two readings of the file; give one"),
    (with_extra(), {"clocked": False}, "--clocked.*--dt DT"),
    (with_extra(), {"dt": -1.0}, "dt must be positive, got -1.0"),
    (with_extra("LSTM"), {"dt": 1.0}, "nn.LSTM is no Euler step.*give --clocked instead"),
    (with_extra("RNN", 2), {"dt": 1.0}, "has 2 layers.*give --clocked instead"),
    (with_extra("LSTM", 2), {"dt": 1.0}, "has 2 layers.*give --clocked instead"),
    (with_extra(), CLOCKED | {"activation": "tanh"}, "--activation does not apply.*nn.GRU"),
    (
        with_extra(core__weight_hh_l0_reverse=np.ones((9, 3))),
        CLOCKED,
        "tensor 'core.weight_hh_l0_reverse'.*bidirectional=False",
    ),
    (
        with_extra("LSTM", core__weight_hr_l0=np.ones((2, 3))),
        CLOCKED,
        "tensor 'core.weight_hr_l0'.*projection.*proj_size=0",
    ),
    (
        with_extra(norm__weight=np.ones(3), norm__bias=np.ones(3)),
        CLOCKED,
        "tensor 'norm.bias' is not part of an nn.GRU.*LayerNorm",
    ),
    (
        with_extra(
            b__weight=np.ones(3), b__running_mean=np.ones(3), b__num_batches_tracked=np.ones(())
        ),
        CLOCKED,
        "tensor 'b.num_batches_tracked'.*BatchNorm",
    ),
    (with_extra(conv__weight=np.ones((1, 2, 3))), CLOCKED, "'conv.weight'.*convolution"),
    (with_extra(emb__weight=np.ones((7, 5))), CLOCKED, "'emb.weight'.*embedding"),
    (with_extra(thing=np.ones(3)), CLOCKED, "tensor 'thing' is not part of an nn.GRU"),
    (with_extra(fc__weight=np.ones((1, 3))), CLOCKED | {"readout": "out"}, "no layer 'out'"),
    (without(module("GRU", layers=3), "core.weight_hh_l1"), CLOCKED, "layer 1 is missing"),
    (
        module("GRU") | {"core.weight_hh": np.ones((9, 3))},
        CLOCKED,
        "layer without a number is missing or doubled",
    ),
    (without(module("GRU"), "core.bias_ih_l0"), CLOCKED, "bias_ih_l0 is missing; an nn.GRU has"),
    (
        module("GRU", layers=2) | {"core.weight_ih_l1": np.ones((9, 2))},
        CLOCKED,
        r"weight_ih_l1 must have shape \(9, 3\)",
    ),
    (module("GRU") | module("GRU", prefix="b."), CLOCKED, "2 recurrent modules.*num_layers"),
    (with_extra(h0=np.ones(4)), CLOCKED, r"h0 must have shape \(1, 3\)"),
    (with_extra(h0=np.ones(3), a__h0=np.ones(3)), CLOCKED, "'h0' is not the only initial state"),
    (with_extra(c0=np.ones(3)), CLOCKED, "'c0' is the initial state of an LSTM's cells"),
]


@pytest.mark.parametrize(("tensors", "options", "message"), REFUSED)
def test_what_has_no_circuit_is_refused_with_reason_and_next_step(tensors, options, message):
    with pytest.raises(ModelError, match=message):
        network_from_torch(tensors, **options)
