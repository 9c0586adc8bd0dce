"""Sizes of a linear network in voltage form: swing, capacitors, and ranges of R, C and gm.

Free in ``C v' = -Y v + β u`` are the voltage of each state, ``v_i = V x_i / s_i``, its capacitor
C_i, and the time unit τ. The elements are monomials in them,

    1 / R_i = C_i |a_ii| / τ,   gm_ij = C_i |a_ij| s_j / (s_i τ),   gm_in = C_i |b_ij| / (s_i τ)

so that every range of values, and the spread, is linear in their logarithms: a linear program
finds the global optimum or proves that none fits.
"""

from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import numpy as np
from scipy.optimize import linprog

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.proportions import (
    CapacitorChoice,
    SwingChoice,
    capacitor_ratios,
    state_swing,
)
from rnn2circuit.synthesis.scaling import choose_scaling, time_weights

Range: TypeAlias = tuple[float, float]

ANYTHING: Range = (1e-30, 1e30)
NEARNESS = 1e-3  # price of staying near the usual sizes, against the logarithm of the spread


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizing:
    """Sizes of a linear network.

    Attributes
    ----------
    capacitance : ndarray, shape (n,)
        F.
    swing : ndarray, shape (n,)
        s_i: model units of state i per unit of its port, ``v_i = V x_i / s_i``.
    seconds_per_unit, impedance : float
        s; ohm, of the readout's sum resistors.
    spread : float
        Largest over smallest conductance of leaks, couplings and inputs.
    """

    capacitance: Vector
    swing: Vector
    seconds_per_unit: float
    impedance: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    """One element: ``ln value = constant + row @ unknowns``, between two limits."""

    name: str  # a[3, 1]
    weight: float
    what: str  # transconductance, leak resistance, ...
    unit: str
    row: tuple[tuple[int, float], ...]
    constant: float
    low: float  # ln
    high: float  # ln
    in_spread: int  # 1: conductance, -1: resistance, 0: neither


def size_linear(
    model: Linear,
    *,
    capacitors: CapacitorChoice = "free",
    swing: SwingChoice = "none",
    input_range: float = 1.0,
    r_range: Range | None = None,
    c_range: Range | None = None,
    gm_range: Range | None = None,
    seconds_per_unit: float | None = None,
    impedance: float | None = None,
) -> Sizing:
    """Choose capacitors, time unit and impedance so that all values lie within their ranges.

    Among those that do, the ones with the least spread of conductances (a linear program).

    Parameters
    ----------
    r_range, c_range, gm_range : (low, high), optional
        ohm, F, S: of leak and readout resistors, of capacitors, of couplings, inputs and readout.
    seconds_per_unit, impedance : float, optional
        Kept where given, found otherwise.

    Raises
    ------
    UsageError
        If an option is none, or a range is not one of positive numbers.
    NotRealizableError
        If no choice fits: the message names the weight at fault and the dynamic range needed.
    """
    for name, given in (("r_range", r_range), ("c_range", c_range), ("gm_range", gm_range)):
        if given is not None and not 0 < given[0] < given[1] < np.inf:
            raise UsageError(f"{name} must be two positive numbers, low before high, got {given!r}")
    model = model.without_input_map()
    s = state_swing(model, swing, input_range=input_range)
    ratios = capacitor_ratios(model, capacitors, s)
    ranges = tuple(ANYTHING if r is None else r for r in (r_range, c_range, gm_range))
    quantities = _quantities(model, s, *ranges)
    n = model.n_states
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * n
    for value in (seconds_per_unit, impedance):
        fixed = None if value is None else float(np.log(value))
        bounds.append((fixed, fixed))
    equal = _proportions(ratios, n)
    usual = choose_scaling(model, form="rc", seconds_per_unit=seconds_per_unit, impedance=impedance)
    plain = usual.seconds_per_unit / usual.impedance * time_weights(model)
    targets = np.log([*plain, usual.seconds_per_unit, usual.impedance])
    result = _solve(quantities, bounds, targets, equal, stretch=False)
    if result is None:
        _refuse(quantities, bounds, targets, equal)
    x = np.exp(result.unknowns)
    values = np.array(
        [q.constant + sum(w * result.unknowns[k] for k, w in q.row) for q in quantities]
    )
    signs = np.array([q.in_spread for q in quantities])
    conductances = (signs * values)[signs != 0]
    return Sizing(
        capacitance=x[:n],
        swing=s,
        seconds_per_unit=float(x[n]),
        impedance=float(x[n + 1]),
        spread=float(np.exp(np.ptp(conductances))) if conductances.size else 1.0,
    )


def _quantities(
    model: Linear, s: Vector, r_range: Range, c_range: Range, gm_range: Range
) -> list[_Quantity]:
    """Every element value as a monomial of the capacitors, the time unit and the impedance."""
    n = model.n_states
    time, level = n, n + 1
    sum_level = ((level, -1.0),)
    found = [
        _quantity(f"state {i}", 1.0, "capacitor", "F", ((i, 1.0),), 0.0, c_range, 0)
        for i in range(n)
    ]
    for i in np.flatnonzero(np.diag(model.a)).tolist():
        own = float(model.a[i, i])
        row = ((i, -1.0), (time, 1.0))
        size = -np.log(abs(own))
        found.append(_quantity(f"a[{i}, {i}]", own, "leak resistor", "ohm", row, size, r_range, -1))
    couplings = model.a - np.diag(np.diag(model.a))
    matrices = [("a", couplings, s / s[:, None])]
    if model.b is not None:
        matrices.append(("b", model.b, np.ones_like(model.b) / s[:, None]))
    if model.w_out is not None:
        matrices.append(("w_out", model.w_out, np.ones_like(model.w_out) * s))
    if model.d is not None:
        matrices.append(("d", model.d, np.ones_like(model.d)))
    for name, values, factor in matrices:
        for i, j in np.argwhere(values != 0).tolist():
            state = name in ("a", "b")
            row = ((i, 1.0), (time, -1.0)) if state else sum_level
            size = np.log(abs(values[i, j]) * factor[i, j])
            found.append(
                _quantity(
                    f"{name}[{i}, {j}]",
                    float(values[i, j]),
                    "transconductance",
                    "S",
                    row,
                    size,
                    gm_range,
                    int(state),
                )
            )
    if model.has_readout:
        row = ((level, 1.0),)
        found.append(_quantity("readout", 1.0, "sum resistor", "ohm", row, 0.0, r_range, 0))
    return found


def _quantity(
    name: str,
    weight: float,
    what: str,
    unit: str,
    row: tuple[tuple[int, float], ...],
    constant: float,
    limits: Range,
    in_spread: int,
) -> _Quantity:
    return _Quantity(
        name=name,
        weight=weight,
        what=what,
        unit=unit,
        row=row,
        constant=float(constant),
        low=float(np.log(limits[0])),
        high=float(np.log(limits[1])),
        in_spread=in_spread,
    )


def _proportions(ratios: Vector | None, n: int) -> tuple[Matrix, Vector] | None:
    """Rows that hold the capacitors in proportion."""
    if ratios is None or n == 1:
        return None
    rows = np.zeros((n - 1, n + 2))
    rows[:, 0], rows[np.arange(n - 1), np.arange(1, n)] = -1.0, 1.0
    return rows, np.log(ratios[1:] / ratios[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Solution:
    unknowns: Vector  # ln of the capacitors, the time unit and the impedance
    stretch: float  # ln of the factor by which all limits had to give way
    price: Vector  # per quantity: what a change of its limits would be worth


def _solve(
    quantities: list[_Quantity],
    bounds: list[tuple[float | None, float | None]],
    targets: Vector,
    equal: tuple[Matrix, Vector] | None,
    *,
    stretch: bool,
) -> _Solution | None:
    """The linear program: unknowns; highest and lowest conductance; stretch; distances.

    The spread is minimized, or with `stretch` the common factor by which all limits give way;
    after that, at a thousandth of the price, the distance of the unknowns from their targets.
    """
    count = len(bounds)
    width = 2 * count + 3
    top, bottom, give = count, count + 1, count + 2
    limits = np.zeros((2 * len(quantities), width))
    right = np.zeros(2 * len(quantities))
    spread: list[tuple[Vector, float]] = []
    for e, q in enumerate(quantities):
        row = np.zeros(width)
        for k, weight in q.row:
            row[k] += weight
        limits[2 * e], limits[2 * e + 1] = row, -row
        right[2 * e], right[2 * e + 1] = q.high - q.constant, q.constant - q.low
        if q.in_spread:
            for sign, column in ((1.0, top), (-1.0, bottom)):
                line = sign * q.in_spread * row
                line[column] = -sign
                spread.append((line, -sign * q.in_spread * q.constant))
    limits[:, give] = -1.0
    near = np.zeros((2 * count, width))
    for k in range(count):
        near[[2 * k, 2 * k + 1], k] = 1.0, -1.0
        near[[2 * k, 2 * k + 1], count + 3 + k] = -1.0
    away = np.column_stack([targets, -targets]).ravel()
    cost = np.concatenate([np.zeros(count + 3), np.full(count, NEARNESS / count)])
    if stretch:
        cost[give] = 1.0
    elif spread:
        cost[top], cost[bottom] = 1.0, -1.0
    answer = linprog(
        cost,
        A_ub=np.vstack([limits, near, *(line for line, _ in spread)]),
        b_ub=np.concatenate([right, away, [value for _, value in spread]]),
        A_eq=None if equal is None else np.pad(equal[0], ((0, 0), (0, width - count))),
        b_eq=None if equal is None else equal[1],
        bounds=[*bounds, (None, None), (None, None), (0.0, None if stretch else 0.0)]
        + [(0.0, None)] * count,
        method="highs",
    )
    if answer.status != 0:
        return None
    x = np.asarray(answer.x, dtype=np.float64)
    duals = np.abs(np.asarray(answer.ineqlin.marginals, dtype=np.float64))[: len(right)]
    return _Solution(
        unknowns=x[:count], stretch=float(x[give]), price=duals.reshape(-1, 2).max(axis=1)
    )


def _refuse(
    quantities: list[_Quantity],
    bounds: list[tuple[float | None, float | None]],
    targets: Vector,
    equal: tuple[Matrix, Vector] | None,
) -> NoReturn:
    """Say which weight does not fit, and what range would do."""
    found = _solve(quantities, bounds, targets, equal, stretch=True)
    if found is None:
        raise NotRealizableError("the sizes contradict each other whatever the ranges")
    # A weight tells a reader more than a capacitor; the price says which limits are in the way.
    weights = [k for k, q in enumerate(quantities) if q.what != "capacitor"]
    fault = max(weights, key=lambda k: float(found.price[k]), default=0)
    q = quantities[fault]
    value = np.exp(q.constant + sum(w * found.unknowns[k] for k, w in q.row))
    low, high = np.exp(q.low), np.exp(q.high)
    needed = np.exp(q.high - q.low + 2 * found.stretch)
    raise NotRealizableError(
        f"the values do not fit their ranges: {q.name} = {q.weight!r} would need a {q.what} of "
        f"{value:.3g} {q.unit}, with {low:.3g} to {high:.3g} {q.unit} given, at the best choice of "
        f"capacitors, time unit and impedance; a dynamic range of {needed:.3g} is needed, "
        f"{high / low:.3g} is given. Widen the ranges (all by a factor of "
        f"{np.exp(found.stretch):.3g} at either end), free the time unit, or drop small weights"
    )
