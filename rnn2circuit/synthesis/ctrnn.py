"""CTRNN: weighted sums on nodes, one amplifier per neuron, one leaky state per neuron."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Ctrnn
from rnn2circuit.synthesis.blocks import bias, inject, loaded_sum_nodes, stages
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.sums import (
    couple,
    coupling_load,
    drive_inputs,
    input_load,
    restored,
)
from rnn2circuit.synthesis.topology import Topology


def realize_ctrnn(
    b: CircuitBuilder,
    model: Ctrnn,
    *,
    form: Form,
    coupling: Topology,
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
    gain = np.ones(n) if model.gain is None else model.gain
    used = gain != 0  # a neuron of gain zero only leaks
    per_volt = 1.0 / (scaling.impedance * scaling.volts_per_unit)  # S per unit of weight
    w_in = np.zeros((n, 0)) if model.w_in is None else model.w_in
    g, g_in = per_volt * model.w * used[:, None], per_volt * w_in * used[:, None]
    load = coupling_load(coupling, g) + input_load(coupling, g_in)
    z, attenuation = loaded_sum_nodes(b, "z", load=load, scaling=scaling, used=used)
    couple(
        b,
        coupling,
        stem="w",
        meaning="recurrent weights w[post, pre]: gm = w / (impedance volts_per_unit)",
        control=states.shown,
        out=z,
        g=g,
        scaling=scaling,
    )
    drive_inputs(
        b,
        coupling,
        stem="in",
        meaning="input weights w_in[post, input]: gm = w_in / (impedance volts_per_unit)",
        control=inputs,
        out=z,
        g=g_in,
    )
    if model.bias is not None:
        bias(
            b,
            "bias",
            "biases: bias / impedance",
            out=z,
            current=model.bias * used / scaling.impedance,
        )
    z = restored(b, "z", z, attenuation)
    active = z
    if model.activation != "identity":
        active = stages(
            b,
            "a",
            f"activation {model.activation}",
            control=z,
            activation=model.activation,
            used=used,
        )
    inject(
        b,
        "out",
        "gains: gm = amperes_per_rate gain / 1 V",
        out=states.drive,
        control=active,
        gm=np.diag(states.amperes_per_rate * gain),
    )
    return states
