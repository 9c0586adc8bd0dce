"""Linear models as n-ports: ``C v' = -Y v + beta u`` and its dual (Caruso & Jarne 2023)."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.blocks import bias, inject
from rnn2circuit.synthesis.nport import Coupling, conductances
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation, series_rl
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights


def realize_linear(
    b: CircuitBuilder,
    model: Linear,
    *,
    form: Form,
    coupling: Coupling,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``x' = A x + B u + bias`` as an n-port with R∥C or R-L one-ports."""
    states = _coupled_states(b, model, form=form, coupling=coupling, scaling=scaling)
    per_volt = states.amperes_per_rate[:, None] / scaling.volts_per_unit
    if model.b is not None:
        inject(
            b,
            "in",
            "input weights b[post, input] as transconductances",
            out=states.drive,
            control=inputs,
            gm=per_volt * model.b,
        )
    if model.bias is not None:
        bias(
            b,
            "bias",
            "constant drive",
            out=states.drive,
            current=states.amperes_per_rate * model.bias,
        )
    return states


def _coupled_states(
    b: CircuitBuilder, model: Linear, *, form: Form, coupling: Coupling, scaling: Scaling
) -> Relaxation:
    a, weights, x0 = model.a, time_weights(model), model.initial_state
    own = np.diag(a)
    if coupling == "vccs":
        states = relaxation(b, form=form, rate=-own, weights=weights, x0=x0, scaling=scaling)
        _inject_couplings(b, states, a - np.diag(own), scaling, "a[post, pre]")
    elif form == "rc":
        states = relaxation(b, form=form, rate=0 * own, weights=weights, x0=x0, scaling=scaling)
        y = -weights[:, None] * a / scaling.impedance  # S; the leak is part of it
        conductances(b, nets=states.shown, y=y)
    else:
        skew = -scaling.impedance * weights[:, None] * (a - a.T) / 2  # ohm
        states = series_rl(b, rate=-own, weights=weights, x0=x0, scaling=scaling, gyrators=skew)
        symmetric = (a + a.T) / 2
        # Mutual resistances: a resistor shared by two loops of a dense n-port would need
        # transformers (the mesh is not planar), so the reciprocal part is summed by pairs.
        mutual = symmetric - np.diag(own)
        _inject_couplings(b, states, mutual, scaling, "symmetric part of a, in pairs")
    return states


def _inject_couplings(
    b: CircuitBuilder, states: Relaxation, rates: np.ndarray, scaling: Scaling, what: str
) -> None:
    inject(
        b,
        "a",
        f"couplings {what}: gm = amperes_per_rate a / volts_per_unit",
        out=states.drive,
        control=states.shown,
        gm=states.amperes_per_rate[:, None] * rates / scaling.volts_per_unit,
    )
