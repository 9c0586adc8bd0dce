"""LRC with a true variable capacitor: the saturated currents flow into C = C0 / ε."""

import numpy as np

from rnn2circuit.arrays import Indices
from rnn2circuit.circuit.banks import VariableCapacitors
from rnn2circuit.circuit.circuit import CircuitBuilder, counting
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.lrc import Lrc
from rnn2circuit.synthesis.blocks import Signal, combine, copies, stages
from rnn2circuit.synthesis.relaxation import Relaxation
from rnn2circuit.synthesis.saturated import elastance_argument, saturated_rate
from rnn2circuit.synthesis.scaling import Form, Scaling, time_weights
from rnn2circuit.synthesis.topology import Topology


def realize_liquid(
    b: CircuitBuilder,
    model: AbstractModel,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    """``(C0 / ε(w)) v' = i`` with the saturated currents i.

    Asymmetric, ``1/ε = 1 + exp(-w)``. Symmetric, ``1/ε = coth(k) (1 + cosh(w) / cosh(k))``. Both
    are a fixed capacitor with a liquid one in parallel whose value is a sum of exponentials, so
    that nothing is divided by an elastance that vanishes.

    Raises
    ------
    NotRealizableError
        If the family has no liquid capacitance, the form is rl, or an elastance is zero.
    """
    if not isinstance(model, Lrc):
        raise NotRealizableError(
            f"a variable capacitance belongs to the family 'lrc'; {model.family!r} has none"
        )
    if form != "rc":
        raise NotRealizableError(
            "a variable capacitance exists in form 'rc' only: its dual is a variable inductor, "
            "which no one builds; use capacitance 'fixed' in form 'rl'"
        )
    n, k = model.n_states, model.k_elast
    if k is not None and not bool(np.all(k > 0)):
        where = int(np.argmin(k > 0))
        raise NotRealizableError(
            f"k_elast[{where}] = 0 makes the elastance zero and the capacitor infinite; use "
            "capacitance 'fixed'"
        )
    x = b.nets("x", n)
    w = elastance_argument(b, model, shown=x, inputs=inputs, coupling=coupling, scaling=scaling)
    weights = time_weights(model)
    fixed = scaling.seconds_per_unit / scaling.impedance * weights
    b.add(
        VariableCapacitors(
            stem="state",
            index=counting(n),
            meaning="state capacitors: C = (seconds_per_unit / impedance) k / elastance",
            p=x,
            sense=b.nets("sc", n),
            control=_liquid_part(b, w, model, scaling),
            capacitance=fixed if k is None else fixed / np.tanh(k),
            v_initial=scaling.volts_per_unit * model.initial_state,
        )
    )
    per_rate = scaling.volts_per_unit / scaling.impedance * weights
    saturated_rate(b, model, shown=x, inputs=inputs, out=x, per_unit=per_rate, scaling=scaling)
    return Relaxation(shown=x, drive=x, amperes_per_rate=per_rate)


def _liquid_part(b: CircuitBuilder, w: Indices, model: Lrc, scaling: Scaling) -> Indices:
    """Nets with ``exp(-w)``, or ``cosh(w) / cosh(k)`` of the symmetric elastance."""
    every = np.ones(len(w), dtype=bool)
    minus = copies(b, "nw", "minus the elastance's argument", control=w, gain=-1.0, used=every)

    def exponential(prefix: str, control: Indices) -> Indices:
        meaning = f"exp of {'minus ' if prefix == 'ca' else ''}the elastance's argument"
        return stages(b, prefix, meaning, control=control, activation="exp", used=every)

    falling = exponential("ca", minus)
    if model.k_elast is None:
        return falling
    # 1 / (2 cosh k), without overflow for wide windows.
    half = np.exp(-model.k_elast) / (1.0 + np.exp(-2.0 * model.k_elast))
    both = ((Signal(nets=falling), half), (Signal(nets=exponential("cb", w)), half))
    return combine(b, "cl", *both, scaling=scaling).nets
