"""Matrix factorizations of scipy and LAPACK, with the one shape of answer that is used here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rnn2circuit.arrays import Indices, Matrix
from rnn2circuit.linearize.strategies.frequency import ComplexArray


def real_schur(a: Matrix) -> tuple[Matrix, Matrix]:
    """T quasi upper triangular and Q orthogonal, ``a = Q T Q'``."""
    found: Any = linalg.schur(a, output="real")
    return found[0], found[1]


def complex_schur(a: Matrix) -> tuple[ComplexArray, ComplexArray]:
    """T upper triangular and Q unitary, ``a = Q T Q^H``."""
    found: Any = linalg.schur(a, output="complex")
    return found[0], found[1]


def decaying_first(a: Matrix) -> tuple[Matrix, Matrix, int]:
    """Real Schur form whose first k diagonal entries are the modes that decay; T, Q and k."""
    found: Any = linalg.schur(a, output="real", sort="lhp")
    return found[0], found[1], int(found[2])


def reordered_schur(triangular: Matrix, q: Matrix, first: Indices) -> tuple[Matrix, Matrix] | None:
    """A real Schur form with the diagonal blocks at `first` moved to the top, or None.

    None where LAPACK finds two blocks too close to exchange.
    """
    chosen = np.zeros(len(triangular), dtype=np.int32)
    chosen[first] = 1
    lapack: Any = linalg.lapack
    ordered, basis, *_, info = lapack.dtrsen(chosen, triangular, q, job=b"N")
    return None if info else (ordered, basis)


def hessenberg_form(a: Matrix) -> tuple[Matrix, Matrix]:
    """H upper Hessenberg and Q orthogonal with ``Q e1 = e1``, ``a = Q H Q'``."""
    found: Any = linalg.hessenberg(a, calc_q=True)
    return found[0], found[1]


def orthogonal_basis(columns: Matrix) -> Matrix:
    """Q of a full QR factorization: square, its first columns span `columns` one by one."""
    found: Any = linalg.qr(columns)
    return found[0]


def lower_factor(f: Matrix) -> Matrix:
    """L, shape (n, n), with ``L L' = f f'`` for f of shape (n, more)."""
    found: Any = np.linalg.qr(f.T, mode="r")
    return found.T


def block_diagonal(blocks: list[Matrix]) -> Matrix:
    """The blocks along the diagonal of a matrix of zeros."""
    found: Any = linalg.block_diag(*blocks)
    return found


def inverse(a: Matrix) -> Matrix:
    """The inverse of a well-conditioned matrix."""
    found: NDArray[Any] = np.linalg.inv(a)
    return found


def coupling_between(one: Matrix, other: Matrix, mixed: Matrix) -> Matrix:
    """Y with ``one Y - Y other = -mixed``: it parts ``[[one, mixed], [0, other]]``."""
    found: Any = linalg.solve_sylvester(one, -other, -mixed)
    return found
