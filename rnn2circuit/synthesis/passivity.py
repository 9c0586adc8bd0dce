"""Can ``x' = A x`` be a passive network? A capacitor scaling, or a certificate that none exists.

With capacitors C and ``v' = A v`` the resistive n-port has ``Y = -C A``. It is passive where its
symmetric part is positive semidefinite, that is where ``C A + A^T C <= 0``. Voltage scaling
and capacitor scaling act alike (``D = diag(C_k / s_k^2)``), so the question is for one positive
diagonal matrix D with ``D A + A^T D <= 0``: diagonal stability.

Either answer is proved in exact arithmetic for the float matrix as given:

- a scaling, by the signs of the eigenvalues of ``-(D A + A^T D)``;
- its absence, by ``X = G G^T`` with ``(A X)_kk >= 0`` for all k and ``> 0`` for some k: then
  ``tr X (D A + A^T D) = 2 sum_k d_k (A X)_kk > 0`` for every D > 0, while it is at most zero for
  every D that works (the easy half of Barker, Berman & Plemmons, "Positive diagonal solutions to
  the Lyapunov equations", Linear and Multilinear Algebra 5, 1978).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import matrix_balance
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits

from rnn2circuit.arrays import Indices, Matrix, Vector, readonly
from rnn2circuit.errors import ModelError
from rnn2circuit.synthesis.diagonal_stability import DiagonalSearch, search_diagonal
from rnn2circuit.synthesis.exact import as_integers, inertia, is_semidefinite, product

Complex: TypeAlias = NDArray[np.complex128]
Passivity: TypeAlias = Literal["passive", "scalable", "impossible", "unstable", "marginal"]

SEMIDEFINITE_UP_TO = 64  # states: exact elimination of a singular matrix takes about a second
NEGLIGIBLE = 1e-10  # entries of an eigenvector below this part of the largest count as zero
SLACK = 1e-3  # of max |A|: dissipation that is kept where capacitors are brought together
HALVINGS = 12  # of the exponent that brings them together
SIMPLE = (2, 4, 8, 16)  # significant bits of the scalings tried where none has slack
TRIMMED = 1e-12  # of the largest column: columns of a certificate that small are left out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassivityVerdict:
    """Whether the network can be passive, and the proof.

    Attributes
    ----------
    status : str
        ``passive`` as it stands, with equal capacitors; ``scalable``: passive with capacitors in
        proportion to `d`; ``impossible``: no capacitors make it so; ``unstable``: a mode grows,
        which no passive network does; ``marginal``: too close to call in either direction.
    d : ndarray, shape (n,), or None
        Proved scaling, largest entry 1: capacitors ``C_k = d_k s_k^2`` for voltages ``v_k = x_k /
        s_k``. Of a verdict other than ``passive`` and ``scalable``, None.
    certificate : ndarray, shape (n, r), or None
        G of a proof ``X = G G^T`` that no scaling exists; of ``impossible`` and ``unstable``.
    spectral_abscissa : float
        Largest real part of an eigenvalue, in model units (floating point).
    negative_resistors : int
        Number of negative eigenvalues of the symmetric part of Y with equal capacitors: the
        fewest negative resistors (with ideal transformers) in the given coordinates. It
        depends on the scaling: see `scaled_negative_resistors`.
    scaled_negative_resistors : int
        The same with the best capacitors that were found; 0 where a scaling is proved.
    proved : bool
        Whether `status` is proved in exact arithmetic; false for ``marginal`` only.
    """

    status: Passivity
    d: Vector | None
    certificate: Matrix | None
    spectral_abscissa: float
    negative_resistors: int
    scaled_negative_resistors: int

    @property
    def proved(self) -> bool:
        return self.status != "marginal"

    @property
    def is_passive(self) -> bool:
        return self.d is not None

    @property
    def capacitor_spread(self) -> float:
        """Largest over smallest capacitor; 1 for equal ones, NaN where there is no scaling."""
        return np.nan if self.d is None else float(self.d.max() / self.d.min())

    @property
    def x(self) -> Matrix | None:
        """The certificate ``X = G G^T`` in floating point; `certificate` is the exact one."""
        return None if self.certificate is None else self.certificate @ self.certificate.T


def passivate(a: ArrayLike) -> PassivityVerdict:
    """Find the capacitors that make ``x' = A x`` a passive network, or prove that there are none.

    Parameters
    ----------
    a : array, shape (n, n)
        State matrix, ``a[post, pre]``. The answer is about these floats exactly.

    Raises
    ------
    ModelError
        If `a` is not a square matrix of finite numbers with at least one state.
    """
    # Threads of BLAS gain little at this size, and on a busy machine wait for each other.
    with threadpool_limits(limits=1):
        return _decide(_square(a))


def _decide(a: Matrix) -> PassivityVerdict:
    values, directions = np.linalg.eig(a)
    eigenvalues: Complex = values.astype(np.complex128)
    vectors: Complex = directions.astype(np.complex128)
    equal = np.ones(len(a))
    negative = count_negative_resistors(a, equal)
    if proves_passive(a, equal):
        return _verdict("passive", a, eigenvalues, negative, 0, d=equal)
    # A similarity by powers of two keeps the floats exact and evens the matrix out; the problem
    # is the same for it, with D' = S D S.
    balanced, (s, _) = matrix_balance(a, permute=False, separate=True)
    if float(eigenvalues.real.max()) > 0:
        growing = _growing_mode(eigenvalues, vectors)
        if proves_impossible(a, growing):
            return _verdict("unstable", a, eigenvalues, negative, negative, certificate=growing)
    found = search_diagonal(balanced)
    d = found.d / s**2
    d = d / d.max()
    for candidate in (_with_less_spread(a, d), d, *(_with_bits(d, bits) for bits in SIMPLE)):
        if proves_passive(a, candidate):
            return _verdict("scalable", a, eigenvalues, negative, 0, d=candidate)
    least = min(negative, count_negative_resistors(a, d))
    certificate = _prove_absence(a, balanced, s, found)
    if certificate is not None:
        return _verdict("impossible", a, eigenvalues, negative, least, certificate=certificate)
    return _verdict("marginal", a, eigenvalues, negative, least)


def _verdict(
    status: Passivity,
    a: Matrix,
    eigenvalues: Complex,
    negative: int,
    scaled: int,
    *,
    d: Vector | None = None,
    certificate: Matrix | None = None,
) -> PassivityVerdict:
    return PassivityVerdict(
        status=status,
        d=None if d is None else readonly("d", d, (len(a),)),
        certificate=None
        if certificate is None
        else readonly("certificate", certificate, certificate.shape),
        spectral_abscissa=float(eigenvalues.real.max()),
        negative_resistors=negative,
        scaled_negative_resistors=scaled,
    )


def _square(a: ArrayLike) -> Matrix:
    raw = np.asarray(a)
    if raw.ndim != 2 or raw.shape[0] != raw.shape[1] or not raw.size:
        raise ModelError(f"a must be a square matrix with at least one state, got {raw.shape}")
    return readonly("a", raw, raw.shape)


def _with_less_spread(a: Matrix, d: Vector) -> Vector:
    """``d^θ`` with the least θ that still works with `SLACK` to spare; `d` itself if none does.

    The search goes for the largest dissipation, which may cost decades of capacitance; a network
    only has to be passive. Numerical: whoever calls proves the result.
    """

    def dissipates(theta: float) -> bool:
        root = d ** (theta / 2)
        even = root[:, None] * a / root
        return float(np.linalg.eigvalsh(even + even.T)[-1]) < -SLACK * size

    size = float(np.abs(a).max())
    if not dissipates(1.0):
        return d
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if dissipates(middle) else (middle, high)
    return d**high


def _with_bits(d: Vector, bits: int) -> Vector:
    """Rounded to `bits` significant bits: a lossless network has one exact ratio of capacitors."""
    mantissa, exponent = np.frexp(d)
    d = np.ldexp(np.rint(mantissa * 2.0**bits), exponent - bits)
    return d / d.max()


def proves_passive(a: Matrix, d: Vector) -> bool:
    """Whether ``D A + A^T D <= 0`` with d > 0, decided in exact arithmetic.

    False may also mean that the matrix is singular, or nearly so, with more than
    `SEMIDEFINITE_UP_TO` states; true is a proof.
    """
    if not np.all(d > 0):
        return False
    whole, _ = as_integers(a)
    factor, _ = as_integers(d)
    scaled = factor[:, None] * whole
    dissipated = -(scaled + scaled.T)
    if np.any(np.diag(dissipated) < 0):
        return False
    signs = inertia(dissipated)
    if signs is not None:
        return signs[1] == 0
    return len(a) <= SEMIDEFINITE_UP_TO and is_semidefinite(dissipated)


def proves_impossible(a: Matrix, g: Matrix) -> bool:
    """Whether ``X = G G^T`` has ``(A X)_kk >= 0`` for all k and ``> 0`` for some, exactly."""
    whole, _ = as_integers(a)
    factor, _ = as_integers(g)
    diagonal = (product(whole, factor) * factor).sum(axis=1)
    return bool(np.all(diagonal >= 0) and np.any(diagonal > 0))


def count_negative_resistors(a: Matrix, d: Vector) -> int:
    """Negative eigenvalues of ``-(D A + A^T D)``: fewest negative resistors with capacitors d.

    Any n-port with k negative resistors is passive on the voltages that vanish at all of them,
    so the number is a lower bound; ideal transformers along the eigenvectors reach it.
    """
    scaled = d[:, None] * a
    values = np.linalg.eigvalsh(-(scaled + scaled.T))
    noise = len(d) * np.finfo(np.float64).eps * float(np.abs(values).max())
    return int(np.sum(values < -noise))


def _growing_mode(eigenvalues: Complex, vectors: Complex) -> Matrix:
    """The closed-form certificate of an unstable matrix.

    For ``A v = λ v`` and ``X = Re(v v^H)`` the diagonal of A X is ``Re(λ) |v_k|^2``.
    """
    v = vectors[:, int(np.argmax(eigenvalues.real))]
    v = v * (np.abs(v) > NEGLIGIBLE * np.abs(v).max())
    g = np.column_stack([v.real, v.imag]).astype(np.float64)
    return g[:, np.any(g != 0, axis=0)]


def _prove_absence(a: Matrix, balanced: Matrix, s: Vector, found: DiagonalSearch) -> Matrix | None:
    """A checked certificate from the dual of the search, or from a strongly connected part.

    Where A falls apart into parts that do not all act on each other, one part that cannot be
    passive is enough, and the dual of the whole only approaches zero.
    """
    g = s[:, None] * _factor(found.x)
    if proves_impossible(a, g):
        return g
    count, label = connected_components(csr_array(balanced != 0), connection="strong")
    for part in range(count if count > 1 else 0):
        where: Indices = np.flatnonzero(label == part)
        block = balanced[np.ix_(where, where)]
        if not block.any():
            continue
        g = np.zeros((len(a), len(where)))
        g[where] = s[where, None] * _factor(search_diagonal(block).x)
        if proves_impossible(a, g):
            return g
    return None


def _factor(x: Matrix) -> Matrix:
    """G with ``G G^T`` near x, without columns that hardly count."""
    values, vectors = np.linalg.eigh(x)
    keep = values > TRIMMED * values[-1]
    return vectors[:, keep] * np.sqrt(values[keep])
