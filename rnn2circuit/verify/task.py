"""The user's own task: what its metric says of program, equation and circuit, and of a refit.

A target at time t belongs to the step of the program that reads the input at t, and is compared
with the readout at the end of that step, t + dt. Where no program is known, the network was
trained as a differential equation, and the readout is that at t itself.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import numpy as np

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import TargetsError
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.models.program import WHOLE, ProgramRun
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.stimulus import read_samples
from rnn2circuit.verify.budget import RefitFigures, TaskFigures
from rnn2circuit.verify.gaps import Samples, circuit_at

Metric: TypeAlias = Literal["rmse", "accuracy"]

STRENGTH = 1e-6  # of the ridge, in parts of the states' mean variance: tames only what is noise
FITTED = 2 / 3  # share of the samples, the first ones, on which a readout is fitted
FEWEST = 3  # samples to refit from: two to fit, one to judge


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Targets of a test run, and what is done with them.

    Parameters
    ----------
    t : ndarray, shape (k,)
        Strictly increasing times in model time units (steps, of a clocked cell), not negative.
    targets : ndarray, shape (k, p)
        Wanted outputs in units of y for ``rmse``; for ``accuracy`` one column of class numbers,
        counted from 0: the largest output is the network's choice, or of a single output class 1
        where it is positive.
    metric : str
        ``rmse`` or ``accuracy``.
    refit : bool
        Also refit the readout on the circuit's states.
    strength : float
        Of that ridge regression, in parts of the mean variance of the states.
    """

    t: Vector
    targets: Matrix
    metric: Metric = "rmse"
    refit: bool = False
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise TargetsError(f"metric must be rmse or accuracy, got {self.metric!r}")
        if not (np.isfinite(self.strength) and self.strength >= 0):
            raise TargetsError(f"the ridge's strength must be >= 0, got {self.strength!r}")
        shape = np.shape(self.targets)
        if len(shape) != 2 or 0 in shape or np.shape(self.t) != shape[:1]:
            raise TargetsError(
                f"targets need times of shape (k,) and values of shape (k, p), at least one of "
                f"each, got {np.shape(self.t)} and {shape}"
            )
        t = readonly("t", self.t, shape[:1], error=TargetsError)
        y = readonly("y", self.targets, shape, error=TargetsError)
        if t[0] < 0 or np.any(np.diff(t) <= 0):
            raise TargetsError("times of targets must increase strictly from 0 or later")
        if self.metric == "accuracy" and (np.any(y != np.floor(y)) or np.any(y < 0)):
            raise TargetsError("class numbers must be whole and count from 0")
        object.__setattr__(self, "t", t)
        object.__setattr__(self, "targets", y)

    def check_fits(self, model: AbstractNetwork) -> None:
        """Refuse targets that are not of this network.

        Raises
        ------
        TargetsError
            If columns or classes do not match the outputs, or there is no readout to refit.
        """
        p, columns = model.n_outputs, self.targets.shape[1]
        if self.metric == "rmse" and columns != p:
            raise TargetsError(
                f"the targets have {columns} columns, the network has {p} outputs; for class "
                "numbers say metric accuracy"
            )
        if self.metric == "accuracy" and columns != 1:
            raise TargetsError(f"class numbers stand in one column, the targets have {columns}")
        classes, highest = max(p, 2), int(self.targets.max())
        if self.metric == "accuracy" and highest >= classes:
            raise TargetsError(
                f"class {highest} does not exist: {p} outputs tell classes 0 to {classes - 1} apart"
            )
        if self.refit and model.w_out is None:
            raise TargetsError("there is no readout to refit: the outputs are the states")

    def score(self, y: Matrix, wanted: Matrix) -> float:
        """The metric of outputs y, shape (k, p), against as many targets."""
        if self.metric == "rmse":
            return float(np.sqrt(np.mean((y - wanted) ** 2)))
        chosen = np.argmax(y, axis=1) if y.shape[1] > 1 else (y[:, 0] > 0).astype(np.int64)
        return float(np.mean(chosen == wanted[:, 0]))


def load_targets(
    path: str | Path,
    *,
    metric: str = "rmse",
    refit: bool = False,
    strength: float = STRENGTH,
) -> Task:
    """Read targets from a ``.csv`` or ``.npz`` file.

    CSV: one row per sample, first column the time, then one column per output, or one of class
    numbers; one header line may come first. NPZ: arrays ``t (k,)`` and ``y (k, p)``.

    Raises
    ------
    TargetsError
        If the file cannot be read or does not hold targets.
    """
    t, y, _ = read_samples(Path(path), what="targets", column="y", error=TargetsError)
    return Task(t=t, targets=y, metric=cast(Metric, metric), refit=refit, strength=strength)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stages:
    """States and outputs of every stage at the samples of a task that lie within the run.

    Attributes
    ----------
    u : ndarray, shape (k, m)
        Raw inputs at the times of the outputs.
    wanted : ndarray, shape (k, ..)
    program, ode, circuit : ndarray, shape (k, p), or None
    states : ndarray, shape (k, n), or None
        Of the circuit.
    """

    model: AbstractNetwork
    u: Matrix
    wanted: Matrix
    program: Matrix | None = None
    ode: Matrix | None = None
    circuit: Matrix | None = None
    states: Matrix | None = None


def stages_of_model(
    task: Task, reference: ReferenceSolution, program: ProgramRun | None, circuit: Samples | None
) -> Stages:
    """What each stage of a continuous model gives where the task has targets.

    Raises
    ------
    TargetsError
        If a target lies between the steps of the program, or none lies within the run.
    """
    model, dt = reference.model, 0.0 if program is None else program.program.dt
    at = task.t + dt
    used = at <= reference.t_end * (1 + WHOLE)
    if program is not None:
        steps = _steps(task.t, dt)
        used &= steps < len(program.inputs)
    _some(used, f"the run ends at {reference.t_end:g}; make it longer")
    at = np.minimum(at[used], reference.t_end)
    ran = None if program is None else program.outputs()[_steps(task.t[used], dt)]
    y = states = None
    if circuit is not None:
        there = circuit_at(circuit, reference, at)
        states, y = there.x, there.y if there.y.shape[1] else there.x
    return Stages(
        model=model,
        u=reference.input(at),
        wanted=task.targets[used],
        program=ran,
        ode=reference.outputs(at),
        circuit=y,
        states=states,
    )


def stages_of_cell(task: Task, program: Trajectory, circuit: Samples | None) -> Stages:
    """What program and circuit of a clocked cell give where the task has targets.

    Raises
    ------
    TargetsError
        If a target is not of a whole step, or none lies within the run.
    """
    steps = _steps(task.t, 1.0)
    used = steps < program.n_steps
    _some(used, f"the run has {program.n_steps} steps; make it longer")
    steps = steps[used]
    y = states = None
    if circuit is not None:
        states = circuit.x[steps]
        y = circuit.y[steps] if circuit.y.shape[1] else states
    return Stages(
        model=program.model,
        u=program.inputs[steps],
        wanted=task.targets[used],
        program=program.outputs()[steps],
        circuit=y,
        states=states,
    )


def judge(task: Task, stages: Stages) -> tuple[TaskFigures, AbstractNetwork | None]:
    """The metric of every stage, and the network with its readout refitted where asked for.

    Raises
    ------
    TargetsError
        If there are too few samples to refit from.
    """
    wanted = stages.wanted

    def score(y: Matrix | None) -> float | None:
        return None if y is None else task.score(y, wanted)

    figures = TaskFigures(
        metric=task.metric,
        n_given=len(task.t),
        n_used=len(wanted),
        program=score(stages.program),
        ode=score(stages.ode),
        circuit=score(stages.circuit),
    )
    if not task.refit or stages.states is None or stages.circuit is None:
        return figures, None
    refit, network = _refit(task, stages, stages.states, stages.circuit)
    return replace(figures, refit=refit), network


def _refit(
    task: Task, stages: Stages, states: Matrix, circuit: Matrix
) -> tuple[RefitFigures, AbstractNetwork]:
    """Fit on the first samples, judge on the later ones."""
    count = len(stages.wanted)
    if count < FEWEST:
        raise TargetsError(f"a refit takes at least {FEWEST} targets within the run, got {count}")
    cut = min(max(2, round(FITTED * count)), count - 1)
    model, wanted = stages.model, stages.wanted
    if model.w_out is None:
        raise TargetsError("there is no readout to refit: the outputs are the states")
    # What reaches the outputs past the states (a direct path from the inputs) stays as it is.
    trained = states @ model.w_out.T + (0.0 if model.b_out is None else model.b_out)
    direct = model.readout(states, stages.u) - trained
    goal = _goal(task, wanted, model.n_outputs) - direct
    w, b = ridge(states[:cut], goal[:cut], used=model.w_out != 0, strength=task.strength)
    later = slice(cut, None)
    after = states @ w.T + b + direct
    size = float(np.linalg.norm(model.w_out)) or 1.0
    figures = RefitFigures(
        n_fitted=cut,
        n_held_out=count - cut,
        strength=float(task.strength),
        program=(
            None if stages.program is None else task.score(stages.program[later], wanted[later])
        ),
        before=task.score(circuit[later], wanted[later]),
        after=task.score(after[later], wanted[later]),
        change=float(np.linalg.norm(w - model.w_out)) / size,
    )
    return figures, replace(model, w_out=w, b_out=b)


def ridge(x: Matrix, goal: Matrix, *, used: Matrix, strength: float) -> tuple[Matrix, Vector]:
    """``w, b`` that minimize ``mean |goal - x w^T - b|^2 + strength v |w|^2``.

    Where v is the mean variance of the states. The bias is free.

    Parameters
    ----------
    x, goal : ndarray, shapes (k, n) and (k, p)
    used : ndarray of bool, shape (p, n)
        Which weights there are: a wire that the readout does not have is not added.

    References
    ----------
    A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal
    problems", Technometrics 12(1), 1970.
    """
    centred, mean = x - x.mean(axis=0), goal.mean(axis=0)
    variance = float(np.mean(centred**2)) or 1.0
    w = np.zeros(used.shape)
    for i, row in enumerate(used):
        part = centred[:, row]
        # Least squares over data and penalty stacked: no normal equations to square a condition.
        penalty = np.sqrt(strength * variance * len(x)) * np.eye(part.shape[1])
        stacked = np.vstack([part, penalty])
        wanted = np.concatenate([goal[:, i] - mean[i], np.zeros(part.shape[1])])
        w[i, row] = np.linalg.lstsq(stacked, wanted, rcond=None)[0]
    return w, mean - w @ x.mean(axis=0)


def _goal(task: Task, wanted: Matrix, n_outputs: int) -> Matrix:
    """What the outputs should be: the targets, or 1 for the right class and -1 for the others."""
    if task.metric == "rmse":
        return wanted
    classes = np.arange(n_outputs) if n_outputs > 1 else np.ones(1)
    return np.where(wanted == classes, 1.0, -1.0)


def _steps(t: Vector, dt: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which step of the program reads the input at each time."""
    steps = np.rint(t / dt)
    off = np.abs(t / dt - steps) > WHOLE
    if np.any(off):
        k = int(np.flatnonzero(off)[0])
        raise TargetsError(
            f"target {k} at t = {float(t[k])!r} lies between two steps of the program, "
            f"which reads its input every {dt:g}"
        )
    return steps.astype(np.int64)


def _some(used: np.ndarray[tuple[int], np.dtype[np.bool_]], hint: str) -> None:
    if not np.any(used):
        raise TargetsError(f"no target belongs to a step within the run: {hint}")
