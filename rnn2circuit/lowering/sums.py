"""Resistors that meet in one sum are rounded together.

Where resistors meet and nothing else draws current, the voltage is a mean of what they come from,
weighted by their conductances: a common factor changes nothing, and it is chosen so that all of
them come close to values on sale at once. The same holds for the load of a stage together with
the resistor of its bias current, and for all that flows into a state together with its capacitor.
What goes to ground only makes up the total, and is rounded last, to what the others leave.

The two resistors from the output of an op-amp to its inputs may have any value, as long as it is
one: that at the state is rounded, and the other one follows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Vector
from rnn2circuit.circuit.banks import Bank, Capacitors, Resistors, net_columns
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.devices.eseries import nearest_on, values_between
from rnn2circuit.devices.technology import Technology
from rnn2circuit.lowering.purchase import CapacitorChoice
from rnn2circuit.lowering.realistic import STATE, SUPPLIES, TIE

# Common factors that are tried. With more, the resistance at the inputs of a stage would not be
# what stages are calibrated with; within these, a hundred are as good as independent.
FACTORS = np.geomspace(0.95, 1.05, 401)
# Of the capacitor that is nearest: down to where others are tried. Larger ones need more current.
SMALLEST = 0.2
TYPICAL = 0.4  # of the swing: what signals have
# A resistor to ground makes up for the others within this of its own value, and no further.
MADE_UP = 0.5


@dataclass(frozen=True, slots=True)
class _Sum:
    """The resistors at one net, by their numbers in the circuit.

    Attributes
    ----------
    volts : array
        What each comes from, as a magnitude; 0 of ground.
    loads : array of bool
        Whether it hangs on the net. A bias resistor does not: its current arrives through an OTA.
    plate : bool
        Whether it is a state, where a common factor is one of the time constant.
    """

    net: int
    members: list[int]
    volts: Vector
    loads: NDArray[np.bool_]
    plate: bool


def rounded_together(circuit: Circuit, offer: Vector, technology: Technology) -> Circuit:
    """The circuit with resistors that do the same and are closer to what is on offer.

    Each resistor still has to be rounded, by itself, to the nearest value.

    Parameters
    ----------
    offer : array
        Resistances, ascending.
    """
    wiring = _Wiring(circuit, technology)
    siemens = wiring.siemens.copy()
    sums = wiring.sums()
    for plate in (s for s in sums if s.plate):
        k = plate.members
        siemens[k] = _closest(plate, siemens[k], np.ones(1), offer, technology)[1]
        for here in set(k) & set(wiring.turns):
            siemens[wiring.turns[here]] = 1.0 / nearest_on(offer, 1.0 / siemens[[here]])[0]
    for mean in (s for s in sums if not s.plate):
        k = mean.members
        siemens[k] = _closest(mean, siemens[k], FACTORS, offer, technology)[1]
    return replace(circuit, banks=tuple(_with(circuit.banks, 1.0 / siemens)))


def better_capacitors(
    circuit: Circuit, offer: Vector, technology: Technology, choice: CapacitorChoice
) -> tuple[float, ...]:
    """For each state the capacitor with which its resistors are closest to what is on offer, in F.

    None where states are tied to each other.
    """
    tied = any(isinstance(b, ActiveGyrators) or b.stem == TIE.stem for b in circuit.banks)
    states = next((b for b in circuit.banks if b.stem == STATE.stem), None)
    if choice.series is None or tied or not isinstance(states, Capacitors):
        return ()
    wiring = _Wiring(circuit, technology)
    plates = {s.net: s for s in wiring.sums() if s.plate}
    found: list[float] = []
    for net, farad in zip(states.p.tolist(), states.capacitance.tolist(), strict=True):
        farads = values_between(choice.series, max(choice.low, SMALLEST * farad), farad)
        plate = plates[net]
        siemens = wiring.siemens[plate.members]
        factor = _closest(plate, siemens, farads / farad, offer, technology)[0]
        found.append(float(farads[np.argmin(np.abs(farads - factor * farad))]))
    return tuple(found)


def _with(banks: Iterable[Bank], ohms: Vector) -> Iterator[Bank]:
    start = 0
    for bank in banks:
        if isinstance(bank, Resistors):
            end = start + len(bank.index)
            yield replace(bank, resistance=ohms[start:end])
            start = end
        else:
            yield bank


def _closest(
    found: _Sum, siemens: Vector, factors: Vector, offer: Vector, technology: Technology
) -> tuple[float, Vector]:
    """The factor and the conductances for which rounding changes the sum least."""
    ohms = 1.0 / (factors[:, None] * siemens)
    low, high = technology.smallest_resistor, technology.largest_resistor
    there = np.all((ohms >= low) & (ohms <= high), axis=1)
    weight = (siemens * found.volts) ** 2
    if not there.any() or not weight.any():
        return 1.0, siemens
    factors, wanted = factors[there], 1.0 / ohms[there]
    bought = 1.0 / nearest_on(offer, 1.0 / wanted)
    off = bought / wanted - 1.0
    total = factors * siemens[found.loads].sum()
    grounded = np.flatnonzero(found.loads & (found.volts == 0.0))
    if grounded.size:
        leg = int(grounded[np.argmax(siemens[grounded])])
        gain = np.zeros(len(off)) if found.plate else (off @ weight) / weight.sum()
        others = found.loads & (np.arange(len(siemens)) != leg)
        rest = total * (1.0 + gain) - bought[:, others].sum(axis=1)
        usual = wanted[:, leg]
        made_up = (rest > MADE_UP * usual) & (rest < usual / MADE_UP)
        wanted[:, leg] = np.where(made_up, rest, usual)
        bought[:, leg] = 1.0 / nearest_on(offer, 1.0 / wanted[:, leg])
    mean = bought[:, found.loads].sum(axis=1) / np.where(total, total, 1.0) - 1.0
    if found.plate:
        own = (TYPICAL * technology.swing * siemens[found.loads].sum()) ** 2
        error = off**2 @ weight + own * mean**2
    else:
        error = (off - mean[:, None]) ** 2 @ weight
    best = int(np.argmin(error))
    return float(factors[best]), wanted[best]


class _Wiring:
    """Which resistors meet where, and what else is there.

    Attributes
    ----------
    siemens : array
        Of all resistors, numbered through.
    turns : dict of int to int
        Of op-amps that drive a state: the resistor from the output to the state, and the other.
    """

    def __init__(self, circuit: Circuit, technology: Technology) -> None:
        self.technology = technology
        rails = (technology.supply, technology.supply, technology.reference)
        known = {circuit.nets[p]: p for p in circuit.ports}
        self.volts = {known[name]: volts for name, volts in zip(SUPPLIES, rails, strict=True)}
        self.volts[GROUND] = 0.0
        self.held = {GROUND, *circuit.ports}  # nets with a voltage of their own
        self.plates: set[int] = set()
        self.outputs: dict[int, int] = {}  # bias pin -> output of its OTA
        self.at: dict[int, list[tuple[int, int]]] = {}  # net -> resistors and their other ends
        ohms: list[float] = []
        for bank in circuit.banks:
            if isinstance(bank, Resistors):
                ends = zip(bank.p.tolist(), bank.n.tolist(), strict=True)
                for k, (p, n) in enumerate(ends, len(ohms)):
                    self.at.setdefault(p, []).append((k, n))
                    self.at.setdefault(n, []).append((k, p))
                ohms += bank.resistance.tolist()
            else:
                self._attach(bank)
        self.siemens = 1.0 / np.array(ohms)
        self.turns = dict(self._turns(circuit))

    def _attach(self, bank: Bank) -> None:
        match bank:
            case Otas():
                held = ("positive", "negative")
                self.outputs |= dict(zip(bank.bias.tolist(), bank.out.tolist(), strict=True))
            case OpAmps():
                held = ("out", "positive", "negative")
            case Multipliers():
                held = ("out", "z", "positive", "negative")
            case Capacitors():
                held = ("p", "n")
                self.plates |= set(bank.p.tolist())
            case _:
                held = net_columns(bank)
        for name in held:
            self.held |= set(getattr(bank, name).tolist())

    def sums(self) -> list[_Sum]:
        """States, and nets whose voltage is a mean."""
        biases: dict[int, list[int]] = {}
        for pin, out in self.outputs.items():
            biases.setdefault(out, []).extend(k for k, _ in self.at.get(pin, []))
        found: list[_Sum] = []
        for net in sorted({*self.at, *biases} - {GROUND}):
            rows, plate = self.at.get(net, []), net in self.plates
            if not (plate or self._is_mean(net)) or any(self._is_mean(end) for _, end in rows):
                continue
            turned = [k in self.turns for k, _ in rows]  # of any value: it does not count
            volts = [self.volts.get(end, TYPICAL * self.technology.swing) for _, end in rows]
            volts = np.where(turned, 0.0, volts)
            through = biases.get(net, [])
            across = 2 * self.technology.supply - self.technology.ota.bias_voltage
            found.append(
                _Sum(
                    net=net,
                    members=[*(k for k, _ in rows), *through],
                    volts=np.concatenate([volts, np.full(len(through), across)]),
                    loads=np.concatenate(
                        [~np.array(turned, dtype=bool), np.zeros(len(through), dtype=bool)]
                    ),
                    plate=plate,
                )
            )
        return found

    def _is_mean(self, net: int) -> bool:
        return net not in self.held and net not in self.outputs

    def _turns(self, circuit: Circuit) -> Iterator[tuple[int, int]]:
        for bank in circuit.banks:
            if not isinstance(bank, OpAmps):
                continue
            for p, n, out in zip(bank.p.tolist(), bank.n.tolist(), bank.out.tolist(), strict=True):
                if p in self.plates and n != out:
                    ends = (self.at.get(p, []), self.at.get(n, []))
                    here, there = ([k for k, end in rows if end == out] for rows in ends)
                    yield from zip(here, there, strict=True)
