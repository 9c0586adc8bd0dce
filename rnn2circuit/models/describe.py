"""What is in a model, for people: family, shapes, time constants."""

import numpy as np

from rnn2circuit.models.base import (
    AbstractModel,
    AbstractNetwork,
    arrays_of,
    strings_of,
    weights_sha256,
)
from rnn2circuit.models.lrc import Lrc
from rnn2circuit.models.stack import Stack
from rnn2circuit.models.stc import AbstractSaturated, Stc

MOST_TIME_CONSTANTS = 12  # listed in full; beyond, their extremes say more


def describe_model(model: AbstractNetwork, *, title: str) -> str:
    """A page of text on a model; ends in a newline."""
    equation = (type(model).__doc__ or "").strip().splitlines()[0]
    lines = [
        title,
        f"  family      {model.family}: {equation.strip('`. ').replace('``', '')}",
        f"  states      {model.n_states}",
        f"  inputs      {model.n_inputs}",
        f"  outputs     {model.n_outputs}" + ("" if model.has_readout else " (all states)"),
    ]
    if isinstance(model, Stack):
        lines += [
            f"  layer {k:<5} {layer.family}: {layer.n_inputs} inputs, {layer.n_states} states, "
            f"hands on {layer.n_handed_on}"
            for k, layer in enumerate(model.layers, start=1)
        ]
    strings = {k: text for k, text in strings_of(model).items() if not k.endswith("family")}
    lines += [f"  {key:<11} {text}" for key, text in strings.items()]
    if model.dt is not None:
        lines.append(f"  trained dt  {model.dt:g} model time units")
    if isinstance(model, AbstractModel):
        lines.append(_time_constants(model))
    if isinstance(model, Stc | Lrc):
        lines += _lipschitz(model)
    lines.append(f"  weights     sha256 {weights_sha256(model)}")
    lines.append("  fields")
    arrays = arrays_of(model)
    width = max(12, *(len(name) for name in arrays))
    for name, array in arrays.items():
        shape = " x ".join(str(k) for k in array.shape) or "scalar"
        used = int(np.count_nonzero(array))
        extent = f"{array.min():.4g} .. {array.max():.4g}" if array.size else "empty"
        lines.append(
            f"    {name:<{width}} {shape:<12} {extent:<28} {used} of {array.size} not zero"
        )
    return "\n".join(lines) + "\n"


def _lipschitz(model: Stc | Lrc) -> list[str]:
    """Norms of the bounds on ``∂x'/∂y``, of an LRC beside those of its STC."""
    model = model.without_input_map()
    # Where tanh(k) e_leak pulls to, and where the state starts.
    reach = np.maximum(np.abs(model.e_leak), np.abs(model.initial_state))
    own = float(np.linalg.norm(model.rate_bounds(reach), 2))
    head = f"  Lipschitz   {own:.4g} (bound of x' while |x| <= max(|e_leak|, |x0|))"
    if not isinstance(model, Lrc):
        return [head]
    plain = float(np.linalg.norm(AbstractSaturated.rate_bounds(model, reach), 2))
    said = "obey" if model.is_tamed else "do not obey"
    return [head, f"              {plain:.4g} without elastance; its weights {said} eq. 29"]


def _time_constants(model: AbstractModel) -> str:
    """Time constants of the single states, couplings left out, at the initial state."""
    own = -np.diag(model.jacobian(model.initial_state, np.zeros(model.n_inputs)))
    with np.errstate(divide="ignore"):
        tau = 1.0 / own
    if tau.size <= MOST_TIME_CONSTANTS:
        listed = ", ".join(f"{t:.4g}" for t in tau)
    else:
        listed = f"{tau.min():.4g} .. {tau.max():.4g}"
    return f"  time const  {listed} (of each state alone, model time units)"
