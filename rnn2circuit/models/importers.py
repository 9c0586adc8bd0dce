"""Which foreign formats there are, and which options each of them takes.

An importer builds a network from what a file holds and from what its user adds. A *tensor
importer* recognises named arrays, whatever container they came in; a *file importer* reads a
format of its own, known by its suffix. The first tensor importer that recognises the names wins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import NDArray

from rnn2circuit.models import Network
from rnn2circuit.models.import_beer import hopfield_from_beer, is_beer
from rnn2circuit.models.import_gru_ode_bayes import gru_ode_from_bayes, is_gru_ode_bayes
from rnn2circuit.models.import_keras import network_from_keras
from rnn2circuit.models.import_leaky import (
    PSYCHRNN_OBJECTS,
    hopfield_from_psychrnn,
    is_leaky_torch,
    is_psychrnn,
    leaky_from_torch,
)
from rnn2circuit.models.import_lem import is_lem, lem_from_torch
from rnn2circuit.models.import_lrc import is_lrc, lrc_from_keras
from rnn2circuit.models.import_lrcssm import is_lrcssm, lrc_from_lrcssm
from rnn2circuit.models.import_ncps import is_ncps_cfc, is_ncps_ltc, ltc_from_ncps, refuse_cfc
from rnn2circuit.models.import_nir import linear_from_nir
from rnn2circuit.models.import_onnx import network_from_onnx
from rnn2circuit.models.import_torch_rnn import is_torch_recurrent, network_from_torch

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a file may leave open, as the user says it; None where nothing is said.

    Attributes
    ----------
    dt : float
        Time step of a discrete network, in model time units: read it as a differential equation.
    clocked : bool
        Read a discrete network as its own program, a clocked circuit.
    activation : str
        Of recurrent layers whose file does not record it.
    ncps_parameters : {"softplus", "raw"}
        Whether an ``ncps`` LTC was built with ``implicit_param_constraints``.
    unfolds : int
        Solver steps of an LTC per step of its program (``ode_unfolds``).
    tau : float
        Time constant of a leaky network whose file does not record it, in units of `dt`'s.
    elastance : str
        Of an LRC: asymmetric, symmetric or none.
    readout : str
        Prefix of the layer that is the readout, where the file does not make it plain; none to
        leave out one that no circuit can have.
    """

    dt: float | None = None
    clocked: bool | None = None
    activation: str | None = None
    ncps_parameters: str | None = None
    unfolds: int | None = None
    tau: float | None = None
    elastance: str | None = None
    readout: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are given, by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorImporter:
    """Named arrays of one foreign program.

    Attributes
    ----------
    recognises : callable
        Whether arrays of these names come from that program.
    build : callable
        ``build(arrays, **options)`` with finite float64 arrays.
    options : frozenset of str
        Names of `ImportOptions` that `build` takes.
    sealed : frozenset of str
        Names of pickled objects that the program writes and that are not needed.
    """

    recognises: Callable[[Arrays], bool]
    build: Callable[..., Network]
    options: frozenset[str]
    sealed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImporter:
    """A file format of its own: ``build(path, **options)``."""

    build: Callable[..., Network]
    options: frozenset[str]


EVERY_OPTION = frozenset(f.name for f in fields(ImportOptions))  # of what is refused anyway

TENSOR_IMPORTERS = (
    TensorImporter(  # before ncps, whose names an LRC shares
        recognises=is_lrc,
        build=lrc_from_keras,
        options=frozenset({"elastance", "clocked", "dt", "unfolds"}),
    ),
    TensorImporter(
        recognises=is_lrcssm,
        build=lrc_from_lrcssm,
        options=frozenset({"elastance", "clocked", "dt"}),
    ),
    TensorImporter(recognises=is_gru_ode_bayes, build=gru_ode_from_bayes, options=frozenset[str]()),
    TensorImporter(recognises=is_beer, build=hopfield_from_beer, options=frozenset[str]()),
    TensorImporter(
        recognises=is_leaky_torch,
        build=leaky_from_torch,
        options=frozenset({"tau", "dt", "clocked", "readout"}),
    ),
    TensorImporter(
        recognises=is_psychrnn,
        build=hopfield_from_psychrnn,
        options=frozenset({"tau", "dt", "activation", "clocked", "readout"}),
        sealed=PSYCHRNN_OBJECTS,
    ),
    TensorImporter(
        recognises=is_ncps_ltc,
        build=ltc_from_ncps,
        options=frozenset({"ncps_parameters", "unfolds", "dt"}),
    ),
    TensorImporter(recognises=is_ncps_cfc, build=refuse_cfc, options=EVERY_OPTION),
    TensorImporter(recognises=is_lem, build=lem_from_torch, options=frozenset({"dt", "clocked"})),
    TensorImporter(
        recognises=is_torch_recurrent,
        build=network_from_torch,
        options=frozenset({"dt", "clocked", "activation", "readout"}),
    ),
)

_DISCRETE = frozenset({"dt", "clocked", "activation", "readout"})
_KERAS = FileImporter(build=network_from_keras, options=_DISCRETE)

FILE_IMPORTERS: Mapping[str, FileImporter] = {  # by suffix
    ".h5": _KERAS,
    ".keras": _KERAS,
    ".nir": FileImporter(build=linear_from_nir, options=frozenset[str]()),
    ".onnx": FileImporter(build=network_from_onnx, options=frozenset({"dt", "clocked"})),
}
