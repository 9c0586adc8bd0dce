"""Leaky recurrent networks of computational neuroscience: nn-brain's (torch) and PsychRNN's.

With ``a = dt / tau``:

- nn-brain CTRNN, the relu around the leak: ``h+ = relu((1 - a) h + a (W_in u + W h + b))``. That is
  an Elman step with ``w = (1 - a) I + a W``, ``w_in = a W_in`` and ``bias = a b``; as a
  differential equation it would be a relu network whose states are also clamped at zero.
- nn-brain EIRNN, ``s+ = (1 - a) s + a (W_in u + (|W|∘M) relu(s) + b)``, is one Euler step of the
  Hopfield network ``tau s' = -s + (|W|∘M) relu(s) + W_in u + b``. M has +1 in the columns of
  excitatory neurons, which come first, -1 in the others and 0 on the diagonal. It is not in the
  file, but the readout ``fc`` reads relu(s) of just the excitatory ones, so its width says how
  many there are.
- PsychRNN Basic, ``x+ = (1 - a) x + a (W_rec f(x) + W_in u + b)``, likewise, and reads out
  ``W_out f(x) + b_out``. Its files hold the effective weights, connectivity and Dale's law applied.

The last two read out the activation of the states. Outputs of a circuit are linear in the states,
so unless f is the identity the readout is left out at the user's word alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.elman import Elman
from rnn2circuit.models.hopfield import Hopfield
from rnn2circuit.models.support import REFUSED, SupportRow
from rnn2circuit.models.tensor_names import (
    Arrays,
    Floats,
    check_names,
    check_shapes,
    has_parts,
    plain_name,
    refuse_left,
    split_prefix,
    take_readout,
)

_TORCH_FORMATS = ".pt .safetensors .npz"
NO_READOUT = "none"
_CLAMPED = SupportRow(
    source="nn-brain CTRNN as a differential equation",
    formats=_TORCH_FORMATS,
    becomes=REFUSED,
    options="--dt without --clocked",
    remarks="its relu is around the leak, a clamp at zero that no smooth leaky equation has; give "
    "--clocked. Where yours leaks around the relu, h+ = (1 - a) h + a relu(..), write a canonical "
    "ctrnn with rate = gain = 1/tau",
)
_EIRNN_STEP = SupportRow(
    source="nn-brain EIRNN, clocked",
    formats=_TORCH_FORMATS,
    becomes=REFUSED,
    options="--clocked",
    remarks="the leak around the sum of activations is the step of no clocked family; leave "
    "--clocked out for the differential equation of which it is one Euler step",
)
_PSYCH_STEP = SupportRow(
    source="PsychRNN Basic, clocked",
    formats=".npz",
    becomes=REFUSED,
    options="--clocked",
    remarks="the leak around the sum of activations is the step of no clocked family; leave "
    "--clocked out for the differential equation of which it is one Euler step",
)
_ACTIVATED_READOUT = SupportRow(
    source="EIRNN or PsychRNN with its readout",
    formats=_TORCH_FORMATS,
    becomes=REFUSED,
    remarks="it reads the activation of the states, and outputs of a circuit are linear in the "
    "states; give --readout none to leave it out and read the states themselves",
)
SUPPORT = (
    SupportRow(
        source="nn-brain CTRNN",
        formats=_TORCH_FORMATS,
        becomes="elman, relu",
        options="--clocked --tau --dt",
        remarks="alpha = dt / tau is not in the file; a network built without dt has dt = tau. A "
        "linear layer beside it is the readout",
    ),
    SupportRow(
        source="nn-brain EIRNN with its readout fc",
        formats=_TORCH_FORMATS,
        becomes="hopfield, relu",
        options="--tau --dt --readout none",
        remarks="fc must be in the file: its width is the number of excitatory neurons, from which "
        "the signs follow",
    ),
    SupportRow(
        source="PsychRNN Basic",
        formats=".npz",
        becomes="hopfield",
        options="--tau --dt --activation --readout none",
        remarks="a pickled transfer_function is never opened; weights are checked against "
        "connectivity and Dale's law and taken as they are",
    ),
    _CLAMPED,
    _EIRNN_STEP,
    _PSYCH_STEP,
    _ACTIVATED_READOUT,
)

_LEAKY = ("h2h.weight", "input2h.weight")
_BIASES = ("h2h.bias", "input2h.bias")
PSYCHRNN_OBJECTS = frozenset({"transfer_function", "dale_ratio"})
_WEIGHTS = ("W_in", "W_rec", "W_out", "b_rec", "b_out")
_MASKS = {
    "W_in": "input_connectivity",
    "W_rec": "rec_connectivity",
    "W_out": "output_connectivity",
}
_DALE = ("Dale_rec", "Dale_out", "dale_ratio")


def is_leaky_torch(arrays: Arrays) -> bool:
    """Whether the tensors are those of an nn-brain network."""
    return has_parts(arrays, *_LEAKY)


def leaky_from_torch(
    arrays: Arrays,
    *,
    tau: float | None = None,
    dt: float | None = None,
    clocked: bool | None = None,
    readout: str | None = None,
) -> Elman | Hopfield:
    """Read the ``state_dict`` of an nn-brain CTRNN or EIRNN and the layer ``fc`` beside it.

    Parameters
    ----------
    tau, dt : float
        Time constant (100 there) and step; neither is in the file. dt = tau where it had none.
    clocked : bool
        The CTRNN's own step; it has no other reading.
    readout : str, optional
        Prefix of the readout, or "none" to leave out an EIRNN's.

    Raises
    ------
    ModelError
        If an option is missing, the reading does not exist, or a tensor is missing, left over or
        of a wrong shape.
    """
    own, rest = split_prefix(arrays, "h2h.weight")
    others = [name for name in own if name not in (*_LEAKY, *_BIASES)]
    rest |= {name: own.pop(name) for name in others}
    check_names(own, _LEAKY, _BIASES, "an nn-brain network")
    n = len(own["h2h.weight"])
    m = np.shape(own["input2h.weight"])[-1]
    check_shapes(own, {_LEAKY[0]: (n, n), _LEAKY[1]: (n, m)} | dict.fromkeys(_BIASES, (n,)))
    biases = [own[name] for name in _BIASES if name in own]
    bias = np.sum(biases, axis=0) if biases else None
    head = rest.get("fc.weight")
    if head is not None and head.ndim == 2 and head.shape[1] < n:
        refuse_left(set(rest) - {"fc.weight", "fc.bias"}, "an EIRNN")
        return _eirnn(own, bias, head.shape[1], tau, dt, clocked=bool(clocked), readout=readout)
    if not clocked:
        raise _CLAMPED.refusal("without --clocked")
    alpha = _alpha(tau, dt)
    w_out, b_out = take_readout(rest, width=n, chosen=readout, program="an nn-brain network")
    return Elman(
        w=(1.0 - alpha) * np.eye(n) + alpha * own["h2h.weight"],
        w_in=alpha * own["input2h.weight"],
        bias=None if bias is None else alpha * bias,
        activation="relu",
        w_out=w_out,
        b_out=b_out,
        dt=dt,
    )


def _eirnn(
    own: Floats,
    bias: NDArray[np.float64] | None,
    excitatory: int,
    tau: float | None,
    dt: float | None,
    *,
    clocked: bool,
    readout: str | None,
) -> Hopfield:
    if clocked:
        raise _EIRNN_STEP.refusal("fc reads fewer neurons than there are, so this is an EIRNN")
    _alpha(tau, dt)
    if readout != NO_READOUT:
        raise _ACTIVATED_READOUT.refusal("fc of an EIRNN")
    n = len(own["h2h.weight"])
    mask = np.tile(np.where(np.arange(n) < excitatory, 1.0, -1.0), (n, 1))
    np.fill_diagonal(mask, 0.0)
    return Hopfield(
        tau=np.full(n, tau),
        w=np.abs(own["h2h.weight"]) * mask,
        w_in=own["input2h.weight"],
        bias=bias,
        activation="relu",
        dt=dt,
    )


def is_psychrnn(arrays: Arrays) -> bool:
    """Whether the arrays are those of a PsychRNN network."""
    return has_parts(arrays, "W_in", "W_rec", "W_out", "rec_connectivity")


def hopfield_from_psychrnn(
    arrays: Arrays,
    *,
    tau: float | None = None,
    dt: float | None = None,
    activation: str | None = None,
    clocked: bool | None = None,
    readout: str | None = None,
) -> Hopfield:
    """Read what ``Basic.save`` writes.

    Parameters
    ----------
    tau, dt : float
        Time constant and step, which are not in the file.
    activation : str
        Of the states (relu unless the network was given another ``transfer_function``).
    clocked : bool, optional
        There is no clocked reading.
    readout : {"none"}, optional
        Leave out the readout, which is not linear in the states.

    Raises
    ------
    ModelError
        If an option is missing, the reading does not exist, the weights contradict connectivity
        or Dale's law, or an array is missing, left over or of a wrong shape.
    """
    own: Floats = {plain_name(k): np.asarray(v, dtype=np.float64) for k, v in arrays.items()}
    optional = ("init_state", *_MASKS.values(), *_DALE)
    check_names(own, _WEIGHTS, optional, "a PsychRNN network")
    if clocked:
        raise _PSYCH_STEP.refusal("--clocked")
    if activation is None:
        raise ModelError(
            "the file does not record the transfer function in a form that may be opened; give "
            "--activation (relu unless the network was given another)"
        )
    activation_named(activation)
    _alpha(tau, dt)
    n = len(own["b_rec"])
    _check_psychrnn(own, n)
    _check_masks(own)
    readouts: dict[str, Any] = {}
    if readout not in (None, NO_READOUT):
        raise ModelError(f"--readout of a PsychRNN network is none or not given, got {readout!r}")
    if readout is None:
        if activation != "identity":
            raise _ACTIVATED_READOUT.refusal("W_out")
        readouts = {"w_out": own["W_out"], "b_out": own["b_out"]}
    return Hopfield(
        tau=np.full(n, tau),
        w=own["W_rec"],
        w_in=own["W_in"] if own["W_in"].shape[1] else None,
        bias=own["b_rec"],
        activation=activation,
        x0=own["init_state"].reshape(n) if "init_state" in own else None,
        dt=dt,
        **readouts,
    )


def _check_psychrnn(own: Floats, n: int) -> None:
    m, p = np.shape(own["W_in"])[-1], len(own["b_out"])
    shapes: dict[str, tuple[int, ...]] = {"W_in": (n, m), "W_rec": (n, n), "W_out": (p, n)}
    shapes |= {mask: shapes[weight] for weight, mask in _MASKS.items()}
    shapes |= dict.fromkeys(("Dale_rec", "Dale_out"), (n, n)) | {"b_rec": (n,), "b_out": (p,)}
    check_shapes(own, shapes)
    if "init_state" in own and own["init_state"].shape not in ((n,), (1, n)):
        raise ModelError(f"init_state must have shape (1, {n}), got {own['init_state'].shape}")


def _check_masks(own: Floats) -> None:
    """Effective weights, masked a second time, must not change: what else is stored is not them.

    Raises
    ------
    ModelError
        If a weight is there without its connection, or of the wrong sign for Dale's law.
    """
    once = {weight: own[weight] for weight in _MASKS}
    for weight, mask in _MASKS.items():
        if mask in own:
            _refuse_changed(weight, once[weight], once[weight] * (own[mask] != 0), mask)
    ratio = own.get("dale_ratio", np.zeros(1))
    if not np.any(ratio):  # None and 0 switch Dale's law off
        return
    for name in ("Dale_rec", "Dale_out"):
        if name not in own:
            raise ModelError(f"tensor {name!r} is missing beside dale_ratio")
    _refuse_changed("W_in", once["W_in"], np.abs(once["W_in"]), "dale_ratio")
    for weight, dale in (("W_rec", "Dale_rec"), ("W_out", "Dale_out")):
        _refuse_changed(weight, once[weight], np.abs(once[weight]) @ own[dale], dale)


def _refuse_changed(
    name: str, stored: NDArray[np.float64], again: NDArray[np.float64], by: str
) -> None:
    wrong = np.argwhere(stored != again)
    if wrong.size:
        at = tuple(int(k) for k in wrong[0])
        raise ModelError(
            f"{name}{list(at)} is {float(stored[at])!r}, which contradicts {by}: these are not the "
            "effective weights that PsychRNN saves; save with Basic.save or get_weights"
        )


def _alpha(tau: float | None, dt: float | None) -> float:
    """``dt / tau``, at most 1.

    Raises
    ------
    ModelError
        If one is missing, or the step is longer than the time constant.
    """
    if tau is None or dt is None:
        missing = "tau" if tau is None else "dt"
        raise ModelError(
            f"{missing} is missing: the file does not record it; give --{missing} (the leak of "
            "one step is dt / tau)"
        )
    if dt > tau:
        raise ModelError(f"dt = {dt!r} is longer than tau = {tau!r}; a leak is at most 1")
    return dt / tau
