"""The reference: the model's own differential equation, integrated far below any tolerance."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DOP853, OdeSolution, Radau

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError, StimulusError, UsageError
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.stimulus import Stimulus

Method: TypeAlias = Literal["DOP853", "Radau"]

RTOL = 1e-10  # four decades below what a simulator is asked for, three above round-off
SMALLEST_RTOL = 1e-13  # scipy's solvers cannot honour less than 100 eps
# The interpolant of DOP853, of order 7, was measured to err up to 40 times as much as its steps,
# of order 8; that of Radau errs no more than them.
INTERPOLANT = 1e-2
ATOL = 1e-12  # of a state of order one
# An implicit method pays where the fastest rate is beyond this many times the slowest, and beyond
# this many times 1 / t_end: explicit steps are stable up to about 6 / rate, and from 5000 of
# them on Radau was measured to be as fast.
STIFF_SPREAD = 1e3
STIFF_SPAN = 3e4
ESCAPE = 1e6  # times the initial scale: a state that large has left every circuit
OUTSIDE = 1e-9  # share of t_end by which a time may lie outside: times scaled to s and back
INSIDE_STEP = np.array([0.25, 0.5, 0.75])  # where a step is sampled for the range of the states


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceSolution:
    """States of a model under a stimulus from t = 0 to `t_end`, at any time between.

    Attributes
    ----------
    t_end : float
        In model time units.
    method : str
        DOP853, or Radau where the initial spectrum is stiff.
    n_steps : int
        Accepted steps; the solution keeps about eight vectors of n numbers for each.
    lowest, highest : ndarray, shape (n,)
        Extremes of each state, sampled four times per step.
    dense : OdeSolution
        The interpolant of every step.
    """

    model: AbstractModel
    stimulus: Stimulus
    t_end: float
    method: Method
    n_steps: int
    lowest: Vector
    highest: Vector
    dense: OdeSolution

    @property
    def range(self) -> Vector:
        """Largest minus smallest value of each state, shape (n,)."""
        return self.highest - self.lowest

    def __call__(self, t: ArrayLike) -> Matrix:
        """States at times `t` in any order, shape (k, n); model time units.

        Raises
        ------
        UsageError
            If a time lies outside 0 .. t_end.
        """
        times = np.atleast_1d(np.asarray(t, dtype=np.float64))
        slack = OUTSIDE * self.t_end
        good = (times >= -slack) & (times <= self.t_end + slack)
        if not bool(good.all()):
            raise UsageError(
                f"the reference runs from 0 to {self.t_end!r} model time units, "
                f"got t = {float(times[~good][0])!r}"
            )
        states: NDArray[np.float64] = self.dense(np.clip(times, 0.0, self.t_end))
        return np.ascontiguousarray(states.T)

    def input(self, t: ArrayLike) -> Matrix:
        """Raw inputs at times `t`, shape (k, m)."""
        return self.stimulus(np.atleast_1d(np.asarray(t, dtype=np.float64)))

    def outputs(self, t: ArrayLike) -> Matrix:
        """Readout of the states at times `t`, shape (k, p)."""
        return self.model.readout(self(t), self.input(t))


def solve(
    model: AbstractModel,
    stimulus: Stimulus,
    *,
    t_end: float,
    rtol: float = RTOL,
    atol: float | None = None,
) -> ReferenceSolution:
    """Integrate a model from its initial state.

    An explicit Runge-Kutta method of order 8, or the implicit Radau IIA of order 5 with the
    analytic Jacobian where the rates at the start spread over more than `STIFF_SPREAD` and
    the fast ones last for more than `STIFF_SPAN`. The integration stops and starts at every
    corner of the stimulus, so none costs accuracy.

    Parameters
    ----------
    t_end : float
        In model time units.
    rtol, atol : float
        Local error, relative and absolute, at any time within a step: DOP853 makes its steps
        with a hundredth of `rtol`. The absolute one is by default 1e-12 of the largest initial
        state, or of 1 where that is larger or all are zero.

    Raises
    ------
    ModelError
        If a state leaves 1e6 times the largest of 1, the initial states and the inputs, or
        the integration stops; the message says when.
    StimulusError
        If the stimulus has another number of inputs.
    UsageError
        If `t_end` or a tolerance is not a positive number, or `rtol` is below 1e-13.

    References
    ----------
    E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", 2nd ed.,
    1993, section II.10 (DOP853), and E. Hairer, G. Wanner, the same II, 1996, section IV.8.
    """
    _check(model, stimulus, t_end, rtol, atol)
    if atol is None:
        atol = ATOL * min(1.0, float(np.abs(model.initial_state).max()) or 1.0)
    run = _Run(model, stimulus, t_end=t_end, rtol=rtol, atol=atol)
    with np.errstate(over="ignore", invalid="ignore"):  # an escaping state is reported below
        for corner in _corners(stimulus, t_end):
            run.advance(corner)
    return ReferenceSolution(
        model=model,
        stimulus=stimulus,
        t_end=float(t_end),
        method=run.method,
        n_steps=len(run.interpolants),
        lowest=run.lowest,
        highest=run.highest,
        dense=OdeSolution(run.times, run.interpolants),
    )


class _Run:
    """An integration under way: where it is, and the steps so far."""

    def __init__(
        self,
        model: AbstractModel,
        stimulus: Stimulus,
        *,
        t_end: float,
        rtol: float,
        atol: float,
    ) -> None:
        self.model, self.stimulus, self.rtol, self.atol = model, stimulus, rtol, atol
        self.x = np.array(model.initial_state)
        self.times = [0.0]
        self.interpolants: list[object] = []
        self.lowest, self.highest = self.x.copy(), self.x.copy()
        self.step: float | None = None  # the last one that the error control chose freely
        self.limit = ESCAPE * max(1.0, float(np.abs(self.x).max()), _largest_input(stimulus))
        self.method: Method = "Radau" if _is_stiff(model, stimulus, t_end) else "DOP853"

    def _rhs(self, t: float, x: Vector) -> Vector:
        return self.model.rhs(x, self.stimulus(t))

    def _jacobian(self, t: float, x: Vector) -> Matrix:
        return self.model.jacobian(x, self.stimulus(t))

    def _solver(self, end: float) -> DOP853 | Radau:
        start, rtol, atol = self.times[-1], self.rtol, self.atol
        first = None if self.step is None else min(self.step, end - start)
        if self.method == "Radau":
            return Radau(
                self._rhs,
                start,
                self.x,
                end,
                rtol=rtol,
                atol=atol,
                first_step=first,
                jac=self._jacobian,
            )
        rtol = max(INTERPOLANT * rtol, SMALLEST_RTOL)
        return DOP853(self._rhs, start, self.x, end, rtol=rtol, atol=atol, first_step=first)

    def advance(self, end: float) -> None:
        """Integrate to `end`; the stimulus is smooth until there."""
        solver = self._solver(end)
        while self.times[-1] < end:
            message = solver.step()
            if message is not None:
                raise ModelError(
                    f"the reference integration ({self.method}) of the {self.model.family} model "
                    f"stopped at t = {float(solver.t):.6g} model time units: {message}"
                )
            self._keep(solver, cut=solver.status == "finished")
        self.x = np.array(solver.y)

    def _keep(self, solver: DOP853 | Radau, *, cut: bool) -> None:
        """Store the step just made; `cut` where it was shortened to end at a corner."""
        start, t, x = self.times[-1], float(solver.t), solver.y
        inside = np.abs(x) <= self.limit
        if not bool(inside.all()):
            state = int(np.flatnonzero(~inside)[0])
            raise ModelError(
                f"state x[{state}] of the {self.model.family} model leaves "
                f"|x| <= {self.limit:.3g} at t = {t:.6g} model time units under this stimulus: "
                "shorten the run, reduce the input or stabilize the network"
            )
        dense = solver.dense_output()
        self.times.append(t)
        self.interpolants.append(dense)
        seen = np.column_stack([dense(start + INSIDE_STEP * (t - start)), x])
        self.lowest = np.minimum(self.lowest, seen.min(axis=1))
        self.highest = np.maximum(self.highest, seen.max(axis=1))
        if not cut:
            self.step = t - start


def _check(
    model: AbstractModel, stimulus: Stimulus, t_end: float, rtol: float, atol: float | None
) -> None:
    if stimulus.n_inputs != model.n_inputs:
        raise StimulusError(
            f"the stimulus has {stimulus.n_inputs} inputs, the model has {model.n_inputs}"
        )
    for name, value in (("t_end", t_end), ("rtol", rtol), ("atol", atol)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise UsageError(f"{name} must be a positive number, got {value!r}")
    if rtol < SMALLEST_RTOL:
        raise UsageError(f"rtol must be at least {SMALLEST_RTOL}, got {rtol!r}")


def _corners(stimulus: Stimulus, t_end: float) -> list[float]:
    """Ends of the pieces on which the input is smooth, `t_end` last."""
    breaks = np.unique(stimulus.breakpoints())
    return [*breaks[(breaks > 0) & (breaks < t_end)].tolist(), float(t_end)]


def _largest_input(stimulus: Stimulus) -> float:
    corners = stimulus(np.append(stimulus.breakpoints(), 0.0))
    return float(np.abs(corners).max(initial=0.0))


def _is_stiff(model: AbstractModel, stimulus: Stimulus, t_end: float) -> bool:
    """Whether stability, not accuracy, would set the steps of an explicit method.

    A wide spectrum alone does not: a network with one nearly marginal mode has it as well.
    """
    a = model.jacobian(model.initial_state, stimulus(0.0))
    rates = np.abs(np.linalg.eigvals(a))
    fastest, slowest = float(rates.max()), float(rates.min())
    return fastest > STIFF_SPREAD * slowest and fastest * t_end > STIFF_SPAN
