"""A bound on the error of a linearization, state by state, that holds for all times of a run.

Networks ``x' = L x + P σ(S x + R u + b)`` leave their linearization ``ξ' = f0 + A ξ + B υ`` (ξ and
υ from the point of expansion) by ``e' = A e + P g(q + S e)``, where ``q = S ξ + R υ`` and
``g(d) = σ(z0 + d) - σ(z0) - σ'(z0) d``. Both start from one state, so with ζ = |S e|

    ζ(t) <= ∫ |S exp(A (t-s)) P| ĝ(s) ds,    ĝ(s) = max of |g(d)| over |d - q(s)| <= ζ(s)

entry by entry, and |e| likewise without S. Every integral is taken from above on a grid of
cells: the kernel and q by their largest values within a cell, not by samples. A function Z > 0 that
the right-hand side maps strictly below itself bounds ζ: at the first time when ζ reached Z it
would be below Z. Iteration finds Z; that it is mapped below itself is what is checked.

What is not bounded with rigour is rounding, and the linear solution itself, an integration to
`reference.RTOL`; for both a multiple of their usual size is added.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.activations import Activation
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, Stimulus

Stack: TypeAlias = NDArray[np.float64]  # shape (cells, rows, columns)

EVEN_SLOPES = ("tanh", "logistic")  # σ' even and falling with |z|: g' vanishes at 0 and -2 z0 only
STEP_RATE = 0.05  # of a cell: its length times the infinity norm of A
CELLS = (400, 8000)  # fewest and most
MOST_ENTRIES = 2**22  # of the sampled kernel: 32 MB, and twice that as a spectrum
ROUNDING = 1e-12  # of the largest kernel entries times the integral of ĝ: what FFTs lose
REFERENCE = 1e-8  # of the largest state: a hundred times the tolerance of the linear solution
EPSILON = 8 * float(np.finfo(np.float64).eps)  # of the terms that cancel in g
ITERATIONS = 300
GROWN = 1e3  # times the sums' own size: an iterate that large does not come back
SETTLED = 1e-6  # relative change at which the iteration ends
INFLATION = 1e-4  # by which the last iterate is raised before it is checked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SigmoidForm:
    """P, S, R and ``z0 = S x* + R u* + b`` of a network at its point of expansion.

    Shapes (n, k), (k, n), (k, m) and (k,).
    """

    activation: Activation
    into: Matrix
    of: Matrix
    by: Matrix
    z0: Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Where ``q = S ξ + R υ`` lies in each cell, shape (cells, k), and the largest |ξ|, (n,)."""

    low: Matrix
    high: Matrix
    largest: Vector

    def scaled(self, amplitude: float) -> "Sums":
        """The same for a motion `amplitude` > 0 times as large."""
        low, high, largest = (amplitude * part for part in (self.low, self.high, self.largest))
        return Sums(low=low, high=high, largest=largest)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kernel:
    """``|T exp(A s) P|`` from above, cell by cell of the lag s, ready for convolution."""

    spectrum: NDArray[np.complex128]  # shape (cells + 1, rows, k)
    largest: Matrix  # over all cells, shape (rows, k)
    step: float

    def bound(self, g: Matrix) -> Matrix:
        """Of the convolution with ``g >= 0``, constant in each cell: its largest value in each.

        At the end of cell j the integral is at most ``step * sum_i K[j-i] g[i]``, and between two
        ends it is at most what linear interpolation gives.
        """
        cells = len(g)
        spectrum = np.fft.rfft(g, 2 * cells, axis=0)
        product = np.matmul(self.spectrum, spectrum[:, :, None])[:, :, 0]
        ends = self.step * np.fft.irfft(product, 2 * cells, axis=0)[:cells]
        ends = np.maximum(ends, 0.0) + ROUNDING * self.step * (self.largest @ g.sum(axis=0))
        starts = np.vstack([np.zeros((1, ends.shape[1])), ends[:-1]])
        return np.maximum(starts, ends)


def cells_for(a: Matrix, n_sums: int, duration: float) -> int:
    """Number of cells of a run: fine beside the rates of A, and small enough for memory."""
    wanted = duration * float(np.abs(a).sum(axis=1).max()) / STEP_RATE
    affordable = MOST_ENTRIES // (n_sums * len(a))
    return max(2, min(int(np.clip(np.ceil(min(wanted, CELLS[1])), *CELLS)), affordable))


def kernels_of(a: Matrix, form: SigmoidForm, *, step: float, cells: int) -> tuple[Kernel, Kernel]:
    """The kernels with T = S and T = 1."""
    forward, growth = expm(a * step), expm(np.abs(a) * step)
    powers = np.empty((cells + 1, *a.shape))
    powers[0] = np.eye(len(a))
    for k in range(cells):
        powers[k + 1] = forward @ powers[k]
    # Between two samples a function is within step^2/8 of its chord per unit of curvature.
    into: Matrix = np.asarray(growth @ np.abs(form.into) * (step**2 / 8.0), dtype=np.float64)
    return (
        _kernel(form.of @ powers, a, form.into, into, step),
        _kernel(powers, a, form.into, into, step),
    )


def _kernel(rows: Stack, a: Matrix, into: Matrix, curvature: Matrix, step: float) -> Kernel:
    samples = np.abs(rows @ into)
    above = np.maximum(samples[:-1], samples[1:]) + np.abs(rows[:-1] @ (a @ a)) @ curvature
    spectrum = np.fft.rfft(above, 2 * len(above), axis=0)
    return Kernel(spectrum=spectrum, largest=above.max(axis=0), step=step)


def input_range(stimulus: Stimulus, times: Vector) -> tuple[Matrix, Matrix]:
    """Lowest and highest inputs within each cell between two `times`, shapes (cells, m)."""
    at = stimulus(times)
    low, high = np.minimum(at[:-1], at[1:]), np.maximum(at[:-1], at[1:])
    match stimulus:
        case PwlStimulus():
            inside = (stimulus.times > times[0]) & (stimulus.times < times[-1])
            cell = np.searchsorted(times, stimulus.times[inside]) - 1
            np.minimum.at(low, cell, stimulus.values[inside])
            np.maximum.at(high, cell, stimulus.values[inside])
        case SineStimulus():
            step = float(np.diff(times).max())
            beyond = np.abs(stimulus.amplitude) * (2 * np.pi * stimulus.frequency * step) ** 2 / 8
            low, high = low - beyond, high + beyond
    return low, high


def sums_of(
    form: SigmoidForm,
    a: Matrix,
    b: Matrix,
    *,
    rate: Vector,
    states: Matrix,
    inputs: tuple[Matrix, Matrix],
    step: float,
) -> Sums:
    """Bounds on q within each cell.

    Parameters
    ----------
    rate : ndarray, shape (n,)
        f0, zero at an equilibrium.
    states : ndarray, shape (cells + 1, n)
        ξ at the ends of the cells.
    inputs : two ndarrays, shape (cells, m)
        Lowest and highest υ in each.
    """
    low, high = inputs
    size = np.abs(a).T
    push = np.maximum(np.abs(low), np.abs(high)) @ np.abs(b).T + np.abs(rate)
    largest = (np.abs(states[:-1]) + step * push) @ expm(size * step)
    moved = step * (largest @ size + push)
    # A function whose slope varies by w is within step w / 4 of its chord.
    bend = step / 4.0 * (moved @ size + (high - low) @ np.abs(b).T)
    margin = bend @ np.abs(form.of).T + REFERENCE * (np.abs(form.of) @ largest.max(axis=0))
    at = states @ form.of.T
    up, down = np.maximum(form.by, 0.0).T, np.minimum(form.by, 0.0).T
    return Sums(
        low=np.minimum(at[:-1], at[1:]) - margin + low @ up + high @ down,
        high=np.maximum(at[:-1], at[1:]) + margin + high @ up + low @ down,
        largest=largest.max(axis=0),
    )


def remainder(form: SigmoidForm, low: Matrix, high: Matrix) -> Matrix:
    """Largest ``|σ(z0 + d) - σ(z0) - σ'(z0) d|`` over ``low <= d <= high``, entry by entry.

    Exact for every activation: g vanishes at 0 with its slope; where σ' is monotonic |g| grows away
    from there, and where it is even and falling g turns once more, at ``d = -2 z0``.
    """
    sigma, z0 = form.activation.value, form.z0
    at_rest, slope = sigma(z0), form.activation.slope(z0)

    def size(d: Matrix) -> Matrix:
        terms = (sigma(z0 + d), at_rest, slope * d)
        spare = EPSILON * (np.abs(terms[0]) + np.abs(terms[1]) + np.abs(terms[2]))
        return np.abs(terms[0] - terms[1] - terms[2]) + spare

    found = np.maximum(size(low), size(high))
    if form.activation.name in EVEN_SLOPES:
        turn = np.broadcast_to(-2.0 * z0, low.shape)
        found = np.maximum(found, np.where((low < turn) & (turn < high), size(turn), 0.0))
    return found


def certify(form: SigmoidForm, kernels: tuple[Kernel, Kernel], sums: Sums) -> Matrix | None:
    """Bound on |e| within each cell, shape (cells, n), or None where none is found."""
    to_sums, to_states = kernels
    limit = GROWN * (1.0 + float(np.maximum(np.abs(sums.low), np.abs(sums.high)).max()))
    zeta = np.zeros_like(sums.low)
    for _ in range(ITERATIONS):
        following = to_sums.bound(remainder(form, sums.low - zeta, sums.high + zeta))
        largest = float(following.max())
        if not largest <= limit:  # also where it is no number
            return None
        settled = bool(np.all(following - zeta <= SETTLED * (following + EPSILON * largest)))
        zeta = np.maximum(zeta, following)
        if settled:
            break
    # Rounding of g may move the next iterate by as much, however small the motion is.
    noise = np.full_like(zeta, EPSILON * (1.0 + float(np.abs(form.z0).max())))
    zeta = (1.0 + INFLATION) * zeta + to_sums.bound(noise) + EPSILON
    g = remainder(form, sums.low - zeta, sums.high + zeta)
    return to_states.bound(g) if bool(np.all(to_sums.bound(g) < zeta)) else None
