"""How fast a network may run on real amplifiers.

An op-amp follows its input late by 1 / (2 pi GBW), so a state of time constant tau comes out
wrong by a few times 1 / (2 pi GBW tau). Over all families and random weights the rms error at level
macro was 0.1 to 4.2 times that; 3 is what a linear network with gyrators has, whose every coupling
is an amplifier.
"""

import math
from typing import cast, get_args

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import Linear, Model
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.synthesis.scaling import time_weights

LAG = 3.0  # error over 1 / (2 pi GBW tau)
NOTED = 1e-3  # parts of range: what level macro is verified to
REFUSED = 1e-2
TINY = 1e-300  # 1 / time: a state that nothing moves
ROUND = 1e-9  # by which a decade may be missed


def predicted_error(tau: float, technology: Technology) -> float:
    """Error in parts of range of a state whose time constant is `tau`, in s."""
    return LAG / (2 * math.pi * technology.opamp.bandwidth * tau)


def state_times(model: AbstractNetwork) -> Vector | None:
    """Time constants of the states in model time units, shape (n,).

    None of a clocked cell, whose clock leaves time or does not, and of a family that is not part
    of the package.
    """
    if isinstance(model, Linear):
        # Its capacitors are all alike: what is fast is the row of a state.
        return 1.0 / np.maximum(np.linalg.norm(model.a, axis=1), TINY)
    if isinstance(model, get_args(Model)):
        return time_weights(cast(Model, model))
    return None


def slowed(seconds: float, model: AbstractNetwork, technology: Technology) -> float:
    """Seconds per unit: as many decades above `seconds` as the fastest state needs."""
    times = state_times(model)
    if times is None:
        return seconds
    needed = predicted_error(1.0, technology) / (NOTED * float(times.min()))
    if seconds >= needed * (1 - ROUND):
        return seconds
    return 10.0 ** math.ceil(math.log10(needed) - ROUND)


def speed_notes(model: AbstractNetwork, seconds: float, technology: Technology) -> tuple[str, ...]:
    """A note where the op-amps are slow beside the fastest state.

    Parameters
    ----------
    seconds : float
        s per model time unit.

    Raises
    ------
    NotRealizableError
        If they are so slow that the circuit would not be the network.
    """
    times = state_times(model)
    if times is None:
        return ()
    fastest = int(np.argmin(times))
    tau = seconds * float(times[fastest])
    error = predicted_error(tau, technology)
    if error <= NOTED * (1 + ROUND):
        return ()
    sentence = (
        f"state x{fastest + 1} has a time constant of {tau:.3g} s, for which op-amps of "
        f"{technology.opamp.bandwidth:g} Hz are slow: an error of about {error:.1g} of its range "
        f"is to be expected; seconds_per_unit from {seconds * error / NOTED:.3g} up keeps it "
        f"within {NOTED:g}"
    )
    if error > REFUSED:
        raise NotRealizableError(sentence)
    return (sentence,)
