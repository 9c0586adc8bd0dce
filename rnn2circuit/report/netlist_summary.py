"""What was compiled, for a hardware engineer: scales, element counts, ranges of values."""

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.circuit.banks import (
    ActiveGyrators,
    Ammeters,
    Bank,
    Capacitors,
    CurrentMirrors,
    CurrentSources,
    DifferenceAmplifiers,
    Gyrators,
    Inductors,
    Multipliers,
    OpAmps,
    Otas,
    Products,
    Resistors,
    SeriesTransresistances,
    SigmoidStages,
    Switches,
    Transconductances,
    Transformers,
    Transresistances,
    VariableCapacitors,
    VoltageAmplifiers,
)
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.statemap import NetlistMap
from rnn2circuit.units import si

# What a board of discrete parts can hold without special care; outside, a note says so.
PRACTICAL = {
    "R": (100.0, 10e6, "ohm", "impedance"),
    "C": (10e-12, 10e-6, "F", "impedance or seconds_per_unit"),
    "L": (1e-6, 1.0, "H", "impedance or seconds_per_unit"),
    "gm": (1e-9, 0.1, "S", "impedance"),
}


def describe_circuit(record: NetlistMap, circuit: Circuit) -> str:
    """A few lines on a compiled netlist; ends in a newline."""
    ports = record.state_map
    lines = [
        f"{record.subckt}: {len(ports.inputs)} inputs, {len(ports.states)} states, "
        f"{len(ports.outputs)} outputs; form {record.form}, coupling {record.coupling}, "
        f"level {record.level}",
        f"  {ports.seconds_per_unit:g} s per {'step' if ports.clock else 'model time unit'}, "
        f"{ports.states[0].volts_per_unit:g} V per unit of state",
    ]
    for kind, count in record.element_counts:
        lines.append(f"  {count:>8} {kind}")
        if kind == "Resistors" and record.negative_resistors:
            lines.append(f"  {record.negative_resistors:>8} of them negative: active elements")
        if kind == "Transformers":
            lines.append(f"  {record.windings:>8} windings on them")
    ranges = value_ranges(circuit)
    for kind, (low, high) in ranges.items():
        unit = PRACTICAL[kind][2]
        lines.append(f"  {kind:<2} from {si(low, unit)} to {si(high, unit)}")
    lines += [f"  note: {note}" for note in (*circuit.notes, *impractical(circuit))]
    return "\n".join(lines) + "\n"


def value_ranges(circuit: Circuit) -> dict[str, tuple[float, float]]:
    """Smallest and largest magnitude of each kind of component value that is present."""
    found: dict[str, list[Vector]] = {}
    for bank in circuit.banks:
        kind, values = _values(bank)
        if kind:
            found.setdefault(kind, []).append(np.abs(values))
    order = [kind for kind in PRACTICAL if kind in found]
    joined = {kind: np.concatenate(found[kind]) for kind in order}
    return {kind: (float(v.min()), float(v.max())) for kind, v in joined.items()}


def impractical(circuit: Circuit) -> tuple[str, ...]:
    """One sentence for each kind of value that leaves the practical range."""
    notes: list[str] = []
    for kind, (low, high) in value_ranges(circuit).items():
        least, most, unit, remedy = PRACTICAL[kind]
        if low < least or high > most:
            notes.append(
                f"{kind} runs from {si(low, unit)} to {si(high, unit)}, practical is "
                f"{si(least, unit)} to {si(most, unit)}; {remedy} moves it, pruning small "
                "weights narrows it"
            )
    return tuple(notes)


def _values(bank: Bank) -> tuple[str, Vector]:
    match bank:
        case Resistors():
            return "R", bank.resistance
        case Capacitors() | VariableCapacitors():
            return "C", bank.capacitance
        case Inductors():
            return "L", bank.inductance
        case Transconductances():
            return "gm", bank.gm
        case Gyrators():
            return "gm", bank.gyration_conductance
        case (
            CurrentSources()
            | VoltageAmplifiers()
            | Ammeters()
            | Transresistances()
            | CurrentMirrors()
            | SigmoidStages()
            | Products()
            | Switches()
            | DifferenceAmplifiers()
            | SeriesTransresistances()
            | Transformers()
            | OpAmps()
            | Otas()
            | Multipliers()
            | ActiveGyrators()
        ):
            return "", np.zeros(0)
