"""The gated recurrent unit, as torch's nn.GRU computes it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.gates import AbstractGates
from rnn2circuit.models.gru_ode import RESETS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gru(AbstractGates):
    r"""``h+ = (1 - z)∘n + z∘h`` with ``n = tanh(W_n_in u + b_n + r∘(W_n h + b_hn))``.

    The step of torch's nn.GRU: ``r = logistic(W_r h + W_r_in u + b_r)`` and z likewise; the
    reset r acts after the matrix, and the bias `b_hn` stays inside its product. With
    ``reset = before``, as Cho et al. (2014) publish it, Keras computes it without
    ``reset_after`` and ONNX without ``linear_before_reset``,
    ``n = tanh(W_n_in u + b_n + W_n (r∘h))``.

    Parameters
    ----------
    w_r, w_z, w_n : ndarray, shape (n, n)
        Recurrent weights ``[post, pre]`` of reset, update and candidate.
    w_r_in, w_z_in, w_n_in : ndarray, shape (n, m), optional
        All absent when m = 0.
    b_r, b_z, b_n : ndarray, shape (n,), optional
        Biases, zero where not given.
    b_hn : ndarray, shape (n,), optional
        Bias inside the reset product; for ``reset = after`` only.
    reset : str
        after or before.
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
    reset: str = "after"

    def __post_init__(self) -> None:
        self.check_gates()
        self._freeze("b_hn", (self.hidden,))
        if self.reset not in RESETS:
            raise ModelError(f"reset must be {' or '.join(RESETS)}, got {self.reset!r}")
        if self.b_hn is not None and self.reset == "before":
            raise ModelError("b_hn belongs to reset 'after'; with 'before' there is one bias, b_n")
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
        r = logistic(a_r)
        inner = (r * x) @ self.w_n.T if self.reset == "before" else r * self._inner(x)
        return a_r, a_z, np.tanh(self.outer("n", u) + inner)

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        _, a_z, n = self._parts(x, u)
        z = logistic(a_z)
        return (1.0 - z) * n + z * x

    def _through_reset(self, x: Vector, a_r: Vector, by: Matrix) -> Matrix:
        """Derivative of the candidate's argument through the reset gate, whose own is `by`."""
        bent = logistic_slope(a_r)[:, None] * by
        if self.reset == "before":
            return self.w_n @ (x[:, None] * bent)
        return self._inner(x)[:, None] * bent

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        a_r, a_z, n = self._parts(x, u)
        z, r = logistic(a_z), logistic(a_r)
        inner = self.w_n * r if self.reset == "before" else r[:, None] * self.w_n
        inner = inner + self._through_reset(x, a_r, self.w_r)
        kept = np.diag(z) + (logistic_slope(a_z) * (x - n))[:, None] * self.w_z
        return kept + ((1.0 - z) * (1.0 - n**2))[:, None] * inner

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        a_r, a_z, n = self._parts(x, u)
        inner = self.input_matrix("n") + self._through_reset(x, a_r, self.input_matrix("r"))
        kept = (logistic_slope(a_z) * (x - n))[:, None] * self.input_matrix("z")
        return kept + ((1.0 - logistic(a_z)) * (1.0 - n**2))[:, None] * inner
