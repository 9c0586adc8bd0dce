"""Electrical rules that equations cannot see: elements without effect, and missing ones.

A current that flows into a net which an ideal voltage source holds changes nothing, so no
comparison of equations notices when it is wrong. No correct netlist has one, unless that
source's own current is sensed, or the current is one half of a gyrator: that is what the circuit
draws from an input it is coupled to without loss.
"""

from collections import Counter
from collections.abc import Sequence

from rnn2circuit.verify.netlist import GROUND, Netlist


def idle_currents(netlist: Netlist, *, inputs: Sequence[str]) -> list[str]:
    """Sentences on G, F and I elements with a terminal on a net held by an unsensed source."""
    held = {netlist.nodes[port]: f"input {port}" for port in inputs if port in netlist.nodes}
    sensed = {row[3] for row in (*netlist.f, *netlist.h)}
    expressions = " ".join(row[4] for row in netlist.b)
    for name, p, n, *_ in _voltage_sources(netlist):
        if name not in sensed and f"i({name})" not in expressions:
            held |= {node: name for node in (p, n) if node != GROUND}
    # Behind an ammeter a net is held as firmly, but its current is read.
    idle = [
        (row, node)
        for row in (*netlist.g, *netlist.f, *netlist.i)
        for node in (row[1], row[2])
        if node in held
    ]
    # Each half needs one of its own: a second copy of it draws a current that nothing answers.
    halves = Counter[tuple[int | float, ...]](row[1:] for row in netlist.g if idle)
    return [
        f"{row[0]} drives a net that {held[node]} holds"
        for row, node in idle
        if not (len(row) == 6 and halves[_other_half(row)] >= halves[row[1:]])
    ]


def lone_halves(netlist: Netlist, *, inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Sentences on halves of gyrators at an input whose other half is missing.

    Where inputs are coupled by gyrators, their halves are called ``NAME_f`` and ``NAME_r``. What
    has no such name only senses an input: a readout, which drives `outputs`, or the gate of a
    synapse.
    """
    driven = {netlist.nodes[port] for port in inputs if port in netlist.nodes}
    read = {netlist.nodes[port] for port in outputs if port in netlist.nodes}
    present = {row[1:] for row in netlist.g}
    return [
        f"{row[0]} senses an input, and nothing draws the current of the gyrator's other half"
        for row in netlist.g
        if row[0].endswith("_f")
        and driven & {row[3], row[4]}
        and not read & {row[1], row[2]}
        and _other_half(row) not in present
    ]


def _other_half(row: tuple[str, int, int, int, int, float]) -> tuple[int | float, ...]:
    """The transconductance that makes a gyrator of this one: ports exchanged, sign reversed."""
    _, p, n, control_p, control_n, gm = row
    return control_p, control_n, p, n, -gm


def _voltage_sources(netlist: Netlist) -> list[tuple[str, int, int]]:
    rows = [*netlist.v, *netlist.e, *netlist.h, *(b for b in netlist.b if b[3] == "v")]
    return [(row[0], row[1], row[2]) for row in rows]
