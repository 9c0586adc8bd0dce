"""A linear network in other coordinates, with the same behaviour from inputs to outputs."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import UsageError
from rnn2circuit.linearize.strategies.columns import Drive, drive_of
from rnn2circuit.linearize.strategies.energy import (
    Reduced,
    balanced,
    ladder,
    lyapunov,
    minimum_noise,
)
from rnn2circuit.linearize.strategies.factors import block_diagonal, inverse
from rnn2circuit.linearize.strategies.frequency import matrices
from rnn2circuit.linearize.strategies.gramians import Hankel, hankel
from rnn2circuit.linearize.strategies.orthogonal import (
    hessenberg_coordinates,
    modal_coordinates,
    schur_coordinates,
)
from rnn2circuit.linearize.strategies.parts import Part, Treatment, decaying_parts
from rnn2circuit.linearize.strategies.truncation import Truncation, truncate
from rnn2circuit.models import Linear

Strategy: TypeAlias = Literal[
    "direct",
    "modal",
    "schur",
    "hessenberg",
    "ladder",
    "balanced",
    "minimum-noise",
    "lyapunov",
]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
REDUCING = ("ladder", "balanced", "minimum-noise")  # these keep no state that does not matter
DUST = 16 * np.finfo(np.float64).eps  # of the norm of A, of a column of B or of a row of C
KAPPA = 30.0  # default limit of the condition number of modal coordinates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StateRealization:
    """``x = T z``: a linear network in coordinates z that make a better circuit.

    Attributes
    ----------
    model : Linear
        Of z: ``z' = A' z + B' u + bias'``, ``y = w_out' z + b_out + d u``; without a readout in the
        original, y are its states.
    strategy : str
    transform : ndarray, shape (n, n')
        T; its columns span the states that are kept.
    condition : float
        Condition number of T: how much an error of an element may grow.
    treatment : str or None
        ``stable``, ``split`` (growing modes apart, backwards in time) or ``shifted`` (by a real
        rate, which is put back); None where no Gramian was needed.
    shift : float
        That rate, per model time unit.
    truncation : Truncation or None
        Hankel singular values and error bounds, where states may have been left out.
    blocks : tuple of int
        Sizes of the modal blocks.
    """

    model: Linear
    strategy: Strategy
    transform: Matrix
    condition: float
    treatment: Treatment | None = None
    shift: float = 0.0
    truncation: Truncation | None = None
    blocks: tuple[int, ...] = ()

    @property
    def order(self) -> int:
        """Number of states n' of the realization."""
        return self.model.n_states

    @property
    def n_original(self) -> int:
        return self.transform.shape[0]


def realize_states(
    model: Linear,
    strategy: Strategy = "direct",
    *,
    kappa: float | None = None,
    order: int | None = None,
    tolerance: float | None = None,
) -> StateRealization:
    """Bring a linear network into the coordinates of `strategy`.

    What is kept: the outputs for any input, with the bias, from the initial state. ``ladder``,
    ``balanced`` and ``minimum-noise`` leave out states without which the outputs are the same
    to `truncation.EXACT` of the largest Hankel singular value.

    Parameters
    ----------
    kappa : float, optional
        Largest condition number of the coordinates of ``modal``, at least 1; 30 if not given.
    order : int, optional
        Keep this many states (balanced truncation), whatever it costs: `truncation` says.
    tolerance : float, optional
        Keep as few states as the bound 2Σσ allows for an error of this share of the
        H-infinity norm of the transfer function.

    Raises
    ------
    UsageError
        If an option does not exist, is out of range or contradicts another.
    NotRealizableError
        If nothing drives the outputs, or the modes cannot be treated as the strategy needs.

    References
    ----------
    K. Glover, "All optimal Hankel-norm approximations of linear multivariable systems and their
    L-infinity error bounds", International Journal of Control 39(6), 1984: the bound.
    """
    model = model.without_input_map()
    check_strategy(strategy, kappa=kappa, order=order, tolerance=tolerance, n=model.n_states)
    kappa = KAPPA if kappa is None else kappa
    if strategy == "direct":
        eye = np.eye(model.n_states)
        return StateRealization(model=model, strategy=strategy, transform=eye, condition=1.0)
    if strategy in REDUCING or order is not None or tolerance is not None:
        return _reduced(model, strategy, kappa=kappa, order=order, tolerance=tolerance)
    _, b, _, _ = matrices(model)
    found, treatment, shift, blocks = _all_states(model.a, _first_column(model, b), strategy, kappa)
    return StateRealization(
        model=_in_coordinates(
            model,
            found.right,
            a=found.a,
            b=None if model.b is None else found.left @ model.b,
            bias=None if model.bias is None else found.left @ model.bias,
            x0=None if model.x0 is None else found.left @ model.x0,
        ),
        strategy=strategy,
        transform=found.right,
        condition=float(np.linalg.cond(found.right)),
        treatment=treatment,
        shift=shift,
        blocks=blocks,
    )


def check_strategy(
    strategy: str, *, kappa: float | None, order: int | None, tolerance: float | None, n: int
) -> None:
    """Refuse options that do not exist, are out of range or contradict one another.

    Raises
    ------
    UsageError
    """
    if strategy not in STRATEGIES:
        raise UsageError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if kappa is not None and strategy != "modal":
        raise UsageError(f"kappa limits the condition of strategy modal, not of {strategy}")
    if kappa is not None and not (np.isfinite(kappa) and kappa >= 1.0):
        raise UsageError(
            "modal coordinates without a limit of their condition number amplify every tolerance; "
            f"kappa must be finite and at least 1, got {kappa!r}"
        )
    if order is not None and tolerance is not None:
        raise UsageError("order and tolerance both choose the number of states; give one of them")
    if strategy == "direct" and not (order is None and tolerance is None):
        raise UsageError(
            "strategy direct keeps the network's own states; an order or a tolerance needs "
            "another, such as balanced or ladder"
        )
    if order is not None and (isinstance(order, bool) or order != int(order)):
        raise UsageError(f"order must be a whole number, got {order!r}")
    if order is not None and not 1 <= order <= n:
        raise UsageError(f"order must lie between 1 and the number of states {n}, got {order!r}")
    if tolerance is not None and not 0.0 < tolerance < 1.0:
        raise UsageError(f"tolerance must lie between 0 and 1, got {tolerance!r}")


def _all_states(
    a: Matrix, first: Vector, strategy: Strategy, kappa: float
) -> tuple[Reduced, Treatment | None, float, tuple[int, ...]]:
    """Coordinates that keep all states; the drive of the result is empty."""
    nothing = np.zeros((len(a), 0))
    match strategy:
        case "schur":
            t, inner = schur_coordinates(a)
            return Reduced(right=t, left=t.T, a=inner, drive=nothing), None, 0.0, ()
        case "hessenberg":
            t, inner = hessenberg_coordinates(a, first)
            return Reduced(right=t, left=t.T, a=inner, drive=nothing), None, 0.0, ()
        case "modal":
            t, inner, blocks = modal_coordinates(a, kappa)
            left = inverse(t)
            return Reduced(right=t, left=left, a=inner, drive=nothing), None, 0.0, blocks
        case _:
            treatment, parts = decaying_parts(a)
            found = [lyapunov(part.decaying) for part in parts]
            return _assembled(parts, found), treatment, parts[0].shift, ()


def _first_column(model: Linear, b: Matrix) -> Vector:
    """What Hessenberg coordinates put first: the first input, else bias, initial state, x1."""
    for column in (*b.T, model.bias, model.x0):
        if column is not None and np.any(column):
            return column
    return np.eye(model.n_states)[0]


def _reduced(
    model: Linear,
    strategy: Strategy,
    *,
    kappa: float,
    order: int | None,
    tolerance: float | None,
) -> StateRealization:
    """Balanced truncation, then the coordinates of `strategy` within what is left."""
    _, _, c, _ = matrices(model)
    treatment, parts = decaying_parts(model.a)
    drive = drive_of(model, c, parts)
    systems = [hankel(p.decaying, p.left @ drive.columns, c @ p.right) for p in parts]
    truncation = truncate(model, drive, treatment, parts, systems, order=order, tolerance=tolerance)
    make = {"ladder": ladder, "minimum-noise": minimum_noise}.get(strategy, balanced)
    kept = [k for k, r in enumerate(truncation.orders) if r]
    found = [
        make(systems[k], parts[k].decaying, parts[k].left @ drive.columns, truncation.orders[k])
        for k in kept
    ]
    whole = _assembled([parts[k] for k in kept], found)
    blocks: tuple[int, ...] = ()
    if strategy not in REDUCING:
        first = drive.inputs(whole.drive)
        column = whole.drive[:, 0] if first is None else first[:, 0]
        inner, _, _, blocks = _all_states(whole.a, column, strategy, kappa)
        whole = Reduced(
            right=whole.right @ inner.right,
            left=inner.left @ whole.left,
            a=inner.a,
            drive=inner.left @ whole.drive,
        )
    return StateRealization(
        model=_in_coordinates(
            model,
            whole.right,
            a=whole.a,
            b=drive.inputs(whole.drive),
            bias=drive.bias(whole.drive),
            x0=drive.initial(whole.drive),
        ),
        strategy=strategy,
        transform=whole.right,
        condition=float(np.linalg.cond(whole.right)),
        treatment=treatment,
        shift=parts[0].shift,
        truncation=truncation,
        blocks=blocks,
    )


def _hankel_parts(
    model: Linear,
) -> tuple[Treatment, tuple[Part, ...], Drive, list[Hankel]]:
    _, _, c, _ = matrices(model)
    treatment, parts = decaying_parts(model.a)
    drive = drive_of(model, c, parts)
    systems = [hankel(p.decaying, p.left @ drive.columns, c @ p.right) for p in parts]
    return treatment, parts, drive, systems


def truncation_at(model: Linear, order: int) -> Truncation:
    """What leaving out states can cost a realization of `order` states, whatever its coordinates.

    Raises
    ------
    NotRealizableError
        If no realization of that order keeps the growing modes, or nothing drives the outputs.
    """
    model = model.without_input_map()
    treatment, parts, drive, systems = _hankel_parts(model)
    asked = None if treatment == "shifted" else order
    return truncate(model, drive, treatment, parts, systems, order=asked, tolerance=None)


def _assembled(parts: list[Part] | tuple[Part, ...], found: list[Reduced]) -> Reduced:
    """Parts side by side, scaled so that no combination of the new states is larger in x."""
    right = np.hstack([p.right @ f.right for p, f in zip(parts, found, strict=True)])
    left = np.vstack([f.left @ p.left for p, f in zip(parts, found, strict=True)])
    scale = float(np.linalg.norm(right, 2))
    return Reduced(
        right=right / scale,
        left=left * scale,
        a=block_diagonal([p.restored(f.a) for p, f in zip(parts, found, strict=True)]),
        drive=scale * np.vstack([f.drive for f in found]),
    )


def _in_coordinates(
    model: Linear,
    right: Matrix,
    *,
    a: Matrix,
    b: Matrix | None,
    bias: Vector | None,
    x0: Vector | None,
) -> Linear:
    w_out = right if model.w_out is None else model.w_out @ right
    return Linear(
        a=_cleared(a, np.linalg.norm(a)),
        b=None if b is None else _cleared(b, np.linalg.norm(b, axis=0)),
        bias=None if bias is None else _cleared(bias, np.linalg.norm(bias)),
        x0=None if x0 is None else _cleared(x0, np.linalg.norm(x0)),
        w_out=_cleared(w_out, np.linalg.norm(w_out, axis=1, keepdims=True)),
        b_out=model.b_out,
        d=model.d,
        dt=model.dt,
    )


def _cleared(matrix: Matrix, norm: ArrayLike) -> Matrix:
    """Entries below the round-off of a change of coordinates set to zero: not elements."""
    dust = DUST * np.asarray(norm, dtype=np.float64)
    return np.where(np.abs(matrix) <= dust, 0.0, matrix)
