"""GRU-ODE: a gated relaxation towards a reset candidate."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, require
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.base import AbstractModel, matrix_shape

RESETS = ("before", "after")
_GATES = ("f", "r", "u")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GruOde(AbstractModel):
    r"""``x' = rate∘f∘(c - x)`` with ``f = logistic(W_f x + ..)``, ``r = logistic(W_r x + ..)``.

    Farsang, Neubauer & Grosu (2024), eq. 54: the reset acts before the matrix,
    ``c = tanh(W_u (r∘x) + W_u_in u + b_u)``. With ``reset = after``, as in PyTorch's GRU,
    ``c = tanh(W_u_in u + b_u + r∘(W_u x + b_hu))``.

    Parameters
    ----------
    w_f, w_r, w_u : ndarray, shape (n, n)
        Recurrent weights ``[post, pre]``.
    w_f_in, w_r_in, w_u_in : ndarray, shape (n, m), optional
        Input weights; all absent when m = 0.
    b_f, b_r, b_u : ndarray, shape (n,), optional
        Biases, zero where not given.
    b_hu : ndarray, shape (n,), optional
        Bias inside the reset product; for ``reset = after`` only.
    reset : str
        before or after.
    rate : ndarray, shape (n,), optional
        Positive, 1 where not given: 1/dt where the weights were trained as steps of dt.
    """

    family: ClassVar[str] = "gru_ode"

    w_f: Matrix
    w_r: Matrix
    w_u: Matrix
    w_f_in: Matrix | None = None
    w_r_in: Matrix | None = None
    w_u_in: Matrix | None = None
    b_f: Vector | None = None
    b_r: Vector | None = None
    b_u: Vector | None = None
    b_hu: Vector | None = None
    reset: str = "before"
    rate: Vector | None = None

    def __post_init__(self) -> None:
        n = matrix_shape("w_f", self.w_f, "(n, n)")[0]
        driven = self._together(*(f"w_{g}_in" for g in _GATES))
        m = matrix_shape("w_f_in", self.w_f_in, f"({n}, m)")[1] if driven else 0
        for gate in _GATES:
            self._freeze(f"w_{gate}", (n, n))
            self._freeze(f"w_{gate}_in", (n, m))
            self._freeze(f"b_{gate}", (n,))
        self._freeze("b_hu", (n,))
        if self.rate is not None:
            self._freeze("rate", (n,))
            require("rate", self.rate, self.rate > 0, rule="positive")
        if self.reset not in RESETS:
            raise ModelError(f"reset must be {' or '.join(RESETS)}, got {self.reset!r}")
        if self.b_hu is not None and self.reset == "before":
            raise ModelError("b_hu belongs to reset 'after'; with 'before' there is one bias, b_u")
        self._check_common()

    @property
    def n_states(self) -> int:
        return self.w_f.shape[0]

    @property
    def rates(self) -> Vector:
        """`rate`, or 1 for every state."""
        return np.ones(self.n_states) if self.rate is None else self.rate

    @property
    def n_inputs(self) -> int:
        return 0 if self.w_f_in is None else self.w_f_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    def without_input_map(self) -> Self:
        changes: dict[str, object] = {}
        for gate in _GATES:
            w_in: Matrix | None = getattr(self, f"w_{gate}_in")
            scaled = w_in if w_in is None or self.in_scale is None else w_in * self.in_scale
            changes[f"w_{gate}_in"] = scaled
            changes[f"b_{gate}"] = self._folded_bias(getattr(self, f"b_{gate}"), w_in)
        return self._with_folded(**changes)

    def _outer(self, gate: str, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Input and bias part of a gate's argument, (..., n)."""
        w_in: Matrix | None = getattr(self, f"w_{gate}_in")
        bias: Vector | None = getattr(self, f"b_{gate}")
        part = np.zeros((*u.shape[:-1], self.n_states)) if w_in is None else u @ w_in.T
        return part if bias is None else part + bias

    def _inner(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """``W_u x + b_hu``, (..., n), for the reset after the matrix."""
        h = x @ self.w_u.T
        return h if self.b_hu is None else h + self.b_hu

    def _parts(
        self, x: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Arguments of f and r, and the candidate c."""
        a_f = x @ self.w_f.T + self._outer("f", u)
        a_r = x @ self.w_r.T + self._outer("r", u)
        r = logistic(a_r)
        inner = (r * x) @ self.w_u.T if self.reset == "before" else r * self._inner(x)
        return a_f, a_r, np.tanh(inner + self._outer("u", u))

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        a_f, _, c = self._parts(x, u)
        return self.rates * logistic(a_f) * (c - x)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        a_f, a_r, c = self._parts(x, u)
        r, bent = logistic(a_r), logistic_slope(a_r)[:, None] * self.w_r
        if self.reset == "before":
            inner = self.w_u @ (np.diag(r) + x[:, None] * bent)
        else:
            inner = r[:, None] * self.w_u + self._inner(x)[:, None] * bent
        drawn = (1.0 - c**2)[:, None] * inner - np.eye(self.n_states)
        opened = (logistic_slope(a_f) * (c - x))[:, None] * self.w_f
        return self.rates[:, None] * (logistic(a_f)[:, None] * drawn + opened)

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        if self.w_f_in is None or self.w_r_in is None or self.w_u_in is None:
            return np.zeros((self.n_states, 0))
        a_f, a_r, c = self._parts(x, u)
        bent = logistic_slope(a_r)[:, None] * self.w_r_in
        if self.reset == "before":
            inner = self.w_u @ (x[:, None] * bent)
        else:
            inner = self._inner(x)[:, None] * bent
        drawn = (1.0 - c**2)[:, None] * (inner + self.w_u_in)
        opened = (logistic_slope(a_f) * (c - x))[:, None] * self.w_f_in
        return self.rates[:, None] * (logistic(a_f)[:, None] * drawn + opened)
