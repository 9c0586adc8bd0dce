"""Boards: a compiled circuit with other parts, simulated and compared, one by one or in parallel.

What runs in a worker is here, at the top level of a module and with nothing but its arguments, so
that it runs in any executor: processes of this machine, or of others.
"""

import math
import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.testbench import Source, SupplySource
from rnn2circuit.errors import SimulationError, SimulationTimeout, UsageError
from rnn2circuit.flow.budget import error_budget
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.run import Simulation, simulate
from rnn2circuit.lowering.realistic import SUPPLIES
from rnn2circuit.lowering.spread import Errors, draw, one_sigma, rails_of, with_errors
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.report.tolerance import Outcome
from rnn2circuit.verify.steps import held_states
from rnn2circuit.verify.task import Task
from rnn2circuit.verify.transient import floored
from rnn2circuit.writers.ngspice import write_subcircuit, write_testbench

GRID = 401  # times at which the waveforms of two boards are compared
TIMEOUT = "timeout"
Found = TypeVar("Found")
CONNECT = 10.0  # s, to a cluster


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """What all boards of one analysis share.

    Attributes
    ----------
    errors : tuple of Errors
        What is off on a board, and how much.
    timeout : float
        s, per board.
    """

    compiled: Compiled
    circuit: Circuit
    errors: tuple[Errors, ...]
    task: Task | None
    simulator: str | None
    timeout: float


def measure_drawn(bench: Bench, seed: np.random.SeedSequence) -> Outcome:
    """One board with every part off by chance."""
    board = draw(bench.errors, np.random.default_rng(seed))
    circuit = with_errors(bench.circuit, bench.errors, board)
    return measure(bench, circuit, rails=rails_of(bench.errors, board))


def measure(
    bench: Bench, circuit: Circuit, celsius: float | None = None, *, rails: Vector | None = None
) -> Outcome:
    """One board against the model's own solution; `rails` are factors of supplies and reference."""
    try:
        done = _simulate(bench, circuit, celsius, rails)
    except SimulationTimeout:
        return Outcome(failure=TIMEOUT)
    except SimulationError as error:
        return Outcome(failure=str(error).splitlines()[0])
    t, error = relative_error(done)
    rms = _rms(t, error)
    worst = int(np.argmax(rms))
    score = None
    if bench.task is not None:
        figures = error_budget(done.compiled, done, None, bench.task)[0].task
        score = None if figures is None else figures.circuit
    return Outcome(
        nrmse=float(rms[worst]),
        largest=float(np.abs(error).max()),
        state=worst + 1,
        task=score,
    )


def trace(bench: Bench, circuit: Circuit, *, rails: Vector | None = None) -> Matrix:
    """Error of every state at `GRID` times, shape (GRID, n), in parts of range.

    The error is what is interpolated, not the waveform: it is small, and so is what a straight
    line between two points of the simulator adds.
    """
    t, error = relative_error(_simulate(bench, circuit, None, rails))
    at = np.linspace(0.0, float(t[-1]), GRID)
    return np.column_stack([np.interp(at, t, column) for column in error.T])


def shift_of_part(bench: Bench, exact: Matrix, which: int, instance: int) -> Vector | str:
    """Rms shift of every state when one part is off by its standard deviation, shape (n,).

    Or why it is not known.
    """
    board = one_sigma(bench.errors, which, instance)
    try:
        circuit = with_errors(bench.circuit, bench.errors, board)
        moved = trace(bench, circuit, rails=rails_of(bench.errors, board))
    except SimulationTimeout:
        return TIMEOUT
    except SimulationError as error:
        return str(error).splitlines()[0]
    return np.sqrt(np.mean((moved - exact) ** 2, axis=0))


def relative_error(done: Simulation) -> tuple[Vector, Matrix]:
    """Times, and the error of every state in parts of its range, shape (k, n)."""
    reference = done.compiled.reference
    if isinstance(reference, Trajectory):
        x = held_states(done.t, done.x, done.compiled.record, reference.n_steps)
        t, wanted = np.arange(1.0, reference.n_steps + 1), reference.states[1:]
    else:
        t, x = np.minimum(done.t, reference.t_end), done.x
        wanted = reference(t)
    return t, (x - wanted) / floored(np.ptp(wanted, axis=0))


def nrmse(done: Simulation) -> float:
    """Rms error over the run, in parts of range, of the state where it is largest."""
    return float(_rms(*relative_error(done)).max())


def _rms(t: Vector, error: Matrix) -> Vector:
    """Root of the mean square over time: steps of a simulator are no fair sample of it."""
    if len(t) < 2:
        return np.abs(error).max(axis=0)
    h = np.diff(t)[:, None]
    square = 0.5 * (error[1:] ** 2 + error[:-1] ** 2)
    return np.sqrt((h * square).sum(axis=0) / h.sum())


def _simulate(
    bench: Bench, circuit: Circuit, celsius: float | None, rails: Vector | None
) -> Simulation:
    compiled = bench.compiled
    title = [f"rnn2circuit: a board of {compiled.name}"]
    hot = replace(compiled.bench, temperature=celsius)
    if rails is not None:
        hot = replace(hot, sources=_off(hot.sources, rails))
    board = replace(
        compiled,
        netlist=write_subcircuit(
            circuit, name=compiled.record.subckt, title=title, library=compiled.library
        ),
        testbench=write_testbench(hot, title=title),
    )
    return simulate(board, simulator=bench.simulator, timeout=bench.timeout)


def _off(sources: tuple[tuple[str, Source], ...], rails: Vector) -> tuple[tuple[str, Source], ...]:
    """The sources with supplies and reference off by these factors."""
    by_port: dict[str, float] = dict(zip(SUPPLIES, rails.tolist(), strict=True))
    return tuple(
        (port, SupplySource(voltage=source.voltage * by_port[port]))
        if isinstance(source, SupplySource)
        else (port, source)
        for port, source in sources
    )


@contextmanager
def local_executor(workers: int) -> Generator[Executor]:
    """Processes of this machine; with one worker a thread, since the simulator is a process.

    Raises
    ------
    UsageError
        If there are no workers.
    """
    if workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    if workers == 1:
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    # A fresh interpreter each: forking a process that has threads can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts) as pool:
        yield pool


def _leave_interrupts() -> None:
    """An interrupt of the terminal reaches every process: the parent alone decides what it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def cluster(address: str | None) -> Generator[Executor | None]:
    """The executor of the dask cluster at `address`; None where there is no address.

    Raises
    ------
    UsageError
        If dask is not installed, or there is no cluster at the address.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise UsageError("a dask cluster needs the extra: pip install rnn2circuit[dask]") from None
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:  # an address that nobody listens at, or that is none
        raise UsageError(f"no dask cluster at {address!r}: {error}") from error
    with client:
        yield client.get_executor()


def collect(futures: Sequence[Future[Found]], progress: Callable[[int, int], None]) -> bool:
    """Wait for all; when interrupted, for those that run. Returns whether it was interrupted."""
    try:
        for done, _ in enumerate(as_completed(futures), start=1):
            progress(done, len(futures))
    except KeyboardInterrupt:
        for future in futures:
            future.cancel()
        wait([f for f in futures if not f.cancelled()])
        return True
    except SystemExit:  # told to end: at once, but for the boards that run
        for future in futures:
            future.cancel()
        raise
    return False


def outcomes(futures: Sequence[Future[Outcome]]) -> tuple[Outcome, ...]:
    """What was measured, in the order of asking; a worker that died is a failed run."""
    found: list[Outcome] = []
    for future in futures:
        if future.cancelled():
            continue
        error = future.exception()
        if error is not None and not _is_loss(error):
            raise error  # a bug shows its traceback
        lost = Outcome(failure=f"the worker was lost: {error}")
        found.append(future.result() if error is None else lost)
    return tuple(found)


def _is_loss(error: BaseException) -> bool:
    """Whether a worker was killed; dask has its own word for it."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def checked_timeout(timeout: float) -> float:
    """The time limit of a board.

    Raises
    ------
    UsageError
        If it is not positive and finite.
    """
    if not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"timeout must be positive and finite, got {timeout!r}")
    return timeout
