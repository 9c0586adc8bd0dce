"""Liquid time-constant networks: conductance synapses between leaky membranes."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, readonly, require
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.base import AbstractModel, matrix_shape, vector_length

_IN_FIELDS = ("g_syn_in", "slope_in", "offset_in", "e_rev_in")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ltc(AbstractModel):
    r"""``c_m x_i' = g_leak (e_leak - x_i) + Σ g_syn q (e_rev - x_i) + Σ g_gap (x_j - x_i)``.

    The gates are ``q_ij = logistic(slope_ij x_j + offset_ij)``; input synapses add the same sum
    over inputs, with u_j in place of x_j.

    Hasani et al. (2018), eqs. 1-5; there ``slope = gamma`` and ``offset = gamma mu``.

    Parameters
    ----------
    c_m, g_leak : ndarray, shape (n,)
        Membrane capacitance and leak conductance, positive.
    e_leak : ndarray, shape (n,)
        Leak potential.
    g_syn, slope, offset, e_rev : ndarray, shape (n, n)
        Synapse conductance (not negative), slope, offset and reversal potential, ``[post, pre]``.
        A synapse of conductance zero does not exist.
    g_syn_in, slope_in, offset_in, e_rev_in : ndarray, shape (n, m), optional
        The same for input synapses; all absent when m = 0.
    g_gap : ndarray, shape (n, n), optional
        Gap junctions: symmetric, not negative; the diagonal carries no current.
    unfolds : float, optional
        Solver steps per `dt` of the fused program that the weights were trained with, a whole
        number; see `ncps_program`.
    """

    family: ClassVar[str] = "ltc"

    c_m: Vector
    g_leak: Vector
    e_leak: Vector
    g_syn: Matrix
    slope: Matrix
    offset: Matrix
    e_rev: Matrix
    g_syn_in: Matrix | None = None
    slope_in: Matrix | None = None
    offset_in: Matrix | None = None
    e_rev_in: Matrix | None = None
    g_gap: Matrix | None = None
    unfolds: float | None = None

    def __post_init__(self) -> None:
        n = vector_length("c_m", self.c_m)
        for name in ("c_m", "g_leak", "e_leak"):
            self._freeze(name, (n,))
        for name in ("g_syn", "slope", "offset", "e_rev"):
            self._freeze(name, (n, n))
        require("c_m", self.c_m, self.c_m > 0, rule="positive")
        require("g_leak", self.g_leak, self.g_leak > 0, rule="positive")
        require("g_syn", self.g_syn, self.g_syn >= 0, rule="zero or positive")
        self._check_inputs(n)
        if self.g_gap is not None:
            self._freeze("g_gap", (n, n))
            require("g_gap", self.g_gap, self.g_gap >= 0, rule="zero or positive")
            require("g_gap", self.g_gap, self.g_gap == self.g_gap.T, rule="symmetric")
        if self.unfolds is not None:
            unfolds = float(readonly("unfolds", self.unfolds, ()))
            if unfolds < 1 or unfolds != int(unfolds):
                raise ModelError(f"unfolds must be a positive whole number, got {unfolds!r}")
            object.__setattr__(self, "unfolds", unfolds)
        self._check_common()

    def _check_inputs(self, n: int) -> None:
        if not self._together(*_IN_FIELDS):
            return
        m = matrix_shape("g_syn_in", self.g_syn_in, f"({n}, m)")[1]
        for name in _IN_FIELDS:
            self._freeze(name, (n, m))
        g_syn_in = self.g_syn_in
        if g_syn_in is not None:
            require("g_syn_in", g_syn_in, g_syn_in >= 0, rule="zero or positive")

    @property
    def n_states(self) -> int:
        return self.c_m.size

    @property
    def n_inputs(self) -> int:
        return 0 if self.g_syn_in is None else self.g_syn_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    def without_input_map(self) -> Self:
        slope, offset = self.slope_in, self.offset_in
        if slope is None or offset is None:
            return self._with_folded()
        if self.in_bias is not None:
            offset = offset + slope * self.in_bias
        if self.in_scale is not None:
            slope = slope * self.in_scale
        return self._with_folded(slope_in=slope, offset_in=offset)

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        gate = self.g_syn * logistic(self.slope * x[..., None, :] + self.offset)
        current = self.g_leak * (self.e_leak - x)
        current = current + (gate * self.e_rev).sum(-1) - gate.sum(-1) * x
        if (
            self.g_syn_in is not None
            and self.slope_in is not None
            and self.offset_in is not None
            and self.e_rev_in is not None
        ):
            gate = self.g_syn_in * logistic(self.slope_in * u[..., None, :] + self.offset_in)
            current = current + (gate * self.e_rev_in).sum(-1) - gate.sum(-1) * x
        if self.g_gap is not None:
            current = current + x @ self.g_gap.T - self.g_gap.sum(1) * x
        return current / self.c_m

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        z = self.slope * x + self.offset
        out = self.g_syn * self.slope * logistic_slope(z) * (self.e_rev - x[:, None])
        total = self.g_leak + (self.g_syn * logistic(z)).sum(1)
        if self.g_syn_in is not None and self.slope_in is not None and self.offset_in is not None:
            total = total + (self.g_syn_in * logistic(self.slope_in * u + self.offset_in)).sum(1)
        if self.g_gap is not None:
            out = out + self.g_gap
            total = total + self.g_gap.sum(1)
        return (out - np.diag(total)) / self.c_m[:, None]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        if (
            self.g_syn_in is None
            or self.slope_in is None
            or self.offset_in is None
            or self.e_rev_in is None
        ):
            return np.zeros((self.n_states, 0))
        slope = logistic_slope(self.slope_in * u + self.offset_in) * self.slope_in
        return self.g_syn_in * slope * (self.e_rev_in - x[:, None]) / self.c_m[:, None]
