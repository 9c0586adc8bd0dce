"""The current form of a linear n-port with sources in series: ``L i' = -Z i + V``.

The dual of transconductances in voltage form: one loop per state, its inductor, a resistor Z_kk,
and one CCVS for every other nonzero Z_kj.
"""

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Ammeters,
    DifferenceAmplifiers,
    Inductors,
    SeriesTransresistances,
    Transresistances,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import GROUND, CircuitBuilder, counting, positions
from rnn2circuit.synthesis.blocks import bias, sum_nodes, without_dust
from rnn2circuit.synthesis.relaxation import chain, series_resistors
from rnn2circuit.synthesis.scaling import Scaling


def ccvs_loops(
    b: CircuitBuilder,
    *,
    rates: Matrix,
    drive: Matrix,
    constant: Vector,
    inputs: Indices,
    weights: Vector,
    x0: Vector,
    scaling: Scaling,
) -> Indices:
    """Loops for ``x' = -rates x + drive u + constant``; returns the nets that show the states.

    Z = impedance k rates (ohm). From ground a loop runs through its input sources, couplings,
    resistor and inductor to the ammeter whose current is the state.
    """
    n = len(weights)
    x = b.nets("x", n)
    ammeters = Ammeters(
        stem="sense",
        index=counting(n),
        meaning="state currents: 0 V sources that close the loops",
        p=b.nets("ls", n),
        n=np.full(n, GROUND),
    )
    z = scaling.impedance * weights[:, None] * rates
    # A unit of rate is amperes_per_unit through the inductance seconds_per_unit impedance k.
    volts = scaling.amperes_per_unit * scaling.impedance * weights
    top = _constant_sources(b, volts * constant, scaling)
    top = _input_sources(b, top, volts[:, None] * drive / scaling.volts_per_unit, inputs)
    top = _coupling_sources(b, top, z - np.diag(np.diag(z)), ammeters)
    b.add(
        Inductors(
            stem="state",
            index=counting(n),
            meaning="state inductors: L = seconds_per_unit impedance k",
            p=series_resistors(b, start=top, resistance=np.diag(z)),
            n=ammeters.p,
            inductance=scaling.seconds_per_unit * scaling.impedance * weights,
            i_initial=scaling.amperes_per_unit * x0,
        )
    )
    b.add(ammeters)
    b.add(
        Transresistances(
            stem="shown",
            index=counting(n),
            meaning="state currents as voltages: volts_per_unit / amperes_per_unit",
            out=x,
            ammeter=ammeters,
            resistance=np.full(n, scaling.volts_per_unit / scaling.amperes_per_unit),
        )
    )
    return x


def _constant_sources(b: CircuitBuilder, volts: Vector, scaling: Scaling) -> Indices:
    """Where the loops start: ground, or a constant voltage where there is one."""
    start = np.full(len(volts), GROUND)
    used = volts != 0
    if np.any(used):
        node = sum_nodes(b, "e", len(volts), scaling, used=used)
        bias(
            b,
            "bias",
            "constant drive: loop voltage / impedance",
            out=node,
            current=volts / scaling.impedance,
        )
        where = np.flatnonzero(used)
        start[where] = [b.net(f"la{k + 1}") for k in where]
        b.add(
            VoltageAmplifiers(
                stem="loop",
                index=where[:, None] + 1,
                meaning="constant loop voltages, copied from their nodes",
                out=start[where],
                control=node[where],
                gain=np.ones(where.size),
            )
        )
    return start


def _input_sources(b: CircuitBuilder, start: Indices, gain: Matrix, inputs: Indices) -> Indices:
    """VCVS that raise the voltage around a loop, one per nonzero input weight."""
    gain = without_dust(b, "in", gain)
    rows, columns = np.nonzero(gain)
    if not rows.size:
        return start
    p, n, end = chain(b, "li", start, rows, columns)
    b.add(
        DifferenceAmplifiers(
            stem="in",
            index=positions(rows, columns),
            meaning="input weights b[post, input] as voltages in series",
            p=n,
            n=p,
            control_p=inputs[columns],
            control_n=np.full(rows.size, GROUND),
            gain=gain[rows, columns],
        )
    )
    return end


def _coupling_sources(b: CircuitBuilder, start: Indices, z: Matrix, ammeters: Ammeters) -> Indices:
    """CCVS Z_kj that drop the voltage around loop k, one per nonzero coupling."""
    z = without_dust(b, "a", z)
    rows, columns = np.nonzero(z)
    if not rows.size:
        return start
    p, n, end = chain(b, "lh", start, rows, columns)
    b.add(
        SeriesTransresistances(
            stem="a",
            index=positions(rows, columns),
            meaning="couplings a[post, pre] as CCVS in series: Z = -impedance k a",
            p=p,
            n=n,
            ammeter=ammeters,
            listens=columns,
            resistance=z[rows, columns],
        )
    )
    return end
