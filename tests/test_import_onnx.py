"""ONNX files: the imported network against onnxruntime, every refusal, hostile files."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Elman, Gru, GruOde, Lstm, Stack
from rnn2circuit.models.io import load

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

DATA = Path(__file__).parent / "data"
SINGLE = 1e-6  # float32 outputs of order one
DOUBLE = 1e-12
SMALL = 1 << 20
CLOCKED = {"clocked": True}


def states_and_outputs(cell, u):
    x, states = cell.initial_state, []
    for now in u:
        x = cell.step(x, now)
        states.append(x)
    states = np.array(states)
    return states, cell.readout(states, u)


@pytest.mark.parametrize(
    ("name", "family"),
    [("lstm_2", Stack), ("gru_last", Gru), ("rnn_2", Stack), ("gru_before", Gru)],
)
def test_every_step_is_that_of_onnxruntime(name, family):
    cell = load(DATA / f"onnx_{name}.onnx", clocked=True)
    assert isinstance(cell, family)
    with np.load(DATA / "onnx_expected.npz") as data:
        u, y = data[f"{name}.u"].astype(float), data[f"{name}.y"].astype(float)
    found = states_and_outputs(cell, u)[1]
    np.testing.assert_allclose(found[-len(y) :], y, rtol=0, atol=SINGLE)
    if name == "gru_before":
        assert cell.reset == "before"
        assert np.all(cell.x0 != 0)


BLOCKS = {"RNN": 1, "GRU": 3, "LSTM": 4}


def arrays_of(kind, hidden=3, inputs=2, seed=0, suffix=""):
    rng = np.random.default_rng([seed, hidden, inputs, BLOCKS[kind]])
    rows = BLOCKS[kind] * hidden
    shapes = {"W": (1, rows, inputs), "R": (1, rows, hidden), "B": (1, 2 * rows)}
    return {name + suffix: 1.3 * rng.normal(size=shape) for name, shape in shapes.items()}


def node(kind, inputs=("u", "W", "R", "B"), outputs=("Y", "H"), hidden=3, **attributes):
    attributes = {"hidden_size": hidden} | attributes
    return helper.make_node(
        kind, list(inputs), list(outputs), name="n", **{k: v for k, v in attributes.items() if v}
    )


def op(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(","), outputs.split(","), name=kind, **attributes)


def model_of(nodes, arrays, *, outputs=("y",), inputs=("u",), rank=3, dtype="f4", opset=17):
    """A graph with one input of `rank` axes whose outputs are of unknown shape."""
    kind = {"f4": TensorProto.FLOAT, "f8": TensorProto.DOUBLE}[dtype]
    stored = {
        k: np.asarray(v) if np.asarray(v).dtype.kind == "i" else np.asarray(v, dtype=dtype)
        for k, v in arrays.items()
    }
    shape = None if rank is None else [None] * rank
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(v, k) for k, v in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    return model


def written(path, model):
    path.write_bytes(model.SerializeToString())
    return path


def squeeze(source="Y", target="y"):
    return op("Squeeze", f"{source},one", target)


ONE = {"one": np.array([1])}


def attempt(tmp_path, nodes, arrays, options=CLOCKED, **graph):
    return load(written(tmp_path / "m.onnx", model_of(nodes, arrays, **graph)), **options)


RANDOM = [
    ("RNN", {}),
    ("RNN", {"activations": ["Relu"]}),
    ("GRU", {}),
    ("GRU", {"linear_before_reset": 1}),
    ("LSTM", {}),
]


@pytest.mark.parametrize(("kind", "attributes"), RANDOM)
def test_random_nodes_step_as_onnxruntime_does(tmp_path, kind, attributes):
    runtime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(3)
    for seed in range(3):
        arrays = arrays_of(kind, seed=seed) | ONE | {"h": rng.normal(size=(1, 1, 3))}
        if attributes.get("activations"):
            arrays["R"] *= 0.3
        starts = ("h", "h") if kind == "LSTM" else ("h",)
        inputs = ("u", "W", "R", "B", "", *starts)
        model = model_of([node(kind, inputs, **attributes), squeeze()], arrays)
        cell = load(written(tmp_path / "m.onnx", model), clocked=True)
        u = rng.normal(size=(8, 1, 2)).astype("f4")
        session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
        (y,) = session.run(["y"], {"u": u})
        states = states_and_outputs(cell, u[:, 0].astype(float))[0]
        np.testing.assert_allclose(states[:, :3], y[:, 0], rtol=0, atol=10 * SINGLE)


def test_batch_first_is_the_same_cell(tmp_path):
    arrays = arrays_of("GRU")
    first = attempt(tmp_path, [node("GRU", layout=1)], arrays, outputs=("Y",))
    usual = attempt(tmp_path, [node("GRU")], arrays, outputs=("Y",))
    np.testing.assert_array_equal(first.w_z, usual.w_z)
    kept = [node("GRU"), op("Squeeze", "Y,one", "y")]
    with pytest.raises(ModelError, match="takes away the axis of the axis 0"):
        attempt(tmp_path, [node("GRU"), op("Squeeze", "Y,none", "y")], arrays | {"none": [0]})
    assert attempt(tmp_path, kept, arrays | ONE).n_states == 3


def test_double_precision_weights_are_exact(tmp_path):
    arrays = arrays_of("LSTM")
    cell = attempt(tmp_path, [node("LSTM")], arrays, dtype="f8", outputs=("Y",))
    assert isinstance(cell, Lstm)
    for k, gate in enumerate("iofg"):
        rows = slice(3 * k, 3 * k + 3)
        np.testing.assert_array_equal(cell.recurrent(gate), arrays["R"][0, rows])
        both = arrays["B"][0].reshape(2, 12)[:, rows].sum(0)
        np.testing.assert_allclose(getattr(cell, f"b_{gate}"), both, rtol=0, atol=DOUBLE)


def test_the_gates_of_a_gru_are_in_onnxs_order(tmp_path):
    arrays = arrays_of("GRU")
    cell = attempt(tmp_path, [node("GRU")], arrays, dtype="f8", outputs=("Y",))
    for k, gate in enumerate("zrn"):
        np.testing.assert_array_equal(cell.recurrent(gate), arrays["R"][0, 3 * k : 3 * k + 3])


def test_equations_are_the_euler_reading(tmp_path):
    arrays = arrays_of("GRU")
    cell = attempt(tmp_path, [node("GRU")], arrays, outputs=("Y",))
    model = attempt(tmp_path, [node("GRU")], arrays, {"dt": 0.5}, outputs=("Y",))
    assert isinstance(model, GruOde)
    h, u = np.array([0.3, -0.2, 0.6]), np.array([0.4, -1.0])
    np.testing.assert_allclose(h + 0.5 * model.rhs(h, u), cell.step(h, u), rtol=0, atol=DOUBLE)
    rnn = attempt(tmp_path, [node("RNN")], arrays_of("RNN"), {"dt": 0.5}, outputs=("Y",))
    assert isinstance(rnn, Ctrnn)


def test_what_moves_axes_and_what_has_no_effect_is_passed_through(tmp_path):
    arrays = arrays_of("RNN") | arrays_of("RNN", inputs=3, suffix="2") | ONE
    arrays |= {"shape": np.array([0, 0, -1]), "keep": np.array(0, dtype="i8")}
    nodes = [
        op("Transpose", "v", "u", perm=[1, 0, 2]),
        op("Cast", "u", "uc", to=TensorProto.FLOAT),
        node("RNN", ("uc", "W", "R", "B")),
        op("Transpose", "Y", "a", perm=[0, 2, 1, 3]),
        op("Reshape", "a,shape", "b"),
        op("Dropout", "b", "c"),
        op("Identity", "W2", "W3"),
        node("RNN", ("c", "W3", "R2", "B2"), ("Y2", "H2")),
        squeeze("Y2", "d"),
        op("Unsqueeze", "d,one", "e"),
        op("Reshape", "e,last", "f"),
        op("Gemm", "f,M,m", "g", alpha=2.0, beta=0.5, transB=1),
        op("Add", "m,g", "y"),
    ]
    arrays |= {"M": np.ones((1, 3)), "m": np.array([4.0]), "last": np.array([-1, 3])}
    cell = attempt(tmp_path, nodes, arrays, inputs=("v",), dtype="f8")
    assert isinstance(cell, Stack)
    np.testing.assert_array_equal(cell.w_out, [[0, 0, 0, 2, 2, 2]])
    np.testing.assert_array_equal(cell.b_out, [6.0])  # 0.5 m of the Gemm, and m


def test_a_readout_of_the_last_step_reads_the_same_states(tmp_path):
    arrays = arrays_of("LSTM") | {"M": np.ones((3, 2)), "zero": np.array(0)}
    nodes = [node("LSTM"), op("Gather", "H,zero", "h", axis=0), op("MatMul", "h,M", "y")]
    cell = attempt(tmp_path, nodes, arrays)
    np.testing.assert_array_equal(cell.w_out, [[1, 1, 1, 0, 0, 0]] * 2)


def test_initial_states_of_one_value_or_sliced_by_layer_are_x0(tmp_path):
    arrays = arrays_of("RNN") | arrays_of("RNN", inputs=3, suffix="2") | ONE
    arrays |= {"all": np.arange(6.0).reshape(2, 1, 3), "zero": np.array([0]), "two": np.array([2])}
    arrays |= {"size": np.array([1, 1, 3])}
    nodes = [
        op("Slice", "all,zero,one,zero", "h1"),
        op("Slice", "all,one,two,zero", "h2"),
        node("RNN", ("u", "W", "R", "B", "", "h1")),
        squeeze("Y", "a"),
        node("RNN", ("a", "W2", "R2", "B2", "", "h2"), ("Y2", "H2")),
        op("Concat", "H,H2", "hn", axis=0),
    ]
    cell = attempt(tmp_path, nodes, arrays, outputs=("Y2", "hn"))
    np.testing.assert_array_equal(cell.x0, np.arange(6.0))
    half = numpy_helper.from_array(np.array([0.5], dtype="f4"))
    nodes = [
        op("ConstantOfShape", "size", "h", value=half),
        node("RNN", ("u", "W", "R", "B", "", "h")),
    ]
    np.testing.assert_array_equal(
        attempt(tmp_path, nodes, arrays, outputs=("Y",)).x0, [0.5, 0.5, 0.5]
    )


def with_gru(*nodes, arrays=None, attributes=None, **graph):
    """A GRU, then other nodes."""
    first = node("GRU", **(attributes or {}))
    return [first, *nodes], arrays_of("GRU") | ONE | (arrays or {}), graph


def lonely(kind="GRU", inputs=("u", "W", "R", "B"), arrays=None, **attributes):
    return [node(kind, inputs, **attributes)], arrays_of(kind) | (arrays or {}), {"outputs": ("Y",)}


def stacked(*between, source="a", arrays=None, **graph):
    nodes = [node("GRU"), *between, node("GRU", (source, "W2", "R2", "B2"), ("Y2", "H2"))]
    every = arrays_of("GRU") | arrays_of("GRU", inputs=3, suffix="2") | ONE | (arrays or {})
    return nodes, every, {"outputs": ("Y2",)} | graph


W43, MINUS = {"M": np.ones((4, 3))}, {"k": np.array(-1)}
REFUSED = [
    (lonely(), {}, "an ONNX GRU holds a discrete program.*--clocked.*--dt DT"),
    (lonely("LSTM"), {"dt": 1.0}, "an ONNX LSTM is no Euler step.*give --clocked"),
    (stacked(squeeze(target="a")), {"dt": 1.0}, "an ONNX GRU has 2 layers.*give --clocked"),
    (lonely(), CLOCKED | {"activation": "relu"}, "--activation does not apply"),
    (lonely(direction="reverse"), CLOCKED, "direction b'reverse'.*future"),
    (lonely(direction="bidirectional"), CLOCKED, "direction b'bidirectional'"),
    (lonely(clip=1.0), CLOCKED, r"clips its sums \(clip\)"),
    (lonely("LSTM", input_forget=1), CLOCKED, "couples input and forget gate"),
    (lonely(activation_alpha=[1.0]), CLOCKED, "scales its activations"),
    (lonely(activation_beta=[1.0]), CLOCKED, "shifts its activations"),
    (lonely(activations=["HardSigmoid", "Tanh"]), CLOCKED, "hardsigmoid, tanh; supported is sig"),
    (lonely("RNN", activations=["Affine"]), CLOCKED, "activations affine; supported is tanh or"),
    (lonely(output_sequence=1), CLOCKED, "attribute 'output_sequence', which is not known"),
    (
        lonely("LSTM", ("u", "W", "R", "B", "", "", "", "P"), {"P": np.zeros((1, 9))}),
        CLOCKED,
        "has peepholes",
    ),
    (lonely(inputs=("u", "", "R")), CLOCKED, "has no input W"),
    (lonely(inputs=("u", "W", "")), CLOCKED, "has no input R"),
    (lonely(arrays={"R": np.ones((2, 9, 3))}), CLOCKED, r"input R of .* must have shape \(1, 9"),
    (lonely(arrays={"W": np.ones((1, 8, 2))}), CLOCKED, r"input W of .* must have shape \(1, 9"),
    (lonely(arrays={"B": np.ones((1, 9))}), CLOCKED, r"input B of .* must have shape \(1, 18"),
    (lonely(hidden_size=4), CLOCKED, r"input R of .* must have shape \(1, 12, 4\)"),
    (lonely(inputs=("u", "W", "R", "u")), CLOCKED, "input B of .* is 'u', no constant"),
    (lonely(inputs=("u", "W", "R", "gone")), CLOCKED, "reads 'gone', which is not"),
    (
        lonely(inputs=("u", "W", "R", "B", "", "u")),
        CLOCKED,
        "initial_h of .* is 'u', which depends on an input",
    ),
    (
        lonely("LSTM", ("u", "W", "R", "B", "", "h", "u"), {"h": np.zeros((1, 1, 3))}),
        CLOCKED,
        "initial_c of .* depends on an input",
    ),
    (
        lonely(inputs=("u", "W", "R", "B", "", "h"), arrays={"h": np.arange(6.0).reshape(1, 2, 3)}),
        CLOCKED,
        "must be the same 3 numbers for the whole batch",
    ),
    (with_gru(squeeze(), inputs=("u", "h0")), CLOCKED, "a further input 'h0'"),
    (with_gru(op("Softmax", "Y", "y")), CLOCKED, r"'Softmax' \(Softmax\) has no circuit here"),
    (with_gru(op("Mul", "Y,one", "y")), CLOCKED, r"'Mul' \(Mul\) has no circuit here"),
    (with_gru(op("Add", "Y,one", "y")), CLOCKED, "adds to what is no readout"),
    (with_gru(op("Concat", "Y,one", "y", axis=0)), CLOCKED, "joins signals"),
    (with_gru(op("Exp", "one", "y")), CLOCKED, r"\(Exp\) has no circuit here"),
    (with_gru(op("MatMul", "Y,M", "y"), arrays=W43), CLOCKED, "must take 3 states, got shape"),
    (with_gru(op("MatMul", "M,Y", "y"), arrays=W43), CLOCKED, "multiplies from the left"),
    (with_gru(op("Gemm", "Y,M", "y", transA=1), arrays=W43), CLOCKED, "transposes the signal"),
    (
        with_gru(op("MatMul", "Y,M", "a"), op("MatMul", "a,M", "y"), arrays={"M": np.eye(3)}),
        CLOCKED,
        "does not read the last layer",
    ),
    (
        with_gru(
            op("MatMul", "Y,M", "a"),
            op("MatMul", "Y,M", "y"),
            arrays={"M": np.eye(3)},
        ),
        CLOCKED,
        "is a second readout",
    ),
    (
        with_gru(
            op("MatMul", "Y,M", "a"),
            op("Add", "a,b", "y"),
            arrays={"M": np.eye(3), "b": [1.0, 2.0]},
        ),
        CLOCKED,
        "bias of .* must hold 3 numbers",
    ),
    (with_gru(op("Cast", "Y", "y", to=TensorProto.INT64)), CLOCKED, "other than real numbers"),
    (
        with_gru(op("Dropout", "Y,r,t", "y"), arrays={"r": 0.5, "t": np.array(1)}),
        CLOCKED,
        "is in training mode",
    ),
    (
        with_gru(op("Transpose", "Y", "y", perm=[0, 1])),
        CLOCKED,
        "permutes .0, 1., the signal has 4",
    ),
    (with_gru(op("Squeeze", "Y", "y")), CLOCKED, "does not say which axes"),
    (with_gru(op("Squeeze", "Y,k", "y"), arrays={"k": np.array([9])}), CLOCKED, "names axes"),
    (with_gru(op("Squeeze", "Y,k", "y"), arrays={"k": np.array([3])}), CLOCKED, "of the features"),
    (with_gru(op("Reshape", "Y,k", "y"), arrays={"k": [3, -1]}), CLOCKED, "may mix time, batch"),
    (with_gru(op("Reshape", "Y,k", "y"), arrays={"k": [0, -1]}), CLOCKED, "may mix time, batch"),
    (with_gru(op("Reshape", "Y,k", "y"), arrays={"k": [1, 1, 3]}), CLOCKED, "may mix time, batch"),
    (with_gru(op("Reshape", "Y,u", "y")), CLOCKED, "the shape of .* is 'u', no constant"),
    (
        with_gru(op("Gather", "Y,k", "y", axis=0), arrays={"k": np.array(1)}),
        CLOCKED,
        "only its last step",
    ),
    (
        with_gru(op("Gather", "Y,k", "y", axis=3), arrays={"k": np.array(-1)}),
        CLOCKED,
        "picks entry -1 of the axis of features",
    ),
    (
        with_gru(op("Gather", "Y,k", "y", axis=0), arrays={"k": np.array([0, 1])}),
        CLOCKED,
        "picks more than one entry",
    ),
    (with_gru(op("Gather", "W,Y", "y", axis=0)), CLOCKED, "takes its shape from the input"),
    (
        stacked(squeeze(target="b"), op("Transpose", "b", "a", perm=[1, 0, 2])),
        CLOCKED,
        "time and batch are exchanged",
    ),
    (
        stacked(squeeze(target="b"), op("Transpose", "b", "a", perm=[0, 2, 1])),
        CLOCKED,
        "expected the features last",
    ),
    (stacked(source="u"), CLOCKED, "does not read the sequence of the layer before it"),
    (stacked(source="H"), CLOCKED, "does not read the sequence of the layer before it"),
    (
        stacked(squeeze(target="a"), arrays={"W2": np.ones((1, 9, 4))}),
        CLOCKED,
        "has 4 inputs, the layer below hands on 3",
    ),
    (
        stacked(squeeze(target="b"), op("MatMul", "b,M", "a"), arrays={"M": np.eye(3)}),
        CLOCKED,
        "stands after the readout",
    ),
    (stacked(squeeze(target="a"), outputs=("Y",)), CLOCKED, "leave out what its last layer"),
    (with_gru(outputs=("u",)), CLOCKED, "output 'u' is not computed by the network"),
    (with_gru(op("Shape", "Y", "y")), CLOCKED, "output 'y' is not computed by the network"),
    (
        with_gru(op("MatMul", "Y,M", "a"), arrays={"M": np.eye(3)}, outputs=("Y",)),
        CLOCKED,
        "leave out what its last layer",
    ),
    (([op("Identity", "u", "y")], ONE, {}), CLOCKED, "holds no RNN, GRU or LSTM"),
    ((*lonely()[:2], {"outputs": ("Y",), "opset": 6}), CLOCKED, "operators are of version 6"),
    ((*lonely()[:2], {"outputs": ("Y",), "rank": 2}), CLOCKED, "expected the features last"),
    (lonely(arrays={"R": np.full((1, 9, 3), np.nan)}), CLOCKED, r"constant 'R'\[0, 0, 0\] is nan"),
    (
        with_gru(op("ConstantOfShape", "one", "y", value=numpy_helper.from_array(np.ones(2)))),
        CLOCKED,
        "a value of 2 numbers",
    ),
    (
        with_gru(op("ConstantOfShape", "one", "y", value="x")),
        CLOCKED,
        "expected one real number",
    ),
    (with_gru(op("Constant", "", "y", value_string="x")), CLOCKED, "constant of an unsupported"),
    (with_gru(op("Transpose", "B3", "y"), arrays={"B3": np.ones(3)}), CLOCKED, "is no matrix"),
    (
        with_gru(op("Slice", "all,one,one,one", "y"), arrays={"all": np.ones((2, 1, 3))}),
        CLOCKED,
        "slices a constant other than by layers",
    ),
]


@pytest.mark.parametrize(("graph", "options", "message"), REFUSED)
def test_a_graph_without_a_circuit_is_refused_by_name(tmp_path, graph, options, message):
    nodes, arrays, settings = graph
    with pytest.raises(ModelError, match=message) as stop:
        attempt(tmp_path, nodes, arrays, options, **settings)
    assert str(stop.value).startswith("m.onnx: ")


def test_an_elman_layer_without_biases_is_read(tmp_path):
    cell = attempt(tmp_path, [node("RNN", ("u", "W", "R"))], arrays_of("RNN"), outputs=("Y",))
    assert isinstance(cell, Elman)
    assert cell.bias is None


def gru_model(change):
    model = model_of([node("GRU")], arrays_of("GRU"), outputs=("Y",))
    change(model)
    return model


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"


def announced(model):
    model.graph.initializer[0].dims[:] = [1 << 30, 1 << 30]


def negative(model):
    model.graph.initializer[0].dims[:] = [-1, 9, -2]


def text(model):
    model.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"x"]))


def domain(model):
    model.graph.node[0].domain = "mine"


def subgraph(model):
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["u"], ["z"], then_branch=inner))


def functions(model):
    model.functions.append(helper.make_function("d", "f", [], [], [], []))


def no_nodes(model):
    del model.graph.node[:]


HOSTILE = [
    (external, "constant 'W' keeps its numbers in another file"),
    (announced, "constant 'W' announces shape"),
    (negative, "constant 'W' announces shape"),
    (text, "constant 't' is of data type 8"),
    (domain, "is an operator of 'mine'"),
    (subgraph, "holds a graph of its own"),
    (functions, "functions and sparse constants"),
    (no_nodes, "there is no graph"),
]


@pytest.mark.parametrize(("change", "message"), HOSTILE)
def test_nothing_outside_a_file_is_read_and_no_size_is_believed(tmp_path, change, message):
    path = written(tmp_path / "m.onnx", gru_model(change))
    tracemalloc.start()
    with pytest.raises(ModelError, match=message):
        load(path, clocked=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * SMALL


def test_files_that_are_too_large_or_no_onnx_are_refused(tmp_path, monkeypatch):
    from rnn2circuit.models import import_onnx, onnx_graph

    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match="no such file"):
        load(path, clocked=True)
    for content in (b"", b"no protocol buffer", bytes(range(256))):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="damaged ONNX file"):
            load(path, clocked=True)
    written(path, gru_model(lambda _: None))
    monkeypatch.setattr(onnx_graph, "MAX_NODES", 0)
    with pytest.raises(ModelError, match="holds 1 nodes, the limit is 0"):
        load(path, clocked=True)
    monkeypatch.setattr(import_onnx, "MAX_BYTES", 10)
    with pytest.raises(ModelError, match="is larger than 10 bytes"):
        load(path, clocked=True)
    monkeypatch.setattr(import_onnx, "MAX_BYTES", 1 << 20)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"needs onnx: pip install 'rnn2circuit\[onnx\]'"):
        load(path, clocked=True)


@pytest.mark.parametrize("name", ["lstm_2", "gru_before"])
def test_any_damage_is_a_typed_error_or_a_valid_model(tmp_path, name):
    original = (DATA / f"onnx_{name}.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    for position in rng.integers(len(original), size=200):
        data = bytearray(original)
        data[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data) if rng.random() < 0.8 else original[:position])
        said = ""
        try:
            assert load(path, clocked=True).n_states >= 1
        except ModelError as error:
            said = str(error)
        assert said.isprintable()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("perm", 3, "attribute 'perm' of .* is 3, which is not of its kind"),
        ("perm", [0.5, 1.5], "which is not of its kind"),
        ("axes", "one", "attribute 'axes' of"),
        ("activations", [1, 2], "attribute 'activations' of"),
        ("hidden_size", 2.5, "attribute 'hidden_size' of"),
        ("anything", None, "attribute 'anything' of .* is None"),
    ],
)
def test_attributes_of_another_kind_are_refused(tmp_path, name, value, message):
    damaged = node("GRU")
    if value is None:
        damaged.attribute.append(onnx.AttributeProto(name=name))
    else:
        kept = [a for a in damaged.attribute if a.name != name]
        del damaged.attribute[:]
        damaged.attribute.extend([*kept, helper.make_attribute(name, value)])
    with pytest.raises(ModelError, match=message):
        attempt(tmp_path, [damaged, squeeze()], arrays_of("GRU") | ONE)


def test_nodes_without_inputs_and_axes_that_are_no_list_are_refused(tmp_path):
    bare = helper.make_node("Transpose", [], ["t"], name="bare")
    with pytest.raises(ModelError, match="reads nothing"):
        attempt(tmp_path, [bare, node("GRU"), squeeze()], arrays_of("GRU") | ONE)
    axes = {"one": np.array([[1]])}
    with pytest.raises(ModelError, match="names axes in an array of 2 dimensions"):
        attempt(tmp_path, [node("GRU"), squeeze()], arrays_of("GRU") | axes)
