"""How long to run a network and how finely, judged from its equations alone."""

from itertools import pairwise

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.divergence import WINDOW
from rnn2circuit.models.reference import ReferenceSolution

CYCLES = 10.0  # default duration, in characteristic times: transients and a steady part
LARGEST_EIGENVALUE_PROBLEM = 200  # beyond, the rms rate stands in for the eigenvalues
SLOWEST = 1e-3  # modes slower than this part of the fastest do not set the duration
GROWTH = 1e3  # an unstable linear mode may grow by this factor within the default duration
GRID = 1001  # samples of the reference on which its derivatives are estimated
FEWEST_PER_PIECE = 5  # samples between two corners of the input
SHORTEST_PIECE = 1e-4  # of the run; shorter pieces (edges of held samples) are stepped finely

# Worst error of a state, in parts of its range, that the time step may cause. Parts that are
# not ideal are off by more than that themselves.
STEP_ERROR = {"default": 2e-5, "high": 2e-7, "parts": 5e-5}
FEWEST_STEPS = 400
MOST_STEPS = {"default": 20_000, "high": 400_000, "parts": 20_000}
OUT_OF_REACH = 2.0  # times the most steps: with those the error would be four times STEP_ERROR


def default_duration(model: AbstractModel) -> float:
    """Ten characteristic times of the network linearized at its initial state, model time units.

    The characteristic rate is the geometric mean of the eigenvalues' magnitudes. Where a mode
    grows, the duration is cut so that it grows a thousandfold at most.
    """
    x0 = model.initial_state
    jacobian = model.jacobian(x0, np.zeros(model.n_inputs))
    if model.n_states > LARGEST_EIGENVALUE_PROBLEM:
        rate = float(np.linalg.norm(jacobian)) / np.sqrt(model.n_states)
        return CYCLES / rate if rate > 0 else CYCLES
    modes = np.linalg.eigvals(jacobian)
    size = np.abs(modes)
    fastest = float(size.max())
    if fastest == 0.0:
        return CYCLES
    rate = float(np.exp(np.mean(np.log(np.maximum(size, SLOWEST * fastest)))))
    growth = float(modes.real.max())
    duration = CYCLES / rate
    return duration if growth <= 0 else min(duration, np.log(GROWTH) / growth)


def largest_step(solution: ReferenceSolution, *, accuracy: str, exponent: float = 0.0) -> float:
    """Time step of the trapezoidal rule that keeps within STEP_ERROR, model time units.

    The rule solves ``x' = f + h^2 d^3x/dt^3 / 12`` instead of ``x' = f``, so its error obeys the
    linearized equation ``e' = J e + h^2 d^3x/dt^3 / 12`` along the solution. Integrated once for
    h = 1, it says which h is small enough (E. Hairer, S. P. Norsett, G. Wanner, "Solving
    Ordinary Differential Equations I", section II.8: the leading term of the global error).

    Parameters
    ----------
    exponent : float
        Lyapunov exponent per model time unit (see `divergence`). Where it is positive and no
        affordable step would keep solutions together to the end, an error counts within windows
        of half its inverse.
    """
    steps = _steps_for(solution, accuracy, np.inf)
    if exponent > 0 and steps > OUT_OF_REACH * MOST_STEPS[accuracy]:
        steps = _steps_for(solution, accuracy, WINDOW / exponent)
    return solution.t_end / int(np.clip(steps, FEWEST_STEPS, MOST_STEPS[accuracy]))


def _steps_for(solution: ReferenceSolution, accuracy: str, window: float) -> float:
    """How many steps keep every state within STEP_ERROR of its range, for each window alone."""
    with np.errstate(over="ignore", invalid="ignore"):  # an error that grows beyond all bounds
        error = _error_per_square(solution, window)
    span = solution.range
    span = np.maximum(span, 1e-3 * float(span.max()))
    moving = span > 0
    if not np.any(moving):
        return 0.0
    worst = float(np.max(error[moving] / span[moving]))
    if not np.isfinite(worst):
        return np.inf
    return float(np.ceil(solution.t_end * np.sqrt(worst / STEP_ERROR[accuracy])))


def _pieces(solution: ReferenceSolution) -> list[Vector]:
    """Sample times between each two corners of the input."""
    corners = solution.stimulus.breakpoints()
    inner = corners[(corners > 0) & (corners < solution.t_end)]
    edges = np.concatenate([[0.0], inner, [solution.t_end]])
    density = GRID / solution.t_end
    return [
        np.linspace(a, b, max(FEWEST_PER_PIECE, int(np.ceil(density * (b - a)))))
        for a, b in pairwise(edges)
        if b - a > SHORTEST_PIECE * solution.t_end
    ]


def _error_per_square(solution: ReferenceSolution, window: float) -> Vector:
    """Largest error of each state for a step of 1, if it grew as h squared; shape (n,).

    The error starts from zero again after each `window` of time.
    """
    model = solution.model
    n = model.n_states
    eye = np.eye(n)
    error, largest, since = np.zeros(n), np.zeros(n), 0.0
    for t in _pieces(solution):
        x, u = solution(t), solution.input(t)
        slope = np.gradient(model.rhs(x, u), t, axis=0)
        defect = np.gradient(slope, t, axis=0) / 12.0
        if n > LARGEST_EIGENVALUE_PROBLEM:
            # Too large to integrate: an error is taken to last one characteristic time.
            memory = solution.t_end / CYCLES
            largest = np.maximum(largest, memory * np.abs(defect).max(axis=0))
            continue
        for k in range(1, len(t)):
            h = t[k] - t[k - 1]
            if t[k] - since > window:
                error, since = np.zeros(n), float(t[k - 1])
            # Backward Euler: as stable as the equation, and accurate enough for an estimate.
            step = eye - h * model.jacobian(x[k], u[k])
            error = np.linalg.solve(step, error + h * defect[k])
            largest = np.maximum(largest, np.abs(error))
    return largest
