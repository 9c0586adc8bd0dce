"""Component values on the way from model to netlist: sizes, ranges and rounding."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn2circuit.devices.eseries import Series, nearest
from rnn2circuit.errors import UsageError
from rnn2circuit.linearize.impulse import relative_h2
from rnn2circuit.lowering.bill import Grade
from rnn2circuit.models import Linear
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.synthesis.equations import circuit_equations
from rnn2circuit.synthesis.proportions import CapacitorChoice, SwingChoice
from rnn2circuit.synthesis.realize import Realization
from rnn2circuit.synthesis.rounding import CAPACITOR_RANGE, Method, Rounded, round_circuit
from rnn2circuit.synthesis.scaling import Scaling, time_weights
from rnn2circuit.synthesis.sizing import Range, size_linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """How component values are chosen; see docs/values.md and, of levels, docs/parts.md.

    Attributes
    ----------
    round : str or None
        E series of the resistors, and of what sets transconductances and gyrators.
    round_capacitors : str or None
        E series of the capacitors; where not given E12, at levels other than ideal E6.
    rounding : {"joint", "nearest"} or None
        None: joint, and nearest at levels other than ideal.
    pairs : bool or None
        One or two parts for each value. None: no, and at levels other than ideal up to E24.
    capacitors : {"free", "equal", "passive", "noise"} or None
        None: equal, and no linear program, unless ranges are given; then free.
    swing : {"none", "l2", "peak"}
    input_range : float
        Largest magnitude of an input, for the swing ``peak``.
    r_range, c_range, gm_range : (low, high) or None
        ohm, F, S.
    grade : {"1%", "0.1%"} or None
        Of the parts, at levels other than ideal: None is 1 %.
    ptat_legs : bool
        Whether the legs at the inputs of stages grow with absolute temperature, as the thermal
        voltage does; at levels other than ideal.
    """

    round: Series | None = None
    round_capacitors: Series | None = None
    rounding: Method | None = None
    pairs: bool | None = None
    capacitors: CapacitorChoice | None = None
    swing: SwingChoice = "none"
    input_range: float = 1.0
    r_range: Range | None = None
    c_range: Range | None = None
    gm_range: Range | None = None
    grade: Grade | None = None
    ptat_legs: bool = False

    @property
    def sized(self) -> bool:
        """Whether capacitors, swing or ranges are asked for."""
        ranges = (self.r_range, self.c_range, self.gm_range)
        return self.capacitors is not None or self.swing != "none" or any(r for r in ranges)


def check_values(values: Values, model: AbstractNetwork, *, form: str, coupling: str) -> Linear:
    """The model, if it is linear and the options fit together.

    Raises
    ------
    UsageError
        If they do not.
    """
    if not isinstance(model, Linear):
        raise UsageError(
            f"component values are chosen for linear networks, family {model.family!r} is not one: "
            "linearize it first (--linearize equilibrium or origin; in Python "
            "linearize(model).model)"
        )
    if values.grade is not None:
        raise UsageError("grade belongs to levels other than ideal, whose parts have tolerances")
    if values.ptat_legs:
        raise UsageError("ptat_legs belongs to levels other than ideal, whose stages have legs")
    if values.round is None and (values.round_capacitors is not None or values.pairs):
        raise UsageError("round_capacitors and pairs belong to round, which is not given")
    if values.sized and form != "rc":
        raise UsageError("capacitors, swing and ranges belong to form 'rc', which has capacitors")
    ranged = values.r_range is not None or values.gm_range is not None
    if ranged and coupling != "vccs":
        raise UsageError(
            f"ranges of R and gm are those of coupling 'vccs', one transconductance per weight; "
            f"with {coupling!r} the conductances are sums of weights"
        )
    return model


def sized_scaling(model: Linear, values: Values, given: dict[str, Any], usual: Scaling) -> Scaling:
    """The scaling with the sizes that `values` asks for.

    Without sizes, but with rounded capacitors, the impedance is moved to where the capacitor
    that most states have is a preferred value: nothing but their ratios needs rounding then.
    """
    if values.sized:
        free = given["seconds_per_unit"] is None and (values.c_range or values.gm_range)
        sizes = size_linear(
            model,
            capacitors=values.capacitors or "free",
            swing=values.swing,
            input_range=values.input_range,
            r_range=values.r_range,
            c_range=values.c_range,
            gm_range=values.gm_range,
            seconds_per_unit=None if free else usual.seconds_per_unit,
            impedance=given["impedance"],
        )
        seconds, level = sizes.seconds_per_unit, sizes.impedance
        return replace(
            usual,
            seconds_per_unit=seconds,
            impedance=level,
            weights=tuple((sizes.capacitance * level / seconds).tolist()),
            swing=tuple(sizes.swing.tolist()),
        )
    if values.round is None or given["impedance"] is not None or given["form"] != "rc":
        return usual
    capacitance = usual.seconds_per_unit / usual.impedance * float(np.median(time_weights(model)))
    series = values.round_capacitors or "E12"
    low, high = CAPACITOR_RANGE
    chosen = float(nearest(series, np.array([capacitance]), low=low, high=high)[0])
    return replace(usual, impedance=usual.impedance * capacitance / chosen)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundedRealization:
    """A realization with preferred values, its equations, and its distance from the model."""

    realization: Realization
    rounded: Rounded
    equations: Linear
    error: float  # from the model: of the rounding, and of states that a strategy left out

    @property
    def series(self) -> str:
        return f"{self.rounded.series}, capacitors {self.rounded.capacitor_series}"


def round_realization(
    realization: Realization, target: AbstractNetwork, model: AbstractNetwork, values: Values
) -> RoundedRealization | None:
    """Round a realization as `values` asks; None where it does not.

    Raises
    ------
    UsageError, NotRealizableError
        As `synthesis.rounding.round_circuit`.
    """
    if values.round is None:
        return None
    if not (isinstance(target, Linear) and isinstance(model, Linear)):
        raise TypeError("check_values lets only linear models through")
    rounded = round_circuit(
        realization.circuit,
        realization.state_map,
        series=values.round,
        capacitor_series=values.round_capacitors,
        method=values.rounding or "joint",
        pairs=bool(values.pairs),
    )
    made = replace(realization, circuit=rounded.circuit)
    equations = circuit_equations(made, x0=target.initial_state)
    error = rounded.error if target is model else relative_h2(equations, model)
    return RoundedRealization(realization=made, rounded=rounded, equations=equations, error=error)


def describe_rounding(made: RoundedRealization) -> list[str]:
    """Lines for the netlist's head and the terminal."""
    rounded = made.rounded
    how = "pairs of parts" if rounded.pairs else "single parts"
    lines = [
        f"values rounded to {rounded.series}, capacitors to {rounded.capacitor_series}, {how}: "
        f"impulse response off by {made.error:.3g} (H2, relative; each value by itself: "
        f"{rounded.nearest_error:.3g})"
    ]
    if rounded.dropped:
        lines.append(f"{rounded.dropped} conductances too small for any resistor left out")
    return lines


def parts_table(made: RoundedRealization) -> str:
    """CSV of all parts: element, kind, value, and what it is made of."""
    rounded, circuit = made.rounded, made.rounded.circuit
    lines = ["element,kind,value,arrangement,first,second"]
    parts = rounded.parts
    for e, (bank, k) in enumerate(zip(parts.bank.tolist(), parts.instance.tolist(), strict=True)):
        stem = circuit.banks[bank].stem
        name = "_".join([stem, *(str(v) for v in circuit.banks[bank].index[k].tolist())])
        value = float(parts.value[e])
        pair = rounded.pairs[e] if rounded.pairs else None
        made_of = "single" if pair is None else pair.arrangement
        first = value if pair is None else pair.first
        second = "" if pair is None or pair.second is None else repr(pair.second)
        lines.append(f"{name},{parts.kind[e]},{value!r},{made_of},{first!r},{second}")
    return "\n".join(lines) + "\n"
