"""What drives a linear network, as columns of one matrix: inputs, bias, initial state."""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.linearize.strategies.gramians import gramian_factor
from rnn2circuit.linearize.strategies.parts import Part
from rnn2circuit.models import Linear

DEPENDENT = 1e-13  # of the largest singular value: columns that others already span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drive:
    """``[B, w bias, v x0] = columns @ weights``, without redundant columns.

    The bias is an input that is always one, the initial state one that strikes at t = 0. They are
    weighted so that each counts as much as the strongest input, whatever their units.

    Attributes
    ----------
    columns : ndarray, shape (n, k)
        Orthogonal, of full rank.
    mix : ndarray, shape (k, m + 2)
        How inputs, bias and initial state are made of them; zero where there is none.
    bias_weight, initial_weight : float
        w and v.
    """

    columns: Matrix
    mix: Matrix
    bias_weight: float
    initial_weight: float

    @property
    def n_inputs(self) -> int:
        return self.mix.shape[1] - 2

    def inputs(self, columns: Matrix) -> Matrix | None:
        """B where `columns` are the coordinates of this drive's columns."""
        return columns @ self.mix[:, : self.n_inputs] if self.n_inputs else None

    def bias(self, columns: Matrix) -> Vector | None:
        return _present(columns @ self.mix[:, -2] / self.bias_weight)

    def initial(self, columns: Matrix) -> Vector | None:
        return _present(columns @ self.mix[:, -1] / self.initial_weight)


def drive_of(model: Linear, c: Matrix, parts: tuple[Part, ...]) -> Drive:
    """All that drives `model`, weighted by what it makes of the outputs (H2 norm per column)."""
    n = model.n_states
    b = np.zeros((n, 0)) if model.b is None else model.b
    bias = np.zeros(n) if model.bias is None else model.bias
    every = np.column_stack([b, bias, model.initial_state])
    strength = np.sqrt(sum(_seen(part, c, every) for part in parts))
    reference = float(strength[:-2].max(initial=0.0)) or float(strength.max())
    weights = np.ones(every.shape[1])
    for k in (-2, -1):
        if strength[k] > 0:
            weights[k] = reference / strength[k]
    u, s, vt = np.linalg.svd(every * weights, full_matrices=False)
    kept = s > DEPENDENT * s.max(initial=0.0)
    return Drive(
        columns=u[:, kept] * s[kept],
        mix=vt[kept],
        bias_weight=float(weights[-2]),
        initial_weight=float(weights[-1]),
    )


def _seen(part: Part, c: Matrix, columns: Matrix) -> Vector:
    """Squared H2 norm of each column's answer in one decaying part."""
    shown = gramian_factor(part.decaying.T, (c @ part.right).T)
    return np.sum((shown.T @ (part.left @ columns)) ** 2, axis=0)


def _present(vector: Vector) -> Vector | None:
    return vector if np.any(vector) else None
