"""The scalar nonlinearities of the families: value and slope, vectorised.

MODELS write σ for any of these; ``logistic(z) = 1 / (1 + exp(-z))`` is never called sigmoid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, exprel

from rnn2circuit.errors import ModelError

Array = NDArray[np.float64]


def logistic(z: Array) -> Array:
    """``1 / (1 + exp(-z))`` without overflow."""
    return np.asarray(expit(z), dtype=np.float64)


def logistic_slope(z: Array) -> Array:
    """Derivative of `logistic`."""
    s = logistic(z)
    return s * (1.0 - s)


def _tanh_slope(z: Array) -> Array:
    return 1.0 - np.tanh(z) ** 2


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _relu_slope(z: Array) -> Array:
    # The kink gets the mean of both slopes, as every odd-symmetric rule (and sgn(0) = 0) gives.
    return np.heaviside(z, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A scalar function and its derivative."""

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bounded: bool


ACTIVATIONS: Mapping[str, Activation] = {
    a.name: a
    for a in (
        Activation(name="tanh", value=np.tanh, slope=_tanh_slope, bounded=True),
        Activation(name="logistic", value=logistic, slope=logistic_slope, bounded=True),
        Activation(name="identity", value=np.copy, slope=np.ones_like, bounded=False),
        Activation(
            name="relu", value=lambda z: np.maximum(z, 0.0), slope=_relu_slope, bounded=False
        ),
        Activation(name="softplus", value=_softplus, slope=logistic, bounded=False),
    )
}


def activation_named(name: str) -> Activation:
    """Look up an activation.

    Raises
    ------
    ModelError
        If there is none of that name; the message lists the known ones.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        known = ", ".join(ACTIVATIONS)
        raise ModelError(f"activation must be one of {known}, got {name!r}") from None


# Below this |x| the closed form of the slope loses digits to cancellation; the series is exact
# to double precision there.
_SERIES = 0.3
_SLOPE_SERIES = (1 / 2, 1 / 6, 0.0, -1 / 180, 0.0, 1 / 5040, 0.0, -1 / 151200, 0.0, 1 / 4790016)


def linoid(x: Array) -> Array:
    """``x / (1 - exp(-x))``, which is 1 at its removable singularity x = 0."""
    return np.asarray(1.0 / exprel(-np.asarray(x)), dtype=np.float64)


def linoid_slope(x: Array) -> Array:
    """Derivative of `linoid`, 1/2 at x = 0.

    ``L (1 - L + x) / x``, and the Bernoulli series near 0 where numerator and denominator vanish.
    """
    x = np.asarray(x, dtype=np.float64)
    value = linoid(x)
    near = np.abs(x) < _SERIES
    away = np.where(near, 1.0, x)
    small = np.where(near, x, 0.0)
    series = np.polynomial.polynomial.polyval(small, _SLOPE_SERIES)
    return np.where(near, series, value * (1.0 - value + away) / away)
