"""Where a network rests: states x* with ``f(x*, u) = 0`` for a constant input u."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import ModelError, UsageError
from rnn2circuit.linearize.statespace import Eigenvalues, Stability, eigenvalues_of, stability_of
from rnn2circuit.models import AbstractModel

# A residual below this share of the terms that cancel in it is zero: Newton ends near 1e-15.
EQUILIBRIUM_RTOL = 1e-9
# Two equilibria closer than this share of the largest state found are one.
DISTINCT_RTOL = 1e-6
SOLVER_XTOL = 1e-12  # relative step at which MINPACK's hybrid Newton method stops
NEAR = 1e-6  # Newton step at an equilibrium, beside the size of the state
POLISHING_STEPS = 5  # of plain Newton after it; convergence is quadratic, so few are needed
RADII = (0.25, 0.5, 1.0, 2.0, 8.0)  # of the random starts beside the scale of the states
FIRST_STARTS = 64  # random starts of a search for one equilibrium
ALL_STARTS = 256  # and for all: complete, by the index, for 237 of 240 small sharp networks
BETWEEN = tuple(k / 16 for k in range(1, 16))  # shares of the way between two equilibria
MOST_PAIRS = 64  # of equilibria between which saddles are looked for
PROBES = (1.0, 1e3, 1e6, 1e9)  # distances from which the scale of the states is looked for
PULLED_IN = 0.1  # a state is pulled back if its leak alone takes it below this share
NEAR_ZERO = 1e-9  # entries this small may be zeros that a solver only approaches
KINK_REACH = 1e-9  # half length of the probe across a kink, beside states of order one
KINK_JUMP = 1e-6  # share of the Jacobian; along the probe it changes smoothly by 1e-9 only
KINK_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Equilibrium:
    """A state at which the network rests while its input is constant.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The state.
    u : ndarray, shape (m,)
        The raw input it belongs to.
    residual : ndarray, shape (n,)
        ``f(x, u)``, zero up to round-off.
    eigenvalues : ndarray of complex, shape (n,)
        Of the Jacobian at x, slowest first; NaN at the kink of a relu, where there is none.
    stability : str
        stable, marginal, unstable, or undecided at a kink.
    """

    x: Vector
    u: Vector
    residual: Vector
    eigenvalues: Eigenvalues
    stability: Stability | Literal["undecided"]


def find_equilibrium(
    model: AbstractModel, *, u: ArrayLike | None = None, start: ArrayLike | None = None
) -> Equilibrium:
    """The equilibrium reached first: from `start`, the initial state, zero, then random states.

    The random states are the same on every call.

    Parameters
    ----------
    u : array_like, shape (m,), optional
        Constant raw input, default zero.
    start : array_like, shape (n,), optional
        Where to look first.

    Raises
    ------
    ModelError
        If no start leads to an equilibrium, or an array does not fit the model.
    """
    held = input_of(model, u)
    first = () if start is None else (readonly("start", start, (model.n_states,)),)
    tried = 0
    for candidate in _starts(model, held, first=first, count=FIRST_STARTS, seed=0):
        tried += 1
        x = _settle(model, held, candidate)
        if x is not None:
            return equilibrium_at(model, x, held)
    raise ModelError(
        f"found no equilibrium of this {model.family} model for u = {held.tolist()} from {tried} "
        "starts; give a start near one or another constant input, or linearize at a state"
    )


def find_equilibria(
    model: AbstractModel,
    *,
    u: ArrayLike | None = None,
    starts: int = ALL_STARTS,
    seed: int = 0,
) -> tuple[Equilibrium, ...]:
    """The distinct equilibria that a search from many states finds, in order of their states.

    Also looks between the equilibria found, where the saddles are that part their basins.
    Nothing proves that there are no others; more `starts` look further. An empty tuple says
    that none was found.

    Parameters
    ----------
    u : array_like, shape (m,), optional
        Constant raw input, default zero.
    starts : int
        Number of random states to start from, beside the initial state and zero.
    seed : int
        Of the random states.

    Raises
    ------
    ModelError
        If `u` does not fit the model.
    UsageError
        If `starts` is negative.
    """
    if starts < 0:
        raise UsageError(f"starts must be zero or positive, got {starts}")
    held = input_of(model, u)
    distinct = _settled(model, held, _starts(model, held, first=(), count=starts, seed=seed))
    between = [
        one + share * (other - one)
        for one, other in islice(combinations(distinct, 2), MOST_PAIRS)
        for share in BETWEEN
    ]
    distinct = _settled(model, held, between, known=distinct)
    tolerance = _tolerance(distinct)
    # On a grid of the tolerance, so that round-off in one coordinate cannot swap two states.
    distinct.sort(key=lambda x: tuple(np.round(x / (tolerance or 1.0)).tolist()))
    return tuple(equilibrium_at(model, x, held) for x in distinct)


def _settled(
    model: AbstractModel, u: Vector, starts: Iterable[Vector], *, known: Sequence[Vector] = ()
) -> list[Vector]:
    """The distinct equilibria among `known` and those reached from `starts`."""
    reached = [_settle(model, u, start) for start in starts]
    found = [*known, *(x for x in reached if x is not None)]
    tolerance = _tolerance(found)
    distinct: list[Vector] = []
    for x in found:
        if all(float(np.abs(x - other).max()) > tolerance for other in distinct):
            distinct.append(x)
    return distinct


def _tolerance(found: Sequence[Vector]) -> float:
    return DISTINCT_RTOL * max((float(np.abs(x).max()) for x in found), default=0.0)


def input_of(model: AbstractModel, u: ArrayLike | None) -> Vector:
    """A constant raw input, shape (m,): `u` checked, or zero where not given."""
    return readonly("u", np.zeros(model.n_inputs) if u is None else u, (model.n_inputs,))


def kink_entry(model: AbstractModel, x: Vector, u: Vector) -> tuple[int, int] | None:
    """Entry of ``[df/dx, df/du]`` that jumps at the point, or None where the Jacobian exists.

    Compares the Jacobians on either side of the point along one generic direction, which
    crosses every kink there that the equations can feel.
    """
    if model.is_smooth:
        return None
    generator = np.random.default_rng(KINK_SEED)
    dx = KINK_REACH * (1.0 + float(np.abs(x).max())) * generator.standard_normal(x.size)
    du = KINK_REACH * (1.0 + float(np.abs(u).max(initial=0.0))) * generator.standard_normal(u.size)
    before, after = (
        np.hstack([model.jacobian(*at), model.input_jacobian(*at)])
        for at in ((x - dx, u - du), (x + dx, u + du))
    )
    jumps = np.abs(after - before) > KINK_JUMP * np.abs(np.stack([before, after])).max()
    if not bool(jumps.any()):
        return None
    row, column = np.argwhere(jumps)[0]
    return int(row), int(column)


def is_balanced(model: AbstractModel, x: Vector, u: Vector) -> bool:
    """Whether ``f(x, u)`` is zero beside the terms of its own linear expansion."""
    f, a, b = model.rhs(x, u), model.jacobian(x, u), model.input_jacobian(x, u)
    terms = np.abs(a) @ np.abs(x) + np.abs(b) @ np.abs(u) + np.abs(f - a @ x - b @ u)
    return bool(np.abs(f).max() <= EQUILIBRIUM_RTOL * terms.max())


def equilibrium_at(model: AbstractModel, x: Vector, u: Vector) -> Equilibrium:
    """The equilibrium at a state where ``f(x, u)`` is zero."""
    residual = readonly("residual", model.rhs(x, u), x.shape)
    x = readonly("x", x, x.shape)
    if kink_entry(model, x, u) is not None:
        undefined = np.full(x.size, complex(np.nan, np.nan))
        undefined.setflags(write=False)
        return Equilibrium(
            x=x, u=u, residual=residual, eigenvalues=undefined, stability="undecided"
        )
    a = model.jacobian(x, u)
    eigenvalues = eigenvalues_of(a)
    stability = stability_of(a, eigenvalues)
    return Equilibrium(x=x, u=u, residual=residual, eigenvalues=eigenvalues, stability=stability)


def _starts(
    model: AbstractModel, u: Vector, *, first: tuple[Vector, ...], count: int, seed: int
) -> Iterator[Vector]:
    """The states to search from, most likely ones first."""
    yield from first
    yield model.initial_state
    if np.any(model.initial_state):
        yield np.zeros(model.n_states)
    generator = np.random.default_rng(seed)
    centre, scale = _habitat(model, u, generator.choice([-1.0, 1.0], model.n_states))
    for k in range(count):
        radius = scale * RADII[k % len(RADII)]
        start = centre + radius * generator.uniform(-1.0, 1.0, model.n_states)
        yield start if k % 2 else _relaxed(model, u, start)


def _habitat(model: AbstractModel, u: Vector, corner: Vector) -> tuple[Vector, float]:
    """Centre and half width of the states on which the network lives, whatever their unit is.

    From far out, where every sigmoid is saturated, the leaks pull each state back there. Where
    they never do (a network without saturation): zero and one.
    """
    for far in PROBES:
        with np.errstate(over="ignore", invalid="ignore"):  # rates far from where any state goes
            one, other = _relaxed(model, u, far * corner), _relaxed(model, u, -far * corner)
        reach = float(np.abs(np.stack([one, other])).max())
        if 0.0 < reach < PULLED_IN * far:
            width = float(np.abs(one - other).max()) / 2
            return (one + other) / 2, width or reach
    return np.zeros(model.n_states), 1.0


def _relaxed(model: AbstractModel, u: Vector, x: Vector) -> Vector:
    """Where each state would come to rest if the others and its own slope stayed as they are."""
    slope = np.diag(model.jacobian(x, u))
    leaky = slope < 0
    return np.where(leaky, x - model.rhs(x, u) / np.where(leaky, slope, -1.0), x)


def _settle(model: AbstractModel, u: Vector, start: Vector) -> Vector | None:
    """The equilibrium that Newton's method reaches from `start`, or None."""

    def f(x: Vector) -> Vector:
        return model.rhs(x, u)

    def slope(x: Vector) -> Matrix:
        return model.jacobian(x, u)

    with np.errstate(over="ignore", invalid="ignore"):  # a wild step is judged by its end
        found = optimize.root(f, start, jac=slope, method="hybr", options={"xtol": SOLVER_XTOL})
        x = _polished(model, u, np.asarray(found.x, dtype=np.float64))
        good = bool(np.isfinite(x).all()) and is_balanced(model, x, u) and _is_near(model, u, x)
    return x if good else None


def _is_near(model: AbstractModel, u: Vector, x: Vector) -> bool:
    """Whether the next Newton step is small: where all is slow, rates are small anywhere."""
    a, rates = model.jacobian(x, u), model.rhs(x, u)
    pace = np.abs(a).max(axis=1)  # a state may be slow alone: its gate is shut
    pace[pace == 0.0] = 1.0
    step = np.linalg.lstsq(a / pace[:, None], rates / pace, rcond=None)[0]
    return bool(np.abs(step).max() <= NEAR * (1.0 + np.abs(x).max()))


def _polished(model: AbstractModel, u: Vector, x: Vector) -> Vector:
    """Newton steps while they help, then zeros where zeros are at least as good."""
    size = float(np.abs(model.rhs(x, u)).max())
    for _ in range(POLISHING_STEPS):
        try:
            nearer = x - np.linalg.solve(model.jacobian(x, u), model.rhs(x, u))
        except np.linalg.LinAlgError:  # a fold: the solver's answer is as good as it gets
            break
        smaller = float(np.abs(model.rhs(nearer, u)).max())
        if not smaller < size:
            break
        x, size = nearer, smaller
    zeroed = np.where(np.abs(x) < NEAR_ZERO, 0.0, x)
    return zeroed if float(np.abs(model.rhs(zeroed, u)).max()) <= size else x
