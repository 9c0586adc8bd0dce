"""What every correct waveform obeys, whatever the reference says: bounds, descent, contraction.

Each check looks at simulated states alone, and at the weights, which say what holds. Where no
theorem applies there is no check.
"""

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models import (
    Energy,
    GruOde,
    HodgkinHuxley,
    Lem,
    LemCell,
    LemTwoScale,
    Lrc,
    Ltc,
    Stc,
)
from rnn2circuit.models.activations import logistic
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.verify.checks import Check, measured

BOUNDS = 1e-4  # limit, parts of the allowed interval: the default accuracy of a waveform
TIME_CONSTANT = 1e-5  # limit, parts of the largest rate: that of the step residual
DESCENT = 1e-6  # limit, parts of the energy's range: what a time step of finite length may undo
LIPSCHITZ = 1.0 + 1e-3  # limit of a ratio that is at most 1
RESOLVED = 1e-6  # of a state's largest rate: smaller changes of rate are rounding

Interval = tuple[Vector | float, Vector | float]


def check_invariants(
    model: AbstractNetwork, t: Vector, x: Matrix, u: NDArray[np.float64]
) -> list[Check]:
    """The invariants of a family on a simulated run.

    Parameters
    ----------
    t : ndarray, shape (k,)
        Model time units; of a clocked cell, the number of steps done.
    x : ndarray, shape (k, n)
        States, in model units.
    u : ndarray, shape (k, m)
        Raw inputs.
    """
    if len(t) < 3:
        return []
    model = model.without_input_map()
    found = _bounded(model, t, x, u)
    if isinstance(model, Ltc):
        found.append(_time_constants(model, t, x, u))
    elif isinstance(model, Energy):
        found += _descent(model, x)
    elif isinstance(model, Stc | Lrc):
        found.append(_contraction(model, t, x, u))
    return found


def _bounded(model: AbstractNetwork, t: Vector, x: Matrix, u: NDArray[np.float64]) -> list[Check]:
    """States stay in the interval that their equations cannot leave, if they start in it."""
    interval = _interval(model, t, u)
    if interval is None:
        return []
    low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), x.shape) for end in interval)
    start = model.initial_state
    if bool(np.any((start < low[0]) | (start > high[0]))):
        return []
    width = (high - low).max(axis=0)
    width = np.where(np.isfinite(width) & (width > 0), width, 1.0)
    excess = np.maximum(np.maximum(low - x, x - high), 0.0) / width
    worst = np.where(np.isnan(excess), np.inf, excess)
    k, i = np.unravel_index(int(np.argmax(worst)), x.shape)
    return [
        measured(
            "invariant.bounds",
            "how far states leave the interval they cannot leave, parts of it",
            float(worst[k, i]),
            BOUNDS,
            detail=f"x{i + 1} at t = {t[k]:.6g}: {x[k, i]:.8g}, "
            f"allowed {low[k, i]:.8g} to {high[k, i]:.8g}",
            per_state=tuple(worst.max(axis=0).tolist()),
        )
    ]


def _interval(model: AbstractNetwork, t: Vector, u: NDArray[np.float64]) -> Interval | None:
    """Lowest and highest states, each broadcast to (k, n); None where nothing is known."""
    match model:
        case Ltc():
            return _potentials(model)
        case Lem() | LemTwoScale() | GruOde():
            return -1.0, 1.0  # x' = a (s - x) with a >= 0 and |s| <= 1
        case LemCell():
            # Rusch et al. (2022), eq. 4, for steps of at most 1 from a start at zero.
            step = model.time_step
            if step > 1.0 or bool(np.any(model.initial_state)):
                return None
            grown = (1.0 + step) / np.sqrt(2.0 - step) * np.sqrt(step * t)[:, None]
            return -np.minimum(1.0, grown), np.minimum(1.0, grown)
        case HodgkinHuxley():
            return _membranes(model, u)
        case _:
            return None


def _potentials(model: Ltc) -> Interval:
    """Hasani et al. (2018), theorem 2: per neuron, or of all that gap junctions may join."""
    columns = [model.e_leak[:, None], np.where(model.g_syn > 0, model.e_rev, np.nan)]
    if model.g_syn_in is not None and model.e_rev_in is not None:
        columns.append(np.where(model.g_syn_in > 0, model.e_rev_in, np.nan))
    all_of_them = np.hstack(columns)
    low, high = np.nanmin(all_of_them, axis=1), np.nanmax(all_of_them, axis=1)
    if model.g_gap is not None and bool(np.any(model.g_gap)):
        return float(low.min()), float(high.max())
    return low, high


def _membranes(model: HodgkinHuxley, u: NDArray[np.float64]) -> Interval:
    """Gates from 0 to 1; voltages between the potentials where no current is injected."""
    n = model.n_membranes
    low, high = np.zeros(model.n_states), np.ones(model.n_states)
    potentials = np.concatenate([model.e_na, model.e_k, model.e_leak])
    driven = model.w_in is not None and bool(np.any(u @ model.w_in.T))
    driven = driven or (model.bias is not None and bool(np.any(model.bias)))
    low[:n], high[:n] = (-np.inf, np.inf) if driven else (potentials.min(), potentials.max())
    return low, high


def _time_constants(model: Ltc, t: Vector, x: Matrix, u: NDArray[np.float64]) -> Check:
    """Hasani et al. (2018), theorem 1: ``c_m / (g_leak + Σ g_syn + Σ g_gap) <= tau <= ..``.

    Measured: where a neuron stays on one side of the voltage it is pulled to, its rate is the
    distance over the time constant, which bounds the rate from both sides.
    """
    synapses = [(model.g_syn, model.slope, model.offset, model.e_rev, x)]
    parts = (model.g_syn_in, model.slope_in, model.offset_in, model.e_rev_in)
    g_in, slope_in, offset_in, e_in = parts
    if g_in is not None and slope_in is not None and offset_in is not None and e_in is not None:
        synapses.append((g_in, slope_in, offset_in, e_in, u))
    gap = np.zeros((model.n_states,) * 2) if model.g_gap is None else model.g_gap.copy()
    np.fill_diagonal(gap, 0.0)
    least = model.g_leak + gap.sum(1)
    most = least + sum(g.sum(1) for g, *_ in synapses)
    total, pull = np.tile(least, (len(x), 1)), model.g_leak * model.e_leak + x @ gap.T
    for g, slope, offset, e_rev, source in synapses:
        open_now = g * logistic(slope * source[:, None, :] + offset)
        total = total + open_now.sum(-1)
        pull = pull + (open_now * e_rev).sum(-1)
    away = pull / total - x
    near = np.minimum(np.abs(away[1:]), np.abs(away[:-1]))
    far = np.maximum(np.abs(away[1:]), np.abs(away[:-1]))
    rate = np.diff(x, axis=0) / np.diff(t)[:, None] * np.sign(away[1:])
    one_sided = away[1:] * away[:-1] > 0
    excess = np.maximum(near * least / model.c_m - rate, rate - far * most / model.c_m)
    scale = np.maximum(np.abs(rate).max(axis=0), np.finfo(float).tiny)
    excess = np.where(one_sided, np.maximum(excess, 0.0), 0.0) / scale
    k, i = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return measured(
        "invariant.time_constant",
        "rates beyond the bounds of the time constants, parts of the largest rate",
        float(excess[k, i]),
        TIME_CONSTANT,
        detail=f"x{i + 1} in the step that ends at t = {t[k + 1]:.6g}; its time constant lies "
        f"between {model.c_m[i] / most[i]:.6g} and {model.c_m[i] / least[i]:.6g}",
        per_state=tuple(excess.max(axis=0).tolist()),
    )


def _half_square(v: Matrix) -> Matrix:
    return 0.5 * v * v


def _log_cosh(v: Matrix) -> Matrix:
    return np.logaddexp(v, -v)


def _softplus(v: Matrix) -> Matrix:
    return np.logaddexp(0.0, v)


_LAGRANGIANS = {"tanh": _log_cosh, "logistic": _softplus, "identity": _half_square}
_STEEPEST = {"tanh": 1.0, "logistic": 0.25, "identity": 1.0}
_SIGMAS = {"tanh": np.tanh, "logistic": logistic, "identity": np.copy}


def _descent(model: Energy, x: Matrix) -> list[Check]:
    """The energy of eq. 2 never rises; claimed where it is proved, and nowhere else.

    Without transitions, ``E = V_f·F - L_f + V_h·H - L_h - a FᵀΞH``. With ``Φ = φ I`` and a delay
    short enough, ``|φ α_c| tau_d |Ξ| <= 2 sqrt(α tau_f tau_h / (l_f l_h))`` with
    ``α = 1 + φ α_c / a > 0`` and l the steepest slopes, the same with F terms weighted by α and
    ``(α tau_f tau_d / l_f) |V_d'|²`` added. Cyclic and general transitions are meant to move on.
    """
    weight, lag = _lyapunov_weights(model)
    if weight is None:
        return []
    n_f, n_h = model.xi.shape
    v_f, v_h, v_d = np.split(x, [n_f, n_f + n_h], axis=1)
    f, h = _SIGMAS[model.sigma_f](v_f), _SIGMAS[model.sigma_h](v_h)
    energy = weight * (v_f * f - _LAGRANGIANS[model.sigma_f](v_f)).sum(1)
    energy += (v_h * h - _LAGRANGIANS[model.sigma_h](v_h)).sum(1)
    energy -= weight * np.sqrt(model.alpha_s) * np.einsum("ki,ij,kj->k", f, model.xi, h)
    energy += lag * (((f - v_d) / model.tau_d) ** 2).sum(1)
    span = float(np.ptp(energy))
    rise = np.diff(energy) / (span if span > 0 else 1.0)
    k = int(np.argmax(rise))
    return [
        measured(
            "invariant.energy",
            "largest rise of the energy in one step, parts of its range",
            max(0.0, float(rise[k])),
            DESCENT,
            detail=f"step {k + 1}: from {energy[k]:.10g} to {energy[k + 1]:.10g}",
        )
    ]


def _lyapunov_weights(model: Energy) -> tuple[float | None, float]:
    """Weight α of the feature terms and factor of ``|V_d'|²``; None where nothing is proved."""
    if model.alpha_c == 0.0 or not bool(np.any(model.phi)):
        return 1.0, 0.0
    phi = float(model.phi[0, 0])
    if model.alpha_s == 0.0 or bool(np.any(model.phi != phi * np.eye(len(model.phi)))):
        return None, 0.0
    alpha = 1.0 + model.alpha_c * phi / np.sqrt(model.alpha_s)
    slopes = _STEEPEST[model.sigma_f], _STEEPEST[model.sigma_h]
    delay = abs(model.alpha_c * phi) * model.tau_d * float(np.linalg.norm(model.xi, 2))
    if alpha <= 0 or delay > 2.0 * np.sqrt(alpha * model.tau_f * model.tau_h / np.prod(slopes)):
        return None, 0.0
    return alpha, alpha * model.tau_f * model.tau_d / slopes[0]


def _contraction(model: Stc | Lrc, t: Vector, x: Matrix, u: NDArray[np.float64]) -> Check:
    """Rates change no faster than the Lipschitz bound of Farsang et al. (2024), eqs. 23 and 28.

    Between two steps a rate may change by ``Σ_j L_ij |Δy_j|`` at most, over states and inputs.
    """
    bound = model.rate_bounds(np.abs(x).max(axis=0))
    y = np.hstack([x, u])
    spread = np.ptp(np.stack([y[:-2], y[1:-1], y[2:]]), axis=0)
    rate = np.diff(x, axis=0) / np.diff(t)[:, None]
    floor = RESOLVED * np.maximum(np.abs(rate).max(axis=0), np.finfo(float).tiny)
    ratio = np.abs(np.diff(rate, axis=0)) / (spread @ bound.T + floor)
    k, i = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return measured(
        "invariant.lipschitz",
        "change of a rate over what the Lipschitz bound allows",
        float(ratio[k, i]),
        LIPSCHITZ,
        detail=f"x{i + 1} at t = {t[k + 1]:.6g}",
        per_state=tuple(ratio.max(axis=0).tolist()),
    )
