"""Stacked cells: every layer steps once per step, each reading the layer below as it then is."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.base import AbstractCell

_OWN = ("x0", "w_out", "b_out")  # of a layer: they belong to the stack as a whole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack(AbstractCell):
    r"""``h_k+ = F_k(h_k, h_(k-1)+)``, ``h_0+ = u``: layers of cells, as torch's num_layers > 1.

    Layer k reads what layer k - 1 hands on in the same step: the hidden vector h of an LSTM, y
    of a LEM, the whole state of the others. The state is x = [x_1, .., x_L].

    Parameters
    ----------
    layers : tuple of AbstractCell
        From the input upwards. A layer has no initial state and no readout of its own.
    """

    family: ClassVar[str] = "stack"

    layers: tuple[AbstractCell, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ModelError("a stack needs at least one layer, got none")
        for k, layer in enumerate(self.layers, start=1):
            _check_layer(k, layer)
        for k, (below, above) in enumerate(pairwise(self.layers), start=2):
            if above.n_inputs != below.n_handed_on:
                raise ModelError(
                    f"layer {k} has {above.n_inputs} inputs, the layer below hands on "
                    f"{below.n_handed_on} states"
                )
        self._check_common()

    @property
    def n_states(self) -> int:
        return sum(layer.n_states for layer in self.layers)

    @property
    def n_inputs(self) -> int:
        return self.layers[0].n_inputs

    @property
    def n_handed_on(self) -> int:
        return self.layers[-1].n_handed_on

    @property
    def is_smooth(self) -> bool:
        return all(layer.is_smooth for layer in self.layers)

    @property
    def rows(self) -> tuple[slice, ...]:
        """Where each layer's state lies in the whole."""
        ends = np.cumsum([layer.n_states for layer in self.layers]).tolist()
        return tuple(slice(a, b) for a, b in pairwise([0, *ends]))

    def without_input_map(self) -> Self:
        first = self.layers[0]
        if self.in_scale is not None or self.in_bias is not None:
            first = first.without_input_map()  # its own map comes after the stack's
            first = replace(first, in_scale=self.in_scale, in_bias=self.in_bias)
        layers = tuple(layer.without_input_map() for layer in (first, *self.layers[1:]))
        return self._with_folded(layers=layers)

    def _step(self, x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        parts: list[NDArray[np.float64]] = []
        for layer, rows in zip(self.layers, self.rows, strict=True):
            parts.append(layer.step(x[..., rows], u))
            u = parts[-1][..., : layer.n_handed_on]
        return np.concatenate(parts, axis=-1)

    def _jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self._chained(x, u)[0]

    def _input_jacobian(self, x: Vector, u: Vector) -> Matrix:
        return self._chained(x, u)[1]

    def _chained(self, x: Vector, u: Vector) -> tuple[Matrix, Matrix]:
        """Derivatives by the state (n, n) and by the input (n, m), layer by layer."""
        n, m = self.n_states, self.n_inputs
        whole = np.zeros((n, n + m))
        below = np.hstack([np.zeros((m, n)), np.eye(m)])
        for layer, rows in zip(self.layers, self.rows, strict=True):
            whole[rows] = layer.input_jacobian(x[rows], u) @ below
            whole[rows, rows] += layer.jacobian(x[rows], u)
            u = layer.step(x[rows], u)[: layer.n_handed_on]
            below = whole[rows][: layer.n_handed_on]
        return whole[:, :n], whole[:, n:]


def _check_layer(k: int, layer: object) -> None:
    if not isinstance(layer, AbstractCell) or isinstance(layer, Stack):
        raise ModelError(f"layer {k} of a stack must be a cell, got {type(layer).__name__}")
    own = [name for name in _OWN if getattr(layer, name) is not None]
    if own:
        raise ModelError(f"layer {k} has {own[0]}, which belongs to the whole stack")
