"""Discrete-time cells: the next state as a voltage, computed from held states and inputs.

Each function returns the next state at 1 V per unit; `clocked` samples it. Names carry a `tag`
that tells the layers of a stack apart.
"""

from typing import assert_never

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.circuit import CircuitBuilder
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import Cell, Elman, EnergyMap, Gru, LemCell, Lrcu, Lstm, Stack
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.synthesis.blocks import Signal, combine, copies, products, stages
from rnn2circuit.synthesis.saturated import elastic_rate
from rnn2circuit.synthesis.scaling import Scaling
from rnn2circuit.synthesis.sums import Term, affine_sum
from rnn2circuit.synthesis.topology import Topology


class Layer:
    """The vocabulary of one cell: its sums, gates and candidates, named after the layer."""

    def __init__(
        self, b: CircuitBuilder, tag: str, inputs: Signal, coupling: Topology, scaling: Scaling
    ) -> None:
        self.b = b
        self.tag = tag
        self.inputs = inputs
        self.coupling = coupling
        self.scaling = scaling

    def argument(
        self,
        name: str,
        state: Signal,
        w: Matrix,
        w_in: Matrix | None = None,
        constant: Vector | None = None,
    ) -> Signal:
        """``w state + w_in u + constant``."""
        nets = affine_sum(
            self.b,
            f"{self.tag}z{name}",
            recurrent=_term(f"{self.tag}w{name}", f"weights w_{name}", state, w),
            inputs=_term(f"{self.tag}i{name}", f"weights w_{name}_in", self.inputs, w_in),
            constant=constant,
            coupling=self.coupling,
            scaling=self.scaling,
        )
        return Signal(nets=nets)

    def outer(self, name: str, w_in: Matrix | None, constant: Vector | None, n: int) -> Signal:
        """``w_in u + constant``."""
        matrix = np.zeros((n, len(self.inputs.nets))) if w_in is None else w_in
        nets = affine_sum(
            self.b,
            f"{self.tag}z{name}",
            recurrent=_term(f"{self.tag}i{name}", f"weights w_{name}_in", self.inputs, matrix),
            constant=constant,
            scaling=self.scaling,
        )
        return Signal(nets=nets)

    def bent(self, name: str, argument: Signal, activation: str) -> Signal:
        """``activation(argument)``."""
        every = np.ones(len(argument.nets), dtype=bool)
        meaning = f"{activation} of {name}"
        nets = stages(
            self.b,
            f"{self.tag}s{name}",
            meaning,
            control=argument.nets,
            activation=activation,
            used=every,
        )
        return Signal(nets=nets)

    def times(self, name: str, a: Signal, c: Signal) -> Signal:
        """``a∘c``; `a` at 1 V per unit."""
        nets = products(self.b, f"{self.tag}p{name}", f"product {name}", a=a.nets, c=c.nets)
        return Signal(nets=nets, volts_per_unit=a.volts_per_unit * c.volts_per_unit)

    def sum(self, name: str, *parts: tuple[Signal, float]) -> Signal:
        """``Σ coefficient * signal``."""
        return combine(self.b, f"{self.tag}s{name}", *parts, scaling=self.scaling)


def next_state(layer: Layer, cell: AbstractCell, state: Signal) -> Signal:
    """``F(state, inputs)`` of one cell.

    Raises
    ------
    NotRealizableError
        If the family of the cell is not part of the package.
    """
    if not isinstance(cell, Elman | Gru | Lstm | Lrcu | LemCell | EnergyMap | Stack):
        raise NotRealizableError(f"there is no clocked circuit for the family {cell.family!r}")
    known: Cell = cell
    match known:
        case Elman():
            z = layer.argument("h", state, known.w, known.w_in, known.bias)
            return layer.bent("h", z, known.activation)
        case Gru():
            return _gru(layer, known, state)
        case Lstm():
            return _lstm(layer, known, state)
        case Lrcu():
            return _lrcu(layer, known, state)
        case LemCell():
            return _lem(layer, known, state)
        case EnergyMap():
            return _energy(layer, known, state)
        case Stack():
            return _stack(layer, known, state)
        case _:
            assert_never(known)


def _gru(layer: Layer, cell: Gru, h: Signal) -> Signal:
    """``n + z∘(h - n)``, with the reset before or after the matrix."""
    gates = {
        g: layer.bent(
            g,
            layer.argument(
                g,
                h,
                cell.recurrent(g),
                cell.input_matrix(g),
                cell.b_r if g == "r" else cell.b_z,
            ),
            "logistic",
        )
        for g in ("r", "z")
    }
    if cell.reset == "before":
        argument = layer.argument(
            "n", layer.times("r", gates["r"], h), cell.w_n, cell.w_n_in, cell.b_n
        )
    else:
        inner = layer.argument("k", h, cell.w_n, None, cell.b_hn)
        reset = layer.times("r", gates["r"], inner)
        outer = layer.outer("n", cell.w_n_in, cell.b_n, cell.hidden)
        argument = layer.sum("a", (outer, 1.0), (reset, 1.0))
    candidate = layer.bent("n", argument, "tanh")
    kept = layer.times("z", gates["z"], layer.sum("d", (h, 1.0), (candidate, -1.0)))
    return layer.sum("x", (candidate, 1.0), (kept, 1.0))


def _lstm(layer: Layer, cell: Lstm, state: Signal) -> Signal:
    """``c+ = f∘c + i∘g`` and ``h+ = o∘tanh(c+)``, at once: h+ reads the new c."""
    d = cell.hidden
    h, c = _part(state, slice(0, d)), _part(state, slice(d, 2 * d))
    gates: dict[str, Signal] = {}
    for g, constant in zip(cell.gates, (cell.b_i, cell.b_f, cell.b_g, cell.b_o), strict=True):
        z = layer.argument(g, h, cell.recurrent(g), cell.input_matrix(g), constant)
        gates[g] = layer.bent(g, z, "tanh" if g == "g" else "logistic")
    kept = layer.times("f", gates["f"], c)
    new = layer.sum("c", (kept, 1.0), (layer.times("i", gates["i"], gates["g"]), 1.0))
    shown = layer.times("o", gates["o"], layer.bent("t", new, "tanh"))
    return _joined(shown, new)


def _lrcu(layer: Layer, cell: Lrcu, h: Signal) -> Signal:
    """``h + dt ε(w)∘(-logistic(f) h + tanh(k) e_leak)``."""
    rate = elastic_rate(
        layer.b,
        cell,
        shown=h.nets,
        inputs=layer.inputs.nets,
        coupling=layer.coupling,
        scaling=layer.scaling,
        tag=layer.tag,
    )
    step = Signal(nets=rate, volts_per_unit=layer.scaling.volts_per_unit)
    return layer.sum("x", (h, 1.0), (step, cell.time_step))


def _lem(layer: Layer, cell: LemCell, state: Signal) -> Signal:
    """New z first: z takes its step first, and y reads the new z."""
    d = cell.half
    y, z = _part(state, slice(0, d)), _part(state, slice(d, 2 * d))

    def stepped(letter: str, gate: str, pair: str, own: Signal, source: Signal) -> Signal:
        opening = layer.argument(
            f"{letter}g",
            y,
            getattr(cell, f"w{gate}"),
            getattr(cell, f"v{gate}"),
            getattr(cell, f"b{gate}"),
        )
        gated = layer.bent(f"{letter}g", opening, "logistic")
        drive = layer.argument(
            f"{letter}c",
            source,
            getattr(cell, f"w{pair}"),
            getattr(cell, f"v{pair}"),
            getattr(cell, f"b{pair}"),
        )
        candidate = layer.bent(f"{letter}c", drive, "tanh")
        pull = layer.times(letter, gated, layer.sum(f"{letter}d", (candidate, 1.0), (own, -1.0)))
        return layer.sum(f"{letter}x", (own, 1.0), (pull, cell.time_step))

    new = stepped("z", "1", "z", z, y)
    return _joined(stepped("y", "2", "y", y, new), new)


def _energy(layer: Layer, cell: EnergyMap, v: Signal) -> Signal:
    """Inner: the activation before the matrix; outer: after it."""
    w, sigma = cell.weights, cell.sigma_f
    if cell.form == "outer":
        z = layer.argument("v", v, w)
        return z if sigma == "identity" else layer.bent("v", z, sigma)
    if sigma != "identity":
        v = layer.bent("v", layer.sum("u", (v, 1.0)), sigma)
    return layer.argument("v", v, w)


def _stack(layer: Layer, cell: Stack, state: Signal) -> Signal:
    """Every layer reads what the layer below computes in this step, not what it held."""
    parts: list[Signal] = []
    inputs = layer.inputs
    for k, (own, rows) in enumerate(zip(cell.layers, cell.rows, strict=True), start=1):
        if parts:
            handed = parts[-1].nets[: cell.layers[k - 2].n_handed_on]
            inputs = _raised(layer, f"up{k}n", handed)
        inner = Layer(layer.b, f"l{k}", inputs, layer.coupling, layer.scaling)
        parts.append(next_state(inner, own, _part(state, rows)))
    return _joined(*parts)


def _raised(layer: Layer, prefix: str, nets: Indices) -> Signal:
    """What a layer hands on, brought from 1 V per unit to `volts_per_unit`."""
    volts = layer.scaling.volts_per_unit
    if volts != 1.0:
        nets = copies(
            layer.b,
            prefix,
            "what the layer below hands on, at volts_per_unit",
            control=nets,
            gain=volts,
            used=np.ones(len(nets), dtype=bool),
        )
    return Signal(nets=nets, volts_per_unit=volts)


def _part(signal: Signal, rows: slice) -> Signal:
    return Signal(nets=signal.nets[rows], volts_per_unit=signal.volts_per_unit)


def _joined(*parts: Signal) -> Signal:
    return Signal(nets=np.concatenate([part.nets for part in parts]))


def _term(stem: str, meaning: str, signal: Signal, matrix: Matrix | None) -> Term:
    nets: Indices = signal.nets
    return Term(
        stem=stem,
        meaning=meaning,
        control=nets,
        volts_per_unit=signal.volts_per_unit,
        matrix=matrix,
    )
