"""CTRNN: weighted sums on nodes, one amplifier per neuron, one leaky state per neuron."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Ctrnn
from rnn2circuit.synthesis.blocks import bias, inject, stages, sum_nodes
from rnn2circuit.synthesis.nport import Coupling, sense_nport
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
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
    gain = np.ones(n) if model.gain is None else model.gain
    used = gain != 0  # a neuron of gain zero only leaks
    z = sum_nodes(b, "z", n, scaling, used=used)
    per_volt = 1.0 / (scaling.impedance * scaling.volts_per_unit)  # S per unit of weight
    if coupling == "vccs":
        inject(
            b,
            "w",
            "recurrent weights w[post, pre]: gm = w / (impedance volts_per_unit)",
            out=z,
            control=states.shown,
            gm=per_volt * model.w * used[:, None],
        )
    else:
        sense_nport(b, control=states.shown, out=z, g=per_volt * model.w * used[:, None])
    if model.w_in is not None:
        inject(
            b,
            "in",
            "input weights w_in[post, input]: gm = w_in / (impedance volts_per_unit)",
            out=z,
            control=inputs,
            gm=per_volt * model.w_in * used[:, None],
        )
    if model.bias is not None:
        bias(
            b,
            "bias",
            "biases: bias / impedance",
            out=z,
            current=model.bias * used / scaling.impedance,
        )
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
