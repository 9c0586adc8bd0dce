"""The way through an ONNX graph: its recurrent layers, and the linear readout after them.

Every operation is either understood or refused by name. What moves axes is followed, so that no
layer scans the batch for the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.onnx_axes import FEATURE, ONE, gathered, reshaped, squeezed, transposed
from rnn2circuit.models.onnx_graph import Graph, Node
from rnn2circuit.models.onnx_layers import layer_of_node
from rnn2circuit.models.trained import Layer

Source: TypeAlias = Literal["input", "states", "last", "readout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signal:
    """A tensor that depends on the input.

    Attributes
    ----------
    source : str
        The graph's input, the states of a layer at every step or at the last, or the readout.
    layer : int
        How many layers lie below.
    axes : tuple of str
        What each axis is: `FEATURE`, `ONE` or a letter of the input's own axes.
    width : int or None
        Length of the feature axis, where it is known.
    name : str
        Of the graph's input that it is, or empty.
    """

    source: Source
    layer: int
    axes: tuple[str, ...]
    width: int | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Filled:
    """A constant of unknown shape with one value everywhere."""

    value: float


@dataclass(frozen=True, slots=True)
class _Size:
    """Something computed from shapes."""


_Value: TypeAlias = _Signal | _Filled | _Size | NDArray[Any]

_SIZES = ("Concat", "Gather", "Slice", "Squeeze", "Unsqueeze", "Cast", "Mul", "Add", "Sub", "Div")
_FLOATS = (1, 10, 11, 16)  # float, float16, double and bfloat16 of TensorProto.DataType


class GraphWalk:
    """The way through a graph, and what has been found so far.

    Attributes
    ----------
    layers : list of cells
        From the input upwards.
    kinds : list of str
        The operators they come from.
    starts : list of ndarray or None
        Their initial states.
    w_out, b_out : ndarray or None
        The readout of the last layer.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, _Value] = dict(graph.constants)
        for name, rank in graph.inputs.items():
            axes = (*(f"axis {k}" for k in range(rank - 1)), FEATURE)
            self.values[name] = _Signal(source="input", layer=0, axes=axes, width=None, name=name)
        self.kinds: list[str] = []
        self.layers: list[Layer] = []
        self.starts: list[NDArray[Any] | None] = []
        self.w_out: NDArray[Any] | None = None
        self.b_out: NDArray[Any] | None = None
        self.time: str | None = None
        self.scanned = ""  # the input that the first layer reads

    def run(self) -> None:
        """Walk to the end.

        Raises
        ------
        ModelError
            If an operation has no circuit, or the outputs are not those of the last layer.
        """
        for node in self.graph.nodes:
            values = self._read(node)
            if not values and node.op != "Constant":
                raise ModelError(f"damaged ONNX file: {node.label} reads nothing")
            signals = [v for v in values if isinstance(v, _Signal)]
            table = _ON_SIGNALS if signals else _ON_CONSTANTS
            if node.op in table:
                table[node.op](self, node, values)
            elif not signals and node.op in _SIZES:
                self._set(node, _Size())
            else:
                raise ModelError(
                    f"{node.label} has no circuit here; read are RNN, GRU and LSTM, what moves "
                    "axes between them, and then one MatMul or Gemm with Add"
                )
        self._check_ends()

    def _read(self, node: Node) -> list[_Value | None]:
        absent = [name for name in node.inputs if name and name not in self.values]
        if absent:
            raise ModelError(f"damaged ONNX file: {node.label} reads {absent[0]!r}, which is not")
        return [self.values[name] if name else None for name in node.inputs]

    def _set(self, node: Node, value: _Value, k: int = 0) -> None:
        name = node.output(k)
        if name:
            self.values[name] = value

    def _constant(self, node: Node, k: int, what: str) -> NDArray[Any]:
        """Input k, which must be an array of the file."""
        name = node.input(k)
        value = self.values.get(name)
        if not isinstance(value, np.ndarray):
            raise ModelError(
                f"{what} of {node.label} is {name!r}, no constant of the file; export the model "
                "with constant folding"
            )
        return value

    def _check_ends(self) -> None:
        if not self.layers:
            raise ModelError("the graph holds no RNN, GRU or LSTM")
        unused = [name for name in self.graph.inputs if name != self.scanned]
        if unused:
            raise ModelError(
                f"the graph has a further input {unused[0]!r}; expected the sequence alone, with "
                "initial states as constants"
            )
        final = "readout" if self.w_out is not None else "states"
        found: list[_Signal] = []
        for name in self.graph.outputs:
            value = self.values.get(name)
            if not isinstance(value, _Signal) or value.source == "input":
                raise ModelError(f"the graph's output {name!r} is not computed by the network")
            found.append(value)
        top = [v for v in found if v.layer == len(self.layers)]
        if not any(v.source == final or (final, v.source) == ("states", "last") for v in top):
            raise ModelError("the graph's outputs leave out what its last layer computes")

    # Operations on constants.

    def constant(self, node: Node, _values: list[_Value | None]) -> None:
        if len(node.attributes) != 1 or next(iter(node.attributes)) not in _CONSTANTS:
            raise ModelError(f"{node.label} is a constant of an unsupported kind")
        value = np.asarray(next(iter(node.attributes.values())))
        self._set(node, value.astype(np.int64 if value.dtype.kind in "iu" else np.float64))

    def filled(self, node: Node, _values: list[_Value | None]) -> None:
        value = np.asarray(node.attributes.get("value", np.zeros(1)))
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise ModelError(
                f"{node.label} has a value of {value.size} numbers of dtype {value.dtype}, "
                "expected one real number"
            )
        self._set(node, _Filled(float(value.ravel()[0])))

    def expand(self, node: Node, values: list[_Value | None]) -> None:
        value = values[0]
        if isinstance(value, np.ndarray) and value.size == 1:
            value = _Filled(float(value.ravel()[0]))
        # A larger constant is repeated over the batch, which changes no row of it.
        self._set(node, _Size() if value is None else value)

    def cut(self, node: Node, values: list[_Value | None]) -> None:
        """A slice: of one value, of initial states by layer, or of a shape."""
        value = values[0]
        if isinstance(value, np.ndarray) and value.ndim == 3:
            starts, ends, axes = (self._constant(node, k, "the range") for k in (1, 2, 3))
            if axes.tolist() != [0] or starts.size != 1 or ends.size != 1:
                raise ModelError(f"{node.label} slices a constant other than by layers")
            self._set(node, value[int(starts[0]) : int(ends[0])])
        else:
            self._set(node, value if isinstance(value, _Filled) else _Size())

    def turned(self, node: Node, values: list[_Value | None]) -> None:
        value = values[0]
        if not isinstance(value, np.ndarray) or value.ndim != 2:
            raise ModelError(f"{node.label} transposes a constant that is no matrix")
        self._set(node, value.T)

    def same(self, node: Node, values: list[_Value | None]) -> None:
        if values and values[0] is not None:
            self._set(node, values[0])

    # Operations on signals.

    def size(self, node: Node, _values: list[_Value | None]) -> None:
        self._set(node, _Size())

    def cast(self, node: Node, values: list[_Value | None]) -> None:
        if node.attributes.get("to") not in _FLOATS:
            raise ModelError(f"{node.label} turns the signal into other than real numbers")
        self.same(node, values)

    def dropout(self, node: Node, values: list[_Value | None]) -> None:
        if node.input(2) and self._constant(node, 2, "the training mode").any():
            raise ModelError(f"{node.label} is in training mode, which is random")
        self.same(node, values)

    def move(self, node: Node, values: list[_Value | None]) -> None:
        """Whatever moves axes and nothing else."""
        signal = values[0]
        if not isinstance(signal, _Signal):
            raise ModelError(f"{node.label} takes its shape from the input; expected a constant")
        argument = self._constant(node, 1, "the shape") if node.input(1) else None
        axes = _MOVES[node.op](node, signal.axes, argument, signal.width, self.time)
        self._set(node, replace(signal, axes=axes))

    def join(self, node: Node, values: list[_Value | None]) -> None:
        """The last states of all layers, beside each other: an output, and nothing reads on."""
        signals = [v for v in values if isinstance(v, _Signal)]
        if len(signals) < len(values) or any(v.source != "last" for v in signals):
            raise ModelError(f"{node.label} joins signals, which has no circuit here")
        self._set(node, replace(signals[-1], axes=("states",)))

    def layer(self, node: Node, values: list[_Value | None]) -> None:
        signal = self._scanned(node, values[0])
        arrays: dict[str, NDArray[Any]] = {
            key: self._constant(node, k, f"input {key}")
            for key, k in (("W", 1), ("R", 2), ("B", 3), ("sequence_lens", 4), ("P", 7))
            if node.input(k)
        }
        cell = layer_of_node(node, arrays)
        if signal.width not in (None, cell.n_inputs):
            raise ModelError(
                f"{node.label} has {cell.n_inputs} inputs, the layer below hands on {signal.width}"
            )
        hidden = cell.n_handed_on
        starts = [self._start(node, k, hidden) for k in (5, 6)[: 1 + (node.op == "LSTM")]]
        given = [np.zeros(hidden) if s is None else s for s in starts]
        self.starts.append(None if all(s is None for s in starts) else np.concatenate(given))
        self.layers.append(cell)
        self.kinds.append(node.op)
        depth = len(self.layers)
        first, second, _ = signal.axes
        batch_first = node.attributes.get("layout", 0) == 1
        axes = (first, second, ONE, FEATURE) if batch_first else (first, ONE, second, FEATURE)
        self._set(node, _Signal(source="states", layer=depth, axes=axes, width=hidden))
        axes = (first, ONE, FEATURE) if batch_first else (ONE, second, FEATURE)
        self._set(node, _Signal(source="last", layer=depth, axes=axes, width=hidden), 1)
        # The cells c of an LSTM may be an output; nothing that reads them has a circuit.
        cells = _Signal(source="last", layer=depth, axes=("cells",), width=None)
        self._set(node, cells, 2)

    def _scanned(self, node: Node, value: _Value | None) -> _Signal:
        """The sequence that a layer reads, or why it is none."""
        if self.w_out is not None:
            raise ModelError(f"{node.label} stands after the readout; expected that last")
        expected = "states" if self.layers else "input"
        if not isinstance(value, _Signal) or (value.source, value.layer) != (
            expected,
            len(self.layers),
        ):
            raise ModelError(
                f"{node.label} does not read the sequence of the layer before it; only a chain of "
                "layers has a circuit"
            )
        axis = 1 if node.attributes.get("layout", 0) == 1 else 0
        if len(value.axes) != 3 or value.axes[2] != FEATURE:
            raise ModelError(f"{node.label} reads axes {value.axes}; expected the features last")
        if not self.layers:
            self.time = value.axes[axis]
            self.scanned = value.name
        if value.axes[axis] != self.time or self.time in (ONE, "merged"):
            raise ModelError(
                f"{node.label} scans {value.axes[axis]} where the first layer scans {self.time}: "
                "time and batch are exchanged between them"
            )
        return value

    def _start(self, node: Node, k: int, hidden: int) -> NDArray[Any] | None:
        """A constant initial state, the same for the whole batch."""
        name = node.input(k)
        value = self.values[name] if name else None
        if value is None:
            return None
        if isinstance(value, _Filled):
            return np.full(hidden, value.value)
        if not isinstance(value, np.ndarray):
            raise ModelError(
                f"{'initial_c' if k == 6 else 'initial_h'} of {node.label} is {name!r}, which "
                "depends on an input; a circuit starts from constants, so export those"
            )
        rows = value.reshape(-1, value.shape[-1]) if value.ndim else value.reshape(1, 1)
        if rows.shape[1] != hidden or not len(rows) or np.any(rows != rows[0]):
            raise ModelError(
                f"the initial state {name!r} of {node.label} must be the same {hidden} numbers "
                f"for the whole batch, got shape {value.shape}"
            )
        return rows[0]

    def multiply(self, node: Node, values: list[_Value | None]) -> None:
        """MatMul or Gemm of what the last layer hands on."""
        signal = values[0]
        if not isinstance(signal, _Signal) or len(values) < 2:
            raise ModelError(f"{node.label} multiplies from the left; expected signal times matrix")
        if signal.source not in ("states", "last") or signal.layer != len(self.layers):
            raise ModelError(
                f"{node.label} does not read the last layer; one linear readout of that is read"
            )
        if self.w_out is not None or signal.axes[-1] != FEATURE:
            raise ModelError(f"{node.label} is a second readout; one linear readout is read")
        w = self._constant(node, 1, "the matrix")
        given = node.attributes
        if given.get("transA", 0):
            raise ModelError(f"{node.label} transposes the signal (transA)")
        w = w if given.get("transB", 0) else w.T
        if w.ndim != 2 or w.shape[1] != signal.width:
            raise ModelError(
                f"the matrix of {node.label} must take {signal.width} states, got shape {w.shape}"
            )
        self.w_out = w * given.get("alpha", 1.0)
        width = w.shape[0]
        self._set(node, replace(signal, source="readout", width=width))
        if node.input(2):
            self._add(node, self._constant(node, 2, "the bias") * given.get("beta", 1.0), width)

    def add(self, node: Node, values: list[_Value | None]) -> None:
        signal = next(v for v in values if isinstance(v, _Signal))
        if signal.source != "readout" or signal.width is None or len(values) != 2:
            raise ModelError(f"{node.label} adds to what is no readout, which has no circuit here")
        other = 1 - next(k for k, v in enumerate(values) if isinstance(v, _Signal))
        self._add(node, self._constant(node, other, "the bias"), signal.width)
        self._set(node, signal)

    def _add(self, node: Node, bias: NDArray[Any], width: int) -> None:
        if bias.size not in (1, width) or bias.shape[-1:] not in ((), (1,), (width,)):
            raise ModelError(
                f"the bias of {node.label} must hold {width} numbers, got shape {bias.shape}"
            )
        wide = np.broadcast_to(bias.ravel(), (width,)).astype(np.float64)
        self.b_out = wide if self.b_out is None else self.b_out + wide


_Operation: TypeAlias = Callable[[GraphWalk, Node, list[_Value | None]], None]
_CONSTANTS = ("value", "value_float", "value_floats", "value_int", "value_ints")
_MOVES = {
    "Transpose": transposed,
    "Squeeze": squeezed,
    "Unsqueeze": squeezed,
    "Reshape": reshaped,
    "Gather": gathered,
}
_ON_CONSTANTS: Mapping[str, _Operation] = {
    "Constant": GraphWalk.constant,
    "ConstantOfShape": GraphWalk.filled,
    "Expand": GraphWalk.expand,
    "Slice": GraphWalk.cut,
    "Transpose": GraphWalk.turned,
    "Identity": GraphWalk.same,
}
_ON_SIGNALS: Mapping[str, _Operation] = {
    "RNN": GraphWalk.layer,
    "GRU": GraphWalk.layer,
    "LSTM": GraphWalk.layer,
    "MatMul": GraphWalk.multiply,
    "Gemm": GraphWalk.multiply,
    "Add": GraphWalk.add,
    "Shape": GraphWalk.size,
    "Identity": GraphWalk.same,
    "Cast": GraphWalk.cast,
    "Dropout": GraphWalk.dropout,
    "Concat": GraphWalk.join,
    **dict.fromkeys(_MOVES, GraphWalk.move),
}
