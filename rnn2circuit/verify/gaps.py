"""Measure the error budget: program against equation against circuit, under one stimulus.

A program is compared with the equation at the ends of its steps, t = k dt, for the same stimulus:
the program reads it at the beginning of each step and holds it, the equation follows it as it is
given. All parts are divided by the same ranges, those of the equation's states and outputs, so
that they add up. Between two points of the simulator its *error* is joined by a straight line and
added to the equation, so that the comparison from end to end adds no error of interpolation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.program import ProgramRun
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.verify.budget import Distance, ErrorBudget, Gap
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.equations import has_output_ports
from rnn2circuit.verify.transient import floored

GRID = 2001  # points that find the ranges where no simulation was accepted
TITLES = {
    "program_vs_ode": "program against ODE",
    "ode_vs_circuit": "ODE against circuit",
    "program_vs_circuit": "program against circuit",
}
NOT_SIMULATED = "not measured: no simulation of this model's circuit was accepted"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Signals of one stage at times `t`; y has no columns where the outputs are the states."""

    t: Vector  # (k,), model time units
    x: Matrix  # (k, n)
    y: Matrix  # (k, p)


def budget_of_model(
    reference: ReferenceSolution, program: ProgramRun | str, circuit: Samples | None
) -> ErrorBudget:
    """The budget of a continuous model.

    Parameters
    ----------
    program : ProgramRun or str
        The program, or the reason why there is none.
    circuit : Samples or None
        At the simulator's own time points; None where no simulation was accepted.
    """
    t = np.linspace(0.0, reference.t_end, GRID) if circuit is None else circuit.t
    ode = ode_samples(reference, t)
    spans = (floored(np.ptp(ode.x, axis=0)), floored(np.ptp(ode.y, axis=0)))
    if circuit is None:
        second = _unknown("ode_vs_circuit", NOT_SIMULATED)
    else:
        second = _gap("ode_vs_circuit", circuit, ode, spans)
    if isinstance(program, str):
        first, whole = (_unknown(i, program) for i in ("program_vs_ode", "program_vs_circuit"))
        return ErrorBudget(program="", parts=(first, second), whole=whole)
    ran = program_samples(program, reference.t_end)
    first = _gap("program_vs_ode", ode_samples(reference, ran.t), ran, spans)
    if circuit is None:
        whole = _unknown("program_vs_circuit", NOT_SIMULATED)
    else:
        whole = _gap("program_vs_circuit", circuit_at(circuit, reference, ran.t), ran, spans)
    return ErrorBudget(program=program.program.description, parts=(first, second), whole=whole)


def budget_of_cell(
    program: Trajectory, circuit: Samples | None, settling: float | None
) -> ErrorBudget:
    """The budget of a clocked cell: its circuit is compared with the program itself.

    Parameters
    ----------
    circuit : Samples or None
        What the circuit holds after each step, t = 1 .. K.
    settling : float or None
        Settling and leakage of one clock period, in parts.
    """
    described = "the cell's own steps, one clock period each"
    if circuit is None:
        whole = _unknown("program_vs_circuit", NOT_SIMULATED)
    else:
        y = program.outputs() if has_output_ports(program.model) else np.zeros((program.n_steps, 0))
        wanted = Samples(t=circuit.t, x=program.states[1:], y=y)
        spans = (floored(np.ptp(wanted.x, axis=0)), floored(np.ptp(wanted.y, axis=0)))
        whole = _gap("program_vs_circuit", circuit, wanted, spans)
    return ErrorBudget(program=described, parts=(whole,), whole=whole, settling=settling)


def with_levels(
    budget: ErrorBudget,
    reference: ReferenceSolution | Trajectory,
    circuits: Sequence[tuple[str, Samples]],
) -> ErrorBudget:
    """The budget with what each level adds: the reference against the first, each against the next.

    Parameters
    ----------
    circuits : sequence of (str, Samples)
        Levels and what their circuits did, from ideal to the one that is judged; of a clocked
        cell, all at the ends of its steps.
    """
    if isinstance(reference, Trajectory):
        name, t = "program", circuits[0][1].t
        exact = Samples(t=t, x=reference.states[1:], y=reference.outputs())
    else:
        name, t = "ode", np.linspace(0.0, reference.t_end, GRID)
        exact = ode_samples(reference, t)
    if not circuits[0][1].y.shape[1]:
        exact = Samples(t=t, x=exact.x, y=np.zeros((len(t), 0)))
    spans = (floored(np.ptp(exact.x, axis=0)), floored(np.ptp(exact.y, axis=0)))
    before, found = (name, exact), list[Gap]()
    for level, samples in circuits:
        there = samples if isinstance(reference, Trajectory) else circuit_at(samples, reference, t)
        shown = {"ode": "ODE"}.get(before[0], before[0])
        title = f"{shown} against {level}"
        id = f"{before[0]}_vs_{level}"
        found.append(_gap(id, there, before[1], spans, title=title))
        before = (level, there)
    first = [part for part in budget.parts if part.id == "program_vs_ode"]
    rest = [part for part in budget.parts if part.id != "program_vs_ode"]
    return replace(budget, parts=(*first, *found, *rest))


def ode_samples(reference: ReferenceSolution, t: Vector) -> Samples:
    """The equation at any times of its run."""
    y = reference.outputs(t) if has_output_ports(reference.model) else np.zeros((len(t), 0))
    return Samples(t=t, x=reference(t), y=y)


def program_samples(run: ProgramRun, t_end: float) -> Samples:
    """A program at the ends of its steps; rounding must not carry the last beyond the run."""
    y = run.outputs() if has_output_ports(run.program.model) else np.zeros((len(run.inputs), 0))
    return Samples(t=np.minimum(run.times, t_end), x=run.states[1:], y=y)


def circuit_at(circuit: Samples, reference: ReferenceSolution, t: Vector) -> Samples:
    """The circuit at any times of its run: the equation plus the circuit's interpolated error."""
    own, there = ode_samples(reference, circuit.t), ode_samples(reference, t)
    return Samples(
        t=t,
        x=there.x + _joined(t, circuit.t, circuit.x - own.x),
        y=there.y + _joined(t, circuit.t, circuit.y - own.y),
    )


def program_checks(budget: ErrorBudget, limit: float) -> tuple[Check, ...]:
    """The program's distance from the equation as checks, for a user who sets a limit."""
    gap = budget.part("program_vs_ode")
    if gap is None or gap.states is None:
        reason = "a clocked cell has no ODE" if gap is None else gap.reason
        unknown = Check(
            id="program.states",
            title="program against ODE, parts of range",
            verdict=Verdict.UNVERIFIABLE,
            limit=limit,
            detail=reason,
        )
        return (unknown,)
    found = (("states", "x", gap.states), ("outputs", "y", gap.outputs))
    return tuple(
        measured(
            f"program.{name}",
            f"{name} of the program against the ODE, parts of range",
            distance.largest,
            limit,
            detail=f"{letter}{distance.worst} at t = {distance.time:.6g}",
            per_state=distance.figures,
        )
        for name, letter, distance in found
        if distance is not None
    )


def _joined(t: Vector, known_at: Vector, known: Matrix) -> Matrix:
    columns = [np.interp(t, known_at, column) for column in known.T]
    return np.column_stack(columns) if columns else np.zeros((len(t), 0))


def _unknown(id: str, reason: str) -> Gap:
    return Gap(id=id, title=TITLES[id], reason=reason)


def _gap(
    id: str,
    found: Samples,
    wanted: Samples,
    spans: tuple[Vector, Vector],
    *,
    title: str | None = None,
) -> Gap:
    return Gap(
        id=id,
        title=TITLES[id] if title is None else title,
        states=_distance(found.t, found.x - wanted.x, spans[0]),
        outputs=_distance(found.t, found.y - wanted.y, spans[1]) if wanted.y.shape[1] else None,
    )


def _distance(t: Vector, error: NDArray[np.float64], span: Vector) -> Distance:
    parts = np.abs(error) / span
    parts = np.where(np.isnan(parts), np.inf, parts)
    figures = parts.max(axis=0)
    worst = int(np.argmax(figures))
    return Distance(
        figures=tuple(figures.tolist()),
        worst=worst + 1,
        time=float(t[int(np.argmax(parts[:, worst]))]),
    )
