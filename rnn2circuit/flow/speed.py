"""How fast a network may run on real amplifiers.

An op-amp follows its input late by 1 / (2 pi GBW), so a state of time constant tau comes out
wrong by a few times 1 / (2 pi GBW tau). Over all families and random weights the rms error at level
macro was 0.1 to 4.2 times that; 3 is what a linear network with gyrators has, whose every coupling
is an amplifier.
"""

import math

from rnn2circuit.arrays import Vector
from rnn2circuit.circuit.banks import Capacitors
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.synthesis.realize import Realization

LAG = 3.0  # error over 1 / (2 pi GBW tau)
NOTED = 1e-3  # parts of range: what level macro is verified to
REFUSED = 1e-2
ROUND = 1e-9  # by which a decade may be missed


def predicted_error(tau: float, technology: Technology) -> float:
    """Error in parts of range of a state whose time constant is `tau`, in s."""
    return LAG / (2 * math.pi * technology.opamp.bandwidth * tau)


def slowed(seconds: float, weights: Vector, technology: Technology) -> float:
    """Seconds per unit: as many decades above `seconds` as the fastest state needs.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Time constants of the states, in model time units.
    """
    needed = predicted_error(1.0, technology) / (NOTED * float(weights.min()))
    if seconds >= needed * (1 - ROUND):
        return seconds
    return 10.0 ** math.ceil(math.log10(needed) - ROUND)


def speed_notes(realization: Realization, technology: Technology) -> tuple[str, ...]:
    """A note where the op-amps are slow beside the fastest state, of an ideal circuit.

    Raises
    ------
    NotRealizableError
        If they are so slow that the circuit would not be the network.
    """
    scaling = realization.scaling
    if realization.state_map.clock is not None:
        return ()  # what counts is that a phase of the clock is long enough
    # Automatic scaling makes C = tau / impedance, whatever the family.
    taus = {net: scaling.impedance * c for net, c in _capacitors(realization.circuit).items()}
    fastest = min(taus, key=lambda net: taus[net])
    tau = taus[fastest]
    error = predicted_error(tau, technology)
    if error <= NOTED * (1 + ROUND):
        return ()
    fitting = scaling.seconds_per_unit * error / NOTED
    sentence = (
        f"state {fastest} has a time constant of {tau:.3g} s, for which op-amps of "
        f"{technology.opamp.bandwidth:g} Hz are slow: an error of about {error:.1g} of its range "
        f"is to be expected; seconds_per_unit from {fitting:.3g} up keeps it within {NOTED:g}"
    )
    if error > REFUSED:
        raise NotRealizableError(sentence)
    return (sentence,)


def _capacitors(circuit: Circuit) -> dict[str, float]:
    """Capacitance by net, in F."""
    return {
        circuit.nets[net]: farad
        for bank in circuit.banks
        if isinstance(bank, Capacitors)
        for net, farad in zip(bank.p.tolist(), bank.capacitance.tolist(), strict=True)
    }
