"""STC and LRC: saturated synaptic sums, and for LRC the elastance as a multiplier."""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix
from rnn2circuit.circuit.banks import Transconductances
from rnn2circuit.circuit.circuit import CircuitBuilder, positions
from rnn2circuit.models.lrc import Lrc
from rnn2circuit.models.stc import Stc
from rnn2circuit.synthesis.blocks import bias, inject, products, stages, sum_nodes
from rnn2circuit.synthesis.gates import open_gates
from rnn2circuit.synthesis.nport import Coupling, Term, affine_sum
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights


def realize_saturated(
    b: CircuitBuilder,
    model: Stc | Lrc,
    *,
    form: Form,
    coupling: Coupling,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``x' = -logistic(f) x + tanh(k) e_leak``, for LRC multiplied by ε(w).

    f and k stand on sum nodes at 1 V per unit, fed by the gates of the synapses. The liquid
    capacitance is realized as the elastance multiplying the current into a fixed storage
    element: that is ``C dv/dt = ε i``, the published equation, and not ``d(C v)/dt``.
    """
    n = model.n_states
    states = relaxation(
        b,
        form=form,
        rate=np.zeros(n),
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    f, k = _synaptic_sums(b, model, states, inputs, scaling)
    every = np.ones(n, dtype=bool)
    leak = stages(b, "sf", "logistic of f", control=f, activation="logistic", used=every)
    pull = stages(b, "sk", "tanh of k", control=k, activation="tanh", used=every)
    leaking = products(b, "m", "logistic(f) times the state", a=leak, c=states.shown)
    if isinstance(model, Stc):
        out, per_unit = states.drive, states.amperes_per_rate
    else:
        out = sum_nodes(b, "r", n, scaling)
        per_unit = np.full(n, scaling.volts_per_unit / scaling.impedance)
    inject(
        b,
        "leaky",
        "leak currents",
        out=out,
        control=leaking,
        gm=-np.diag(per_unit / scaling.volts_per_unit),
    )
    inject(b, "pull", "drives: e_leak", out=out, control=pull, gm=np.diag(per_unit * model.e_leak))
    if isinstance(model, Lrc):
        _through_elastance(b, model, states, out, coupling, scaling, inputs)
    return states


def _synaptic_sums(
    b: CircuitBuilder, model: Stc | Lrc, states: Relaxation, inputs: Indices, scaling: Scaling
) -> tuple[Indices, Indices]:
    """The nets of f and k, with their synapses and leaks."""
    n = model.n_states
    f, k = sum_nodes(b, "f", n, scaling), sum_nodes(b, "k", n, scaling)
    for stem, nodes in (("gleakf", f), ("gleakk", k)):
        bias(b, stem, "leak conductances", out=nodes, current=model.g_leak / scaling.impedance)
    own = (model.g_syn, model.k_syn, model.slope, model.offset)
    for tag, nets, (g, drive, slope, offset) in (
        ("", states.shown, own),
        ("in", inputs, model.input_synapses()),
    ):
        post, pre = np.nonzero((g != 0) | (drive != 0))
        at = (post, pre)
        gate = open_gates(
            b,
            tag,
            nets=nets,
            post=post,
            pre=pre,
            slope=slope[at],
            offset=offset[at],
            scaling=scaling,
        )
        order = np.lexsort((post, gate))  # column-major: all elements of one gate together
        for stem, nodes, weight in ((f"g{tag}", f, g), (f"k{tag}", k, drive)):
            _weights(b, stem, nodes, post[order], pre[order], gate[order], weight, scaling)
    return f, k


def _weights(
    b: CircuitBuilder,
    stem: str,
    nodes: Indices,
    post: Indices,
    pre: Indices,
    gate: Indices,
    weight: Matrix,
    scaling: Scaling,
) -> None:
    keep = np.flatnonzero(weight[post, pre])
    if keep.size:
        b.add(
            Transconductances(
                stem=stem,
                index=positions(post[keep], pre[keep]),
                meaning=f"synapses {stem}[post, pre]: gm = weight / impedance",
                out=nodes[post[keep]],
                control=gate[keep],
                gm=weight[post, pre][keep] / scaling.impedance,
            )
        )


def _through_elastance(
    b: CircuitBuilder,
    model: Lrc,
    states: Relaxation,
    rate: Indices,
    coupling: Coupling,
    scaling: Scaling,
    inputs: Indices,
) -> None:
    """Drive the states with the elastance times the voltages of the nets `rate`."""
    n = model.n_states
    every = np.ones(n, dtype=bool)
    volts = scaling.volts_per_unit
    recurrent = Term(
        stem="we",
        meaning="elastance weights w_elast[post, pre]",
        control=states.shown,
        volts_per_unit=volts,
        matrix=model.w_elast,
    )
    outer = Term(
        stem="wein",
        meaning="elastance weights w_elast_in[post, input]",
        control=inputs,
        volts_per_unit=volts,
        matrix=model.w_elast_in,
    )
    w = affine_sum(
        b,
        "w",
        recurrent=recurrent,
        inputs=outer,
        constant=model.b_elast,
        coupling=coupling,
        scaling=scaling,
    )
    if model.k_elast is None:
        elastance = stages(b, "ew", "elastances", control=w, activation="logistic", used=every)
    else:
        elastance = _window(b, w, model.k_elast, scaling)
    product = products(b, "ep", "elastance times rate", a=elastance, c=rate)
    inject(
        b,
        "drive",
        "into the states: gm = amperes_per_rate / volts_per_unit",
        out=states.drive,
        control=product,
        gm=np.diag(states.amperes_per_rate / volts),
    )


def _window(b: CircuitBuilder, w: Indices, half: Matrix, scaling: Scaling) -> Indices:
    """``logistic(w + k) - logistic(w - k)``: two shifted stages and their difference."""
    n = len(w)
    every = np.ones(n, dtype=bool)
    difference = sum_nodes(b, "ed", n, scaling)
    for prefix, sign in (("eu", 1.0), ("el", -1.0)):
        shifted = sum_nodes(b, f"{prefix}z", n, scaling)
        inject(
            b,
            f"{prefix}w",
            "the elastance's argument",
            out=shifted,
            control=w,
            gm=np.eye(n) / scaling.impedance,
        )
        bias(
            b,
            f"{prefix}k",
            "shifted by k_elast",
            out=shifted,
            current=sign * half / scaling.impedance,
        )
        edge = stages(
            b, prefix, "edge of the elastance", control=shifted, activation="logistic", used=every
        )
        inject(
            b,
            f"{prefix}d",
            "edges, added and subtracted",
            out=difference,
            control=edge,
            gm=sign * np.eye(n) / scaling.impedance,
        )
    return difference
