"""Hodgkin-Huxley membranes: rates are stages, gates are states, channels are products."""

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models.gated import RATE_FUNCTIONS, HodgkinHuxley
from rnn2circuit.synthesis.blocks import bias, copies, inject, products, stages, sum_nodes
from rnn2circuit.synthesis.relaxation import Relaxation, gap_resistors, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.topology import Topology

GATES = ("n", "m", "h")


def realize_hodgkin_huxley(
    b: CircuitBuilder,
    model: HodgkinHuxley,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``c_m V' = Σ g q (e - V) + ..`` with ``q = n⁴`` or ``m³h``; ``z' = α(V) - (α(V) + β(V)) z``.

    As in an LTC, the channel current is split into ``Σ (g e) q``, which goes straight to the
    membrane, and ``V Σ g q``, whose sum stands on a node and meets V in one multiplier. Gap
    junctions are resistors where the form is rc and the coupling gyrator.
    """
    count = model.n_membranes
    gap = model.junctions
    resistive_gap = form == "rc" and coupling.kind == "gyrator"
    leak = model.g_leak if resistive_gap else model.g_leak + gap.sum(axis=1)
    states = relaxation(
        b,
        form=form,
        rate=np.concatenate([leak / model.c_m, np.zeros(3 * count)]),
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    membrane, shown = states.drive[:count], states.shown[:count]
    # A per uA/cm2, equal for all membranes: their capacitors are in proportion to c_m.
    per_current = states.amperes_per_rate[:count] / model.c_m
    constant = model.g_leak * model.e_leak
    if model.bias is not None:
        constant = constant + model.bias
    bias(
        b,
        "eleak",
        "leak potentials, e_leak g_leak, and constant currents",
        out=membrane,
        current=per_current * constant,
    )
    if model.w_in is not None:
        gm = per_current[:, None] * model.w_in / scaling.volts_per_unit
        inject(b, "win", "input currents w_in[post, input]", out=membrane, control=inputs, gm=gm)
    if resistive_gap:
        gap_resistors(b, states, gap * float(per_current[0]) / scaling.volts_per_unit)
    else:
        inject(
            b,
            "gap",
            "gap junctions g_gap[post, pre]; their own-voltage part is in the leak",
            out=membrane,
            control=shown,
            gm=per_current[:, None] * gap / scaling.volts_per_unit,
        )
    _gates(b, model, states, scaling)
    _channels(b, model, states, scaling, per_current)
    return states


def _gates(b: CircuitBuilder, model: HodgkinHuxley, states: Relaxation, scaling: Scaling) -> None:
    """``z' = α - (α + β) z`` for each gate, its rates at 1 V per 1/ms of amplitude 1."""
    count, volts = model.n_membranes, scaling.volts_per_unit
    rates = [_rate(b, model, states.shown[:count], k, scaling) for k in range(len(RATE_FUNCTIONS))]
    for k, gate in enumerate(GATES):
        own = slice((k + 1) * count, (k + 2) * count)
        drive, per_rate = states.drive[own], states.amperes_per_rate[own]
        total = sum_nodes(b, f"t{gate}", count, scaling)
        for letter, net, amplitude in zip(
            "ab", rates[2 * k : 2 * k + 2], model.rates[2 * k : 2 * k + 2, 0], strict=True
        ):
            inject(
                b,
                f"{letter}{gate}t",
                f"rate {'alpha' if letter == 'a' else 'beta'}_{gate}, into the sum of both",
                out=total,
                control=net,
                gm=np.eye(count) * amplitude / scaling.impedance,
            )
        inject(
            b,
            f"open{gate}",
            f"opening of the gates {gate}: alpha",
            out=drive,
            control=rates[2 * k],
            gm=np.diag(per_rate * model.rates[2 * k, 0]),
        )
        relaxing = products(b, f"k{gate}", f"(alpha + beta) {gate}", a=total, c=states.shown[own])
        inject(
            b,
            f"relax{gate}",
            f"relaxation of the gates {gate}",
            out=drive,
            control=relaxing,
            gm=-np.diag(per_rate / volts),
        )


def _rate(
    b: CircuitBuilder, model: HodgkinHuxley, membranes: Indices, k: int, scaling: Scaling
) -> Indices:
    """Nets with ``σ((V - v) / s)`` of rate k, without its amplitude."""
    count = len(membranes)
    _, middle, width = model.rates[k]
    name = f"{'ab'[k % 2]}{GATES[k // 2]}"
    argument = sum_nodes(b, f"z{name}", count, scaling)
    inject(
        b,
        f"w{name}",
        "slope of a rate: gm = 1 / (width impedance volts_per_unit)",
        out=argument,
        control=membranes,
        gm=np.eye(count) / (width * scaling.impedance * scaling.volts_per_unit),
    )
    bias(
        b,
        f"v{name}",
        "midpoint of a rate: -midpoint / (width impedance)",
        out=argument,
        current=np.full(count, -middle / (width * scaling.impedance)),
    )
    return stages(
        b,
        f"s{name}",
        f"{RATE_FUNCTIONS[k]} of the rate's argument",
        control=argument,
        activation=RATE_FUNCTIONS[k],
        used=np.ones(count, dtype=bool),
    )


def _channels(
    b: CircuitBuilder,
    model: HodgkinHuxley,
    states: Relaxation,
    scaling: Scaling,
    per_current: Vector,
) -> None:
    """Channel currents ``Σ g q (e - V)`` with q = n⁴ of potassium and m³h of sodium."""
    count, volts = model.n_membranes, scaling.volts_per_unit
    every = np.ones(count, dtype=bool)
    n, m, h = (
        copies(
            b,
            f"g{gate}",
            "gates at 1 V per unit",
            control=states.shown[(k + 1) * count : (k + 2) * count],
            gain=1.0 / volts,
            used=every,
        )
        for k, gate in enumerate(GATES)
    )
    n_squared = products(b, "nn", "n squared", a=n, c=n)
    potassium = products(b, "qk", "n to the fourth", a=n_squared, c=n_squared)
    m_squared = products(b, "mm", "m squared", a=m, c=m)
    m_times_h = products(b, "mh", "m h", a=m, c=h)
    sodium = products(b, "qna", "m cubed h", a=m_squared, c=m_times_h)
    largest = float(np.max(model.g_na + model.g_k))
    if largest == 0.0:
        return
    # A decade of conductance units per volt keeps the sums within about one volt.
    volts_per_g = 10.0 ** -np.ceil(np.log10(largest))
    density = sum_nodes(b, "d", count, scaling)
    for ion, net, g, e in (
        ("k", potassium, model.g_k, model.e_k),
        ("na", sodium, model.g_na, model.e_na),
    ):
        inject(
            b,
            f"g{ion}",
            f"conductance g_{ion}, onto the sums d",
            out=density,
            control=net,
            gm=np.diag(g * volts_per_g / scaling.impedance),
        )
        inject(
            b,
            f"e{ion}",
            f"drive g_{ion} e_{ion}, into the membranes",
            out=states.drive[:count],
            control=net,
            gm=np.diag(per_current * g * e),
        )
    drained = products(
        b, "m", "total channel conductance times the voltage", a=density, c=states.shown[:count]
    )
    inject(
        b,
        "shunt",
        "channel currents out of the membranes",
        out=states.drive[:count],
        control=drained,
        gm=-np.diag(per_current / (volts_per_g * volts)),
    )
