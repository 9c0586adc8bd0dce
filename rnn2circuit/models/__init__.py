"""Model families, one per file, and the files they come from."""

from collections.abc import Mapping
from typing import TypeAlias

from rnn2circuit.models.base import AbstractCell, AbstractModel, AbstractNetwork
from rnn2circuit.models.ctrnn import Ctrnn
from rnn2circuit.models.elman import Elman
from rnn2circuit.models.energy import Energy
from rnn2circuit.models.energy_map import EnergyMap
from rnn2circuit.models.gated import HodgkinHuxley
from rnn2circuit.models.gru import Gru
from rnn2circuit.models.gru_ode import GruOde
from rnn2circuit.models.hopfield import Hopfield
from rnn2circuit.models.lem import Lem, LemCell, LemTwoScale
from rnn2circuit.models.linear import Linear
from rnn2circuit.models.lrc import Lrc, Lrcu
from rnn2circuit.models.lstm import Lstm
from rnn2circuit.models.ltc import Ltc
from rnn2circuit.models.stack import Stack
from rnn2circuit.models.stc import Stc

# Closed: a new family must break the type check of every consumer.
Model: TypeAlias = (
    Linear
    | Ctrnn
    | Hopfield
    | Ltc
    | Stc
    | Lrc
    | GruOde
    | Lem
    | LemTwoScale
    | Energy
    | HodgkinHuxley
)
Cell: TypeAlias = Elman | Gru | Lstm | Lrcu | LemCell | EnergyMap | Stack
Network: TypeAlias = Model | Cell

MODELS: Mapping[str, type[Model]] = {
    f.family: f
    for f in (
        Linear,
        Ctrnn,
        Hopfield,
        Ltc,
        Stc,
        Lrc,
        GruOde,
        Lem,
        LemTwoScale,
        Energy,
        HodgkinHuxley,
    )
}
CELLS: Mapping[str, type[Cell]] = {
    f.family: f for f in (Elman, Gru, Lstm, Lrcu, LemCell, EnergyMap, Stack)
}
FAMILIES: Mapping[str, type[Network]] = {**MODELS, **CELLS}

__all__ = [
    "CELLS",
    "FAMILIES",
    "MODELS",
    "AbstractCell",
    "AbstractModel",
    "AbstractNetwork",
    "Cell",
    "Ctrnn",
    "Elman",
    "Energy",
    "EnergyMap",
    "Gru",
    "GruOde",
    "HodgkinHuxley",
    "Hopfield",
    "Lem",
    "LemCell",
    "LemTwoScale",
    "Linear",
    "Lrc",
    "Lrcu",
    "Lstm",
    "Ltc",
    "Model",
    "Network",
    "Stack",
    "Stc",
]
