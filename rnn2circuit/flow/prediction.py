"""What macromodels predict of a circuit of transistors, at the speed of level macro."""

from dataclasses import replace

from rnn2circuit.errors import UsageError
from rnn2circuit.flow.calibrate import calibrate, fitted, library
from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.levels import parts_in
from rnn2circuit.verify.equations import sha256_text


def predicted(compiled: Compiled) -> Compiled:
    """The same values with macromodels in place of transistors, fitted to what these do.

    Raises
    ------
    UsageError
        If `compiled` is not of level device.
    SimulationError, SimulationTimeout
        As `flow.calibrate.calibrate`.
    """
    if compiled.parts is None or compiled.record.level != "device":
        raise UsageError(
            f"macromodels are fitted to transistors: level device, not {compiled.record.level}"
        )
    parts = compiled.parts
    technology = fitted(parts.technology, calibrate(parts.technology, "device"))
    text = library(technology, "macro", parts_in(parts.realization.circuit))
    netlist = compiled.netlist.removesuffix(parts.library) + text
    record = replace(compiled.record, level="macro", netlist_sha256=sha256_text(netlist))
    return replace(
        compiled,
        record=record,
        netlist=netlist,
        parts=replace(parts, library=text, technology=technology),
    )
