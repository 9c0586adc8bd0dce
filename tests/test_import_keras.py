"""Keras files: the imported network against Keras itself, every refusal, hostile files."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Elman, Gru, GruOde, Stack
from rnn2circuit.models.import_keras import network_from_keras
from rnn2circuit.models.io import load

h5py = pytest.importorskip("h5py")

DATA = Path(__file__).parent / "data"
DOUBLE = 1e-12  # the same sums in another order, ten steps
SINGLE = 1e-6  # float32 outputs of order one
SMALL = 1 << 20


def outputs(cell, u):
    x, found = cell.initial_state, []
    for now in u:
        x = cell.step(x, now)
        found.append(cell.readout(x, now))
    return np.array(found)


EXPECTED = [
    ("gru_after.keras", Gru, 3, DOUBLE),
    ("gru_before.weights.h5", Gru, 3, DOUBLE),
    ("lstm_2.weights.h5", Stack, 14, DOUBLE),
    ("rnn_single.keras", Elman, 3, SINGLE),
    ("mixed.keras", Stack, 5, DOUBLE),
]


@pytest.mark.parametrize(("name", "family", "states", "tolerance"), EXPECTED)
def test_every_step_is_kerass_own(name, family, states, tolerance):
    cell = load(DATA / f"keras_{name}", clocked=True)
    assert isinstance(cell, family)
    assert cell.n_states == states
    key = name.split(".")[0]
    with np.load(DATA / "keras_expected.npz") as data:
        u, y = data[f"{key}.u"].astype(float), data[f"{key}.y"].astype(float)
    np.testing.assert_allclose(outputs(cell, u), y, rtol=0, atol=tolerance)


def test_both_resets_are_told_apart_and_keep_their_biases():
    after = load(DATA / "keras_gru_after.keras", clocked=True)
    before = load(DATA / "keras_gru_before.weights.h5", clocked=True)
    assert (after.reset, before.reset) == ("after", "before")
    assert np.all(after.b_hn != 0)
    assert before.b_hn is None


@pytest.mark.parametrize("name", ["gru_after.keras", "gru_before.weights.h5"])
def test_one_euler_step_of_the_gru_as_an_equation_is_the_trained_step(name):
    cell = load(DATA / f"keras_{name}", clocked=True)
    model = load(DATA / f"keras_{name}", dt=0.2)
    assert isinstance(model, GruOde)
    rng = np.random.default_rng(0)
    h, u = rng.normal(size=3), rng.normal(size=2)
    np.testing.assert_allclose(h + 0.2 * model.rhs(h, u), cell.step(h, u), rtol=0, atol=DOUBLE)


def test_a_simple_rnn_has_its_equation_too():
    model = load(DATA / "keras_rnn_single.keras", dt=0.5)
    assert isinstance(model, Ctrnn)
    cell = load(DATA / "keras_rnn_single.keras", clocked=True)
    h, u = np.array([0.1, -0.2, 0.3]), np.array([1.0, -1.0])
    np.testing.assert_allclose(h + 0.5 * model.rhs(h, u), cell.step(h, u), rtol=0, atol=DOUBLE)


KERAS_PROGRAM = """
import sys, keras, torch, numpy as np
keras.src.backend.torch.numpy.matmul = torch.matmul  # Keras's own is in single precision
keras.config.set_floatx("float64")
rng = np.random.default_rng(int(sys.argv[2]))
kl = keras.layers
kinds = [lambda n: kl.SimpleRNN(n, return_sequences=True),
         lambda n: kl.GRU(n, return_sequences=True, reset_after=bool(rng.integers(2))),
         lambda n: kl.GRU(n, return_sequences=True, use_bias=False),
         lambda n: kl.LSTM(n, return_sequences=True, use_bias=bool(rng.integers(2)))]
found = {}
for k in range(6):
    depth = int(rng.integers(1, 4))
    layers = [kinds[int(rng.integers(4))](int(rng.integers(1, 5))) for _ in range(depth)]
    net = keras.Sequential([keras.Input((7, 2)), *layers, kl.Dropout(0.5), kl.Dense(2)])
    if k == 0:  # leaves the optimizer's state in the file
        net.compile("adam", "mse")
        net.fit(np.zeros((1, 7, 2)), np.zeros((1, 7, 2)), verbose=0)
    net.set_weights([1.4 * rng.normal(size=w.shape) for w in net.get_weights()])
    u = rng.normal(size=(1, 7, 2))
    net.save(f"{sys.argv[1]}/{k}.keras")
    found |= {f"{k}.u": u[0], f"{k}.y": np.asarray(net.predict(u, verbose=0))[0]}
np.savez(f"{sys.argv[1]}/expected.npz", **found)
"""


def test_random_models_step_as_keras_does_where_it_is_installed(tmp_path):
    import importlib.util

    for needed in ("keras", "torch"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", KERAS_PROGRAM, str(tmp_path), "3"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    with np.load(tmp_path / "expected.npz") as data:
        for k in range(6):
            cell = load(tmp_path / f"{k}.keras", clocked=True)
            y = outputs(cell, data[f"{k}.u"])
            np.testing.assert_allclose(y, data[f"{k}.y"], rtol=0, atol=10 * DOUBLE)


def write_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value
    return path


def h5_of(kind="gru", units=2, inputs=1, **changes):
    """The arrays of a weight file with one layer; a change of None removes one."""
    blocks = {"simple_rnn": 1, "gru": 3, "lstm": 4}[kind]
    cell = f"layers/{kind}/cell/vars"
    rng = np.random.default_rng(0)
    found = {
        f"{cell}/0": rng.normal(size=(inputs, blocks * units)),
        f"{cell}/1": rng.normal(size=(units, blocks * units)),
        f"{cell}/2": rng.normal(size=(2, 3 * units) if kind == "gru" else blocks * units),
    }
    for name, value in changes.items():
        key = f"{cell}/{name[1:]}" if name[1:].isdigit() else name.replace("__", "/")
        found[key] = value
    return {k: v for k, v in found.items() if v is not None}


CLOCKED = {"clocked": True}
H5_REFUSED = [
    (h5_of(), {}, "a Keras GRU holds a discrete program.*--clocked.*--dt DT"),
    (h5_of("lstm"), {"dt": 1.0}, "a Keras LSTM is no Euler step.*give --clocked"),
    (h5_of(), CLOCKED | {"activation": "tanh"}, "--activation does not apply: layer 'gru'"),
    (h5_of("simple_rnn"), CLOCKED | {"activation": "elu"}, "SimpleRNN is tanh or relu"),
    (h5_of(_2=None), CLOCKED, "without biases, whose file does not record reset_after.*keras"),
    (h5_of(_1=np.ones((2, 10))), CLOCKED, "recurrent kernel of shape"),
    (h5_of(_1=np.ones(6)), CLOCKED, "no recurrent kernel of two dimensions"),
    (h5_of(_1=None), CLOCKED, "no recurrent kernel of two dimensions"),
    (h5_of(_0=None), CLOCKED, "variable 'gru/cell/vars/0' of layer 'gru' is missing"),
    (h5_of(_0=np.ones((1, 5))), CLOCKED, r"kernel of layer 'gru' must have shape \(1, 6\)"),
    (h5_of(_2=np.ones((3, 6))), CLOCKED, r"bias of layer 'gru' must have shape \(2, 6\)"),
    (h5_of(_3=np.ones(2)), CLOCKED, "no SimpleRNN, GRU or LSTM .is it an ncps LTC"),
    (h5_of(layers__norm__vars__0=np.ones(2)), CLOCKED, "kernel of layer 'norm' must have shape"),
    (h5_of(other=np.ones(2)), CLOCKED, "variable 'other' belongs to no layer"),
    (h5_of(layers__dense__vars__0=np.ones((2, 1))), CLOCKED | {"readout": "x"}, "no Dense layer"),
    (
        h5_of(inputs=2, layers__dense__vars__0=np.ones((2, 2))),
        CLOCKED,
        "'dense' fits before .*--readout dense",
    ),
    (
        h5_of(layers__dense__vars__0=np.ones((2, 1)), layers__dense_1__vars__0=np.ones((1, 1))),
        CLOCKED,
        "'dense_1' is a Dense after another one",
    ),
    (h5_of() | h5_of("lstm"), CLOCKED, "does not record in which order gru, lstm stand"),
    (
        {"layers/bidirectional/forward_layer/cell/vars/0": np.ones((1, 3))},
        CLOCKED,
        "'bidirectional' is Bidirectional.*needs the future",
    ),
    ({"a\nb/cell/vars/1": np.ones((1, 3))}, CLOCKED, "no recurrent layer of Keras 3"),
    ({"model_weights/gru/kernel": np.ones(2)}, CLOCKED, "no recurrent layer of Keras 3.*Keras 2"),
    (h5_of(_1=np.ones((2, 6), dtype="i4")), CLOCKED, "dtype int32: quantized"),
    (h5_of(_1=np.full((2, 6), np.nan)), CLOCKED, r"gru/cell/vars/1\[0, 0\] is nan"),
    (h5_of(_1=np.ones((2, 6), dtype=complex)), CLOCKED, "dtype complex128; expected real"),
    (h5_of(_1=np.ones((2, 6), dtype=bool)), CLOCKED, "dtype bool; expected real"),
    (h5_of(_1=np.bytes_(b"text")), CLOCKED, r"dtype \|S4; expected real"),
    (h5_of(_1=h5py.Empty("f4")), CLOCKED, "expected real numbers"),
]


@pytest.mark.parametrize(("arrays", "options", "message"), H5_REFUSED)
def test_weights_that_are_no_circuit_are_refused_by_name(tmp_path, arrays, options, message):
    path = write_h5(tmp_path / "m.weights.h5", arrays)
    with pytest.raises(ModelError, match=message) as stop:
        load(path, **options)
    assert str(stop.value).startswith("m.weights.h5: ")


def test_a_readout_and_a_relu_are_what_the_user_says(tmp_path):
    arrays = h5_of("simple_rnn", inputs=2, layers__dense__vars__0=np.array([[1.0], [2.0]]))
    path = write_h5(tmp_path / "m.weights.h5", arrays)
    cell = load(path, clocked=True, activation="relu", readout="dense")
    assert cell.activation == "relu"
    np.testing.assert_array_equal(cell.w_out, [[1.0, 2.0]])


def test_layers_of_one_class_stand_in_the_order_of_their_count(tmp_path):
    arrays = {}
    for k, inputs in enumerate((1, *[2] * 10)):  # gru_10 comes after gru_9, not after gru_1
        name = f"gru_{k}" if k else "gru"
        layer = h5_of(inputs=inputs, _1=np.full((2, 6), float(k)))
        arrays |= {key.replace("/gru/", f"/{name}/"): v for key, v in layer.items()}
    cell = load(write_h5(tmp_path / "m.weights.h5", arrays), clocked=True)
    assert [layer.w_r[0, 0] for layer in cell.layers] == list(range(11))


def test_the_optimizers_state_is_no_part_of_the_network(tmp_path):
    extra = {"optimizer__vars__0": np.array(3), "layers__dropout__seed_generator__vars__0": [1, 2]}
    path = write_h5(tmp_path / "m.weights.h5", h5_of(**extra))
    assert isinstance(load(path, clocked=True), Gru)


def keras_file(path, change=None, weights=None, members=()):
    """The committed functional model, with a changed configuration or weights."""
    with zipfile.ZipFile(DATA / "keras_mixed.keras") as archive:
        config = json.loads(archive.read("config.json"))
        content = archive.read("model.weights.h5")
    if change is not None:
        change(config)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content if weights is None else weights)
        for name, data in members:
            archive.writestr(name, data)
    return path


def setting(layer, **values):
    def change(config):
        config["config"]["layers"][layer]["config"].update(values)

    return change


def entry(layer, **values):
    def change(config):
        config["config"]["layers"][layer].update(values)

    return change


def top(**values):
    return lambda config: config.update(values)


def read_from(layer, *sources, **kwargs):
    """Let a layer of the functional model read other tensors."""

    def change(config):
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"keras_history": list(s)}}
            for s in sources
        ]
        config["config"]["layers"][layer]["inbound_nodes"] = [{"args": tensors, "kwargs": kwargs}]

    return change


def output_layers(config):
    config["config"]["output_layers"] = ["second", 0, 0]


def no_layers(config):
    config["config"]["layers"] = []


def dense_first(config):
    layers = config["config"]["layers"]
    config.update(class_name="Sequential", registered_name=None)
    layers.insert(1, layers.pop())


def second_dense(config):
    layers = config["config"]["layers"]
    config.update(class_name="Sequential", registered_name=None)
    layers.append(json.loads(json.dumps(layers[-1])))


def recurrent_last(config):
    layers = config["config"]["layers"]
    config.update(class_name="Sequential", registered_name=None)
    layers.append(json.loads(json.dumps(layers[3])))


def no_recurrent(config):
    config.update(class_name="Sequential", registered_name=None)
    config["config"]["layers"] = config["config"]["layers"][:1]


CONFIG_REFUSED = [
    (setting(1, activation="elu"), {}, "'first' has activation 'elu'.*tanh or relu"),
    (setting(3, activation="relu"), {}, "'second' has activation 'relu'.*supported is tanh"),
    (
        setting(3, recurrent_activation="hard_sigmoid"),
        {},
        "has recurrent_activation 'hard_sigmoid'.*supported is sigmoid",
    ),
    (setting(3, activation={"class_name": "f"}), {}, 'activation "a function of the user\'s"'),
    (setting(3, go_backwards=True), {}, "reads its sequence backwards"),
    (setting(3, reset_after=None), {}, "without reset_after in its configuration"),
    (setting(3, reset_after=True), {}, r"bias of layer 'second' must have shape \(2, 6\)"),
    (setting(3, use_bias=False), {}, "variable 'gru/cell/vars/2' belongs to no layer"),
    (setting(1, use_bias=True), {}, "'simple_rnn/cell/vars/2' of layer 'first' is missing"),
    (setting(3, units="2"), {}, "kernel of layer 'second' must have shape"),
    (setting(4, activation="softmax"), {}, "Dense with activation 'softmax'.*linear"),
    (setting(4, units=3), {}, "kernel of layer 'out' must have shape"),
    (entry(3, class_name="Bidirectional"), {}, "'second' is a Bidirectional: .*needs the future"),
    (entry(3, class_name="LayerNormalization"), {}, "LayerNormalization: it has no circuit"),
    (entry(3, class_name="Masking"), {}, "is a Masking: masked steps"),
    (entry(3, class_name="LTC", module="ncps.keras.ltc"), {}, "is a LTC: .*sparsity masks"),
    (entry(3, class_name="CfC", module="ncps.keras.cfc"), {}, "is a CfC: .*no unique diff"),
    (entry(3, class_name="Attention"), {}, "is a Attention: it has no circuit here; read are"),
    (entry(3, module="mine", registered_name="mine>GRU"), {}, "'second' is a GRU: it has no"),
    (entry(3, module="mine"), {}, "'second' is a GRU: it has no"),
    (entry(3, config=None), {}, "the config of 'GRU' must be a JSON object, got NoneType"),
    (top(class_name="Mine", registered_name="Mine"), {}, "of class 'Mine', whose structure is"),
    (top(module="mine"), {}, "of class 'Functional', whose structure is"),
    (top(config=[]), {}, "the model's config must be a JSON object"),
    (no_layers, {}, "lists no layers"),
    (no_recurrent, {}, "no SimpleRNN, GRU or LSTM"),
    (dense_first, {}, "'out' is a Dense before the recurrent layers"),
    (second_dense, {}, "'out' is a Dense after another one"),
    (recurrent_last, {}, "'second' stands after a Dense"),
    (output_layers, {}, r"outputs are \['second'\]; expected the output of the last layer, 'out'"),
    (read_from(3, ["first", 0, 0]), {}, "'second' follows 'dropout' and reads 'first'"),
    (read_from(3, ["dropout", 0, 0], ["first", 0, 1]), {}, r"'first' \(output 1\)"),
    (
        read_from(3, ["dropout", 0, 0], initial_state={"class_name": "__tensor__", "config": {}}),
        {},
        "reads 'dropout' .output 0., 'a constant'",
    ),
    (entry(3, inbound_nodes=[{"args": []}]), {}, "follows 'dropout' and reads nothing"),
    (entry(3, inbound_nodes=3), {}, "reads nothing"),
    (None, {"activation": "relu"}, "--activation does not apply: a .keras file records it"),
    (None, {"readout": "x"}, r"no Dense layer 'x' to read out; there are \['out'\]"),
    (None, {"dt": 1.0, "clocked": None}, "a Keras SimpleRNN-GRU has 2 layers"),
]


@pytest.mark.parametrize(("change", "options", "message"), CONFIG_REFUSED)
def test_a_configuration_without_a_circuit_is_refused_by_name(tmp_path, change, options, message):
    path = keras_file(tmp_path / "m.keras", change)
    with pytest.raises(ModelError, match=message):
        load(path, **(CLOCKED | options))


def test_the_older_notation_of_a_chain_is_read(tmp_path):
    def older(config):
        layers = config["config"]["layers"]
        for before, after in pairwise(layers):
            after["inbound_nodes"] = [[[before["config"]["name"], 0, 0, {}]]]
        config["config"]["output_layers"] = [["out", 0, 0]]

    assert load(keras_file(tmp_path / "m.keras", older), clocked=True).n_states == 5


def weights_with(build):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    return buffer.getvalue()


def soft(file):
    file["layers"] = h5py.SoftLink("/etc")


def external(file):
    file["layers"] = h5py.ExternalLink("/etc/hostname", "/")


def cycle(file):
    group = file.create_group("a")
    group["b"] = group


def elsewhere(file):
    file.create_dataset("a", (4,), dtype="f8", external=[("/etc/hostname", 0, 32)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "a", shape=(4,))
    file.create_virtual_dataset("a", layout)


def packed(file):
    file.create_dataset("a", data=np.zeros(100_000), compression="gzip")


def announced(file):
    file.create_dataset("a", (1 << 40,), dtype="f8", chunks=(1 << 10,))


def deep(file):
    file.create_group("/".join("a" * 40))


def many(file):
    for k in range(30):
        file[f"a{k}"] = 1.0


def named_type(file):
    file["a"] = np.dtype("f8")


HOSTILE_H5 = [
    (soft, "'layers' is a link to elsewhere"),
    (external, "'layers' is a link to elsewhere"),
    (cycle, "is there twice, under two names"),
    (elsewhere, "keeps its numbers in other files"),
    (virtual, "keeps its numbers in other files"),
    (packed, "'a' is compressed"),
    (announced, "'a' announces shape"),
    (deep, "nested deeper than 16"),
    (many, "holds more than 20 objects"),
    (named_type, "'a' is neither a group nor a dataset"),
]


@pytest.mark.parametrize(("build", "message"), HOSTILE_H5)
def test_nothing_outside_a_file_is_read_and_no_size_is_believed(
    tmp_path, build, message, monkeypatch
):
    from rnn2circuit.models import hdf5_file

    monkeypatch.setattr(hdf5_file, "MAX_OBJECTS", 20 if build is many else 10_000)
    content = weights_with(build)
    (tmp_path / "m.weights.h5").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "m.weights.h5", clocked=True)
    with pytest.raises(ModelError, match=message):
        load(keras_file(tmp_path / "m.keras", weights=content), clocked=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * SMALL


def test_a_file_larger_than_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    from rnn2circuit.models import import_keras

    path = write_h5(tmp_path / "m.weights.h5", h5_of())
    monkeypatch.setattr(import_keras, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="is larger than 100 bytes"):
        network_from_keras(path, clocked=True)
    monkeypatch.setattr(import_keras, "MAX_BYTES", 2 * 200)  # its arrays have 288
    monkeypatch.setattr(Path, "stat", lambda *_, **__: type("S", (), {"st_size": 0}))
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    with pytest.raises(ModelError, match="holds more than 200 bytes"):
        network_from_keras(path, clocked=True)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b"{}")
        archive.writestr("model.weights.h5", bytes(1 << 24))


def zipped(**members):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name.replace("__", "."), data)

    return write


ARCHIVES = [
    (lambda p: p.write_bytes(b"no zip"), "not a readable .keras archive"),
    (zipped(config__json=b"{}"), "holds 'model.weights.h5' 0 times, expected once"),
    (zipped(config__json=b"{", model__weights__h5=b""), "config.json is not JSON"),
    (zipped(config__json=b"[" * 99_999, model__weights__h5=b""), "config.json is not JSON: Recurs"),
    (zipped(config__json=b"{}", model__weights__h5=b"no h5"), "damaged HDF5 file: OSError"),
    (bomb, "no weights compress like that"),
]


@pytest.mark.parametrize(("write", "message"), ARCHIVES)
def test_a_bad_archive_is_one_clear_sentence(tmp_path, write, message):
    path = tmp_path / "m.keras"
    write(path)
    with pytest.raises(ModelError, match=message) as stop:
        load(path, clocked=True)
    assert str(stop.value).isprintable()


@pytest.mark.parametrize("name", ["gru_after.keras", "gru_before.weights.h5"])
def test_any_damage_is_a_typed_error_or_a_valid_model(tmp_path, name):
    original = (DATA / f"keras_{name}").read_bytes()
    path = tmp_path / name
    rng = np.random.default_rng(0)
    for position in rng.integers(len(original), size=60):
        data = bytearray(original)
        data[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data) if rng.random() < 0.8 else original[:position])
        said = ""
        try:
            assert load(path, clocked=True).n_states >= 1
        except ModelError as error:
            said = str(error)
        assert said.isprintable()


def test_a_missing_file_and_a_missing_reader_say_so(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="no such file"):
        load(tmp_path / "m.keras", clocked=True)
    with monkeypatch.context() as patch:

        def fail(*_args, **_more):
            raise PermissionError(13, "Permission denied")

        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(ModelError, match="cannot be read: Permission denied"):
            load(DATA / "keras_lstm_2.weights.h5", clocked=True)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"needs h5py: pip install 'rnn2circuit\[keras\]'"):
        load(DATA / "keras_gru_after.keras", clocked=True)
