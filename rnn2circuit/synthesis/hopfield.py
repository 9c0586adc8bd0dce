"""Hopfield network: amplifiers on the states, weighted sums at the states' own nets."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Hopfield
from rnn2circuit.synthesis.blocks import bias, copies, inject, stages
from rnn2circuit.synthesis.nport import Coupling, sense_nport
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights


def realize_hopfield(
    b: CircuitBuilder,
    model: Hopfield,
    *,
    form: Form,
    coupling: Coupling,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``tau∘x' = -x + W σ(x) + W_in u + bias``: the circuit of Hopfield (1984), fig. 2."""
    states = relaxation(
        b,
        form=form,
        rate=1.0 / model.tau,
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    active = _activations(b, model, states.shown, scaling)
    # The weights k are the time constants, so this is one number for all rows and a symmetric W
    # stays symmetric.
    per_unit = float(states.amperes_per_rate[0] / model.tau[0])  # A per unit of drive
    if coupling == "vccs":
        inject(
            b,
            "w",
            "recurrent weights w[post, pre]: gm = amperes_per_rate w / (tau 1 V)",
            out=states.drive,
            control=active,
            gm=per_unit * model.w,
        )
    else:
        sense_nport(b, control=active, out=states.drive, g=per_unit * model.w)
    if model.w_in is not None:
        inject(
            b,
            "in",
            "input weights w_in[post, input]: gm = amperes_per_rate w_in / (tau volts_per_unit)",
            out=states.drive,
            control=inputs,
            gm=per_unit / scaling.volts_per_unit * model.w_in,
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
