"""Waveforms where two integrations of one equation part: windows, and what a finer step changes.

The *window defect* takes the simulator's own state at the start of each window, integrates the
model from there, and compares at the end of a time in which neighbours have parted e-fold only.
The *extrapolated* error compares two runs, with steps h and h/2: the simulator's own error falls
fourfold, the circuit's does not, so that (4 d(h/2) - d(h)) / 3 is what the circuit is to blame for.
"""

from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.divergence import WINDOW
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.transient import SMALLEST_RANGE

DEFECT = 1e-3  # limit of the window defect, in parts of each state's range
EXTRAPOLATED = 1e-4  # limit of what the circuit is to blame for, likewise
TOO_COARSE = 1.0 / 3.0  # of the waveforms' limit: a larger error of the simulator hides too much
RTOL, ATOL = 1e-10, 1e-12  # of the reference from a window's start, as of the whole reference


def comparable_until(
    reference: ReferenceSolution, exponent: float, *, limit: float, defect: float
) -> float:
    """Time up to which waveforms can agree to `limit` of range, model time units.

    An error of `defect`, what one window adds, grows to `limit` by then at twice the Lyapunov
    exponent, because neighbours part faster here and slower there; a window at least.
    """
    if exponent <= 0:
        return reference.t_end
    folds = max(WINDOW, 0.5 * float(np.log(limit / max(defect, 1e-300))))
    return min(reference.t_end, folds / exponent)


def check_windows(
    t: Vector,
    x: Matrix,
    reference: ReferenceSolution,
    *,
    exponent: float,
    limit: float = DEFECT,
) -> Check:
    """Largest deviation at the end of any window, each begun at the simulator's own state.

    Parameters
    ----------
    t, x : ndarray, shapes (k,) and (k, n)
        The simulator's points, in model units.
    exponent : float
        Lyapunov exponent, positive; a window is half its inverse.
    """
    count = int(np.ceil(reference.t_end * exponent / WINDOW))
    starts = np.unique(np.searchsorted(t, np.linspace(0.0, t[-1], count, endpoint=False)))
    edges = np.append(starts, len(t) - 1)
    span = np.maximum(reference.range, SMALLEST_RANGE * float(reference.range.max()))
    worst, where, per_state = -1.0, "", np.zeros(x.shape[1])
    for first, last in pairwise(edges.tolist()):
        wanted = _carried(reference, x[first], float(t[first]), float(t[last]))
        error = np.abs(x[last] - wanted) / span
        error = np.where(np.isnan(error), np.inf, error)
        per_state = np.maximum(per_state, error)
        i = int(np.argmax(error))
        if error[i] > worst:
            worst = float(error[i])
            where = f"x{i + 1} from t = {t[first]:.6g} to {t[last]:.6g}, {count} windows"
    return measured(
        "transient.windows",
        "the ODE from the simulator's own states, window by window, parts of range",
        worst,
        limit,
        detail=where,
        per_state=tuple(per_state.tolist()),
    )


def _carried(reference: ReferenceSolution, x: Vector, begin: float, end: float) -> Vector:
    """State of the model at `end` from `x` at `begin`, between corners of the input."""
    corners = reference.stimulus.breakpoints()
    inner = corners[(corners > begin) & (corners < end)].tolist()
    model: AbstractModel = reference.model
    for a, b in zip([begin, *inner], [*inner, end], strict=True):

        def rate(s: float, state: Vector, a: float = a, b: float = b) -> Vector:
            # Strictly inside: at a corner the input of this piece counts, not of the next.
            inside = min(max(s, np.nextafter(a, b)), np.nextafter(b, a))
            return model.rhs(state, reference.input([inside])[0])

        done = solve_ivp(rate, (a, b), x, method="DOP853", rtol=RTOL, atol=ATOL)
        x = done.y[:, -1]
    return x


def check_extrapolated(
    coarse: tuple[Vector, Matrix],
    fine: tuple[Vector, Matrix],
    reference: ReferenceSolution,
    *,
    until: float,
    waveform_limit: float,
    limit: float = EXTRAPOLATED,
) -> Check:
    """The circuit's own part of the waveform error, from runs with steps h and h/2.

    UNVERIFIABLE where the simulator's part exceeds a third of `waveform_limit`: too much hides
    behind it.
    """
    t, x = fine
    keep = t <= until
    t, x = t[keep], x[keep]
    span = np.maximum(reference.range, SMALLEST_RANGE * float(reference.range.max()))
    span = np.where(span > 0, span, 1.0)
    fine_error = x - reference(t)
    coarse_error = coarse[1] - reference(coarse[0])
    # An error is a smooth function of time, a hundredfold smaller than the states: straight
    # lines between its points are exact enough.
    at = np.column_stack([np.interp(t, coarse[0], column) for column in coarse_error.T])
    own = np.abs(4 * fine_error - at) / 3 / span
    own = np.where(np.isnan(own), np.inf, own)
    simulator = float(np.max(np.abs(at - fine_error) * 4 / 3 / span))
    k, i = (int(v) for v in np.unravel_index(int(np.argmax(own)), own.shape))
    left = float(np.max(np.abs(fine_error) / span))
    ratio = float(np.max(np.abs(at) / span)) / left if left > 0 else np.inf
    said = f"simulator's part {simulator:.2g}; half the step divides the error by {ratio:.3g}"
    title = "circuit's part of the waveform error, by a run with half the step"
    if simulator > TOO_COARSE * waveform_limit:
        return Check(
            id="transient.extrapolated",
            title=title,
            verdict=Verdict.UNVERIFIABLE,
            value=float(own[k, i]),
            limit=limit,
            detail=f"{said}; that is too coarse: give a smaller --step, or --accuracy high",
        )
    return measured(
        "transient.extrapolated",
        title,
        float(own[k, i]),
        limit,
        detail=f"x{i + 1} at t = {t[k]:.6g}; {said}",
        per_state=tuple(own.max(axis=0).tolist()),
    )
