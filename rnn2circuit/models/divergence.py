"""How fast neighbouring solutions part: chaos, told from growth that the solution shares.

Where they part fast, two integrations of one equation disagree after a while whatever their
accuracy, and a comparison of waveforms says nothing about a circuit. It is then limited to the
time for which it does, and asked again from the simulator's own states, window by window (S.
Hammel, J. Yorke, C. Grebogi 1988: such a pseudo-orbit is shadowed by a true one).
"""

import numpy as np

from rnn2circuit.models.reference import ReferenceSolution

GROWTH = 3.0  # logarithm of the growth within the run from which on solutions part
FEWEST, MOST = 1001, 20_001  # samples of the run
PER_TIME_CONSTANT = 10.0  # samples in the fastest one at the start
WINDOW = 0.5  # length of a window times the exponent: some stretches part far faster than others
LARGEST = 200  # states; the tangent equation of larger networks is not integrated
SEED = 20231


def lyapunov_exponent(solution: ReferenceSolution) -> float:
    """Largest Lyapunov exponent along a solution per model time unit, or 0 where none matters.

    It matters where a small deviation grows more than e^3 times as much as the solution itself
    within the run: an unstable linear network parts from its neighbours in absolute terms only.
    G. Benettin et al. (1980): one tangent vector, renormalized, by the implicit midpoint rule.
    Networks of more than 200 states are not looked at; 0 is returned.
    """
    model = solution.model
    n = model.n_states
    if n > LARGEST:
        return 0.0
    rate = float(np.abs(np.linalg.eigvals(model.jacobian(*_start(solution)))).max())
    count = int(np.clip(PER_TIME_CONSTANT * rate * solution.t_end, FEWEST, MOST))
    t = np.linspace(0.0, solution.t_end, count)
    middle = 0.5 * (t[1:] + t[:-1])
    x, u = solution(middle), solution.input(middle)
    tangent = np.random.default_rng(SEED).normal(size=n)
    tangent /= np.linalg.norm(tangent)
    half, eye = 0.5 * (t[1] - t[0]), np.eye(n)
    grown = 0.0
    for k in range(len(middle)):
        j = half * model.jacobian(x[k], u[k])
        tangent = np.linalg.solve(eye - j, tangent + j @ tangent)
        size = float(np.linalg.norm(tangent))
        if size == 0.0:
            return 0.0
        tangent /= size
        grown += float(np.log(size))
    size = np.abs(x).max(axis=1)
    early = float(size[: max(1, len(size) // 20)].max())
    own = float(np.log(size.max() / early)) if early > 0 else 0.0
    beyond = grown - max(0.0, own)
    return beyond / solution.t_end if beyond > GROWTH else 0.0


def _start(solution: ReferenceSolution) -> tuple[np.ndarray, np.ndarray]:
    return solution(0.0)[0], solution.input([0.0])[0]
