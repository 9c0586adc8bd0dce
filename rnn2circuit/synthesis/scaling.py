"""From model units to volts, seconds and ohms.

Every form of every family is scaled by the same few numbers. State i gets a weight k_i, a time
in model units (its time constant where the family has one), and then

- voltage form: ``C_i = (T / R0) k_i`` and a leak rate r_i becomes ``R_i = R0 / (k_i r_i)``;
- current form, the dual: ``L_i = T R0 k_i`` and ``R_i = R0 k_i r_i``;

with T = `seconds_per_unit` and R0 = `impedance`. A unit of the state is `volts_per_unit` in the
first and `amperes_per_unit` in the second, there sensed as `volts_per_unit`.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import (
    Ctrnn,
    Energy,
    GruOde,
    HodgkinHuxley,
    Hopfield,
    Lem,
    LemTwoScale,
    Linear,
    Lrc,
    Lrcu,
    Ltc,
    Model,
    Stack,
    Stc,
)
from rnn2circuit.models.base import AbstractCell

Form: TypeAlias = Literal["rc", "rl"]
FORMS: tuple[Form, ...] = ("rc", "rl")
Capacitance: TypeAlias = Literal["fixed", "variable"]
CAPACITANCES: tuple[Capacitance, ...] = ("fixed", "variable")

# Where automatic scaling aims: 100 kohm with 10 nF makes 1 ms; 1 kohm with 10 mH makes 10 us.
# Both parts of each pair can be bought, and neither loads an amplifier nor drowns in leakage.
TARGET_IMPEDANCE = {"rc": 1e5, "rl": 1e3}  # ohm
TARGET_TIME_CONSTANT = {"rc": 1e-3, "rl": 1e-5}  # s
CLOCK_PERIOD = 1e-4  # s: the hold capacitors come out at 20 nF, and settle through 100 ohm
LARGEST_SWING = 10.0  # V: a state expected beyond it is scaled down by decades


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The four numbers that turn equations into component values."""

    seconds_per_unit: float  # s per model time unit
    volts_per_unit: float  # V per unit of state, input or output, at the ports
    amperes_per_unit: float  # A per unit of state in the loops of the current form
    impedance: float  # ohm, the level of resistances
    weights: tuple[float, ...] | None = None  # k_i of a linear model, model time; None: usual
    swing: tuple[float, ...] | None = None  # s_i: port i shows v = volts_per_unit x_i / s_i

    def __post_init__(self) -> None:
        for name in ("seconds_per_unit", "volts_per_unit", "amperes_per_unit", "impedance"):
            object.__setattr__(self, name, _positive(name, getattr(self, name)))
        for name in ("weights", "swing"):
            for value in getattr(self, name) or ():
                _positive(name, value)


def _positive(name: str, value: float) -> float:
    value = float(value)
    if not (math.isfinite(value) and value > 0):
        raise NotRealizableError(f"{name} must be positive and finite, got {value!r}")
    return value


def choose_scaling(
    model: Model,
    *,
    form: Form,
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    amperes_per_unit: float | None = None,
    impedance: float | None = None,
) -> Scaling:
    """Scale `model` so that its components are of practical size; what is given is kept.

    The time unit is the power of ten that brings the geometric mean of the k_i nearest to the
    target time constant; the voltage unit is 1 V unless the model's own constants (initial
    state, reversal potentials, drive over leak) lie beyond 10 units.

    Raises
    ------
    NotRealizableError
        If a given number is not positive and finite.
    """
    return scale_to(
        time_weights(model),
        expected_swing(model),
        form=form,
        seconds_per_unit=seconds_per_unit,
        volts_per_unit=volts_per_unit,
        amperes_per_unit=amperes_per_unit,
        impedance=impedance,
    )


def scale_cell(
    cell: AbstractCell,
    *,
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    impedance: float | None = None,
) -> Scaling:
    """Scale a clocked cell: one step per `seconds_per_unit`, which is the clock period.

    Raises
    ------
    NotRealizableError
        If a given number is not positive and finite.
    """
    layers = cell.layers if isinstance(cell, Stack) else (cell,)
    swing = [1.0, float(np.max(np.abs(cell.initial_state)))]
    swing += [float(np.max(np.abs(k.e_leak))) for k in layers if isinstance(k, Lrcu)]
    return scale_to(
        np.ones(cell.n_states),
        max(swing),
        form="rc",
        seconds_per_unit=CLOCK_PERIOD if seconds_per_unit is None else seconds_per_unit,
        volts_per_unit=volts_per_unit,
        impedance=impedance,
    )


def scale_to(
    weights: Vector,
    swing: float,
    *,
    form: Form,
    seconds_per_unit: float | None = None,
    volts_per_unit: float | None = None,
    amperes_per_unit: float | None = None,
    impedance: float | None = None,
) -> Scaling:
    """As `choose_scaling`, for given weights k_i and an expected largest state.

    Raises
    ------
    NotRealizableError
        If a given number is not positive and finite.
    """
    level = TARGET_IMPEDANCE[form] if impedance is None else _positive("impedance", impedance)
    mean_log_time = float(np.mean(np.log10(weights)))
    seconds = 10.0 ** round(math.log10(TARGET_TIME_CONSTANT[form]) - mean_log_time)
    volts = 10.0 ** -max(0, math.ceil(math.log10(swing / LARGEST_SWING)))
    volts = volts if volts_per_unit is None else volts_per_unit
    return Scaling(
        seconds_per_unit=seconds if seconds_per_unit is None else seconds_per_unit,
        volts_per_unit=volts,
        amperes_per_unit=volts / level if amperes_per_unit is None else amperes_per_unit,
        impedance=level,
    )


def linear_weights(model: Linear, scaling: Scaling) -> Vector:
    """The weights of a linear model's states: as the scaling has them, or the usual ones."""
    return time_weights(model) if scaling.weights is None else np.array(scaling.weights)


def time_weights(model: Model) -> Vector:
    """The weights k_i of the states, in model time units, shape (n,), all positive.

    Chosen so that what should be equal is equal: all leak resistors of a CTRNN or Hopfield
    network, all capacitors of a linear n-port (whose conductance matrix is then a multiple of
    A, symmetric where A is), and capacitors in proportion to c_m in an LTC and in
    membranes of Hodgkin and Huxley (whose gap junctions are then resistors).
    """
    match model:
        case Ctrnn():
            return 1.0 / model.rate
        case Hopfield():
            return np.array(model.tau)
        case Ltc():
            return model.c_m / np.exp(np.mean(np.log(model.g_leak)))
        case Linear():
            return np.full(model.n_states, _linear_time(model))
        case LemTwoScale() | GruOde():
            return 1.0 / model.rates
        case Energy():
            return model.times
        case HodgkinHuxley():
            membranes = model.c_m / np.exp(np.mean(np.log(model.c_m)))
            return np.concatenate([membranes, np.ones(3 * model.n_membranes)])
        case Stc() | Lrc() | Lem():
            return np.ones(model.n_states)  # their gates are at most 1 per model time unit


def _linear_time(model: Linear) -> float:
    """One time constant for all states of a linear model.

    Geometric mean over the states of 1 / sqrt(own rate x norm of the row): between the leak and
    the fastest coupling, so that neither leak resistors nor transconductances run away.
    """
    own = np.abs(np.diag(model.a))
    row = np.linalg.norm(model.a, axis=1)
    rate = np.where(own > 0, np.sqrt(own * row), row)
    rate = rate[rate > 0]
    return float(np.exp(-np.mean(np.log(rate)))) if rate.size else 1.0


def expected_swing(model: Model) -> float:
    """A rough bound of |x| from the model's constants, at least 1."""
    parts = [1.0, float(np.max(np.abs(model.initial_state)))]
    match model:
        case Ltc():
            parts += [float(np.max(np.abs(e))) for e in (model.e_leak, model.e_rev)]
            if model.e_rev_in is not None and model.e_rev_in.size:
                parts.append(float(np.max(np.abs(model.e_rev_in))))
        case Ctrnn():
            gain = 1.0 if model.gain is None else model.gain
            if model.activation in ("tanh", "logistic"):
                parts.append(float(np.max(np.abs(gain / model.rate))))
        case HodgkinHuxley():
            parts += [float(np.max(np.abs(e))) for e in (model.e_na, model.e_k, model.e_leak)]
        case Stc() | Lrc():
            parts.append(float(np.max(np.abs(model.e_leak))))
        case Linear() | Hopfield() | GruOde() | Lem() | LemTwoScale() | Energy():
            pass
    return max(parts)
