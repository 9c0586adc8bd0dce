"""How far parts are from what is printed on them, and what trimming takes out of it.

Resistors and capacitors lie anywhere within their tolerance (uniform: what is sold as 1 % is
sorted to be within 1 %); offsets and gains of integrated parts are normal. Every error is drawn
whatever its size, so that the same random numbers under another spread, or after a trim, are the
same board with better parts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.circuit.banks import Bank, Capacitors, Inductors, Resistors
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.errors import UsageError
from rnn2circuit.lowering import realistic as roles
from rnn2circuit.lowering.board import Role

RAILS = -1  # in place of a bank: the supplies and the reference, in the order of `roles.SUPPLIES`
UNIFORM = math.sqrt(3.0)  # half width of a uniform distribution over its standard deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Errors of parts: half widths of uniform, standard deviations of normal distributions."""

    resistor: float = 0.0  # relative, uniform
    capacitor: float = 0.0  # relative, uniform; of inductors too
    opamp_offset: float = 0.0  # V, normal
    ota_offset: float = 0.0  # V, normal
    ota_gain: float = 0.0  # relative, normal
    multiplier_gain: float = 0.0  # relative, normal
    multiplier_offset: float = 0.0  # V, normal; of both factors and of the output
    supply: float = 0.0  # relative, uniform; of each supply by itself
    reference: float = 0.0  # relative, uniform
    trims: tuple[str, ...] = ()  # which of `TRIMS` were done

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name != "trims" and not 0 <= value < 1:
                raise UsageError(f"spread {f.name} must be from 0 to below 1, got {value!r}")
        for name in self.trims:
            if name not in TRIMS:
                raise UsageError(f"trims are {', '.join(TRIMS)}, got {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What one adjustment per neuron leaves of some errors.

    Attributes
    ----------
    meaning : str
        What is adjusted and how well.
    leaves : mapping of (stem, column) to float
        The largest spread that is left.
    """

    meaning: str
    leaves: Mapping[tuple[str, str], float]


def _resistors(left: float, *these: Role) -> dict[tuple[str, str], float]:
    return {(role.stem, "resistance"): left for role in these}


# Procedures of a bench: what a meter and a screwdriver reach in a minute per neuron.
TRIMS: Mapping[str, Trim] = {
    "offset": Trim(
        meaning="offset of each stage, to 50 uV",
        leaves={(roles.STAGE.stem, "offset"): 50e-6},
    ),
    "gain": Trim(
        meaning="bias current times load of each stage, to 0.1 %",
        leaves=_resistors(1e-3, roles.BIAS, roles.LOAD, roles.LIFT)
        | {(roles.STAGE.stem, "gain_error"): 1e-3},
    ),
    "tau": Trim(
        meaning="time constant of each state, to 0.5 %",
        leaves=_resistors(5e-3, roles.LEAK, roles.SENSE)
        | {(roles.STATE.stem, "capacitance"): 5e-3}
        | {(roles.COIL.stem, "inductance"): 5e-3},
    ),
    "legs": Trim(meaning="0.1 % resistors as legs", leaves=_resistors(1e-3, roles.LEG)),
    "weights": Trim(
        meaning="0.1 % resistors as weights",
        leaves=_resistors(
            1e-3,
            *(roles.PAIR, roles.WEIGHT, roles.DRIVE, roles.OPERAND, roles.TERM, roles.TURN),
            *(roles.TIE, roles.GYRATE),
        ),
    ),
}

SPREADS: Mapping[str, Spread] = {
    "1%": Spread(
        resistor=0.01,
        capacitor=0.05,
        opamp_offset=1e-3,
        ota_offset=1e-3,
        ota_gain=1e-3,
        multiplier_gain=1e-3,
        multiplier_offset=1e-3,
    ),
    "0.1%": Spread(
        resistor=1e-3,
        capacitor=0.01,
        opamp_offset=1e-4,
        ota_offset=1e-4,
        ota_gain=1e-4,
        multiplier_gain=1e-4,
        multiplier_offset=1e-4,
    ),
    # Typical figures of the data sheets of TL074H, LM13700 and AD633, untrimmed.
    "typical": Spread(
        resistor=0.01,
        capacitor=0.05,
        opamp_offset=1e-3,
        ota_offset=4e-4,
        ota_gain=1e-2,
        multiplier_gain=2.5e-3,
        multiplier_offset=5e-3,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """One column of a bank whose instances are off, each by itself.

    Attributes
    ----------
    bank : int
        Position in the circuit, or `RAILS`.
    size : float
        Of a uniform distribution half its width, of a normal one its standard deviation.
    relative : bool
        Whether the error is a factor ``1 + e``, or is added.
    """

    bank: int
    column: str
    kind: str  # resistor, op-amp offset, ..
    count: int
    size: float
    relative: bool
    uniform: bool


def errors_of(circuit: Circuit, spread: Spread) -> tuple[Errors, ...]:
    """Everything that may be off in a circuit, in the order of its banks."""
    found: list[Errors] = []
    for number, bank in enumerate(circuit.banks):
        for column, kind, size, uniform in _columns(bank, spread):
            found.append(
                Errors(
                    bank=number,
                    column=column,
                    kind=kind,
                    count=len(bank.index),
                    size=_trimmed(spread, bank.stem, column, size),
                    relative=uniform,
                    uniform=uniform,
                )
            )
    for column, count, size in (("supply", 2, spread.supply), ("reference", 1, spread.reference)):
        found.append(
            Errors(
                bank=RAILS,
                column=column,
                kind=column,
                count=count,
                size=size,
                relative=True,
                uniform=True,
            )
        )
    return tuple(found)


def _columns(bank: Bank, spread: Spread) -> list[tuple[str, str, float, bool]]:
    match bank:
        case Resistors():
            return [("resistance", "resistor", spread.resistor, True)]
        case ActiveGyrators():  # its eight resistors together
            return [("resistance", "gyrator", spread.resistor, True)]
        case Inductors():
            return [("inductance", "inductor", spread.capacitor, True)]
        case Capacitors():
            return [("capacitance", "capacitor", spread.capacitor, True)]
        case OpAmps():
            return [("offset", "op-amp offset", spread.opamp_offset, False)]
        case Otas():
            return [
                ("offset", "OTA offset", spread.ota_offset, False),
                ("gain_error", "OTA gain", spread.ota_gain, False),
            ]
        case Multipliers():
            offset = spread.multiplier_offset
            return [
                ("gain_error", "multiplier gain", spread.multiplier_gain, False),
                ("x_offset", "multiplier offset", offset, False),
                ("y_offset", "multiplier offset", offset, False),
                ("output_offset", "multiplier offset", offset, False),
            ]
        case _:
            return []


def _trimmed(spread: Spread, stem: str, column: str, size: float) -> float:
    left = [TRIMS[name].leaves.get((stem, column), size) for name in spread.trims]
    return min([size, *left])


def draw(errors: Sequence[Errors], rng: np.random.Generator) -> tuple[Vector, ...]:
    """One board: for each column, errors in units of its size."""
    return tuple(
        rng.uniform(-1.0, 1.0, e.count) if e.uniform else rng.standard_normal(e.count)
        for e in errors
    )


def one_sigma(errors: Sequence[Errors], which: int, instance: int) -> tuple[Vector, ...]:
    """A board on which a single part is off, by its standard deviation."""
    board = [np.zeros(e.count) for e in errors]
    board[which][instance] = 1.0 / UNIFORM if errors[which].uniform else 1.0
    return tuple(board)


def with_errors(circuit: Circuit, errors: Sequence[Errors], board: Sequence[Vector]) -> Circuit:
    """The circuit with its parts off: `board` as `draw` gives it."""
    banks = list(circuit.banks)
    for e, unit in zip(errors, board, strict=True):
        if e.bank == RAILS:
            continue
        value: Vector = getattr(banks[e.bank], e.column)
        changed = value * (1.0 + e.size * unit) if e.relative else value + e.size * unit
        banks[e.bank] = replace(banks[e.bank], **{e.column: changed})
    return replace(circuit, banks=tuple(banks))


def rails_of(errors: Sequence[Errors], board: Sequence[Vector]) -> Vector:
    """By which factors the supplies and the reference are off, shape (3,)."""
    parts = [1.0 + e.size * u for e, u in zip(errors, board, strict=True) if e.bank == RAILS]
    return np.concatenate(parts) if parts else np.ones(len(roles.SUPPLIES))


def perturbed(circuit: Circuit, spread: Spread, rng: np.random.Generator) -> Circuit:
    """A circuit as it comes out when its parts are bought: each off by chance."""
    errors = errors_of(circuit, spread)
    return with_errors(circuit, errors, draw(errors, rng))


def ptat_legs(circuit: Circuit, nominal: float) -> Circuit:
    """The circuit with legs that grow with absolute temperature, as the thermal voltage does.

    The sum in front of a stage then reaches it in units of the thermal voltage, whatever the
    temperature.

    Parameters
    ----------
    nominal : float
        K, at which the legs have their value.
    """
    banks = [
        replace(bank, temperature_coefficient=1.0 / nominal)
        if isinstance(bank, Resistors) and bank.stem == roles.LEG.stem
        else bank
        for bank in circuit.banks
    ]
    return replace(circuit, banks=tuple(banks))


def read_spread(text: str) -> Spread:
    """A spread by its name, or ``resistor=0.01,ota_offset=1e-3,..``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if text in SPREADS:
        return SPREADS[text]
    known = [f.name for f in fields(Spread) if f.name != "trims"]
    given: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            given["?"] = 0.0
    if not set(given) <= set(known):
        raise UsageError(
            f"a spread is {', '.join(SPREADS)}, or numbers as in resistor=0.01,ota_offset=1e-3 "
            f"(also {', '.join(known)}), got {text!r}"
        )
    return Spread(**given)
