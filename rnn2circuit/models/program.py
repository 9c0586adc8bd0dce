"""The trained program behind a differential equation: what ran while the weights were learned.

Most networks that a circuit realizes as an equation were trained as a loop of discrete steps. The
circuit follows the equation, so the distance between the two is the reading's and not the
circuit's; to state it, the program is run here.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.models.lem import Lem, LemCell
from rnn2circuit.models.ltc import Ltc
from rnn2circuit.models.ncps_program import ltc_fused_step
from rnn2circuit.models.reference import ESCAPE
from rnn2circuit.stimulus import EDGE_FRACTION, PwlStimulus, Stimulus

MOST_STEPS = 1_000_000  # of a program in one run: beyond, dt is taken for a mistake
WHOLE = 1e-6  # of a step, by which a time may be off the program's grid

Step = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """``x[k+1] = F(x[k], u(k dt))``, the discrete program that a continuous model was read from.

    Attributes
    ----------
    dt : float
        Model time of one step.
    rule : str
        How a step is made, in words.
    step : callable
        ``step(x, u)`` with raw inputs.
    """

    model: AbstractModel
    dt: float
    rule: str
    step: Step

    @property
    def description(self) -> str:
        return f"{self.rule}; each step holds the input that it reads at its beginning"


def program_of(model: AbstractModel) -> Program:
    """The program that a model says it was read from.

    An `Ltc` is run by the fused semi-implicit solver of ``ncps``, with its `unfolds`; a `Lem` by
    the implicit-explicit step of `LemCell`; every other family by the explicit Euler step
    ``x + dt f(x, u)``, which for an nn.RNN or a leaky network *is* the trained step.

    Raises
    ------
    ModelError
        If the model does not say enough, or no such program exists.
    """
    dt = model.dt
    if isinstance(model, Ltc):
        return _fused(model)
    if dt is None:
        raise ModelError(
            "no program is known: the model does not say with what step its weights were trained; "
            "give --dt, if they were"
        )
    if isinstance(model, Lem):
        shared = {f.name: getattr(model, f.name) for f in fields(model)}
        cell = LemCell(**shared)
        return Program(
            model=model,
            dt=dt,
            rule=f"implicit-explicit steps of dt = {dt:g}, y from the new z",
            step=cell.step,
        )
    return Program(
        model=model,
        dt=dt,
        rule=f"explicit Euler steps of dt = {dt:g}",
        step=lambda x, u: x + dt * model.rhs(x, u),
    )


def _fused(model: Ltc) -> Program:
    missing = [f"--{name}" for name in ("dt", "unfolds") if getattr(model, name) is None]
    if model.dt is None or model.unfolds is None:
        raise ModelError(
            "no program is known: an LTC is trained with the fused solver, of which the model "
            f"does not say all; give {' and '.join(missing)}, if it was"
        )
    if model.g_gap is not None:
        raise ModelError("no program is known: the fused solver of an LTC has no gap junctions")
    dt, unfolds = model.dt, int(model.unfolds)
    each = "1 semi-implicit unfold" if unfolds == 1 else f"{unfolds} semi-implicit unfolds"
    plain = replace(model.without_input_map(), unfolds=None, dt=None)
    return Program(
        model=model,
        dt=dt,
        rule=f"steps of dt = {dt:g}, {each} in each",
        step=lambda x, u: ltc_fused_step(plain, x, u, unfolds=unfolds, elapsed=dt),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProgramRun:
    """A program's states at t = k dt, k = 0 .. K, and the raw input of each step."""

    program: Program
    inputs: Matrix  # (K, m)
    states: Matrix  # (K + 1, n)

    @property
    def times(self) -> Vector:
        """Ends of the steps in model time units, shape (K,)."""
        return self.program.dt * np.arange(1, len(self.states), dtype=np.float64)

    def outputs(self) -> Matrix:
        """Readout after each step, shape (K, p); a direct path passes the input of that step."""
        return self.program.model.readout(self.states[1:], self.inputs)


def run_program(program: Program, stimulus: Stimulus, *, t_end: float) -> ProgramRun:
    """Run a program for the whole steps that fit into 0 .. `t_end`.

    Raises
    ------
    ModelError
        If no step fits or more than `MOST_STEPS` do, or a state leaves 1e6 times the largest of
        1, the initial states and the inputs.
    """
    dt = program.dt
    n_steps = int(min(t_end / dt + WHOLE, 2.0 * MOST_STEPS))
    if n_steps < 1:
        raise ModelError(f"a run of {t_end:g} is shorter than one step of the program, {dt:g}")
    if n_steps > MOST_STEPS:
        raise ModelError(f"a run of {t_end:g} takes more than {MOST_STEPS} steps of {dt:g}")
    inputs = sampled(stimulus, dt * np.arange(n_steps, dtype=np.float64))
    states = np.empty((n_steps + 1, program.model.n_states))
    states[0] = program.model.initial_state
    limit = ESCAPE * max(1.0, float(np.abs(states[0]).max()), float(np.abs(inputs).max(initial=0)))
    for k in range(n_steps):
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            states[k + 1] = program.step(states[k], inputs[k])
        if not bool(np.all(np.abs(states[k + 1]) <= limit)):
            raise ModelError(
                f"the program does not stay bounded: a state leaves |x| <= {limit:.3g} in step "
                f"{k + 1} of {dt:g}, so it cannot be what was trained; is dt right?"
            )
    return ProgramRun(program=program, inputs=inputs, states=states)


def sampled(stimulus: Stimulus, t: Vector) -> Matrix:
    """What a program reads at times `t`, shape (k, m): ``u(t)``.

    A held sample changes within a short edge that begins at its time; there the program reads
    the value after the edge, which is the sample.
    """
    corners = stimulus.breakpoints()
    if not isinstance(stimulus, PwlStimulus) or corners.size < 3:
        return stimulus(t)
    gap = np.diff(corners)
    is_edge = np.append(gap[:-1] <= 2 * EDGE_FRACTION * gap[1:], False)
    starts, ends = corners[:-1][is_edge], corners[1:][is_edge]
    if not starts.size:
        return stimulus(t)
    after = np.searchsorted(ends, t, side="right").clip(max=starts.size - 1)
    slack = WHOLE * float(np.diff(t).min(initial=np.inf)) if t.size > 1 else WHOLE
    within = (t >= starts[after] - slack) & (t <= ends[after])
    return stimulus(np.where(within, ends[after], t))
