"""Logistic gates of synapses: one per distinct (presynaptic net, slope, offset)."""

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.banks import (
    CurrentSources,
    Resistors,
    SigmoidStages,
    Transconductances,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, positions
from rnn2circuit.synthesis.scaling import Scaling


def open_gates(
    b: CircuitBuilder,
    tag: str,
    *,
    nets: Indices,
    post: Indices,
    pre: Indices,
    slope: Vector,
    offset: Vector,
    scaling: Scaling,
) -> Indices:
    """Nets with ``logistic(slope y + offset)`` in volts, one per synapse; equal gates are shared.

    Parameters
    ----------
    tag : str
        Tells the gates of states ("") from those of inputs ("in") in names.
    nets : ndarray
        Presynaptic nets, indexed by `pre`.
    post, pre, slope, offset : ndarray, shape (k,)
        The synapses. A gate is named after the first synapse it serves.
    """
    if not post.size:
        return np.zeros(0, dtype=np.int64)
    keys = np.column_stack([pre.astype(np.float64), slope, offset])
    _, first, shared = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    names = [f"{i + 1}_{j + 1}" for i, j in zip(post[first], pre[first], strict=True)]
    index = positions(post[first], pre[first])
    z = np.array([b.net(f"z{tag}{name}") for name in names])
    q = np.array([b.net(f"q{tag}{name}") for name in names])
    b.add(
        Resistors(
            stem=f"sumz{tag}",
            index=index,
            meaning="sum resistors of the gates' arguments; named after the first synapse served",
            p=z,
            n=np.full(z.size, GROUND),
            resistance=np.full(z.size, scaling.impedance),
        )
    )
    steep = np.flatnonzero(slope[first])
    if steep.size:
        b.add(
            Transconductances(
                stem=f"slope{tag}",
                index=index[steep],
                meaning="slopes: gm = slope / (impedance volts_per_unit)",
                out=z[steep],
                control=nets[pre[first][steep]],
                gm=slope[first][steep] / (scaling.impedance * scaling.volts_per_unit),
            )
        )
    shifted = np.flatnonzero(offset[first])
    if shifted.size:
        b.add(
            CurrentSources(
                stem=f"offset{tag}",
                index=index[shifted],
                meaning="offsets: offset / impedance",
                out=z[shifted],
                current=offset[first][shifted] / scaling.impedance,
            )
        )
    b.add(
        SigmoidStages(
            stem=f"gate{tag}",
            index=index,
            meaning="gates: logistic of slope y + offset",
            out=q,
            control=z,
            activation="logistic",
        )
    )
    return q[shared.ravel()]
