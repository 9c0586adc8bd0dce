"""Elman's recurrent network, the nn.RNN of torch."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.base import AbstractCell, matrix_shape

ELMAN_ACTIVATIONS = ("tanh", "relu")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Elman(AbstractCell):
    r"""``h+ = σ(W h + W_in u + bias)``.

    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990), as torch's nn.RNN.

    Parameters
    ----------
    w : ndarray, shape (n, n)
        Recurrent weights ``[post, pre]``.
    w_in : ndarray, shape (n, m), optional
        Absent when m = 0.
    bias : ndarray, shape (n,), optional
        Zero where not given.
    activation : str
        tanh or relu.
    """

    family: ClassVar[str] = "elman"

    w: Matrix
    w_in: Matrix | None = None
    bias: Vector | None = None
    activation: str = "tanh"

    def __post_init__(self) -> None:
        n = matrix_shape("w", self.w, "(n, n)")[0]
        self._freeze("w", (n, n))
        if self.w_in is not None:
            self._freeze("w_in", (n, matrix_shape("w_in", self.w_in, f"({n}, m)")[1]))
        self._freeze("bias", (n,))
        if self.activation not in ELMAN_ACTIVATIONS:
            known = " or ".join(ELMAN_ACTIVATIONS)
            raise ModelError(
                f"activation of an elman cell must be {known}, got {self.activation!r}"
            )
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.w.shape[0]

    @property
    def n_inputs(self) -> int:
        return 0 if self.w_in is None else self.w_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return self.activation != "relu"

    def without_input_map(self) -> Self:
        w_in = self.w_in
        scaled = w_in if w_in is None or self.in_scale is None else w_in * self.in_scale
        return self._with_folded(w_in=scaled, bias=self._folded_bias(self.bias, w_in))

    def _argument(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        z = x @ self.w.T
        if self.w_in is not None:
            z = z + u @ self.w_in.T
        return z if self.bias is None else z + self.bias

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        return activation_named(self.activation).value(self._argument(x, u))

    def _slope(self, x: Vector, u: Vector) -> Matrix:
        return activation_named(self.activation).slope(self._argument(x, u))[:, None]

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self._slope(x, u) * self.w

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        w_in = np.zeros((self.n_states, 0)) if self.w_in is None else self.w_in
        return self._slope(x, u) * w_in
