"""Gramians by their factors, and what of a system they can see: Hankel singular values.

A Gramian K itself loses half the digits of a small direction, its factor F with ``K = F F'`` none.
Everything here computes and uses factors only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.linearize.strategies.factors import complex_schur, lower_factor


def gramian_factor(a: Matrix, b: Matrix) -> Matrix:
    """F, shape (n, n), with ``A K + K A' = -B B'`` for ``K = F F'``.

    Hammarling's recursion on the complex Schur form: the last row of the triangular equation
    gives the last column of the factor, and what remains is an equation of the same kind.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Hurwitz.
    b : ndarray, shape (n, k)

    References
    ----------
    S. J. Hammarling, "Numerical solution of the stable, non-negative definite Lyapunov
    equation", IMA Journal of Numerical Analysis 2(3), 1982.
    """
    t, q = complex_schur(a)
    n = len(a)
    rest = q.conj().T @ b
    u = np.zeros((n, n), dtype=np.complex128)
    for j in reversed(range(n)):
        length = float(np.linalg.norm(rest[j]))
        if length == 0.0:
            continue
        own = t[j, j]
        u[j, j] = length / np.sqrt(-2.0 * own.real)
        pull = rest[j].conj() / u[j, j].real
        if j:
            right = -(t[:j, j] * u[j, j] + rest[:j] @ pull)
            u[:j, j] = solve_triangular(t[:j, :j] + own.conj() * np.eye(j), right)
            rest[:j] -= np.outer(u[:j, j], pull.conj())
    factor = q @ u
    # K is real: real and imaginary part side by side are a factor too, which QR makes square.
    return lower_factor(np.hstack([factor.real, factor.imag]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hankel:
    """Balanced coordinates of a Hurwitz system (A, B, C), ordered by Hankel singular value.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Hankel singular values, falling: how much state k of the balanced system passes from
        input to output.
    reach : ndarray, shape (n, n)
        ``F V``: columns are the states that unit past inputs reach, ``K = reach reach'``.
    sense : ndarray, shape (n, n)
        ``U' G'``: rows are what the future outputs show, ``W = sense' sense``;
        ``sense reach = diag(values)``.
    """

    values: Vector
    reach: Matrix
    sense: Matrix

    def balanced(self, order: int) -> tuple[Matrix, Matrix]:
        """T (n, order) and L (order, n), ``L T = I``: both Gramians become diag(values)."""
        root = np.sqrt(self.values[:order])
        return self.reach[:, :order] / root, self.sense[:order] / root[:, None]

    def input_normal(self, order: int) -> tuple[Matrix, Matrix]:
        """T and L: the reachability Gramian becomes the identity, the other diag(values)**2."""
        return self.reach[:, :order], self.sense[:order] / self.values[:order, None]


def hankel(a: Matrix, b: Matrix, c: Matrix) -> Hankel:
    """Hankel singular values and balanced coordinates, by the square-root method.

    References
    ----------
    B. C. Moore, "Principal component analysis in linear systems", IEEE Transactions on Automatic
    Control 26(1), 1981; M. S. Tombs, I. Postlethwaite, "Truncated balanced realization of a
    stable non-minimal state-space system", International Journal of Control 46(4), 1987.
    """
    reached, shown = gramian_factor(a, b), gramian_factor(a.T, c.T)
    u, values, vt = np.linalg.svd(shown.T @ reached)
    return Hankel(values=values, reach=reached @ vt.T, sense=u.T @ shown.T)
