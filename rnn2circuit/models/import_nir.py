"""NIR graphs of leaky integrators (LI) and linear maps (Affine, Linear), as a linear model.

LI is ``tau v' = (v_leak - v) + r I``; what flows into a node is the sum over its incoming edges.
Everything between the integrators is affine in their states v and the input u, so the graph is
``v' = A v + B u + bias`` with ``y = C v + D u + b_out``, however it is wired. tau is in seconds by
NIR's convention, so one model time unit is a second.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.hdf5_file import refuse_crashing
from rnn2circuit.models.linear import Linear
from rnn2circuit.models.support import REFUSED, SupportRow

_NODE = SupportRow(
    source="NIR, any other node",
    formats=".nir",
    becomes=REFUSED,
    remarks="a spike, a delay or a convolution has no linear differential equation; replace it by "
    "LI, Affine or Linear",
)
_LOOP = SupportRow(
    source="NIR, a loop without an integrator",
    formats=".nir",
    becomes=REFUSED,
    remarks="a loop of Affine and Linear nodes alone has no state, and NIR does not say what it "
    "means; put an LI into it",
)
SUPPORT = (
    SupportRow(
        source="NIR graph of Input, Output, LI, Affine and Linear",
        formats=".nir (h5py: rnn2circuit[nir])",
        becomes="linear",
        remarks="any wiring, several layers and feedthrough included; states are the LI nodes in "
        "order of name, one model time unit is one second",
    ),
    _NODE,
    _LOOP,
)

_PARAMETERS = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Linear": ("weight",),
    "Affine": ("weight", "bias"),
    "LI": ("tau", "r", "v_leak"),
}
_IGNORED = frozenset({"type", "input_type", "output_type", "metadata"})
MAX_BYTES = 1 << 30  # of all parameters, as float64
MAX_NODES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A node of a graph: its kind, its parameters and where its input comes from."""

    kind: str
    values: Mapping[str, NDArray[np.float64]]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """``of_states @ v + of_input @ u + constant``, shapes (k, n), (k, m) and (k,)."""

    of_states: NDArray[np.float64]
    of_input: NDArray[np.float64]
    constant: NDArray[np.float64]


def linear_from_nir(path: Path) -> Linear:
    """Read a ``.nir`` file.

    Raises
    ------
    ModelError
        If h5py is not installed, or the file is damaged, too large or holds anything but Input,
        Output, LI, Affine and Linear nodes with one input and one output.
    """
    try:
        import h5py  # noqa: PLC0415
    except ImportError as error:
        raise ModelError(
            "a .nir file is HDF5, which needs h5py: pip install 'rnn2circuit[nir]'"
        ) from error
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"the file is larger than {MAX_BYTES} bytes")
    refuse_crashing(path.read_bytes())
    try:
        with h5py.File(path, "r") as file:
            nodes = _nodes(file)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"not a readable NIR file: {error}") from error
    return linear_from_graph(nodes)


def linear_from_graph(nodes: Mapping[str, Node]) -> Linear:
    """The linear model of a graph.

    Raises
    ------
    ModelError
        If there is no integrator, not one input and one output, a loop without an integrator, or
        shapes do not agree.
    """
    entry, exit_ = _only(nodes, "Input"), _only(nodes, "Output")
    states = [name for name in sorted(nodes) if nodes[name].kind == "LI"]
    if not states:
        raise ModelError("the graph has no LI node, so it has no state")
    sizes = {name: nodes[name].values["tau"].size for name in states}
    n, m = sum(sizes.values()), _width(nodes[entry], entry)
    signal = _evaluator(nodes, sizes, m)
    rows = [_derivative(nodes[name], name, signal) for name in states]
    y = signal(exit_)
    p = _width(nodes[exit_], exit_)
    if y.constant.size != p:
        raise ModelError(f"node {exit_!r} announces {p} outputs and gets {y.constant.size}")
    return Linear(
        a=np.vstack([row.of_states for row in rows]),
        b=np.vstack([row.of_input for row in rows]),
        bias=np.concatenate([row.constant for row in rows]),
        w_out=y.of_states.reshape(p, n),
        b_out=y.constant,
        d=y.of_input if np.any(y.of_input) else None,
    )


def _derivative(node: Node, name: str, signal: Callable[[str], Signal]) -> Signal:
    """``(v_leak - v + r I) / tau`` of one LI node."""
    tau, r, leak = (node.values[key] for key in ("tau", "r", "v_leak"))
    if tau.ndim != 1 or not tau.shape == r.shape == leak.shape:
        raise ModelError(
            f"tau, r and v_leak of node {name!r} must have one shape (neurons,), got {tau.shape}, "
            f"{r.shape} and {leak.shape}"
        )
    if np.any(tau <= 0):
        raise ModelError(f"tau of node {name!r} must be positive")
    own, current = signal(name), _total(node, name, tau.size, signal)
    return Signal(
        of_states=(r[:, None] * current.of_states - own.of_states) / tau[:, None],
        of_input=r[:, None] * current.of_input / tau[:, None],
        constant=(leak + r * current.constant) / tau,
    )


def _evaluator(
    nodes: Mapping[str, Node], sizes: Mapping[str, int], m: int
) -> Callable[[str], Signal]:
    """What leaves each node, evaluated once and from its sources."""
    n = sum(sizes.values())
    known: dict[str, Signal] = {}
    at = 0
    for name, size in sizes.items():
        known[name] = Signal(
            of_states=np.eye(n)[at : at + size],
            of_input=np.zeros((size, m)),
            constant=np.zeros(size),
        )
        at += size
    entry = _only(nodes, "Input")
    known[entry] = Signal(of_states=np.zeros((m, n)), of_input=np.eye(m), constant=np.zeros(m))
    for name in _order(nodes, set(known)):
        node = nodes[name]
        if node.kind == "Output":
            known[name] = _total(node, name, _width(node, name), known.__getitem__)
            continue
        weight = node.values["weight"]
        if weight.ndim != 2:
            raise ModelError(f"weight of node {name!r} must be a matrix, got {weight.shape}")
        into = _total(node, name, weight.shape[1], known.__getitem__)
        bias = node.values.get("bias", np.zeros(len(weight)))
        if bias.shape != (len(weight),):
            raise ModelError(f"bias of node {name!r} must have {len(weight)} values")
        known[name] = Signal(
            of_states=weight @ into.of_states,
            of_input=weight @ into.of_input,
            constant=weight @ into.constant + bias,
        )
    return known.__getitem__


def _order(nodes: Mapping[str, Node], known: set[str]) -> list[str]:
    """The nodes that are not `known`, each after its sources."""
    done, order = set(known), list[str]()
    waiting = [name for name in sorted(nodes) if name not in done]
    while waiting:
        ready = [name for name in waiting if done.issuperset(nodes[name].sources)]
        if not ready:
            raise _LOOP.refusal(f"nodes {waiting} wait for each other")
        order += ready
        done.update(ready)
        waiting = [name for name in waiting if name not in done]
    return order


def _total(node: Node, name: str, width: int, signal: Callable[[str], Signal]) -> Signal:
    """The sum of what enters a node."""
    if not node.sources:
        raise ModelError(f"nothing enters node {name!r} ({node.kind})")
    parts = [signal(source) for source in node.sources]
    for source, part in zip(node.sources, parts, strict=True):
        if part.constant.size != width:
            raise ModelError(
                f"node {name!r} takes {width} values, but {source!r} gives {part.constant.size}"
            )
    return Signal(
        of_states=np.sum([part.of_states for part in parts], axis=0),
        of_input=np.sum([part.of_input for part in parts], axis=0),
        constant=np.sum([part.constant for part in parts], axis=0),
    )


def _only(nodes: Mapping[str, Node], kind: str) -> str:
    found = [name for name, node in nodes.items() if node.kind == kind]
    if len(found) != 1:
        raise ModelError(f"a graph needs one {kind} node, got {len(found)}")
    return found[0]


def _width(node: Node, name: str) -> int:
    shape = node.values["shape"].reshape(-1)
    if shape.size != 1 or shape[0] < 1 or shape[0] != math.floor(shape[0]):
        raise ModelError(f"node {name!r} must have one dimension, got shape {shape.tolist()}")
    return int(shape[0])


def _nodes(file: Any) -> dict[str, Node]:
    """Nodes and edges of the file; nothing is read before its size is known."""
    graph = _member(file, "node")
    listed = _member(graph, "nodes")
    if len(listed) > MAX_NODES:
        raise ModelError(f"the graph has {len(listed)} nodes, the limit is {MAX_NODES}")
    nodes: dict[str, Node] = {}
    held = 0
    for name in listed:
        group = _member(listed, name)
        kind = _texts(group, "type", 1)[0]
        if kind not in _PARAMETERS:
            raise _NODE.refusal(f"node {name!r} is of type {kind}")
        unknown = set(group) - set(_PARAMETERS[kind]) - _IGNORED
        if unknown:
            raise ModelError(f"{min(unknown)!r} of node {name!r} ({kind}) is not known")
        sizes = {key: _member(group, key) for key in _PARAMETERS[kind]}
        held += 8 * sum(math.prod(_shape(value, key)) for key, value in sizes.items())
        if held > MAX_BYTES:
            raise ModelError(f"holds {held} bytes as float64, the limit is {MAX_BYTES}")
        nodes[name] = Node(kind=kind, values={k: _numbers(v, name, k) for k, v in sizes.items()})
    return _with_edges(nodes, _edges(graph))


def _with_edges(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> dict[str, Node]:
    for source, target in edges:
        for end in (source, target):
            if end not in nodes:
                raise ModelError(f"an edge leads from {source!r} to {target!r}: no node {end!r}")
        if nodes[target].kind == "Input" or nodes[source].kind == "Output":
            raise ModelError(f"an edge leads from {source!r} to {target!r}, against its direction")
        node = nodes[target]
        nodes[target] = replace(node, sources=(*node.sources, source))
    used = {source for source, _ in edges}
    idle = [name for name, node in nodes.items() if node.kind != "Output" and name not in used]
    if idle:
        raise ModelError(f"node {min(idle)!r} leads nowhere; nothing is dropped silently")
    return nodes


def _edges(graph: Any) -> list[tuple[str, str]]:
    shape = _shape(_member(graph, "edges"), "edges")
    if len(shape) != 2 or shape[1] != 2:
        raise ModelError(f"edges must have shape (number, 2), got {shape}")
    flat = _texts(graph, "edges", 2 * MAX_NODES)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _member(group: Any, name: str) -> Any:
    """What `group` holds itself: a link could lead to another file."""
    import h5py  # noqa: PLC0415

    if not isinstance(group, h5py.Group) or name not in group:
        raise ModelError(f"{name!r} is missing")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ModelError(f"{name!r} is a link; links are not followed")
    return group[name]


def _shape(value: Any, name: str) -> tuple[int, ...]:
    import h5py  # noqa: PLC0415

    if not isinstance(value, h5py.Dataset) or value.external or value.is_virtual:
        raise ModelError(f"{name!r} must be an array held in the file itself")
    return value.shape


def _numbers(value: Any, node: str, name: str) -> NDArray[np.float64]:
    if value.dtype.kind not in "fiu":
        raise ModelError(f"{name} of node {node!r} has dtype {value.dtype}; expected real numbers")
    array = np.asarray(value[()], dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise ModelError(f"{name} of node {node!r} is not finite")
    return array


def _texts(group: Any, name: str, limit: int) -> list[str]:
    value = _member(group, name)
    count = math.prod(_shape(value, name))
    if count > limit:
        raise ModelError(f"{name!r} holds {count} texts, the limit is {limit}")
    if value.dtype.kind not in "OS":
        raise ModelError(f"{name!r} has dtype {value.dtype}; expected text")
    return [
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        for item in np.asarray(value[()], dtype=object).reshape(-1)
    ]
