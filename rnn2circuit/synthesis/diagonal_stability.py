"""Diagonal Lyapunov matrices by interior points: D with ``D A + A^T D < 0``, or why there is none.

The semidefinite program

    minimize t  subject to  F = t I - (D A + A^T D) >= 0,  d >= 0,  sum d = 1

has the dual: maximize ``min_k 2 (A X)_kk`` over ``X >= 0`` with trace 1. A primal-dual method
(the direction of Helmberg, Rendl, Vanderbei & Wolkowicz, SIAM J. Optim. 6, 1996, with Mehrotra's
choice of the centering) moves both: the first side that turns out to have the sign it needs wins.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lu_factor, lu_solve, solve_triangular

from rnn2circuit.arrays import Matrix, Vector

GAP = 1e-9  # of max |A|: below, neither side is told from zero
CLEAR = 0.5  # a side has won when it is this part of the best it could still become
STEPS = 200  # 15 to 40 are usual; the search is not a proof and may end anywhere
BACK_OFF = 0.95  # of the way to the boundary of the cone
CENTERING = (1e-4, 0.5)  # range of the centering parameter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiagonalSearch:
    """Where the search ended; numerical, not yet a proof.

    Attributes
    ----------
    d : ndarray, shape (n,)
        The best scaling found, positive, with sum 1.
    largest : float
        Largest eigenvalue of ``D A + A^T D``: negative where the scaling works.
    x : ndarray, shape (n, n)
        The best dual matrix found: symmetric, positive definite, trace 1.
    bound : float
        ``2 min_k (A X)_kk``, a lower bound of `largest` for every d: positive where none works.
    """

    d: Vector
    largest: float
    x: Matrix
    bound: float


@dataclass(slots=True)
class _Iterate:
    """A strictly feasible pair: F and d > 0 of the primal, X and z > 0 of the dual."""

    t: float
    d: Vector
    x: Matrix
    y: float  # the dual value is -y, and z = 2 diag(A X) + y
    z: Vector

    def slack(self, a: Matrix) -> Matrix:
        return self.t * np.eye(len(self.d)) - _lyapunov(a, self.d)


def search_diagonal(a: Matrix) -> DiagonalSearch:
    """Search until one side has clearly won, or neither is within `GAP`. O(n^3) per step.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Not zero.
    """
    n = len(a)
    size = float(np.abs(a).max())
    a = a / size
    d, x = np.full(n, 1.0 / n), np.eye(n) / n
    diagonal = 2.0 * np.diag(a) / n
    y = 1.0 / n - float(diagonal.min())
    now = _Iterate(_largest(a, d) + 1.0 / n, d, x, y, diagonal + y)
    best_d, best_x = (np.inf, d), (-np.inf, x)
    for _ in range(STEPS):
        best_d = min(best_d, (_largest(a, now.d), now.d), key=lambda pair: pair[0])
        dual = now.x / np.trace(now.x)
        value = 2.0 * float(np.min(np.einsum("ij,ji->i", a, dual)))
        best_x = max(best_x, (value, dual), key=lambda pair: pair[0])
        if _decided(best_d[0], best_x[0]) or not _advance(a, now):
            break
    return DiagonalSearch(
        d=best_d[1], largest=best_d[0] * size, x=best_x[1], bound=best_x[0] * size
    )


def _decided(largest: float, bound: float) -> bool:
    works = largest < -GAP and largest <= CLEAR * bound
    fails = bound > GAP and bound >= CLEAR * largest
    return works or fails or largest - bound < GAP


def _lyapunov(a: Matrix, d: Vector) -> Matrix:
    da = d[:, None] * a
    return da + da.T


def _largest(a: Matrix, d: Vector) -> float:
    return float(np.linalg.eigvalsh(_lyapunov(a, d))[-1])


def _advance(a: Matrix, now: _Iterate) -> bool:
    """One step of predictor and centering; False where rounding leaves no step."""
    n = len(now.d)
    try:
        f_root: Matrix = np.linalg.cholesky(now.slack(a)).astype(np.float64)
        x_root: Matrix = np.linalg.cholesky(now.x).astype(np.float64)
    except np.linalg.LinAlgError:
        return False
    inverse = solve_triangular(f_root, np.eye(n), lower=True)
    f_inverse = inverse.T @ inverse
    gap = (float(np.sum(now.slack(a) * now.x)) + float(now.d @ now.z)) / (2 * n)
    newton = _Newton(a, now, f_inverse)
    predicted = newton.step(0.0)
    primal, dual = _step_lengths(a, now, f_root, x_root, predicted)
    dt, dd, dx, _, dz = predicted
    f_far = now.slack(a) + primal * (dt * np.eye(n) - _lyapunov(a, dd))
    far = float(np.sum(f_far * (now.x + dual * dx)))
    far = (far + float((now.d + primal * dd) @ (now.z + dual * dz))) / (2 * n)
    centering = float(np.clip((far / gap) ** 3, *CENTERING))
    chosen = newton.step(centering * gap)
    primal, dual = (BACK_OFF * v for v in _step_lengths(a, now, f_root, x_root, chosen))
    if not np.isfinite(primal + dual) or max(primal, dual) < GAP:
        return False
    dt, dd, dx, dy, dz = chosen
    now.t, now.d = now.t + primal * dt, now.d + primal * dd
    now.x, now.y, now.z = now.x + dual * dx, now.y + dual * dy, now.z + dual * dz
    return True


class _Newton:
    """The linear system of one iterate, factored once and solved for several targets.

    With Z the inverse of F, linearizing ``X = mu Z`` and ``z = mu / d`` gives

        dX = mu Z - X - sym(X dF Z),   dz = mu / d - z - (z / d) dd,   dF = dt I - (dD A + A^T dD)

    and, from tr X = 1, ``z = 2 diag(A X) + y`` and sum d = 1, a system in (dt, dd, y).
    """

    def __init__(self, a: Matrix, now: _Iterate, f_inverse: Matrix) -> None:
        self.a, self.now, self.f_inverse = a, now, f_inverse
        n = len(now.d)
        ax, az, xz = a @ now.x, a @ f_inverse, now.x @ f_inverse
        mixed = ax * az.T
        h = mixed + mixed.T + now.x * (az @ a.T) + (ax @ a.T) * f_inverse
        q = np.einsum("ij,ji->i", a, xz + xz.T)
        system = np.zeros((n + 2, n + 2))
        system[0, 0] = np.trace(xz)
        system[0, 1:-1] = system[1:-1, 0] = -q
        system[1:-1, 1:-1] = h + np.diag(now.z / now.d)
        system[1:-1, -1] = system[-1, 1:-1] = 1.0
        self.factors = lu_factor(system, check_finite=False)
        self.image = 2.0 * np.einsum("ij,ji->i", a, f_inverse)

    def step(self, mu: float) -> tuple[float, Vector, Matrix, float, Vector]:
        now, z = self.now, self.f_inverse
        right = np.concatenate([[mu * np.trace(z) - 1.0], mu / now.d - mu * self.image, [0.0]])
        solution = lu_solve(self.factors, right, check_finite=False)
        dt, dd, y = float(solution[0]), solution[1:-1], float(solution[-1])
        df = dt * np.eye(len(dd)) - _lyapunov(self.a, dd)
        moved = now.x @ df @ z
        dx = mu * z - now.x - (moved + moved.T) / 2
        dz = mu / now.d - now.z - now.z / now.d * dd
        return dt, dd, dx, y - now.y, dz


def _step_lengths(
    a: Matrix,
    now: _Iterate,
    f_root: Matrix,
    x_root: Matrix,
    step: tuple[float, Vector, Matrix, float, Vector],
) -> tuple[float, float]:
    """How far the primal and the dual may go, at most 1."""
    dt, dd, dx, _, dz = step
    df = dt * np.eye(len(dd)) - _lyapunov(a, dd)
    primal = min(_to_boundary(f_root, df), _to_zero(now.d, dd))
    dual = min(_to_boundary(x_root, dx), _to_zero(now.z, dz))
    return min(1.0, primal), min(1.0, dual)


def _to_boundary(root: Matrix, direction: Matrix) -> float:
    """Largest step that keeps ``root root^T + step * direction`` positive semidefinite."""
    half = solve_triangular(root, direction, lower=True)
    lowest = float(np.linalg.eigvalsh(solve_triangular(root, half.T, lower=True))[0])
    return np.inf if lowest >= 0 else -1.0 / lowest


def _to_zero(values: Vector, direction: Vector) -> float:
    falling = direction < 0
    return float(np.min(-values[falling] / direction[falling], initial=np.inf))
