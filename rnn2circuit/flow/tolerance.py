"""Tolerance of a realistic circuit: many boards, trims, temperatures, and which part matters."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import fields, replace

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.devices.technology import KELVIN, NOMINAL
from rnn2circuit.errors import SimulationError, UsageError
from rnn2circuit.flow.boards import (
    Bench,
    Found,
    checked_timeout,
    collect,
    local_executor,
    measure,
    measure_drawn,
    outcomes,
    shift_of_part,
    trace,
)
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.run import default_timeout
from rnn2circuit.lowering.bill import part_references
from rnn2circuit.lowering.realistic import SUPPLIES
from rnn2circuit.lowering.spread import RAILS, SPREADS, Errors, Spread, errors_of, ptat_legs
from rnn2circuit.report.tolerance import Corner, Influence, Rung, Sensitivity, Tolerance
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.verify.task import Task

RUNS, SEED, LIMIT = 200, 0, 0.05
COLDEST = -100.0  # degrees Celsius; below, no macromodel says anything

Progress = Callable[[str, int, int], None]


def analyze_tolerance(
    compiled: Compiled,
    *,
    spread: Spread = SPREADS["1%"],
    runs: int = RUNS,
    seed: int = SEED,
    limit: float = LIMIT,
    trims: Sequence[str] = (),
    temperatures: Sequence[float] = (),
    ptat: bool = False,
    sensitivity: bool = False,
    task: Task | None = None,
    task_limit: float | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    simulator: str | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Tolerance:
    """Simulate boards whose parts are off by chance, against the model's own solution.

    The outcome depends on `seed` alone: not on the workers, nor on the order in which they end.

    Parameters
    ----------
    compiled : Compiled
        At a level other than ideal, with the stimulus that counts.
    runs : int
        Boards, per rung of the ladder of trims; none where 0.
    limit : float
        nrmse up to which a board is good.
    trims : sequence of str
        The ladder: after the untrimmed boards the same ones with the first trim, the first two,
        and so on.
    temperatures : sequence of float
        Degrees Celsius at which the exact circuit is run; `ptat` adds a run with legs that are
        proportional to absolute temperature.
    sensitivity : bool
        Also run with one part off at a time.
    task, task_limit
        Targets, and from (accuracy) or up to (rmse) which metric a board is good.
    workers : int
        Processes of this machine, where no executor is given.
    executor : concurrent.futures.Executor, optional
        Where boards are simulated, such as ``distributed.Client(..).get_executor()``.
    timeout : float, optional
        s, per board.
    progress : callable, optional
        Called with a stage, how many of its runs are done, and of how many.

    Raises
    ------
    UsageError
        If the level is ideal, or an option is none.
    TargetsError
        If the targets do not fit the network.
    SimulationError
        If the circuit with exact parts does not run.
    """
    _check(compiled, runs, limit, temperatures, trims, task, task_limit)
    simulator = simulator_named(simulator).name
    if task is not None:
        task.check_fits(compiled.model)
    circuit = _circuit(compiled)
    bench = Bench(
        compiled=compiled,
        circuit=circuit,
        errors=(),
        task=task,
        simulator=simulator,
        timeout=checked_timeout(default_timeout(compiled) if timeout is None else timeout),
    )
    tell = progress or _silent
    exact = measure(bench, circuit)
    if exact.nrmse is None:
        raise SimulationError(f"the circuit with exact parts does not run: {exact.failure}")
    local = local_executor(workers) if executor is None else nullcontext(executor)
    with local as pool:
        campaign = _Campaign(bench, pool, tell)
        ladder = [tuple(trims[:k]) for k in range(len(trims) + 1)] if runs else []
        rungs = [campaign.rung(replace(spread, trims=done), runs, seed) for done in ladder]
        corners = campaign.corners(temperatures, ptat)
        ranking = campaign.ranking(spread) if sensitivity else None
    return Tolerance(
        name=compiled.name,
        family=compiled.model.family,
        level=compiled.record.level,
        spread=tuple(
            (f.name, float(getattr(spread, f.name))) for f in fields(spread) if f.name != "trims"
        ),
        seed=seed,
        asked=runs,
        limit=limit,
        metric=None if task is None else task.metric,
        task_limit=task_limit,
        nominal=exact,
        rungs=tuple(rung for rung in rungs if rung is not None),
        corners=corners,
        sensitivity=ranking,
        interrupted=campaign.interrupted,
    )


def _silent(stage: str, done: int, of: int) -> None:
    """No progress."""


class _Campaign:
    """The parts of an analysis, one after the other, until someone interrupts."""

    def __init__(self, bench: Bench, pool: Executor, tell: Progress) -> None:
        self.bench, self.pool, self.tell = bench, pool, tell
        self.interrupted = False

    def rung(self, spread: Spread, runs: int, seed: int) -> Rung | None:
        """Boards of one spread."""
        if self.interrupted:
            return None
        bench = replace(self.bench, errors=errors_of(self.bench.circuit, spread))
        seeds = np.random.SeedSequence(seed).spawn(runs)
        futures = [self.pool.submit(measure_drawn, bench, child) for child in seeds]
        self._wait(futures, " + ".join(spread.trims) or "boards")
        return Rung(trims=spread.trims, runs=outcomes(futures))

    def corners(self, temperatures: Sequence[float], ptat: bool) -> tuple[Corner, ...]:
        """The exact circuit, with plain legs and, where asked for, with PTAT ones."""
        if self.interrupted:
            return ()
        plain = self.bench.circuit
        legs = [(False, plain)] + ([(True, ptat_legs(plain, KELVIN + NOMINAL))] if ptat else [])
        asked = [(celsius, *leg) for celsius in temperatures for leg in legs]
        futures = [self.pool.submit(measure, self.bench, c, celsius) for celsius, _, c in asked]
        self._wait(futures, "temperatures")
        return tuple(
            Corner(celsius=celsius, ptat=is_ptat, outcome=outcomes([future])[0])
            for (celsius, is_ptat, _), future in zip(asked, futures, strict=True)
            if not future.cancelled()
        )

    def ranking(self, spread: Spread) -> Sensitivity | None:
        """Every part that may be off, by itself; None where that was interrupted.

        Raises
        ------
        SimulationError
            If a board does not run: a ranking without some parts would mislead.
        """
        if self.interrupted:
            return None
        errors = errors_of(self.bench.circuit, spread)
        bench = replace(self.bench, errors=errors)
        exact = trace(bench, bench.circuit)
        asked = [(w, k) for w, e in enumerate(errors) if e.size for k in range(e.count)]
        futures = [self.pool.submit(shift_of_part, bench, exact, w, k) for w, k in asked]
        self._wait(futures, "parts one by one")
        if self.interrupted:
            return None
        shifts: list[Vector] = []
        for (w, k), future in zip(asked, futures, strict=True):
            found = future.result()
            if isinstance(found, str):
                name = part_name(bench.circuit, errors[w], k)
                raise SimulationError(f"with {name} off by itself the circuit did not run: {found}")
            shifts.append(found)
        return rank(bench.circuit, errors, asked, shifts)

    def _wait(self, futures: Sequence[Future[Found]], stage: str) -> None:
        self.interrupted = collect(futures, lambda done, of: self.tell(stage, done, of))


def rank(
    circuit: Circuit,
    errors: Sequence[Errors],
    asked: Sequence[tuple[int, int]],
    shifts: Sequence[Vector],
) -> Sensitivity:
    """Parts and groups by what they move; independent errors add as squares."""
    squares: Matrix = np.array(shifts).reshape(len(asked), -1) ** 2
    sums = squares.sum(axis=0)
    worst = int(np.argmax(sums)) if sums.size else 0
    parts = [
        Influence(
            name=part_name(circuit, errors[w], k),
            shift=float(np.sqrt(row.max())),
            state=int(np.argmax(row)) + 1,
        )
        for (w, k), row in zip(asked, squares, strict=True)
    ]
    by_group: dict[str, float] = {}
    for (w, _), row in zip(asked, squares, strict=True):
        group = errors[w].kind
        if errors[w].bank != RAILS:
            group += f": {circuit.banks[errors[w].bank].meaning}"
        by_group[group] = by_group.get(group, 0.0) + float(row[worst])
    groups = [
        Influence(name=name, shift=float(np.sqrt(square)), state=worst + 1)
        for name, square in by_group.items()
    ]
    total = float(np.sqrt(sums[worst])) if sums.size else 0.0
    return Sensitivity(
        groups=tuple(sorted(groups, key=lambda g: -g.shift)),
        parts=tuple(sorted(parts, key=lambda p: -p.shift)),
        total=Influence(name="all parts", shift=total, state=worst + 1),
    )


def part_name(circuit: Circuit, error: Errors, instance: int) -> str:
    """Element name, and what of it is off where it is not its value."""
    if error.bank == RAILS:
        return SUPPLIES[instance + (2 if error.column == "reference" else 0)]
    name = part_references(circuit.banks[error.bank])[instance]
    value = error.column in ("resistance", "capacitance", "inductance")
    return name if value else f"{name} {error.column.replace('_', ' ')}"


def _circuit(compiled: Compiled) -> Circuit:
    if compiled.realization is None or compiled.record.level == "ideal":
        raise UsageError(
            "parts have tolerances at levels other than ideal: compile with level 'macro'; for "
            "ideal linear networks see docs/values.md"
        )
    return compiled.realization.circuit


def _check(
    compiled: Compiled,
    runs: int,
    limit: float,
    temperatures: Sequence[float],
    trims: Sequence[str],
    task: Task | None,
    task_limit: float | None,
) -> None:
    _circuit(compiled)
    if runs < 0:
        raise UsageError(f"runs must be 0 or more, got {runs}")
    if not 0 < limit < np.inf:
        raise UsageError(f"limit must be positive and finite, got {limit!r}")
    cold = [c for c in temperatures if not COLDEST <= c < np.inf]
    if cold:
        raise UsageError(f"temperatures are degrees Celsius from {COLDEST:g} up, got {cold[0]!r}")
    if task_limit is not None and task is None:
        raise UsageError("task_limit belongs to targets, which are not given")
    Spread(trims=tuple(trims))
    if len(set(trims)) != len(trims):
        raise UsageError(f"each trim is done once, got {', '.join(trims)}")
