"""The differential equations of GRU-ODE-Bayes (torch), as GRU-ODE with the reset before the matrix.

GRUODECell has no reset gate of its own, its update gate z resets too:

    z = logistic(lin_xz(x) + lin_hz(h)),  n = tanh(lin_xn(x) + lin_hn(z h)),  h' = (1 - z)(n - h)

In the family's terms r = z and f = 1 - z = logistic(-(..)), so W_r = lin_hz and W_f = -lin_hz.
FullGRUODECell has three gates, chunks (r, z, h) of lin_x, and ``n = tanh(.. + lin_hh(r h))``. The
autonomous cells are the same without x.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.gru_ode import GruOde
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
        source="GRU-ODE-Bayes GRUODECell, FullGRUODECell and their autonomous forms",
        formats=".pt .safetensors .npz",
        becomes="gru_ode, reset before",
        remarks="a differential equation already: no --dt. Save the state_dict of the cell "
        "(model.gru_c), without the observation cell and the probability model",
    ),
)

_PROGRAM = "a GRU-ODE-Bayes cell"


def is_gru_ode_bayes(arrays: Arrays) -> bool:
    """Whether the tensors are those of one of the cells."""
    return has_parts(arrays, "lin_hz.weight")


def gru_ode_from_bayes(arrays: Arrays) -> GruOde:
    """Read the ``state_dict`` of one cell.

    Raises
    ------
    ModelError
        If a tensor is missing, left over or of a wrong shape.
    """
    own = own_tensors(arrays, "lin_hz.weight", _PROGRAM)
    return _full(own) if "lin_hr.weight" in own or "lin_hh.weight" in own else _tied(own)


def _tied(own: Floats) -> GruOde:
    """GRUODECell: its gates are the update z and the candidate n."""
    driven = any(name.startswith("lin_x") for name in own)
    hidden = {"z": "lin_hz", "n": "lin_hn"}
    inputs = {"z": "lin_xz", "n": "lin_xn"} if driven else {}
    names = [f"{layer}.weight" for layer in (*hidden.values(), *inputs.values())]
    biases = [name.replace("weight", "bias") for name in names]
    check_names(own, names, biases, _PROGRAM)
    n = len(own["lin_hz.weight"])
    w = {gate: own[f"{layer}.weight"] for gate, layer in hidden.items()}
    w_in = {gate: own[f"{layer}.weight"] for gate, layer in inputs.items()}
    m = np.shape(w_in["z"])[-1] if driven else 0
    _check(own, n, [(name, (n, m if "lin_x" in name else n)) for name in names])
    b = {gate: _bias(own, hidden[gate], inputs.get(gate)) for gate in hidden}
    return _build(w, w_in, b, reset="z", candidate="n")


def _full(own: Floats) -> GruOde:
    """FullGRUODECell: the gates r, z and the candidate h."""
    driven = "lin_x.weight" in own or "lin_x.bias" in own
    names = [f"lin_h{gate}.weight" for gate in "rzh"]
    optional = [name.replace("weight", "bias") for name in names]
    if driven:
        names.append("lin_x.weight")
        optional.append("lin_x.bias")
    check_names(own, names, optional, _PROGRAM)
    n = len(own["lin_hz.weight"])
    m = np.shape(own["lin_x.weight"])[-1] if driven else 0
    shapes: list[tuple[str, tuple[int, ...]]] = [(name, (n, n)) for name in names[:3]]
    _check(own, n, [*shapes, ("lin_x.weight", (3 * n, m)), ("lin_x.bias", (3 * n,))])
    if driven:  # torch.chunk: r, z, h
        for suffix in ("weight", "bias"):
            if f"lin_x.{suffix}" in own:
                parts = np.split(own[f"lin_x.{suffix}"], 3)
                own |= {f"lin_x{gate}.{suffix}": p for gate, p in zip("rzh", parts, strict=True)}
    w = {gate: own[f"lin_h{gate}.weight"] for gate in "rzh"}
    w_in = {gate: own[f"lin_x{gate}.weight"] for gate in "rzh"} if driven else {}
    b = {gate: _bias(own, f"lin_h{gate}", f"lin_x{gate}") for gate in "rzh"}
    return _build(w, w_in, b, reset="r", candidate="h")


def _check(own: Arrays, n: int, shapes: list[tuple[str, tuple[int, ...]]]) -> None:
    if own["lin_hz.weight"].ndim != 2:
        raise ModelError(f"lin_hz.weight must be a matrix, got {own['lin_hz.weight'].shape}")
    biases = {name: (n,) for name in own if name.endswith(".bias")}
    check_shapes(own, biases | dict(shapes))


def _bias(own: Floats, *layers: str | None) -> NDArray[np.float64] | None:
    """The sum of the biases of both layers, where there are any."""
    found = [own[f"{layer}.bias"] for layer in layers if f"{layer}.bias" in own]
    return np.sum(found, axis=0) if found else None


def _build(
    w: Floats,
    w_in: Floats,
    b: dict[str, NDArray[np.float64] | None],
    *,
    reset: str,
    candidate: str,
) -> GruOde:
    """``f = 1 - z``: the update gate with all its signs turned."""
    fields: dict[str, Any] = {
        "w_f": -w["z"],
        "w_r": w[reset],
        "w_u": w[candidate],
        "b_f": None if b["z"] is None else -b["z"],
        "b_r": b[reset],
        "b_u": b[candidate],
    }
    if w_in:
        fields |= {"w_f_in": -w_in["z"], "w_r_in": w_in[reset], "w_u_in": w_in[candidate]}
    return GruOde(**fields, reset="before")
