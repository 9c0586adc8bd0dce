"""What gated cells share: one weight triple (recurrent, input, bias) per gate."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.models.base import AbstractCell, matrix_shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractGates(AbstractCell):
    """A cell with fields ``w_g (h, h)``, ``w_g_in (h, m)`` and ``b_g (h,)`` for each gate g."""

    gates: ClassVar[tuple[str, ...]]

    def check_gates(self) -> None:
        """Validate the fields of every gate."""
        first = f"w_{self.gates[0]}"
        h = matrix_shape(first, getattr(self, first), "(h, h)")[0]
        driven = self._together(*(f"w_{g}_in" for g in self.gates))
        name = f"{first}_in"
        m = matrix_shape(name, getattr(self, name), f"({h}, m)")[1] if driven else 0
        for gate in self.gates:
            self._freeze(f"w_{gate}", (h, h))
            self._freeze(f"w_{gate}_in", (h, m))
            self._freeze(f"b_{gate}", (h,))

    @property
    def hidden(self) -> int:
        """Size h of the hidden vector."""
        return self.recurrent(self.gates[0]).shape[0]

    @property
    def n_inputs(self) -> int:
        return self.input_matrix(self.gates[0]).shape[1]

    @property
    def is_smooth(self) -> bool:
        return True

    def without_input_map(self) -> Self:
        changes: dict[str, object] = {}
        for gate in self.gates:
            w_in: Matrix | None = getattr(self, f"w_{gate}_in")
            scaled = w_in if w_in is None or self.in_scale is None else w_in * self.in_scale
            changes[f"w_{gate}_in"] = scaled
            changes[f"b_{gate}"] = self._folded_bias(getattr(self, f"b_{gate}"), w_in)
        return self._with_folded(**changes)

    def recurrent(self, gate: str) -> Matrix:
        """Recurrent weights of a gate, (h, h)."""
        return getattr(self, f"w_{gate}")

    def input_matrix(self, gate: str) -> Matrix:
        """Input weights of a gate, (h, m); m = 0 where the cell has no inputs."""
        w_in: Matrix | None = getattr(self, f"w_{gate}_in")
        return np.zeros((self.recurrent(gate).shape[0], 0)) if w_in is None else w_in

    def outer(self, gate: str, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """``W_in u + b`` of a gate, (..., h)."""
        bias: Vector | None = getattr(self, f"b_{gate}")
        part = u @ self.input_matrix(gate).T
        return part if bias is None else part + bias

    def argument(
        self, gate: str, h: NDArray[np.float64], u: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """``W h + W_in u + b`` of a gate, (..., h)."""
        return h @ self.recurrent(gate).T + self.outer(gate, u)
