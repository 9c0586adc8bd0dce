"""The error budget of one verification: run the program, and compare it with what was simulated."""

from dataclasses import replace

import numpy as np

from rnn2circuit.errors import ModelError
from rnn2circuit.flow.compile import Compiled, levels_before
from rnn2circuit.flow.run import Simulation, simulate
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.models.program import ProgramRun, program_of, run_program
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.simulate.interface import Simulator
from rnn2circuit.verify.budget import ErrorBudget
from rnn2circuit.verify.equations import has_output_ports
from rnn2circuit.verify.gaps import Samples, budget_of_cell, budget_of_model, with_levels
from rnn2circuit.verify.steps import held_states
from rnn2circuit.verify.task import Stages, Task, judge, stages_of_cell, stages_of_model


def error_budget(
    compiled: Compiled, simulation: Simulation | None, settling: float | None, task: Task | None
) -> tuple[ErrorBudget, AbstractNetwork | None]:
    """The budget, with the figures of the task where one is given, and the refitted network.

    Raises
    ------
    TargetsError
        If the task does not fit the run.
    """
    reference = compiled.reference
    if simulation is not None and not _is_of(compiled):
        simulation = None  # a failed check of identity says what is wrong
    if isinstance(reference, Trajectory):
        held = None if simulation is None else _held(simulation, reference)
        budget = budget_of_cell(reference, held, settling)
        stages = None if task is None else stages_of_cell(task, reference, held)
    else:
        run = _program(reference)
        waves = None
        if simulation is not None:
            waves = Samples(t=simulation.t, x=simulation.x, y=simulation.y)
        budget = budget_of_model(reference, run, waves)
        known = None if isinstance(run, str) else run
        stages = None if task is None else stages_of_model(task, reference, known, waves)
    return _with_task(budget, task, stages)


def with_lower_levels(
    budget: ErrorBudget,
    simulation: Simulation,
    *,
    program: Simulator,
    timeout: float | None,
) -> ErrorBudget:
    """The budget with the circuits of the levels before the one that is judged, simulated too.

    Raises
    ------
    SimulationError
        If one of them cannot be simulated.
    """
    compiled = simulation.compiled
    runs = [
        simulate(lower, simulator=program, timeout=timeout) for lower in levels_before(compiled)
    ]
    reference = compiled.reference
    circuits: list[tuple[str, Samples]] = []
    for run in (*runs, simulation):
        if isinstance(reference, Trajectory):
            samples = _held(run, reference)
        else:
            samples = Samples(t=run.t, x=run.x, y=run.y)
        circuits.append((run.compiled.record.level, samples))
    return with_levels(budget, reference, circuits)


def _is_of(compiled: Compiled) -> bool:
    """Whether the netlist's ports are those of the model: one that was adopted may have others."""
    ports, model = compiled.state_map, compiled.circuit_model
    outputs = model.n_outputs if has_output_ports(model) else 0
    return (len(ports.states), len(ports.outputs)) == (model.n_states, outputs)


def _program(reference: ReferenceSolution) -> ProgramRun | str:
    """The program's run, or why there is none: said in the report, whatever the reason."""
    try:
        program = program_of(reference.model)
        return run_program(program, reference.stimulus, t_end=reference.t_end)
    except ModelError as error:
        return str(error)


def _held(simulation: Simulation, program: Trajectory) -> Samples:
    """What the circuit holds after each step."""
    record, n_steps = simulation.compiled.record, program.n_steps
    y = np.zeros((n_steps, 0))
    if simulation.y.shape[1]:
        y = held_states(simulation.t, simulation.y, record, n_steps)
    x = held_states(simulation.t, simulation.x, record, n_steps)
    return Samples(t=np.arange(1.0, n_steps + 1), x=x, y=y)


def _with_task(
    budget: ErrorBudget, task: Task | None, stages: Stages | None
) -> tuple[ErrorBudget, AbstractNetwork | None]:
    if task is None or stages is None:
        return budget, None
    figures, refitted = judge(task, stages)
    return replace(budget, task=figures), refitted
