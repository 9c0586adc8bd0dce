import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Ltc
from rnn2circuit.models.import_lem import lem_from_torch
from rnn2circuit.models.import_ncps import ltc_from_ncps
from rnn2circuit.models.import_torch_rnn import network_from_torch
from rnn2circuit.models.io import load
from rnn2circuit.models.torch_file import read_torch_zip

DATA = Path(__file__).parent / "data"
STEP = 1e-13  # one step in double precision
UNFOLDED = 1e-3  # 400 unfolds of a first-order solver, three steps
HALVING = (1.6, 2.4)  # a first-order method's error halves with its step, here within 20 %
SMALL = 1 << 20  # bytes; the files below are thousands of times smaller


def rnn_tensors(hidden=3, inputs=2, prefix="rnn.", layer="_l0", seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}weight_ih{layer}": rng.normal(size=(hidden, inputs)),
        f"{prefix}weight_hh{layer}": rng.normal(size=(hidden, hidden)),
        f"{prefix}bias_ih{layer}": rng.normal(size=hidden),
        f"{prefix}bias_hh{layer}": rng.normal(size=hidden),
    }


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("prefix", "layer"), [("rnn.", "_l0"), ("", "_l0"), ("cell.", "")])
def test_one_euler_step_of_the_imported_ctrnn_is_the_trained_step(activation, prefix, layer):
    for seed in range(20):
        tensors = rnn_tensors(prefix=prefix, layer=layer, seed=seed)
        dt = 0.1
        model = network_from_torch(tensors, dt=dt, activation=activation)
        w_ih, w_hh, b_ih, b_hh = tensors.values()
        rng = np.random.default_rng(seed)
        h, u = rng.normal(size=3), rng.normal(size=2)
        z = w_ih @ u + b_ih + w_hh @ h + b_hh
        step = np.tanh(z) if activation == "tanh" else np.maximum(z, 0)
        np.testing.assert_allclose(h + dt * model.rhs(h, u), step, rtol=0, atol=1e2 * STEP)
        assert model.dt == dt


def test_biases_may_be_absent_and_the_readout_is_kept():
    tensors = rnn_tensors()
    del tensors["rnn.bias_ih_l0"], tensors["rnn.bias_hh_l0"]
    model = network_from_torch(tensors | {"fc.weight": np.ones((1, 3))}, dt=1.0)
    assert model.bias is None
    np.testing.assert_array_equal(model.w_out, np.ones((1, 3)))
    assert model.b_out is None


def test_the_readout_is_chosen_by_name_where_several_could_be_it():
    tensors = rnn_tensors() | {"a.weight": np.ones((1, 3)), "b.weight": np.ones((2, 3))}
    with pytest.raises(ModelError, match="several layers could be the readout"):
        network_from_torch(tensors, dt=1.0)
    with pytest.raises(ModelError, match=r"'b.weight' is not part of an nn.RNN"):
        network_from_torch(tensors, dt=1.0, readout="a")


def changed(**extra):
    return rnn_tensors() | {k.replace("__", "."): v for k, v in extra.items()}


RNN_FAULTS = [
    (changed(), {}, "does not record the model time of one step: give --clocked .*or --dt DT"),
    (changed(), {"dt": 0.1, "clocked": True}, "--dt and --clocked are two readings"),
    (changed(), {"dt": 0.0}, "dt must be positive"),
    (changed(), {"dt": 0.1, "activation": "elu"}, "is tanh or relu, got 'elu'"),
    (changed(), {"dt": 0.1, "readout": "fc"}, "no layer 'fc' with 3 inputs"),
    (changed(norm__scale=np.ones(3)), {"dt": 0.1}, r"'norm.scale' is not part of an nn.RNN"),
    (changed(rnn__weight_hh_l0_reverse=np.ones((3, 3))), {"dt": 0.1}, "bidirectional"),
    (changed(rnn__weight_hr_l0=np.ones((3, 3))), {"dt": 0.1}, "projection"),
    (changed(two__weight_hh_l0=np.ones((3, 3))), {"dt": 0.1}, "2 recurrent modules"),
    (changed(rnn__weight_hh_l0=np.ones((5, 3))), {"dt": 0.1}, "must be square"),
    (changed(rnn__weight_hh_l0=np.ones((6, 3))), {"dt": 0.1}, "must be square or hold 3"),
    (changed(rnn__weight_hh_l0=np.ones(3)), {"dt": 0.1}, "must be a matrix"),
    (changed(rnn__weight_hh_l0=np.ones((0, 0))), {"dt": 0.1}, "must be a matrix"),
    (changed(rnn__bias_hh_l0=np.ones(4)), {"dt": 0.1}, r"bias_hh_l0 must have shape \(3,\), got"),
    (changed(rnn__weight_ih_l0=np.ones((4, 2))), {"dt": 0.1}, r"weight_ih_l0 must have shape \(3,"),
    (
        rnn_tensors(layer="_l1"),
        {"dt": 0.1},
        "layer _l1 .*of the layers before it layer 0 is missing",
    ),
    (changed(fc_weight=np.ones((1, 3))), {"dt": 0.1}, "'fc_weight' is not part of an nn.RNN"),
    (
        changed(rnn__weight_hh_l1=np.ones((9, 3))),
        {"dt": 0.1},
        "different kinds .rnn.weight_hh_l0: RNN, rnn.weight_hh_l1: GRU",
    ),
    (
        changed(rnn__weight_hh_l0=np.ones((12, 2)), rnn__weight_hr_l0=np.ones((2, 3))),
        {"dt": 0.1},
        "tensor 'rnn.weight_hr_l0'.*projection.*supported are nn.RNN, nn.GRU and nn.LSTM",
    ),
]


@pytest.mark.parametrize(("tensors", "options", "message"), RNN_FAULTS)
def test_an_rnn_that_has_no_such_circuit_is_refused_with_its_reason(tensors, options, message):
    with pytest.raises(ModelError, match=message):
        network_from_torch(tensors, **options)


def test_a_missing_input_matrix_is_named():
    tensors = rnn_tensors()
    del tensors["rnn.weight_ih_l0"]
    with pytest.raises(ModelError, match="weight_ih_l0 is missing"):
        network_from_torch(tensors, dt=0.1)


@pytest.mark.parametrize("side", ["ih", "hh"])
def test_one_bias_without_the_other_is_refused(side):
    tensors = rnn_tensors()
    del tensors[f"rnn.bias_{side}_l0"]
    with pytest.raises(ModelError, match=f"bias_{side}_l0 is missing; an nn.RNN has both"):
        network_from_torch(tensors, dt=0.1)


def test_a_chosen_readout_is_kept_where_nothing_else_is_left():
    tensors = rnn_tensors() | {"fc.weight": np.ones((2, 3)), "fc.bias": np.arange(2.0)}
    for readout in (None, "fc", "fc."):
        model = network_from_torch(tensors, dt=1.0, readout=readout)
        np.testing.assert_array_equal(model.b_out, [0.0, 1.0])


def test_a_torch_file_reads_without_torch_bit_for_bit():
    found = read_torch_zip(DATA / "tiny_rnn.pt", limit=1 << 20)
    with np.load(DATA / "tiny_rnn.npz") as expected:
        assert set(found) == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(found[name].astype(float), expected[name])
    model = load(DATA / "tiny_rnn.pt", dt=0.2)
    assert isinstance(model, Ctrnn)
    assert model.w_out.shape == (1, 3)


def torch_pickle(program, **storages):
    """A torch file with a hand-assembled pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", program)
        for key, data in storages.items():
            archive.writestr(f"m/data/{key.removeprefix('s')}", data)
    return buffer.getvalue()


def tensor(size=b"K\x02", stride=b"K\x01", offset=b"K\x00", key=b"0", kind=b"DoubleStorage"):
    """Protocol-2 pickle of {'w': tensor}."""
    return (
        b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n(("
        b"U\x07storagectorch\n"
        + kind
        + b"\nU\x01"
        + key
        + b"U\x03cpuK\x02tQ"
        + offset
        + b"("
        + size
        + b"t("
        + stride
        + b"t\x89}tRs."
    )


def nested(depth):
    """A tuple of two tuples of two tuples, by reference: a few bytes whose text has 2**depth."""
    return b")" + b"q\x00h\x00h\x00\x86" * depth


def large(name):
    """A reduction whose argument is the deeply nested tuple."""
    return b"\x80\x02c" + name + b"\n" + nested(60) + b"\x85R."


ODD_STORAGE = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x01tQ"
EIGHTS = b"\x00" * 16
TORCH_FAULTS = [
    (b"not a zip", "not a torch zip file"),
    (torch_pickle(b"\x80\x02cos\nsystem\n(U\x04truetR."), "would load os.system"),
    (
        torch_pickle(b"\x80\x02ctorch.nn.modules.rnn\nRNN\n)\x81."),
        "would load torch.nn.modules.rnn.RNN",
    ),
    (torch_pickle(b"\x80\x02cbuiltins\neval\n(U\x011tR."), "would load builtins.eval"),
    (torch_pickle(tensor(size=b"K\x09"), s0=EIGHTS), "reaches outside its storage"),
    (torch_pickle(tensor(stride=b"J\xff\xff\xff\xff"), s0=EIGHTS), "wrong geometry"),
    (torch_pickle(tensor(size=b"K\x02K\x02"), s0=EIGHTS), "wrong geometry"),
    (torch_pickle(tensor(size=b"J\xff\xff\xff\x7f", stride=b"K\x00"), s0=EIGHTS), "larger than"),
    (torch_pickle(tensor(key=b"7"), s0=EIGHTS), "storage '7' is missing"),
    (torch_pickle(tensor(key=b"x"), s0=EIGHTS), "unknown storage reference"),
    (torch_pickle(tensor(kind=b"ComplexStorage"), s0=EIGHTS), "would load torch.ComplexStorage"),
    (torch_pickle(tensor(), s0=b"\x00" * (1 << 21)), "larger than"),
    (torch_pickle(b"\x80\x02K\x01."), "holds a int, expected a state_dict"),
    (torch_pickle(b"\x80\x02}U\x01wK\x01s."), "entry 'w' is not a tensor"),
    (torch_pickle(b"\x80\x02garbage"), "damaged torch file"),
    (torch_pickle(b"\x80\x02N"), "damaged torch file"),
    (torch_pickle(b"\x80\x02Nr" + struct.pack("<I", 2**31) + b"."), "holds a NoneType"),
    (torch_pickle(b"\x80\x02h\x07."), "damaged torch file: KeyError"),
    (torch_pickle(b"\x80\x020."), "opcode POP is not one"),
    (torch_pickle(b"\x80\x02."), "damaged torch file: IndexError"),
    (torch_pickle(b"\x80\x05\x96" + struct.pack("<Q", 3 << 30) + b"."), "damaged torch file"),
    (torch_pickle(b"\x80\x02" + nested(60) + b"Q."), "unknown storage reference"),
    (torch_pickle(b"\x80\x02}" + nested(60).replace(b"\x00", b"\x01") + b"Ns."), "are no names"),
    (torch_pickle(b"\x80\x02}(U\x01wu."), "damaged torch file: ValueError"),
    (torch_pickle(b"\x80\x02NK\x01a."), "items for what is not a list"),
    (torch_pickle(b"\x80\x02N}b."), "sets attributes of an object"),
    (torch_pickle(large(b"collections\nOrderedDict")), "built in an unknown way"),
    (torch_pickle(large(b"torch._utils\n_rebuild_parameter")), "built in an unknown way"),
    (torch_pickle(large(b"torch._utils\n_rebuild_tensor_v2")), "built in an unknown way"),
    (torch_pickle(large(b"torch\nFloatStorage")), "built in an unknown way"),
    (torch_pickle(b"\x80\x02}U\x01w" + ODD_STORAGE + b"s."), "entry 'w' is not a tensor"),
    (torch_pickle(tensor(size=b"K\x01" * 9, stride=b"K\x01" * 9), s0=EIGHTS), "wrong geometry"),
    (torch_pickle(tensor(size=b"\x88"), s0=EIGHTS), "wrong geometry"),
    (torch_pickle(tensor(), s0=b"\x00" * 9), "damaged torch file: ValueError"),
    (torch_pickle(tensor()[2:-1] + b"."), "is missing from the torch file"),
]


@pytest.mark.parametrize(("content", "message"), TORCH_FAULTS)
def test_a_hostile_or_damaged_torch_file_is_refused(tmp_path, content, message):
    path = tmp_path / "m.pt"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ModelError, match=message):
        read_torch_zip(path, limit=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * SMALL


def test_tensors_that_share_a_storage_under_two_types_are_each_their_own(tmp_path):
    path = tmp_path / "m.pt"
    one, two = tensor()[2:-1], tensor(kind=b"LongStorage")[3:-1].replace(b"U\x01w", b"U\x01v", 1)
    path.write_bytes(torch_pickle(b"\x80\x02" + one + two + b".", s0=struct.pack("<dd", 1.0, 2.0)))
    found = read_torch_zip(path, limit=SMALL)
    assert {k: str(v.dtype) for k, v in found.items()} == {"w": "float64", "v": "int64"}


def test_a_file_that_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_torch_zip(tmp_path / "none.pt", limit=SMALL)


def test_packed_members_are_refused_because_torch_writes_none(tmp_path):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("m/data.pkl", bytes(1 << 20))
    with pytest.raises(ModelError, match="is compressed, which torch"):
        read_torch_zip(path, limit=SMALL)


def test_any_flipped_byte_of_a_torch_file_is_a_typed_error_or_a_valid_model(tmp_path):
    original = (DATA / "tiny_rnn.pt").read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(len(original), size=400):
        data = bytearray(original)
        data[position] ^= int(rng.integers(1, 256))
        (tmp_path / "m.pt").write_bytes(bytes(data))
        said = ""
        try:
            assert load(tmp_path / "m.pt", dt=1.0).n_states == 3
        except ModelError as error:
            said = str(error)
        assert not said or said.startswith("m.pt: ")
        assert said.isprintable()


def archive(path, *members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members:
            file.writestr(name, content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_are_no_state_dict_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.pt"
    for members, message in (
        ([("m/other", b"")], "not a state_dict of torch.save"),
        ([("m/data.pkl", b""), ("m/constants.pkl", b"")], "TorchScript"),
        ([("m/data.pkl", b""), ("m/data.pkl", b"")], "there twice"),
        ([("m/data.pkl", tensor()), ("m/byteorder", b"big")], "big-endian"),
    ):
        archive(path, *members)
        with pytest.raises(ModelError, match=message):
            read_torch_zip(path, limit=1 << 20)
    from rnn2circuit.models import torch_file

    archive(path, ("m/data.pkl", tensor()), ("m/data/0", EIGHTS))
    monkeypatch.setattr(torch_file, "MAX_TENSORS", 0)
    with pytest.raises(ModelError, match="holds 1 tensors, the limit is 0"):
        read_torch_zip(path, limit=1 << 20)
    monkeypatch.setattr(torch_file, "MAX_PICKLE", 3)
    with pytest.raises(ModelError, match="index of the torch file is too large"):
        read_torch_zip(path, limit=1 << 20)


def test_a_checkpoint_with_a_state_dict_inside_is_read(tmp_path):
    path = tmp_path / "m.pt"
    inner = tensor()[2:-1]
    archive(path, ("m/data.pkl", b"\x80\x02}U\nstate_dict" + inner + b"s."), ("m/data/0", EIGHTS))
    assert list(read_torch_zip(path, limit=1 << 20)) == ["w"]


def ncps_tensors(n=3, m=2, prefix="rnn_cell.", seed=0):
    rng = np.random.default_rng(seed)
    t = {
        "gleak": rng.uniform(0.1, 1, n),
        "vleak": rng.normal(size=n),
        "cm": rng.uniform(0.4, 0.6, n),
        "w": rng.uniform(0.1, 1, (n, n)),
        "sigma": rng.uniform(3, 8, (n, n)),
        "mu": rng.uniform(0.3, 0.8, (n, n)),
        "erev": rng.choice([-1.0, 1.0], (n, n)),
        "sparsity_mask": (rng.random((n, n)) < 0.6).astype(float),
        "sensory_w": rng.uniform(0.1, 1, (m, n)),
        "sensory_sigma": rng.uniform(3, 8, (m, n)),
        "sensory_mu": rng.uniform(0.3, 0.8, (m, n)),
        "sensory_erev": rng.choice([-1.0, 1.0], (m, n)),
        "sensory_sparsity_mask": (rng.random((m, n)) < 0.6).astype(float),
        "input_w": rng.uniform(0.5, 2, m),
        "input_b": rng.normal(size=m),
        "output_w": rng.normal(size=1),
        "output_b": rng.normal(size=1),
    }
    return {prefix + k: v for k, v in t.items()}


def ncps_rhs(t, v, u, softplus):
    """The equation the package's fused solver discretizes, written from its own indices."""

    def positive(x):
        return np.log1p(np.exp(x)) if softplus else x

    def gate(y, sigma, mu):
        return 1 / (1 + np.exp(-sigma * (y[:, None] - mu)))

    u = t["input_w"] * u + t["input_b"]
    a = positive(t["w"]) * gate(v, t["sigma"], t["mu"]) * t["sparsity_mask"]
    s = positive(t["sensory_w"]) * gate(u, t["sensory_sigma"], t["sensory_mu"])
    s = s * t["sensory_sparsity_mask"]
    drive = (a * (t["erev"] - v)).sum(0) + (s * (t["sensory_erev"] - v)).sum(0)
    return (positive(t["gleak"]) * (t["vleak"] - v) + drive) / positive(t["cm"])


@pytest.mark.parametrize("mode", ["softplus", "raw"])
def test_an_ncps_ltc_has_the_packages_equation(mode):
    for seed in range(10):
        tensors = ncps_tensors(seed=seed)
        model = ltc_from_ncps(tensors, ncps_parameters=mode)
        bare = {k.removeprefix("rnn_cell."): v for k, v in tensors.items()}
        rng = np.random.default_rng(seed)
        v, u = rng.normal(size=3), rng.normal(size=2)
        expected = ncps_rhs(bare, v, u, mode == "softplus")
        np.testing.assert_allclose(model.rhs(v, u), expected, rtol=1e-12)


def test_softplus_and_raw_are_different_models():
    soft, raw = (ltc_from_ncps(ncps_tensors(), ncps_parameters=m) for m in ("softplus", "raw"))
    assert not np.allclose(soft.c_m, raw.c_m)


def test_synapses_are_transposed_and_outputs_are_the_first_states():
    tensors = ncps_tensors(n=2, m=1)
    tensors["rnn_cell.sparsity_mask"] = np.array([[0.0, 1.0], [0.0, 0.0]])  # 0 -> 1 only
    model = ltc_from_ncps(tensors, ncps_parameters="raw")
    assert model.g_syn[1, 0] == tensors["rnn_cell.w"][0, 1]
    assert np.count_nonzero(model.g_syn) == 1
    np.testing.assert_array_equal(model.w_out, [[tensors["rnn_cell.output_w"][0], 0.0]])


def test_the_packages_own_program_converges_to_the_imported_equation():
    with np.load(DATA / "ltc_cell.npz") as data:
        u, y, h = data["u"], data["y"], data["h"]
    model = load(DATA / "ltc_cell.pt", ncps_parameters="softplus")
    assert isinstance(model, Ltc)
    v = np.zeros(model.n_states)
    for k in range(3):
        held = u[k]
        v = solve_ivp(lambda _, x, held=held: model.rhs(x, held), (0, 1), v, rtol=1e-10).y[:, -1]
        np.testing.assert_allclose(model.readout(v, held), y[k], atol=UNFOLDED)
    np.testing.assert_allclose(v, h, atol=UNFOLDED)


def fused_step(t, v, u, unfolds):
    """The package's semi-implicit step, from its source's indices: [pre, post], raw parameters."""

    def gate(y, sigma, mu):
        return 1 / (1 + np.exp(-sigma * (y[:, None] - mu)))

    u = t["input_w"] * u + t["input_b"]
    s = t["sensory_w"] * gate(u, t["sensory_sigma"], t["sensory_mu"]) * t["sensory_sparsity_mask"]
    c = t["cm"] * unfolds
    for _ in range(unfolds):
        a = t["w"] * gate(v, t["sigma"], t["mu"]) * t["sparsity_mask"]
        drive = (a * t["erev"]).sum(0) + (s * t["sensory_erev"]).sum(0)
        v = (c * v + t["gleak"] * t["vleak"] + drive) / (c + t["gleak"] + a.sum(0) + s.sum(0))
    return v


def test_the_fused_solvers_distance_to_the_equation_halves_with_its_step():
    for seed in range(3):
        tensors = ncps_tensors(seed=seed)
        model = ltc_from_ncps(tensors, ncps_parameters="raw")
        bare = {k.removeprefix("rnn_cell."): v for k, v in tensors.items()}
        rng = np.random.default_rng(seed)
        v, u = rng.normal(size=3), rng.normal(size=2)
        exact = solve_ivp(
            lambda _, x, m=model, u=u: m.rhs(x, u), (0, 1), v, rtol=1e-11, atol=1e-12
        ).y[:, -1]
        coarse, fine = (np.linalg.norm(fused_step(bare, v, u, k) - exact) for k in (400, 800))
        assert HALVING[0] < coarse / fine < HALVING[1]
        assert fine < UNFOLDED


@pytest.mark.parametrize("mode", ["softplus", "raw"])
def test_ncps_itself_converges_to_the_imported_equation_where_it_is_installed(tmp_path, mode):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("ncps.torch")
    wirings = pytest.importorskip("ncps.wirings")
    torch.manual_seed(3)
    net = package.LTC(
        2,
        wirings.AutoNCP(6, 2),
        input_mapping="affine",
        output_mapping="linear",
        ode_unfolds=800,
        implicit_param_constraints=mode == "softplus",
    ).double()
    torch.save(net.state_dict(), tmp_path / "m.pt")
    model = load(tmp_path / "m.pt", ncps_parameters=mode)
    u = np.array([0.4, -0.7])
    with torch.no_grad():
        y, h = net(torch.tensor(u)[None, None, :])
    v = solve_ivp(lambda _, x: model.rhs(x, u), (0, 1), np.zeros(6), rtol=1e-10).y[:, -1]
    np.testing.assert_allclose(v, h[0].numpy(), atol=UNFOLDED)
    np.testing.assert_allclose(model.readout(v, u), y[0, 0].numpy(), atol=UNFOLDED)


@pytest.mark.parametrize("prefix", ["", "rnn_cell.", "net.core.rnn_cell.", "lstm.rnn_cell."])
def test_an_ltc_is_read_under_any_prefix(prefix):
    model = ltc_from_ncps(ncps_tensors(prefix=prefix), ncps_parameters="raw")
    assert (model.n_states, model.n_inputs, model.n_outputs) == (3, 2, 1)


def ltc_with(**changes):
    tensors = ncps_tensors()
    for name, value in changes.items():
        key = name.replace("__", ".") if "__" in name else f"rnn_cell.{name}"
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value
    return tensors


LTC_FAULTS = [
    (ltc_with(), None, "--ncps-parameters softplus"),
    (ltc_with(), "both", "got 'both'"),
    (ltc_with(w=-np.ones((3, 3)), sparsity_mask=np.ones((3, 3))), "raw", r"w\[0, 0\] is -1.0, neg"),
    (ltc_with(mu=None), "raw", "tensor 'rnn_cell.mu' of the ncps LTC is missing"),
    (ltc_with(extra=np.ones(1)), "raw", "tensor 'rnn_cell.extra' is not part of an ncps LTC"),
    (ltc_with(elsewhere__x=np.ones(1)), "raw", "tensor 'elsewhere.x' is not part of an ncps LTC"),
    (ltc_with(lstm__input_map=np.ones(1)), "raw", "mixed_memory"),
    (ltc_with(sensory_w=np.ones(3)), "raw", r"sensory_w must be a matrix, got shape \(3,\)"),
    (ltc_with(cm=-np.ones(3)), "raw", r"cm\[0\] is -1.0, negative: .*softplus"),
    (ltc_with(vleak=np.ones(4)), "raw", r"vleak must have shape \(3,\), got \(4,\)"),
    (ltc_with(output_b=np.ones(2)), "raw", "shape of the motor neurons"),
    (ltc_with(cm=np.zeros(3)), "raw", r"cm\[0\] is 0, clipped there.*has no capacitor"),
]


@pytest.mark.parametrize(("tensors", "mode", "message"), LTC_FAULTS)
def test_an_ltc_that_is_incomplete_or_ambiguous_is_refused(tensors, mode, message):
    with pytest.raises(ModelError, match=message):
        ltc_from_ncps(tensors, ncps_parameters=mode)


def test_options_of_other_importers_are_refused():
    with pytest.raises(ModelError, match="--clocked does not apply"):
        load(DATA / "ltc_cell.pt", ncps_parameters="softplus", clocked=True)
    with pytest.raises(ModelError, match="--ncps-parameters does not apply"):
        load(DATA / "tiny_rnn.pt", ncps_parameters="raw", dt=0.1)


def save_as_safetensors(path, tensors, metadata=None):
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata=metadata)


BAD_VALUES = [
    (np.full(3, np.nan), r"rnn.bias_hh_l0\[0\] is nan"),
    (np.array([0.0, 0.0, -np.inf], dtype=np.float16), r"rnn.bias_hh_l0\[2\] is -inf"),
    (np.full(3, 2**60 + 1), "rnn.bias_hh_l0 holds an integer above 2"),
]


@pytest.mark.parametrize(("bias", "message"), BAD_VALUES)
def test_a_foreign_tensor_is_checked_under_its_own_name(tmp_path, bias, message):
    path = tmp_path / "m.safetensors"
    save_as_safetensors(path, rnn_tensors() | {"rnn.bias_hh_l0": bias})
    with pytest.raises(ModelError, match=message):
        load(path, dt=0.1)


def test_an_infinite_weight_under_a_mask_is_refused_and_not_multiplied_by_zero(tmp_path):
    tensors = ncps_tensors()
    tensors["rnn_cell.sparsity_mask"][1, 2] = 0.0
    tensors["rnn_cell.w"][1, 2] = np.inf
    save_as_safetensors(tmp_path / "m.safetensors", tensors)
    with pytest.raises(ModelError, match=r"rnn_cell.w\[1, 2\] is inf"):
        load(tmp_path / "m.safetensors", ncps_parameters="softplus")


def test_metadata_of_a_foreign_file_is_never_passed_over(tmp_path):
    path = tmp_path / "m.safetensors"
    save_as_safetensors(path, rnn_tensors(), {"format": "pt", "activation": "relu", "dt": "0.10"})
    for options, message in (
        ({"dt": 0.1}, "metadata says activation = 'relu'.* give --activation relu"),
        ({"dt": 0.1, "activation": "tanh"}, "metadata says activation = 'relu'"),
        ({"dt": 0.2, "activation": "relu"}, r"metadata says dt = '0.10', the option says 0.2"),
        ({"activation": "relu"}, r"metadata says dt = '0.10'.* give --dt 0.10"),
    ):
        with pytest.raises(ModelError, match=message):
            load(path, **options)
    model = load(path, dt=0.1, activation="relu")
    assert (model.activation, model.dt) == ("relu", 0.1)


def test_whatever_torch_saves_reads_as_torch_reads_it(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.RNN(2, 4)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(3, 2))[0].sum().backward()
    optimizer.step()
    state = net.state_dict()
    checkpoint = {"state_dict": state, "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.5}
    cases = [
        (state, {}),
        (checkpoint, {}),
        (state, {"pickle_protocol": 4}),
        (dict(net.named_parameters()), {}),
        ({k: v.half() for k, v in state.items()}, {}),
        ({k: v.bfloat16() for k, v in state.items()}, {}),
        ({k: v.double().t() for k, v in state.items() if v.ndim == 2}, {}),
        ({"a": torch.arange(6).reshape(2, 3)[:, 1:], "b": torch.zeros(1).expand(3, 2)}, {}),
        ({"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}, {}),
    ]
    for saved, options in cases:
        torch.save(saved, tmp_path / "m.pt", **options)
        found = read_torch_zip(tmp_path / "m.pt", limit=SMALL)
        expected = saved.get("state_dict", saved)
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value.detach().double().numpy())


def test_what_is_not_a_state_dict_of_torch_is_refused_with_the_next_step(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.RNN(2, 4)
    path = tmp_path / "m.pt"
    torch.save(net, path)
    with pytest.raises(ModelError, match=r"would load torch.nn.*save model.state_dict\(\)"):
        load(path, dt=1.0)
    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"not a torch zip file.*save model.state_dict\(\)"):
        load(path, dt=1.0)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ModelError, match=r"holds a tensor.*save model.state_dict\(\)"):
        load(path, dt=1.0)


def test_torch_itself_agrees_where_it_is_installed(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.RNN(2, 4).double()
    torch.save(net.state_dict(), tmp_path / "m.pt")
    model = load(tmp_path / "m.pt", dt=0.5)
    h, u = torch.zeros(1, 4, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    with torch.no_grad():
        expected = net(u, h)[0].numpy()[0]
    found = h.numpy()[0] + 0.5 * model.rhs(h.numpy()[0], u.numpy()[0])
    np.testing.assert_allclose(found, expected, atol=STEP)


def lem_tensors(d=3, m=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "cell.inp2hid.weight": rng.normal(size=(4 * d, m)),
        "cell.inp2hid.bias": rng.normal(size=4 * d),
        "cell.hid2hid.weight": rng.normal(size=(3 * d, d)),
        "cell.hid2hid.bias": rng.normal(size=3 * d),
        "cell.transform_z.weight": rng.normal(size=(d, d)),
        "cell.transform_z.bias": rng.normal(size=d),
        "classifier.weight": rng.normal(size=(2, d)),
        "classifier.bias": rng.normal(size=2),
    }


def lem_step(t, y, z, u, dt):
    """The reference program's step, from its own names."""

    def logistic(a):
        return 1 / (1 + np.exp(-a))

    i = t["cell.inp2hid.weight"] @ u + t["cell.inp2hid.bias"]
    h = t["cell.hid2hid.weight"] @ y + t["cell.hid2hid.bias"]
    i_dt1, i_dt2, i_z, i_y = np.split(i, 4)
    h_dt1, h_dt2, h_y = np.split(h, 3)
    d1, d2 = dt * logistic(i_dt1 + h_dt1), dt * logistic(i_dt2 + h_dt2)
    z = (1 - d2) * z + d2 * np.tanh(i_y + h_y)
    w, b = t["cell.transform_z.weight"], t["cell.transform_z.bias"]
    y = (1 - d1) * y + d1 * np.tanh(w @ z + b + i_z)
    return y, z


def cuda_tensors(t):
    """The same network in the compiled layout: states before inputs, other row order."""
    i1, i2, iz, iy = np.split(t["cell.inp2hid.weight"], 4)
    h1, h2, hy = np.split(t["cell.hid2hid.weight"], 3)
    bi1, bi2, biz, biy = np.split(t["cell.inp2hid.bias"], 4)
    bh1, bh2, bhy = np.split(t["cell.hid2hid.bias"], 3)
    rows = [np.hstack(pair) for pair in ((h2, i2), (hy, iy), (h1, i1))]
    return {
        "rnn.weights": np.vstack(rows),
        "rnn.weights_lin_z": np.hstack([t["cell.transform_z.weight"], iz]),
        "rnn.bias": np.concatenate([bi2 + bh2, biy + bhy, bi1 + bh1]),
        "rnn.bias_lin_z": t["cell.transform_z.bias"] + biz,
        "classifier.weight": t["classifier.weight"],
        "classifier.bias": t["classifier.bias"],
    }


def test_a_lem_is_the_limit_of_its_program_and_both_layouts_are_one_network():
    small = 1e-7
    for seed in range(10):
        tensors = lem_tensors(seed=seed)
        model = lem_from_torch(tensors, dt=1.0)
        twin = lem_from_torch(cuda_tensors(tensors), dt=1.0)
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=6), rng.normal(size=2)
        np.testing.assert_allclose(twin.rhs(x, u), model.rhs(x, u), rtol=1e-12)
        after = np.concatenate(lem_step(tensors, x[:3], x[3:], u, small))
        # The program's y uses the new z, which differs by one step.
        np.testing.assert_allclose((after - x) / small, model.rhs(x, u), rtol=0, atol=1e-5)
        y = tensors["classifier.weight"] @ x[:3] + tensors["classifier.bias"]
        np.testing.assert_allclose(model.readout(x, u), y, rtol=1e-12)


def lem_with(**changes):
    tensors = lem_tensors()
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value
    return tensors


@pytest.mark.parametrize(
    ("tensors", "options", "message"),
    [
        (lem_with(), {}, "dt is missing.*--dt"),
        (lem_with(cell__hid2hid__bias=None), {"dt": 1.0}, "'cell.hid2hid.bias' of the LEM is"),
        (lem_with(extra=np.ones(1)), {"dt": 1.0}, "'extra' is not part of a LEM"),
        (lem_with(cell__inp2hid__bias=np.ones(5)), {"dt": 1.0}, "must have 4 x 3 rows"),
        (lem_with(classifier__weight=np.ones((2, 5))), {"dt": 1.0}, r"shape \(p, 3\), got"),
        (lem_with(), {"dt": -1.0}, "dt must be positive"),
    ],
)
def test_a_lem_that_is_incomplete_is_refused(tensors, options, message):
    with pytest.raises(ModelError, match=message):
        lem_from_torch(tensors, **options)


def test_a_lem_file_is_recognised(tmp_path):
    from safetensors.numpy import save_file

    save_file(lem_tensors(), tmp_path / "lem.safetensors")
    model = load(tmp_path / "lem.safetensors", dt=0.5)
    assert (model.family, model.n_states, model.n_outputs, model.dt) == ("lem", 6, 2, 0.5)
