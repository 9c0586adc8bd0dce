"""The analog vocabulary: what a family's realization is written in.

Every block works on nets of a `CircuitBuilder`. A *sum node* is a net with one resistor to
ground into which currents flow, so that an n-term sum costs n linear elements and no
nonlinear one. States are in `relaxation`, couplings in `nport`, synaptic gates in `gates`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    CurrentSources,
    Products,
    Resistors,
    SigmoidStages,
    Transconductances,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.scaling import Scaling

Mask: TypeAlias = NDArray[np.bool_]  # shape (k,)

# A conductance that is zero in exact arithmetic comes out as rounding noise of the terms that
# cancel; below this many units of rounding per term it is the structural zero it should be.
CANCELLATION = 8 * np.finfo(np.float64).eps
DUST = 1e-24  # of the largest weight: nothing that is summed with it, or measured, shows it


def sum_nodes(
    b: CircuitBuilder, prefix: str, count: int, scaling: Scaling, *, used: Mask | None = None
) -> Indices:
    """Nets on which currents are summed: one resistor of the impedance level each.

    Where `used` is given and false there is no node, and the net returned is ground.
    """
    nodes, index = some_nets(b, prefix, np.ones(count, dtype=bool) if used is None else used)
    if index.size:
        b.add(
            Resistors(
                stem=f"sum{prefix}",
                index=index,
                meaning=f"sum resistors of the nets {prefix}: impedance",
                p=nodes[index[:, 0] - 1],
                n=np.full(len(index), GROUND),
                resistance=np.full(len(index), scaling.impedance),
            )
        )
    return nodes


def loaded_sum_nodes(
    b: CircuitBuilder,
    prefix: str,
    *,
    load: Vector,
    scaling: Scaling,
    used: Mask | None = None,
) -> tuple[Indices, Vector]:
    """Sum nodes to which others attach conductances `load` (S) that are part of the sum.

    The resistor to ground is what is missing to the impedance level. Where the load alone is
    more, there is none, and the voltage is low by a factor that an ideal amplifier must restore:
    so a sum of positive resistors needs no negative one.

    Returns
    -------
    nodes : ndarray, shape (k,)
        Ground where not used.
    gain : ndarray, shape (k,)
        By which the voltages must be multiplied; 1 where the sum node is as it should be.
    """
    if not np.any(load):
        return sum_nodes(b, prefix, len(load), scaling, used=used), np.ones(len(load))
    every = np.ones(len(load), dtype=bool) if used is None else used
    nodes, _ = some_nets(b, prefix, every)
    rest = 1.0 - scaling.impedance * load  # in units of 1 / impedance
    ample = rest <= CANCELLATION * (1.0 + scaling.impedance * load)
    short = np.flatnonzero(every & ~ample)
    if short.size:
        b.add(
            Resistors(
                stem=f"sum{prefix}",
                index=short[:, None] + 1,
                meaning=f"sum resistors of the nets {prefix}: what others leave of the impedance",
                p=nodes[short],
                n=np.full(short.size, GROUND),
                resistance=scaling.impedance / rest[short],
            )
        )
    return nodes, np.where(every & ample, scaling.impedance * load, 1.0)


def without_dust(b: CircuitBuilder, stem: str, weights: Matrix) -> Matrix:
    """The matrix without entries below `DUST` of its largest, and a note that says so.

    Training with decay leaves weights such as 1e-58. No simulator can hold their elements.
    """
    dust = (weights != 0) & (np.abs(weights) < DUST * np.abs(weights).max(initial=0.0))
    if not np.any(dust):
        return weights
    b.note(f"{stem}: {np.count_nonzero(dust)} weights below {DUST:g} of the largest left out")
    return np.where(dust, 0.0, weights)


def inject(
    b: CircuitBuilder, stem: str, meaning: str, *, out: Indices, control: Indices, gm: Matrix
) -> None:
    """Currents ``gm @ v(control)`` into the nets `out`: one transconductance per nonzero entry.

    Column-major order, all elements controlled by one net together: ngspice's sparse matrix
    then keeps each column contiguous, which is worth a factor of three at n = 300.
    """
    gm = without_dust(b, stem, gm)
    columns, rows = np.nonzero(gm.T)
    if rows.size:
        b.add(
            Transconductances(
                stem=stem,
                index=positions(rows, columns),
                meaning=meaning,
                out=out[rows],
                control=control[columns],
                gm=gm[rows, columns],
            )
        )


def bias(b: CircuitBuilder, stem: str, meaning: str, *, out: Indices, current: Vector) -> None:
    """Constant currents into the nets `out`, none where the value is zero."""
    where = np.flatnonzero(current)
    if where.size:
        b.add(
            CurrentSources(
                stem=stem,
                index=where[:, None] + 1,
                meaning=meaning,
                out=out[where],
                current=current[where],
            )
        )


def stages(
    b: CircuitBuilder, prefix: str, meaning: str, *, control: Indices, activation: str, used: Mask
) -> Indices:
    """One amplifier per net of `control` that is `used`: ``v(out) = σ(v(control))``, in volts.

    Returns one net per entry of `control`, ground where there is no amplifier.
    """
    out, index = some_nets(b, prefix, used)
    if index.size:
        b.add(
            SigmoidStages(
                stem=prefix,
                index=index,
                meaning=meaning,
                out=out[used],
                control=control[used],
                activation=activation,
            )
        )
    return out


def products(b: CircuitBuilder, prefix: str, meaning: str, *, a: Indices, c: Indices) -> Indices:
    """Multipliers ``v(out) = v(a) v(c) / 1 V``."""
    out = b.nets(prefix, len(a))
    b.add(Products(stem=prefix, index=counting(len(a)), meaning=meaning, out=out, a=a, b=c))
    return out


def copies(
    b: CircuitBuilder,
    prefix: str,
    meaning: str,
    *,
    control: Indices,
    gain: float | Vector,
    used: Mask,
) -> Indices:
    """Ideal amplifiers ``v(out) = gain v(control)`` where `used`; they do not load `control`.

    Returns one net per entry of `control`, ground where there is no amplifier.
    """
    out, index = some_nets(b, prefix, used)
    if index.size:
        b.add(
            VoltageAmplifiers(
                stem=prefix,
                index=index,
                meaning=meaning,
                out=out[used],
                control=control[used],
                gain=np.broadcast_to(gain, len(control))[used],
            )
        )
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """Quantities that stand on nets, one net each."""

    nets: Indices
    volts_per_unit: float = 1.0


def combine(
    b: CircuitBuilder, prefix: str, *parts: tuple[Signal, float | Vector], scaling: Scaling
) -> Signal:
    """``Σ coefficient * signal``, element by element, at 1 V per unit.

    A coefficient is one for all elements, or a vector with one for each.
    """
    count = len(parts[0][0].nets)
    nodes = sum_nodes(b, prefix, count, scaling)
    for letter, (signal, coefficient) in zip("abcd", parts, strict=False):
        inject(
            b,
            f"{prefix}{letter}",
            f"part {letter} of the sum: gm = {_spelled(coefficient)} / (impedance volts)",
            out=nodes,
            control=signal.nets,
            gm=np.eye(count) * coefficient / (scaling.impedance * signal.volts_per_unit),
        )
    return Signal(nets=nodes)


def _spelled(coefficient: float | Vector) -> str:
    return f"{coefficient:g}" if isinstance(coefficient, float) else "coefficient"


def some_nets(b: CircuitBuilder, prefix: str, used: Mask) -> tuple[Indices, Indices]:
    """Nets for the positions in use, ground for the others; and the former's index column."""
    where = np.flatnonzero(used)
    nets = np.full(len(used), GROUND)
    nets[where] = [b.net(f"{prefix}{k + 1}") for k in where]
    return nets, where[:, None] + 1


def gated_pull(
    b: CircuitBuilder,
    tag: str,
    *,
    gate: Indices,
    candidate: Indices,
    shown: Indices,
    drive: Indices,
    amperes_per_rate: Vector,
    scaling: Scaling,
) -> None:
    """``x' += gate (candidate - x)``: a difference on a sum node, and one multiplier per state.

    Gate and candidate are at 1 V per unit. `amperes_per_rate` holds the rate of each state, where
    that is not 1.
    """
    n = len(shown)
    difference = sum_nodes(b, f"d{tag}", n, scaling)
    inject(
        b,
        f"draw{tag}",
        "candidates, at volts_per_unit",
        out=difference,
        control=candidate,
        gm=np.eye(n) * scaling.volts_per_unit / scaling.impedance,
    )
    inject(
        b,
        f"back{tag}",
        "minus the states themselves",
        out=difference,
        control=shown,
        gm=-np.eye(n) / scaling.impedance,
    )
    pull = products(b, f"m{tag}", "gate times difference", a=gate, c=difference)
    inject(
        b,
        f"pull{tag}",
        "into the states: gm = amperes_per_rate / volts_per_unit",
        out=drive,
        control=pull,
        gm=np.diag(amperes_per_rate / scaling.volts_per_unit),
    )
