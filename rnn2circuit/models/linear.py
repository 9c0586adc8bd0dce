"""Linear state-space models."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.base import AbstractModel, matrix_shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear(AbstractModel):
    r"""``x' = A x + B u + bias``.

    The linearized network of Caruso & Jarne (2023), and what every linearization returns.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        State matrix, ``a[post, pre]``, per model time unit.
    b : ndarray, shape (n, m), optional
        Input matrix; absent when m = 0.
    bias : ndarray, shape (n,), optional
        Constant drive.
    d : ndarray, shape (p, m), optional
        Feedthrough from input to output.
    """

    family: ClassVar[str] = "linear"

    a: Matrix
    b: Matrix | None = None
    bias: Vector | None = None
    d: Matrix | None = None

    def __post_init__(self) -> None:
        n, columns = matrix_shape("a", self.a, "(n, n)")
        if n != columns:
            raise ModelError(f"a must be square, got shape {(n, columns)}")
        self._freeze("a", (n, n))
        if self.b is not None:
            self._freeze("b", (n, matrix_shape("b", self.b, f"({n}, m)")[1]))
        self._freeze("bias", (n,))
        self._check_common()
        if self.d is not None:
            self._freeze("d", (self.n_outputs, self.n_inputs))

    @property
    def n_states(self) -> int:
        return self.a.shape[0]

    @property
    def n_inputs(self) -> int:
        return 0 if self.b is None else self.b.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    @property
    def has_readout(self) -> bool:
        """Whether outputs are anything but the states themselves."""
        return any(part is not None for part in (self.w_out, self.b_out, self.d))

    @property
    def feedthrough(self) -> Matrix | None:
        if self.d is None:
            return None
        return self.d if self.in_scale is None else self.d * self.in_scale

    def readout(self, x: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
        # Spelled without super(): a slotted dataclass is rebuilt, and zero-argument super()
        # would look up the class that was thrown away.
        y = AbstractModel.readout(self, x, u)
        return y if self.d is None else y + self._mapped(u) @ self.d.T

    def without_input_map(self) -> Self:
        b_out = self.b_out
        if self.d is not None and self.in_bias is not None:
            shift = self.d @ self.in_bias
            b_out = shift if b_out is None else b_out + shift
        return self._with_folded(
            b=self.b if self.b is None or self.in_scale is None else self.b * self.in_scale,
            bias=self._folded_bias(self.bias, self.b),
            d=self.feedthrough,
            b_out=b_out,
        )

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        out = x @ self.a.T
        if self.b is not None:
            out = out + u @ self.b.T
        return out if self.bias is None else out + self.bias

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return np.array(self.a)

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return np.zeros((self.n_states, 0)) if self.b is None else np.array(self.b)
