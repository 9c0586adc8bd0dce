"""A netlist as its map says it must be read: at realistic levels with ideal parts and supplies."""

from rnn2circuit.statemap import NetlistMap
from rnn2circuit.verify.netlist import Netlist, read_netlist
from rnn2circuit.verify.parts import IDEAL_PARTS, place, supply


def read_circuit(text: str, record: NetlistMap) -> Netlist:
    """The elements of a netlist; see `netlist.read_netlist` and `parts`.

    Raises
    ------
    UnverifiableError
        If something is not understood exactly.
    """
    if record.level == "ideal":
        return read_netlist(text, subckt=record.subckt)
    netlist = read_netlist(text, subckt=record.subckt, known=IDEAL_PARTS, place=place)
    supply(netlist, {m.port: m.voltage for m in record.state_map.supplies})
    return netlist
