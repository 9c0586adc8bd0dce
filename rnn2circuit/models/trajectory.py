"""The reference of a cell: its own program, run step by step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError, StimulusError, UsageError
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.models.reference import ESCAPE
from rnn2circuit.stimulus import EDGE_FRACTION, PwlStimulus, Stimulus, hold_samples

DEFAULT_STEPS = 60
INPUT_PHASE = 2 * EDGE_FRACTION  # of a step, when its input is read: after the edge of a held one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """States of a cell under a stimulus, from x_0 to x_K; one model time unit is one step.

    Attributes
    ----------
    inputs : ndarray, shape (K, m)
        Raw input of each step.
    states : ndarray, shape (K + 1, n)
        States before the first step and after each.
    """

    model: AbstractCell
    inputs: Matrix
    states: Matrix

    @property
    def n_steps(self) -> int:
        return len(self.inputs)

    @property
    def t_end(self) -> float:
        return float(self.n_steps)

    @property
    def range(self) -> Vector:
        """Largest minus smallest value of each state, shape (n,)."""
        return np.ptp(self.states, axis=0)

    @property
    def stimulus(self) -> PwlStimulus:
        """The inputs as a staircase: step k holds its own from t = k to k + 1."""
        if self.n_steps == 1:
            return PwlStimulus(times=np.zeros(1), values=self.inputs)
        return hold_samples(np.arange(self.n_steps), self.inputs, hold="zoh")

    def outputs(self) -> Matrix:
        """Readout after each step, shape (K, p)."""
        return self.model.readout(self.states[1:], self.inputs)

    def __call__(self, t: ArrayLike) -> Matrix:
        """States that a clocked circuit shows at times `t`: x_k from t = k - 1/2 to k + 1/2."""
        k = np.floor(np.atleast_1d(np.asarray(t, dtype=np.float64)) + 0.5).astype(np.int64)
        return self.states[np.clip(k, 0, self.n_steps)]


def run_cell(cell: AbstractCell, stimulus: Stimulus, *, n_steps: int) -> Trajectory:
    """Run a cell; step k reads the stimulus at t = k, just after a held sample has changed.

    Raises
    ------
    ModelError
        If a state leaves 1e6 times the largest of 1, the initial states and the inputs.
    StimulusError
        If the stimulus has another number of inputs.
    UsageError
        If `n_steps` is not positive.
    """
    if stimulus.n_inputs != cell.n_inputs:
        raise StimulusError(
            f"the stimulus has {stimulus.n_inputs} inputs, the model has {cell.n_inputs}"
        )
    if n_steps < 1:
        raise UsageError(f"a clocked cell runs for at least one step, got {n_steps}")
    inputs = stimulus(np.arange(n_steps) + INPUT_PHASE)
    states = np.empty((n_steps + 1, cell.n_states))
    states[0] = cell.initial_state
    limit = ESCAPE * max(1.0, float(np.abs(states[0]).max()), float(np.abs(inputs).max(initial=0)))
    for k in range(n_steps):
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            states[k + 1] = cell.step(states[k], inputs[k])
        inside = np.abs(states[k + 1]) <= limit
        if not bool(inside.all()):
            state = int(np.flatnonzero(~inside)[0])
            raise ModelError(
                f"state x[{state}] of the {cell.family} cell leaves |x| <= {limit:.3g} in step "
                f"{k}: shorten the run, reduce the input or stabilize the network"
            )
    return Trajectory(model=cell, inputs=inputs, states=states)
