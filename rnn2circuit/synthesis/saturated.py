"""STC and LRC: saturated synaptic sums, and for LRC the elastance as a multiplier."""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Transconductances
from rnn2circuit.circuit.circuit import CircuitBuilder, positions
from rnn2circuit.models.lrc import AbstractLrc, Lrc
from rnn2circuit.models.stc import AbstractSaturated, Stc
from rnn2circuit.synthesis.blocks import bias, inject, products, stages, sum_nodes
from rnn2circuit.synthesis.gates import open_gates
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.sums import Term, affine_sum
from rnn2circuit.synthesis.topology import Topology


def realize_saturated(
    b: CircuitBuilder,
    model: Stc | Lrc,
    *,
    form: Form,
    coupling: Topology,
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
    if isinstance(model, Stc):
        saturated_rate(
            b,
            model,
            shown=states.shown,
            inputs=inputs,
            out=states.drive,
            per_unit=states.amperes_per_rate,
            scaling=scaling,
        )
        return states
    product = elastic_rate(
        b, model, shown=states.shown, inputs=inputs, coupling=coupling, scaling=scaling
    )
    inject(
        b,
        "drive",
        "into the states: gm = amperes_per_rate / volts_per_unit",
        out=states.drive,
        control=product,
        gm=np.diag(states.amperes_per_rate / scaling.volts_per_unit),
    )
    return states


def saturated_rate(
    b: CircuitBuilder,
    model: AbstractSaturated,
    *,
    shown: Indices,
    inputs: Indices,
    out: Indices,
    per_unit: Vector,
    scaling: Scaling,
    tag: str = "",
) -> None:
    """Currents ``per_unit (-logistic(f) x + tanh(k) e_leak)`` into the nets `out`."""
    n = model.n_states
    f, k = _synaptic_sums(b, model, shown, inputs, scaling, tag)
    every = np.ones(n, dtype=bool)
    leak = stages(b, f"{tag}sf", "logistic of f", control=f, activation="logistic", used=every)
    pull = stages(b, f"{tag}sk", "tanh of k", control=k, activation="tanh", used=every)
    leaking = products(b, f"{tag}m", "logistic(f) times the state", a=leak, c=shown)
    inject(
        b,
        f"{tag}leaky",
        "leak currents",
        out=out,
        control=leaking,
        gm=-np.diag(per_unit / scaling.volts_per_unit),
    )
    inject(
        b,
        f"{tag}pull",
        "drives: e_leak",
        out=out,
        control=pull,
        gm=np.diag(per_unit * model.e_leak),
    )


def elastic_rate(
    b: CircuitBuilder,
    model: AbstractLrc,
    *,
    shown: Indices,
    inputs: Indices,
    coupling: Topology,
    scaling: Scaling,
    tag: str = "",
) -> Indices:
    """Nets with ``ε(w)∘(-logistic(f) x + tanh(k) e_leak)`` at `volts_per_unit`."""
    n = model.n_states
    rate = sum_nodes(b, f"{tag}r", n, scaling)
    saturated_rate(
        b,
        model,
        shown=shown,
        inputs=inputs,
        out=rate,
        per_unit=np.full(n, scaling.volts_per_unit / scaling.impedance),
        scaling=scaling,
        tag=tag,
    )
    elastance = elastances(
        b, model, shown=shown, inputs=inputs, coupling=coupling, scaling=scaling, tag=tag
    )
    return products(b, f"{tag}ep", "elastance times rate", a=elastance, c=rate)


def _synaptic_sums(
    b: CircuitBuilder,
    model: AbstractSaturated,
    shown: Indices,
    inputs: Indices,
    scaling: Scaling,
    prefix: str,
) -> tuple[Indices, Indices]:
    """The nets of f and k, with their synapses and leaks."""
    n = model.n_states
    f, k = sum_nodes(b, f"{prefix}f", n, scaling), sum_nodes(b, f"{prefix}k", n, scaling)
    for stem, nodes in ((f"{prefix}gleakf", f), (f"{prefix}gleakk", k)):
        bias(b, stem, "leak conductances", out=nodes, current=model.g_leak / scaling.impedance)
    own = (model.g_syn, model.k_syn, model.slope, model.offset)
    for tag, nets, (g, drive, slope, offset) in (
        (prefix, shown, own),
        (f"{prefix}in", inputs, model.input_synapses()),
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


def elastances(
    b: CircuitBuilder,
    model: AbstractLrc,
    *,
    shown: Indices,
    inputs: Indices,
    coupling: Topology,
    scaling: Scaling,
    tag: str = "",
) -> Indices:
    """Nets with ε(w) at 1 V per unit."""
    w = elastance_argument(
        b, model, shown=shown, inputs=inputs, coupling=coupling, scaling=scaling, tag=tag
    )
    if model.k_elast is None:
        every = np.ones(model.n_states, dtype=bool)
        return stages(b, f"{tag}ew", "elastances", control=w, activation="logistic", used=every)
    return _window(b, w, model.k_elast, scaling, tag)


def elastance_argument(
    b: CircuitBuilder,
    model: AbstractLrc,
    *,
    shown: Indices,
    inputs: Indices,
    coupling: Topology,
    scaling: Scaling,
    tag: str = "",
) -> Indices:
    """Nets with ``w = W_e x + W_e_in u + b_elast`` at 1 V per unit."""
    volts = scaling.volts_per_unit
    recurrent = Term(
        stem=f"{tag}we",
        meaning="elastance weights w_elast[post, pre]",
        control=shown,
        volts_per_unit=volts,
        matrix=model.w_elast,
    )
    outer = Term(
        stem=f"{tag}wein",
        meaning="elastance weights w_elast_in[post, input]",
        control=inputs,
        volts_per_unit=volts,
        matrix=model.w_elast_in,
    )
    return affine_sum(
        b,
        f"{tag}w",
        recurrent=recurrent,
        inputs=outer,
        constant=model.b_elast,
        coupling=coupling,
        scaling=scaling,
    )


def _window(b: CircuitBuilder, w: Indices, half: Vector, scaling: Scaling, tag: str) -> Indices:
    """``logistic(w + k) - logistic(w - k)``: two shifted stages and their difference."""
    n = len(w)
    every = np.ones(n, dtype=bool)
    difference = sum_nodes(b, f"{tag}ed", n, scaling)
    for prefix, sign in ((f"{tag}eu", 1.0), (f"{tag}el", -1.0)):
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
