"""What every model family is: equations on arrays, and nothing electrical."""

import abc
import hashlib
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractNetwork(abc.ABC):
    """What continuous-time models and discrete-time cells share: ports, maps and validation.

    A network that exists is valid: `__post_init__` copies every array to float64, checks its
    shape against the others and refuses what is not finite.

    Parameters common to all families (all optional)
    ------------------------------------------------
    x0 : ndarray, shape (n,)
        Initial state, zero where not given.
    in_scale, in_bias : ndarray, shape (m,)
        Input map ``u -> in_scale * u + in_bias``, applied before anything else.
    w_out : ndarray, shape (p, n)
        Readout weights; without them the outputs are all states.
    b_out : ndarray, shape (p,)
        Readout bias.
    dt : float
        The step the weights were trained with, in model time units, where they were.
    """

    family: ClassVar[str]

    x0: Vector | None = None
    in_scale: Vector | None = None
    in_bias: Vector | None = None
    w_out: Matrix | None = None
    b_out: Vector | None = None
    dt: float | None = None

    @property
    @abc.abstractmethod
    def n_states(self) -> int:
        """Number of states n."""

    @property
    @abc.abstractmethod
    def n_inputs(self) -> int:
        """Number of inputs m."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs p: rows of the readout, or n without one."""
        return self.n_states if self.w_out is None else self.w_out.shape[0]

    @property
    def has_readout(self) -> bool:
        return self.w_out is not None

    @property
    def initial_state(self) -> Vector:
        """The state at t = 0, shape (n,)."""
        return np.zeros(self.n_states) if self.x0 is None else self.x0

    def readout(self, x: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
        """Outputs ``y = w_out x + b_out``, shape (..., p); `u` matters to feedthrough only."""
        state = np.asarray(x, dtype=np.float64)
        y = state if self.w_out is None else state @ self.w_out.T
        return y if self.b_out is None else y + self.b_out

    @property
    def feedthrough(self) -> Matrix | None:
        """Direct path from input to output, shape (p, m), or None: linear models may have one."""
        return None

    @property
    def operating_box(self) -> tuple[Vector, Vector] | None:
        """Lowest and highest states at which equations are worth comparing; None: anywhere.

        A family says so whose rates run over all bounds outside it.
        """
        return None

    @property
    @abc.abstractmethod
    def is_smooth(self) -> bool:
        """Whether the Jacobian exists everywhere (not at the kink of a relu)."""

    @abc.abstractmethod
    def without_input_map(self) -> Self:
        """The same system with the input map folded into the weights and biases."""

    def _mapped(self, u: ArrayLike) -> NDArray[np.float64]:
        v = np.asarray(u, dtype=np.float64)
        if self.in_scale is not None:
            v = v * self.in_scale
        return v if self.in_bias is None else v + self.in_bias

    def _check_common(self) -> None:
        """Validate the fields of this class; families call it after their own."""
        n, m = self.n_states, self.n_inputs
        if n < 1:
            raise ModelError(f"a {self.family} model needs at least one state, got none")
        for name, shape in (("x0", (n,)), ("in_scale", (m,)), ("in_bias", (m,))):
            self._freeze(name, shape)
        if self.w_out is not None:
            raw = np.asarray(self.w_out)
            rows = raw.shape[0] if raw.ndim == 2 else 0
            if rows < 1:
                raise ModelError(f"w_out must have shape (p, {n}) with p >= 1, got {raw.shape}")
            self._freeze("w_out", (rows, n))
        self._freeze("b_out", (self.n_outputs,))
        if self.dt is not None:
            step = float(readonly("dt", self.dt, ()))
            if step <= 0:
                raise ModelError(f"dt must be positive, got {step!r}")
            object.__setattr__(self, "dt", step)

    def _freeze(self, name: str, shape: tuple[int, ...]) -> None:
        """Replace a field that is not None by its checked read-only copy."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, readonly(name, value, shape))

    def _together(self, *names: str) -> bool:
        """Whether fields that belong together are present; some without the others are refused."""
        absent = [name for name in names if getattr(self, name) is None]
        if absent and len(absent) < len(names):
            raise ModelError(
                f"{', '.join(absent)} missing: {', '.join(names)} are given together or not at all"
            )
        return not absent

    def _folded_bias(self, bias: Vector | None, w_in: Matrix | None) -> Vector | None:
        if self.in_bias is None or w_in is None:
            return bias
        shift = w_in @ self.in_bias
        return shift if bias is None else bias + shift

    def _with_folded(self, **changes: object) -> Self:
        return replace(self, in_scale=None, in_bias=None, **changes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractModel(AbstractNetwork):
    """A continuous-time recurrent network ``x' = f(x, s∘u + c)`` with ``y = w_out x + b_out``."""

    def rhs(self, x: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
        """Time derivative of the state.

        Parameters
        ----------
        x : array_like, shape (..., n)
        u : array_like, shape (..., m)
            Raw inputs, before the input map.

        Returns
        -------
        ndarray, shape (..., n)
            Per model time unit.
        """
        return self._rhs(np.asarray(x, dtype=np.float64), self._mapped(u))

    def jacobian(self, x: ArrayLike, u: ArrayLike) -> Matrix:
        """``df/dx`` at one point, shape (n, n): row i is what state i receives."""
        return self._jacobian(np.asarray(x, dtype=np.float64), self._mapped(u))

    def input_jacobian(self, x: ArrayLike, u: ArrayLike) -> Matrix:
        """``df/du`` at one point, shape (n, m), with respect to the raw input."""
        inner = self._input_jacobian(np.asarray(x, dtype=np.float64), self._mapped(u))
        return inner if self.in_scale is None else inner * self.in_scale

    @abc.abstractmethod
    def _rhs(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abc.abstractmethod
    def _jacobian(self, x: Vector, u: Vector) -> Matrix: ...

    @abc.abstractmethod
    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractCell(AbstractNetwork):
    """A discrete-time recurrent network ``x+ = F(x, s∘u + c)`` with ``y = w_out x + b_out``.

    One step is one unit of model time.
    """

    @property
    def n_handed_on(self) -> int:
        """Leading states that a layer above reads: all, unless the cell keeps some to itself."""
        return self.n_states

    def step(self, x: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
        """The state after one step.

        Parameters
        ----------
        x : array_like, shape (..., n)
        u : array_like, shape (..., m)
            Raw inputs of this step, before the input map.

        Returns
        -------
        ndarray, shape (..., n)
        """
        return self._step(np.asarray(x, dtype=np.float64), self._mapped(u))

    def jacobian(self, x: ArrayLike, u: ArrayLike) -> Matrix:
        """``dF/dx`` at one point, shape (n, n): row i is what state i receives."""
        return self._jacobian(np.asarray(x, dtype=np.float64), self._mapped(u))

    def input_jacobian(self, x: ArrayLike, u: ArrayLike) -> Matrix:
        """``dF/du`` at one point, shape (n, m), with respect to the raw input."""
        inner = self._input_jacobian(np.asarray(x, dtype=np.float64), self._mapped(u))
        return inner if self.in_scale is None else inner * self.in_scale

    @abc.abstractmethod
    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abc.abstractmethod
    def _jacobian(self, x: Vector, u: Vector) -> Matrix: ...

    @abc.abstractmethod
    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix: ...


def arrays_of(model: AbstractNetwork) -> dict[str, NDArray[np.float64]]:
    """The numeric fields of a model that are present, by name, in declaration order.

    Those of layer k of a stack are called ``layerK.NAME``.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for field in fields(model):
        value = getattr(model, field.name)
        if isinstance(value, np.ndarray | float):
            found[field.name] = np.asarray(value, dtype=np.float64)
    for prefix, layer in _layers(model):
        found |= {prefix + name: array for name, array in arrays_of(layer).items()}
    return found


def strings_of(model: AbstractNetwork) -> dict[str, str]:
    """The string-valued fields of a model, with its family first; layers as in `arrays_of`."""
    found = {"family": model.family}
    for field in fields(model):
        value = getattr(model, field.name)
        if isinstance(value, str):
            found[field.name] = value
    for prefix, layer in _layers(model):
        found |= {prefix + name: text for name, text in strings_of(layer).items()}
    return found


def _layers(model: AbstractNetwork) -> list[tuple[str, AbstractNetwork]]:
    layers: tuple[AbstractNetwork, ...] = getattr(model, "layers", ())
    return [(f"layer{k}.", layer) for k, layer in enumerate(layers, start=1)]


def weights_sha256(model: AbstractNetwork) -> str:
    """Fingerprint of everything that defines the model, independent of file format.

    SHA-256 over the string fields and, per array in order of name, its name, shape and
    little-endian float64 bytes; -0.0 counts as 0.0.
    """
    digest = hashlib.sha256()
    for key, text in sorted(strings_of(model).items()):
        digest.update(f"{key}={text}\n".encode())
    for key, array in sorted(arrays_of(model).items()):
        digest.update(f"{key}{list(array.shape)}\n".encode())
        digest.update((array + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()


def matrix_shape(name: str, value: object, like: str) -> tuple[int, int]:
    """Shape of a two-dimensional field, or a ModelError that says what was expected."""
    if value is None:
        raise ModelError(f"{name} is missing; expected an array of shape {like}")
    shape = np.shape(np.asarray(value))
    if len(shape) != 2:
        raise ModelError(f"{name} must have shape {like}, got {shape}")
    return shape[0], shape[1]


def vector_length(name: str, value: object) -> int:
    """Length of a one-dimensional field, or a ModelError that says what was expected."""
    shape = np.shape(np.asarray(value))
    if len(shape) != 1:
        raise ModelError(f"{name} must have shape (n,), got {shape}")
    return shape[0]
