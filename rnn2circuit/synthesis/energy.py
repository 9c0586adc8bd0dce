"""The energy-based RNN: three populations, activations on states, sums at the states' own nets."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models.energy import Energy
from rnn2circuit.synthesis.blocks import copies, inject, stages
from rnn2circuit.synthesis.relaxation import Relaxation, amperes_per_rate, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.sums import couple, coupling_load
from rnn2circuit.synthesis.topology import Topology


def realize_energy(
    b: CircuitBuilder,
    model: Energy,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``tau∘x' = active @ [σ_f(v_f), σ_h(v_h)] + delayed @ v_d - x``; there are no inputs.

    Recall couples features and memories by Ξ and its transpose, so with gyrator coupling it is
    resistors alone.
    """
    times = model.times
    weights = time_weights(model)
    # A per unit of drive, for all states
    per_unit = float(amperes_per_rate(form, weights, scaling)[0] / times[0])
    n_f, n_h = model.xi.shape
    square = n_f + n_h
    on_active, on_delayed = model.drive_matrices()
    recall = per_unit * on_active[:square]
    states = relaxation(
        b,
        form=form,
        rate=1.0 / times,
        weights=weights,
        x0=model.initial_state,
        scaling=scaling,
        load=np.append(coupling_load(coupling, recall), np.zeros(model.n_states - square)),
    )
    active = np.concatenate(
        [
            _activations(b, "f", model.sigma_f, states.shown[:n_f], scaling),
            _activations(b, "h", model.sigma_h, states.shown[n_f:square], scaling),
        ]
    )
    couple(
        b,
        coupling,
        stem="recall",
        meaning="recall through the memories xi: gm = amperes_per_rate sqrt(alpha_s) xi / tau",
        control=active,
        out=states.drive[:square],
        g=recall,
        scaling=scaling,
    )
    inject(
        b,
        "delay",
        "features into the delay population",
        out=states.drive[square:],
        control=active[:n_f],
        gm=per_unit * on_active[square:, :n_f],
    )
    inject(
        b,
        "trans",
        "transitions: gm = amperes_per_rate alpha_c / (tau volts_per_unit), xi phi transposed",
        out=states.drive[n_f:square],
        control=states.shown[square:],
        gm=per_unit / scaling.volts_per_unit * on_delayed[n_f:square],
    )
    return states


def _activations(
    b: CircuitBuilder, tag: str, activation: str, shown: Indices, scaling: Scaling
) -> Indices:
    """Nets with ``σ(v)`` at 1 V per unit."""
    every = np.ones(len(shown), dtype=bool)
    control = shown
    if scaling.volts_per_unit != 1.0:
        control = copies(
            b,
            f"u{tag}",
            "states at 1 V per unit",
            control=shown,
            gain=1.0 / scaling.volts_per_unit,
            used=every,
        )
    if activation == "identity":
        return control
    return stages(
        b,
        f"a{tag}",
        f"activation {activation}",
        control=control,
        activation=activation,
        used=every,
    )
