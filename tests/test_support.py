"""The support matrix: the page is what the importers say, and every refusal on it happens."""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import foreign_programs as foreign
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix
from test_import_files import graph, put, write_nir
from test_import_keras import entry, keras_file, setting, top
from test_import_onnx import external, gru_model, lonely, model_of, op, with_gru, written
from test_import_torch import module as torch_module

from rnn2circuit.errors import ModelError
from rnn2circuit.models.importers import FILE_IMPORTERS, TENSOR_IMPORTERS
from rnn2circuit.models.io import load

DOCS = Path(__file__).parent.parent / "docs"
_SPEC = importlib.util.spec_from_file_location("make_support", DOCS / "make_support.py")
make_support = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make_support)

ROWS = make_support.rows()
REFUSED = [row for row in ROWS if row.is_refusal]


@dataclass(frozen=True)
class Case:
    """A file and options that a row of the matrix turns down."""

    name: str
    write: Callable[[Path], Any]
    options: dict[str, Any] = field(default_factory=dict)
    says: str = ""  # of the error, where it does not quote the row


def npz(tensors, **options):
    return Case("net.npz", lambda path: np.savez(path, **tensors), options)


def csv(*names):
    def write(path):
        path.mkdir()
        for name in names:
            (path / f"{name}.csv").write_text("0.1\n")

    return Case("export", write)


def nir(nodes, edges):
    return Case("net.nir", lambda path: write_nir(path, nodes, edges))


def loop():
    nodes, edges = graph(np.random.default_rng(0))
    nodes["echo"] = {"type": "Linear", "weight": np.ones((3, 3))}
    return nir(nodes, [*edges, ("rec", "echo"), ("echo", "rec")])


def lrc(**options):
    m, kind = options.pop("m", 2), options.pop("kind", "asymmetric")
    weights = foreign.lrc_weights(np.random.default_rng(0), 3, m, kind=kind)
    return npz(weights | options.pop("more", {}), elastance=kind, **options)


def leaky(excitatory=None, **options):
    weights = foreign.leaky_weights(np.random.default_rng(0), excitatory=excitatory)
    return npz(weights, tau=10.0, dt=1.0, **options)


def psychrnn(**options):
    weights = foreign.psychrnn_weights(np.random.default_rng(0))
    return npz(weights, tau=10.0, dt=1.0, activation="relu", **options)


def one_gain_zero():
    return npz(foreign.beer_weights(np.random.default_rng(0)) | {"gains": np.array([1, 0, 1, 1])})


def tensors(module, says, **more):
    """A GRU or LSTM of torch with tensors more, which is clocked and still refused."""
    found = torch_module(module) | {k.replace("__", "."): v for k, v in more.items()}
    return Case("net.npz", lambda path: np.savez(path, **found), {"clocked": True}, says)


def keras(says, *changes):
    """The committed Keras model with another configuration."""

    def write(path):
        keras_file(path, *changes)

    return Case("net.keras", write, {"clocked": True}, says)


def onnx(says, parts):
    nodes, arrays, settings = parts

    def write(path):
        written(path, model_of(nodes, arrays, **settings))

    return Case("net.onnx", write, {"clocked": True}, says)


def onnx_elsewhere(says):
    return Case(
        "net.onnx", lambda path: written(path, gru_model(external)), {"clocked": True}, says
    )


# One case for each refused row, by its name: a row without a case fails, and so does the reverse.
CASES = {
    "PyTorch bidirectional=True": [
        tensors("GRU", "bidirectional=False", core__weight_hh_l0_reverse=np.ones((9, 3)))
    ],
    "PyTorch LSTM with proj_size > 0": [
        tensors("LSTM", "proj_size=0", core__weight_hr_l0=np.ones((2, 3)))
    ],
    "PyTorch LayerNorm, BatchNorm, Embedding, convolutions, further linear layers": [
        tensors("GRU", "LayerNorm", n__weight=np.ones(3), n__bias=np.ones(3)),
        tensors("GRU", "BatchNorm", n__running_mean=np.ones(3)),
        tensors("GRU", "embedding", n__weight=np.ones((7, 5))),
        tensors("GRU", "convolution", n__weight=np.ones((7, 5, 3))),
    ],
    "ncps (torch) LTC with mixed_memory=True": [
        Case(
            "net.npz",
            lambda path: np.savez(
                path, **{n: np.ones(1) for n in ("gleak", "sensory_sigma", "lstm.input_map.weight")}
            ),
            says="mixed_memory=False",
        )
    ],
    "ncps (torch) CfC, CfCCell, wired CfC": [
        Case(
            "net.npz",
            lambda path, names=names: np.savez(path, **{n: np.ones((1, 1)) for n in names}),
            says="no unique differential equation",
        )
        for names in (("ff1.weight", "w_tau"), ("layer_0.ff1.weight", "layer_0.time_a.weight"))
    ],
    "ncps (Keras) LTC, CfC": [
        keras("sparsity masks", entry(3, class_name="LTC", module="ncps.keras.ltc")),
        keras("no unique differential", entry(3, class_name="CfC", module="ncps.keras.cfc")),
    ],
    "Keras activations other than tanh, relu (SimpleRNN) and sigmoid (gates)": [
        keras("'hard_sigmoid'", setting(3, recurrent_activation="hard_sigmoid")),
        keras("activation 'elu'", setting(1, activation="elu")),
    ],
    "Keras Bidirectional, TimeDistributed, Masking, Embedding, normalisations, custom layers and "
    "subclassed models": [
        *(
            keras(f"is a {kind}: ", entry(3, class_name=kind))
            for kind in ("Bidirectional", "TimeDistributed", "Masking", "Embedding", "MyLayer")
        ),
        keras("BatchNormalization", entry(3, class_name="BatchNormalization")),
        keras("whose structure is code", top(class_name="Mine", registered_name="Mine")),
    ],
    "ONNX reverse and bidirectional, clip, peepholes, input_forget, other activations": [
        onnx("one-directional", lonely(direction="reverse")),
        onnx("one-directional", lonely(direction="bidirectional")),
        onnx("clip", lonely(clip=1.0)),
        onnx(
            "peepholes",
            lonely("LSTM", ("u", "W", "R", "B", "", "", "", "P"), {"P": np.zeros((1, 9))}),
        ),
        onnx("input_forget", lonely("LSTM", input_forget=1)),
        onnx("softsign", lonely("RNN", activations=["Softsign"])),
    ],
    "ONNX: any other operator, initial states that are inputs, external data": [
        onnx("Softmax", with_gru(op("Softmax", "Y", "y"))),
        onnx("depends on an input", lonely(inputs=("u", "W", "R", "B", "", "u"))),
        onnx_elsewhere("in another file"),
    ],
    "LRC cell with forget_gate=False": [lrc(more={"tau": np.ones(3)})],
    "LRC autonomous cell with an input or output mapping": [
        lrc(m=0, more={"input_w": np.array([1.0, 1.0, 2.0])}),
        lrc(m=0, more={"output_b": np.array([0.0, 0.1, 0.0])}),
    ],
    "LRC autonomous cell, clocked": [lrc(m=0, clocked=True, dt=1.0)],
    "LRC cell without elastance, clocked": [lrc(kind="none", clocked=True, dt=1.0)],
    "LRC cell with several unfolds, clocked": [lrc(clocked=True, dt=1.0, unfolds=6)],
    "CTRNN package, a gain of zero": [one_gain_zero()],
    "nn-brain CTRNN as a differential equation": [leaky()],
    "nn-brain EIRNN, clocked": [leaky(3, clocked=True)],
    "PsychRNN Basic, clocked": [psychrnn(clocked=True)],
    "EIRNN or PsychRNN with its readout": [leaky(3), psychrnn()],
    "NIR, any other node": [
        nir(*put("li", "type", kind)) for kind in ("LIF", "CubaLIF", "Delay", "NIRGraph")
    ],
    "NIR, a loop without an integrator": [loop()],
    "Original LTC program, CSV export of an LTC": [csv("w", "erev", "cm", "gleak", "output_w")],
    "Original LTC program, CSV export of a CTRNN": [csv("tau", "w")],
    "MATLAB file of version 7.3 or 4": [
        Case("net.mat", lambda path: savemat(path, {"a": np.eye(2)}, format="4")),
        Case(
            "net.mat",
            lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"),
        ),
    ],
    "MATLAB struct, cell, object, logical, complex, sparse or function": [
        Case("net.mat", lambda path: savemat(path, {"net": {"a": np.eye(2)}})),
        Case("net.mat", lambda path: savemat(path, {"a": np.array([1, "x"], dtype=object)})),
        Case("net.mat", lambda path: savemat(path, {"a": np.array([True])})),
        Case("net.mat", lambda path: savemat(path, {"a": 1j * np.eye(2)})),
        Case("net.mat", lambda path: savemat(path, {"a": csc_matrix(np.eye(2))})),
    ],
}


def test_the_page_is_what_the_importers_say():
    page = (DOCS / "import.md").read_text()
    assert make_support.render(page) == page, "run python docs/make_support.py"


def test_every_row_says_what_it_is_once():
    sources = [row.source for row in ROWS]
    assert len(sources) == len(set(sources))
    for row in ROWS:
        assert all((row.source, row.formats, row.becomes, row.remarks)), row.source


def test_every_importer_has_rows_of_its_own():
    builders = [i.build for i in (*TENSOR_IMPORTERS, *FILE_IMPORTERS.values())]
    for module in {builder.__module__ for builder in builders}:
        assert importlib.import_module(module).SUPPORT, module


def test_every_refusal_of_the_matrix_has_a_case_and_every_case_a_refusal():
    assert sorted(CASES) == sorted(row.source for row in REFUSED)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.source)
def test_what_the_matrix_calls_refused_is_refused_in_its_words(row, tmp_path):
    for number, case in enumerate(CASES[row.source]):
        path = tmp_path / str(number) / case.name
        path.parent.mkdir()
        case.write(path)
        with pytest.raises(ModelError, match=case.says or re.escape(row.remarks)):
            load(path, **case.options)
