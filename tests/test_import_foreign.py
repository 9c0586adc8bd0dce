"""Foreign recurrent cells: each importer against its program, and every trap of its format."""

import foreign_programs as foreign
import numpy as np
import pytest
from safetensors.numpy import save_file

from rnn2circuit.cli import main
from rnn2circuit.errors import ModelError
from rnn2circuit.flow import verify_model
from rnn2circuit.models import Elman, GruOde, Hopfield, Lem, LemCell, Lrc, Lrcu, Stc
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.io import load

EXACT = 1e-12  # the same sums in another order, of values of order one
SINGLE = 1e-6  # relative rounding of float32 is 6e-8, times a few dozen terms
SEEDS = range(20)


@pytest.fixture
def read(tmp_path):
    """Write tensors as their user would, and load them."""

    def write_and_load(tensors, suffix=".npz", **options):
        path = tmp_path / f"net{suffix}"
        if suffix == ".npz":
            np.savez(path, **tensors)
        else:
            save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)
        return load(path, **options)

    return write_and_load


def close(found, expected, atol=EXACT):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


# --- LRC


@pytest.mark.parametrize("m", [0, 2])
@pytest.mark.parametrize("kind", ["asymmetric", "symmetric", "none"])
def test_an_lrc_has_the_derivative_of_its_program(kind, m, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.lrc_weights(rng, 3, m, kind=kind)
        model = read(t, elastance=kind)
        assert type(model) is (Stc if kind == "none" else Lrc)
        v, u = rng.normal(size=3), rng.normal(size=m)
        close(model.rhs(v, u), foreign.lrc_derivative(t, v, u if m else None, kind))
        close(model.readout(v, u), foreign.lrc_output(t, v))


@pytest.mark.parametrize("kind", ["asymmetric", "symmetric"])
def test_a_clocked_lrc_takes_the_explicit_step_of_its_program(kind, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.lrc_weights(rng, 4, 2, kind=kind)
        cell = read(t, elastance=kind, clocked=True, dt=0.7, unfolds=1)
        assert type(cell) is Lrcu
        v, u = rng.normal(size=4), rng.normal(size=2)
        close(cell.step(v, u), foreign.lrc_explicit(t, v, u, kind, 0.7))


def test_the_hybrid_solver_discretizes_the_same_equation_and_is_not_the_clocked_step(read):
    rng = np.random.default_rng(0)
    t = foreign.lrc_weights(rng, 3, 2)
    v, u = rng.normal(size=3), rng.normal(size=2)
    model = read(t, elastance="asymmetric")
    errors = [
        np.max(np.abs((foreign.lrc_hybrid(t, v, u, "asymmetric", h) - v) / h - model.rhs(v, u)))
        for h in (1e-3, 1e-4)
    ]
    assert 9 < errors[0] / errors[1] < 11  # a first-order method, ten times the step
    clocked = read(t, elastance="asymmetric", clocked=True, dt=1.0)
    far = np.abs(clocked.step(v, u) - foreign.lrc_hybrid(t, v, u, "asymmetric", 1.0))
    assert np.max(far) > 1e-3


@pytest.mark.parametrize("prefix", ["", "rnn/lrc_cell/", "net.cell."])
@pytest.mark.parametrize("suffix", ["", ":0"])
@pytest.mark.parametrize("file", [".npz", ".safetensors"])
def test_an_lrc_is_recognised_under_every_name_its_wrappers_give(prefix, suffix, file, read):
    t = foreign.lrc_weights(np.random.default_rng(0), prefix=prefix, suffix=suffix)
    if prefix.endswith("."):
        t = {name.replace("/", "."): value for name, value in t.items()}
    assert isinstance(read(t, file, elastance="asymmetric"), Lrc)


def test_lrc_weights_are_transposed_from_pre_post(read):
    t = foreign.lrc_weights(np.random.default_rng(0), 2, 1, maps=False)
    t["w"] = np.array([[0.0, 5.0], [0.0, 0.0]])  # from neuron 0 to neuron 1
    model = read(t, elastance="asymmetric")
    np.testing.assert_array_equal(model.g_syn, [[0.0, 0.0], [5.0, 0.0]])


def test_lrc_weights_in_single_precision_agree_within_single_precision(read):
    rng = np.random.default_rng(3)
    t = {k: v.astype(np.float32) for k, v in foreign.lrc_weights(rng, 5, 3).items()}
    v, u = rng.normal(size=5).astype(np.float32), rng.normal(size=3).astype(np.float32)
    model = read(t, elastance="asymmetric")
    close(model.rhs(v, u), foreign.lrc_derivative(t, v, u, "asymmetric"), SINGLE)


def lrc(**changes):
    kind = changes.pop("kind", "asymmetric")
    t = foreign.lrc_weights(np.random.default_rng(0), 3, changes.pop("m", 2), kind=kind)
    return {k: v for k, v in (t | changes).items() if v is not None}


LRC_FAULTS = [
    (lrc(), {}, "does not record its elastance_type; give --elastance asymmetric"),
    (lrc(kind="none"), {}, "give --elastance none .there is no elastance_mapping"),
    (lrc(kind="none"), {"elastance": "asymmetric"}, "'elastance_mapping.kernel' of .* is missing"),
    (lrc(), {"elastance": "none"}, "'elastance_mapping.bias' is not part of an LRC cell"),
    (lrc(kind="symmetric"), {"elastance": "asymmetric"}, "distr_shift, so its elastance is symm"),
    (lrc(), {"elastance": "symmetric"}, "'distr_shift' of an LRC cell .* is missing"),
    (lrc(), {"elastance": "interp"}, "must be asymmetric, symmetric or none, got 'interp'"),
    (lrc(), {"elastance": "asymmetric", "clocked": True}, "dt is missing.*--dt"),
    (lrc(), {"elastance": "asymmetric", "unfolds": 2}, "--unfolds does not matter"),
    (lrc(w=None), {"elastance": "asymmetric"}, "tensor 'w' of an LRC cell .* is missing"),
    (lrc(sensory_h=None), {"elastance": "asymmetric"}, "tensor 'sensory_h' of .* is missing"),
    (lrc(extra=np.ones(1)), {"elastance": "asymmetric"}, "'extra' is not part of an LRC cell"),
    (lrc(mu=np.ones((2, 3))), {"elastance": "asymmetric"}, r"mu must have shape \(3, 3\), got"),
    (lrc(**{"b/gleak": np.ones(3)}), {"elastance": "asymmetric"}, "expected one tensor 'gleak', f"),
    (lrc(**{"w:0": np.ones(3)}), {"elastance": "asymmetric"}, "tensor 'w' is there twice"),
    (lrc(), {"elastance": "asymmetric", "tau": 1.0}, "--tau does not apply"),
]


@pytest.mark.parametrize(("tensors", "options", "message"), LRC_FAULTS)
def test_an_lrc_file_that_leaves_something_open_or_over_is_refused(tensors, options, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors, **options)


def test_tensors_of_another_module_beside_an_lrc_are_named(read):
    t = foreign.lrc_weights(np.random.default_rng(0), prefix="cell.")
    t = {name.replace("/", "."): value for name, value in t.items()}
    with pytest.raises(ModelError, match=r"'dense.kernel' is not part of an LRC cell"):
        read(t | {"dense.kernel": np.ones((3, 1))}, elastance="asymmetric")


def test_neutral_maps_of_the_autonomous_cell_are_accepted(read):
    t = lrc(m=0) | {"input_w": np.ones(3), "input_b": np.zeros(3), "output_w": np.ones(3)}
    assert read(t, elastance="asymmetric").w_out is None


# --- LrcSSM


@pytest.mark.parametrize("names", ["equinox", "flax"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_an_lrcssm_cell_takes_its_programs_step_and_is_its_euler_step(symmetric, names, read):
    elastance = "symmetric" if symmetric else "asymmetric"
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.lrcssm_weights(rng)
        h, u, dt = rng.normal(size=4), rng.normal(size=3), rng.uniform(0.1, 1)
        expected = foreign.lrcssm_step(t, h, u, symmetric=symmetric, dt=dt)
        if names == "flax":
            t = {f"params.{foreign.LRCSSM_FLAX[k]}": v for k, v in t.items()}
        cell = read(t, elastance=elastance, clocked=True, dt=dt)
        model = read(t, elastance=elastance)
        close(cell.step(h, u), expected)
        close(h + dt * model.rhs(h, u), expected)
        assert model.dt is None  # folded into the program's elastance, not into ours


def test_an_lrcssm_cell_is_diagonal_and_its_elastance_sees_the_state_alone(read):
    model = read(foreign.lrcssm_weights(np.random.default_rng(0)), elastance="asymmetric")
    for field in (model.g_syn, model.k_syn, model.w_elast):
        assert np.count_nonzero(field - np.diag(np.diag(field))) == 0
    assert not model.w_elast_in.any()
    assert model.g_syn_in.shape == (4, 3)


def lrcssm(**changes):
    return foreign.lrcssm_weights(np.random.default_rng(0)) | changes


LRCSSM_FAULTS = [
    (lrcssm(), {}, "does not record use_symmetric; give --elastance"),
    (lrcssm(), {"elastance": "none"}, "give --elastance symmetric or asymmetric, got 'none'"),
    (lrcssm(), {"elastance": "symmetric", "clocked": True}, "dt is missing"),
    (lrcssm(weight_x=np.ones(1)), {"elastance": "symmetric"}, "'weight_x' is not part of an Lrc"),
    (
        lrcssm(weight_elastance_shift=np.array([1, -0.5, 1, 1])),
        {"elastance": "symmetric"},
        "shift of neuron 1 is -0.5",
    ),
    (  # the layout of the Keras cell
        lrcssm(weight_sensory_w=np.ones((3, 4))),
        {"elastance": "symmetric"},
        r"sensory_w must have shape \(4, 3\), got \(3, 4\)",
    ),
]


@pytest.mark.parametrize(("tensors", "options", "message"), LRCSSM_FAULTS)
def test_an_lrcssm_file_that_is_wrong_is_refused(tensors, options, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors, **options)


# --- GRU-ODE-Bayes


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("m", [0, 2])
@pytest.mark.parametrize("full", [True, False])
def test_a_gru_ode_cell_has_the_derivative_of_its_program(full, m, bias, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.gru_ode_weights(rng, 3, m, full=full, bias=bias)
        h, x = rng.normal(size=3), rng.normal(size=m)
        expected = foreign.gru_ode_derivative(t, h, x if m else None)
        model = read({f"gru_c.{k}": v for k, v in t.items()})
        assert isinstance(model, GruOde)
        assert model.reset == "before"
        close(model.rhs(h, x), expected)


def test_the_reset_gate_of_a_gruodecell_is_its_update_gate(read):
    model = read(foreign.gru_ode_weights(np.random.default_rng(1), full=False))
    np.testing.assert_array_equal(model.w_r, -model.w_f)
    np.testing.assert_array_equal(model.b_r, -model.b_f)


def test_biases_that_forks_give_the_hidden_layers_add_up(read):
    rng = np.random.default_rng(0)
    t = foreign.gru_ode_weights(rng, full=True)
    t |= {f"lin_h{gate}.bias": rng.normal(size=3) for gate in "hzr"}
    h, x = rng.normal(size=3), rng.normal(size=2)
    close(read(t).rhs(h, x), foreign.gru_ode_derivative(t, h, x))


def gru_ode(*, full=True, **changes):
    t = foreign.gru_ode_weights(np.random.default_rng(0), full=full)
    t |= {k.replace("__", "."): v for k, v in changes.items()}
    return {k: v for k, v in t.items() if v is not None}


GRU_ODE_FAULTS = [
    (gru_ode(), {"dt": 0.1}, "--dt does not apply"),
    (gru_ode(lin_hr__weight=None), {}, "tensor 'lin_hr.weight' of a GRU-ODE-Bayes cell is missing"),
    (gru_ode(full=False, lin_xn__weight=None), {}, "tensor 'lin_xn.weight' .* is missing"),
    (gru_ode(p_model__weight=np.ones((2, 3))), {}, "'p_model.weight' is not part of"),
    (gru_ode(lin_x__weight=np.ones((6, 2))), {}, r"lin_x.weight must have shape \(9, 2\)"),
    (gru_ode(lin_hz__weight=np.ones(3)), {}, "lin_hz.weight must be a matrix"),
    (gru_ode(full=False, lin_xz__bias=np.ones(2)), {}, r"lin_xz.bias must have shape \(3,\)"),
]


@pytest.mark.parametrize(("tensors", "options", "message"), GRU_ODE_FAULTS)
def test_a_gru_ode_file_that_is_wrong_is_refused(tensors, options, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors, **options)


# --- Beer's CTRNN


def test_beers_network_is_a_hopfield_network_in_other_coordinates(read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.beer_weights(rng)
        model = read(t)
        assert isinstance(model, Hopfield)
        x, external = rng.normal(size=4), rng.normal(size=4)
        z = t["gains"] * (x + t["biases"])
        close(model.rhs(z, external), t["gains"] * foreign.beer_derivative(t, x, external))
        close(model.readout(z, external), x)
        close(model.readout(model.initial_state, external), t["states"])


def csr(w):
    """Data, indices and indptr as scipy has them."""
    rows, columns = np.nonzero(w)
    return {
        "weights_data": w[rows, columns],
        "weights_indices": columns,
        "weights_indptr": np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(w)))]),
    }


def test_beers_sparse_weights_are_those_of_the_dense_file(read):
    t = foreign.beer_weights(np.random.default_rng(0))
    dense = read(t)
    sparse = {k: v for k, v in t.items() if k != "weights"} | csr(t["weights"])
    np.testing.assert_array_equal(read(sparse).w, dense.w)
    np.testing.assert_array_equal(read(sparse | {"weights_shape": np.array([4, 4])}).w, dense.w)


def beer(**changes):
    t = foreign.beer_weights(np.random.default_rng(0)) | changes
    return {k: v for k, v in t.items() if v is not None}


def beer_csr(**changes):
    t = beer()
    return beer(weights=None, **(csr(t["weights"]) | changes))


BEER_FAULTS = [
    (beer(weights=None), "tensor 'weights_data' .* is missing"),
    (beer(noise=np.ones(1)), "'noise' is not part of a network of the CTRNN package"),
    (beer(weights=np.ones((4, 3))), r"weights must have shape \(4, 4\)"),
    (beer(outputs=foreign.sigmoid(beer()["states"])), "leaves gains and biases out"),
    (beer(outputs=np.ones(4), states=None), "outputs are there without the states"),
    (beer(step_size=np.ones(2)), "step_size must be one number"),
    (beer_csr(weights_indptr=np.array([0, 1, 1, 1, 99])), "not the parts of a csr"),
    (beer_csr(weights_indices=-csr(beer()["weights"])["weights_indices"] - 1), "not the parts of"),
    (beer_csr(weights_shape=np.array([4, 5])), r"weights_shape must be \[4, 4\]"),
]


@pytest.mark.parametrize(("tensors", "message"), BEER_FAULTS)
def test_a_file_of_beers_network_that_is_wrong_is_refused(tensors, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors)


def test_outputs_of_the_states_and_a_step_size_are_understood(read):
    t = beer()
    outputs = foreign.sigmoid(t["gains"] * (t["states"] + t["biases"]))
    assert read(t | {"outputs": outputs, "step_size": np.array(0.1)}).dt == 0.1


# --- nn-brain


@pytest.mark.parametrize("bias", [True, False])
def test_a_clocked_nn_brain_network_takes_its_programs_step(bias, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.leaky_weights(rng)
        if not bias:
            t["rnn.h2h.bias"] = np.zeros(4)
        h, u = np.abs(rng.normal(size=4)), rng.normal(size=2)
        expected = foreign.nn_brain_step(t, h, u, 0.2)
        if not bias:
            del t["rnn.h2h.bias"]
        cell = read(t, clocked=True, tau=100.0, dt=20.0)
        assert isinstance(cell, Elman)
        close(cell.step(h, u), expected)
        close(cell.readout(h, u), t["fc.weight"] @ h + t["fc.bias"])


def test_an_eirnn_is_the_euler_step_of_a_hopfield_network(read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.leaky_weights(rng, 5, 2, excitatory=4)
        s, u = rng.normal(size=5), rng.normal(size=2)
        model = read(t, tau=100.0, dt=20.0, readout="none")
        assert isinstance(model, Hopfield)
        close(s + 20.0 * model.rhs(s, u), foreign.eirnn_step(t, s, u, 0.2, 4))


def leaky(**changes):
    t = foreign.leaky_weights(np.random.default_rng(0))
    t |= {k.replace("__", "."): v for k, v in changes.items()}
    return {k: v for k, v in t.items() if v is not None}


CLOCKED = {"clocked": True, "tau": 100.0, "dt": 20.0}
LEAKY_FAULTS = [
    (leaky(), CLOCKED | {"tau": None}, "tau is missing.*--tau"),
    (leaky(), CLOCKED | {"dt": None}, "dt is missing.*--dt"),
    (leaky(), CLOCKED | {"dt": 101.0}, "longer than tau"),
    (leaky(rnn__x=np.ones(1)), CLOCKED, "'x' is not part of an nn-brain network"),
    (leaky(norm__scale=np.ones(1)), CLOCKED, "'norm.scale' is not part of"),
    (leaky(out__weight=np.ones((1, 4))), CLOCKED, "several layers could be the readout"),
    (leaky(), CLOCKED | {"readout": "out"}, r"no layer 'out' to read out; there are \['fc'\]"),
    (leaky(fc__weight=np.ones((1, 5))), CLOCKED, r"fc.weight must have shape \(p, 4\)"),
    (leaky(rnn__input2h__weight=np.ones((3, 2))), CLOCKED, r"input2h.weight must have shape \(4,"),
]


@pytest.mark.parametrize(("tensors", "options", "message"), LEAKY_FAULTS)
def test_an_nn_brain_file_that_is_wrong_is_refused(tensors, options, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors, **options)


def test_an_nn_brain_network_may_have_no_readout(read):
    t = foreign.leaky_weights(np.random.default_rng(0), read=0)
    assert read(t, **CLOCKED).w_out is None


# --- PsychRNN


@pytest.mark.parametrize("dale", [None, 0.8])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_a_psychrnn_network_is_the_euler_step_of_a_hopfield_network(activation, dale, read):
    f = activation_named(activation).value
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.psychrnn_weights(rng, dale=dale)
        model = read(t, tau=50.0, dt=10.0, activation=activation, readout="none")
        x, u = rng.normal(size=5), rng.normal(size=2)
        close(x + 10.0 * model.rhs(x, u), foreign.psychrnn_step(t, x, u, 0.2, f))
        close(model.initial_state, t["init_state"][0])


def psychrnn(dale=None, **changes):
    t = foreign.psychrnn_weights(np.random.default_rng(0), dale=dale) | changes
    return {k: v for k, v in t.items() if v is not None}


def test_a_pickled_transfer_function_is_passed_over_and_never_opened(read, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    t = psychrnn(transfer_function=np.array(Trap(), dtype=object))
    model = read(t, tau=50.0, dt=10.0, activation="relu", readout="none")
    assert model.activation == "relu"
    assert not (tmp_path / "opened").exists()
    with pytest.raises(ModelError, match="objects are never unpickled"):
        read(psychrnn(other=np.array(Trap(), dtype=object)), tau=1.0, dt=1.0, activation="relu")


def test_the_readout_of_an_identity_network_is_kept(read):
    t = psychrnn()
    model = read(t, tau=50.0, dt=10.0, activation="identity")
    np.testing.assert_array_equal(model.w_out, t["W_out"])


def unmasked():
    t = psychrnn()
    w = t["W_rec"].copy()
    w[t["rec_connectivity"] == 0] = 0.3
    return t | {"W_rec": w}


GIVEN = {"tau": 50.0, "dt": 10.0, "activation": "relu", "readout": "none"}
PSYCH_FAULTS = [
    (psychrnn(), GIVEN | {"activation": None}, "give --activation"),
    (psychrnn(), GIVEN | {"activation": "elu"}, "activation must be one of"),
    (psychrnn(), GIVEN | {"tau": None}, "tau is missing"),
    (psychrnn(), GIVEN | {"readout": "W_out"}, "none or not given, got 'W_out'"),
    (unmasked(), GIVEN, r"W_rec\[.*contradicts rec_connectivity.*not the effective weights"),
    (psychrnn(0.8) | {"W_rec": -psychrnn(0.8)["W_rec"]}, GIVEN, "contradicts Dale_rec"),
    (psychrnn(0.8) | {"W_in": -psychrnn(0.8)["W_in"]}, GIVEN, "contradicts dale_ratio"),
    (psychrnn(0.8, W_out=np.ones((2, 5)), output_connectivity=None), GIVEN, "contradicts Dale_out"),
    (psychrnn(0.8, Dale_out=None), GIVEN, "'Dale_out' is missing beside dale_ratio"),
    (psychrnn(b_rec=None), GIVEN, "tensor 'b_rec' of a PsychRNN network is missing"),
    (psychrnn(W_lstm=np.ones(1)), GIVEN, "'W_lstm' is not part of a PsychRNN network"),
    (psychrnn(init_state=np.ones((2, 5))), GIVEN, r"init_state must have shape \(1, 5\)"),
    (psychrnn(b_out=np.ones(3)), GIVEN, r"W_out must have shape \(3, 5\)"),
]


@pytest.mark.parametrize(("tensors", "options", "message"), PSYCH_FAULTS)
def test_a_psychrnn_file_that_is_wrong_is_refused(tensors, options, message, read):
    with pytest.raises(ModelError, match=message):
        read(tensors, **options)


# --- LEM


@pytest.mark.parametrize("cuda", [False, True])
def test_a_clocked_lem_takes_its_programs_step_in_both_layouts(cuda, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        t = foreign.lem_weights(rng, cuda=cuda)
        cell = read(t, dt=0.6, clocked=True)
        assert isinstance(cell, LemCell)
        y, z, u = rng.normal(size=3), rng.normal(size=3), rng.normal(size=2)
        expected = np.concatenate(foreign.lem_step(t, y, z, u, 0.6))
        close(cell.step(np.concatenate([y, z]), u), expected)


def test_both_layouts_of_a_lem_run_the_same_course(read):
    plain = foreign.lem_weights(np.random.default_rng(5))
    cuda = foreign.lem_weights(np.random.default_rng(5), cuda=True)
    one, two = (read(t, dt=1.0, clocked=True) for t in (plain, cuda))
    rng = np.random.default_rng(0)
    x = y = np.zeros(6)
    for _ in range(50):
        u = rng.normal(size=2)
        x, y = one.step(x, u), two.step(y, u)
        close(x, y)


def test_a_lem_readout_sees_y_and_its_bias_needs_a_weight(read):
    t = foreign.lem_weights(np.random.default_rng(0))
    head = {"classifier.weight": np.ones((1, 3)), "classifier.bias": np.ones(1)}
    for clocked in (True, None):
        model = read(t | head, dt=1.0, clocked=clocked)
        assert isinstance(model, LemCell if clocked else Lem)
        close(model.readout(np.arange(6.0), np.zeros(2)), [0 + 1 + 2 + 1])
    with pytest.raises(ModelError, match=r"'classifier\.bias' is not part of a LEM"):
        read(t | {"classifier.bias": np.ones(6)}, dt=1.0)


# --- circuits


def circuits():
    rng = np.random.default_rng(8)
    lrc = foreign.lrc_weights(rng, 3, 2, kind="symmetric")
    asymmetric = foreign.lrc_weights(rng, 3, 2)
    ssm, lem = foreign.lrcssm_weights(rng, 3, 2), foreign.lem_weights(rng, 2, 1)
    yield "lrc", lrc, {}
    yield "lrc-autonomous", foreign.lrc_weights(rng, 3, 0), {"elastance": "asymmetric"}
    yield "stc", foreign.lrc_weights(rng, 3, 2, kind="none"), {"elastance": "none"}
    yield "lrcu", asymmetric, {"elastance": "asymmetric", "clocked": True, "dt": 0.5}
    yield "lrcssm", ssm, {"elastance": "symmetric"}
    yield "lrcssm-clocked", ssm, {"elastance": "asymmetric", "clocked": True, "dt": 0.5}
    yield "gruodecell", foreign.gru_ode_weights(rng, full=False), {}
    yield "fullgruodecell", foreign.gru_ode_weights(rng, full=True), {}
    yield "beer", foreign.beer_weights(rng, 3), {}
    yield "nn-brain", foreign.leaky_weights(rng, 3, 2), {"clocked": True, "tau": 5.0, "dt": 1.0}
    eirnn = foreign.leaky_weights(rng, 4, 2, excitatory=3)
    eirnn["rnn.h2h.weight"] *= 0.2
    yield "eirnn", eirnn, {"tau": 5.0, "dt": 1.0, "readout": "none"}
    yield "psychrnn", foreign.psychrnn_weights(rng, 4, 2), GIVEN | {"activation": "tanh"}
    yield "lem", lem, {"dt": 1.0}
    yield "lem-clocked", lem, {"dt": 1.0, "clocked": True}


CIRCUITS = list(circuits())


@pytest.mark.spice
@pytest.mark.parametrize(("name", "tensors", "options"), CIRCUITS, ids=[c[0] for c in CIRCUITS])
def test_an_imported_network_is_verified_as_a_circuit(name, tensors, options, read):
    result = verify_model(read(tensors, **options), name="foreign")
    assert result.passed, result.report


@pytest.mark.parametrize(
    ("tensors", "flags"),
    [
        (lrc(kind="none"), ["--elastance", "none"]),
        (lrc(), ["--elastance", "asymmetric", "--clocked", "--dt", "0.5"]),
        (leaky(), ["--clocked", "--tau", "100", "--dt", "20"]),
        (psychrnn(), ["--tau", "50", "--dt", "10", "--activation", "relu", "--readout", "none"]),
    ],
)
def test_the_command_line_has_every_option_that_is_asked_for(tensors, flags, tmp_path, capsys):
    np.savez(tmp_path / "net.npz", **tensors)
    assert main(["show", str(tmp_path / "net.npz")]) == 2
    assert "--" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "net.npz"), *flags]) == 0
