"""Model families, one per file, and the files they come from."""

from collections.abc import Mapping
from typing import TypeAlias

from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.ctrnn import Ctrnn
from rnn2circuit.models.hopfield import Hopfield
from rnn2circuit.models.linear import Linear
from rnn2circuit.models.ltc import Ltc

Model: TypeAlias = Linear | Ctrnn | Hopfield | Ltc  # closed: a new family must break the type check

FAMILIES: Mapping[str, type[Model]] = {f.family: f for f in (Linear, Ctrnn, Hopfield, Ltc)}

__all__ = ["FAMILIES", "AbstractModel", "Ctrnn", "Hopfield", "Linear", "Ltc", "Model"]
