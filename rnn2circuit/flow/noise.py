"""Simulated noise of a compiled network, port by port."""

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.run import default_timeout
from rnn2circuit.simulate.interface import Deck, NoiseSimulator
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.verify.extraction import extract
from rnn2circuit.writers.ngspice import write_noise_deck

BEYOND = 1e5  # sweep from the slowest pole over this to the fastest times this: 1e-5 is left out


def simulate_noise(
    compiled: Compiled,
    *,
    simulator: str | NoiseSimulator | None = None,
    timeout: float | None = None,
) -> Vector:
    """Noise at the state ports as the simulator integrates it, V rms, shape (n,).

    Parameters
    ----------
    simulator : str or NoiseSimulator, optional
        ``ngspice`` where not given.

    Raises
    ------
    UsageError
        If the simulator has no noise analysis.
    NotRealizableError
        If the network is not stable.
    SimulationError, SimulationTimeout
        If a run fails.
    """
    program = simulator_named("ngspice") if simulator is None else simulator
    if isinstance(program, str):
        program = simulator_named(program)
    if not isinstance(program, NoiseSimulator):
        raise UsageError(f"{program.name} has no noise analysis that is used here; take ngspice")
    low, high = _band(compiled)
    found: list[float] = []
    for port in compiled.state_map.states:
        name = f"{compiled.name}.noise.cir"
        deck = Deck(
            files={
                compiled.record.netlist: compiled.netlist,
                name: write_noise_deck(compiled.bench, output=port.port, low=low, high=high),
            },
            main=name,
            signals=(),
            t_stop=compiled.bench.transient.stop,
        )
        limit = default_timeout(compiled) if timeout is None else timeout
        found.append(program.integrate_noise(deck, timeout=limit))
    return np.array(found)


def _band(compiled: Compiled) -> tuple[float, float]:
    """Frequencies in Hz between which all noise lies, from the poles of the netlist's text."""
    ports = compiled.state_map
    states, inputs = [m.port for m in ports.states], [m.port for m in ports.inputs]
    outputs = [m.port for m in ports.outputs]
    system = extract(compiled.netlist, states=states, inputs=inputs, outputs=outputs)
    rest, off = np.zeros((1, len(states))), np.zeros((1, len(inputs)))
    poles = np.linalg.eigvals(system.rates(rest, off, jacobian_at=(0,)).df_dv[0])
    if float(poles.real.max()) >= 0:
        raise NotRealizableError("the network is not stable, so its noise grows without bound")
    sizes = np.abs(poles) / (2 * np.pi)
    return float(sizes.min()) / BEYOND, float(sizes.max()) * BEYOND
