"""LTC networks of the ncps package (torch), as LTC.

ncps stores synapses as [pre, post] and writes ``σ(sigma (v - mu))``; here they are transposed,
``slope = sigma`` and ``offset = -sigma mu``. With ``implicit_param_constraints`` the tensors w,
sensory_w, cm and gleak pass through softplus; the file does not say whether they do. The fused
solver's step is a discretization of

    cm v' = gleak (vleak - v) + Σ w σ(sigma (v_pre - mu)) (erev - v) + the same over inputs

with one model time unit per elapsed_time = 1, which is what is returned; the step itself is
`rnn2circuit.models.ncps_program.ltc_fused_step`. Neurons come motor first, so the outputs are the
first states. Without an output mapping the file does not say how many they are, and all states
are outputs.

CfC networks of the same package are recognised and refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.ltc import Ltc
from rnn2circuit.models.support import SupportRow

Arrays = Mapping[str, NDArray[Any]]
_NEURON = ("gleak", "vleak", "cm")
_SYNAPSE = ("w", "sigma", "mu", "erev", "sparsity_mask")
_SENSORY = tuple(f"sensory_{name}" for name in _SYNAPSE)
_MAPS = ("input_w", "input_b", "output_w", "output_b")
ELAPSED_TIME = 1.0  # the package's default, of one step
_POSITIVE = ("w", "sensory_w", "cm", "gleak")
_SOFTPLUS_IS_LINEAR = 20.0  # torch's softplus returns its argument above this threshold

SUPPORT: tuple[SupportRow, ...] = (
    SupportRow(
        source="ncps (torch) LTC, LTCCell",
        formats=".pt .pth .safetensors",
        becomes="ltc",
        options="--ncps-parameters softplus or raw; --unfolds, to compare with the program",
        remarks="masked synapses are absent; input and output mappings are kept; motor neurons "
        "come first; one model time unit is elapsed_time = 1",
    ),
    SupportRow(
        source="ncps (torch) LTC with mixed_memory=True",
        formats=".pt .pth .safetensors",
        becomes="refused",
        options="",
        remarks="an LSTM runs before each LTC step, and the pair has no differential equation; "
        "train with mixed_memory=False",
    ),
    SupportRow(
        source="ncps (torch) CfC, CfCCell, wired CfC",
        formats=".pt .pth .safetensors",
        becomes="refused",
        options="",
        remarks="a discrete map whose time span is an input of every step: it has no unique "
        "differential equation, and no family of cells is that map; train an LTC of the same "
        "wiring, or an nn.GRU (--clocked)",
    ),
    SupportRow(
        source="ncps (Keras) LTC, CfC",
        formats=".keras .weights.h5",
        becomes="refused",
        options="",
        remarks="its sparsity masks are not among the weights; train the torch LTC of the same "
        "wiring",
    ),
)


def is_ncps_ltc(arrays: Arrays) -> bool:
    """Whether the tensors are those of an ncps LTC or LTCCell."""
    return any(name.split(".")[-1] == "gleak" for name in arrays) and any(
        name.split(".")[-1] == "sensory_sigma" for name in arrays
    )


def is_ncps_cfc(arrays: Arrays) -> bool:
    """Whether the tensors are those of an ncps CfC, wired or not."""
    own = {".".join(name.split(".")[-2:]) for name in arrays}
    return "ff1.weight" in own and (
        "time_a.weight" in own or any(name.split(".")[-1] == "w_tau" for name in arrays)
    )


def refuse_cfc(arrays: Arrays, **_options: object) -> NoReturn:
    """Say why a CfC has no circuit.

    Raises
    ------
    ModelError
        Always.
    """
    name = min(n for n in arrays if n.endswith("ff1.weight"))
    wired = any(part.startswith("layer_") for part in name.split("."))
    raise ModelError(
        f"tensor {name!r}: this is a {'wired ' if wired else ''}CfC of ncps. A CfC is a discrete "
        "map whose time span is an input of every step; it approximates no unique differential "
        "equation, and no family of cells is that map. Supported nearby: an ncps LTC of the same "
        "wiring, or an nn.GRU (--clocked)"
    )


def ltc_from_ncps(
    arrays: Arrays,
    *,
    ncps_parameters: str | None = None,
    unfolds: int | None = None,
    dt: float | None = None,
) -> Ltc:
    """Read the ``state_dict`` of an ncps ``LTC`` or ``LTCCell``.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Finite float64 tensors by name, as `rnn2circuit.models.io.load` checks them.
    ncps_parameters : {"softplus", "raw"}
        ``softplus`` if the network was built with ``implicit_param_constraints=True`` (the
        default of ``LTC``), ``raw`` if not (the default of ``LTCCell``).
    unfolds : int, optional
        ``ode_unfolds`` of the program, which is the fused solver; it does not change the
        equation.
    dt : float, optional
        ``elapsed_time`` of its step in model time units; 1, as there, where only `unfolds` is
        given.

    Raises
    ------
    ModelError
        If the option is missing, a tensor is missing, left over or of a wrong shape, or raw
        values are negative where a circuit needs positive ones.
    """
    prefix = min(n for n in arrays if n.split(".")[-1] == "gleak").removesuffix("gleak")
    p = {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}
    _check_names(arrays, p, prefix)
    if ncps_parameters not in ("softplus", "raw"):
        raise ModelError(
            "the file does not record whether w, sensory_w, cm and gleak pass through softplus; "
            "give --ncps-parameters softplus (LTC's default) or raw (LTCCell's default)"
            + ("" if ncps_parameters is None else f", got {ncps_parameters!r}")
        )
    n, m = _check_shapes(p)
    constrained = _constraint(p, ncps_parameters)
    w, w_in = constrained("w") * p["sparsity_mask"], constrained("sensory_w")
    w_in = w_in * p["sensory_sparsity_mask"]
    slope, slope_in = p["sigma"].T, p["sensory_sigma"].T
    inputs: dict[str, Any] = {}
    if m:
        inputs = {
            "g_syn_in": w_in.T,
            "slope_in": slope_in,
            "offset_in": -slope_in * p["sensory_mu"].T,
            "e_rev_in": p["sensory_erev"].T,
            "in_scale": p.get("input_w"),
            "in_bias": p.get("input_b"),
        }
    w_out, b_out = _output_map(p, n)
    return Ltc(
        c_m=constrained("cm"),
        g_leak=constrained("gleak"),
        e_leak=p["vleak"],
        g_syn=w.T,
        slope=slope,
        offset=-slope * p["mu"].T,
        e_rev=p["erev"].T,
        w_out=w_out,
        b_out=b_out,
        unfolds=unfolds,
        dt=ELAPSED_TIME if dt is None and unfolds is not None else dt,
        **inputs,
    )


def _check_names(arrays: Arrays, own: Arrays, prefix: str) -> None:
    outside = [name for name in arrays if not name.startswith(prefix)]
    if any("lstm.input_map" in name for name in arrays):
        raise ModelError(
            "the network has mixed_memory: an LSTM runs before each LTC step, and the pair has no "
            "differential equation; train it with mixed_memory=False"
        )
    required = (*_NEURON, *_SYNAPSE, *_SENSORY)
    missing = [name for name in required if name not in own]
    if missing:
        raise ModelError(f"tensor {prefix + missing[0]!r} of the ncps LTC is missing")
    extra = [prefix + n for n in own if n not in (*required, *_MAPS)] + outside
    if extra:
        raise ModelError(f"tensor {min(extra)!r} is not part of an ncps LTC; nothing is dropped")


def _check_shapes(p: dict[str, NDArray[Any]]) -> tuple[int, int]:
    if p["sensory_w"].ndim != 2:
        raise ModelError(f"sensory_w must be a matrix, got shape {p['sensory_w'].shape}")
    n, m = p["gleak"].size, p["sensory_w"].shape[0]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_NEURON, (n,))
    shapes |= dict.fromkeys(_SYNAPSE, (n, n))
    shapes |= dict.fromkeys(_SENSORY, (m, n))
    shapes |= dict.fromkeys(("input_w", "input_b"), (m,))
    for name, shape in shapes.items():
        if name in p and p[name].shape != shape:
            raise ModelError(f"{name} must have shape {shape}, got {p[name].shape}")
    return n, m


def _constraint(
    p: Mapping[str, NDArray[np.float64]], mode: str
) -> Callable[[str], NDArray[np.float64]]:
    if mode == "softplus":
        return lambda name: _softplus(p[name])
    for name in _POSITIVE:
        # A masked synapse may hold anything: it does not exist.
        mask = {"w": "sparsity_mask", "sensory_w": "sensory_sparsity_mask"}.get(name)
        value = p[name] if mask is None else p[name] * p[mask]
        if np.any(value < 0):
            where = tuple(int(k) for k in np.argwhere(value < 0)[0])
            raise ModelError(
                f"{name}{list(where)} is {float(value[where])!r}, negative: either the network was "
                "built with softplus (--ncps-parameters softplus), or its weights were not clipped "
                "(apply_weight_constraints)"
            )
    for name, missing in (("cm", "capacitor"), ("gleak", "leak")):
        if np.any(p[name] == 0):
            raise ModelError(
                f"{name}[{int(np.argmin(p[name]))}] is 0, clipped there by "
                f"apply_weight_constraints: that neuron has no {missing}, and the family ltc needs "
                "one; clip at a small positive value instead"
            )
    return lambda name: p[name]


def _softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``log(1 + exp(x))`` as torch computes it."""
    return np.where(x > _SOFTPLUS_IS_LINEAR, x, np.logaddexp(0.0, x))


def _output_map(p: Arrays, n: int) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """``output_w * v[0:M] + output_b`` as a readout of all states."""
    parts = [p[name] for name in ("output_w", "output_b") if name in p]
    if not parts:
        return None, None
    count = parts[0].size
    if any(part.shape != (count,) for part in parts) or count > n:
        raise ModelError(
            f"output_w and output_b must have the shape of the motor neurons, got {count}"
        )
    w_out = np.zeros((count, n))
    w_out[np.arange(count), np.arange(count)] = p.get("output_w", np.ones(count))
    return w_out, p.get("output_b")
