"""File formats of their own: MATLAB, NIR and directories."""

import struct
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from random_models import CELLS, FAMILIES, random_cell, random_model
from scipy.io import savemat

from rnn2circuit.errors import ModelError
from rnn2circuit.flow import verify_model
from rnn2circuit.models import Linear
from rnn2circuit.models import containers as module
from rnn2circuit.models.base import arrays_of, strings_of, weights_sha256
from rnn2circuit.models.io import load

EXACT = 1e-12  # sums of a dozen products of order one, in another order
MATLAB_FAMILIES = [*FAMILIES, *(family for family in CELLS if family != "stack")]


def random_network(family, n, m, seed):
    make = random_model if family in FAMILIES else random_cell
    return make(family, n, m, seed)


def as_matlab(model):
    return arrays_of(model) | strings_of(model)


# --- MATLAB


@pytest.mark.parametrize("orientation", ["row", "column"])
@pytest.mark.parametrize("family", MATLAB_FAMILIES)
def test_every_family_comes_back_from_a_matlab_file(family, orientation, tmp_path):
    for n, m, seed in ((1, 1, 0), (4, 2, 1), (3, 0, 2)):
        model = random_network(family, n, m, seed)
        path = tmp_path / "net.mat"
        savemat(path, as_matlab(model), oned_as=orientation, do_compression=bool(seed % 2))
        assert weights_sha256(load(path)) == weights_sha256(model)


def test_integer_and_big_endian_matrices_are_read(tmp_path):
    a = np.array([[-1.0, 0.0], [2.0, -1.0]])
    savemat(tmp_path / "i.mat", {"family": "linear", "a": a.astype(np.int16)})
    np.testing.assert_array_equal(load(tmp_path / "i.mat", dt=0.1).a, a)
    flags, dims = element(6, bytes(8), ">"), element(5, struct.pack(">ii", 2, 2), ">")
    flags = flags[:8] + struct.pack(">II", 6, 0)
    data = element(9, a.T.astype(">f8").tobytes(), ">")
    variable = element(14, flags + dims + element(1, b"a".ljust(1), ">") + data, ">")
    family = element(6, struct.pack(">II", 4, 0), ">") + element(5, struct.pack(">ii", 1, 6), ">")
    family += element(1, b"family", ">") + element(17, "linear".encode("utf-16-be"), ">")
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    (tmp_path / "b.mat").write_bytes(head + element(14, family, ">") + variable)
    np.testing.assert_array_equal(load(tmp_path / "b.mat").a, a)


def test_a_vector_that_is_a_matrix_elsewhere_stays_one(tmp_path):
    savemat(tmp_path / "n.mat", {"family": "linear", "a": -np.eye(3), "b": np.ones((3, 1))})
    assert load(tmp_path / "n.mat").b.shape == (3, 1)


def matlab(**changes):
    fields = {"family": "linear", "a": -np.eye(2)} | changes
    return lambda path: savemat(path, {k: v for k, v in fields.items() if v is not None})


def element(kind, data, order="<"):
    padding = b"" if kind == 15 else bytes(-len(data) % 8)
    return struct.pack(f"{order}II", kind, len(data)) + data + padding


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def bomb(path):
    path.write_bytes(HEADER + element(15, zlib.compress(bytes(1 << 24))))


def announced(path):
    """A matrix whose header announces 10^6 rows and columns and that holds eight bytes."""
    flags = element(6, struct.pack("<II", 6, 0))
    dims = element(5, struct.pack("<ii", 10**6, 10**6))
    name = struct.pack("<HH", 1, 1) + b"a\0\0\0"
    data = element(9, bytes(8))
    path.write_bytes(HEADER + element(14, flags + dims + name + data))


def spaces(path):
    """Text of 2^31 - 1 characters that are not in the file: the library would fill them in."""
    flags = element(6, struct.pack("<II", 4, 0))
    dims = element(5, struct.pack("<ii", 1, 2**31 - 1))
    name = struct.pack("<HH", 1, 1) + b"a\0\0\0"
    path.write_bytes(HEADER + element(14, flags + dims + name + element(16, b"")))


def scalar(kind=9):
    flags, dims = element(6, struct.pack("<II", 6, 0)), element(5, struct.pack("<ii", 1, 1))
    return element(14, flags + dims + element(1, b"a") + element(kind, bytes(8)))


def twice(path):
    path.write_bytes(HEADER + 2 * scalar())


def strange(path):
    path.write_bytes(HEADER + scalar(33))


def damaged(path):
    matlab()(path)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])


MAT_FAULTS = [
    (matlab(a=np.zeros((2, 2, 2))), r"'a' must be a matrix, got shape \(2, 2, 2\)"),
    (matlab(a=None), "needs the field 'a'"),
    (matlab(x=np.ones(2)), "field 'x' is not one of family 'linear'"),
    (matlab(family=np.array(["linear", "ctrnn "])), "'family' must be one row of characters"),
    (matlab(family=None), "no model is recognised: found 'a'"),
    (matlab(family="stack"), "numbered from 1|needs the field 'layers'|not one of"),
    (matlab(a="text"), "'a' must be an array of numbers, got the text"),
    (bomb, "no weights compress like that"),
    (announced, "announces shape .* .8000000000000 bytes. but holds 8"),
    (spaces, "announces 2147483647 characters but holds 0"),
    (
        lambda p: p.write_bytes(HEADER + element(14, bytes(8))),
        "the flags of a variable are of the wrong kind",
    ),
    (
        lambda p: p.write_bytes(HEADER + element(14, element(6, bytes(8)) + bytes(8))),
        "the dimensions of a variable",
    ),
    (lambda p: p.write_bytes(HEADER + b"1234"), "ends within an element"),
    (lambda p: p.write_bytes(HEADER + struct.pack("<HHI", 1, 5, 0)), "5 bytes in a tag"),
    (lambda p: p.write_bytes(HEADER + element(9, bytes(8))), "type 9 where a variable begins"),
    (twice, "variable 'a' is there twice"),
    (strange, "variable 'a' has numbers of type 3[0-9]"),
    (damaged, "not a readable MATLAB file"),
    (lambda p: p.write_bytes(b""), "not that of version 5 to 7"),
    (lambda p: p.write_bytes(HEADER + element(15, b"not zlib")), "not a readable MATLAB file"),
    (lambda p: p.write_bytes(HEADER + struct.pack("<II", 14, 999)), "ends after the file"),
    (lambda p: None, "no such file"),
]


@pytest.mark.parametrize(("write", "message"), MAT_FAULTS)
def test_a_bad_matlab_file_is_one_clear_sentence(write, message, tmp_path):
    path = tmp_path / "net.mat"
    write(path)
    tracemalloc.start()
    with pytest.raises(ModelError, match=message) as stop:
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(stop.value).startswith("net.mat: ")
    assert peak < 8 << 20


def test_a_large_matlab_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for compressed in (True, False):
        path = tmp_path / "net.mat"
        savemat(
            path, {"family": "linear", "a": rng.normal(size=(64, 64))}, do_compression=compressed
        )
        monkeypatch.setattr(module, "MAX_BYTES", 20_000)
        with pytest.raises(ModelError, match=r"limit is 20000|larger than 20000"):
            load(path)


# --- NIR


def node(kind, **values):
    return {"type": kind} | values


def layer(n, m, rng):
    return node("Affine", weight=rng.normal(size=(n, m)), bias=rng.normal(size=n))


def integrator(n, rng):
    return node("LI", tau=rng.uniform(0.5, 2, n), r=rng.normal(size=n), v_leak=rng.normal(size=n))


def graph(rng, n=3, m=2, p=2):
    """Input -> Affine -> LI with a recurrent Linear -> Affine -> Output."""
    nodes = {
        "in": node("Input", shape=np.array([m])),
        "w_in": layer(n, m, rng),
        "li": integrator(n, rng),
        "rec": node("Linear", weight=rng.normal(size=(n, n)) / n),
        "read": layer(p, n, rng),
        "out": node("Output", shape=np.array([p])),
    }
    edges = [("in", "w_in"), ("w_in", "li"), ("li", "rec"), ("rec", "li"), ("li", "read")]
    return nodes, [*edges, ("read", "out")]


def write_nir(path, nodes, edges):
    """The layout that the nir package writes: one group per node."""
    with h5py.File(path, "w") as file:
        file["version"] = "1.0"
        top = file.create_group("node")
        top["type"] = "NIRGraph"
        top.create_dataset("edges", data=[[a.encode(), b.encode()] for a, b in edges])
        for name, values in nodes.items():
            group = top.create_group(f"nodes/{name}")
            for key, value in values.items():
                group[key] = value


@pytest.fixture
def read_nir(tmp_path):
    def write_and_load(nodes, edges):
        write_nir(tmp_path / "net.nir", nodes, edges)
        return load(tmp_path / "net.nir")

    return write_and_load


def nir_rates(nodes, edges, v, u):
    """Derivatives of all LI nodes and the output, node by node from NIR's definitions."""

    def out(name):
        values = nodes[name]
        match values["type"]:
            case "Input":
                return u
            case "LI":
                return v[name]
            case "Output":
                return into(name)
        return values["weight"] @ into(name) + values.get("bias", 0.0)

    def into(name):
        return sum(out(source) for source, target in edges if target == name)

    rates = {
        name: (p["v_leak"] - v[name] + p["r"] * into(name)) / p["tau"]
        for name, p in nodes.items()
        if p["type"] == "LI"
    }
    return rates, out("out")


def agrees_with_nir(model, nodes, edges, rng):
    v = {k: rng.normal(size=p["tau"].size) for k, p in nodes.items() if p["type"] == "LI"}
    u = rng.normal(size=model.n_inputs)
    x = np.concatenate([v[name] for name in sorted(v)])
    rates, y = nir_rates(nodes, edges, v, u)
    found = np.concatenate([rates[name] for name in sorted(v)])
    np.testing.assert_allclose(model.rhs(x, u), found, rtol=0, atol=EXACT)
    np.testing.assert_allclose(model.readout(x, u), y, rtol=0, atol=EXACT)


def test_a_recurrent_nir_layer_has_the_derivative_of_its_nodes(read_nir):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        nodes, edges = graph(rng)
        model = read_nir(nodes, edges)
        assert isinstance(model, Linear)
        agrees_with_nir(model, nodes, edges, rng)


def test_any_wiring_of_the_subset_is_read(read_nir):
    rng = np.random.default_rng(0)
    nodes, edges = graph(rng)
    nodes |= {"li2": integrator(2, rng), "skip": layer(2, 2, rng), "up": layer(2, 3, rng)}
    # two layers of integrators, an input past both of them, and LI straight to the output
    edges += [("li", "up"), ("up", "li2"), ("li2", "out"), ("in", "skip"), ("skip", "out")]
    model = read_nir(nodes, edges)
    assert model.n_states == 5
    assert model.feedthrough.shape == (2, 2)
    agrees_with_nir(model, nodes, edges, rng)


def test_a_file_of_the_nir_package_is_read(tmp_path):
    nir = pytest.importorskip("nir")
    rng = np.random.default_rng(0)
    nodes, edges = graph(rng)
    made = {
        "in": nir.Input(np.array([2])),
        "w_in": nir.Affine(nodes["w_in"]["weight"], nodes["w_in"]["bias"]),
        "li": nir.LI(**{k: nodes["li"][k] for k in ("tau", "r", "v_leak")}),
        "rec": nir.Linear(nodes["rec"]["weight"]),
        "read": nir.Affine(nodes["read"]["weight"], nodes["read"]["bias"]),
        "out": nir.Output(np.array([2])),
    }
    nir.write(str(tmp_path / "net.nir"), nir.NIRGraph(nodes=made, edges=edges))
    agrees_with_nir(load(tmp_path / "net.nir"), nodes, edges, rng)


@pytest.mark.spice
def test_a_nir_graph_is_verified_as_a_circuit(read_nir):
    nodes, edges = graph(np.random.default_rng(1))
    result = verify_model(read_nir(nodes, edges))
    assert result.passed, result.report


def nir_with(edit):
    nodes, edges = graph(np.random.default_rng(0))
    edit(nodes, edges)
    return nodes, edges


def put(name, key, value):
    return nir_with(lambda nodes, edges: nodes[name].__setitem__(key, value))


def extra(*added):
    return nir_with(lambda nodes, edges: edges.extend(added))


NIR_FAULTS = [
    (put("li", "extra", np.ones(1)), r"'extra' of node 'li' \(LI\) is not known"),
    (put("li", "tau", np.ones(2)), "'read' takes 3 values, but 'li' gives 2"),
    (put("li", "r", np.ones(2)), r"one shape \(neurons,\), got \(3,\), \(2,\)"),
    (put("li", "tau", -np.ones(3)), "tau of node 'li' must be positive"),
    (put("li", "tau", np.array([1, np.nan, 1])), "tau of node 'li' is not finite"),
    (put("rec", "weight", np.ones((3, 4))), "'rec' takes 4 values, but 'li' gives 3"),
    (put("rec", "weight", np.ones(3)), "weight of node 'rec' must be a matrix"),
    (put("rec", "weight", 1j * np.ones((3, 3))), "weight of node 'rec' has dtype"),
    (put("read", "bias", np.ones(3)), "bias of node 'read' must have 2 values"),
    (put("out", "shape", np.array([3])), "node 'out' takes 3 values, but 'read' gives 2"),
    (put("in", "shape", np.array([2, 2])), r"'in' must have one dimension, got shape \[2.0, 2.0\]"),
    (extra(("li", "ghost")), "no node 'ghost'"),
    (extra(("li", "in")), "against its direction"),
    (nir_with(lambda n, e: e.remove(("read", "out"))), "'read' leads nowhere"),
    (nir_with(lambda n, e: e.remove(("in", "w_in"))), "'in' leads nowhere"),
    (nir_with(lambda n, e: n.pop("out") and e.pop()), "'read' leads nowhere"),
    (nir_with(lambda n, e: n.update(also=n["in"]) or e.append(("also", "w_in"))), "one Input node"),
    (nir_with(lambda n, e: n["w_in"].pop("bias")), "'bias' is missing"),
    (put("li", "type", np.ones(1)), "'type' has dtype float64; expected text"),
    (put("li", "type", [b"LI", b"LI"]), "'type' holds 2 texts"),
]


@pytest.mark.parametrize(("made", "message"), NIR_FAULTS)
def test_a_bad_nir_graph_is_one_clear_sentence(made, message, read_nir):
    with pytest.raises(ModelError, match=message):
        read_nir(*made)


def test_a_graph_without_an_integrator_has_no_state(read_nir):
    nodes, _ = graph(np.random.default_rng(0))
    for name in ("li", "rec"):
        del nodes[name]
    nodes["read"] = layer(2, 3, np.random.default_rng(0))
    with pytest.raises(ModelError, match="no LI node, so it has no state"):
        read_nir(nodes, [("in", "w_in"), ("w_in", "read"), ("read", "out")])


def test_a_node_that_nothing_enters_is_refused(read_nir):
    nodes, edges = graph(np.random.default_rng(0))
    nodes["lone"] = layer(3, 2, np.random.default_rng(0))
    with pytest.raises(ModelError, match="nothing enters node 'lone'"):
        read_nir(nodes, [*edges, ("lone", "li")])


def hdf5(edit):
    def write(path):
        write_nir(path, *graph(np.random.default_rng(0)))
        with h5py.File(path, "a") as file:
            edit(file)

    return write


def replaced(where, value):
    def edit(file):
        del file[where]
        file[where] = value

    return hdf5(edit)


def virtual(file):
    layout = h5py.VirtualLayout(shape=(3, 3), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "w", shape=(3, 3))
    del file["node/nodes/rec/weight"]
    file["node/nodes/rec"].create_virtual_dataset("weight", layout)


def external(file):
    del file["node/nodes/rec/weight"]
    file["node/nodes/rec"].create_dataset(
        "weight", (3, 3), "f8", external=[("/etc/hostname", 0, 72)]
    )


def huge(file):
    del file["node/nodes/rec/weight"]
    file["node/nodes/rec"].create_dataset(
        "weight", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip"
    )


HDF5_FAULTS = [
    (lambda path: path.write_bytes(b"not hdf5"), "not a readable NIR file"),
    (lambda path: None, "cannot be read: No such file"),
    (replaced("node/nodes/rec", h5py.ExternalLink("/etc/passwd", "/")), "'rec' is a link"),
    (replaced("node/nodes/rec", h5py.SoftLink("/node/nodes/li")), "'rec' is a link"),
    (hdf5(virtual), "must be an array held in the file itself"),
    (hdf5(external), "must be an array held in the file itself"),
    (hdf5(huge), "bytes as float64, the limit is"),
    (replaced("node/edges", np.array([[b"in"]])), r"edges must have shape \(number, 2\)"),
    (replaced("node/edges", np.array([[b"a"] * 2] * 30_000)), "'edges' holds 60000 texts"),
    (hdf5(lambda file: file.__delitem__("node/edges")), "'edges' is missing"),
    (hdf5(lambda file: file.__delitem__("node")), "'node' is missing"),
    (replaced("node/nodes/rec/weight", np.ones(1)), "must be a matrix"),
]


@pytest.mark.parametrize(("write", "message"), HDF5_FAULTS)
def test_a_hostile_nir_file_is_one_clear_sentence(write, message, tmp_path):
    path = tmp_path / "net.nir"
    write(path)
    with pytest.raises(ModelError, match=message) as stop:
        load(path)
    assert str(stop.value).startswith("net.nir: ")


def test_too_many_nodes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rnn2circuit.models.import_nir.MAX_NODES", 3)
    write_nir(tmp_path / "net.nir", *graph(np.random.default_rng(0)))
    with pytest.raises(ModelError, match="6 nodes, the limit is 3"):
        load(tmp_path / "net.nir")


def test_without_h5py_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"pip install 'rnn2circuit\[nir\]'"):
        load(tmp_path / "net.nir")


# --- directories


def test_a_directory_that_is_no_export_is_refused_as_such(tmp_path):
    with pytest.raises(ModelError, match=r"is a directory; a model is a file$"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends with signal 11 on it"),
        ("import time; time.sleep(60)", "does not end within 1 s"),
    ],
)
def test_a_file_on_which_the_library_crashes_is_one_clear_sentence(
    program, message, tmp_path, monkeypatch
):
    child = tmp_path / "child.py"
    child.write_text(program)
    monkeypatch.setattr("rnn2circuit.models.hdf5_file.CHILD", child)
    monkeypatch.setattr("rnn2circuit.models.hdf5_file.TIMEOUT", 1.0)
    path = tmp_path / "net.nir"
    path.write_bytes(b"anything")
    with pytest.raises(ModelError, match=message):
        load(path)


def test_a_nir_file_that_is_too_large_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("rnn2circuit.models.import_nir.MAX_BYTES", 4)
    path = tmp_path / "net.nir"
    path.write_bytes(b"12345")
    with pytest.raises(ModelError, match="larger than 4 bytes"):
        load(path)
