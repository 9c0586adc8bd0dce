"""torch.nn.RNN and RNNCell as CTRNN, by their Euler reading.

The trained step ``h+ = σ(W_hh h + b_hh + W_ih u + b_ih)`` is one Euler step dt of
``x' = (σ(W x + W_in u + bias) - x) / dt``: a CTRNN with rate = gain = 1/dt, ``w = W_hh``,
``w_in = W_ih`` and ``bias = b_ih + b_hh``. torch stores weights as [post, pre], as we do.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.ctrnn import Ctrnn
from rnn2circuit.models.support import SupportRow

SUPPORT = (
    SupportRow(
        source="PyTorch nn.RNN, nn.RNNCell",
        formats=".pt .pth .safetensors",
        becomes="ctrnn",
        options="--dt; --activation relu where it is not tanh",
        remarks="one Euler step is the trained step; a linear layer beside it is the readout",
    ),
)

Arrays = Mapping[str, NDArray[Any]]
_RECURRENT = re.compile(r"(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?")
_LINEAR = re.compile(r"(?P<prefix>(?:.*\.)?)weight")
ACTIVATIONS = ("tanh", "relu")
_NEAREST = "a single-layer nn.RNN is supported"


def is_torch_recurrent(arrays: Arrays) -> bool:
    """Whether the tensors are those of a recurrent torch module."""
    return any(_RECURRENT.fullmatch(name) for name in arrays)


def ctrnn_from_torch(
    arrays: Arrays,
    *,
    dt: float | None = None,
    activation: str | None = None,
    readout: str | None = None,
) -> Ctrnn:
    """Read the ``state_dict`` of an ``nn.RNN`` with one layer, and the linear layer beside it.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Finite float64 tensors by name, as `rnn2circuit.models.io.load` checks them.
    dt : float
        The model time of one step; not in the file.
    activation : str, optional
        ``tanh``, which is nn.RNN's default, or ``relu``; not in the file either.
    readout : str, optional
        Prefix of the readout layer, such as ``fc``.

    Raises
    ------
    ModelError
        If dt is missing, the module is of another kind, or a tensor is left over.
    """
    prefix, layer = _single_layer(arrays)
    rest = dict(arrays)
    w, w_in, bias = _weights(rest, prefix, layer)
    hidden = w.shape[0]
    if dt is None:
        raise ModelError(
            "dt is missing: an nn.RNN file does not record the model time of one step; give --dt "
            "(rate = gain = 1/dt in the CTRNN it becomes)"
        )
    if not (np.isfinite(dt) and dt > 0):
        raise ModelError(f"dt must be positive, got {dt!r}")
    if activation not in (None, *ACTIVATIONS):
        raise ModelError(f"activation of an nn.RNN is tanh or relu, got {activation!r}")
    w_out, b_out = _readout(rest, hidden, readout)
    rate = np.full(hidden, 1.0 / dt)
    return Ctrnn(
        rate=rate,
        gain=rate,
        w=w,
        w_in=w_in,
        bias=bias,
        activation=activation or "tanh",
        w_out=w_out,
        b_out=b_out,
        dt=dt,
    )


def _single_layer(arrays: Arrays) -> tuple[str, str]:
    """Prefix and layer suffix of the one recurrent layer, or why there is not just one."""
    found = [m for m in map(_RECURRENT.fullmatch, arrays) if m]
    if any(re.fullmatch(r".*weight_hr(_l\d+)?", name) for name in arrays):
        raise ModelError(f"the LSTM has a projection (proj_size), which has no circuit; {_NEAREST}")
    for match in found:
        _check_kind(arrays[match[0]], match[0])
    if any(m["reverse"] for m in found):
        raise ModelError(
            "the RNN is bidirectional: its backward half needs the future and has no circuit; "
            "train it with bidirectional=False"
        )
    prefixes = {m["prefix"] for m in found}
    if len(prefixes) > 1:
        listed = ", ".join(sorted(repr(p) for p in prefixes))
        raise ModelError(
            f"the file holds {len(prefixes)} recurrent modules ({listed}); expected one"
        )
    if len(found) > 1:
        raise ModelError(
            f"the RNN has {len(found)} layers; one Euler step cannot stand for layers that act "
            f"within the same step; {_NEAREST}"
        )
    if found[0]["layer"] not in (None, "_l0"):
        raise ModelError(
            f"the file holds layer {found[0]['layer']} of an RNN without the layers before it; "
            f"{_NEAREST}"
        )
    return found[0]["prefix"], found[0]["layer"] or ""


def _check_kind(w: NDArray[Any], name: str) -> None:
    """Refuse a recurrent matrix that is not that of an nn.RNN, saying what it is."""
    if w.ndim != 2 or 0 in w.shape:
        raise ModelError(f"{name} must be a matrix, got shape {w.shape}")
    rows, hidden = w.shape
    if rows == 3 * hidden:
        raise ModelError(
            f"{name} has 3 x {hidden} rows: this is a GRU. {_NEAREST.capitalize()}, and so is a "
            "canonical file of the family gru_ode"
        )
    if rows == 4 * hidden:
        raise ModelError(
            f"{name} has 4 x {hidden} rows: this is an LSTM, which has no circuit; {_NEAREST}"
        )
    if rows != hidden:
        raise ModelError(f"{name} must be square, got shape {w.shape}")


def _weights(
    rest: dict[str, NDArray[Any]], prefix: str, layer: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Take ``W_hh``, ``W_ih`` and the sum of the biases out of `rest`."""
    w = rest.pop(f"{prefix}weight_hh{layer}")
    hidden = w.shape[0]
    name = f"{prefix}weight_ih{layer}"
    if name not in rest:
        raise ModelError(f"{name} is missing beside {prefix}weight_hh{layer}")
    w_in = rest.pop(name)
    if w_in.ndim != 2 or w_in.shape[0] != hidden:
        raise ModelError(f"{name} must have shape ({hidden}, inputs), got {w_in.shape}")
    names = [f"{prefix}bias_{side}{layer}" for side in ("ih", "hh")]
    absent = [n for n in names if n not in rest]
    if len(absent) == 1:
        raise ModelError(f"{absent[0]} is missing; an nn.RNN has both biases or none")
    if absent:
        return w, w_in, None
    for n in names:
        if rest[n].shape != (hidden,):
            raise ModelError(f"{n} must have shape ({hidden},), got {rest[n].shape}")
    return w, w_in, rest.pop(names[0]) + rest.pop(names[1])


def _readout(
    rest: dict[str, NDArray[Any]], hidden: int, chosen: str | None
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
    if len(layers) > 1:
        listed = ", ".join(repr(name.rstrip(".")) for name in layers)
        raise ModelError(f"several layers could be the readout ({listed}); give --readout")
    w_out = b_out = None
    if layers:
        w_out = rest.pop(f"{layers[0]}weight")
        b_out = rest.pop(f"{layers[0]}bias", None)
    if rest:
        raise ModelError(
            f"tensor {min(rest)!r} is not part of an nn.RNN or its readout; nothing is "
            "dropped silently, so save a state_dict without it"
        )
    return w_out, b_out
