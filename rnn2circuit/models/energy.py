"""The energy-based RNN with feature, hidden and delay populations."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.base import AbstractModel, matrix_shape

_SIGMAS = ("tanh", "logistic", "identity")
_TIMES = ("tau_f", "tau_h", "tau_d")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Energy(AbstractModel):
    r"""``tau_f v_f' = a Ξ σ_h(v_h) - v_f``, ``tau_h v_h' = a Ξᵀ σ_f(v_f) + α_c Φᵀ Ξᵀ v_d - v_h``.

    With ``a = sqrt(alpha_s)`` and ``tau_d v_d' = σ_f(v_f) - v_d``: eq. 1 of the energy-based RNN
    (Karuvally, Sejnowski & Siegelmann 2023). The state is x = [v_f, v_h, v_d]; there are no
    inputs.

    Parameters
    ----------
    xi : ndarray, shape (n_f, n_h)
        Memories, one per column.
    phi : ndarray, shape (n_h, n_h)
        Transitions between memories.
    alpha_s, alpha_c : float
        Strengths of recall (not negative) and of transitions.
    tau_f, tau_h, tau_d : float
        Time constants, positive.
    sigma_f, sigma_h : str
        tanh, logistic or identity.
    """

    family: ClassVar[str] = "energy"

    xi: Matrix
    phi: Matrix
    alpha_s: float
    alpha_c: float
    tau_f: float
    tau_h: float
    tau_d: float
    sigma_f: str = "tanh"
    sigma_h: str = "tanh"

    def __post_init__(self) -> None:
        n_f, n_h = matrix_shape("xi", self.xi, "(n_f, n_h)")
        self._freeze("xi", (n_f, n_h))
        self._freeze("phi", (n_h, n_h))
        for name in ("alpha_s", "alpha_c", *_TIMES):
            object.__setattr__(self, name, float(readonly(name, getattr(self, name), ())))
        if self.alpha_s < 0:
            raise ModelError(f"alpha_s must be zero or positive, got {self.alpha_s!r}")
        for name in _TIMES:
            if getattr(self, name) <= 0:
                raise ModelError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name in ("sigma_f", "sigma_h"):
            if getattr(self, name) not in _SIGMAS:
                known = ", ".join(_SIGMAS)
                raise ModelError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        self._check_common()

    @property
    def n_states(self) -> int:
        n_f, n_h = self.xi.shape
        return 2 * n_f + n_h

    @property
    def n_inputs(self) -> int:
        return 0

    @property
    def is_smooth(self) -> bool:
        return True

    @property
    def times(self) -> Vector:
        """Time constant of each state, shape (n,)."""
        n_f, n_h = self.xi.shape
        return np.repeat([self.tau_f, self.tau_h, self.tau_d], [n_f, n_h, n_f])

    def without_input_map(self) -> Self:
        return self._with_folded()

    def drive_matrices(self) -> tuple[Matrix, Matrix]:
        """What drives x' tau + x: weights on the activations [σ_f(v_f), σ_h(v_h)] and on v_d.

        Shapes (n, n_f + n_h) and (n, n_f).
        """
        n_f, n_h = self.xi.shape
        recall = np.sqrt(self.alpha_s)
        active = np.zeros((self.n_states, n_f + n_h))
        active[:n_f, n_f:] = recall * self.xi
        active[n_f : n_f + n_h, :n_f] = recall * self.xi.T
        active[n_f + n_h :, :n_f] = np.eye(n_f)
        delayed = np.zeros((self.n_states, n_f))
        delayed[n_f : n_f + n_h] = self.alpha_c * self.phi.T @ self.xi.T
        return active, delayed

    def _split(
        self, x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        n_f, n_h = self.xi.shape
        return x[..., :n_f], x[..., n_f : n_f + n_h], x[..., n_f + n_h :]

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        f, h, d = self._split(x)
        sigma_f, sigma_h = activation_named(self.sigma_f), activation_named(self.sigma_h)
        active, delayed = self.drive_matrices()
        values = np.concatenate([sigma_f.value(f), sigma_h.value(h)], axis=-1)
        return (values @ active.T + d @ delayed.T - x) / self.times

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        f, h, _ = self._split(x)
        sigma_f, sigma_h = activation_named(self.sigma_f), activation_named(self.sigma_h)
        active, delayed = self.drive_matrices()
        slopes = np.concatenate([sigma_f.slope(f), sigma_h.slope(h)])
        return (np.hstack([active * slopes, delayed]) - np.eye(self.n_states)) / self.times[:, None]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return np.zeros((self.n_states, 0))
