"""CTRNN: weighted sums on nodes, one amplifier per neuron, one leaky state per neuron."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Ctrnn
from rnn2circuit.synthesis.blocks import (
    Coupling,
    Relaxation,
    bias,
    copies,
    inject,
    relaxation,
    sense_nport,
    stages,
    sum_nodes,
)
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights


def realize_ctrnn(
    b: CircuitBuilder,
    model: Ctrnn,
    *,
    form: Form,
    coupling: Coupling,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``x' = -rate∘x + gain∘σ(z)`` with ``z = W x + W_in u + bias`` as voltages on sum nodes.

    One volt on a sum node is one unit of z, so the amplifier's characteristic holds no number.
    """
    n = model.n_states
    states = relaxation(
        b,
        form=form,
        rate=model.rate,
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    z = sum_nodes(b, "z", n, scaling)
    per_volt = 1.0 / (scaling.impedance * scaling.volts_per_unit)  # S per unit of weight
    if coupling == "vccs":
        inject(
            b,
            "w",
            "recurrent weights w[post, pre]: gm = w / (impedance volts_per_unit)",
            out=z,
            control=states.shown,
            gm=per_volt * model.w,
        )
    else:
        buffered = copies(
            b, "b", "state voltages, buffered for the n-port", control=states.shown, gain=1.0
        )
        sense_nport(b, source=buffered, out=z, g=per_volt * model.w)
    if model.w_in is not None:
        inject(
            b,
            "in",
            "input weights w_in[post, input]: gm = w_in / (impedance volts_per_unit)",
            out=z,
            control=inputs,
            gm=per_volt * model.w_in,
        )
    if model.bias is not None:
        bias(b, "bias", "biases: bias / impedance", out=z, current=model.bias / scaling.impedance)
    active = z
    if model.activation != "identity":
        active = stages(
            b, "a", f"activation {model.activation}", control=z, activation=model.activation
        )
    gain = np.ones(n) if model.gain is None else model.gain
    inject(
        b,
        "out",
        "gains: gm = amperes_per_rate gain / 1 V",
        out=states.drive,
        control=active,
        gm=np.diag(states.amperes_per_rate * gain),
    )
    return states
