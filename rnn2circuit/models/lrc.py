"""Liquid-resistance liquid-capacitance networks."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, require
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.base import AbstractCell, AbstractModel
from rnn2circuit.models.stc import AbstractSaturated

ELASTANCES = ("asymmetric", "symmetric")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractLrc(AbstractSaturated):
    """The elastance of Farsang, Neubauer & Grosu (2024), eqs. 3-5, which LRC and LRCU share."""

    w_elast: Matrix
    b_elast: Vector
    w_elast_in: Matrix | None = None
    k_elast: Vector | None = None
    elastance: str = "asymmetric"

    def __post_init__(self) -> None:
        self.check_synapses()
        n, m = self.n_states, self.n_inputs
        self._freeze("w_elast", (n, n))
        self._freeze("b_elast", (n,))
        if (self.w_elast_in is None) != (m == 0) and m > 0:
            raise ModelError(f"w_elast_in is missing; expected an array of shape ({n}, {m})")
        self._freeze("w_elast_in", (n, m))
        self._freeze("k_elast", (n,))
        if self.elastance not in ELASTANCES:
            known = " or ".join(ELASTANCES)
            raise ModelError(f"elastance must be {known}, got {self.elastance!r}")
        if (self.elastance == "symmetric") != (self.k_elast is not None):
            raise ModelError("k_elast belongs to the symmetric elastance, which requires it")
        if self.k_elast is not None:
            require("k_elast", self.k_elast, self.k_elast >= 0, rule="zero or positive")
        self._check_common()

    def without_input_map(self) -> Self:
        scaled = self.w_elast_in
        if scaled is not None and self.in_scale is not None:
            scaled = scaled * self.in_scale
        return self._with_folded(
            **self.folded_synapses(),
            w_elast_in=scaled,
            b_elast=self._folded_bias(self.b_elast, self.w_elast_in),
        )

    def _elastance(
        self, x: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ε and its slope dε/dw, each (..., n)."""
        w = x @ self.w_elast.T + self.b_elast
        if self.w_elast_in is not None:
            w = w + u @ self.w_elast_in.T
        if self.k_elast is None:
            return logistic(w), logistic_slope(w)
        up, down = w + self.k_elast, w - self.k_elast
        return logistic(up) - logistic(down), logistic_slope(up) - logistic_slope(down)

    @property
    def is_tamed(self) -> bool:
        """Whether the elastance weights obey Farsang et al. (2024), eq. 29.

        ``|o| <= min(0.0625 |g a|, 0.25 |k a|)``: then the bounds of the STC hold for this network.
        """
        return bool(np.all(self._elastance_weights() <= np.minimum(*self._steepness())))

    def _elastance_weights(self) -> Matrix:
        parts = [self.w_elast] if self.w_elast_in is None else [self.w_elast, self.w_elast_in]
        return np.abs(np.hstack(parts))

    def rate_bounds(self, reach: Vector) -> Matrix:
        """As of the STC; 0.25 |o| (reach + |e_leak|) more where eq. 29 is not obeyed (eq. 28)."""
        bound = AbstractSaturated.rate_bounds(self, reach)
        if self.is_tamed:
            return bound
        return bound + 0.25 * self._elastance_weights() * (reach + np.abs(self.e_leak))[:, None]

    def elastic_rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        """``ε(w)∘(-logistic(f) x + tanh(k) e_leak)``."""
        return self._elastance(x, u)[0] * self.saturated_rhs(x, u)

    def elastic_jacobians(self, x: Vector, u: Vector) -> tuple[Matrix, Matrix]:
        """Derivatives of `elastic_rhs` by states (n, n) and mapped inputs (n, m)."""
        value, slope = self._elastance(x, u)
        states, inputs = self.saturated_jacobians(x, u)
        bent = (self.saturated_rhs(x, u) * slope)[:, None]
        states = value[:, None] * states + bent * self.w_elast
        inputs = value[:, None] * inputs
        return states, inputs if self.w_elast_in is None else inputs + bent * self.w_elast_in


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lrc(AbstractLrc, AbstractModel):
    r"""``x' = ε(w)∘(-logistic(f) x + tanh(k) e_leak)``, ``w = W_e x + W_e_in u + b_elast``.

    Farsang, Neubauer & Grosu (2024), eqs. 3-5. The elastance ε, one over the capacitance, is
    ``logistic(w)`` (asymmetric) or ``logistic(w + k_elast) - logistic(w - k_elast)`` (symmetric).

    Parameters
    ----------
    w_elast : ndarray, shape (n, n)
        ``w_elast[post, pre]``; the other synaptic fields are those of `Stc`.
    w_elast_in : ndarray, shape (n, m), optional
        Absent when m = 0.
    b_elast : ndarray, shape (n,)
        Bias of w.
    elastance : str
        asymmetric or symmetric.
    k_elast : ndarray, shape (n,), optional
        Half-width of the symmetric elastance, not negative; required for it.
    """

    family: ClassVar[str] = "lrc"

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.elastic_rhs(x, u)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self.elastic_jacobians(x, u)[0]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self.elastic_jacobians(x, u)[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lrcu(AbstractLrc, AbstractCell):
    r"""``h+ = (1 - ε(w) logistic(f))∘h + ε(w)∘tanh(k)∘e_leak``.

    Farsang, Neubauer & Grosu (2024), eq. 52: one explicit Euler step of `Lrc`, whose fields it
    has.

    Parameters
    ----------
    dt : float, optional
        Multiplies ε; 1 where not given.
    """

    family: ClassVar[str] = "lrcu"

    @property
    def time_step(self) -> float:
        """dt, or 1."""
        return 1.0 if self.dt is None else self.dt

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        return x + self.time_step * self.elastic_rhs(x, u)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return np.eye(self.n_states) + self.time_step * self.elastic_jacobians(x, u)[0]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self.time_step * self.elastic_jacobians(x, u)[1]
