"""Hopfield network: amplifiers on the states, weighted sums at the states' own nets."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Hopfield
from rnn2circuit.synthesis.blocks import bias, copies, stages
from rnn2circuit.synthesis.relaxation import Relaxation, amperes_per_rate, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.sums import couple, coupling_load, drive_inputs, input_load
from rnn2circuit.synthesis.topology import Topology


def realize_hopfield(
    b: CircuitBuilder,
    model: Hopfield,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``tau∘x' = -x + W σ(x) + W_in u + bias``: the circuit of Hopfield (1984), fig. 2."""
    weights = time_weights(model)
    # The weights k are the time constants, so this is one number for all rows and a symmetric W
    # stays symmetric.
    per_unit = float(amperes_per_rate(form, weights, scaling)[0] / model.tau[0])  # A per drive
    g = per_unit * model.w
    w_in = np.zeros((model.n_states, 0)) if model.w_in is None else model.w_in
    g_in = per_unit / scaling.volts_per_unit * w_in
    states = relaxation(
        b,
        form=form,
        rate=1.0 / model.tau,
        weights=weights,
        x0=model.initial_state,
        scaling=scaling,
        load=coupling_load(coupling, g) + input_load(coupling, g_in),
    )
    couple(
        b,
        coupling,
        stem="w",
        meaning="recurrent weights w[post, pre]: gm = amperes_per_rate w / (tau 1 V)",
        control=_activations(b, model, states.shown, scaling),
        out=states.drive,
        g=g,
        scaling=scaling,
    )
    drive_inputs(
        b,
        coupling,
        stem="in",
        meaning="input weights w_in[post, input]: "
        "gm = amperes_per_rate w_in / (tau volts_per_unit)",
        control=inputs,
        out=states.drive,
        g=g_in,
    )
    if model.bias is not None:
        bias(b, "bias", "biases", out=states.drive, current=per_unit * np.asarray(model.bias))
    return states


def _activations(b: CircuitBuilder, model: Hopfield, shown: Indices, scaling: Scaling) -> Indices:
    """Nets with ``σ(x)`` in volts, whatever voltage one unit of x is; ground where unused."""
    used = np.any(model.w != 0, axis=0)
    control = shown
    if scaling.volts_per_unit != 1.0:
        control = copies(
            b,
            "z",
            "states at 1 V per unit",
            control=shown,
            gain=1.0 / scaling.volts_per_unit,
            used=used,
        )
    if model.activation == "identity":
        return control
    return stages(
        b,
        "a",
        f"activation {model.activation}",
        control=control,
        activation=model.activation,
        used=used,
    )
