"""Run an emitted testbench, and read its waveforms in model units."""

import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.flow.compile import Compiled, positive
from rnn2circuit.simulate.interface import Deck, Simulator, Waveforms
from rnn2circuit.simulate.process import stopped_by
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.statemap import to_units

# A simulator gets this long before it is taken to hang: a minute, and more for large networks
# (seconds per accepted step and cubed state, thirty times what dense LU was measured to need).
BASE_TIMEOUT = 60.0  # s
START_UP = 5e-5  # s: over a thousand time constants of a follower with an op-amp of 5 MHz
TIMEOUT_PER_STEP = 2e-7  # s
TIMEOUT_PER_PART = 1e-4  # s per step and element of a realistic level, likewise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """A simulated circuit in model units, on the simulator's own time points from `start_up` on."""

    compiled: Compiled
    waveforms: Waveforms
    t: Vector  # (k,), model time units
    x: Matrix  # (k, n)
    y: Matrix  # (k, p); p = 0 where the circuit has no output ports


def simulate(
    compiled: Compiled,
    *,
    simulator: str | Simulator | None = None,
    timeout: float | None = None,
) -> Simulation:
    """Run the emitted testbench in a SPICE program.

    Parameters
    ----------
    simulator : str or Simulator, optional
        ``ngspice`` or ``neospice``; the first that is installed where not given.
    timeout : float, optional
        Time limit in s.

    Raises
    ------
    SimulationError, SimulationTimeout
        If the run fails or breaks an acceptance rule.
    """
    program = simulator if isinstance(simulator, Simulator) else simulator_named(simulator)
    main = f"{compiled.name}.tb.cir"
    bench, ports = compiled.bench, compiled.state_map
    deck = Deck(
        files={f"{compiled.name}.cir": compiled.netlist, main: compiled.testbench},
        main=main,
        signals=tuple(f"v({port})" for port in bench.recorded),
        t_stop=bench.transient.stop,
    )
    if timeout is None:
        timeout = default_timeout(compiled)
    waves = program.run(deck, timeout=positive("timeout", timeout))
    settled = waves.time >= start_up(compiled)
    return Simulation(
        compiled=compiled,
        waveforms=waves,
        t=waves.time[settled] / ports.seconds_per_unit,
        x=to_units(ports.states, _columns(waves, [m.port for m in ports.states])[settled]),
        y=to_units(ports.outputs, _columns(waves, [m.port for m in ports.outputs])[settled]),
    )


@contextmanager
def simulated_meanwhile(
    compiled: Compiled, *, simulator: Simulator, timeout: float | None
) -> Generator[Future[Simulation]]:
    """A run beside what the body does, and stopped where the body ends before it."""
    unwanted = threading.Event()

    def run() -> Simulation:
        with stopped_by(unwanted):
            return simulate(compiled, simulator=simulator, timeout=timeout)

    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(run)
        finally:
            unwanted.set()


def start_up(compiled: Compiled) -> float:
    """Seconds for which amplifiers of a run without operating point find their voltages.

    Currents of inductors are only set where SPICE solves no operating point, and then all nets
    start at 0 V. What is simulated before is kept in `Simulation.waveforms`.
    """
    realistic = compiled.record.level != "ideal"
    return START_UP if realistic and compiled.bench.transient.from_initial else 0.0


def default_timeout(compiled: Compiled) -> float:
    """Seconds after which a simulator is taken to hang."""
    transient = compiled.bench.transient
    steps = transient.stop / transient.step
    if compiled.record.level != "ideal":
        elements = sum(count for _, count in compiled.record.element_counts)
        return BASE_TIMEOUT + TIMEOUT_PER_PART * steps * elements
    return BASE_TIMEOUT + TIMEOUT_PER_STEP * steps * compiled.model.n_states**3


def _columns(waves: Waveforms, ports: list[str]) -> Matrix:
    if not ports:
        return np.zeros((len(waves.time), 0))
    return np.column_stack([waves.signals[f"v({port})"] for port in ports])
