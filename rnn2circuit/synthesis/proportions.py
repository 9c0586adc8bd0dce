"""Proportions of a linear network: how far each state moves, and how large its capacitor is."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from scipy.linalg import expm, solve_continuous_lyapunov

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.passivity import passivate

CapacitorChoice: TypeAlias = Literal["free", "equal", "passive", "noise"]
SwingChoice: TypeAlias = Literal["none", "l2", "peak"]

PEAK_TIME = 40.0  # slowest time constants that the peak gain is integrated over
PEAK_STEPS = 20_000  # of that integral, at least; up to twenty times as many for fast modes
STILL = 1e-9  # of the largest swing: a state that moves less keeps the size of the largest


def state_swing(model: Linear, choice: SwingChoice, *, input_range: float = 1.0) -> Vector:
    """How far each state moves, model units, shape (n,).

    ``l2``: rms under white noise (square root of the controllability Gramian's diagonal), of
    which the proportions count: the largest is 1. ``peak``: the largest value under any inputs
    within ``|u| <= input_range``, guaranteed (the L1 norm of the impulse
    response), plus what the decay from x0 adds.

    Raises
    ------
    UsageError
        If there is no such choice, or the range is not positive.
    NotRealizableError
        If the network is not stable, so that no bound exists, or nothing moves.
    """
    if choice not in get_args(SwingChoice):
        raise UsageError(f"swing must be one of {', '.join(get_args(SwingChoice))}, got {choice!r}")
    if not (np.isfinite(input_range) and input_range > 0):
        raise UsageError(f"the input range must be positive, got {input_range!r}")
    n = model.n_states
    if choice == "none":
        return np.ones(n)
    poles = np.linalg.eigvals(model.a)
    if float(poles.real.max()) >= 0:
        raise NotRealizableError(
            "swing cannot be equalized: the network is not stable, so a state may grow without "
            "bound; use swing none, or a strategy that shifts the spectrum"
        )
    x0 = model.initial_state
    b = np.zeros((n, 0)) if model.b is None else model.b
    if choice == "l2":
        drive = np.column_stack([b, x0])
        moves = np.sqrt(
            np.maximum(np.diag(solve_continuous_lyapunov(model.a, -drive @ drive.T)), 0)
        )
    else:
        moves = _peaks(model.a, b * input_range, x0, float(-poles.real.max()))
    largest = float(moves.max())
    if not largest > 0:
        raise NotRealizableError(
            "swing cannot be equalized: no state moves; give the network inputs or an x0"
        )
    moves = np.where(moves > STILL * largest, moves, largest)
    return moves / largest if choice == "l2" else moves


def _peaks(a: Matrix, b: Matrix, x0: Vector, slowest: float) -> Vector:
    """``sum_j int |e^(At) b_j| dt + max_t |e^(At) x0|`` by the trapezoidal rule."""
    step = PEAK_TIME / slowest / PEAK_STEPS
    fast = 0.05 / max(float(np.linalg.norm(a, 2)), 1e-300)
    count = int(min(max(PEAK_STEPS, PEAK_TIME / slowest / fast), 20 * PEAK_STEPS))
    step = PEAK_TIME / slowest / count
    move = expm(step * a)
    now = np.column_stack([b, x0])
    total, peak = np.abs(now[:, :-1]).sum(axis=1) / 2, np.abs(x0)
    for _ in range(count):
        now = move @ now
        total = total + np.abs(now[:, :-1]).sum(axis=1)
        peak = np.maximum(peak, np.abs(now[:, -1]))
    return step * total + peak


def capacitor_ratios(model: Linear, choice: CapacitorChoice, swing: Vector) -> Vector | None:
    """Relative capacitances, or None where they are free.

    ``passive``: ``d_k s_k^2`` of `passivity.passivate`. ``noise``: the distribution of a given
    total capacitance with the least output noise, ``sqrt(α_k W_kk)`` in scaled states, with
    ``α_k`` the sum of row k of |A| and |B| and W the observability Gramian (G. Groenewold,
    "The design of high dynamic range continuous-time integratable bandpass filters", IEEE
    Transactions on Circuits and Systems 38(8), 1991).

    Raises
    ------
    UsageError
        If there is no such choice.
    NotRealizableError
        If the network cannot be passive, or is not stable (`noise`).
    """
    if choice not in get_args(CapacitorChoice):
        known = ", ".join(get_args(CapacitorChoice))
        raise UsageError(f"capacitors must be one of {known}, got {choice!r}")
    if choice == "free":
        return None
    if choice == "equal":
        return np.ones(model.n_states)
    if choice == "passive":
        verdict = passivate(model.a)
        if verdict.d is None:
            raise NotRealizableError(
                f"no capacitors make this network passive: it is {verdict.status}, and needs at "
                f"least {verdict.scaled_negative_resistors} negative resistor(s) in these "
                "coordinates; try another strategy (balanced and ladder are passive)"
            )
        return verdict.d * swing**2
    alpha, w = _noise_weights(model, swing)
    ratio = np.sqrt(alpha * w)
    return np.maximum(ratio, STILL * float(ratio.max()))


def _noise_weights(model: Linear, swing: Vector) -> tuple[Vector, Vector]:
    """α_k and W_kk of the scaled states."""
    if float(np.linalg.eigvals(model.a).real.max()) >= 0:
        raise NotRealizableError(
            "capacitors cannot be chosen for least noise: the network is not stable"
        )
    a = model.a * swing / swing[:, None]
    alpha = np.abs(a).sum(axis=1)
    if model.b is not None:
        alpha = alpha + np.abs(model.b / swing[:, None]).sum(axis=1)
    w_out = np.eye(model.n_states) if model.w_out is None else model.w_out
    c = w_out * swing
    w = solve_continuous_lyapunov(a.T, -c.T @ c)
    return alpha, np.diag(w).astype(np.float64)
