"""Long expressive memory: two coupled populations with learned or fixed time scales."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import ModelError
from rnn2circuit.models.activations import logistic, logistic_slope
from rnn2circuit.models.base import AbstractCell, AbstractModel, AbstractNetwork, matrix_shape

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractLem(AbstractNetwork):
    """Candidates ``tanh(Wy z + Vy u + by)`` and ``tanh(Wz y + Vz u + bz)``; x = [y, z], n = 2d."""

    wy: Matrix
    wz: Matrix
    vy: Matrix | None = None
    vz: Matrix | None = None
    by: Vector | None = None
    bz: Vector | None = None

    def check_pairs(self, *names: str) -> None:
        """Validate ``w?``, ``v?`` and ``b?`` for each given suffix, and the common fields."""
        d = matrix_shape("wy", self.wy, "(d, d)")[0]
        driven = self._together(*(f"v{s}" for s in names))
        m = matrix_shape("vy", self.vy, f"({d}, m)")[1] if driven else 0
        for suffix in names:
            self._freeze(f"w{suffix}", (d, d))
            self._freeze(f"v{suffix}", (d, m))
            self._freeze(f"b{suffix}", (d,))
        self._check_common()

    @property
    def half(self) -> int:
        """Size d of each population."""
        return self.wy.shape[0]

    @property
    def n_states(self) -> int:
        return 2 * self.wy.shape[0]

    @property
    def n_inputs(self) -> int:
        return 0 if self.vy is None else self.vy.shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    def folded_pairs(self, *names: str) -> dict[str, object]:
        """Input matrices and biases with the input map folded in."""
        changes: dict[str, object] = {}
        for suffix in names:
            v: Matrix | None = getattr(self, f"v{suffix}")
            scaled = v if v is None or self.in_scale is None else v * self.in_scale
            changes[f"v{suffix}"] = scaled
            changes[f"b{suffix}"] = self._folded_bias(getattr(self, f"b{suffix}"), v)
        return changes

    def argument(self, suffix: str, source: Array, u: Array) -> Array:
        """``W source + V u + b`` of one pair, (..., d)."""
        w: Matrix = getattr(self, f"w{suffix}")
        v: Matrix | None = getattr(self, f"v{suffix}")
        b: Vector | None = getattr(self, f"b{suffix}")
        z = source @ w.T
        if v is not None:
            z = z + u @ v.T
        return z if b is None else z + b

    def input_matrix(self, suffix: str) -> Matrix:
        """V of one pair, (d, m)."""
        v: Matrix | None = getattr(self, f"v{suffix}")
        return np.zeros((self.half, 0)) if v is None else v


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractGatedLem(AbstractLem):
    """LEM with learned time scales ``logistic(W1 y + V1 u + b1)`` and ``logistic(W2 y + ..)``."""

    w1: Matrix
    w2: Matrix
    v1: Matrix | None = None
    v2: Matrix | None = None
    b1: Vector | None = None
    b2: Vector | None = None

    def __post_init__(self) -> None:
        self.check_pairs("y", "z", "1", "2")

    def without_input_map(self) -> Self:
        return self._with_folded(**self.folded_pairs("y", "z", "1", "2"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lem(AbstractGatedLem, AbstractModel):
    r"""``y' = logistic(W2 y + ..)∘(tanh(Wy z + ..) - y)``, ``z' = logistic(W1 y + ..)∘(.. - z)``.

    Rusch et al. (2022), eq. 2; every sum has inputs and a bias too, as in
    z' = logistic(W1 y + V1 u + b1)∘(tanh(Wz y + Vz u + bz) - z).
    The state is x = [y, z] with n = 2d.

    Parameters
    ----------
    w1, w2, wy, wz : ndarray, shape (d, d)
    v1, v2, vy, vz : ndarray, shape (d, m), optional
        All absent when m = 0.
    b1, b2, by, bz : ndarray, shape (d,), optional
        Zero where not given.
    """

    family: ClassVar[str] = "lem"

    def _rhs(self, x: Array, u: Array) -> Array:
        y, z = x[..., : self.half], x[..., self.half :]
        fast = logistic(self.argument("2", y, u)) * (np.tanh(self.argument("y", z, u)) - y)
        slow = logistic(self.argument("1", y, u)) * (np.tanh(self.argument("z", y, u)) - z)
        return np.concatenate([fast, slow], axis=-1)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        y, z = x[: self.half], x[self.half :]
        a2, ay = self.argument("2", y, u), np.tanh(self.argument("y", z, u))
        a1, az = self.argument("1", y, u), np.tanh(self.argument("z", y, u))
        by_y = (logistic_slope(a2) * (ay - y))[:, None] * self.w2 - np.diag(logistic(a2))
        by_z = (logistic(a2) * (1 - ay**2))[:, None] * self.wy
        slow_y = (logistic_slope(a1) * (az - z))[:, None] * self.w1
        slow_y = slow_y + (logistic(a1) * (1 - az**2))[:, None] * self.wz
        return np.block([[by_y, by_z], [slow_y, -np.diag(logistic(a1))]])

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        y, z = x[: self.half], x[self.half :]
        rows: list[Matrix] = []
        for gate, pair, own, source in (("2", "y", y, z), ("1", "z", z, y)):
            a, c = self.argument(gate, y, u), np.tanh(self.argument(pair, source, u))
            opened = (logistic_slope(a) * (c - own))[:, None] * self.input_matrix(gate)
            drawn = (logistic(a) * (1 - c**2))[:, None] * self.input_matrix(pair)
            rows.append(opened + drawn)
        return np.vstack(rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LemTwoScale(AbstractLem, AbstractModel):
    r"""``y' = tau_y (tanh(Wy z + Vy u + by) - y)``, ``z' = tau_z (tanh(Wz y + Vz u + bz) - z)``.

    Rusch et al. (2022), eq. 1. The state is x = [y, z] with n = 2d.

    Parameters
    ----------
    tau_y, tau_z : float
        Rates, 0 < tau_y <= tau_z <= 1.
    wy, wz : ndarray, shape (d, d)
    vy, vz : ndarray, shape (d, m), optional
    by, bz : ndarray, shape (d,), optional
    """

    family: ClassVar[str] = "lem_two_scale"

    tau_y: float
    tau_z: float

    def __post_init__(self) -> None:
        for name in ("tau_y", "tau_z"):
            object.__setattr__(self, name, float(readonly(name, getattr(self, name), ())))
        if not 0 < self.tau_y <= self.tau_z <= 1:
            raise ModelError(
                f"time scales must obey 0 < tau_y <= tau_z <= 1, got tau_y = {self.tau_y!r} and "
                f"tau_z = {self.tau_z!r}"
            )
        self.check_pairs("y", "z")

    @property
    def rates(self) -> Vector:
        """tau_y for the first d states and tau_z for the others, shape (n,)."""
        return np.repeat([self.tau_y, self.tau_z], self.half)

    def without_input_map(self) -> Self:
        return self._with_folded(**self.folded_pairs("y", "z"))

    def _candidates(self, x: Array, u: Array) -> Array:
        y, z = x[..., : self.half], x[..., self.half :]
        parts = [self.argument("y", z, u), self.argument("z", y, u)]
        return np.tanh(np.concatenate(parts, axis=-1))

    def _rhs(self, x: Array, u: Array) -> Array:
        return self.rates * (self._candidates(x, u) - x)

    def _slopes(self, x: Vector, u: Vector) -> Vector:
        return self.rates * (1.0 - self._candidates(x, u) ** 2)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        none = np.zeros_like(self.wy)
        couplings = np.block([[none, self.wy], [self.wz, none]])
        return self._slopes(x, u)[:, None] * couplings - np.diag(self.rates)

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        inputs = np.vstack([self.input_matrix("y"), self.input_matrix("z")])
        return self._slopes(x, u)[:, None] * inputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LemCell(AbstractGatedLem, AbstractCell):
    r"""``z+ = (1 - Δ)∘z + Δ∘tanh(Wz y + ..)``, ``y+ = (1 - Δ̄)∘y + Δ̄∘tanh(Wy z+ + ..)``.

    With ``Δ = dt logistic(W1 y + V1 u + b1)`` and ``Δ̄ = dt logistic(W2 y + V2 u + b2)``: Rusch et
    al. (2022), eq. 3, implicit-explicit because y uses the new z. The state is x = [y, z].

    Parameters
    ----------
    dt : float
        Required; 1 in the published code unless set. The other fields are those of `Lem`.
    """

    family: ClassVar[str] = "lem_cell"

    def __post_init__(self) -> None:
        if self.dt is None:
            raise ModelError("dt is missing: a lem_cell needs its step; the published default is 1")
        self.check_pairs("y", "z", "1", "2")

    @property
    def time_step(self) -> float:
        """dt, which a valid cell has."""
        return 1.0 if self.dt is None else self.dt

    @property
    def n_handed_on(self) -> int:
        return self.half

    def _halves(self, x: Array, u: Array) -> tuple[Array, Array, Array, Array]:
        """Step sizes Δ and Δ̄, the new z, and the candidate of y."""
        y, z = x[..., : self.half], x[..., self.half :]
        slow = self.time_step * logistic(self.argument("1", y, u))
        fast = self.time_step * logistic(self.argument("2", y, u))
        new = z + slow * (np.tanh(self.argument("z", y, u)) - z)
        return slow, fast, new, np.tanh(self.argument("y", new, u))

    def _step(self, x: Array, u: Array) -> Array:
        y = x[..., : self.half]
        _, fast, new, candidate = self._halves(x, u)
        return np.concatenate([y + fast * (candidate - y), new], axis=-1)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        y, z = x[: self.half], x[self.half :]
        slow, fast, _, cy = self._halves(x, u)
        cz = np.tanh(self.argument("z", y, u))
        bent1, bent2 = self._bent("1", y, u), self._bent("2", y, u)
        z_by_y = (bent1 * (cz - z))[:, None] * self.w1 + (slow * (1 - cz**2))[:, None] * self.wz
        z_by_z = np.diag(1.0 - slow)
        through = (fast * (1 - cy**2))[:, None] * self.wy
        y_by_y = np.diag(1.0 - fast) + (bent2 * (cy - y))[:, None] * self.w2 + through @ z_by_y
        return np.block([[y_by_y, through @ z_by_z], [z_by_y, z_by_z]])

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        y, z = x[: self.half], x[self.half :]
        slow, fast, _, cy = self._halves(x, u)
        cz = np.tanh(self.argument("z", y, u))
        by1 = (self._bent("1", y, u) * (cz - z))[:, None] * self.input_matrix("1")
        new = by1 + (slow * (1 - cz**2))[:, None] * self.input_matrix("z")
        by2 = (self._bent("2", y, u) * (cy - y))[:, None] * self.input_matrix("2")
        through = (fast * (1 - cy**2))[:, None]
        return np.vstack([by2 + through * (self.wy @ new + self.input_matrix("y")), new])

    def _bent(self, gate: str, y: Vector, u: Vector) -> Vector:
        return self.time_step * logistic_slope(self.argument(gate, y, u))
