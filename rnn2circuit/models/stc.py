"""Saturated LTC networks, and what they share with their liquid-capacitance descendants."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.base import AbstractModel, AbstractNetwork, matrix_shape, vector_length

_IN_FIELDS = ("g_syn_in", "k_syn_in", "slope_in", "offset_in")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractSaturated(AbstractNetwork):
    """The fields and sums of Farsang et al. (2024), eq. 2, which STC and LRC share.

    ``f_i = Σ_j g_syn_ij s_ij + g_leak_i`` and ``k_i = Σ_j k_syn_ij s_ij + g_leak_i`` with
    ``s_ij = logistic(slope_ij y_j + offset_ij)`` over states and inputs.
    """

    g_leak: Vector
    e_leak: Vector
    g_syn: Matrix
    k_syn: Matrix
    slope: Matrix
    offset: Matrix
    g_syn_in: Matrix | None = None
    k_syn_in: Matrix | None = None
    slope_in: Matrix | None = None
    offset_in: Matrix | None = None

    def check_synapses(self) -> None:
        """Validate the fields of this class."""
        n = vector_length("g_leak", self.g_leak)
        self._freeze("g_leak", (n,))
        self._freeze("e_leak", (n,))
        for name in ("g_syn", "k_syn", "slope", "offset"):
            self._freeze(name, (n, n))
        if not self._together(*_IN_FIELDS):
            return
        m = matrix_shape("g_syn_in", self.g_syn_in, f"({n}, m)")[1]
        for name in _IN_FIELDS:
            self._freeze(name, (n, m))

    @property
    def n_states(self) -> int:
        return self.g_leak.size

    @property
    def n_inputs(self) -> int:
        return 0 if self.g_syn_in is None else self.g_syn_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    def input_synapses(self) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        """Conductances, drives, slopes and offsets of the input synapses, each (n, m)."""
        none = np.zeros((self.n_states, 0))
        parts = (self.g_syn_in, self.k_syn_in, self.slope_in, self.offset_in)
        g, k, slope, offset = (none if part is None else part for part in parts)
        return g, k, slope, offset

    def sums(
        self, x: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both sums, f and k, each (..., n)."""
        s = logistic(self.slope * x[..., None, :] + self.offset)
        g_in, k_in, slope_in, offset_in = self.input_synapses()
        s_in = logistic(slope_in * u[..., None, :] + offset_in)
        f = (self.g_syn * s).sum(-1) + (g_in * s_in).sum(-1) + self.g_leak
        k = (self.k_syn * s).sum(-1) + (k_in * s_in).sum(-1) + self.g_leak
        return f, k

    def saturated_rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """``-logistic(f) x + tanh(k) e_leak``."""
        f, k = self.sums(x, u)
        return -logistic(f) * x + np.tanh(k) * self.e_leak

    def saturated_jacobians(self, x: Vector, u: Vector) -> tuple[Matrix, Matrix]:
        """Derivatives of `saturated_rhs` by states (n, n) and mapped inputs (n, m)."""
        f, k = self.sums(x, u)
        by_f = -logistic_slope(f) * x
        by_k = (1.0 - np.tanh(k) ** 2) * self.e_leak
        bent = self.slope * logistic_slope(self.slope * x + self.offset)
        g_in, k_in, slope_in, offset_in = self.input_synapses()
        bent_in = slope_in * logistic_slope(slope_in * u + offset_in)
        states = (by_f[:, None] * self.g_syn + by_k[:, None] * self.k_syn) * bent
        inputs = (by_f[:, None] * g_in + by_k[:, None] * k_in) * bent_in
        return states - np.diag(logistic(f)), inputs

    def rate_bounds(self, reach: Vector) -> Matrix:
        """Bounds of ``|∂x_i'/∂y_j|`` over states and mapped inputs y, shape (n, n + m).

        Farsang et al. (2024), eq. 23: ``0.0625 |g a h_i| + 0.25 |k a e_i|``, and 1 more where j is
        i itself, as long as ``|x_i| <= reach_i``.
        """
        steep = self._steepness()
        bound = steep[0] * reach[:, None] + steep[1] * np.abs(self.e_leak)[:, None]
        bound[:, : self.n_states] += np.eye(self.n_states)
        return bound

    def _steepness(self) -> tuple[Matrix, Matrix]:
        """``0.0625 |g a|`` and ``0.25 |k a|`` of every synapse, each (n, n + m)."""
        g_in, k_in, slope_in, _ = self.input_synapses()
        slope = np.abs(np.hstack([self.slope, slope_in]))
        return (
            0.0625 * np.abs(np.hstack([self.g_syn, g_in])) * slope,
            0.25 * np.abs(np.hstack([self.k_syn, k_in])) * slope,
        )

    def folded_synapses(self) -> dict[str, object]:
        """Slopes and offsets of the input synapses with the input map folded in."""
        slope, offset = self.slope_in, self.offset_in
        if slope is None or offset is None:
            return {}
        if self.in_bias is not None:
            offset = offset + slope * self.in_bias
        if self.in_scale is not None:
            slope = slope * self.in_scale
        return {"slope_in": slope, "offset_in": offset}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stc(AbstractSaturated, AbstractModel):
    r"""``x' = -logistic(f) x + tanh(k) e_leak``.

    The saturated LTC of Farsang, Neubauer & Grosu (2024), eq. 2: f and k are sums over logistic
    synapses, see `AbstractSaturated`.

    Parameters
    ----------
    g_leak, e_leak : ndarray, shape (n,)
        Leak conductance, which enters both sums, and leak potential.
    g_syn, k_syn, slope, offset : ndarray, shape (n, n)
        Synapses ``[post, pre]``: weight in f, weight in k, slope and offset of the logistic.
    g_syn_in, k_syn_in, slope_in, offset_in : ndarray, shape (n, m), optional
        The same for input synapses; all absent when m = 0.
    """

    family: ClassVar[str] = "stc"

    def __post_init__(self) -> None:
        self.check_synapses()
        self._check_common()

    def without_input_map(self) -> Self:
        return self._with_folded(**self.folded_synapses())

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.saturated_rhs(x, u)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self.saturated_jacobians(x, u)[0]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self.saturated_jacobians(x, u)[1]
