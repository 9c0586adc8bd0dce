"""Rounding a linear circuit's parts to preferred values: each by itself, or all together.

Rounded one by one, hundreds of errors add like random numbers. But each part may also be
rounded the other way, and among all choices there are some whose errors cancel: an integer least
squares problem in the H2 metric, ``min ρ^T M ρ`` over ``ρ_e in ln(candidate / value)``, solved well
(not optimally) by coordinate descent from several starts.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import (
    Bank,
    Capacitors,
    Gyrators,
    Inductors,
    Resistors,
    Transconductances,
)
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.nodal import Parts, nodal
from rnn2circuit.devices.eseries import (
    PartPair,
    Series,
    best_pair,
    decade,
    nearest_on,
    neighbours_on,
    values_between,
)
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.statemap import StateMap
from rnn2circuit.synthesis.sensitivity import metric_of, relative_error, sensitivity

Method: TypeAlias = Literal["joint", "nearest"]
METHODS: tuple[Method, ...] = get_args(Method)

RESISTOR_RANGE = (1e-3, 1e12)  # ohm: rounding keeps orders of magnitude; see `ranges` for limits
CAPACITOR_RANGE = (1e-15, 1e3)  # F
STARTS = 6  # of the descent: the nearest values, and random roundings
SWEEPS = 30  # per start; a sweep without a change ends it
IMPROVES = 1e-12  # of the value: smaller gains are rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rounded:
    """A circuit of preferred values and how far it is from the exact one.

    Attributes
    ----------
    circuit : Circuit
    error : float
        Relative H2 deviation from the exact circuit: of the values as rounded, not to first
        order. Tolerances of the parts come on top: see `tolerance`.
    nearest_error : float
        The same where every part is rounded by itself; `error` is never larger.
    first_order : float or None
        What the first-order metric predicted; None where it was not used.
    parts : Parts
        The rounded values.
    pairs : tuple
        Per part the one or two preferred values that it is made of; empty without pairs.
    series, capacitor_series : str
    dropped : int
        Elements left out because their resistor would exceed `RESISTOR_RANGE`: an open circuit
        is nearer than any value on sale. `error` counts what that costs.
    """

    circuit: Circuit
    error: float
    nearest_error: float
    first_order: float | None
    parts: Parts
    pairs: tuple[PartPair, ...]
    series: Series
    capacitor_series: Series
    dropped: int


def round_circuit(
    circuit: Circuit,
    ports: StateMap,
    *,
    series: Series = "E96",
    capacitor_series: Series | None = None,
    method: Method = "joint",
    pairs: bool = False,
    seed: int = 0,
) -> Rounded:
    """Replace every resistor, transconductance, gyrator and capacitor by a preferred value.

    Transconductances and gyrators are set by one resistor each, whose value is rounded.
    Inductors are wound to their value and stay exact.

    Parameters
    ----------
    series : str
        Of the resistors.
    capacitor_series : str, optional
        Of the capacitors, which are sold in short series: E12 where not given, or `series` if that
        is shorter.
    method : {"joint", "nearest"}
    pairs : bool
        Make every part of the best one or two parts; they are so near that each is taken by
        itself, whatever the method.

    Raises
    ------
    UsageError
        If there is no such series or method.
    CircuitError
        If the circuit is not linear.
    NotRealizableError
        If nothing moves, or the joint method would need too large a matrix.
    """
    if method not in METHODS:
        raise UsageError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    size = len(decade(series))
    chosen: Series = capacitor_series or ("E12" if size > 12 else series)
    decade(chosen)
    metric = metric_of(circuit, ports)
    exact, circuit = circuit, _without_open(circuit)
    parts = nodal(circuit).parts
    made: tuple[PartPair, ...] = ()
    grids = {"resistor": _grid(series, "resistor"), "capacitor": _grid(chosen, "capacitor")}
    if pairs:
        made = tuple(_pairs(parts, series, chosen))
        near = np.array([pair.value for pair in made])
    else:
        near = _nearest(parts, grids)
    values, first_order = near, None
    nearest_circuit = with_values(circuit, parts, near)
    error = nearest_error = relative_error(nearest_circuit, exact, metric)
    if method == "joint" and not pairs:
        m = sensitivity(circuit, metric).m
        candidates = [
            neighbours_on(grids[kind], value) if kind in grids else np.array([value])
            for kind, value in zip(parts.kind, parts.value.tolist(), strict=True)
        ]
        found = _descend(m, parts.value, near, candidates, seed)
        trial = relative_error(with_values(circuit, parts, found), exact, metric)
        if trial < nearest_error:
            values, error = found, trial
        change = np.log(values / parts.value)
        first_order = float(np.sqrt(max(change @ m @ change, 0.0)))
    return Rounded(
        circuit=with_values(circuit, parts, values),
        error=error,
        nearest_error=nearest_error,
        first_order=first_order,
        parts=replace(parts, value=values),
        pairs=made,
        series=series,
        capacitor_series=chosen,
        dropped=len(nodal(exact).parts.value) - len(parts.value),
    )


def _grid(series: Series, kind: str) -> Vector:
    low, high = RESISTOR_RANGE if kind == "resistor" else CAPACITOR_RANGE
    return values_between(series, low, high)


def _nearest(parts: Parts, grids: dict[str, Vector]) -> Vector:
    values = np.array(parts.value)
    kinds = np.array(parts.kind)
    for kind, grid in grids.items():
        where = kinds == kind
        _check_range(kind, values[where], grid)
        values[where] = nearest_on(grid, values[where])
    return values


def _check_range(kind: str, values: Vector, grid: Vector) -> None:
    if values.size and not (grid[0] <= values.min() and values.max() <= grid[-1]):
        raise NotRealizableError(
            f"{kind}s from {values.min():.3g} to {values.max():.3g} lie outside the decades that "
            f"exist, {grid[0]:.3g} to {grid[-1]:.3g}; scale the network, or drop small weights"
        )


def _pairs(parts: Parts, series: Series, capacitor_series: Series) -> list[PartPair]:
    made: list[PartPair] = []
    for kind, value in zip(parts.kind, parts.value.tolist(), strict=True):
        if kind == "inductor":
            made.append(PartPair(first=value, second=None, arrangement="single", value=value))
            continue
        part = "resistor" if kind == "resistor" else "capacitor"
        chosen = series if kind == "resistor" else capacitor_series
        low, high = RESISTOR_RANGE if kind == "resistor" else CAPACITOR_RANGE
        made.append(
            best_pair(
                chosen, value, part=part, low=max(low, value / 1e5), high=min(high, value * 1e5)
            )
        )
    return made


def _descend(m: Matrix, exact: Vector, near: Vector, candidates: list[Vector], seed: int) -> Vector:
    """Coordinate descent over the candidates of each part, from several starts."""
    rng = np.random.default_rng(seed)
    steps = [np.log(c / v) for c, v in zip(candidates, exact.tolist(), strict=True)]
    starts = [np.log(near / exact)]
    starts += [np.array([rng.choice(k) for k in steps]) for _ in range(STARTS - 1)]
    order = np.argsort(-np.diag(m))
    best: tuple[float, Vector] | None = None
    for start in starts:
        change = _sweep(m, start, steps, order)
        value = float(change @ m @ change)
        if best is None or value < best[0]:
            best = (value, change)
    change = starts[0] if best is None else best[1]
    picked = [int(np.argmin(np.abs(k - x))) for k, x in zip(steps, change.tolist(), strict=True)]
    return np.array([c[k] for c, k in zip(candidates, picked, strict=True)])


def _sweep(m: Matrix, start: Vector, steps: list[Vector], order: Indices) -> Vector:
    """Move one part at a time to its best candidate until none moves."""
    change, gradient = start.copy(), m @ start
    for _ in range(SWEEPS):
        least = IMPROVES * max(float(change @ gradient), np.finfo(np.float64).tiny)
        moved = False
        for e in order:
            step = steps[e] - change[e]
            gain = 2 * gradient[e] * step + m[e, e] * step**2
            k = int(np.argmin(gain))
            if gain[k] < -least:
                change[e] += step[k]
                gradient += m[:, e] * step[k]
                moved = True
        if not moved:
            break
    return change


def with_values(circuit: Circuit, parts: Parts, values: Vector) -> Circuit:
    """The circuit with other values of its parts; signs and everything else stay."""
    banks = list(circuit.banks)
    for number in np.unique(parts.bank).tolist():
        banks[number] = _with_column(banks[number], values[parts.bank == number])
    return replace(circuit, banks=tuple(banks))


def _without_open(circuit: Circuit) -> Circuit:
    """Without the conductances that no resistor on sale is large enough for."""
    banks: list[Bank] = []
    for bank in circuit.banks:
        match bank:
            case Resistors():
                keep = np.abs(bank.resistance) <= RESISTOR_RANGE[1]
            case Transconductances():
                keep = np.abs(bank.gm) >= 1.0 / RESISTOR_RANGE[1]
            case Gyrators():
                keep = np.abs(bank.gyration_conductance) >= 1.0 / RESISTOR_RANGE[1]
            case _:
                keep = np.ones(len(bank.index), dtype=bool)
        if keep.all():
            banks.append(bank)
        elif keep.any():
            columns = {f.name: getattr(bank, f.name) for f in fields(bank)}
            chosen = {k: v[keep] for k, v in columns.items() if isinstance(v, np.ndarray)}
            banks.append(replace(bank, **chosen))
    return replace(circuit, banks=tuple(banks))


def _with_column(bank: Bank, values: Vector) -> Bank:
    match bank:
        case Resistors():
            return replace(bank, resistance=np.sign(bank.resistance) * values)
        case Transconductances():
            return replace(bank, gm=np.sign(bank.gm) / values)
        case Gyrators():
            return replace(bank, gyration_conductance=np.sign(bank.gyration_conductance) / values)
        case Capacitors():
            return replace(bank, capacitance=values)
        case Inductors():
            return replace(bank, inductance=values)
        case _:
            raise TypeError(f"bank {bank.stem!r} has no parts")
