"""From an ideal circuit to parts with values that can be bought."""

from collections.abc import Sequence
from dataclasses import replace

from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.devices.calibration import Calibration
from rnn2circuit.devices.eseries import Series, decade, values_on_offer
from rnn2circuit.devices.technology import KELVIN, NOMINAL, Technology
from rnn2circuit.errors import UsageError
from rnn2circuit.flow.values import Values
from rnn2circuit.lowering.purchase import SMALLEST_PART, CapacitorChoice, buy_resistors
from rnn2circuit.lowering.realistic import lower
from rnn2circuit.lowering.spread import ptat_legs
from rnn2circuit.lowering.sums import better_capacitors, rounded_together

CAPACITOR_SERIES: Series = "E6"  # where nothing else is asked for: what is in every drawer
SCALED = 10.0  # weights of stages may be divided by their swing, up to 8 V
PAIRED = 24  # values per decade up to which two parts are worth it: one E24 is off by 7 %


def place_parts(
    ideal: Circuit,
    technology: Technology,
    values: Values | None,
    *,
    held: Sequence[str] = (),
    calibration: Calibration | None = None,
) -> Circuit:
    """The ideal circuit with parts of a technology, and of preferred values where asked for.

    Raises
    ------
    UsageError
        If the options are those of ideal linear networks, or a range is none.
    NotRealizableError
        If there is no part for an element, or a value is outside its range.
    """
    values = values or Values()
    _check(values)
    technology = _within(technology, values)
    series = values.round_capacitors
    if series is None and values.round is not None:
        series = CAPACITOR_SERIES
    choice = CapacitorChoice(
        series=series,
        low=technology.smallest_capacitor,
        high=technology.largest_capacitor,
        least=SCALED / technology.largest_resistor,
    )
    circuit = lower(ideal, technology, held=held, calibration=calibration, capacitors=choice)
    if values.round is None:
        return ptat_legs(circuit, KELVIN + NOMINAL) if values.ptat_legs else circuit
    pairs = len(decade(values.round)) <= PAIRED if values.pairs is None else values.pairs
    how = "one or two of them for each value" if pairs else "one for each value"
    note = f"resistors are of {values.round}, {how}; capacitors of {series}, which moves no value"
    low, high = SMALLEST_PART, technology.largest_resistor
    on_offer = values_on_offer(values.round, pairs=pairs, low=low, high=high)
    picked = better_capacitors(circuit, on_offer, technology, choice)
    choice = replace(choice, picked=picked)
    circuit = lower(ideal, technology, held=held, calibration=calibration, capacitors=choice)
    circuit = rounded_together(circuit, on_offer, technology)
    if values.ptat_legs:
        circuit = ptat_legs(circuit, KELVIN + NOMINAL)
    return replace(
        buy_resistors(circuit, values.round, pairs=pairs, largest=technology.largest_resistor),
        notes=(*circuit.notes, note),
    )


def _check(values: Values) -> None:
    linear = {
        "rounding joint": values.rounding == "joint",
        "capacitors": values.capacitors is not None,
        "swing": values.swing != "none",
        "gm_range": values.gm_range is not None,
    }
    given = [name for name, is_given in linear.items() if is_given]
    if given:
        raise UsageError(
            f"{given[0]} belongs to linear networks at level ideal; other levels take round, "
            "round_capacitors, pairs, r_range, c_range, grade and ptat_legs"
        )
    if values.pairs is not None and values.round is None:
        raise UsageError("pairs belongs to round, which is not given")
    if values.round_capacitors is not None:
        decade(values.round_capacitors)


def _within(technology: Technology, values: Values) -> Technology:
    """The technology with narrower ranges of values."""
    for name, given in (("r_range", values.r_range), ("c_range", values.c_range)):
        if given is not None and not 0 < given[0] < given[1] < float("inf"):
            raise UsageError(f"{name} must be two positive numbers, low before high, got {given!r}")
    if values.r_range is not None:
        low, high = values.r_range
        technology = replace(technology, smallest_resistor=low, largest_resistor=high)
    if values.c_range is not None:
        low, high = values.c_range
        technology = replace(technology, smallest_capacitor=low, largest_capacitor=high)
    return technology
