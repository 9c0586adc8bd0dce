"""The program behind an ``ncps`` LTC: the step its fused solver makes, in NumPy.

The file of an LTC becomes a differential equation; what was trained is a discrete program that
approximates it. This is that program, for whoever compares the two.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic
from rnn2circuit.models.ltc import Ltc

EPSILON = 1e-8  # the package's default, which keeps its division from dividing by zero


def ltc_fused_step(
    model: Ltc,
    x: ArrayLike,
    u: ArrayLike,
    *,
    unfolds: int,
    elapsed: float = 1.0,
    epsilon: float = EPSILON,
) -> NDArray[np.float64]:
    r"""The state after one step of the package's ``LTCCell``.

    The input is held over the step, which is made of `unfolds` semi-implicit Euler steps of
    ``h = elapsed / unfolds``: the gates q are taken at the old state, the state in the driving
    forces at the new one,

    .. math:: x_i \leftarrow \frac{c_{m,i} x_i / h + g_{leak,i} e_{leak,i} + \sum g q e_{rev}}
                                  {c_{m,i} / h + g_{leak,i} + \sum g q + \epsilon}

    Parameters
    ----------
    x : array_like, shape (..., n)
    u : array_like, shape (..., m)
        Raw inputs of this step, before the input map.
    unfolds : int
        ``ode_unfolds`` of the program, 6 by default there.
    elapsed : float
        Model time that the step stands for (``elapsed_time``, ``timespans``).
    epsilon : float
        Added to every denominator; 1e-8 by default there.

    Returns
    -------
    ndarray, shape (..., n)

    Raises
    ------
    ModelError
        If the model has gap junctions, which the package does not know, or an option is not
        positive.

    References
    ----------
    R. Hasani et al., "Liquid time-constant networks", AAAI 2021, algorithm 1 (fused step).
    """
    _check(model, unfolds, elapsed, epsilon)
    folded = model.without_input_map()
    state, u = np.asarray(x, dtype=np.float64), np.asarray(u, dtype=np.float64)
    constant, held = _input_synapses(folded, u)
    constant = constant + folded.g_leak * folded.e_leak
    inertia = folded.c_m / (elapsed / unfolds)
    held = held + inertia + folded.g_leak
    for _ in range(unfolds):
        gate = folded.g_syn * logistic(folded.slope * state[..., None, :] + folded.offset)
        drive = inertia * state + (gate * folded.e_rev).sum(-1) + constant
        state = drive / (gate.sum(-1) + held + epsilon)
    return state


def _input_synapses(
    model: Ltc, u: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``Σ g q e_rev`` and ``Σ g q`` over the inputs, each (..., n)."""
    if (
        model.g_syn_in is None
        or model.slope_in is None
        or model.offset_in is None
        or model.e_rev_in is None
    ):
        none = np.zeros((*u.shape[:-1], model.n_states))
        return none, none
    gate = model.g_syn_in * logistic(model.slope_in * u[..., None, :] + model.offset_in)
    return (gate * model.e_rev_in).sum(-1), gate.sum(-1)


def _check(model: Ltc, unfolds: int, elapsed: float, epsilon: float) -> None:
    if model.g_gap is not None:
        raise ModelError(
            "g_gap is given: the fused solver of ncps knows no gap junctions, so this network "
            "has no such program"
        )
    if unfolds != int(unfolds) or unfolds < 1:
        raise ModelError(f"unfolds must be a positive whole number, got {unfolds!r}")
    if not (np.isfinite(elapsed) and elapsed > 0):
        raise ModelError(f"elapsed must be positive, got {elapsed!r}")
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise ModelError(f"epsilon must be zero or positive, got {epsilon!r}")
