"""Model families, one per file, and the files they come from."""

from collections.abc import Mapping
from typing import TypeAlias

from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.ctrnn import Ctrnn
from rnn2circuit.models.energy import Energy
from rnn2circuit.models.gru_ode import GruOde
from rnn2circuit.models.hopfield import Hopfield
from rnn2circuit.models.lem import Lem, LemTwoScale
from rnn2circuit.models.linear import Linear
from rnn2circuit.models.lrc import Lrc
from rnn2circuit.models.ltc import Ltc
from rnn2circuit.models.stc import Stc

# Closed: a new family must break the type check of every consumer.
Model: TypeAlias = Linear | Ctrnn | Hopfield | Ltc | Stc | Lrc | GruOde | Lem | LemTwoScale | Energy

FAMILIES: Mapping[str, type[Model]] = {
    f.family: f for f in (Linear, Ctrnn, Hopfield, Ltc, Stc, Lrc, GruOde, Lem, LemTwoScale, Energy)
}

__all__ = [
    "FAMILIES",
    "AbstractModel",
    "Ctrnn",
    "Energy",
    "GruOde",
    "Hopfield",
    "Lem",
    "LemTwoScale",
    "Linear",
    "Lrc",
    "Ltc",
    "Model",
    "Stc",
]
