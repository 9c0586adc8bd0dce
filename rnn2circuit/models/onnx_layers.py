"""One RNN, GRU or LSTM node of ONNX as a cell."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.onnx_graph import Node
from rnn2circuit.models.trained import (
    GRU_GATES,
    LSTM_GATES,
    Layer,
    elman_layer,
    gru_layer,
    lstm_layer,
)

_BLOCKS = {"RNN": 1, "GRU": 3, "LSTM": 4}
_ACTIVATIONS = {
    "RNN": (["tanh"], ["relu"]),
    "GRU": (["sigmoid", "tanh"],),
    "LSTM": (["sigmoid", "tanh", "tanh"],),
}
_KNOWN = (
    "activations",
    "activation_alpha",
    "activation_beta",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
    "linear_before_reset",
)


def layer_of_node(node: Node, arrays: Mapping[str, NDArray[Any]]) -> Layer:
    """The cell of a node.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        The node's constant inputs W, R, B, P by ONNX's names; W and R always.

    Raises
    ------
    ModelError
        If the node computes something else than the cells of this package, or its arrays do not
        fit.
    """
    activations = _attributes(node)
    if "P" in arrays:
        raise ModelError(
            f"{node.label} has peepholes (input P), which the family lstm has not; train without"
        )
    for name in ("W", "R"):
        if name not in arrays:
            raise ModelError(f"{node.label} has no input {name}")
    w_in, w, b_in, b_rec = _weights(node, arrays)
    if node.op == "RNN":
        return elman_layer(w=w, w_in=w_in, b_in=b_in, b_rec=b_rec, activation=activations[0])
    if node.op == "GRU":
        after = node.attributes.get("linear_before_reset", 0) != 0
        reset = "after" if after else "before"
        return gru_layer(GRU_GATES["onnx"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec, reset=reset)
    return lstm_layer(LSTM_GATES["onnx"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec)


def _attributes(node: Node) -> list[str]:
    """The activations of a node whose other attributes change nothing."""
    given = node.attributes
    unknown = sorted(set(given) - set(_KNOWN))
    if unknown:
        raise ModelError(f"{node.label} has the attribute {unknown[0]!r}, which is not known")
    direction = given.get("direction", b"forward")
    if direction != b"forward":
        raise ModelError(
            f"{node.label} has direction {direction!r}: a backward pass needs the future and has "
            "no circuit; train it one-directional"
        )
    for name, what in (
        ("clip", "clips its sums"),
        ("input_forget", "couples input and forget gate"),
        ("activation_alpha", "scales its activations"),
        ("activation_beta", "shifts its activations"),
    ):
        if given.get(name):
            raise ModelError(f"{node.label} {what} ({name}), which has no circuit here")
    default = _ACTIVATIONS[node.op][0]
    listed: list[Any] = list(given.get("activations", []))
    named = [a.decode("ascii", "replace").lower() for a in listed] or default
    if named not in _ACTIVATIONS[node.op]:
        known = " or ".join(", ".join(a) for a in _ACTIVATIONS[node.op])
        raise ModelError(f"{node.label} has activations {', '.join(named)}; supported is {known}")
    return named


def _weights(
    node: Node, arrays: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
    """``W_in``, ``W`` and the two biases of the only direction."""
    w_in, w = arrays["W"], arrays["R"]
    rows = w.shape[1] if w.ndim == 3 else -1
    hidden = rows // _BLOCKS[node.op]
    said = node.attributes.get("hidden_size", hidden)
    m = w_in.shape[2] if w_in.ndim == 3 else -1
    expected = {"R": (1, said * _BLOCKS[node.op], said), "W": (1, rows, m), "B": (1, 2 * rows)}
    for name, shape in expected.items():
        if name in arrays and (arrays[name].shape != shape or said < 1):
            raise ModelError(
                f"input {name} of {node.label} must have shape {shape}, got {arrays[name].shape}"
            )
    bias = arrays.get("B")
    if bias is None:
        return w_in[0], w[0], None, None
    return w_in[0], w[0], bias[0, :rows], bias[0, rows:]
