"""The gated recurrent unit, as torch's nn.GRU computes it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.gates import AbstractGates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gru(AbstractGates):
    r"""``h+ = (1 - z)∘n + z∘h`` with ``n = tanh(W_n_in u + b_n + r∘(W_n h + b_hn))``.

    The step of torch's nn.GRU: ``r = logistic(W_r h + W_r_in u + b_r)`` and z likewise; the
    reset r acts after the matrix, and the bias `b_hn` stays inside its product.

    Parameters
    ----------
    w_r, w_z, w_n : ndarray, shape (n, n)
        Recurrent weights ``[post, pre]`` of reset, update and candidate.
    w_r_in, w_z_in, w_n_in : ndarray, shape (n, m), optional
        All absent when m = 0.
    b_r, b_z, b_n, b_hn : ndarray, shape (n,), optional
        Biases, zero where not given.
    """

    family: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")

    w_r: Matrix
    w_z: Matrix
    w_n: Matrix
    w_r_in: Matrix | None = None
    w_z_in: Matrix | None = None
    w_n_in: Matrix | None = None
    b_r: Vector | None = None
    b_z: Vector | None = None
    b_n: Vector | None = None
    b_hn: Vector | None = None

    def __post_init__(self) -> None:
        self.check_gates()
        self._freeze("b_hn", (self.hidden,))
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.hidden

    def _inner(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``W_n h + b_hn``, (..., n)."""
        h = x @ self.w_n.T
        return h if self.b_hn is None else h + self.b_hn

    def _parts(
        self, x: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Arguments of r and z, and the candidate n."""
        a_r, a_z = self.argument("r", x, u), self.argument("z", x, u)
        return a_r, a_z, np.tanh(self.outer("n", u) + logistic(a_r) * self._inner(x))

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        _, a_z, n = self._parts(x, u)
        z = logistic(a_z)
        return (1.0 - z) * n + z * x

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        a_r, a_z, n = self._parts(x, u)
        z, bent_r = logistic(a_z), logistic_slope(a_r)
        inner = logistic(a_r)[:, None] * self.w_n + (self._inner(x) * bent_r)[:, None] * self.w_r
        kept = np.diag(z) + (logistic_slope(a_z) * (x - n))[:, None] * self.w_z
        return kept + ((1.0 - z) * (1.0 - n**2))[:, None] * inner

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        a_r, a_z, n = self._parts(x, u)
        bent = (self._inner(x) * logistic_slope(a_r))[:, None] * self.input_matrix("r")
        kept = (logistic_slope(a_z) * (x - n))[:, None] * self.input_matrix("z")
        drawn = ((1.0 - logistic(a_z)) * (1.0 - n**2))[:, None]
        return kept + drawn * (self.input_matrix("n") + bent)
