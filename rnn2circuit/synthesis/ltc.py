"""LTC: logistic gates, conductance sums on nodes, one multiplier per neuron."""

from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Resistors, Transconductances
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, positions
from rnn2circuit.models import Ltc
from rnn2circuit.synthesis.blocks import bias, inject, products
from rnn2circuit.synthesis.gates import open_gates
from rnn2circuit.synthesis.relaxation import Relaxation, gap_resistors, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Synapses:
    """Chemical synapses that exist, one row each: from the states or from the inputs."""

    post: Indices
    pre: Indices
    g: Vector
    slope: Vector
    offset: Vector
    e_rev: Vector


def realize_ltc(
    b: CircuitBuilder,
    model: Ltc,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``c_m x' = g_leak (e_leak - x) + Σ g q (e_rev - x) + gap`` with gates ``q = logistic(z)``.

    The synaptic current is split into ``Σ (g e_rev) q``, which transconductances carry straight
    to the state, and ``x Σ g q``, whose sum stands on a node and meets x in one multiplier. So
    every weight is a linear element, and the only nonlinear sources are one gate per distinct
    (presynaptic net, slope, offset) and one product per neuron. Where slope and offset depend
    on the presynaptic neuron alone, that is n gates.
    """
    gap = np.zeros((model.n_states,) * 2) if model.g_gap is None else model.g_gap.copy()
    np.fill_diagonal(gap, 0.0)  # a junction of a neuron with itself carries no current
    resistive_gap = form == "rc" and coupling.kind == "gyrator"
    rate = model.g_leak / model.c_m
    if not resistive_gap:
        rate = rate + gap.sum(axis=1) / model.c_m
    states = relaxation(
        b,
        form=form,
        rate=rate,
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    per_unit = states.amperes_per_rate / model.c_m  # A per unit of model current, all equal
    bias(
        b,
        "eleak",
        "leak potentials: e_leak g_leak",
        out=states.drive,
        current=per_unit * model.g_leak * model.e_leak,
    )
    if resistive_gap:
        gap_resistors(b, states, gap * float(per_unit[0]) / scaling.volts_per_unit)
    else:
        inject(
            b,
            "gap",
            "gap junctions g_gap[post, pre]; their own-voltage part is in the leak",
            out=states.drive,
            control=states.shown,
            gm=per_unit[:, None] * gap / scaling.volts_per_unit,
        )
    _chemical(b, model, states, inputs, scaling, per_unit)
    return states


def _chemical(
    b: CircuitBuilder,
    model: Ltc,
    states: Relaxation,
    inputs: Indices,
    scaling: Scaling,
    per_unit: Vector,
) -> None:
    groups = [
        ("", states.shown, _existing(model.g_syn, model.slope, model.offset, model.e_rev)),
        ("in", inputs, _input_synapses(model)),
    ]
    groups = [(tag, pre, syn) for tag, pre, syn in groups if syn.g.size]
    if not groups:
        return
    total = sum(np.bincount(syn.post, syn.g, minlength=model.n_states) for _, _, syn in groups)
    open_posts = np.flatnonzero(total)
    # A decade of conductance units per volt keeps the sums within about one volt.
    volts_per_g = 10.0 ** -np.ceil(np.log10(float(np.max(total))))
    density = np.full(model.n_states, GROUND)
    density[open_posts] = [b.net(f"d{k + 1}") for k in open_posts]
    b.add(
        Resistors(
            stem="sumd",
            index=open_posts[:, None] + 1,
            meaning="sum resistors of the nets d: total synaptic conductance of each neuron",
            p=density[open_posts],
            n=np.full(open_posts.size, GROUND),
            resistance=np.full(open_posts.size, scaling.impedance),
        )
    )
    for tag, pre, syn in groups:
        gate = open_gates(
            b,
            tag,
            nets=pre,
            post=syn.post,
            pre=syn.pre,
            slope=syn.slope,
            offset=syn.offset,
            scaling=scaling,
        )
        order = np.lexsort((syn.post, gate))  # column-major: all elements of one gate together
        _synaptic_elements(
            b, tag, states, density, syn, gate, order, scaling, per_unit, volts_per_g
        )
    drained = products(
        b,
        "m",
        "shunting: total synaptic conductance times the state",
        a=density[open_posts],
        c=states.shown[open_posts],
    )
    gm = -per_unit[open_posts] / (volts_per_g * scaling.volts_per_unit)
    b.add(
        Transconductances(
            stem="shunt",
            index=open_posts[:, None] + 1,
            meaning="shunting currents out of the states",
            out=states.drive[open_posts],
            control=drained,
            gm=gm,
        )
    )


def _synaptic_elements(
    b: CircuitBuilder,
    tag: str,
    states: Relaxation,
    density: Indices,
    syn: Synapses,
    gate: Indices,
    order: Indices,
    scaling: Scaling,
    per_unit: Vector,
    volts_per_g: float,
) -> None:
    """The two linear elements of each synapse, controlled by its gate."""
    b.add(
        Transconductances(
            stem=f"g{tag}",
            index=positions(syn.post[order], syn.pre[order]),
            meaning=f"synapse conductances g_syn{'_in' if tag else ''}[post, pre], onto the sums d",
            out=density[syn.post[order]],
            control=gate[order],
            gm=syn.g[order] * volts_per_g / scaling.impedance,
        )
    )
    driven = order[syn.e_rev[order] != 0]
    if driven.size:
        b.add(
            Transconductances(
                stem=f"e{tag}",
                index=positions(syn.post[driven], syn.pre[driven]),
                meaning="synaptic drive: conductance times reversal potential, into the states",
                out=states.drive[syn.post[driven]],
                control=gate[driven],
                gm=per_unit[syn.post[driven]] * syn.g[driven] * syn.e_rev[driven],
            )
        )


def _existing(g: Matrix, slope: Matrix, offset: Matrix, e_rev: Matrix) -> Synapses:
    post, pre = np.nonzero(g)
    at = (post, pre)
    return Synapses(
        post=post, pre=pre, g=g[at], slope=slope[at], offset=offset[at], e_rev=e_rev[at]
    )


def _input_synapses(model: Ltc) -> Synapses:
    if (
        model.g_syn_in is None
        or model.slope_in is None
        or model.offset_in is None
        or model.e_rev_in is None
    ):
        none = np.zeros((model.n_states, 0))
        return _existing(none, none, none, none)
    return _existing(model.g_syn_in, model.slope_in, model.offset_in, model.e_rev_in)
