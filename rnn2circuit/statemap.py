"""The bridge between model and circuit: which port carries which quantity, and in what units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.errors import CircuitError


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMap:
    """One model quantity at one port: ``v = v_offset + volts_per_unit * x``."""

    name: str  # what it is in the model, such as x1
    port: str  # net of the port
    volts_per_unit: float  # V, positive
    v_offset: float = 0.0  # V

    def __post_init__(self) -> None:
        if not (np.isfinite(self.volts_per_unit) and self.volts_per_unit > 0):
            raise CircuitError(
                f"volts_per_unit of {self.name} must be positive, got {self.volts_per_unit!r}"
            )
        if not np.isfinite(self.v_offset):
            raise CircuitError(f"v_offset of {self.name} must be finite, got {self.v_offset!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMap:
    """All ports of a circuit, and the time scale ``t_circuit = seconds_per_unit * t``.

    It travels with the circuit, is written beside the netlist, and nothing else relates the
    two worlds.
    """

    inputs: tuple[PortMap, ...]
    states: tuple[PortMap, ...]
    outputs: tuple[PortMap, ...]  # empty where the model has no readout
    seconds_per_unit: float  # s per model time unit

    def __post_init__(self) -> None:
        if not (np.isfinite(self.seconds_per_unit) and self.seconds_per_unit > 0):
            raise CircuitError(f"seconds_per_unit must be positive, got {self.seconds_per_unit!r}")

    @property
    def ports(self) -> tuple[str, ...]:
        """Port nets in the order of the subcircuit: inputs, states, outputs."""
        return tuple(m.port for m in (*self.inputs, *self.states, *self.outputs))


def to_volts(ports: Sequence[PortMap], values: ArrayLike) -> NDArray[np.float64]:
    """Model values, shape (..., k), as port voltages."""
    return offsets(ports) + scales(ports) * np.asarray(values, dtype=np.float64)


def to_units(ports: Sequence[PortMap], volts: ArrayLike) -> NDArray[np.float64]:
    """Port voltages, shape (..., k), as model values."""
    return (np.asarray(volts, dtype=np.float64) - offsets(ports)) / scales(ports)


def scales(ports: Sequence[PortMap]) -> NDArray[np.float64]:
    """``volts_per_unit`` of each port, shape (k,)."""
    return np.array([m.volts_per_unit for m in ports], dtype=np.float64)


def offsets(ports: Sequence[PortMap]) -> NDArray[np.float64]:
    """``v_offset`` of each port, shape (k,)."""
    return np.array([m.v_offset for m in ports], dtype=np.float64)
