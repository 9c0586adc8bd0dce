"""What the matrices of ``x' = A x + B u`` say: modes, stability, controllability."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import matrix_balance

from rnn2circuit.arrays import Matrix, Vector

Stability: TypeAlias = Literal["stable", "marginal", "unstable"]
Eigenvalues: TypeAlias = NDArray[np.complex128]  # shape (n,), the slowest mode first

# A real part within this share of the Frobenius norm of A counts as zero. Round-off moves a
# well-conditioned eigenvalue by n eps, 2e-13 of the norm at n = 1000.
MARGINAL_RTOL = 1e-10
# A direction that A moves by less than this share of its Frobenius norm, or B by less than this
# share of its column, counts as not reached: far above round-off (n eps) for the same reason.
REACHED_RTOL = 1e-10


def eigenvalues_of(a: Matrix) -> Eigenvalues:
    """Eigenvalues of `a` by falling real part, then by rising imaginary part; read-only."""
    values = np.linalg.eigvals(a).astype(np.complex128)
    values = values[np.lexsort((values.imag, -values.real))]
    values.setflags(write=False)
    return values


def eigenvector_condition(a: Matrix) -> float:
    """2-norm condition number of the eigenvectors of `a`: 1 if normal, large near a defect."""
    return float(np.linalg.cond(np.linalg.eig(a)[1]))


def _real_parts(a: Matrix, eigenvalues: Eigenvalues) -> Vector:
    real = eigenvalues.real
    return np.where(np.abs(real) <= MARGINAL_RTOL * np.linalg.norm(a), 0.0, real)


def stability_of(a: Matrix, eigenvalues: Eigenvalues) -> Stability:
    """Stability of ``x' = a x``; a real part within `MARGINAL_RTOL` of zero is marginal."""
    largest = float(_real_parts(a, eigenvalues).max())
    if largest > 0:
        return "unstable"
    return "marginal" if largest == 0 else "stable"


def time_constants_of(a: Matrix, eigenvalues: Eigenvalues) -> Vector:
    """``-1 / Re(λ)`` per mode in model time: inf where marginal, NaN where the mode grows."""
    real = _real_parts(a, eigenvalues)
    out = np.full(real.shape, np.nan)
    out[real == 0] = np.inf
    decays = real < 0
    out[decays] = -1.0 / real[decays]
    out.setflags(write=False)
    return out


def controllability_rank(a: Matrix, b: Matrix) -> int:
    """Dimension of the states that the inputs can reach.

    The staircase of (A, B), built column block by column block: each new block is what A
    makes of the last one, orthogonal to all before it. Powers of A are never formed, so a
    fast mode does not hide a slow one. States are first balanced by powers of two and the
    columns of B scaled to length one; a direction below `REACHED_RTOL` is not reached.

    Parameters
    ----------
    a : ndarray, shape (n, n)
    b : ndarray, shape (n, m)

    References
    ----------
    P. Van Dooren, "The generalized eigenstructure problem in linear system theory", IEEE
    Transactions on Automatic Control 26(1), 1981.
    """
    n = a.shape[0]
    with np.errstate(invalid="ignore"):  # scipy casts a permutation that it was not asked for
        balanced, (scale, _) = matrix_balance(a, permute=False, separate=True)
    inputs = b / scale[:, None]
    lengths = np.linalg.norm(inputs, axis=0)
    driven = lengths > 0
    block = _directions(inputs[:, driven] / lengths[driven], REACHED_RTOL)
    limit = REACHED_RTOL * float(np.linalg.norm(balanced))
    basis = np.zeros((n, n))
    rank = 0
    while block.shape[1] and rank < n:
        block = block[:, : n - rank]
        basis[:, rank : rank + block.shape[1]] = block
        rank += block.shape[1]
        reached = basis[:, :rank]
        image = balanced @ block
        for _ in range(2):  # once leaves round-off of the size of what was subtracted
            image = image - reached @ (reached.T @ image)
        block = _directions(image, limit)
    return rank


def _directions(columns: Matrix, limit: float) -> Matrix:
    """Orthonormal basis of the columns' directions that are longer than `limit`."""
    left, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, lengths > limit]
