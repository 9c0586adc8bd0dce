"""Coordinates made of Gramians: balanced, minimum-noise, ladder and Lyapunov coordinates.

All take a Hurwitz part and return coordinates of it; unstable systems come in such parts.
"""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Matrix
from rnn2circuit.linearize.strategies.factors import orthogonal_basis
from rnn2circuit.linearize.strategies.gramians import Hankel, gramian_factor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reduced:
    """A decaying part in new coordinates, of which there may be fewer than states.

    Attributes
    ----------
    right, left : ndarray, shape (n, r) and (r, n)
        ``x = right z`` and ``z = left x``.
    a : ndarray, shape (r, r)
        State matrix with its structural zeros exact.
    drive : ndarray, shape (r, k)
        The inputs, likewise.
    """

    right: Matrix
    left: Matrix
    a: Matrix
    drive: Matrix


def balanced(system: Hankel, a: Matrix, drive: Matrix, order: int) -> Reduced:
    """Each state is as hard to reach as it is to see; ``A' + A'^T <= 0``."""
    right, left = system.balanced(order)
    return Reduced(right=right, left=left, a=left @ a @ right, drive=left @ drive)


def minimum_noise(system: Hankel, a: Matrix, drive: Matrix, order: int) -> Reduced:
    """Balanced, then turned until all states swing alike: least noise with equal capacitors.

    Plane rotations bring one diagonal entry of the Gramian after the other to the mean (Schur and
    Horn: any diagonal that the eigenvalues majorize can be had).

    References
    ----------
    C. T. Mullis, R. A. Roberts, "Synthesis of minimum roundoff noise fixed point digital
    filters", IEEE Transactions on Circuits and Systems 23(9), 1976; S. Y. Hwang, "Minimum
    uncorrelated unit noise in state-space digital filtering", IEEE Transactions on Acoustics,
    Speech, and Signal Processing 25(4), 1977.
    """
    right, left = system.balanced(order)
    turn = equal_diagonal(system.values[:order])
    right, left = right @ turn, turn.T @ left
    return Reduced(right=right, left=left, a=left @ a @ right, drive=left @ drive)


def equal_diagonal(values: Matrix) -> Matrix:
    """Orthogonal R for which all diagonal entries of ``R' diag(values) R`` are their mean."""
    n = len(values)
    gram = np.diag(values / values.mean())
    turn = np.eye(n)
    for _ in range(n - 1):
        diagonal = np.diag(gram)
        i, j = int(np.argmax(diagonal)), int(np.argmin(diagonal))
        above, below, mixed = diagonal[i] - 1.0, diagonal[j] - 1.0, gram[i, j]
        if above <= 0.0 or below >= 0.0:
            break
        # above + 2 mixed t + below t^2 = 0 for t = tan(angle); of the roots, the small one.
        root = np.sqrt(mixed**2 - above * below)
        t = above / (root - mixed) if mixed <= 0 else -above / (root + mixed)
        cos = 1.0 / np.hypot(1.0, t)
        plane = np.eye(n)
        plane[i, i] = plane[j, j] = cos
        plane[j, i], plane[i, j] = t * cos, -t * cos
        gram = plane.T @ gram @ plane
        turn = turn @ plane
    return turn


def ladder(system: Hankel, a: Matrix, drive: Matrix, order: int) -> Reduced:
    """Orthonormal ladder: ``A' = K - D/2``, K skew and of band k, D diagonal in the first k.

    In coordinates whose reachability Gramian is the identity, ``A + A' = -B B'``: all loss sits
    where the inputs enter. The singular vectors of B make that part diagonal in the first k
    states, and QR of one sub-block after the other brings the skew rest to band k. So k resistors
    to ground, none between states, and a chain of gyrators.

    References
    ----------
    D. A. Johns, W. M. Snelgrove, A. S. Sedra, "Orthonormal ladder filters", IEEE Transactions on
    Circuits and Systems 36(3), 1989, for one input.
    """
    right, left = system.input_normal(order)
    a, drive = left @ a @ right, left @ drive
    # Row i is accurate to eps / sigma_i and counts for sigma_i, so what the upper triangle says
    # is right, and the Lyapunov equation gives the lower one.
    upper = np.triu(a, 1)
    loss = drive @ drive.T
    a = upper - upper.T - np.tril(loss, -1) - np.diag(np.diag(loss)) / 2
    turn, strengths, weights = np.linalg.svd(drive, full_matrices=True)
    k = min(drive.shape)
    skew = turn.T @ (a - a.T) @ turn / 2
    done, top = 0, k
    while 0 < top < order:
        step = orthogonal_basis(skew[top:, done:top])
        skew[top:] = step.T @ skew[top:]
        skew[:, top:] = skew[:, top:] @ step
        turn[:, top:] = turn[:, top:] @ step
        done, top = top, min(order, top + (top - done))
    band = np.triu(np.tril(skew, -1), -k)
    entering = np.zeros_like(drive)
    entering[:k] = strengths[:k, None] * weights[:k]
    lossy = np.zeros(order)
    lossy[:k] = strengths[:k] ** 2
    return Reduced(
        right=right @ turn,
        left=turn.T @ left,
        a=band - band.T - np.diag(lossy) / 2,
        drive=entering,
    )


def lyapunov(a: Matrix) -> Reduced:
    """``T = P^-1/2`` with ``A' P + P A = -I``: ``A' + A'^T = -P^-1 < 0``; all states, no drive.

    References
    ----------
    P. Dewilde, L. Silverman, R. Newcomb, "A passive synthesis for time-invariant transfer
    functions", IEEE Transactions on Circuit Theory 17(3), 1970.
    """
    u, root, _ = np.linalg.svd(gramian_factor(a.T, np.eye(len(a))))
    right, left = (u / root) @ u.T, (u * root) @ u.T
    return Reduced(right=right, left=left, a=left @ a @ right, drive=np.zeros((len(a), 0)))
