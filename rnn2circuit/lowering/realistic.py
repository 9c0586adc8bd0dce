"""From an ideal circuit to parts that can be bought: op-amps, OTAs, multipliers, R and C.

One rule per thing that a circuit computes:

sum in front of a stage
    resistors straight to both inputs of an OTA, positive weights to one and negative ones to the
    other: no amplifier. A resistor to ground at each input makes up the same total conductance.
    Where the weights are more than that, one op-amp sums them first.
stage whose value only drives one state
    the OTA's output current flows into the state's capacitor; its bias sets the gain.
stage whose value is needed as a voltage
    the OTA feeds a resistor, with a follower behind it where resistors load it.
product
    one multiplier. Where it only drives one state, its summing pin follows the state, so that
    the resistor behind it carries a current that does not depend on the state.
weighted sum of voltages into a state, of both signs
    one op-amp (G. J. Deboo's integrator with many inputs): resistors from positive terms to the
    capacitor, from negative ones to the inverting input. Any leak, of either sign, comes out with
    positive resistors.
gyrator or positive resistor between two states
    stays what it is: the gyrator as two Howland current sources.
state that is a current
    one op-amp drives an inductor and a grounded resistor, on which it shows.
weighted sum that is needed as a voltage
    one op-amp with resistors to both inputs, balanced.

A logistic stage is a tanh stage: ``1/2 + 1/2 tanh(z/2)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.circuit.circuit import GROUND, Circuit, CircuitBuilder
from rnn2circuit.devices.calibration import Calibration, StageFit, uncalibrated
from rnn2circuit.devices.technology import THERMAL, Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.lowering.board import VANISHING, Board, Role
from rnn2circuit.lowering.dataflow import (
    Affine,
    Dataflow,
    Loop,
    Product,
    Stage,
    Store,
    Throw,
    read_dataflow,
)
from rnn2circuit.lowering.negligible import without_negligible
from rnn2circuit.lowering.plan import Operand, Plan
from rnn2circuit.lowering.purchase import CapacitorChoice, choose_capacitors

# Of what an op-amp that sums for a stage has at its output, this part reaches the stage. With
# less, its noise gain makes finite gain and bandwidth felt; with more, its own offset.
SUMMED_SHARE = 0.25
OFFSET_LEFT = 1e-5  # V at the input of a stage: less than a gradient of 0.01 degrees makes

SUPPLIES = ("vcc", "vee", "vref")
ARGUMENT = "_z"  # behind the name of a stage: the net of its summed argument

STATE = Role("state", "state capacitors")
HELD = Role("held", "capacitors that sample and hold")
FOLLOW = Role("follow", "followers: what stands on a capacitor or load, for others to use")
PAIR = Role("pair", "weights at the inputs of the stages: 2 Vt per unit of the argument")
LEG = Role("leg", "legs that give both inputs of a pair the same conductance")
BIAS = Role("bias", "bias currents of the stages, from the positive supply")
STAGE = Role("stage", "stages: bias current times tanh of their inputs")
LOAD = Role("load", "loads of the stages whose value is a voltage")
OFFSET = Role("offset", "from a supply: takes the offsets of stage outputs away")
LIFT = Role("lift", "from the reference: the half in 1/2 + 1/2 tanh")
MULT = Role("mult", "multipliers")
DRIVE = Role("drive", "from multipliers into states")
OPERAND = Role("opd", "weights at the inputs of the multipliers")
SIDE = Role("side", "resistors that give both inputs of a multiplier the same conductance")
WEIGHT = Role("w", "weights into states: positive ones to the capacitor")
LEAK = Role("leak", "what is left of the leaks")
DEBOO = Role("deboo", "op-amps that give states weights and leaks of either sign")
TURN = Role("turn", "equal resistors from the output to both inputs of these op-amps")
COIL = Role("coil", "state inductors")
SENSE = Role("sense", "resistors on which the currents of the states show")
TIE = Role("tie", "resistors between states")
GYRATE = Role("gyr", "gyrators between states: two Howland current sources each")
SUM = Role("sum", "op-amps that sum voltages")
TERM = Role("term", "their weights")


@dataclass(frozen=True, slots=True)
class Signal:
    """A voltage on the board: ``v(net) = scale`` times what the ideal circuit has there."""

    net: int
    scale: float
    strong: bool  # whether resistors may load it


def lower(
    circuit: Circuit,
    technology: Technology,
    *,
    held: Sequence[str] = (),
    calibration: Calibration | None = None,
    capacitors: CapacitorChoice | None = None,
) -> Circuit:
    """Realize an ideal circuit with parts.

    Parameters
    ----------
    held : sequence of str
        Ports that are inputs: a testbench holds their voltages.

    Returns a circuit with the same ports, in the same order and with the same meaning, and three
    more: `SUPPLIES`.

    Raises
    ------
    NotRealizableError
        If the ideal circuit holds what no part does, a weight does not fit into the sum in front
        of a stage, or a value cannot be bought.
    """
    flow, notes = without_negligible(read_dataflow(circuit, held), technology)
    if capacitors is not None:
        flow = choose_capacitors(flow, capacitors)
    for node in flow.nodes:
        if isinstance(node, Stage) and node.activation not in ("tanh", "logistic"):
            raise NotRealizableError(
                f"there is no realistic stage with the characteristic {node.activation!r} "
                f"({circuit.nets[node.out]}); levels other than ideal have tanh and logistic"
            )
    made = _Lowering(circuit, flow, technology, calibration or uncalibrated(technology)).circuit()
    return replace(made, notes=(*made.notes, *notes))


class _Lowering:
    def __init__(
        self, ideal: Circuit, flow: Dataflow, technology: Technology, calibration: Calibration
    ) -> None:
        self.ideal, self.flow, self.technology = ideal, flow, technology
        self.calibration = calibration
        self.builder = CircuitBuilder()
        self.port = {p: self.builder.net(ideal.nets[p]) for p in ideal.ports}
        supplies = [self.builder.net(name) for name in SUPPLIES]
        positive, negative, reference = supplies
        self.supplies = supplies
        self.board = Board(
            builder=self.builder,
            technology=technology,
            positive=positive,
            negative=negative,
            reference=reference,
        )
        self.stages = {node.out: node for node in flow.nodes if isinstance(node, Stage)}
        self.products = {node.out: node for node in flow.nodes if isinstance(node, Product)}
        self.plan = Plan(flow, technology, calibration)
        self.signals: dict[int, Signal] = {}
        self.plates: dict[int, int] = {}
        self.thrown: dict[tuple[str, int], int] = {}
        self.crowded: list[str] = []

    def circuit(self) -> Circuit:
        """Stores first, because others listen to them; then stages and products as needed."""
        flow = self.flow
        stored = {store.net for store in flow.stores}
        for port, net in self.port.items():
            if port not in flow.voltages and port not in stored:
                self.signals[port] = Signal(net=net, scale=1.0, strong=True)
        for store in flow.stores:
            self._store(store)
        for store in flow.stores:
            if store.current is not None:
                self._drive(store, store.current)
        for loop in flow.loops:
            self._loop(loop)
        self._between_states()
        for throw in flow.throws:
            self._throw(throw)
        for port, value in flow.voltages.items():
            self._voltage(value, self.ideal.nets[port], out=self.port[port])
        self._switches()
        self._say_crowded()
        return self.board.build([*self.port.values(), *self.supplies])

    def _say_crowded(self) -> None:
        if self.crowded:
            self.builder.note(
                f"the weights into {', '.join(self.crowded[:6])}"
                f"{' ..' if len(self.crowded) > 6 else ''} are more than resistors at the inputs "
                "of a stage can sum; an op-amp sums them first"
            )

    def name(self, net: int) -> str:
        return self.ideal.nets[net]

    # -- states ------------------------------------------------------------------------------

    def _store(self, store: Store) -> None:
        """The capacitor, and a follower that shows it."""
        name = self.name(store.net)
        plate = self.board.net(f"{name}_c")
        shown = self.port.get(store.net)
        shown = self.board.net(f"{name}_f") if shown is None else shown
        role = HELD if store.current is None else STATE
        self.board.capacitor(role, plate, store.capacitance, store.v_initial, f"state {name}")
        self.board.opamp(FOLLOW, plate, shown, shown)
        self.signals[store.net] = Signal(net=shown, scale=1.0, strong=True)
        self.plates[store.net] = plate

    def _drive(self, store: Store, current: Affine) -> None:
        """Everything that flows into a state's capacitor."""
        plate, name = self.plates[store.net], self.name(store.net)
        constant, resistive, offset, spare = current.constant, [], 0.0, 0.0
        most = max(map(abs, [store.leak, *current.terms.values()]))
        for signal, siemens in current.terms.items():
            if abs(siemens) <= VANISHING * most:
                continue
            if self.plan.only_drives(signal) and signal in self.stages:
                stage, fit = self.stages[signal], self._stage_current(siemens, signal, plate)
                if stage.activation == "logistic":
                    constant += 0.5 * siemens
                offset += fit.output_offset * _amplitude(stage, siemens)
                spare += fit.output_conductance * _amplitude(stage, siemens)
            elif self.plan.only_drives(signal) and signal in self.products:
                spare += self._product_current(self.products[signal], siemens, store.net)
            else:
                at = self.strong(signal)
                what = f"the weight from {self.name(signal)} into {name}"
                resistive.append((at.net, siemens / at.scale, what))
        if constant != 0.0:
            level = self.technology.reference
            resistive.append((self.board.reference, constant / level, f"the bias of {name}"))
        resistive += self._against(offset, f"the offset of {name}")
        self._resistive(name, plate, resistive, store.leak, spare)

    def _against(self, ampere: float, what: str) -> list[tuple[int, float, str]]:
        """A resistor from a supply that takes a small current away, where anyone sells it."""
        net = self.board.negative if ampere > 0 else self.board.positive
        siemens = abs(ampere) / self.technology.supply
        sold = siemens * self.technology.largest_resistor >= 1.0
        return [(net, siemens, what)] if sold else []

    def _resistive(
        self,
        name: str,
        plate: int,
        terms: list[tuple[int, float, str]],
        leak: float,
        spare: float,
    ) -> None:
        """Weights of both signs and a leak, with one op-amp where plain resistors do not do.

        `spare` is the part of the leak that stages and products bring along. It is too little to
        spend an op-amp on, or a resistor that nobody sells.
        """
        board = self.board
        plus = sum(g for _, g, _ in terms if g > 0)
        minus = -sum(g for _, g, _ in terms if g < 0)
        left = leak - plus + minus
        noise = VANISHING * (abs(leak) + plus + minus)
        left = 0.0 if abs(left) <= noise else left
        if minus > 0 or left < 0 or left > spare:
            least = 1.0 / self.technology.largest_resistor
            left = left - spare if abs(left - spare) >= least else left
        other = plate
        if minus > 0 or left < 0:
            other, out = board.net(f"{name}_n"), board.net(f"{name}_o")
            turn = 2 * (minus + max(-left, 0.0))
            board.opamp(DEBOO, plate, other, out)
            for end in (plate, other):
                board.resistor(TURN, out, end, turn, f"the op-amp of {name}")
        for net, g, what in terms:
            board.resistor(WEIGHT, net, plate if g > 0 else other, abs(g), what)
        if left:
            board.resistor(LEAK, plate if left > 0 else other, GROUND, abs(left), f"leak of {name}")

    def _between_states(self) -> None:
        for p, n, siemens in self.flow.ties:
            what = f"the resistor between {self.name(p)} and {self.name(n)}"
            self.board.resistor(TIE, self.plates[p], self.plates[n], siemens, what)
        for p1, p2, siemens in self.flow.gyrators:
            self.board.gyrator(GYRATE, self.plates[p1], self.plates[p2], siemens)

    def _loop(self, loop: Loop) -> None:
        """An op-amp drives L and a grounded R, whose voltage another shows.

        A loop without a positive resistance of its own gets one to be sensed on, and its drive
        what makes up for it.
        """
        name, board, voltage = self.name(loop.net), self.board, loop.voltage
        ohm = loop.resistance
        if ohm <= 0:
            ohm = abs(loop.transresistance)
            own = voltage.terms.get(loop.net, 0.0)
            more = (ohm - loop.resistance) / loop.transresistance
            voltage = replace(voltage, terms={**voltage.terms, loop.net: own + more})
        start = self._summed(self._terms(voltage, name), f"{name}_e")
        end = board.net(f"{name}_l")
        board.inductor(COIL, start, end, loop.inductance, loop.i_initial, f"state {name}")
        board.resistor(SENSE, end, GROUND, 1.0 / ohm, f"state {name}")
        follower = board.net(f"{name}_f")
        board.opamp(FOLLOW, end, follower, follower)
        gain = loop.transresistance / ohm
        self._summed([(follower, gain, f"state {name}")], f"{name}_s", self.port[loop.net])

    # -- sample and hold ---------------------------------------------------------------------

    def _throw(self, throw: Throw) -> None:
        name = self.name(throw.store)
        at = self._voltage(throw.source, f"{name}_d")
        self.thrown[throw.bank.stem, throw.instance] = at

    def _switches(self) -> None:
        seen: set[str] = set()
        for throw in self.flow.throws:
            bank = throw.bank
            if bank.stem in seen:
                continue
            seen.add(bank.stem)
            every = range(len(bank.index))
            control = [self.signals[int(k)].net for k in bank.control]
            self.board.switch(
                replace(
                    bank,
                    p=np.array([self.thrown[bank.stem, k] for k in every]),
                    n=np.array([self.plates[int(k)] for k in bank.n]),
                    control=np.array(control),
                )
            )

    # -- stages ------------------------------------------------------------------------------

    def _pair(self, stage: Stage, fit: StageFit, sign: float = 1.0) -> tuple[int, int]:
        """Both inputs of an OTA, with the weighted sum of the argument between them.

        `sign` is -1 where the OTA takes them the other way around.
        """
        technology, name = self.technology, self.name(stage.out)
        per_unit = THERMAL * (1.0 if stage.activation == "logistic" else 2.0) / fit.slope
        total = 1.0 / technology.pair_resistance
        shift = -sign * fit.input_offset  # V
        shift = 0.0 if abs(shift) < OFFSET_LEFT else shift
        argument = stage.argument
        argument = replace(argument, constant=argument.constant + shift / per_unit)
        terms = self._terms(argument, name)
        weights = [(net, per_unit * w, what) for net, w, what in terms]
        if max(_sides(weights)) > 1.0:
            volts = per_unit / SUMMED_SHARE
            scaled = [(net, volts * w, what) for net, w, what in terms]
            weights = [(self._summed(scaled, f"{name}{ARGUMENT}"), SUMMED_SHARE, f"the sum {name}")]
            self.crowded.append(name)
        return self._passive_sum(name, weights, total, (PAIR, LEG))

    def _passive_sum(
        self,
        name: str,
        weights: Sequence[tuple[int, float, str]],
        total: float,
        roles: tuple[Role, Role],
        tag: str = "",
    ) -> tuple[int, int]:
        """Nets p and n with ``v(p) - v(n) = Σ weight v``, each of conductance `total`."""
        board = self.board
        ends = board.net(f"{name}_{tag}p"), board.net(f"{name}_{tag}n")
        for end, sign in zip(ends, (1.0, -1.0), strict=True):
            own = [(net, sign * w, what) for net, w, what in weights if sign * w > 0]
            used = sum(w for _, w, _ in own)
            for net, w, what in own:
                board.resistor(roles[0], net, end, w * total, what)
            rest = 1.0 - used
            if rest > VANISHING:
                board.resistor(roles[1], end, GROUND, rest * total, f"the leg of {name}")
        return ends

    def _bias(self, name: str, fit: StageFit) -> int:
        """A bias pin with the resistor that sets its current."""
        technology, ampere = self.technology, fit.bias / fit.gain
        most = technology.ota.largest_bias
        if ampere > most:
            raise NotRealizableError(
                f"the stage {name} needs a bias of {ampere:.3g} A, an OTA takes {most:g} A; raise "
                "the impedance or lower volts_per_unit"
            )
        pin = self.board.net(f"{name}_b")
        drop = 2 * technology.supply - fit.pin_voltage
        self.board.resistor(BIAS, self.board.positive, pin, ampere / drop, f"the bias of {name}")
        return pin

    def _stage_current(self, siemens: float, signal: int, plate: int) -> StageFit:
        """The OTA drives the state itself, at 1 V; returns what it really does."""
        stage = self.stages[signal]
        fit = self.calibration.driver(_amplitude(stage, siemens))
        pair = self._pair(stage, fit, np.sign(siemens))
        pin = self._bias(self.name(stage.out), fit)
        self.board.ota(STAGE, pair if siemens > 0 else (pair[1], pair[0]), pin, plate)
        return fit

    def _stage_voltage(self, stage: Stage) -> Signal:
        """The OTA drives a load."""
        technology, name, board = self.technology, self.name(stage.out), self.board
        logistic = stage.activation == "logistic"
        scale = self.plan.scale(stage.out)
        half = scale * (0.5 if logistic else 1.0)
        ampere = technology.stage_bias
        fit = self.calibration.load(stage.activation, scale)
        pair, pin, out = self._pair(stage, fit), self._bias(name, fit), board.net(name)
        board.ota(STAGE, pair, pin, out)
        load = ampere / half - ampere * fit.output_conductance  # S, with what follows
        lift = (ampere if logistic else 0.0) - ampere * fit.output_offset
        if logistic:
            lifts = [(board.reference, lift / technology.reference, f"lift of {name}")]
        else:
            lifts = self._against(-lift, f"the offset of {name}")
        for net, siemens, what in lifts:
            board.resistor(LIFT if logistic else OFFSET, net, out, siemens, what)
            load -= siemens
        board.resistor(LOAD, out, GROUND, load, f"load of {name}")
        if not self.plan.loaded(stage.out):
            return Signal(net=out, scale=scale, strong=False)
        follower = self.board.net(f"{name}_f")
        self.board.opamp(FOLLOW, out, follower, follower)
        return Signal(net=follower, scale=scale, strong=True)

    # -- products ----------------------------------------------------------------------------

    def _product_current(self, product: Product, siemens: float, state: int) -> float:
        """The multiplier's summing pin follows the state, so that the state loads nothing.

        Returns the conductance in S that it loads it with all the same.
        """
        name = self.name(product.out)
        x, y = self._operands(product)
        scale = self.plan.scale(product.out)
        out = self.board.net(name)
        x = x if siemens > 0 else (x[1], x[0])
        self.board.multiplier(MULT, x, y, out, self.signals[state].net)
        what = f"the product {name} into {self.name(state)}"
        drive = abs(siemens) / scale
        self.board.resistor(DRIVE, out, self.plates[state], drive, what)
        return -drive * self.calibration.multiplier.summing_error

    def _product_voltage(self, product: Product) -> Signal:
        x, y = self._operands(product)
        out = self.board.net(self.name(product.out))
        self.board.multiplier(MULT, x, y, out, GROUND)
        return Signal(net=out, scale=self.plan.scale(product.out), strong=True)

    def _operands(self, product: Product) -> tuple[tuple[int, int], tuple[int, int]]:
        name, (x, y) = self.name(product.out), self.plan.operands[product.out]
        return self._operand(product.a, x, name, "x"), self._operand(product.b, y, name, "y")

    def _operand(self, value: Affine, plan: Operand, name: str, tag: str) -> tuple[int, int]:
        """Two nets with `plan.scale` times the value between them."""
        if not plan.passive:
            plus, minus = (
                GROUND if signal is None else self.signal(signal).net
                for signal in (plan.plus, plan.minus)
            )
            return plus, minus
        weights = [(net, w * plan.scale, what) for net, w, what in self._terms(value, name)]
        total = 1.0 / self.technology.operand_resistance
        return self._passive_sum(name, weights, total, (OPERAND, SIDE), tag)

    def _terms(self, value: Affine, name: str) -> list[tuple[int, float, str]]:
        """The terms of a sum as voltages on the board that resistors may load."""
        rows: list[tuple[int, float, str]] = []
        most = max(map(abs, [*value.terms.values(), value.constant]), default=0.0)
        for signal, weight in value.terms.items():
            if abs(weight) > VANISHING * most:
                at = self.strong(signal)
                what = f"the weight from {self.name(signal)} to {name}"
                rows.append((at.net, weight / at.scale, what))
        if value.constant:
            level = self.technology.reference
            rows.append((self.board.reference, value.constant / level, f"the bias of {name}"))
        return rows

    # -- voltages ----------------------------------------------------------------------------

    def signal(self, net: int) -> Signal:
        """Where a signal of the ideal circuit stands on the board."""
        found = self.signals.get(net)
        if found is None:
            node = self.stages.get(net)
            if node is not None:
                found = self._stage_voltage(node)
            else:
                found = self._product_voltage(self.products[net])
            self.signals[net] = found
        return found

    def strong(self, net: int) -> Signal:
        """As `signal`, where resistors load it."""
        found = self.signal(net)
        if not found.strong:
            raise AssertionError(f"{self.name(net)} is loaded and has no follower")
        return found

    def _voltage(self, value: Affine, name: str, out: int | None = None) -> int:
        """A net that stands at `value`, in volts, and can be loaded."""
        if out is None and len(value.terms) == 1 and not value.constant:
            ((net, weight),) = value.terms.items()
            at = self.signal(net)
            if at.strong and np.isclose(weight, at.scale, rtol=VANISHING, atol=0.0):
                return at.net
        return self._summed(self._terms(value, name), name, out)

    def _summed(
        self, terms: list[tuple[int, float, str]], name: str, out: int | None = None
    ) -> int:
        """One op-amp whose output is ``Σ weight v``."""
        board, unit = self.board, 1.0 / self.technology.sum_resistance
        out = board.net(name) if out is None else out
        p, n = board.net(f"{name}_p"), board.net(f"{name}_n")
        board.opamp(SUM, p, n, out)
        board.resistor(TERM, out, n, unit, f"the sum {name}")
        board.resistor(TERM, p, GROUND, unit, f"the sum {name}")
        for net, w, what in terms:
            board.resistor(TERM, net, p if w > 0 else n, abs(w) * unit, what)
        plus, minus = _sides(terms)
        uneven = plus - minus
        if abs(uneven) > VANISHING * (1.0 + plus + minus):
            end = n if uneven > 0 else p
            board.resistor(TERM, end, GROUND, abs(uneven) * unit, f"the balance of {name}")
        return out


def _amplitude(stage: Stage, siemens: float) -> float:
    """A, of the tanh of a stage with an output of 1 V into a state."""
    return abs(siemens) * (0.5 if stage.activation == "logistic" else 1.0)


def _sides(terms: Sequence[tuple[int, float, str]]) -> tuple[float, float]:
    """Sums of the positive and of the negative weights, both as magnitudes."""
    weights = [w for _, w, _ in terms]
    return sum(w for w in weights if w > 0), -sum(w for w in weights if w < 0)
