"""Values that people can buy: capacitors first, then resistors of one part or of two.

Capacitors are sold in short series and resistors in long ones. So each state takes a capacitor
that exists, and everything that flows into it is scaled by the same factor: time constants and
weights stay exact, and only resistors are left to be rounded. Two E24 resistors in series or in
parallel are within 0.4 % of any value, and within 0.08 % rms.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.circuit.banks import Bank, Resistors
from rnn2circuit.circuit.circuit import Circuit, CircuitBuilder
from rnn2circuit.circuit.parts import ActiveGyrators
from rnn2circuit.devices.eseries import PartPair, Series, best_pair, nearest, values_between
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.lowering.dataflow import Affine, Dataflow, Store

LARGEST_CONDUCTANCE = 1e-4  # S, to which capacitors are raised: 10 kohm loads no op-amp
SAME = 1e-9  # relative, of capacitors that should be alike
SMALLEST_PART = 1.0  # ohm, in series with another


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitorChoice:
    """Which capacitors there are.

    Attributes
    ----------
    series : str or None
        Any value where None.
    low, high : float
        F.
    least : float
        S: a state into which less flows gets a larger capacitor, so that the resistor of its
        smallest weight exists.
    picked : tuple of float
        F, of the states in their order; by the rest where empty.
    """

    series: Series | None
    low: float
    high: float
    least: float = 0.0
    picked: tuple[float, ...] = ()


def choose_capacitors(flow: Dataflow, choice: CapacitorChoice) -> Dataflow:
    """The same equations with capacitors that there are.

    States that resistors or gyrators tie together keep their proportions.

    Raises
    ------
    NotRealizableError
        If the capacitors of such states are not all in the series, or not within the range.
    """
    if not (flow.ties or flow.gyrators):
        picked = iter(choice.picked)
        free = [
            _scaled(s, next(picked))
            if choice.picked and s.current is not None
            else _scaled(s, _capacitor(s.capacitance, s, choice))
            for s in flow.stores
        ]
        return replace(flow, stores=tuple(free))
    typical = float(np.median([s.capacitance for s in flow.stores]))
    factor = _capacitor(typical, None, choice) / typical
    stores: list[Store] = []
    for store in flow.stores:
        wanted = factor * store.capacitance
        there = _capacitor(wanted, None, choice)
        if abs(there - wanted) > SAME * there:
            raise NotRealizableError(
                f"states that resistors or gyrators tie together keep the proportions of their "
                f"capacitors, so that one of {wanted:.4g} F is needed, which is not "
                f"{choice.series or 'allowed'} within {choice.low:g} to {choice.high:g} F; take "
                "coupling vccs, or leave out round_capacitors and c_range"
            )
        stores.append(_scaled(store, there))
    return replace(
        flow,
        stores=tuple(stores),
        ties=tuple((p, n, factor * g) for p, n, g in flow.ties),
        gyrators=tuple((p, n, factor * g) for p, n, g in flow.gyrators),
    )


def _capacitor(farad: float, store: Store | None, choice: CapacitorChoice) -> float:
    """The capacitor that takes the place of another; of a store, one that its weights need."""
    raised = farad * (1.0 if store is None else _raise(store, choice.least))
    wanted = float(np.clip(raised, choice.low, choice.high))
    if choice.series is not None:
        found = nearest(choice.series, np.array([wanted]), low=choice.low, high=choice.high)
        wanted = float(found[0])
    return wanted


def _scaled(store: Store, farad: float) -> Store:
    """The store with another capacitor, and as much more current into it."""
    factor, current = farad / store.capacitance, store.current
    if current is not None:
        terms = {signal: factor * siemens for signal, siemens in current.terms.items()}
        current = Affine(terms=terms, constant=factor * current.constant)
    return replace(
        store,
        capacitance=farad,
        current=current,
        leak=factor * store.leak,
    )


def _raise(store: Store, least: float) -> float:
    """By how much a state's conductances must grow for the smallest to be `least`, from 1 up."""
    terms = () if store.current is None else store.current.terms.values()
    sizes = [abs(g) for g in (*terms, store.leak) if g != 0.0]
    if not sizes:
        return 1.0
    return max(1.0, min(least / min(sizes), LARGEST_CONDUCTANCE / max(sizes)))


def buy_resistors(circuit: Circuit, series: Series, *, pairs: bool, largest: float) -> Circuit:
    """Every resistor as the nearest of a series, or with `pairs` as the best one or two.

    Of a pair both resistors are in the circuit, at ``stem_k_1`` and ``stem_k_2``.

    Raises
    ------
    NotRealizableError
        If a resistor is larger than the series goes.
    """
    grid = values_between(series, SMALLEST_PART, largest)
    builder = CircuitBuilder()
    for name in circuit.nets[1:]:
        builder.net(name)
    for bank in circuit.banks:
        if isinstance(bank, Resistors):
            bought = _bought(bank, series, pairs, grid)
            builder.add(_paired(bank, bought, builder) if pairs else _together(bank, bought))
        elif isinstance(bank, ActiveGyrators):  # each of its resistors is made of one or two
            builder.add(_together(bank, _bought(bank, series, pairs, grid)))
        else:
            builder.add(bank)
    for note in circuit.notes:
        builder.note(note)
    return builder.build(ports=circuit.ports)


def _bought(
    bank: Resistors | ActiveGyrators, series: Series, pairs: bool, grid: Vector
) -> list[PartPair]:
    low, high = float(grid[0]), float(grid[-1])
    found: list[PartPair] = []
    for ohm in bank.resistance.tolist():
        if not low <= ohm <= high:
            raise NotRealizableError(
                f"a resistor of {ohm:.4g} ohm ({bank.meaning}) lies outside {series}, {low:g} to "
                f"{high:g} ohm; change volts_per_unit or impedance, or leave out weights that small"
            )
        if pairs:
            found.append(best_pair(series, ohm, low=low, high=high))
        else:
            value = float(nearest(series, np.array([ohm]), low=low, high=high)[0])
            found.append(PartPair(first=value, second=None, arrangement="single", value=value))
    return found


def _together(bank: Resistors | ActiveGyrators, bought: list[PartPair]) -> Bank:
    """The bank with other values."""
    return replace(bank, resistance=np.array([part.value for part in bought]))


def _paired(bank: Resistors, bought: list[PartPair], builder: CircuitBuilder) -> Bank:
    """The bank with one or two resistors for each; two in series meet at a net of their own."""
    rows: list[tuple[Any, ...]] = []
    ends = zip(bank.index[:, 0].tolist(), bank.p.tolist(), bank.n.tolist(), bought, strict=True)
    for k, p, n, pair in ends:
        if pair.second is None:
            rows.append((k, 1, p, n, pair.first))
        elif pair.arrangement == "series":
            middle = builder.net(f"{bank.stem}{k}_m")
            rows += [(k, 1, p, middle, pair.first), (k, 2, middle, n, pair.second)]
        else:
            rows += [(k, 1, p, n, pair.first), (k, 2, p, n, pair.second)]
    k, place, p, n, ohm = zip(*rows, strict=True)
    return replace(
        bank,
        index=np.column_stack([k, place]),
        p=np.array(p),
        n=np.array(n),
        resistance=np.array(ohm),
    )
