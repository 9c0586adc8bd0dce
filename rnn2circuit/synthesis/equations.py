"""The equations of a linear circuit, in the units of its map: what rounded parts compute."""

import numpy as np

from rnn2circuit.circuit.nodal import nodal, state_space
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import Linear
from rnn2circuit.statemap import offsets, scales, to_units
from rnn2circuit.synthesis.realize import Realization


def circuit_equations(realization: Realization, *, x0: np.ndarray) -> Linear:
    """``x' = A x + B u + bias`` and the readout of a realized linear circuit.

    Parameters
    ----------
    x0 : ndarray, shape (n,)
        Initial state, model units, which parts do not change.

    Raises
    ------
    CircuitError
        If the circuit is not linear.
    NotRealizableError
        If the state ports do not show all of the circuit's states.
    """
    circuit, ports = realization.circuit, realization.state_map
    nets = {name: k for k, name in enumerate(circuit.nets)}
    shown, inputs, outputs = (
        np.array([nets[m.port] for m in group], dtype=np.int64)
        for group in (ports.states, ports.inputs, ports.outputs)
    )
    space = state_space(nodal(circuit), inputs=inputs)
    # v(shown) = T z of the storage elements' own states z, which inputs do not reach at once.
    t = space.from_storage[shown]
    if t.shape[0] != t.shape[1] or np.any(space.from_inputs[shown] != 0):
        raise NotRealizableError(
            f"{t.shape[0]} state ports do not show the {t.shape[1]} states of the circuit"
        )
    back = np.linalg.inv(t)
    unit, drive, seconds = scales(ports.states), scales(ports.inputs), ports.seconds_per_unit
    a = t @ space.a @ back
    bias = t @ space.bias - a @ (offsets(ports.states) + space.constant[shown])
    bias = bias + t @ space.b @ offsets(ports.inputs)
    out = space.from_storage[outputs] @ back
    feed = space.from_inputs[outputs]
    rest = out @ (offsets(ports.states) - space.constant[shown])
    rest = rest + feed @ offsets(ports.inputs) + space.constant[outputs]
    has_outputs = bool(outputs.size)
    out_unit = scales(ports.outputs)
    return Linear(
        a=a * unit / unit[:, None] * seconds,
        b=(t @ space.b) * drive / unit[:, None] * seconds if inputs.size else None,
        bias=bias / unit * seconds,
        x0=x0,
        w_out=out * unit / out_unit[:, None] if has_outputs else None,
        b_out=to_units(ports.outputs, rest) if has_outputs else None,
        d=feed * drive / out_unit[:, None] if has_outputs and np.any(feed != 0) else None,
    )
