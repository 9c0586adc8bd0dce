"""Gated networks: membranes and the channels that their voltage opens."""

import abc
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.arrays import Matrix, Vector, require
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import linoid, linoid_slope, logistic, logistic_slope
from rnn2circuit.models.base import AbstractModel, matrix_shape

INSTANCE = "hodgkin_huxley"

# Amplitude (1/ms), midpoint (mV) and width (mV) of each rate: Hodgkin & Huxley (1952), eqs. 12,
# 13, 20, 21, 23 and 24, in today's sign (inside minus outside) with the rest at -65 mV.
RATES_1952 = (
    (0.1, -55.0, 10.0),  # alpha_n = 0.01 (V + 55) / (1 - exp(-(V + 55) / 10))
    (0.125, -65.0, -80.0),  # beta_n = 0.125 exp(-(V + 65) / 80)
    (1.0, -40.0, 10.0),  # alpha_m = 0.1 (V + 40) / (1 - exp(-(V + 40) / 10))
    (4.0, -65.0, -18.0),  # beta_m = 4 exp(-(V + 65) / 18)
    (0.07, -65.0, -20.0),  # alpha_h = 0.07 exp(-(V + 65) / 20)
    (1.0, -35.0, 10.0),  # beta_h = 1 / (1 + exp(-(V + 35) / 10))
)
RATE_FUNCTIONS = ("linoid", "exp", "linoid", "exp", "exp", "logistic")
REST = -65.0  # mV
LOWEST, HIGHEST = -30.0, 20.0  # mV: how far beyond all potentials the equations are compared

_VALUES = {"linoid": linoid, "exp": np.exp, "logistic": logistic}
_SLOPES = {"linoid": linoid_slope, "exp": np.exp, "logistic": logistic_slope}
_CONSTANTS = ("c_m", "g_na", "g_k", "g_leak", "e_na", "e_k", "e_leak")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractGated(AbstractModel):
    """``z' = F_z(y) - G_z(y)∘z`` and ``y' = Σ_c F_c(z, u)∘H_c(y) - G_y∘y`` with x = [y, z].

    The form of Rusch et al. (2022), eq. 13. Membranes y; gates z that open at rates F_z and
    relax at rates G_z, both set by the membranes alone; currents whose conductance is a product
    of gates.
    """

    @property
    @abc.abstractmethod
    def n_membranes(self) -> int:
        """Number of membranes, the first states."""

    @abc.abstractmethod
    def gating(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``F_z`` and ``G_z`` at membranes (..., n_membranes), each (..., gates)."""

    @abc.abstractmethod
    def membrane_rate(
        self, y: NDArray[np.float64], z: NDArray[np.float64], u: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """``y'``, shape (..., n_membranes)."""

    def settled(self, y: ArrayLike) -> Vector:
        """The state with membranes y and every gate where it would come to rest, ``F_z / G_z``."""
        membranes = np.broadcast_to(np.asarray(y, dtype=np.float64), (self.n_membranes,))
        opening, relaxing = self.gating(membranes)
        return np.concatenate([membranes, opening / relaxing])

    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        y, z = x[..., : self.n_membranes], x[..., self.n_membranes :]
        opening, relaxing = self.gating(y)
        rate = self.membrane_rate(y, z, u)
        return np.concatenate([rate, opening - relaxing * z], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HodgkinHuxley(AbstractGated):
    r"""``c_m V' = g_na m³h (e_na - V) + g_k n⁴ (e_k - V) + g_leak (e_leak - V) + Σ g_gap ΔV + I``.

    With ``I = w_in u + bias`` and, for each gate z of n, m, h, ``z' = α(V) (1 - z) - β(V) z``:
    Hodgkin & Huxley (1952), eqs. 3-7 and 26. The state is x = [V, n, m, h], neuron by neuron
    within each block; V in mV, time in ms, currents in uA/cm2.

    A member of Rusch et al. (2022), eq. 13, with y = V, z = [n, m, h], F_z = α and G_z = α + β.
    Their eq. 14 abbreviates: read literally it multiplies the sum of all gates and the input by
    the sum of all driving forces, and its β_3 has 1 where the 1952 paper has 3 in the exponent.
    This is the 1952 system, in which each current has its own gates and driving force.

    Parameters
    ----------
    c_m : ndarray, shape (N,)
        Membrane capacitance, positive, uF/cm2. This and the other constants of neurons may be
        given once, shape (1,), for all; they default to the published values.
    g_na, g_k, g_leak : ndarray, shape (N,)
        Largest conductances, not negative, mS/cm2.
    e_na, e_k, e_leak : ndarray, shape (N,)
        Reversal potentials, mV.
    rates : ndarray, shape (6, 3)
        Amplitude a (1/ms), midpoint v (mV) and width s (mV, either sign) of α_n, β_n, α_m, β_m,
        α_h, β_h: each is ``a σ((V - v) / s)`` with σ in turn linoid, exp, linoid, exp, exp and
        logistic, where ``linoid(x) = x / (1 - exp(-x))`` is 1 at x = 0.
    bias : ndarray, shape (N,), optional
        Constant current.
    w_in : ndarray, shape (N, m), optional
        Current per unit of input; absent when m = 0.
    g_gap : ndarray, shape (N, N), optional
        Gap junctions: symmetric, not negative, mS/cm2.
    instance : str
        hodgkin_huxley, the shipped instance of the family.
    """

    family: ClassVar[str] = "gated"

    c_m: Vector = field(default_factory=lambda: np.array([1.0]))
    g_na: Vector = field(default_factory=lambda: np.array([120.0]))
    g_k: Vector = field(default_factory=lambda: np.array([36.0]))
    g_leak: Vector = field(default_factory=lambda: np.array([0.3]))
    e_na: Vector = field(default_factory=lambda: np.array([50.0]))
    e_k: Vector = field(default_factory=lambda: np.array([-77.0]))
    e_leak: Vector = field(default_factory=lambda: np.array([-54.387]))
    rates: Matrix = field(default_factory=lambda: np.array(RATES_1952))
    bias: Vector | None = None
    w_in: Matrix | None = None
    g_gap: Matrix | None = None
    instance: str = INSTANCE

    def __post_init__(self) -> None:
        if self.instance != INSTANCE:
            raise ModelError(f"instance must be {INSTANCE}, got {self.instance!r}")
        count = self._count()
        for name in _CONSTANTS:
            value = np.asarray(getattr(self, name))
            if value.shape == (1,):
                object.__setattr__(self, name, np.repeat(value, count))
            self._freeze(name, (count,))
        require("c_m", self.c_m, self.c_m > 0, rule="positive")
        for name in ("g_na", "g_k", "g_leak"):
            value = getattr(self, name)
            require(name, value, value >= 0, rule="zero or positive")
        self._check_rates()
        self._freeze("bias", (count,))
        if self.w_in is not None:
            self._freeze("w_in", (count, matrix_shape("w_in", self.w_in, f"({count}, m)")[1]))
        if self.g_gap is not None:
            self._freeze("g_gap", (count, count))
            require("g_gap", self.g_gap, self.g_gap >= 0, rule="zero or positive")
            require("g_gap", self.g_gap, self.g_gap == self.g_gap.T, rule="symmetric")
        self._check_common()

    def _count(self) -> int:
        """Number of neurons: of the longest field that has one entry per neuron."""
        per_neuron = [getattr(self, name) for name in (*_CONSTANTS, "bias", "w_in", "g_gap")]
        shapes = [np.shape(value) for value in per_neuron if value is not None]
        return max((shape[0] for shape in shapes if shape), default=1)

    def _check_rates(self) -> None:
        self._freeze("rates", (len(RATE_FUNCTIONS), 3))
        amplitude, width = self.rates[:, :1], self.rates[:, 2:]
        require("amplitudes in rates", amplitude, amplitude > 0, rule="positive")
        require("widths in rates", width, width != 0, rule="different from zero")

    @property
    def n_membranes(self) -> int:
        return self.c_m.size

    @property
    def n_states(self) -> int:
        return 4 * self.c_m.size

    @property
    def n_inputs(self) -> int:
        return 0 if self.w_in is None else self.w_in.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    @property
    def operating_box(self) -> tuple[Vector, Vector]:
        """Voltages a little beyond all potentials, gates a little beyond 0 and 1."""
        potentials = (self.e_na, self.e_k, self.e_leak)
        n = self.n_membranes
        low = np.concatenate([np.min(potentials, axis=0) + LOWEST, np.full(3 * n, -0.2)])
        high = np.concatenate([np.max(potentials, axis=0) + HIGHEST, np.full(3 * n, 1.2)])
        return np.minimum(low, self.initial_state), np.maximum(high, self.initial_state)

    @property
    def junctions(self) -> Matrix:
        """Gap junctions between different neurons, shape (N, N)."""
        gap = np.zeros((self.n_membranes,) * 2) if self.g_gap is None else self.g_gap.copy()
        np.fill_diagonal(gap, 0.0)
        return gap

    def without_input_map(self) -> Self:
        scaled = self.w_in
        if scaled is not None and self.in_scale is not None:
            scaled = scaled * self.in_scale
        return self._with_folded(bias=self._folded_bias(self.bias, self.w_in), w_in=scaled)

    def rate_values(
        self, v: NDArray[np.float64]
    ) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
        """The six rates at voltages v (mV), and their slopes: each of v's shape, 1/ms."""
        values: list[NDArray[np.float64]] = []
        slopes: list[NDArray[np.float64]] = []
        for function, (amplitude, middle, width) in zip(RATE_FUNCTIONS, self.rates, strict=True):
            x = (v - middle) / width
            values.append(amplitude * _VALUES[function](x))
            slopes.append(amplitude / width * _SLOPES[function](x))
        return values, slopes

    def gating(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rates, _ = self.rate_values(y)
        opening = np.concatenate(rates[0::2], axis=-1)
        return opening, opening + np.concatenate(rates[1::2], axis=-1)

    def membrane_rate(
        self, y: NDArray[np.float64], z: NDArray[np.float64], u: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        n, m, h = np.split(z, 3, axis=-1)
        current = self.g_leak * (self.e_leak - y)
        current = current + self.g_k * n**4 * (self.e_k - y)
        current = current + self.g_na * m**3 * h * (self.e_na - y)
        gap = self.junctions
        current = current + y @ gap.T - gap.sum(1) * y
        if self.bias is not None:
            current = current + self.bias
        if self.w_in is not None:
            current = current + u @ self.w_in.T
        return current / self.c_m

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        v, n, m, h = np.split(x, 4)
        gap, zero = self.junctions, np.zeros((self.n_membranes,) * 2)
        open_now = self.g_leak + self.g_k * n**4 + self.g_na * m**3 * h + gap.sum(1)
        driving_na, driving_k = self.g_na * (self.e_na - v), self.g_k * (self.e_k - v)
        by_gate = (4 * n**3 * driving_k, 3 * m**2 * h * driving_na, m**3 * driving_na)
        rows = [
            [
                (gap - np.diag(open_now)) / self.c_m[:, None],
                *(np.diag(d / self.c_m) for d in by_gate),
            ]
        ]
        rates, slopes = self.rate_values(v)
        for k, gate in enumerate((n, m, h)):
            opening, closing = slopes[2 * k], slopes[2 * k + 1]
            row = [np.diag(opening * (1 - gate) - closing * gate), zero, zero, zero]
            row[k + 1] = -np.diag(rates[2 * k] + rates[2 * k + 1])
            rows.append(row)
        return np.block(rows)

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        out = np.zeros((self.n_states, self.n_inputs))
        if self.w_in is not None:
            out[: self.n_membranes] = self.w_in / self.c_m[:, None]
        return out
