"""The reference cell of liquid-resistance liquid-capacitance networks (Keras), as LRC, STC or LRCU.

With ``s_ij = logistic(sigma_ij (v_i - mu_ij))`` from source i to destination j, the same over the
mapped inputs u, and ``e = [u, v] @ kernel + bias``, the cell of Farsang, Neubauer & Grosu (2024) is

    f_j = gleak_j + Σ_i w_ij s_ij + Σ_k sensory_w_kj s_kj,    g_j likewise with h and sensory_h
    v' = ε∘(-logistic(f) v + vleak tanh(g))
    ε = logistic(e), logistic(e + distr_shift) - logistic(e - distr_shift), or 1

and its explicit solver takes ``v <- v + dt v'``. Matrices are stored as [pre, post]; they are
transposed here, with ``slope = sigma`` and ``offset = -sigma mu``. Its hybrid solver divides by
``1 + dt ε logistic(f)`` instead: another discretization of the same differential equation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.lrc import ELASTANCES, Lrc, Lrcu
from rnn2circuit.models.stc import Stc
from rnn2circuit.models.support import REFUSED, SupportRow
from rnn2circuit.models.tensor_names import (
    Arrays,
    Floats,
    check_names,
    check_shapes,
    has_parts,
    own_tensors,
)

_FORMATS = ".npz .safetensors .pt"
_NO_GATE = SupportRow(
    source="LRC cell with forget_gate=False",
    formats=_FORMATS,
    becomes=REFUSED,
    remarks="its leak is the constant tau instead of logistic(f), which no family has; "
    "train it with forget_gate=True, or write it as a family of your own",
)
_MAPPED_STATE = SupportRow(
    source="LRC autonomous cell with an input or output mapping",
    formats=_FORMATS,
    becomes=REFUSED,
    remarks="the autonomous cell maps its state, not an input, before it takes the derivative; "
    "train it with input_mapping=None and output_mapping=None",
)
_AUTONOMOUS_STEP = SupportRow(
    source="LRC autonomous cell, clocked",
    formats=_FORMATS,
    becomes=REFUSED,
    options="--clocked",
    remarks="it returns a derivative for a solver to integrate and has no step of its own; "
    "leave --clocked out for the differential equation",
)
_SATURATED_STEP = SupportRow(
    source="LRC cell without elastance, clocked",
    formats=_FORMATS,
    becomes=REFUSED,
    options="--elastance none --clocked",
    remarks="lrcu is the only clocked family of this kind and it has an elastance; "
    "leave --clocked out for the differential equation (stc)",
)
_UNFOLDED_STEP = SupportRow(
    source="LRC cell with several unfolds, clocked",
    formats=_FORMATS,
    becomes=REFUSED,
    options="--clocked --unfolds N",
    remarks="N solver steps per step are no single step of lrcu; train it with ode_unfolds=1, "
    "or leave --clocked out for the differential equation",
)
SUPPORT = (
    SupportRow(
        source="LRC cell (Keras names), elastance symmetric or asymmetric",
        formats=_FORMATS,
        becomes="lrc",
        options="--elastance asymmetric; symmetric is plain from distr_shift",
        remarks="one model time unit is the program's unit of elapsed time, whatever its solver "
        "(explicit or hybrid), dt and unfolds; the autonomous cell too",
    ),
    SupportRow(
        source="LRC cell, elastance_type interp (its default)",
        formats=_FORMATS,
        becomes="stc",
        options="--elastance none",
        remarks="there is no elastance then: the saturated LTC",
    ),
    SupportRow(
        source="LRC cell, clocked",
        formats=_FORMATS,
        becomes="lrcu",
        options="--clocked --dt; --elastance asymmetric",
        remarks="the explicit solver with one unfold, step for step; a cell trained with the "
        "hybrid solver has another step, so read it without --clocked",
    ),
    _NO_GATE,
    _MAPPED_STATE,
    _AUTONOMOUS_STEP,
    _SATURATED_STEP,
    _UNFOLDED_STEP,
)

_PROGRAM = "an LRC cell"
_NEURON = ("gleak", "vleak")
_SYNAPSE = ("sigma", "mu", "w", "h")
_SENSORY = tuple(f"sensory_{name}" for name in _SYNAPSE)
_MAPPING = ("elastance_mapping.kernel", "elastance_mapping.bias")
_INPUT_MAP = ("input_w", "input_b")
_OUTPUT_MAP = ("output_w", "output_b")


def is_lrc(arrays: Arrays) -> bool:
    """Whether the tensors are those of an LRC cell; an ncps LTC has cm and erev instead of h."""
    return has_parts(arrays, "gleak", "vleak", "sigma", "mu", "h") and not has_parts(arrays, "cm")


def lrc_from_keras(
    arrays: Arrays,
    *,
    elastance: str | None = None,
    clocked: bool | None = None,
    dt: float | None = None,
    unfolds: int | None = None,
) -> Lrc | Stc | Lrcu:
    """Read the weights of an LRC cell.

    Parameters
    ----------
    elastance : {"asymmetric", "symmetric", "none"}
        Required where the file has no ``distr_shift``, which only the symmetric cell has.
    clocked : bool, optional
        The explicit solver's step, as LRCU.
    dt : float
        Elapsed time of one step; required for the clocked reading, a remark for the other.
    unfolds : int, optional
        Solver steps per step; only 1 has a clocked circuit.

    Raises
    ------
    ModelError
        If an option is missing or contradicts the tensors, or one of them is missing, left over
        or of a wrong shape.
    """
    own = own_tensors(arrays, "gleak", _PROGRAM)
    if "tau" in own:
        raise _NO_GATE.refusal("the file has tau")
    kind = _elastance(own, elastance)
    driven = any(name.startswith("sensory_") for name in own)
    _check(own, kind, driven=driven)
    step = _step(clocked=bool(clocked), dt=dt, unfolds=unfolds, kind=kind, driven=driven)
    if not driven:
        _refuse_mapped_state(own)
    fields = _synapses(own, driven=driven) | _maps(own, driven=driven)
    if kind == "none":
        return Stc(**fields, dt=step)
    fields |= _elastance_fields(own, kind, driven=driven)
    family = Lrcu if clocked else Lrc
    return family(**fields, dt=step)


def _elastance(own: Arrays, said: str | None) -> str:
    """Which elastance the cell has: what the file proves or the user says."""
    if said not in (None, "none", *ELASTANCES):
        raise ModelError(f"elastance must be asymmetric, symmetric or none, got {said!r}")
    if "distr_shift" in own:
        if said not in (None, "symmetric"):
            raise ModelError(f"the file has distr_shift, so its elastance is symmetric, not {said}")
        return "symmetric"
    if said is None:
        mapped = _MAPPING[0] in own
        raise ModelError(
            "the file does not record its elastance_type; give --elastance "
            + ("asymmetric" if mapped else "none (there is no elastance_mapping: family stc)")
        )
    return said


def _step(
    *, clocked: bool, dt: float | None, unfolds: int | None, kind: str, driven: bool
) -> float | None:
    """The step to record in the model."""
    if not clocked:
        if unfolds is not None:
            raise ModelError("--unfolds does not matter to the differential equation; leave it out")
        return dt
    if not driven:
        raise _AUTONOMOUS_STEP.refusal("--clocked")
    if kind == "none":
        raise _SATURATED_STEP.refusal("--clocked")
    if unfolds not in (None, 1):
        raise _UNFOLDED_STEP.refusal(f"--unfolds {unfolds}")
    if dt is None:
        raise ModelError("dt is missing: the file does not record it; give --dt (1 is its default)")
    return dt


def _check(own: Arrays, kind: str, *, driven: bool) -> None:
    required = [*_NEURON, *_SYNAPSE]
    if driven:
        required += _SENSORY
    if kind != "none":
        required += _MAPPING
    if kind == "symmetric":
        required.append("distr_shift")
    check_names(own, required, (*_INPUT_MAP, *_OUTPUT_MAP), f"{_PROGRAM} with elastance {kind}")
    n = own["gleak"].size
    m = own["sensory_w"].shape[0] if driven and own["sensory_w"].ndim == 2 else 0
    inputs = m if driven else n
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*_NEURON, "distr_shift", _MAPPING[1]), (n,))
    shapes |= dict.fromkeys(_SYNAPSE, (n, n)) | dict.fromkeys(_SENSORY, (m, n))
    shapes |= dict.fromkeys(_INPUT_MAP, (inputs,)) | dict.fromkeys(_OUTPUT_MAP, (n,))
    shapes[_MAPPING[0]] = (m + n, n)
    check_shapes(own, shapes)


def _refuse_mapped_state(own: Arrays) -> None:
    """The autonomous cell's maps must change nothing: the program applies one to the state."""
    for name in (*_INPUT_MAP, *_OUTPUT_MAP):
        neutral = 1.0 if name.endswith("_w") else 0.0
        if name in own and np.any(own[name] != neutral):
            raise _MAPPED_STATE.refusal(f"{name} is not all {neutral:g}")


def _synapses(own: Floats, *, driven: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"g_leak": own["gleak"], "e_leak": own["vleak"]}
    for prefix, suffix in (("", ""), ("sensory_", "_in")) if driven else (("", ""),):
        slope = own[f"{prefix}sigma"].T
        fields[f"slope{suffix}"] = slope
        fields[f"offset{suffix}"] = -slope * own[f"{prefix}mu"].T
        fields[f"g_syn{suffix}"] = own[f"{prefix}w"].T
        fields[f"k_syn{suffix}"] = own[f"{prefix}h"].T
    return fields


def _maps(own: Floats, *, driven: bool) -> dict[str, Any]:
    if not driven:
        return {}
    scale: NDArray[np.float64] | None = own.get("output_w")
    return {
        "in_scale": own.get("input_w"),
        "in_bias": own.get("input_b"),
        "w_out": None if scale is None else np.diag(scale),
        "b_out": own.get("output_b"),
    }


def _elastance_fields(own: Floats, kind: str, *, driven: bool) -> dict[str, Any]:
    """Rows of the kernel belong to the inputs first, then to the states."""
    kernel = own[_MAPPING[0]].T
    m = kernel.shape[1] - kernel.shape[0]
    return {
        "w_elast": kernel[:, m:],
        "w_elast_in": kernel[:, :m] if driven else None,
        "b_elast": own[_MAPPING[1]],
        "k_elast": own.get("distr_shift"),
        "elastance": kind,
    }
