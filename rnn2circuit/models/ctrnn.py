"""Continuous-time RNN with the activation around the weighted sum."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, require
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.base import AbstractModel, matrix_shape, vector_length


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ctrnn(AbstractModel):
    r"""``x' = -rate∘x + gain∘σ(W x + W_in u + bias)``.

    Caruso & Jarne (2023), eq. 1, where gain = 1. One Euler step dt of it with
    rate = gain = 1/dt is the discrete RNN ``h+ = σ(W h + W_in u + bias)``.

    Parameters
    ----------
    rate : ndarray, shape (n,)
        Leak rates, positive, per model time unit.
    w : ndarray, shape (n, n)
        Recurrent weights ``w[post, pre]``.
    w_in : ndarray, shape (n, m), optional
        Input weights; absent when m = 0.
    bias : ndarray, shape (n,), optional
        Inside the activation.
    gain : ndarray, shape (n,), optional
        Outside the activation; 1 where not given.
    activation : str
        tanh, logistic, identity, relu or softplus.
    """

    family: ClassVar[str] = "ctrnn"

    rate: Vector
    w: Matrix
    w_in: Matrix | None = None
    bias: Vector | None = None
    gain: Vector | None = None
    activation: str = "tanh"

    def __post_init__(self) -> None:
        n = vector_length("rate", self.rate)
        self._freeze("rate", (n,))
        require("rate", self.rate, self.rate > 0, rule="positive")
        self._freeze("w", (n, n))
        if self.w_in is not None:
            self._freeze("w_in", (n, matrix_shape("w_in", self.w_in, f"({n}, m)")[1]))
        self._freeze("bias", (n,))
        self._freeze("gain", (n,))
        activation_named(self.activation)
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.rate.size

    @property
    def n_inputs(self) -> int:
        return 0 if self.w_in is None else self.w_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return self.activation != "relu"

    def without_input_map(self) -> Self:
        scaled = (
            self.w_in if self.w_in is None or self.in_scale is None else self.w_in * self.in_scale
        )
        return self._with_folded(w_in=scaled, bias=self._folded_bias(self.bias, self.w_in))

    def weighted_sum(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """``W x + W_in u + bias`` for mapped inputs u, shape (..., n)."""
        z = x @ self.w.T
        if self.w_in is not None:
            z = z + u @ self.w_in.T
        return z if self.bias is None else z + self.bias

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        drive = activation_named(self.activation).value(self.weighted_sum(x, u))
        return -self.rate * x + (drive if self.gain is None else self.gain * drive)

    def _slope(self, x: Vector, u: Vector) -> Vector:
        slope = activation_named(self.activation).slope(self.weighted_sum(x, u))
        return slope if self.gain is None else self.gain * slope

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self._slope(x, u)[:, None] * self.w - np.diag(self.rate)

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        if self.w_in is None:
            return np.zeros((self.n_states, 0))
        return self._slope(x, u)[:, None] * self.w_in
