"""Long short-term memory, as torch's nn.LSTM computes it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.gates import AbstractGates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lstm(AbstractGates):
    r"""``c+ = f∘c + i∘g``, ``h+ = o∘tanh(c+)``; the state is x = [h, c].

    The step of torch's nn.LSTM: ``i, f, o = logistic(W h + W_in u + b)``, each with its own
    weights, and ``g = tanh(W_g h + W_g_in u + b_g)``.

    Parameters
    ----------
    w_i, w_f, w_g, w_o : ndarray, shape (d, d)
        Recurrent weights ``[post, pre]``; n = 2d.
    w_i_in, w_f_in, w_g_in, w_o_in : ndarray, shape (d, m), optional
        All absent when m = 0.
    b_i, b_f, b_g, b_o : ndarray, shape (d,), optional
        Biases, zero where not given.
    """

    family: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")

    w_i: Matrix
    w_f: Matrix
    w_g: Matrix
    w_o: Matrix
    w_i_in: Matrix | None = None
    w_f_in: Matrix | None = None
    w_g_in: Matrix | None = None
    w_o_in: Matrix | None = None
    b_i: Vector | None = None
    b_f: Vector | None = None
    b_g: Vector | None = None
    b_o: Vector | None = None

    def __post_init__(self) -> None:
        self.check_gates()
        self._check_common()

    @property
    def n_states(self) -> int:
        return 2 * self.hidden

    @property
    def n_handed_on(self) -> int:
        return self.hidden

    def _arguments(
        self, x: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        h = x[..., : self.hidden]
        return tuple(self.argument(gate, h, u) for gate in self.gates)

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        a_i, a_f, a_g, a_o = self._arguments(x, u)
        c = logistic(a_f) * x[..., self.hidden :] + logistic(a_i) * np.tanh(a_g)
        return np.concatenate([logistic(a_o) * np.tanh(c), c], axis=-1)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        c_by_h, h_by_h = self._sensitivities(x, u, [self.recurrent(g) for g in self.gates])
        a_f, a_o = self.argument("f", x[: self.hidden], u), self.argument("o", x[: self.hidden], u)
        new = self._step(x, u)[self.hidden :]
        kept = np.diag(logistic(a_f))
        shown = logistic(a_o) * (1.0 - np.tanh(new) ** 2)
        return np.block([[h_by_h, shown[:, None] * kept], [c_by_h, kept]])

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        c_by_u, h_by_u = self._sensitivities(x, u, [self.input_matrix(g) for g in self.gates])
        return np.vstack([h_by_u, c_by_u])

    def _sensitivities(self, x: Vector, u: Vector, weights: list[Matrix]) -> tuple[Matrix, Matrix]:
        """Derivatives of c+ and h+ by a vector that enters the gates through `weights`."""
        a_i, a_f, a_g, a_o = self._arguments(x, u)
        w_i, w_f, w_g, w_o = weights
        g, c = np.tanh(a_g), np.tanh(self._step(x, u)[self.hidden :])
        by_c = (logistic_slope(a_f) * x[self.hidden :])[:, None] * w_f
        by_c = by_c + (logistic_slope(a_i) * g)[:, None] * w_i
        by_c = by_c + (logistic(a_i) * (1.0 - g**2))[:, None] * w_g
        by_h = (logistic_slope(a_o) * c)[:, None] * w_o
        return by_c, by_h + (logistic(a_o) * (1.0 - c**2))[:, None] * by_c
