"""Before parts are placed: who needs which signal, and how many volts it has there."""

import math
from dataclasses import dataclass

from rnn2circuit.devices.calibration import Calibration
from rnn2circuit.devices.technology import Technology
from rnn2circuit.lowering.board import VANISHING
from rnn2circuit.lowering.dataflow import Affine, Dataflow, Product, Stage

SMALLEST_SWING = 0.5  # V: a stage with less drowns in the offsets of what follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """What stands at an input of a multiplier: ``v = scale`` times the operand.

    Attributes
    ----------
    plus, minus : int or None
        The signals on both pins where it takes no resistors; None is ground.
    passive : bool
        Whether resistors sum the operand.
    """

    scale: float
    plus: int | None = None
    minus: int | None = None
    passive: bool = False


class Plan:
    """Uses and scales of all signals of a dataflow.

    A stage that is subtracted from another signal at a multiplier gets the swing at which the
    difference is right without resistors; any other, the technology's.
    """

    def __init__(self, flow: Dataflow, technology: Technology, calibration: Calibration) -> None:
        self.technology, self.calibration = technology, calibration
        self.stages = {node.out: node for node in flow.nodes if isinstance(node, Stage)}
        self.scales: dict[int, float] = {}
        self.operands: dict[int, tuple[Operand, Operand]] = {}
        self._drives: dict[int, int] = {}
        self._summed: set[int] = set()
        self._multiplied: set[int] = set()
        for store in flow.stores:
            for signal in store.current.terms if store.current is not None else ():
                self._drives[signal] = self._drives.get(signal, 0) + 1
        sums = (t.source for t in flow.throws), (loop.voltage for loop in flow.loops)
        for value in (*sums[0], *sums[1], *flow.voltages.values()):
            self._summed |= set(value.terms)
        for node in flow.nodes:
            if isinstance(node, Stage):
                self._summed |= set(node.argument.terms)
            else:
                self._multiplied |= set(node.a.terms) | set(node.b.terms)
                self.operands[node.out] = self._both(node)

    def only_drives(self, signal: int) -> bool:
        """Whether one state's current is all that a signal is for."""
        others = signal in self._summed or signal in self._multiplied
        return self._drives.get(signal, 0) == 1 and not others

    def loaded(self, signal: int) -> bool:
        """Whether resistors, and not only the inputs of multipliers, hang on a signal."""
        return signal in self._summed or signal in self._drives

    def scale(self, signal: int) -> float:
        """Volts on the board per volt of the ideal circuit."""
        default = self.technology.stage_swing if signal in self.stages else 1.0
        return self.scales.setdefault(signal, default)

    def _both(self, product: Product) -> tuple[Operand, Operand]:
        x, y = self._operand(product.a), self._operand(product.b)
        unit = self.technology.multiplier.unit / self.calibration.multiplier.gain
        self.scales[product.out] = x.scale * y.scale / unit
        return x, y

    def _operand(self, value: Affine) -> Operand:
        terms = [(signal, w) for signal, w in value.terms.items() if w != 0.0]
        if not value.constant and len(terms) == 1:
            ((signal, w),) = terms
            return _directed(signal, None, w, self.scale(signal) / abs(w))
        if not value.constant and len(terms) == 2:
            self._match(*terms)
            (one, w), (other, negative) = terms
            a, b = w / self.scale(one), negative / self.scale(other)
            if math.isclose(a, -b, rel_tol=VANISHING):
                return _directed(one, other, w, 1.0 / abs(a))
        shares = [w / self.scale(signal) for signal, w in terms]
        shares.append(value.constant / self.technology.reference)
        self._summed |= {signal for signal, _ in terms}
        most = max(sum(s for s in shares if s > 0), -sum(s for s in shares if s < 0))
        return Operand(scale=1.0 / most if most else 1.0, passive=True)

    def _match(self, one: tuple[int, float], other: tuple[int, float]) -> None:
        """Give a stage without a scale the one at which the difference needs no resistors."""
        for (stage, w), (signal, against) in ((one, other), (other, one)):
            if stage in self.stages and stage not in self.scales and signal not in self.stages:
                swing = self.scale(signal) * abs(w / against)
                if SMALLEST_SWING <= swing <= self.technology.swing and w * against < 0:
                    self.scales[stage] = swing


def _directed(signal: int, minus: int | None, weight: float, scale: float) -> Operand:
    if weight > 0:
        return Operand(scale=scale, plus=signal, minus=minus)
    return Operand(scale=scale, plus=minus, minus=signal)
