"""torch.nn.RNN, GRU and LSTM and their cells, with the linear layer that reads them out.

torch stores weights as [post, pre], as we do, with one block of rows per gate: r, z, n of a GRU
and i, f, g, o of an LSTM. Every layer has two biases, which add, but for the one inside a GRU's
reset product. The file records neither the nonlinearity of an nn.RNN nor dropout (which has no
effect once trained), batch_first or the time step.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Network
from rnn2circuit.models.support import SupportRow
from rnn2circuit.models.trained import (
    GRU_GATES,
    LSTM_GATES,
    Layer,
    elman_layer,
    gru_layer,
    lstm_layer,
    network_of,
    read_as,
)

Arrays = Mapping[str, NDArray[Any]]
Kind: TypeAlias = Literal["RNN", "GRU", "LSTM"]
ACTIVATIONS = ("tanh", "relu")

_RECURRENT = re.compile(r"(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?")
_LINEAR = re.compile(r"(?P<prefix>(?:.*\.)?)weight")
_START = re.compile(r"(?:.*\.)?(?P<letter>[hc])_?0")
_KINDS: Mapping[int, Kind] = {1: "RNN", 3: "GRU", 4: "LSTM"}  # by blocks of rows
_NEAREST = "supported are nn.RNN, nn.GRU and nn.LSTM, one-directional, of any number of layers"

SUPPORT: tuple[SupportRow, ...] = (
    SupportRow(
        source="PyTorch nn.RNN, nn.RNNCell",
        formats=".pt .pth .safetensors",
        becomes="elman (--clocked), ctrnn (--dt)",
        options="--clocked or --dt; --activation relu where it is not tanh",
        remarks="any prefix; with or without biases; tensors h0 are the initial state",
    ),
    SupportRow(
        source="PyTorch nn.GRU, nn.GRUCell",
        formats=".pt .pth .safetensors",
        becomes="gru (--clocked), gru_ode (--dt)",
        options="--clocked or --dt",
        remarks="as an equation, one Euler step of --dt is the trained step",
    ),
    SupportRow(
        source="PyTorch nn.LSTM, nn.LSTMCell",
        formats=".pt .pth .safetensors",
        becomes="lstm (--clocked)",
        options="--clocked",
        remarks="--dt is refused: an LSTM's step is no Euler step of a differential equation",
    ),
    SupportRow(
        source="PyTorch nn.RNN, nn.GRU, nn.LSTM with num_layers > 1",
        formats=".pt .pth .safetensors",
        becomes="stack (--clocked)",
        options="--clocked",
        remarks="--dt is refused: layers act within the same step. Dropout between layers is not "
        "recorded, and has no effect once trained",
    ),
    SupportRow(
        source="PyTorch nn.Linear after the recurrent module",
        formats=".pt .pth .safetensors",
        becomes="readout",
        options="--readout PREFIX where several layers could be it",
        remarks="an activation after it is not recorded, and not part of the circuit",
    ),
    SupportRow(
        source="PyTorch bidirectional=True",
        formats=".pt .pth .safetensors",
        becomes="refused",
        options="",
        remarks="the backward half needs the future; train with bidirectional=False",
    ),
    SupportRow(
        source="PyTorch LSTM with proj_size > 0",
        formats=".pt .pth .safetensors",
        becomes="refused",
        options="",
        remarks="the family lstm hands on its whole hidden vector; train with proj_size=0 and a "
        "linear readout",
    ),
    SupportRow(
        source="PyTorch LayerNorm, BatchNorm, Embedding, convolutions, further linear layers",
        formats=".pt .pth .safetensors",
        becomes="refused",
        options="",
        remarks="no part of the circuit, and nothing is dropped; save a state_dict of the "
        "recurrent module and one linear readout",
    ),
)


def is_torch_recurrent(arrays: Arrays) -> bool:
    """Whether the tensors are those of a recurrent torch module."""
    return any(_RECURRENT.fullmatch(name) for name in arrays)


def network_from_torch(
    arrays: Arrays,
    *,
    dt: float | None = None,
    clocked: bool | None = None,
    activation: str | None = None,
    readout: str | None = None,
) -> Network:
    """Read the ``state_dict`` of a recurrent module, and the linear layer beside it.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Finite float64 tensors by name, as `rnn2circuit.models.io.load` checks them.
    dt : float
        The model time of one step: the differential equation is wanted.
    clocked : bool
        The program's own steps are wanted.
    activation : str, optional
        Of an nn.RNN: ``tanh``, which is its default, or ``relu``.
    readout : str, optional
        Prefix of the readout layer, such as ``fc``.

    Raises
    ------
    ModelError
        If no reading or both are asked for, the module is of an unsupported kind, or a tensor is
        missing, left over or of a wrong shape.
    """
    prefix, suffixes = _layers(arrays)
    kind = _kind(arrays, prefix, suffixes)
    what = f"nn.{kind}"
    if kind != "RNN" and activation is not None:
        raise ModelError(f"--activation does not apply: those of an {what} are fixed")
    if activation not in (None, *ACTIVATIONS):
        raise ModelError(f"activation of an nn.RNN is tanh or relu, got {activation!r}")
    rest = dict(arrays)
    layers: list[Layer] = []
    for suffix in suffixes:
        inputs = layers[-1].n_handed_on if layers else None
        layers.append(_layer(rest, prefix, suffix, kind, inputs, activation or "tanh"))
    starts = _starts(rest, layers)
    hidden = layers[-1].n_handed_on
    w_out, b_out = _readout(rest, hidden, layers[0].n_inputs, readout, what)
    program = network_of(layers, w_out=w_out, b_out=b_out, starts=starts)
    return read_as(program, what=what, dt=dt, clocked=clocked)


def _layers(arrays: Arrays) -> tuple[str, list[str]]:
    """Prefix of the one recurrent module and the suffixes of its layers, or why there is none."""
    found = [m for m in map(_RECURRENT.fullmatch, arrays) if m]
    projection = [n for n in sorted(arrays) if re.fullmatch(r".*weight_hr(_l\d+)?(_reverse)?", n)]
    if projection:
        raise ModelError(
            f"tensor {projection[0]!r}: the LSTM has a projection (proj_size), which has no "
            f"circuit; train it with proj_size=0 and a linear readout; {_NEAREST}"
        )
    backward = [n for n in sorted(arrays) if n.endswith("_reverse")]
    if backward:
        raise ModelError(
            f"tensor {backward[0]!r}: the module is bidirectional; its backward half needs the "
            "future and has no circuit; train it with bidirectional=False"
        )
    prefixes = {m["prefix"] for m in found}
    if len(prefixes) > 1:
        listed = ", ".join(sorted(repr(p) for p in prefixes))
        raise ModelError(
            f"the file holds {len(prefixes)} recurrent modules ({listed}) and not how they are "
            "connected; expected one; layers of one module (num_layers) are supported"
        )
    numbers = sorted(int(m["layer"][2:]) for m in found if m["layer"] is not None)
    if not numbers:
        return found[0]["prefix"], [""]
    if len(numbers) < len(found) or numbers != list(range(len(numbers))):
        absent = next((k for k in range(len(numbers)) if k not in numbers), "without a number")
        raise ModelError(
            f"the file holds layer _l{numbers[-1]} of a recurrent module, and of the layers before "
            f"it layer {absent} is missing or doubled; layers are numbered from _l0 without gaps"
        )
    return found[0]["prefix"], [f"_l{k}" for k in numbers]


def _kind(arrays: Arrays, prefix: str, suffixes: list[str]) -> Kind:
    """The kind of module, by the blocks of rows of its recurrent matrices."""
    kinds: list[Kind] = []
    for suffix in suffixes:
        name = f"{prefix}weight_hh{suffix}"
        w = arrays[name]
        if w.ndim != 2 or 0 in w.shape:
            raise ModelError(f"{name} must be a matrix, got shape {w.shape}")
        rows, hidden = w.shape
        kind = _KINDS.get(rows // hidden) if rows % hidden == 0 else None
        if kind is None:
            raise ModelError(
                f"{name} must be square or hold 3 (GRU) or 4 (LSTM) square blocks, got shape "
                f"{w.shape}; {_NEAREST}"
            )
        kinds.append(kind)
    if len(set(kinds)) > 1:
        listed = ", ".join(
            f"{prefix}weight_hh{s}: {k}" for s, k in zip(suffixes, kinds, strict=True)
        )
        raise ModelError(f"the layers are of different kinds ({listed}); no torch module is that")
    return kinds[0]


def _layer(
    rest: dict[str, NDArray[Any]],
    prefix: str,
    suffix: str,
    kind: Kind,
    inputs: int | None,
    activation: str,
) -> Layer:
    """Take one layer out of `rest`; it has `inputs` inputs, where that is known."""
    w = rest.pop(f"{prefix}weight_hh{suffix}")
    rows = w.shape[0]
    name = f"{prefix}weight_ih{suffix}"
    if name not in rest:
        raise ModelError(f"{name} is missing beside {prefix}weight_hh{suffix}")
    w_in = rest.pop(name)
    if (
        w_in.ndim != 2
        or w_in.shape[0] != rows
        or w_in.shape[1] != (w_in.shape[1] if inputs is None else inputs)
    ):
        shape = f"({rows}, {'inputs' if inputs is None else inputs})"
        raise ModelError(f"{name} must have shape {shape}, got {w_in.shape}")
    b_in, b_rec = _biases(rest, prefix, suffix, rows, kind)
    if kind == "RNN":
        return elman_layer(w=w, w_in=w_in, b_in=b_in, b_rec=b_rec, activation=activation)
    if kind == "GRU":
        return gru_layer(GRU_GATES["torch"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec)
    return lstm_layer(LSTM_GATES["torch"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec)


def _biases(
    rest: dict[str, NDArray[Any]], prefix: str, suffix: str, rows: int, kind: Kind
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    names = [f"{prefix}bias_{side}{suffix}" for side in ("ih", "hh")]
    absent = [n for n in names if n not in rest]
    if len(absent) == 1:
        raise ModelError(f"{absent[0]} is missing; an nn.{kind} has both biases or none")
    if absent:
        return None, None
    for n in names:
        if rest[n].shape != (rows,):
            raise ModelError(f"{n} must have shape ({rows},), got {rest[n].shape}")
    return rest.pop(names[0]), rest.pop(names[1])


def _starts(rest: dict[str, NDArray[Any]], layers: list[Layer]) -> list[NDArray[Any] | None]:
    """Initial states from tensors ``h0`` and ``c0`` of the wrapper, one vector per layer."""
    parts: dict[str, NDArray[Any]] = {}
    for name in sorted(rest):
        match = _START.fullmatch(name)
        if match is None:
            continue
        h, count = layers[-1].n_handed_on, len(layers)
        value = rest.pop(name)
        if match["letter"] in parts or any(layer.n_handed_on != h for layer in layers):
            raise ModelError(f"tensor {name!r} is not the only initial state; expected one")
        if value.size != count * h or value.shape[-1:] != (h,):
            raise ModelError(
                f"{name} must have shape ({count}, {h}) or ({count}, 1, {h}), an initial state of "
                f"{count} layers of {h}, got {value.shape}"
            )
        parts[match["letter"]] = value.reshape(count, h)
    if not parts:
        return []
    lstm = layers[0].n_states != layers[0].n_handed_on
    if "c" in parts and not lstm:
        raise ModelError("tensor 'c0' is the initial state of an LSTM's cells, and this is none")
    size = next(iter(parts.values())).shape
    rows = [parts.get(letter, np.zeros(size)) for letter in ("hc" if lstm else "h")]
    return list(np.concatenate(rows, axis=1))


def _readout(
    rest: dict[str, NDArray[Any]], hidden: int, inputs: int, chosen: str | None, what: str
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The linear layer among what is left; anything else left over is refused."""
    layers = [
        match["prefix"]
        for match in map(_LINEAR.fullmatch, sorted(rest))
        if match and rest[match[0]].ndim == 2 and rest[match[0]].shape[1] == hidden
    ]
    if chosen is not None:
        wanted = chosen if chosen.endswith(".") or not chosen else f"{chosen}."
        if wanted not in layers:
            raise ModelError(
                f"no layer {chosen!r} with {hidden} inputs to read out; "
                f"there are {[name.rstrip('.') for name in layers]}"
            )
        layers = [wanted]
    elif len(layers) == 1 and inputs == hidden:
        raise ModelError(
            f"layer {layers[0].rstrip('.')!r} fits before the {what} as well as after it, for that "
            f"has {inputs} inputs and {hidden} hidden states; if it is the readout, give "
            f"--readout {layers[0].rstrip('.')}"
        )
    if len(layers) > 1:
        listed = ", ".join(repr(name.rstrip(".")) for name in layers)
        raise ModelError(f"several layers could be the readout ({listed}); give --readout")
    w_out = b_out = None
    if layers:
        w_out = rest.pop(f"{layers[0]}weight")
        b_out = rest.pop(f"{layers[0]}bias", None)
    if rest:
        name = min(rest)
        raise ModelError(
            f"tensor {name!r} is not part of an {what} or its readout{_guess(name, rest)}; nothing "
            "is dropped silently, so save a state_dict of the recurrent module and one linear "
            "readout"
        )
    return w_out, b_out


def _guess(name: str, rest: Arrays) -> str:
    """What kind of layer a tensor that is left over seems to belong to."""
    prefix, _, own = name.rpartition(".")
    if f"{prefix}.running_mean" in rest:
        return " (a BatchNorm, which has no circuit here)"
    weight = rest.get(f"{prefix}.weight" if prefix else "weight")
    if weight is None or own not in ("weight", "bias"):
        return ""
    if weight.ndim == 1:
        return " (a normalisation such as LayerNorm, which has no circuit here)"
    if weight.ndim == 2:
        return " (a linear layer or an embedding, and only one linear layer after it is read)"
    return " (a convolution, which has no circuit here)"
