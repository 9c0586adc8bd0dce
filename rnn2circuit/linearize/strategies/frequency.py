"""Transfer functions on a grid of complex frequencies."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix
from rnn2circuit.models import Linear

ComplexArray: TypeAlias = NDArray[np.complexfloating[Any, Any]]

POINTS = 200  # of a grid: a dozen per decade of a wide spectrum
BEYOND = 30.0  # the grid ends this factor below the slowest and above the fastest mode
SLOWEST = 1e-6  # modes slower than this part of the fastest do not stretch the grid


def frequencies(*poles: ComplexArray, points: int = POINTS) -> NDArray[np.float64]:
    """Angular frequencies from zero across all `poles`, each pole's own among them."""
    every = np.concatenate(poles)
    size = np.abs(every)
    fastest = float(size.max()) or 1.0
    slowest = float(size[size >= SLOWEST * fastest].min(initial=fastest))
    spread = np.geomspace(slowest / BEYOND, fastest * BEYOND, points)
    return np.unique(np.concatenate([[0.0], spread, size, np.abs(every.imag)]))


def transfer(a: Matrix, b: Matrix, c: Matrix, s: ComplexArray) -> ComplexArray:
    """``C (sI - A)^-1 B`` at each point of `s`, shape (len(s), p, m)."""
    eye = np.eye(len(a))
    return np.array([c @ np.linalg.solve(at * eye - a, b.astype(np.complex128)) for at in s])


def peak(values: ComplexArray) -> float:
    """Largest singular value at any point: a lower bound of the H-infinity norm."""
    if not values.size:
        return 0.0
    return float(np.linalg.svd(values, compute_uv=False).max())


def matrices(model: Linear) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """A, B, C, D of a model without input map; absent ones as zeros, no readout as identity."""
    n, m, p = model.n_states, model.n_inputs, model.n_outputs
    return (
        model.a,
        np.zeros((n, 0)) if model.b is None else model.b,
        np.eye(n) if model.w_out is None else model.w_out,
        np.zeros((p, m)) if model.d is None else model.d,
    )
