"""How a resting state moves with the input, and where it ends: continuation and folds."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import UsageError
from rnn2circuit.linearize.equilibria import Equilibrium, equilibrium_at, find_equilibrium
from rnn2circuit.models import AbstractModel

Ending: TypeAlias = Literal["end", "fold", "lost"]

FIRST_STEP = 1.0 / 16  # of a segment between two inputs
SMALLEST_STEP = 2.0**-44  # below, the branch does not go on: the fold is known to that share
NEWTON_STEPS = 12
CORRECTION = 0.5  # largest correction beside the predicted move: a larger one changes branches
SPARE = 1e-7  # and beside the size of the state, near which a prediction may be arbitrarily small
CONVERGED = 1e-11  # Newton step beside the size of the state
SINGULAR = 1e-3  # smallest singular value of the Jacobian at a fold, beside the branch's largest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Branch:
    """Equilibria along a path of constant inputs.

    Attributes
    ----------
    equilibria : tuple of Equilibrium
        At the inputs of the path as far as the branch reaches, each the continuation of the
        one before; where it ends early, the last one is at its end.
    ending : str
        ``end`` of the path; ``fold``: two equilibria merge here, none of the branch is beyond;
        ``lost``: no continuation was found though the Jacobian is regular (a relu's kink).
    segment, share : int, float
        Where it ended: that part of the way from input `segment` to the next.
    """

    equilibria: tuple[Equilibrium, ...]
    ending: Ending
    segment: int
    share: float

    @property
    def fold(self) -> Equilibrium | None:
        """The last equilibrium before the fold; None where there is none."""
        return self.equilibria[-1] if self.ending == "fold" else None


def continue_equilibrium(
    model: AbstractModel, inputs: ArrayLike, *, start: ArrayLike | None = None
) -> Branch:
    """Follow an equilibrium while the input moves along straight lines from one value to the next.

    The tangent ``dx = -A^-1 B du`` predicts, Newton's method corrects, and a step that does not
    converge, corrects more than it moved, or crosses a singular Jacobian is halved.

    Parameters
    ----------
    inputs : array_like, shape (k, m)
        Raw inputs along the path, at least two.
    start : array_like, shape (n,), optional
        Near the equilibrium at the first of them; see `find_equilibrium`.

    Raises
    ------
    ModelError
        If an array does not fit the model, or no equilibrium is found at the first input.
    UsageError
        If the path has fewer than two inputs.
    """
    raw = np.asarray(inputs)
    if raw.ndim != 2 or len(raw) < 2:
        raise UsageError(f"a path needs inputs of shape (k, m) with k >= 2, got {raw.shape}")
    path = readonly("inputs", raw, (len(raw), model.n_inputs))
    first = find_equilibrium(model, u=path[0], start=start)
    found, x = [first], first.x
    for k in range(len(path) - 1):
        x, share = _follow(model, x, path[k], path[k + 1])
        here = path[k] + share * (path[k + 1] - path[k])
        found.append(equilibrium_at(model, x, here))
        if share < 1.0:
            size = float(np.linalg.norm(model.jacobian(first.x, first.u), 2))
            ending: Ending = "fold" if _is_singular(model.jacobian(x, here), size) else "lost"
            return Branch(equilibria=tuple(found), ending=ending, segment=k, share=share)
    return Branch(equilibria=tuple(found), ending="end", segment=len(path) - 2, share=1.0)


def _follow(model: AbstractModel, x: Vector, u0: Vector, u1: Vector) -> tuple[Vector, float]:
    """State and share of the way where the branch ends, or its state at u1 and 1."""
    share, step = 0.0, FIRST_STEP
    while share < 1.0 and step >= SMALLEST_STEP:
        # A step that would leave a crumb goes to the end: 1 is reached exactly.
        following = 1.0 if share + 1.5 * step >= 1.0 else share + step
        nearer = _advance(model, x, u0 + share * (u1 - u0), u0 + following * (u1 - u0))
        if nearer is None:
            step /= 2.0
        else:
            x, share, step = nearer, following, min(2.0 * step, FIRST_STEP)
    return x, share


def _advance(model: AbstractModel, x: Vector, before: Vector, after: Vector) -> Vector | None:
    """The equilibrium at input `after` on the branch through x at `before`, or None."""
    a = model.jacobian(x, before)
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            move = -np.linalg.solve(a, model.input_jacobian(x, before) @ (after - before))
            found = _corrected(model, x + move, after)
        except np.linalg.LinAlgError:  # exactly singular: a fold, or a step beyond it
            return None
    if found is None:
        return None
    allowed = CORRECTION * float(np.abs(move).max()) + SPARE * (1.0 + float(np.abs(x).max()))
    near = float(np.abs(found - x - move).max()) <= allowed
    same = np.linalg.slogdet(a)[0] == np.linalg.slogdet(model.jacobian(found, after))[0]
    return found if near and same else None


def _corrected(model: AbstractModel, x: Vector, u: Vector) -> Vector | None:
    for _ in range(NEWTON_STEPS):
        change = np.linalg.solve(model.jacobian(x, u), model.rhs(x, u))
        x = x - change
        size = float(np.abs(change).max())
        if not np.isfinite(size):
            return None
        if size <= CONVERGED * (1.0 + float(np.abs(x).max())):
            return x
    return None


def _is_singular(a: Matrix, size: float) -> bool:
    """Beside its own largest singular value, or `size` where it has one only."""
    sizes = np.linalg.svd(a, compute_uv=False)
    return bool(sizes[-1] <= SINGULAR * max(float(sizes[0]), size))
