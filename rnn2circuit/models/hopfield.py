"""Continuous Hopfield network: the activation on each output."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, require
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.base import AbstractModel, matrix_shape, vector_length


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hopfield(AbstractModel):
    r"""``tau∘x' = -x + W σ(x) + W_in u + bias``.

    The additive form of J. J. Hopfield (PNAS 81, 1984): amplifiers on the outputs, resistive
    sums at their inputs.

    Parameters
    ----------
    tau : ndarray, shape (n,)
        Time constants, positive, in model time units.
    w : ndarray, shape (n, n)
        Recurrent weights ``w[post, pre]``.
    w_in : ndarray, shape (n, m), optional
        Input weights; absent when m = 0.
    bias : ndarray, shape (n,), optional
        Constant drive.
    activation : str
        tanh, logistic, identity, relu or softplus.
    """

    family: ClassVar[str] = "hopfield"

    tau: Vector
    w: Matrix
    w_in: Matrix | None = None
    bias: Vector | None = None
    activation: str = "tanh"

    def __post_init__(self) -> None:
        n = vector_length("tau", self.tau)
        self._freeze("tau", (n,))
        require("tau", self.tau, self.tau > 0, rule="positive")
        self._freeze("w", (n, n))
        if self.w_in is not None:
            self._freeze("w_in", (n, matrix_shape("w_in", self.w_in, f"({n}, m)")[1]))
        self._freeze("bias", (n,))
        activation_named(self.activation)
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.tau.size

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

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        out = activation_named(self.activation).value(x) @ self.w.T - x
        if self.w_in is not None:
            out = out + u @ self.w_in.T
        return (out if self.bias is None else out + self.bias) / self.tau

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        slope = activation_named(self.activation).slope(x)
        return (self.w * slope - np.eye(self.n_states)) / self.tau[:, None]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        if self.w_in is None:
            return np.zeros((self.n_states, 0))
        return self.w_in / self.tau[:, None]
