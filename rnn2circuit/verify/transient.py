"""Does the simulated circuit follow the ODE? Waveforms and single steps against the model.

The waveform comparison evaluates the reference at the simulator's own time points and judges
every state by its own range. The step residual asks more: each accepted step must satisfy the
trapezoidal or backward-Euler formula of the *model*, so that the simulator's discretization
error does not hide a wrong weight.
"""

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.verify.checks import Check, measured

WAVEFORM = 1e-3  # limit, in parts of each state's range
STEP = 1e-5  # limit of the step residual, in parts of each state's largest rate
SMALLEST_RANGE = 1e-3  # of the largest range: a state that hardly moves is judged by this
SMALLEST_RATE = 1e-6  # of the largest rate, likewise
ROUNDING = 16 * np.finfo(np.float64).eps  # of a recorded state, relative to its largest value
BATCH = 1 << 22  # array elements per batch of right-hand sides: bounds memory at n = 1000


def check_waveforms(
    t: Vector,
    x: Matrix,
    reference: ReferenceSolution,
    *,
    limit: float = WAVEFORM,
    until: float = np.inf,
) -> Check:
    """Largest deviation of any state up to the time `until`, in parts of its own range.

    Parameters
    ----------
    t : ndarray, shape (k,)
        The simulator's accepted time points, in model time units.
    x : ndarray, shape (k, n)
        States, in model units.
    """
    t, x = t[t <= until], x[t <= until]
    wanted = reference(t)
    error, i, k = deviation(x, wanted)
    return measured(
        "transient.states",
        "simulated states against the ODE, parts of range",
        float(error[i]),
        limit,
        detail=f"x{i + 1} at t = {t[k]:.6g}: circuit {x[k, i]:.8g}, ODE {wanted[k, i]:.8g}",
        per_state=tuple(error.tolist()),
    )


def check_outputs(
    t: Vector,
    y: Matrix,
    reference: ReferenceSolution,
    *,
    limit: float = WAVEFORM,
    until: float = np.inf,
) -> Check:
    """Largest deviation of any readout up to `until`, in parts of its range; `y` is (k, p)."""
    t, y = t[t <= until], y[t <= until]
    wanted = reference.outputs(t)
    error, i, k = deviation(y, wanted)
    return measured(
        "transient.outputs",
        "simulated readout against the ODE, parts of range",
        float(error[i]),
        limit,
        detail=f"y{i + 1} at t = {t[k]:.6g}: circuit {y[k, i]:.8g}, ODE {wanted[k, i]:.8g}",
        per_state=tuple(error.tolist()),
    )


def deviation(found: Matrix, wanted: Matrix) -> tuple[Vector, int, int]:
    """Worst error of each column in parts of its range; the worst column and its row.

    Where nothing moves at all, the error is in model units.
    """
    error = parts_of_range(found, wanted)
    worst = error.max(axis=0)
    i = int(np.argmax(worst))
    return worst, i, int(np.argmax(error[:, i]))


def parts_of_range(found: Matrix, wanted: Matrix) -> Matrix:
    """Deviation at every point, shape (k, n), in parts of each range; NaN counts as inf."""
    error = np.abs(found - wanted)
    error = np.where(np.isnan(error), np.inf, error)
    return error / floored(np.ptp(wanted, axis=0))


def floored(span: Vector) -> Vector:
    """Ranges to divide by: at least a small part of the largest, and 1 where nothing moves."""
    largest = float(span.max(initial=0.0))
    return np.maximum(span, SMALLEST_RANGE * largest) if largest else np.ones_like(span)


def check_steps(
    t: Vector,
    x: Matrix,
    model: AbstractModel,
    reference: ReferenceSolution,
    *,
    limit: float = STEP,
) -> Check:
    """Largest residual of the model's own step equation over all accepted steps.

    For a step of length h from k to k + 1, the smaller of the residuals of

        x[k+1] - x[k] = h/2 (f[k] + f[k+1])     (trapezoidal)
        x[k+1] - x[k] = h f[k+1]                (backward Euler, after breakpoints)

    divided by h times the largest rate of each state. Rounding of the recorded states, which
    short steps magnify, is deducted.
    """
    f = rates_along(model, x, reference.input(t))
    h = np.diff(t)[:, None]
    scale = np.abs(f).max(axis=0)
    scale = np.maximum(scale, max(SMALLEST_RATE * float(scale.max()), np.finfo(float).tiny))
    moved = np.diff(x, axis=0)
    allowance = ROUNDING * np.abs(x).max(axis=0)
    euler = np.abs(moved - h * f[1:])
    trapezoidal = np.abs(moved - 0.5 * h * (f[1:] + f[:-1]))
    euler = np.maximum(euler - allowance, 0.0) / (h * scale)
    trapezoidal = np.maximum(trapezoidal - allowance, 0.0) / (h * scale)
    # A simulator uses one formula for all states of a step.
    use_euler = euler.max(axis=1) < trapezoidal.max(axis=1)
    residual = np.where(use_euler[:, None], euler, trapezoidal)
    residual = np.where(np.isnan(residual), np.inf, residual)
    k, i = np.unravel_index(int(np.argmax(residual)), residual.shape)
    return measured(
        "transient.steps",
        "residual of the model's step equation, parts of the largest rate",
        float(residual[k, i]),
        limit,
        detail=f"x{i + 1} in the step that ends at t = {t[k + 1]:.6g}, {len(residual)} steps",
        per_state=tuple(residual.max(axis=0).tolist()),
    )


def rates_along(model: AbstractModel, x: Matrix, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-hand side at every recorded point, shape (k, n), in batches of bounded memory."""
    per_point = model.n_states * max(model.n_states, model.n_inputs, 1)
    batch = max(1, BATCH // per_point)
    parts = [model.rhs(x[k : k + batch], u[k : k + batch]) for k in range(0, len(x), batch)]
    return np.concatenate(parts)
