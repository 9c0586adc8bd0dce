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
from rnn2circuit.models.import_lem import is_lem, lem_from_torch
from rnn2circuit.models.import_ncps import is_ncps_ltc, ltc_from_ncps
from rnn2circuit.models.import_torch_rnn import ctrnn_from_torch, is_torch_recurrent

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
        Of an LRC: asymmetric or symmetric.
    readout : str
        Prefix of the layer that is the readout, where the file does not make it plain.
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
    """

    recognises: Callable[[Arrays], bool]
    build: Callable[..., Network]
    options: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImporter:
    """A file format of its own: ``build(path, **options)``."""

    build: Callable[..., Network]
    options: frozenset[str]


TENSOR_IMPORTERS = (
    TensorImporter(
        recognises=is_ncps_ltc, build=ltc_from_ncps, options=frozenset({"ncps_parameters"})
    ),
    TensorImporter(recognises=is_lem, build=lem_from_torch, options=frozenset({"dt"})),
    TensorImporter(
        recognises=is_torch_recurrent,
        build=ctrnn_from_torch,
        options=frozenset({"dt", "activation", "readout"}),
    ),
)

FILE_IMPORTERS: Mapping[str, FileImporter] = {}  # by suffix
