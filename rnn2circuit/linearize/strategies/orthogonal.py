"""Coordinates that keep every state: Schur, Hessenberg, and block-modal with a limit."""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.linearize.strategies.factors import (
    hessenberg_form,
    orthogonal_basis,
    real_schur,
    reordered_schur,
)

Coordinates = tuple[Matrix, Matrix]  # T, shape (n, n), and A' = T^-1 A T with its zeros exact


def schur_coordinates(a: Matrix) -> Coordinates:
    """Orthogonal T with A' quasi upper triangular: modes feed forward only."""
    triangular, q = real_schur(a)
    return q, triangular


def hessenberg_coordinates(a: Matrix, first: Matrix) -> Coordinates:
    """Orthogonal T with A' upper Hessenberg, and `first` (n,) along the first state."""
    q = orthogonal_basis(first[:, None])
    upper, inner = hessenberg_form(q.T @ a @ q)
    return q @ inner, upper


def modal_coordinates(a: Matrix, limit: float) -> tuple[Matrix, Matrix, tuple[int, ...]]:
    """T with A' block diagonal and ``cond(T) <= limit``, and the sizes of the blocks.

    Starts from one block per real eigenvalue or pair. While the bases of the invariant subspaces,
    orthonormal each, are together worse conditioned than `limit`, the two that lie closest
    are merged; in the end one block is left, which is the Schur form. A pair that stayed alone
    gets the normal block ``[[a, w], [-w, a]]`` where the limit allows its basis.

    References
    ----------
    C. Bavely, G. W. Stewart, "An algorithm for computing reducing subspaces by block
    diagonalization", SIAM Journal on Numerical Analysis 16(2), 1979, has the idea of limiting
    the condition by the size of blocks.

    Raises
    ------
    NotRealizableError
        If LAPACK cannot part two eigenvalues.
    """
    triangular, q = real_schur(a)
    clusters = _diagonal_blocks(triangular)
    bases = [_invariant(triangular, q, cluster) for cluster in clusters]
    while len(clusters) > 1:
        together = np.hstack([basis for basis, _ in bases])
        if np.linalg.cond(together) <= limit:
            break
        i, j = _closest(together, [c.size for c in clusters])
        clusters[i] = np.concatenate([clusters[i], clusters.pop(j)])
        del bases[j]
        bases[i] = _invariant(triangular, q, clusters[i])
    _normalize_pairs(bases, limit)
    t = np.hstack([basis for basis, _ in bases])
    sizes = tuple(len(block) for _, block in bases)
    modal = np.zeros_like(a)
    for start, (_, block) in zip(np.cumsum([0, *sizes]), bases, strict=False):
        modal[start : start + len(block), start : start + len(block)] = block
    return t, modal, sizes


def _diagonal_blocks(triangular: Matrix) -> list[Indices]:
    """Positions of the real eigenvalues and pairs along a quasi-triangular matrix."""
    blocks: list[Indices] = []
    k, n = 0, len(triangular)
    while k < n:
        size = 2 if k + 1 < n and triangular[k + 1, k] != 0 else 1
        blocks.append(np.arange(k, k + size))
        k += size
    return blocks


def _invariant(triangular: Matrix, q: Matrix, cluster: Indices) -> Coordinates:
    """Orthonormal basis of the invariant subspace of some diagonal blocks, and A on it."""
    found = reordered_schur(triangular, q, cluster)
    if found is None:
        raise NotRealizableError(
            "two eigenvalues are too close for the modes to be parted; strategy schur keeps them "
            "together"
        )
    ordered, basis = found
    k = cluster.size
    return basis[:, :k], ordered[:k, :k]


def _closest(together: Matrix, sizes: list[int]) -> tuple[int, int]:
    """The two clusters i < j whose subspaces have the largest cosine (Frobenius norm, per pair)."""
    starts = np.cumsum([0, *sizes[:-1]])
    squares = np.add.reduceat(
        np.add.reduceat((together.T @ together) ** 2, starts, axis=0), starts, axis=1
    )
    size = np.array(sizes)
    cosine = np.triu(squares / np.minimum(size[:, None], size), 1)
    i, j = np.unravel_index(int(np.argmax(cosine)), cosine.shape)
    return int(i), int(j)


def _normalize_pairs(bases: list[Coordinates], limit: float) -> None:
    """Bring lone pairs to ``[[a, w], [-w, a]]`` while the condition stays within the limit."""
    for k, (basis, block) in enumerate(bases):
        if len(block) != 2 or block[1, 0] == 0:
            continue
        # LAPACK's block of a pair is [[a, b], [c, a]] with b c < 0: stretch one axis.
        mean, b, c = float(block[0, 0]), float(block[0, 1]), float(block[1, 0])
        frequency = np.sqrt(abs(b)) * np.sqrt(abs(c))
        stretch = (abs(b) / abs(c)) ** 0.25
        before = bases[k]
        turn = np.copysign(frequency, b)
        inner = np.diag([stretch, 1.0 / stretch])
        bases[k] = (basis @ inner, np.array([[mean, turn], [-turn, mean]]))
        if np.linalg.cond(np.hstack([b for b, _ in bases])) > limit:
            bases[k] = before
