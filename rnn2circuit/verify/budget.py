"""The error budget as values: how far program, equation and circuit are from one another.

Each part is a reading, not a verdict: that a differential equation is 6 % off the program it was
read from is no fault of the circuit. What judges is a `Check`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Largest error of each signal, and where the worst of them is.

    Attributes
    ----------
    figures : tuple of float
        In parts of each signal's own range; in model units where nothing moves at all.
    worst : int
        Position of the worst signal, counted from 1.
    time : float
        When it errs most, in model time units (steps, of a clocked cell).
    """

    figures: tuple[float, ...]
    worst: int
    time: float

    @property
    def largest(self) -> float:
        return self.figures[self.worst - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One part of the budget: the distance of one stage from the next.

    Attributes
    ----------
    id : str
        ``program_vs_ode``, ``ode_vs_circuit`` or ``program_vs_circuit``; at realistic levels
        also ``ode_vs_ideal`` (of a cell ``program_vs_ideal``), ``ideal_vs_macro`` and so on.
    states, outputs : Distance or None
        None where it was not measured; `outputs` also where the outputs are the states.
    reason : str
        Why nothing was measured; empty where it was.
    """

    id: str
    title: str
    states: Distance | None = None
    outputs: Distance | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefitFigures:
    """What refitting the readout on the circuit's own states brings.

    The first samples were fitted, the figures are of the later ones, which were not.

    Attributes
    ----------
    n_fitted, n_held_out : int
        Samples of each kind.
    strength : float
        Of the ridge regression, in parts of the mean variance of the states.
    program, before, after : float or None
        The metric on the later samples: of the program where one is known, of the circuit with
        the trained readout, and with the refitted one.
    change : float
        Norm of the change of the weights, in parts of the norm of the trained ones.
    """

    n_fitted: int
    n_held_out: int
    strength: float
    program: float | None
    before: float
    after: float
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """The metric of the user's own task, of each stage.

    Attributes
    ----------
    metric : str
        ``rmse`` (in units of the output) or ``accuracy`` (share of right classes).
    n_given, n_used : int
        Samples in the file, and those whose step ends within the run.
    program, ode, circuit : float or None
        None where the stage does not exist or was not run.
    """

    metric: str
    n_given: int
    n_used: int
    program: float | None = None
    ode: float | None = None
    circuit: float | None = None
    refit: RefitFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """All parts, in the order in which errors arise, and the distance from end to end.

    Attributes
    ----------
    program : str
        What the program is, in words; empty where none is known.
    parts : tuple of Gap
        Of a continuous model ``program_vs_ode`` and ``ode_vs_circuit``; of a clocked cell, whose
        circuit has the program itself as its reference, ``program_vs_circuit`` alone.
    whole : Gap
        ``program_vs_circuit``: at every state at most the sum of the parts.
    settling : float or None
        Of a clocked cell: what a clock period leaves unsettled and what leaks in it, in parts.
    """

    program: str
    parts: tuple[Gap, ...]
    whole: Gap
    settling: float | None = None
    task: TaskFigures | None = None

    def part(self, id: str) -> Gap | None:
        """The part of that id, or None: a cell has no ``program_vs_ode``."""
        return next((part for part in self.parts if part.id == id), None)
