"""ONNX files to plain data: nodes in order, constants as arrays. The model is never executed.

The protocol buffer is parsed by the onnx package; nothing of it is believed about sizes, and
nothing outside the file is opened.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import readonly
from rnn2circuit.errors import ModelError

MAX_NODES = 10_000
OLDEST_OPSET = 7  # before, RNN, GRU and LSTM had other attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation; absent optional inputs and outputs are empty names.

    Attributes
    ----------
    attributes : mapping
        Numbers, bytes, lists of them, and tensors as arrays.
    """

    op: str
    label: str  # for messages
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def input(self, k: int) -> str:
        """Name of input k, empty where it is absent."""
        return self.inputs[k] if k < len(self.inputs) else ""

    def output(self, k: int) -> str:
        """Name of output k, empty where it is absent."""
        return self.outputs[k] if k < len(self.outputs) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph of operations.

    Attributes
    ----------
    inputs : mapping of str to int
        Rank of each input that is no constant; 3 where the file does not say.
    outputs : tuple of str
    nodes : tuple of Node
        Each after those whose outputs it reads.
    constants : mapping of str to ndarray
        Real numbers as float64, integers as int64.
    """

    inputs: Mapping[str, int]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]


def read_onnx(content: bytes) -> Graph:
    """The graph of an ONNX file.

    Raises
    ------
    ModelError
        If onnx is not installed, or the file is damaged or refers to what is outside it.
    """
    try:
        # An extra: of use to nothing else.
        import onnx  # noqa: PLC0415
    except ImportError:
        raise ModelError("reading ONNX needs onnx: pip install 'rnn2circuit[onnx]'") from None
    try:
        return _graph(onnx.ModelProto.FromString(content), onnx)
    except ModelError:
        raise
    except Exception as error:  # the parsers answer damage with errors of many types
        raise ModelError(f"damaged ONNX file: {type(error).__name__} {error}") from error


def _graph(model: Any, onnx: Any) -> Graph:
    graph = model.graph
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not opsets or not graph.node:
        raise ModelError("damaged ONNX file: there is no graph, or no version of its operators")
    if min(opsets) < OLDEST_OPSET:
        raise ModelError(
            f"the operators are of version {min(opsets)}; export the model with opset "
            f"{OLDEST_OPSET} or newer"
        )
    if model.functions or graph.sparse_initializer:
        raise ModelError("functions and sparse constants of ONNX are not read; export without")
    if len(graph.node) > MAX_NODES:
        raise ModelError(f"holds {len(graph.node)} nodes, the limit is {MAX_NODES}")
    constants = {t.name: _array(t, f"constant {t.name!r}", onnx) for t in graph.initializer}
    return Graph(
        inputs={v.name: _rank(v) for v in graph.input if v.name not in constants},
        outputs=tuple(v.name for v in graph.output),
        nodes=tuple(_node(k, n, onnx) for k, n in enumerate(graph.node)),
        constants=constants,
    )


def _rank(value: Any) -> int:
    kind = value.type.tensor_type
    return len(kind.shape.dim) if kind.HasField("shape") else 3


def _node(k: int, node: Any, onnx: Any) -> Node:
    label = f"node {node.name or f'number {k + 1}'!r} ({node.op_type})"
    if node.domain not in ("", "ai.onnx"):
        raise ModelError(f"{label} is an operator of {node.domain!r}, which is not ONNX's own")
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attributes[attribute.name] = _array(attribute.t, f"the tensor of {label}", onnx)
        elif attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise ModelError(f"{label} holds a graph of its own; control flow has no circuit here")
        else:
            attributes[attribute.name] = _plain(attribute, label, onnx)
    return Node(
        op=node.op_type,
        label=label,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=attributes,
    )


# Kinds of value that operators give the attributes that are read here; of others nothing is asked.
_WHOLE = ("hidden_size", "linear_before_reset", "allowzero", "axis", "to", "layout")
_LISTS = {"perm": int, "axes": int, "activations": bytes}


def _plain(attribute: Any, label: str, onnx: Any) -> Any:
    """A number, a text or a list of them, of the kind that its name stands for."""
    value = onnx.helper.get_attribute_value(attribute)
    name = attribute.name
    if name in _LISTS:
        fits = isinstance(value, list) and all(isinstance(v, _LISTS[name]) for v in value)
    else:
        fits = value is not None and (name not in _WHOLE or isinstance(value, int))
    if not fits:
        raise ModelError(
            f"attribute {name[:40]!r} of {label} is {repr(value)[:60]}, which is not of its kind"
        )
    return value


def _array(tensor: Any, what: str, onnx: Any) -> NDArray[Any]:
    """A tensor whose numbers are all in the file, as float64 or int64."""
    kinds = onnx.TensorProto
    if tensor.data_location == kinds.EXTERNAL or tensor.external_data:
        raise ModelError(f"{what} keeps its numbers in another file; save the model in one file")
    widths = {
        kinds.FLOAT: (4, "float_data"),
        kinds.DOUBLE: (8, "double_data"),
        kinds.FLOAT16: (2, "int32_data"),
        kinds.BFLOAT16: (2, "int32_data"),
        kinds.INT64: (8, "int64_data"),
        kinds.INT32: (4, "int32_data"),
        kinds.BOOL: (1, "int32_data"),
    }
    if tensor.data_type not in widths:
        raise ModelError(f"{what} is of data type {tensor.data_type}; expected real numbers")
    width, field = widths[tensor.data_type]
    shape = tuple(tensor.dims)
    raw = tensor.HasField("raw_data")
    held = len(tensor.raw_data) / width if raw else len(getattr(tensor, field))
    if min(shape, default=1) < 0 or math.prod(shape) != held or tensor.HasField("segment"):
        raise ModelError(f"{what} announces shape {shape} but holds {held:g} numbers")
    value = onnx.numpy_helper.to_array(tensor)
    if tensor.data_type in (kinds.INT64, kinds.INT32, kinds.BOOL):
        return np.asarray(value, dtype=np.int64)
    return readonly(what, np.asarray(value, dtype=np.float64), shape)
