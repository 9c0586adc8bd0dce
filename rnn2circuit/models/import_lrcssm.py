"""The diagonal LRC of LrcSSM (equinox, and its flax twin), as LRC or LRCU with diagonal matrices.

With ``s = logistic(sigma (h - mu))`` per neuron and
``s_k = logistic(sensory_sigma (u - sensory_mu))`` per input, the cell is

    f = gleak + sensory_w @ s_k + w s,    g = gleak + sensory_h @ s_k + h s
    h <- h + dt ε(kernel h + bias)∘(-logistic(f) h + vleak tanh(g))

The input matrices are (H, I), [post, pre] as ours are. The program calls the product dt ε its
elastance; ε alone is the elastance here, and it depends on the state only.
"""

from typing import Any

import numpy as np

from rnn2circuit.errors import ModelError
from rnn2circuit.models.lrc import ELASTANCES, Lrc, Lrcu
from rnn2circuit.models.support import SupportRow
from rnn2circuit.models.tensor_names import (
    Arrays,
    Floats,
    check_names,
    check_shapes,
    has_parts,
    own_tensors,
)

SUPPORT = (
    SupportRow(
        source="LrcSSM LRCU, weight_* names or the flax twin's",
        formats=".npz .safetensors",
        becomes="lrc, diagonal",
        options="--elastance asymmetric or symmetric (use_symmetric)",
        remarks="dt is folded into the program's elastance and divided out again; the shift is in "
        "every file and counts for the symmetric elastance alone",
    ),
    SupportRow(
        source="LrcSSM LRCU, clocked",
        formats=".npz .safetensors",
        becomes="lrcu, diagonal",
        options="--clocked --dt --elastance",
        remarks="the program's own step",
    ),
)

_PROGRAM = "an LrcSSM cell"
# Our name of each tensor, the equinox module's and the flax module's.
_NAMES = (
    ("sensory_mu", "weight_sensory_mu", "mu_in"),
    ("sensory_sigma", "weight_sensory_sigma", "sigma_in"),
    ("sensory_w", "weight_sensory_w", "w_in"),
    ("sensory_h", "weight_sensory_h", "h_in"),
    ("mu", "weight_mu", "mu"),
    ("sigma", "weight_sigma", "sigma"),
    ("w", "weight_w", "w"),
    ("h", "weight_h", "h"),
    ("gleak", "weight_gleak", "g_l"),
    ("vleak", "weight_vleak", "v_l"),
    ("kernel", "weight_elastance_kernel", "w_e"),
    ("bias", "weight_elastance_bias", "b_e"),
    ("shift", "weight_elastance_shift", "s_e"),
)
_PER_NEURON = ("mu", "sigma", "w", "h", "gleak", "vleak", "kernel", "bias", "shift")


def is_lrcssm(arrays: Arrays) -> bool:
    """Whether the tensors are those of an LrcSSM cell, in equinox's or flax' names."""
    return has_parts(arrays, "weight_sensory_mu", "weight_elastance_kernel") or has_parts(
        arrays, "g_l", "sigma_in", "w_e"
    )


def lrc_from_lrcssm(
    arrays: Arrays,
    *,
    elastance: str | None = None,
    clocked: bool | None = None,
    dt: float | None = None,
) -> Lrc | Lrcu:
    """Read the weights of one diagonal LRC cell.

    Parameters
    ----------
    elastance : {"asymmetric", "symmetric"}
        The program's ``use_symmetric``, which is not in the file.
    clocked : bool, optional
        The program's own step, as LRCU.
    dt : float
        The program's dt; required for the clocked reading, a remark for the other.

    Raises
    ------
    ModelError
        If an option is missing, or a tensor is missing, left over, of a wrong shape or, for a
        symmetric shift, negative.
    """
    column = 1 if has_parts(arrays, "weight_gleak") else 2
    names = {row[column]: row[0] for row in _NAMES}
    marker = next(foreign for foreign, ours in names.items() if ours == "gleak")
    raw = own_tensors(arrays, marker, _PROGRAM)
    check_names(raw, list(names), (), _PROGRAM)
    own: Floats = {names[name]: value for name, value in raw.items()}
    if elastance not in ELASTANCES:
        raise ModelError(
            "the file does not record use_symmetric; give --elastance symmetric or asymmetric"
            + ("" if elastance is None else f", got {elastance!r}")
        )
    if clocked and dt is None:
        raise ModelError("dt is missing: the file does not record it; give --dt (1 is its default)")
    _check(own)
    symmetric = elastance == "symmetric"
    if symmetric and np.any(own["shift"] < 0):
        at = int(np.argmin(own["shift"]))
        raise ModelError(
            f"the elastance shift of neuron {at} is {float(own['shift'][at])!r}: a negative one "
            "makes the elastance, one over a capacitance, negative; retrain with shifts >= 0"
        )
    fields = _fields(own)
    fields["k_elast"] = own["shift"] if symmetric else None
    family = Lrcu if clocked else Lrc
    return family(**fields, elastance=elastance, dt=dt)


def _check(own: Arrays) -> None:
    n, m = own["gleak"].size, own["sensory_mu"].size
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_PER_NEURON, (n,))
    shapes |= dict.fromkeys(("sensory_mu", "sensory_sigma"), (m,))
    shapes |= dict.fromkeys(("sensory_w", "sensory_h"), (n, m))
    check_shapes(own, shapes)


def _fields(own: Floats) -> dict[str, Any]:
    n, m = own["sensory_w"].shape
    fields: dict[str, Any] = {
        "g_leak": own["gleak"],
        "e_leak": own["vleak"],
        "g_syn": np.diag(own["w"]),
        "k_syn": np.diag(own["h"]),
        "slope": np.diag(own["sigma"]),
        "offset": np.diag(-own["sigma"] * own["mu"]),
        "w_elast": np.diag(own["kernel"]),
        "b_elast": own["bias"],
    }
    if m:
        slope = np.broadcast_to(own["sensory_sigma"], (n, m))
        fields |= {
            "g_syn_in": own["sensory_w"],
            "k_syn_in": own["sensory_h"],
            "slope_in": slope,
            "offset_in": -slope * own["sensory_mu"],
            "w_elast_in": np.zeros((n, m)),
        }
    return fields
