"""Thermal noise of a linear circuit, integrated over all frequencies.

With ``v' = A v + C^-1 i_n`` and white noise currents of two-sided density Γ (A^2/Hz), the
covariance of the states solves ``A K + K A^T + C^-1 Γ C^-T = 0``. A resistor R > 0 contributes
``2 k T / R`` between its nets; of resistors and gyrators alone Γ is ``2 k T`` times the symmetric
part of Y, and then ``K = k T C^-1`` whatever the gyrators do. A negative resistor is an active
element and a transconductance an amplifier: each adds ``2 k T ξ |g|`` at its output with its noise
factor ξ (SPICE's own G elements are noiseless, ξ = 0, and so are its negative resistors with
``noisy=0``).
"""

from dataclasses import dataclass

import numpy as np
from scipy.constants import Boltzmann
from scipy.linalg import solve_continuous_lyapunov

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Gyrators, Resistors, Transconductances
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.circuit.nodal import nodal, state_space
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.statemap import StateMap

ROOM = 300.15  # K: SPICE's 27 degrees Celsius


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisePrediction:
    """Noise voltages of a circuit's ports, over all frequencies.

    Attributes
    ----------
    states : ndarray, shape (n,)
        V rms at the state ports.
    outputs : ndarray, shape (p,)
        V rms that the state noise makes at the output ports.
    output_density : ndarray, shape (p,)
        V/sqrt(Hz), one-sided: white noise of the output stages themselves, which has no
        capacitor and so no bandwidth of its own.
    covariance : ndarray, shape (n, n)
        Of the state port voltages, V^2.
    temperature : float
        K.
    """

    states: Vector
    outputs: Vector
    output_density: Vector
    covariance: Matrix
    temperature: float


def predict_noise(
    circuit: Circuit,
    ports: StateMap,
    *,
    transconductor: float = 0.0,
    negative_resistor: float = 0.0,
    temperature: float = ROOM,
) -> NoisePrediction:
    """The noise at states and outputs.

    Parameters
    ----------
    transconductor : float
        Noise factor ξ of transconductances: 0 as in SPICE, 1 as a resistor of ``1/abs(gm)``, 2/3
        and more of real ones.
    negative_resistor : float
        Noise factor of negative resistors.
    temperature : float
        K.

    Raises
    ------
    UsageError
        If a factor is negative, or the temperature not positive.
    CircuitError
        If the circuit is not linear.
    NotRealizableError
        If the network is not stable: its noise grows without bound.
    """
    if min(transconductor, negative_resistor) < 0 or not temperature > 0:
        raise UsageError("noise factors must not be negative, and the temperature positive")
    nets = {name: k for k, name in enumerate(circuit.nets)}
    inputs = np.array([nets[m.port] for m in ports.inputs], dtype=np.int64)
    system = nodal(circuit)
    space = state_space(system, inputs=inputs)
    if space.a.size and float(np.linalg.eigvals(space.a).real.max()) >= 0:
        raise NotRealizableError(
            "the network is not stable, so its noise grows without bound; there is no noise figure"
        )
    sources = _noise_sources(circuit, system.size, transconductor, negative_resistor)
    sources = sources * np.sqrt(2.0 * Boltzmann * temperature)  # columns: sqrt(A^2/Hz), two-sided
    into_storage, at_once = _responses(circuit, inputs, sources)
    solved = solve_continuous_lyapunov(space.a, -into_storage @ into_storage.T)
    k: Matrix = np.asarray(solved, dtype=np.float64)
    state_nets = np.array([nets[m.port] for m in ports.states], dtype=np.int64)
    output_nets = np.array([nets[m.port] for m in ports.outputs], dtype=np.int64)
    shown, out = space.from_storage[state_nets], space.from_storage[output_nets]
    covariance = shown @ k @ shown.T
    return NoisePrediction(
        states=np.sqrt(np.diag(covariance)),
        outputs=np.sqrt(np.einsum("ij,jk,ik->i", out, k, out)),
        output_density=np.sqrt(2.0) * np.linalg.norm(at_once[output_nets], axis=1),
        covariance=covariance,
        temperature=temperature,
    )


def _noise_sources(
    circuit: Circuit, size: int, transconductor: float, negative_resistor: float
) -> Matrix:
    """One column per noisy element: where its current goes, times sqrt(conductance)."""
    columns: list[Vector] = []

    def add(p: Indices, n: Indices, conductance: Vector) -> None:
        for a, b, g in zip(p.tolist(), n.tolist(), conductance.tolist(), strict=True):
            if g > 0:
                column = np.zeros(size)
                column[a] += np.sqrt(g)
                column[b] -= np.sqrt(g)
                column[GROUND] = 0.0
                columns.append(column)

    for bank in circuit.banks:
        if isinstance(bank, Resistors):
            g = 1.0 / bank.resistance
            add(bank.p, bank.n, np.where(g > 0, g, -negative_resistor * g))
        elif isinstance(bank, Transconductances):
            add(bank.out, np.zeros_like(bank.out), transconductor * np.abs(bank.gm))
        elif isinstance(bank, Gyrators):
            g = transconductor * np.abs(bank.gyration_conductance)
            add(bank.p1, bank.n1, g)
            add(bank.p2, bank.n2, g)
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def _responses(circuit: Circuit, inputs: Indices, sources: Matrix) -> tuple[Matrix, Matrix]:
    """What noise currents do: rates of the storage elements, and voltages at once."""
    system = nodal(circuit)
    space = state_space(system, inputs=inputs)
    g, _ = system.matrices()
    held = np.zeros(system.size, dtype=bool)
    held[[GROUND, *inputs.tolist(), *space.storage.tolist()]] = True
    rest = np.flatnonzero(~held)
    at_once = np.zeros_like(sources)
    at_once[rest] = np.linalg.solve(g[np.ix_(rest, rest)], sources[rest])
    return space.inverse @ (sources[space.storage] - g[space.storage] @ at_once), at_once
