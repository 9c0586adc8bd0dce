"""Exact answers about float matrices: products and inertia in whole-number arithmetic.

Every float64 is a whole number times a power of two, so a matrix of floats is a matrix of Python
integers and one exponent, without rounding. Floating point is used in two places only: to guess a
congruence, which may be as wrong as it likes (a wrong guess proves nothing, never something
false), and to multiply pieces so short that their sums fit the 53 bits of a float64 exactly.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix

Integers: TypeAlias = NDArray[np.object_]  # Python integers of any length, either sign

SIGNIFICAND = 53  # bits of a float64
CONGRUENCE_BITS = 50  # behind the binary point of a guessed congruence


def as_integers(values: Matrix) -> tuple[Integers, int]:
    """``values == integers * 2**exponent``, exactly."""
    mantissa, exponents = np.frexp(values)
    whole = (mantissa * 2.0**SIGNIFICAND).astype(np.int64)
    shift = exponents.astype(np.int64) - SIGNIFICAND
    used = whole != 0
    if not used.any():
        return whole.astype(object), 0
    lowest = int(shift[used].min())
    shift = np.where(used, shift - lowest, 0)
    scaled: Integers = np.left_shift(whole.astype(object), shift.astype(object))
    return scaled, lowest


def product(left: Integers, right: Integers) -> Integers:
    """The exact matrix product of two integer matrices.

    Both are cut into pieces of b bits with ``2 b + log2(k) <= 53`` for the inner dimension k:
    each product of two pieces is a matrix product of float64 in which nothing rounds, in
    whatever order it is summed.
    """
    inner = left.shape[1]
    bits = (SIGNIFICAND - max(1, inner).bit_length()) // 2
    total: Integers = np.zeros((left.shape[0], right.shape[1]), dtype=object)
    pieces = _pieces(right, bits)
    for i, a in enumerate(_pieces(left, bits)):
        for j, b in enumerate(pieces):
            total = total + (_whole(a @ b) << ((i + j) * bits))
    return total


def _pieces(values: Integers, bits: int) -> list[Matrix]:
    """Signed pieces of `bits` bits, lowest first, as float64."""
    sign, rest = np.where(values < 0, -1, 1), abs(values)
    mask = (1 << bits) - 1
    out: list[Matrix] = []
    while rest.any():
        out.append((sign * (rest & mask)).astype(np.float64))
        rest = rest >> bits
    return out


def _whole(values: Matrix) -> Integers:
    return values.astype(np.int64).astype(object)


def inertia(symmetric: Integers) -> tuple[int, int] | None:
    """Numbers of positive and negative eigenvalues of a nonsingular matrix, proved; else None.

    With a guess W of a congruence that makes the matrix diagonal, ``R = W M W^T`` is computed
    exactly. If R is strictly diagonally dominant, no eigenvalue of R is zero (Gershgorin), the
    signs of its diagonal are its inertia, W is regular, and M has the same inertia (Sylvester).

    Returns
    -------
    tuple or None
        None where R is not dominant: M is singular, or nearer to a singular matrix than
        floating point can tell.
    """
    balance = _balance(symmetric)
    scaled = balance[:, None] * symmetric * balance
    top = max((abs(v).bit_length() for v in scaled.ravel()), default=0)
    near = _rounded(scaled, top)
    values, vectors = np.linalg.eigh((near + near.T) / 2)
    if not np.all(values != 0):
        return None
    guess = np.rint(np.ldexp(vectors.T / np.sqrt(np.abs(values))[:, None], CONGRUENCE_BITS))
    if not np.all(np.abs(guess) < 2.0 ** (2 * SIGNIFICAND)):
        return None
    w = np.array([[int(v) for v in row] for row in guess], dtype=object)
    r = product(product(w, scaled), w.T)
    diagonal = np.diag(r)
    rest = abs(r).sum(axis=1) - abs(diagonal)
    if not np.all(abs(diagonal) > rest):
        return None
    positive = int(np.sum(diagonal > 0))
    return positive, len(diagonal) - positive


def _balance(symmetric: Integers) -> Integers:
    """Powers of two that bring the diagonal to nearly one size, shape (n,)."""
    lengths = [abs(v).bit_length() for v in np.diag(symmetric)]
    longest = max(lengths, default=0)
    return np.array([1 << ((longest - k) // 2) if k else 1 for k in lengths], dtype=object)


def _rounded(values: Integers, top: int) -> Matrix:
    """Float64 near ``values / 2**top``, for integers of at most `top` bits."""
    drop = max(0, top - 2 * SIGNIFICAND)
    scale = top - drop
    return np.array([[math.ldexp(float(v >> drop), -scale) for v in row] for row in values])


def is_semidefinite(symmetric: Integers) -> bool:
    """Whether all eigenvalues are at least zero, exactly, by elimination without fractions.

    Diagonal pivots; where all that are left are zero, a semidefinite matrix is zero there
    (E. H. Bareiss, Mathematics of Computation 22, 1968). The integers grow with n, so this
    is meant for the small and the singular, which `inertia` cannot decide.
    """
    m, last = symmetric.copy(), 1
    while len(m):
        diagonal = np.diag(m)
        if np.any(diagonal < 0):
            return False
        k = int(np.argmax(diagonal != 0))
        pivot: Any = diagonal[k]
        if pivot == 0:
            return not np.any(m != 0)
        keep = np.arange(len(m)) != k
        column = m[keep, k]
        # Bareiss: the division by the last pivot leaves no remainder.
        m = (pivot * m[np.ix_(keep, keep)] - column[:, None] * column) // last
        last = pivot
    return True
