"""Electrical rules that equations cannot see: elements without effect.

A current that flows into a net which an ideal voltage source holds changes nothing, so no
comparison of equations notices when it is wrong. No correct netlist has one, unless that
source's own current is sensed.
"""

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
    return [
        f"{row[0]} drives a net that {held[node]} holds"
        for row in (*netlist.g, *netlist.f, *netlist.i)
        for node in (row[1], row[2])
        if node in held
    ]


def _voltage_sources(netlist: Netlist) -> list[tuple[str, int, int]]:
    rows = [*netlist.v, *netlist.e, *netlist.h, *(b for b in netlist.b if b[3] == "v")]
    return [(row[0], row[1], row[2]) for row in rows]
