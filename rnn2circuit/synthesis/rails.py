"""When do positive resistors suffice? Diagonal dominance, and state scaling that achieves it."""

import numpy as np

from rnn2circuit.arrays import Matrix, Vector

# Rows with little drive still get a margin of this part of the largest.
MARGIN = 1e-2


def state_scales(a: Matrix, b: Matrix | None) -> Vector:
    """Scales s of the states, ``x = s z``, for which every row of the rails is dominant.

    Row k of ``z' = S^-1 A S z + S^-1 B u`` has positive resistors only where
    ``-a_kk s_k >= sum_j |a_kj| s_j + sum_j |b_kj|``, that is ``M s >= r`` with the comparison
    matrix M of -A and r the row sums of the
    magnitudes of B. A positive s exists exactly if M is a nonsingular
    M-matrix (-A an H-matrix; Berman & Plemmons 1979), and then ``s = M^-1 r`` is one.

    Parameters
    ----------
    a : ndarray, shape (n, n)
    b : ndarray, shape (n, m), or None
        Inputs that load the nodes; None where they do not.

    Returns
    -------
    ndarray, shape (n,)
        All 1 where no scaling is needed, or none helps.
    """
    ones: Vector = np.ones(len(a))
    own = -np.diag(a)
    comparison = np.diag(own + np.abs(own)) - np.abs(a)
    load = np.zeros(len(a)) if b is None else np.abs(b).sum(axis=1)
    if np.all(own >= 0) and np.all(comparison @ ones >= load):
        return ones
    if np.any(own <= 0):
        return ones
    wanted = np.maximum(load, MARGIN * load.max()) if load.any() else ones
    try:
        s = np.asarray(np.linalg.solve(comparison, wanted), dtype=np.float64)
    except np.linalg.LinAlgError:
        return ones
    if not np.all(s > 0) or np.any(comparison @ s < load * (1 - 1e-9)):
        return ones
    # Without loads only ratios count: around one, so that swings stay as they were.
    return s if load.any() else s / float(np.exp(np.mean(np.log(s))))
