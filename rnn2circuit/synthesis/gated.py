"""GRU-ODE and LEM: states pulled towards candidates by gates."""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.models.gru_ode import GruOde
from rnn2circuit.models.lem import Lem, LemTwoScale
from rnn2circuit.synthesis.blocks import gated_pull, inject, products, stages
from rnn2circuit.synthesis.relaxation import Relaxation, relaxation
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.sums import Term, affine_sum
from rnn2circuit.synthesis.topology import Topology


def realize_gru_ode(
    b: CircuitBuilder,
    model: GruOde,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``x' = rate∘f∘(c - x)`` with the reset before or after the matrix W_u."""
    n, volts = model.n_states, scaling.volts_per_unit
    states = relaxation(
        b,
        form=form,
        rate=np.zeros(n),
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    every = np.ones(n, dtype=bool)

    def term(stem: str, control: Indices, matrix: Matrix | None) -> Term:
        return Term(
            stem=stem,
            meaning=f"weights {stem}[post, pre]",
            control=control,
            volts_per_unit=volts,
            matrix=matrix,
        )

    gates: dict[str, Indices] = {}
    for gate, w, w_in, b_gate in (
        ("f", model.w_f, model.w_f_in, model.b_f),
        ("r", model.w_r, model.w_r_in, model.b_r),
    ):
        argument = affine_sum(
            b,
            f"z{gate}",
            recurrent=term(f"w{gate}", states.shown, w),
            inputs=term(f"w{gate}in", inputs, w_in),
            constant=b_gate,
            coupling=coupling,
            scaling=scaling,
        )
        gates[gate] = stages(
            b, f"s{gate}", f"gate {gate}", control=argument, activation="logistic", used=every
        )
    outer = term("wuin", inputs, model.w_u_in)
    if model.reset == "before":
        reset = products(b, "rx", "reset times state", a=gates["r"], c=states.shown)
        argument = affine_sum(
            b,
            "zu",
            recurrent=term("wu", reset, model.w_u),
            inputs=outer,
            constant=model.b_u,
            coupling=coupling,
            scaling=scaling,
        )
    else:
        inner = affine_sum(
            b,
            "zh",
            recurrent=term("wu", states.shown, model.w_u),
            constant=model.b_hu,
            coupling=coupling,
            scaling=scaling,
        )
        reset = products(b, "rh", "reset times inner sum", a=gates["r"], c=inner)
        through = Term(
            stem="thru",
            meaning="inner sums after the reset",
            control=reset,
            volts_per_unit=1.0,
            matrix=np.eye(n),
        )
        argument = affine_sum(
            b,
            "zu",
            recurrent=through,
            inputs=outer,
            constant=model.b_u,
            coupling=coupling.inputs_alone(),
            scaling=scaling,
        )
    candidate = stages(b, "c", "candidates", control=argument, activation="tanh", used=every)
    gated_pull(
        b,
        "",
        gate=gates["f"],
        candidate=candidate,
        shown=states.shown,
        drive=states.drive,
        amperes_per_rate=states.amperes_per_rate * model.rates,
        scaling=scaling,
    )
    return states


def realize_lem(
    b: CircuitBuilder,
    model: Lem | LemTwoScale,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """Candidates from the other population; gates that learn, or two fixed rates."""
    fixed = isinstance(model, LemTwoScale)
    states = relaxation(
        b,
        form=form,
        rate=model.rates if fixed else np.zeros(model.n_states),
        weights=time_weights(model),
        x0=model.initial_state,
        scaling=scaling,
    )
    d = model.half
    y, z = states.shown[:d], states.shown[d:]
    every = np.ones(d, dtype=bool)
    for pair, gate, own, source, rows in (
        ("y", "2", y, z, slice(0, d)),
        ("z", "1", z, y, slice(d, 2 * d)),
    ):
        argument = _pair_sum(b, model, pair, source, inputs, coupling, scaling)
        candidate = stages(
            b, f"c{pair}", f"candidates of {pair}", control=argument, activation="tanh", used=every
        )
        if isinstance(model, LemTwoScale):
            inject(
                b,
                f"draw{pair}",
                "candidates into the states: gm = amperes_per_rate tau / 1 V",
                out=states.drive[rows],
                control=candidate,
                gm=np.diag((states.amperes_per_rate * model.rates)[rows]),
            )
            continue
        gating = _pair_sum(b, model, gate, y, inputs, coupling, scaling)
        opened = stages(
            b, f"s{pair}", f"gates of {pair}", control=gating, activation="logistic", used=every
        )
        gated_pull(
            b,
            pair,
            gate=opened,
            candidate=candidate,
            shown=own,
            drive=states.drive[rows],
            amperes_per_rate=states.amperes_per_rate[rows],
            scaling=scaling,
        )
    return states


def _pair_sum(
    b: CircuitBuilder,
    model: Lem | LemTwoScale,
    suffix: str,
    source: Indices,
    inputs: Indices,
    coupling: Topology,
    scaling: Scaling,
) -> Indices:
    """``W source + V u + b`` of one pair of the model."""
    letters = {"y": "y", "z": "z", "1": "a", "2": "b"}  # digits would run into the positions
    name = letters[suffix]

    def term(kind: str, control: Indices) -> Term:
        return Term(
            stem=f"{kind}{name}",
            meaning=f"weights {kind}{suffix}[post, pre]",
            control=control,
            volts_per_unit=scaling.volts_per_unit,
            matrix=getattr(model, f"{kind}{suffix}"),
        )

    return affine_sum(
        b,
        f"z{name}",
        recurrent=term("w", source),
        inputs=term("v", inputs),
        constant=getattr(model, f"b{suffix}"),
        coupling=coupling,
        scaling=scaling,
    )
