"""How many states matter, and what the others would have added: balanced truncation's bound."""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.linearize.statespace import eigenvalues_of
from rnn2circuit.linearize.strategies.columns import Drive
from rnn2circuit.linearize.strategies.frequency import frequencies, matrices, peak, transfer
from rnn2circuit.linearize.strategies.gramians import Hankel
from rnn2circuit.linearize.strategies.parts import Part, Treatment
from rnn2circuit.models import Linear

# States are numerically absent where all of them together change no output by more than this
# share of the largest Hankel singular value: a tenth of what extraction is held to, and far
# above the round-off (n eps) of the values themselves.
EXACT = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truncation:
    """Which states were left out, and what that can cost.

    The bounds are twice the sum of the Hankel singular values left out. They hold for all
    frequencies jω; for a shifted system along the line of the shift instead.

    Attributes
    ----------
    values : tuple of ndarray
        Hankel singular values of each part, falling.
    orders : tuple of int
        States kept of each part.
    asked : int or float or None
        The order or tolerance that was asked for.
    bound : float
        Of the largest singular value of the error from the inputs, in units of y over u.
    bias_bound, initial_bound : float
        The same for the bias as an input that is one, and for the initial state as one that
        strikes at t = 0.
    relative : float
        `bound` in parts of the largest gain of the transfer function (of bias and initial state
        where there are no inputs).
    """

    values: tuple[Vector, ...]
    orders: tuple[int, ...]
    asked: int | float | None
    bound: float
    bias_bound: float
    initial_bound: float
    relative: float


def truncate(
    model: Linear,
    drive: Drive,
    treatment: Treatment,
    parts: tuple[Part, ...],
    systems: list[Hankel],
    *,
    order: int | None,
    tolerance: float | None,
) -> Truncation:
    """Choose how many states of each part to keep.

    Growing modes are kept unless nothing reaches them or nothing shows them.

    Raises
    ------
    NotRealizableError
        If nothing drives the outputs, if the order is too small for the growing modes, or if
        a mode on the imaginary axis leaves no bound for an order or tolerance.
    """
    values = tuple(system.values for system in systems)
    largest = max((float(v.max(initial=0.0)) for v in values), default=0.0)
    if largest == 0.0:
        raise NotRealizableError(
            "no input, bias or initial state reaches an output, so there is no behaviour to "
            "realize; strategies schur, modal, hessenberg and direct keep the states as they are"
        )
    if treatment == "shifted" and (order is not None or tolerance is not None):
        raise NotRealizableError(
            "a mode lies on the imaginary axis or too close to the growing ones, so the error of "
            "leaving out states has no bound; leave out order and tolerance, or use modal"
        )
    gain = _gain(model, drive, parts[0].shift)
    orders = [_fewest(v, EXACT * largest) for v in values]
    growing = sum(r for r, part in zip(orders, parts, strict=True) if part.sign < 0)
    for k, part in enumerate(parts):
        if part.sign < 0:
            continue
        if tolerance is not None:
            orders[k] = min(orders[k], _fewest(values[k], tolerance * gain))
        if order is not None:
            if order < growing:
                raise NotRealizableError(
                    f"the network has {growing} growing modes, which no order below keeps; got "
                    f"order {order}"
                )
            orders[k] = min(orders[k], order - growing)
    if not any(orders):
        orders[0] = 1
    return _with_bounds(values, tuple(orders), drive, gain, tolerance if order is None else order)


def bound_of(values: tuple[Vector, ...], orders: tuple[int, ...]) -> float:
    """``2 Σ σ`` over the states left out."""
    return 2.0 * sum(float(v[r:].sum()) for v, r in zip(values, orders, strict=True))


def _with_bounds(
    values: tuple[Vector, ...],
    orders: tuple[int, ...],
    drive: Drive,
    gain: float,
    asked: float | None,
) -> Truncation:
    bound = bound_of(values, orders)
    return Truncation(
        values=values,
        orders=orders,
        asked=asked,
        bound=bound,
        bias_bound=bound / drive.bias_weight,
        initial_bound=bound / drive.initial_weight,
        relative=bound / gain if gain else 0.0,
    )


def _fewest(values: Vector, allowed: float) -> int:
    """Fewest states for which twice the sum of the values of the others is at most `allowed`."""
    tails = 2.0 * np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])
    return int(np.argmax(tails <= allowed))


def _gain(model: Linear, drive: Drive, shift: float) -> float:
    """Largest gain on a grid of jω + shift: of the inputs, or of all that drives without any."""
    a, b, c, d = matrices(model)
    if not b.shape[1]:
        b, d = drive.columns, np.zeros((len(c), drive.columns.shape[1]))
    s = shift + 1j * frequencies(eigenvalues_of(a))
    return peak(transfer(a, b, c, s) + d)
