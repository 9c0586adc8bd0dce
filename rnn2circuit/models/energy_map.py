"""The energy-based RNN as a map from step to step, in its two conjugate forms."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.base import AbstractCell, matrix_shape

MAP_FORMS = ("inner", "outer")
_SIGMAS = ("tanh", "logistic", "identity")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyMap(AbstractCell):
    r"""``v+ = Ξ (I + Φᵀ) Ξᵀ σ(v)`` (inner), or its conjugate ``v'+ = σ(Ξ (I + Φᵀ) Ξᵀ v')`` (outer).

    The energy-based RNN (Karuvally, Sejnowski & Siegelmann 2023), eqs. 7 and 10. With
    ``v' = σ(v)`` the two are one trajectory. There are no inputs.

    Parameters
    ----------
    xi : ndarray, shape (n, k)
        Memories, one per column.
    phi : ndarray, shape (k, k)
        Transitions between memories.
    sigma_f : str
        tanh, logistic or identity.
    form : str
        inner or outer.
    """

    family: ClassVar[str] = "energy_map"

    xi: Matrix
    phi: Matrix
    sigma_f: str = "tanh"
    form: str = "inner"

    def __post_init__(self) -> None:
        n, k = matrix_shape("xi", self.xi, "(n, k)")
        self._freeze("xi", (n, k))
        self._freeze("phi", (k, k))
        for name, known in (("sigma_f", _SIGMAS), ("form", MAP_FORMS)):
            if getattr(self, name) not in known:
                raise ModelError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.xi.shape[0]

    @property
    def n_inputs(self) -> int:
        return 0

    @property
    def is_smooth(self) -> bool:
        return True

    @property
    def weights(self) -> Matrix:
        """``Ξ (I + Φᵀ) Ξᵀ``, shape (n, n)."""
        return self.xi @ (np.eye(len(self.phi)) + self.phi.T) @ self.xi.T

    def without_input_map(self) -> Self:
        return self._with_folded()

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma = activation_named(self.sigma_f)
        if self.form == "inner":
            return sigma.value(x) @ self.weights.T
        return sigma.value(x @ self.weights.T)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        sigma, w = activation_named(self.sigma_f), self.weights
        if self.form == "inner":
            return w * sigma.slope(x)
        return sigma.slope(w @ x)[:, None] * w

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return np.zeros((self.n_states, 0))
