import contextlib
import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import FAMILIES, random_model

from rnn2circuit.errors import ModelError, OutputError
from rnn2circuit.models import Ctrnn, Linear
from rnn2circuit.models import containers as module
from rnn2circuit.models import io as model_io
from rnn2circuit.models.base import arrays_of, strings_of, weights_sha256
from rnn2circuit.models.io import load, save

SUFFIXES = (".npz", ".safetensors", ".json")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("family", FAMILIES)
def test_models_read_back_bit_for_bit(tmp_path, family, suffix):
    for seed in range(6):
        model = random_model(family, 1 + seed, seed % 3, seed)
        path = tmp_path / f"m{suffix}"
        save(model, path)
        assert weights_sha256(load(path)) == weights_sha256(model)
        before = path.read_bytes()
        save(model, path)
        assert path.read_bytes() == before


def bits(model):
    """Everything a model holds, with the sign of zero, which the fingerprint leaves out."""
    arrays = {k: (v.shape, v.astype("<f8").tobytes()) for k, v in arrays_of(model).items()}
    return arrays, strings_of(model)


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(FINITE, min_size=6, max_size=6), st.floats(5e-324, 1.7e308), st.sampled_from(SUFFIXES)
)
def test_every_float64_survives_the_file_with_its_sign_and_its_last_bit(values, dt, suffix):
    import tempfile

    a, b = np.reshape(values[:4], (2, 2)), np.reshape(values[4:], (2, 1))
    model = Linear(a=a, b=b, x0=np.array([-0.0, 5e-324]), dt=dt)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"m{suffix}"
        save(model, path)
        assert bits(load(path)) == bits(model)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_of_every_family_survives_bit_for_bit(tmp_path, family, suffix):
    for seed in range(6):
        model = random_model(family, 1 + seed, seed % 3, seed)
        save(model, tmp_path / f"m{suffix}")
        assert bits(load(tmp_path / f"m{suffix}")) == bits(model)


def npz(path, **arrays):
    np.savez(path, **arrays)


GOOD = {"family": np.array("linear"), "a": -np.eye(2), "b": np.ones((2, 1))}


def npz_with(**changes):
    return lambda path: npz(path, **{k: v for k, v in (GOOD | changes).items() if v is not None})


def raw_npz(members):
    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)

    return write


def npy(array=None, shape=None, body=None):
    """Bytes of an npy member, whose header may lie."""
    buffer = io.BytesIO()
    array = np.zeros(2) if array is None else array
    np.lib.format.write_array(buffer, array)
    data = buffer.getvalue()
    if shape is not None:
        buffer = io.BytesIO()
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, header)
        data = buffer.getvalue() + (b"" if body is None else body)
    return data


def pickled(path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (path.with_name("pwned"),))

    path.write_bytes(pickle.dumps(Evil()))


def object_array(path):
    array = np.empty(1, dtype=object)
    array[0] = {}
    np.savez(path, family="linear", a=array)


def truncated(path):
    npz_with()(path)
    path.write_bytes(path.read_bytes()[:-40])


def flipped(path):
    npz_with()(path)
    data = bytearray(path.read_bytes())
    data[data.find(b"\x00\x00\xf0\xbf")] ^= 0xFF
    path.write_bytes(bytes(data))


def lying(header, body=bytes(8), version=(1, 0)):
    """An npz file whose member `a` has the given header text."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    member = b"\x93NUMPY" + bytes(version) + length + header + body
    return raw_npz([("family.npy", npy(np.array("linear"))), ("a.npy", member)])


def announced(shape, descr="'<f8'"):
    return b"{'descr': %s, 'fortran_order': False, 'shape': %s, }" % (
        descr.encode(),
        shape.encode(),
    )


def deflated_and_flipped(path):
    raw_npz([("a.npy", npy(np.arange(400.0)))])(path)
    data = bytearray(path.read_bytes())
    data[60:70] = bytes(b ^ 0xFF for b in data[60:70])
    path.write_bytes(bytes(data))


# What numpy's own header parser answers with errors of seven types, or with none at all.
HOSTILE_HEADERS = [
    announced("(-1, -1)"),
    announced("(-1,)"),
    announced("(1," + "1," * 99 + ")"),
    announced(f"(0, {2**63})"),
    announced("(0, " + "9" * 4000 + ")"),
    announced("(1, 1)", "'<U0'"),
    announced("()", "'<U2'"),
    announced("(1, 1)", "[]"),
    announced("(1, 1)", "('<f8', (-1,))"),
    announced("(1, 1)", "'O'"),
    b"(" * 30_000,
    b"-" * 60_000 + b"1",
    b"{'descr': " + b"'" * 3 + b"\n",
    b"{[]: 1}",
    b"\xff\xfe{}",
    b"",
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS, ids=range(len(HOSTILE_HEADERS)))
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_hostile_array_header_is_one_clear_sentence(tmp_path, header, version):
    path = tmp_path / "m.npz"
    lying(header, version=version, body=b"\xff" * 8)(path)
    with pytest.raises(ModelError) as stop:
        load(path)
    assert str(stop.value).startswith("m.npz: ")
    assert str(stop.value).isprintable()


NPZ = [
    (deflated_and_flipped, "damaged file|not a readable npz"),
    (lying(np.random.default_rng(0).bytes(70_000), version=(2, 0)), "is not an npy array"),
    (npz_with(activation=np.ones(1)), "field 'activation' is not one of"),
    (npz_with(a=np.array("tanh")), "'a' must be an array of numbers, got the text 'tanh'"),
    (npz_with(dt=np.array(2**60 + 1)), "dt holds an integer above 2"),
    (npz_with(dt=np.array(2**53 + 1)), "dt holds an integer above 2"),
    (npz_with(dt=np.array(np.inf)), r"dt\[0\] is inf"),
    (npz_with(a=np.array([[np.nan]])), r"a\[0, 0\] is nan"),
    (npz_with(a=-np.eye(2) * 1j), "dtype complex128"),
    (npz_with(a=np.eye(2, dtype=bool)), "dtype bool"),
    (npz_with(a=np.array([["1", "2"], ["3", "4"]])), "dtype <U1"),
    (npz_with(a=np.zeros((2, 2), dtype="M8[s]")), "dtype datetime64"),
    (npz_with(a=np.array([[2**60 + 1]]), b=None), "integer above 2"),
    (npz_with(a=np.ones((2, 3))), "a must be square"),
    (npz_with(a=np.zeros((0, 0)), b=None), "at least one state"),
    (npz_with(a=None), "needs the field 'a'"),
    (npz_with(w=np.ones(3)), "field 'w' is not one of family 'linear'"),
    (npz_with(activation=np.array("tanh")), "field 'activation' is not one of"),
    (npz_with(family=np.array("lstm9")), "family must be one of linear, ctrnn"),
    (npz_with(family=None), "no model is recognised: found 'a', 'b'"),
    (npz_with(dt=np.ones(2)), "dt must be one number"),
    (npz_with(dt=np.array("nan")), r"dt\[0\] is nan"),
    (npz_with(dt=np.array("soon")), "dt must be a number, got 'soon'"),
    (npz_with(**{"W\n.control": np.ones(1)}), r"'W\\n.control' is not one of"),
    (pickled, "not a readable npz"),
    (object_array, "objects are never unpickled"),
    (truncated, "not a readable npz"),
    (flipped, "not a readable npz"),
    (lambda p: p.write_bytes(b""), "not a readable npz"),
    (raw_npz([("../evil.npy", npy())]), "not a plain array name"),
    (raw_npz([("a.txt", b"x")]), "not a plain array name"),
    (raw_npz([("a.npy", b"not npy")]), "is not an npy array"),
    (raw_npz([("a.npy", npy(shape=(10**6, 10**6)))]), "announces shape"),
    (raw_npz([("a.npy", npy() + b"tail")]), "does not hold the 16 bytes"),
    (raw_npz([("a.npy", npy(np.zeros(2**18)))]), "no weights compress like that"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("write", "message"), NPZ)
def test_a_bad_npz_file_is_one_clear_sentence(write, message, tmp_path):
    path = tmp_path / "m.npz"
    write(path)
    with pytest.raises(ModelError, match=message) as stop:
        load(path)
    assert str(stop.value).startswith("m.npz: ")
    assert str(stop.value).isprintable()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    raw_npz([("a.npy", npy()), ("a.npy", npy())])(path)
    with pytest.raises(ModelError, match="there twice"):
        load(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    npz(path, a=np.random.default_rng(0).normal(size=50_000))
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    tracemalloc.start()
    with pytest.raises(ModelError, match="the limit is 1000"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()


def text_json(text):
    return lambda path: path.write_text(text)


JSON = [
    (text_json('{"family": "linear", "a": [[NaN]]}'), "holds NaN"),
    (text_json('{"family": "linear", "a": [[1e999]]}'), r"a\[0, 0\] is inf"),
    (text_json('{"family": "linear", "a": [[1]], "a": [[2]]}'), "key 'a' is there twice"),
    (text_json('{"family": "linear", "a": [[1, 2], [3]]}'), "not a rectangular array"),
    (text_json('{"family": "linear", "a": [["1"]]}'), "holds '1', expected numbers"),
    (text_json('{"family": "linear", "a": null}'), "holds None"),
    (text_json('{"family": "linear", "a": [[true]]}'), "holds True"),
    (text_json('{"family": "linear", "a": [[9007199254740993]]}'), "integer above 2"),
    (text_json('{"family": "linear", "a": [[1' + "0" * 400 + "]]}"), "integer above 2"),
    (text_json('{"family": "linear", "a": [[[1]]]}'), "nested deeper than a matrix"),
    (text_json("[" * 100_000), "not JSON"),
    (text_json('{"family": "linear", "a": [[' + "9" * 5000 + "]]}"), "not JSON|rectangular"),
    (text_json('{"family": "linear", "a": ' + "[" * 900 + "]" * 900 + "}"), "nested deeper"),
    (text_json('{"family": "' + "y" * 100_000 + '"}'), "family must be one of linear"),
    (text_json('{"family": "linear", "a": [[1]], "\\ud800": 1}'), r"'\\ud800' is not one of"),
    (text_json('{"family": "ctrnn", "rate": [1], "w": [[1]], "activation": 3}'), "must be text"),
    (text_json('{"family": "ctrnn", "rate": 1, "w": [[1]]}'), r"rate must have shape"),
    (text_json("[1, 2]"), "must be a JSON object"),
    (text_json('{"family": "linear"'), "not JSON"),
    (lambda p: p.write_bytes(b"\xff\xfe"), "not JSON"),
]


@pytest.mark.parametrize(("write", "message"), JSON)
def test_a_bad_json_file_is_one_clear_sentence(write, message, tmp_path):
    path = tmp_path / "m.json"
    write(path)
    with pytest.raises(ModelError, match=message) as stop:
        load(path)
    assert str(stop.value).isprintable()
    assert len(str(stop.value)) < 2 * model_io.MAX_MESSAGE


def safetensors(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def entry(dtype="F64", shape=(1, 1), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


META = {"__metadata__": {"family": "linear"}}
TWICE = (
    b'{"__metadata__":{"family":"linear"},"a":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]},'
    b'"a":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]}}'
)
EIGHT = struct.pack("<d", -1.0)
SAFETENSORS = [
    (lambda p: p.write_bytes(b"\xff" * 16), "not a safetensors file"),
    (safetensors(META | {"a": entry(offsets=(0, 800))}, EIGHT), "not a safetensors file"),
    (safetensors(META | {"a": entry(shape=(9, 9))}, EIGHT), "not a safetensors file"),
    (safetensors(META | {"a": entry("BOOL", (8, 1))}, EIGHT), "dtype BOOL|not a safetensors"),
    (safetensors(TWICE, EIGHT), "there twice|not a safetensors file"),
    (safetensors(META | {"a": entry()}, struct.pack("<d", np.inf)), r"a\[0, 0\] is inf"),
    (safetensors(META | {"a": entry(), "W\n": entry(offsets=(8, 16))}, 2 * EIGHT), r"'W\\n'"),
    (safetensors({"a": entry()}, EIGHT), "no model is recognised"),
    (safetensors(META | {"a": entry(shape=[1] * 100)}, EIGHT), "m.safetensors: "),
    (safetensors(META | {"a": entry(shape=[0, 2**62], offsets=(0, 0))}), "m.safetensors: "),
    (safetensors(META | {"a\nb": entry("X")}, EIGHT), "not a safetensors file"),
    (safetensors(META | {"a" * 10**5: entry()}, EIGHT), "field 'aaaa.* is not one of"),
    (
        safetensors({"__metadata__": META["__metadata__"] | {"a": "1"}}),
        "'a' must be an array of numbers, got the text '1'",
    ),
    (
        safetensors(
            {
                "__metadata__": {"family": "linear", "dt": "0.5"},
                "a": entry(),
                "dt": entry() | {"shape": [], "data_offsets": [8, 16]},
            },
            2 * EIGHT,
        ),
        "field 'dt' is there twice, as an array and as text",
    ),
]


@pytest.mark.parametrize(("write", "message"), SAFETENSORS)
def test_a_bad_safetensors_file_is_one_clear_sentence(write, message, tmp_path):
    path = tmp_path / "m.safetensors"
    write(path)
    with pytest.raises(ModelError, match=message) as stop:
        load(path)
    assert str(stop.value).isprintable()
    assert len(str(stop.value)) < 2 * model_io.MAX_MESSAGE


def test_half_precision_tensors_are_widened_exactly(tmp_path):
    path = tmp_path / "m.safetensors"
    body = struct.pack("<H", 0xC040) + np.float16(0.5).tobytes()
    header = META | {"a": entry("BF16", (1, 1), (0, 2)), "b": entry("F16", (1, 1), (2, 4))}
    safetensors(header, body)(path)
    model = load(path)
    assert (model.a[0, 0], model.b[0, 0]) == (-3.0, 0.5)


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path, monkeypatch):
    for name, message in (
        ("none.npz", "no such file"),
        ("m.txt", "ends in .npz"),
    ):
        with pytest.raises(ModelError, match=message):
            load(tmp_path / name)
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(ModelError, match="is a directory"):
        load(tmp_path / "d.npz")
    for suffix, name in ((".json", "MAX_JSON_BYTES"), (".safetensors", "MAX_BYTES")):
        save(random_model("linear", 3, 1, 0), tmp_path / f"m{suffix}")
        monkeypatch.setattr(module, name, 10)
        with pytest.raises(ModelError, match="larger than 10 bytes"):
            load(tmp_path / f"m{suffix}")


def test_an_unreadable_file_is_a_model_error(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    npz_with()(path)

    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.zipfile, "ZipFile", fail)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        load(path)


def test_options_fill_gaps_and_never_contradict_the_file(tmp_path):
    path = tmp_path / "m.npz"
    save(Linear(a=-np.eye(1), dt=0.5), path)
    assert load(path, dt=0.5).dt == 0.5
    with pytest.raises(ModelError, match=r"the file says dt = 0.5, the option says 0.1"):
        load(path, dt=0.1)
    for step in (float("nan"), float("inf"), 0.0, -1.0):
        with pytest.raises(ModelError, match="dt must be positive"):
            load(path, dt=step)
    with pytest.raises(ModelError, match="--activation does not apply"):
        load(path, activation="relu")
    save(Linear(a=-np.eye(1)), path)
    assert load(path, dt=0.25).dt == 0.25
    npz(path, **(GOOD | {"dt": np.array("0.75")}))
    assert load(path).dt == 0.75


def test_a_file_name_that_does_not_print_is_shown_escaped(tmp_path):
    (tmp_path / "m\n\x1b[2J.json").write_text("{")
    with pytest.raises(ModelError, match=r"m\\n\\x1b\[2J.json: not JSON"):
        load(tmp_path / "m\n\x1b[2J.json")


def test_small_integers_that_would_grow_beyond_the_limit_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    npz(path, family="linear", a=np.zeros((20, 20), dtype=np.int8))
    monkeypatch.setattr(model_io, "MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="holds 3200 bytes as float64, the limit"):
        load(path)


def test_saving_over_a_file_replaces_it_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "m.npz"
    for seed in range(2):
        model = random_model("ctrnn", 2, 1, seed)
        save(model, path)
        assert bits(load(path)) == bits(model)
    assert list(tmp_path.iterdir()) == [path]


def test_saving_is_whole_or_not_at_all(tmp_path):
    model = Ctrnn(rate=np.ones(1), w=np.ones((1, 1)))
    with pytest.raises(ModelError, match="must end in"):
        save(model, tmp_path / "m.pt")
    with pytest.raises(OutputError, match="cannot write"):
        save(model, tmp_path / "none" / "m.npz")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SUFFIXES), st.integers(0, 2000), st.integers(0, 255), st.booleans())
def test_a_damaged_file_is_a_typed_error_or_a_valid_model(suffix, position, byte, cut):
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"m{suffix}"
        save(random_model("ctrnn", 2, 1, 0), path)
        data = bytearray(path.read_bytes())
        position %= len(data)
        data = data[:position] if cut else data
        if not cut:
            data[position] = byte
        path.write_bytes(bytes(data))
        with contextlib.suppress(ModelError):
            assert load(path).n_states >= 1
