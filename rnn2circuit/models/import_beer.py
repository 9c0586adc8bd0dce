"""Beer's CTRNN as the CTRNN package (madvn) holds it, as Hopfield network in other coordinates.

The package integrates ``tau x' = -x + W y + I`` with ``y = logistic(g (x + theta))``, gains g and
biases theta. In ``z = g (x + theta)`` that is

    tau z' = -z + g theta + g∘(W logistic(z)) + g∘I

a Hopfield network with weights g W, input weights diag(g) and bias g theta. The circuit's states
carry z; its outputs carry the program's states ``x = z / g - theta``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic
from rnn2circuit.models.hopfield import Hopfield
from rnn2circuit.models.support import REFUSED, SupportRow
from rnn2circuit.models.tensor_names import (
    Arrays,
    Floats,
    check_names,
    check_shapes,
    has_parts,
    own_tensors,
)

_NO_GAIN = SupportRow(
    source="CTRNN package, a gain of zero",
    formats=".npz .safetensors",
    becomes=REFUSED,
    remarks="z = gain (x + bias) then says nothing about x, so the change of variables has no "
    "inverse; such a neuron is the constant 1/2: remove it",
)
SUPPORT = (
    SupportRow(
        source="CTRNN package (madvn; Beer's form)",
        formats=".npz .safetensors",
        becomes="hopfield, logistic",
        remarks="save weights (dense, or the csr parts weights_data, weights_indices, "
        "weights_indptr), taus, biases, gains, optionally states, outputs and step_size. States of "
        "the circuit are z = gain (x + bias), its outputs are x, one input per neuron",
    ),
    _NO_GAIN,
)

_PROGRAM = "a network of the CTRNN package"
_NEURON = ("taus", "biases", "gains")
_CSR = ("weights_data", "weights_indices", "weights_indptr")
_OPTIONAL = ("states", "outputs", "step_size", "weights_shape")
_CONSISTENT = 1e-6  # of outputs of order one, stored as float32 at worst


def is_beer(arrays: Arrays) -> bool:
    """Whether the arrays are the attributes of the package's network."""
    return has_parts(arrays, *_NEURON)


def hopfield_from_beer(arrays: Arrays) -> Hopfield:
    """Read the attributes of one network.

    Raises
    ------
    ModelError
        If an array is missing, left over or of a wrong shape, a gain is zero, or outputs are
        stored that are not those of the states.
    """
    own = own_tensors(arrays, "taus", _PROGRAM)
    weights = ("weights",) if "weights" in own else _CSR
    check_names(own, (*_NEURON, *weights), _OPTIONAL, _PROGRAM)
    n = own["taus"].size
    check_shapes(own, dict.fromkeys((*_NEURON, "states", "outputs"), (n,)) | {"weights": (n, n)})
    gain, theta = own["gains"], own["biases"]
    if np.any(gain == 0):
        raise _NO_GAIN.refusal(f"gains[{int(np.argmin(np.abs(gain)))}] is 0")
    w = own["weights"] if "weights" in own else _dense(own, n)
    return Hopfield(
        tau=own["taus"],
        w=gain[:, None] * w,
        w_in=np.diag(gain),
        bias=gain * theta,
        activation="logistic",
        x0=_initial(own, gain, theta),
        w_out=np.diag(1.0 / gain),
        b_out=-theta,
        dt=_step(own),
    )


def _dense(own: Floats, n: int) -> NDArray[np.float64]:
    """The matrix of a csr's parts; row i holds what neuron i receives."""
    data, indices, ends = (own[name] for name in _CSR)
    if own.get("weights_shape", np.array([n, n])).tolist() != [n, n]:
        raise ModelError(f"weights_shape must be [{n}, {n}], got {own['weights_shape'].tolist()}")
    whole = all(np.all(part == np.floor(part)) for part in (indices, ends))
    counts = np.diff(ends)
    if (
        not whole
        or data.ndim != 1
        or data.shape != indices.shape
        or ends.shape != (n + 1,)
        or ends[0] != 0
        or ends[-1] != data.size
        or np.any(counts < 0)
        or np.any((indices < 0) | (indices >= n))
    ):
        raise ModelError(f"{', '.join(_CSR)} are not the parts of a csr matrix of shape {(n, n)}")
    w = np.zeros((n, n))
    rows = np.repeat(np.arange(n), counts.astype(int))
    np.add.at(w, (rows, indices.astype(int)), data)  # entries given twice add up, as in scipy
    return w


def _initial(
    own: Floats, gain: NDArray[np.float64], theta: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """``z0``; outputs beside the states must be theirs, for the package sets them apart."""
    if "states" not in own:
        if "outputs" in own:
            raise ModelError("outputs are there without the states they belong to")
        return None
    z0 = gain * (own["states"] + theta)
    off = np.abs(own["outputs"] - logistic(z0)) if "outputs" in own else np.zeros(1)
    if np.max(off) > _CONSISTENT:
        raise ModelError(
            f"outputs[{int(np.argmax(off))}] is not logistic(gain (state + bias)): the package "
            "leaves gains and biases out when states are assigned; take one step, or save no "
            "outputs"
        )
    return z0


def _step(own: Floats) -> float | None:
    if "step_size" not in own:
        return None
    if own["step_size"].size != 1:
        raise ModelError(f"step_size must be one number, got shape {own['step_size'].shape}")
    found: Any = own["step_size"].reshape(-1)[0]
    return float(found)
