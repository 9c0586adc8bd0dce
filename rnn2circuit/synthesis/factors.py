"""Factorizations behind the topologies: congruences of S and K, low rank plus diagonal.

Matrices are equilibrated first (``M_ij / (d_i d_j)`` with d the square root of the largest entry
of row and column), so that what counts as zero is rounding noise of the entries themselves.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.linalg import ldl

from rnn2circuit.arrays import Matrix, Vector

# What elimination leaves where exact arithmetic would leave zero, in parts of an equilibrated
# entry: measured below 1e-14 for n = 200.
NOISE = 128 * np.finfo(np.float64).eps
CLUSTER = 1e-9  # relative distance below which two eigenvalues count as one
SWEEPS = 200  # of the alternation between a diagonal and a matrix of given rank


def equilibration(y: Matrix) -> Vector:
    """Scale d of each port, shape (n,), with ``|y_ij| <= d_i d_j`` at least on average."""
    largest = np.maximum(np.abs(y).max(axis=0), np.abs(y).max(axis=1))
    return np.where(largest > 0, np.sqrt(largest), 1.0)


def symmetric_factors(s: Matrix, scale: Vector) -> tuple[Vector, Matrix]:
    """``S = sum_k e_k t_k t_k'`` by pivoted LDL' (Bunch & Kaufman 1977), 2x2 blocks made diagonal.

    As many terms as the rank of S and, by Sylvester's law, as many negative e_k as S has
    negative eigenvalues: no congruence has fewer.

    Parameters
    ----------
    s : ndarray, shape (n, n)
        Symmetric.
    scale : ndarray, shape (n,)
        Equilibration, from `equilibration`.

    Returns
    -------
    e : ndarray, shape (r,)
    t : ndarray, shape (n, r)
        Columns of largest entry 1 in magnitude.
    """
    lower, blocks, _ = ldl(s / (scale[:, None] * scale))
    e = np.diag(blocks).copy()
    for k in np.flatnonzero(np.diag(blocks, 1)).tolist():
        pair = slice(k, k + 2)
        e[pair], rotation = np.linalg.eigh(blocks[pair, pair])
        lower[:, pair] = lower[:, pair] @ rotation
    size = np.abs(lower).max(axis=0)
    keep = np.abs(e) * size**2 > NOISE
    e, t = e[keep] * size[keep] ** 2, lower[:, keep] / size[keep]
    t[np.abs(t * e) <= np.finfo(np.float64).eps] = 0.0
    t = t * scale[:, None]
    t, size = _normalized(t)
    return e * size**2, t


def skew_factors(k: Matrix, scale: Vector) -> tuple[Vector, Matrix, Matrix]:
    """``K = sum_k g_k (a_k b_k' - b_k a_k')`` by skew LDL' with complete pivoting (Bunch 1982).

    As many terms as half the rank of K, which is the least number of gyrators of any network
    (Carlin & Giordano).

    Parameters
    ----------
    k : ndarray, shape (n, n)
        Skew-symmetric.
    scale : ndarray, shape (n,)
        Equilibration, from `equilibration`.

    Returns
    -------
    g : ndarray, shape (r/2,)
    a, b : ndarray, shape (n, r/2)
        Columns of largest entry 1 in magnitude.
    """
    rest = k / (scale[:, None] * scale)
    left: list[Vector] = []
    right: list[Vector] = []
    pivots: list[float] = []
    while rest.size:
        i, j = np.unravel_index(int(np.abs(rest).argmax()), rest.shape)
        pivot = float(rest[i, j])
        if abs(pivot) <= NOISE:
            break
        a, b = rest[:, j] / pivot, -rest[:, i] / pivot  # 1 at i and 0 at j, and the reverse
        rest = rest - pivot * (np.outer(a, b) - np.outer(b, a))
        rest = (rest - rest.T) / 2
        rest[[i, j]] = 0.0
        rest[:, [i, j]] = 0.0
        left.append(a)
        right.append(b)
        pivots.append(pivot)
    n = len(k)
    g = np.array(pivots)
    a = np.array(left).reshape(-1, n).T
    b = np.array(right).reshape(-1, n).T
    for part in (a, b):
        part[np.abs(part * g) <= np.finfo(np.float64).eps] = 0.0
    a, size_a = _normalized(a * scale[:, None])
    b, size_b = _normalized(b * scale[:, None])
    return g * size_a * size_b, a, b


def _normalized(t: Matrix) -> tuple[Matrix, Vector]:
    """Columns divided by their entry of largest magnitude, and those magnitudes."""
    size = np.abs(t).max(axis=0, initial=0.0)
    return t / size, size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LowRank:
    """``M = diag(diagonal) + left @ right'`` up to `error`, relative to M in Frobenius norm."""

    diagonal: Vector  # (n,)
    left: Matrix  # (n, r)
    right: Matrix  # (m, r), orthonormal columns
    error: float

    def rows_times(self, factor: Vector) -> Self:
        """The same times ``diag(factor)`` from the left."""
        return replace(self, left=factor[:, None] * self.left, diagonal=factor * self.diagonal)

    @property
    def rank(self) -> int:
        return self.left.shape[1]


def low_rank(m: Matrix, *, rank: int | None, tolerance: float) -> LowRank:
    """The truncated singular value decomposition: `rank` terms, or as few as `tolerance` allows."""
    u, s, vt = np.linalg.svd(m, full_matrices=False)
    total = float(np.linalg.norm(s))
    tail = np.sqrt(np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0))  # error of keeping k terms
    full = int(np.count_nonzero(s > len(m) * np.finfo(np.float64).eps * s.max(initial=0.0)))
    r = int(np.argmax(tail <= tolerance * total)) if rank is None else min(rank, full)
    live_rows, live_columns = np.any(m != 0, axis=1), np.any(m != 0, axis=0)  # others hold noise
    return LowRank(
        diagonal=np.zeros(len(m)),
        left=u[:, :r] * s[:r] * live_rows[:, None],
        right=vt[:r].T * live_columns[:, None],
        error=0.0 if total == 0 else float(tail[r]) / total,
    )


def low_rank_with_leak(a: Matrix, *, rank: int | None, tolerance: float) -> LowRank:
    """``A = -Λ + w`` with w of low rank, where only A is known: the leak Λ is found too.

    Tried are no leak, all of the diagonal, one leak for all states (an eigenvalue of A of
    multiplicity n - rank w), and leaks of their own, each determined by the off-diagonal
    entries of its row and column (A. A. Albert, 1944). With `rank` given, the best of these is
    improved by alternating between the best diagonal and the best matrix of that rank.
    """
    candidates = [np.zeros(len(a)), np.diag(a), *_common_leaks(a), *_own_leaks(a)]
    found = [_about(a, diagonal, rank, tolerance) for diagonal in candidates]
    if rank is None:
        return min(found, key=lambda f: (f.rank, f.error))
    best = min(found, key=lambda f: f.error)
    for _ in range(SWEEPS):
        if best.error <= tolerance:
            break
        diagonal = np.diag(a) - np.einsum("ik,ik->i", best.left, best.right)
        best = min(best, _about(a, diagonal, rank, tolerance), key=lambda f: f.error)
    return best


def _about(a: Matrix, diagonal: Vector, rank: int | None, tolerance: float) -> LowRank:
    rest = a - np.diag(diagonal)
    total, part = float(np.linalg.norm(a)), float(np.linalg.norm(rest))
    # The tolerance is one of A, whatever is left of it beside the diagonal.
    found = low_rank(rest, rank=rank, tolerance=tolerance * total / part if part else 1.0)
    return LowRank(
        diagonal=diagonal,
        left=found.left,
        right=found.right,
        error=found.error * part / total if total else 0.0,
    )


def _common_leaks(a: Matrix) -> list[Vector]:
    """One leak for all: the real eigenvalue that is there most often, if it is there twice."""
    values = np.linalg.eigvals(a)
    near = np.abs(values[:, None] - values) <= CLUSTER * max(float(np.abs(values).max()), 1e-300)
    k = int(np.argmax(near.sum(axis=1)))
    leaks = [np.full(len(a), float(np.mean(np.diag(a))))] if len(a) > 1 else []
    if near[k].sum() >= 2:
        leaks.append(np.full(len(a), float(np.mean(values[near[k]].real))))
    return leaks


def _own_leaks(a: Matrix) -> list[Vector]:
    """A leak per state: with three groups of indices, blocks off the diagonal give it.

    Where w has rank r and ``w[P, Q]`` has too, ``w_kk = w[k, Q] pinv(w[P, Q]) w[P, k]`` for any k
    outside P and Q.
    """
    n = len(a)
    if n < 3:
        return []
    groups = [np.arange(n)[g::3] for g in range(3)]
    own = np.zeros(n)
    for g in range(3):
        k, p, q = groups[g], groups[(g + 1) % 3], groups[(g + 2) % 3]
        inverse = np.linalg.pinv(a[np.ix_(p, q)], rcond=1e-10)
        own[k] = np.einsum("kq,qp,pk->k", a[np.ix_(k, q)], inverse, a[np.ix_(p, k)])
    return [np.diag(a) - own]
