"""What the equations of ideal parts cannot see: supplies, arguments, definitions, values.

An ideal op-amp works without supplies, has no offset, and is content with any resistor. A board
whose op-amp hangs between the wrong rails has the right equations and does not work; one whose
op-amp is defined otherwise may do, as long as a run stays where the definitions agree.
"""

import hashlib
import math
from typing import cast

from rnn2circuit.devices.eseries import Series, decade
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.statemap import NetlistMap
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.lines import logical_lines
from rnn2circuit.verify.netlist import Netlist
from rnn2circuit.verify.parts import IDEAL_PARTS
from rnn2circuit.verify.reading import read_circuit

ID, TITLE = (
    "structure.parts",
    "parts at wrong supplies, with errors of their own, or of other values",
)
SAME = 1e-9  # relative: a preferred value as written
SHOWN = 4  # findings in the detail


def check_assembly(text: str, record: NetlistMap) -> Check:
    """Number of parts of a realistic level that the equations would not tell from right ones.

    Raises
    ------
    UsageError
        If the map names a series that there is not.
    """
    try:
        netlist = read_circuit(text, record)
    except UnverifiableError as error:
        return Check(id=ID, title=TITLE, verdict=Verdict.UNVERIFIABLE, limit=0, detail=str(error))
    found = [*_supplies(netlist, record), *_arguments(netlist), *_other_values(netlist, record)]
    if not found and definitions_sha256(text) != record.parts_sha256:
        detail = (
            "the definitions of the parts are not those that the map was written with: nothing is "
            "known of them but this run's waveforms; compile with --technology for other parts"
        )
        return Check(id=ID, title=TITLE, verdict=Verdict.UNVERIFIABLE, limit=0, detail=detail)
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return measured(ID, TITLE, len(found), 0, detail="; ".join([*found[:SHOWN], *more]))


def definitions_sha256(text: str) -> str:
    """SHA-256 of all lines that define a known part, wherever they stand.

    Raises
    ------
    UnverifiableError
        If a comment is a command, or a continuation continues nothing.
    """
    within: list[str] = []
    kept: list[str] = []
    for _, line in logical_lines(text):
        card, *fields = line.split()
        if card == ".subckt":
            within += fields[:1]
        if not IDEAL_PARTS.isdisjoint(within):
            kept.append(" ".join([card, *fields]))
        if card == ".ends" and within:
            within.pop()
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _supplies(netlist: Netlist, record: NetlistMap) -> list[str]:
    """Sentences on parts whose last two pins are not the highest and the lowest supply."""
    supplies = sorted(record.state_map.supplies, key=lambda supply: supply.voltage)
    if not supplies:
        return []
    right = (supplies[-1].port, supplies[0].port)
    return [
        f"{name} has its supply pins at {' '.join(pins)}, expected {' '.join(right)}"
        for name, pins, _ in netlist.parts
        if pins != right
    ]


def _arguments(netlist: Netlist) -> list[str]:
    """Sentences on parts that are given an error, which the ideal part has not."""
    return [
        f"{name} is given {' '.join(given)}, an error that the equations leave out"
        for name, _, given in netlist.parts
        if given
    ]


def _other_values(netlist: Netlist, record: NetlistMap) -> list[str]:
    """Sentences on resistors that are not of the series which the map names."""
    if not record.preferred:
        return []
    values = decade(cast(Series, record.preferred))  # which refuses what is none
    return [
        f"{name} is {ohm!r} ohm, which is not of {record.preferred}"
        for name, _, _, ohm in netlist.r
        if not any(math.isclose(_mantissa(ohm), value, rel_tol=SAME) for value in values)
    ]


def _mantissa(value: float) -> float:
    """The number from 1 to 10 that a value begins with."""
    return float(f"{abs(value):.15e}".partition("e")[0])
