"""Long expressive memory in its two published torch layouts, as LEM.

The step of the reference code, with ``d1 = dt logistic(i_dt1 + h_dt1)`` and ``d2`` likewise, is

    z <- (1 - d2) z + d2 tanh(i_y + h_y)                 (from the old y)
    y <- (1 - d1) y + d1 tanh(transform_z(z) + i_z)      (from the new z)

so the names mislead: the block called ``i_y`` drives z and ``i_z`` drives y. Dividing by dt and
letting it go to zero gives Rusch et al. (2022), eq. 2, with one step of dt model time units. In the
compiled layout (LEMcuda) the state's columns come before the input's. The step itself is eq. 3,
family lem_cell.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.lem import Lem, LemCell
from rnn2circuit.models.support import SupportRow

SUPPORT = (
    SupportRow(
        source="LEM, plain or LEMcuda layout",
        formats=".pt .safetensors .npz",
        becomes="lem",
        options="--dt",
        remarks="one step is dt model time units; its classifier is the readout, of y",
    ),
    SupportRow(
        source="LEM, clocked",
        formats=".pt .safetensors .npz",
        becomes="lem_cell",
        options="--clocked --dt",
        remarks="the program's own step, y from the new z",
    ),
)

Arrays = Mapping[str, NDArray[Any]]
_TORCH = (
    "inp2hid.weight",
    "inp2hid.bias",
    "hid2hid.weight",
    "hid2hid.bias",
    "transform_z.weight",
    "transform_z.bias",
)
_CUDA = ("weights", "weights_lin_z", "bias", "bias_lin_z")


def is_lem(arrays: Arrays) -> bool:
    """Whether the tensors are those of a LEM, in either layout."""
    return any(n.endswith(("inp2hid.weight", "weights_lin_z")) for n in arrays)


def lem_from_torch(
    arrays: Arrays, *, dt: float | None = None, clocked: bool | None = None
) -> Lem | LemCell:
    """Read the ``state_dict`` of a LEM and the ``classifier`` beside it.

    Parameters
    ----------
    dt : float
        The ``dt`` the network was built with (1.0 by default there); not in the file.
    clocked : bool, optional
        The program's own step instead of its differential equation.

    Raises
    ------
    ModelError
        If dt is missing, or a tensor is missing, left over or of a wrong shape.
    """
    if dt is None:
        raise ModelError("dt is missing: a LEM file does not record its time step; give --dt")
    rest = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    cuda = any(name.endswith("weights_lin_z") for name in rest)
    marker = "weights_lin_z" if cuda else "inp2hid.weight"
    prefix = next(name for name in rest if name.endswith(marker)).removesuffix(marker)
    names = _CUDA if cuda else _TORCH
    missing = [name for name in names if prefix + name not in rest]
    if missing:
        raise ModelError(f"tensor {prefix + missing[0]!r} of the LEM is missing")
    own = {name: rest.pop(prefix + name) for name in names}
    fields = _from_cuda(own) if cuda else _from_torch(own)
    d = fields["wy"].shape[0]
    w_out = rest.pop("classifier.weight", None)
    b_out = None if w_out is None else rest.pop("classifier.bias", None)
    if rest:
        raise ModelError(f"tensor {next(iter(rest))!r} is not part of a LEM; nothing is dropped")
    if w_out is not None:
        if w_out.ndim != 2 or w_out.shape[1] != d:
            raise ModelError(f"classifier.weight must have shape (p, {d}), got {w_out.shape}")
        w_out = np.hstack([w_out, np.zeros_like(w_out)])  # it reads y alone
    family = LemCell if clocked else Lem
    return family(**fields, w_out=w_out, b_out=b_out, dt=dt)


def _from_torch(t: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    d = len(t["transform_z.bias"])
    inputs = _blocks("inp2hid.weight", t["inp2hid.weight"], 4, d)
    input_bias = _blocks("inp2hid.bias", t["inp2hid.bias"], 4, d)
    states = _blocks("hid2hid.weight", t["hid2hid.weight"], 3, d)
    state_bias = _blocks("hid2hid.bias", t["hid2hid.bias"], 3, d)
    return {
        "w2": states[0],
        "v2": inputs[0],
        "b2": input_bias[0] + state_bias[0],
        "w1": states[1],
        "v1": inputs[1],
        "b1": input_bias[1] + state_bias[1],
        "wz": states[2],
        "vz": inputs[3],
        "bz": input_bias[3] + state_bias[2],
        "wy": t["transform_z.weight"],
        "vy": inputs[2],
        "by": input_bias[2] + t["transform_z.bias"],
    }


def _from_cuda(t: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    d = len(t["bias_lin_z"])
    scale_z, candidate_z, scale_y = _blocks("weights", t["weights"], 3, d)
    b1, bz, b2 = _blocks("bias", t["bias"], 3, d)
    candidate_y = _blocks("weights_lin_z", t["weights_lin_z"], 1, d)[0]
    return {
        "w2": scale_y[:, :d],
        "v2": scale_y[:, d:],
        "b2": b2,
        "w1": scale_z[:, :d],
        "v1": scale_z[:, d:],
        "b1": b1,
        "wz": candidate_z[:, :d],
        "vz": candidate_z[:, d:],
        "bz": bz,
        "wy": candidate_y[:, :d],
        "vy": candidate_y[:, d:],
        "by": t["bias_lin_z"],
    }


def _blocks(name: str, value: NDArray[np.float64], count: int, d: int) -> list[NDArray[np.float64]]:
    if value.ndim not in (1, 2) or value.shape[0] != count * d:
        raise ModelError(f"{name} must have {count} x {d} rows, got shape {value.shape}")
    return np.split(value, count)
