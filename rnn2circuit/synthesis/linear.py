"""Linear models as n-ports: ``C v' = -Y v + beta u`` and its dual (Caruso & Jarne 2023)."""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.blocks import bias, inject
from rnn2circuit.synthesis.dual import ccvs_loops
from rnn2circuit.synthesis.factors import low_rank_with_leak
from rnn2circuit.synthesis.lattice import (
    lattice_bias,
    lattice_conductances,
    lattice_inputs,
    lattice_states,
)
from rnn2circuit.synthesis.nport import conductances
from rnn2circuit.synthesis.rails import state_scales
from rnn2circuit.synthesis.relaxation import (
    Relaxation,
    amperes_per_rate,
    relaxation,
    series_rl,
)
from rnn2circuit.synthesis.scaling import Form, Scaling, linear_weights
from rnn2circuit.synthesis.sums import (
    EXACT_RANK,
    couple,
    coupling_load,
    drive_inputs,
    input_load,
    report_rank,
    require_low_rank,
    through_sums,
)
from rnn2circuit.synthesis.topology import Topology

# Pairs and loops of sources in series have no net into which one current drives a state.
NOWHERE: Indices = np.zeros(0, dtype=np.int64)


def realize_linear(
    b: CircuitBuilder,
    model: Linear,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``x' = A x + B u + bias`` as an n-port with R∥C or R-L one-ports."""
    if coupling.kind == "balanced":
        return _lattice(b, model, coupling, scaling, inputs)
    if coupling.kind == "ccvs":
        return _loops(b, model, scaling, inputs)
    states, g_in = _coupled_states(b, model, form=form, topology=coupling, scaling=scaling)
    drive_inputs(
        b,
        coupling,
        stem="in",
        meaning="input weights b[post, input] as transconductances",
        control=inputs,
        out=states.drive,
        g=g_in,
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


def _input_matrix(model: Linear) -> Matrix:
    return np.zeros((model.n_states, 0)) if model.b is None else model.b


def _coupled_states(
    b: CircuitBuilder, model: Linear, *, form: Form, topology: Topology, scaling: Scaling
) -> tuple[Relaxation, Matrix]:
    """The states with their couplings, and the input weights in S, shape (n, m)."""
    if form == "rl":
        states = _driven_loops(b, model, topology, scaling)
        per_volt = states.amperes_per_rate[:, None] / scaling.volts_per_unit
        return states, per_volt * _input_matrix(model)
    if topology.kind == "rails":
        return _rails(b, model, topology, scaling)
    a, weights, x0 = model.a, linear_weights(model, scaling), model.initial_state
    per_volt = amperes_per_rate("rc", weights, scaling)[:, None] / scaling.volts_per_unit
    g_in = per_volt * _input_matrix(model)
    load, own = input_load(topology, g_in), np.diag(a)
    match topology.kind:
        case "gyrator" | "transformer" | "minimal-gyrator":
            states = relaxation(b, form=form, rate=0 * own, weights=weights, x0=x0, scaling=scaling)
            y = -weights[:, None] * a / scaling.impedance  # S; the leak is part of it
            conductances(b, nets=states.shown, y=y - np.diag(load), kind=topology.kind)
        case "lowrank":
            tolerance = topology.rank_tolerance or EXACT_RANK
            factors = low_rank_with_leak(a, rank=topology.rank, tolerance=tolerance)
            require_low_rank(topology, factors, len(a), "a")
            report_rank(b, factors, "a")
            rate = -factors.diagonal
            states = relaxation(
                b, form=form, rate=rate, weights=weights, x0=x0, scaling=scaling, load=load
            )
            through_sums(
                b,
                "a",
                control=states.shown,
                out=states.drive,
                factors=factors.rows_times(per_volt[:, 0]),
                tag="",
                scaling=scaling,
            )
        case _:
            states = relaxation(
                b, form=form, rate=-own, weights=weights, x0=x0, scaling=scaling, load=load
            )
            _inject_couplings(b, states, a - np.diag(own), scaling, "a[post, pre]")
    return states, g_in


def _rails(
    b: CircuitBuilder, model: Linear, topology: Topology, scaling: Scaling
) -> tuple[Relaxation, Matrix]:
    """Resistors from rails, with states scaled one by one where that makes all of them positive."""
    a, weights = model.a, linear_weights(model, scaling)
    own = np.diag(a)
    resistive = topology.inputs == "resistor"
    swing = 1.0 / state_scales(a, _input_matrix(model) if resistive else None)
    per_volt = (amperes_per_rate("rc", weights, scaling) / scaling.volts_per_unit)[:, None]
    g = per_volt * (a - np.diag(own)) * swing[:, None] / swing
    g_in = per_volt * _input_matrix(model) * swing[:, None]
    states = relaxation(
        b,
        form="rc",
        rate=-own,
        weights=weights,
        x0=model.initial_state * swing,
        scaling=scaling,
        load=coupling_load(topology, g) + input_load(topology, g_in),
    )
    couple(
        b,
        topology,
        stem="a",
        meaning="couplings a[post, pre]",
        control=states.shown,
        out=states.drive,
        g=g,
        scaling=scaling,
    )
    scaled = None if np.all(swing == 1.0) else swing
    return Relaxation(
        shown=states.shown,
        drive=states.drive,
        amperes_per_rate=states.amperes_per_rate * swing,
        swing=scaled,
    ), g_in


def _lattice(
    b: CircuitBuilder, model: Linear, topology: Topology, scaling: Scaling, inputs: Indices
) -> Relaxation:
    weights = linear_weights(model, scaling)
    per_rate = amperes_per_rate("rc", weights, scaling)
    g_in = per_rate[:, None] / scaling.volts_per_unit * _input_matrix(model)
    ports = lattice_states(b, weights=weights, x0=model.initial_state, scaling=scaling)
    y = -weights[:, None] * model.a / scaling.impedance
    lattice_conductances(b, ports, y, load=input_load(topology, g_in), impedance=scaling.impedance)
    lattice_inputs(b, ports, control=inputs, g=g_in, inputs=topology.inputs)
    if model.bias is not None:
        lattice_bias(b, ports, per_rate * model.bias)
    return Relaxation(shown=ports.shown, drive=NOWHERE, amperes_per_rate=per_rate)


def _loops(b: CircuitBuilder, model: Linear, scaling: Scaling, inputs: Indices) -> Relaxation:
    weights = linear_weights(model, scaling)
    constant: Vector = np.zeros(model.n_states) if model.bias is None else model.bias
    shown = ccvs_loops(
        b,
        rates=-model.a,
        drive=_input_matrix(model),
        constant=constant,
        inputs=inputs,
        weights=weights,
        x0=model.initial_state,
        scaling=scaling,
    )
    per_rate = amperes_per_rate("rl", weights, scaling)
    return Relaxation(shown=shown, drive=NOWHERE, amperes_per_rate=per_rate)


def _driven_loops(
    b: CircuitBuilder, model: Linear, topology: Topology, scaling: Scaling
) -> Relaxation:
    """R-L loops whose voltages are summed on nodes, with or without gyrators between loops."""
    a, weights, x0 = model.a, linear_weights(model, scaling), model.initial_state
    own = np.diag(a)
    if topology.kind == "vccs":
        states = relaxation(b, form="rl", rate=-own, weights=weights, x0=x0, scaling=scaling)
        _inject_couplings(b, states, a - np.diag(own), scaling, "a[post, pre]")
        return states
    skew = -scaling.impedance * weights[:, None] * (a - a.T) / 2  # ohm
    states = series_rl(b, rate=-own, weights=weights, x0=x0, scaling=scaling, gyrators=skew)
    # Mutual resistances: a resistor shared by two loops of a dense n-port would need
    # transformers (the mesh is not planar), so the reciprocal part is summed by pairs.
    mutual = (a + a.T) / 2 - np.diag(own)
    _inject_couplings(b, states, mutual, scaling, "symmetric part of a, in pairs")
    return states


def _inject_couplings(
    b: CircuitBuilder, states: Relaxation, rates: Matrix, scaling: Scaling, what: str
) -> None:
    inject(
        b,
        "a",
        f"couplings {what}: gm = amperes_per_rate a / volts_per_unit",
        out=states.drive,
        control=states.shown,
        gm=states.amperes_per_rate[:, None] * rates / scaling.volts_per_unit,
    )
