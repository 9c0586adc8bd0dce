"""Weights that no resistor on sale is large enough for, and that nobody would miss.

Training leaves weights of 1e-6 and 1e-20 beside weights of 1. Where the resistor of one exists it
is there; where it does not and the weight is a tiny part of the sum that it belongs to, an open
circuit is nearer than any part. What is too small to build and too large to leave out is refused
later, by name.
"""

from dataclasses import dataclass, replace

from rnn2circuit.devices.technology import THERMAL, Technology
from rnn2circuit.lowering.dataflow import Affine, Dataflow, Product, Stage, Store

NEGLIGIBLE = 1e-5  # of a sum: a hundredth of what level macro is verified to


@dataclass(slots=True)
class _Left:
    """What was left out so far."""

    largest: float  # ohm on sale
    count: int = 0
    share: float = 0.0  # the largest share of a sum among them

    def cleaned(self, value: Affine, ohm: float, leak: float = 0.0) -> Affine:
        """The sum without what is left out; a weight of 1 needs a resistor of `ohm`."""
        sizes = [abs(w) for w in value.terms.values()]
        total = sum(sizes) + abs(value.constant) + abs(leak)
        constant = 0.0 if self._leave(value.constant, ohm, total) else value.constant
        terms = {k: w for k, w in value.terms.items() if not self._leave(w, ohm, total)}
        return Affine(terms=terms, constant=constant)

    def _leave(self, weight: float, ohm: float, total: float) -> bool:
        size = abs(weight)
        if size == 0.0 or ohm <= self.largest * size or size > NEGLIGIBLE * total:
            return False
        self.count += 1
        self.share = max(self.share, size / total)
        return True


def without_negligible(flow: Dataflow, technology: Technology) -> tuple[Dataflow, tuple[str, ...]]:
    """The dataflow without what cannot be built and does not matter, and a note where there is any.

    A weight counts as one that cannot be built where its resistor might not exist: the signal it
    comes from may stand on the board at up to `stage_swing` volts per volt.
    """
    left = _Left(largest=technology.largest_resistor / technology.stage_swing)

    def store(s: Store) -> Store:
        return s if s.current is None else replace(s, current=left.cleaned(s.current, 1.0, s.leak))

    def node(n: Stage | Product) -> Stage | Product:
        if isinstance(n, Product):
            ohm = technology.operand_resistance
            return replace(n, a=left.cleaned(n.a, ohm), b=left.cleaned(n.b, ohm))
        volts = THERMAL if n.activation == "logistic" else 2 * THERMAL
        return replace(n, argument=left.cleaned(n.argument, technology.pair_resistance / volts))

    def voltage(value: Affine) -> Affine:
        return left.cleaned(value, technology.sum_resistance)

    cleaned = replace(
        flow,
        nodes=tuple(node(n) for n in flow.nodes),
        stores=tuple(store(s) for s in flow.stores),
        throws=tuple(replace(t, source=voltage(t.source)) for t in flow.throws),
        voltages={net: voltage(value) for net, value in flow.voltages.items()},
        loops=tuple(replace(k, voltage=voltage(k.voltage)) for k in flow.loops),
    )
    if not left.count:
        return flow, ()
    note = (
        f"{left.count} weights are left out, which no resistor is large enough for and which are "
        f"at most {left.share:.1g} of the sum that they belong to"
    )
    return cleaned, (note,)
