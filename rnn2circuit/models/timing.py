"""How long to run a network and how finely, judged from its equations alone."""

import numpy as np

from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.reference import ReferenceSolution

CYCLES = 10.0  # default duration, in characteristic times: transients and a steady part
LARGEST_EIGENVALUE_PROBLEM = 200  # beyond, the rms rate stands in for the eigenvalues
SLOWEST = 1e-3  # modes slower than this part of the fastest do not set the duration
GROWTH = 1e3  # an unstable linear mode may grow by this factor within the default duration
GRID = 1001  # samples of the reference on which third derivatives are estimated

# Worst error of a state, in parts of its range, that the time step may cause.
STEP_ERROR = {"default": 1e-5, "high": 1e-7}
FEWEST_STEPS = 400
MOST_STEPS = {"default": 20_000, "high": 400_000}


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


def largest_step(solution: ReferenceSolution, *, accuracy: str) -> float:
    """Time step of the trapezoidal rule that keeps within STEP_ERROR, model time units.

    The rule's defect is ``h**2 x''' / 12`` per unit of time; errors are taken to accumulate over
    a quarter of the run, which was found to predict the worst state within a factor of three.
    The third derivative is its 90th percentile in time: a simulator shortens its steps after
    a corner of the input anyway.
    """
    t = np.linspace(0.0, solution.t_end, GRID)
    x = solution(t)
    third = np.gradient(np.gradient(solution.model.rhs(x, solution.input(t)), t, axis=0), t, axis=0)
    bend = np.percentile(np.abs(third), 90.0, axis=0)
    span = np.ptp(x, axis=0)
    span = np.maximum(span, 1e-3 * float(span.max(initial=0.0)))
    moving = (span > 0) & (bend > 0)
    fewest = FEWEST_STEPS
    if np.any(moving):
        worst = float(np.max(bend[moving] / span[moving])) * solution.t_end / 4.0
        wanted = solution.t_end * np.sqrt(worst / (12.0 * STEP_ERROR[accuracy]))
        fewest = int(np.clip(np.ceil(wanted), FEWEST_STEPS, MOST_STEPS[accuracy]))
    return solution.t_end / fewest
