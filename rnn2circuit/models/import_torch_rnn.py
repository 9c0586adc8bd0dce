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

Arrays = Mapping[str, NDArray[Any]]
_RECURRENT = re.compile(r"(?P<prefix>(?:.*\.)?)weight_hh(?P<layer>_l\d+)?(?P<reverse>_reverse)?")
ACTIVATIONS = ("tanh", "relu")


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
    w = rest.pop(f"{prefix}weight_hh{layer}")
    w_in = rest.pop(f"{prefix}weight_ih{layer}", None)
    if w_in is None:
        raise ModelError(f"{prefix}weight_ih{layer} is missing beside {prefix}weight_hh{layer}")
    hidden = _check_kind(w, f"{prefix}weight_hh{layer}")
    biases = [rest.pop(f"{prefix}bias_{side}{layer}", None) for side in ("ih", "hh")]
    present = [np.asarray(b, dtype=np.float64) for b in biases if b is not None]
    for bias in present:
        if bias.shape != (hidden,):
            raise ModelError(f"a bias of the RNN must have shape ({hidden},), got {bias.shape}")
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
        bias=sum(present[1:], present[0]) if present else None,
        activation=activation or "tanh",
        w_out=w_out,
        b_out=b_out,
        dt=dt,
    )


def _single_layer(arrays: Arrays) -> tuple[str, str]:
    """Prefix and layer suffix of the one recurrent layer, or why there is not just one."""
    found = [m for m in map(_RECURRENT.fullmatch, arrays) if m]
    if any(m["reverse"] for m in found):
        raise ModelError(
            "the RNN is bidirectional: its backward half needs the future and has no circuit; "
            "train it with bidirectional=False"
        )
    if any(re.fullmatch(r".*weight_hr(_l\d+)?", name) for name in arrays):
        raise ModelError("the LSTM has a projection (proj_size), which is not supported")
    prefixes = {m["prefix"] for m in found}
    if len(prefixes) > 1:
        listed = ", ".join(sorted(repr(p) for p in prefixes))
        raise ModelError(
            f"the file holds {len(prefixes)} recurrent modules ({listed}); expected one"
        )
    if len(found) > 1:
        raise ModelError(
            f"the RNN has {len(found)} layers; one Euler step cannot stand for layers that act "
            "within the same step. A single-layer nn.RNN is supported"
        )
    return found[0]["prefix"], found[0]["layer"] or ""


def _check_kind(w: NDArray[Any], name: str) -> int:
    if w.ndim != 2:
        raise ModelError(f"{name} must be a matrix, got shape {w.shape}")
    rows, hidden = w.shape
    if rows == 3 * hidden:
        raise ModelError(f"{name} has 3 x {hidden} rows: this is a GRU; nn.RNN is supported")
    if rows == 4 * hidden:
        raise ModelError(f"{name} has 4 x {hidden} rows: this is an LSTM; nn.RNN is supported")
    if rows != hidden:
        raise ModelError(f"{name} must be square, got shape {w.shape}")
    return hidden


def _readout(
    rest: dict[str, NDArray[Any]], hidden: int, chosen: str | None
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The linear layer among what is left; anything else left over is refused."""
    layers = [
        name.removesuffix("weight")
        for name, value in rest.items()
        if name.endswith(("weight",)) and value.ndim == 2 and value.shape[1] == hidden
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
            f"tensor {next(iter(rest))!r} is not part of an nn.RNN or its readout; nothing is "
            "dropped silently, so save a state_dict without it"
        )
    return w_out, b_out
