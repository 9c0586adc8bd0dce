"""Does a clocked netlist perform the cell's step? Extraction, operating points, held waveforms."""

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import SimulationError, SimulationTimeout, UnverifiableError
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.simulate.interface import Deck, OperatingPointSimulator
from rnn2circuit.statemap import ClockMap, NetlistMap, scales, to_units, to_volts
from rnn2circuit.units import spice_number
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.clocked import ClockedSystem
from rnn2circuit.verify.equations import (
    JACOBIANS_AT,
    check_identity,
    compare_initial,
    compare_jacobians,
    compare_outputs,
    compare_rates,
    sample_points,
)
from rnn2circuit.verify.evaluated import INSTANCE, MAIN, OPTIONS, POINTS, outside, without_storage
from rnn2circuit.verify.netlist import read_netlist
from rnn2circuit.verify.reading import read_circuit
from rnn2circuit.verify.structure import idle_currents
from rnn2circuit.verify.transient import deviation, parts_of_range

HELD = 1e-4  # limit of held states, in parts of each state's range
SETTLED = 1e-6  # limit of what a phase leaves unsettled and of what leaks, together
NEXT = "next x{k}"
TITLE = "step read from the netlist, both clock phases"
EVALUATED_TITLE = "step as the simulator evaluates it"


def check_step(
    text: str, record: NetlistMap, cell: AbstractCell, *, seed: int, limit: float
) -> tuple[Check, ...]:
    """Compare an emitted netlist with its cell: identity, step, Jacobians, readout, settling."""
    identity = check_identity(text, record, cell)
    if identity.verdict is not Verdict.PASS:
        return (identity,)
    ports = record.state_map
    try:
        clock = _clock(record)
        netlist = read_circuit(text, record)
        system = ClockedSystem(
            netlist,
            states=[m.port for m in ports.states],
            inputs=[m.port for m in ports.inputs],
            outputs=[m.port for m in ports.outputs],
            clock=clock,
            subckt=record.subckt,
        )
        idle = idle_currents(netlist, inputs=[*(m.port for m in ports.inputs), clock.port])
        structure = measured(
            "structure",
            "currents that drive an ideal voltage source and so do nothing",
            len(idle),
            0,
            detail="; ".join(idle[:4]),
        )
        return (identity, structure, *_compare(system, record, cell, seed=seed, limit=limit))
    except UnverifiableError as error:
        unread = Check(
            id="extraction.step",
            title=TITLE,
            verdict=Verdict.UNVERIFIABLE,
            limit=limit,
            detail=str(error),
        )
        return (identity, unread)


def _clock(record: NetlistMap) -> ClockMap:
    if record.state_map.clock is None:
        raise UnverifiableError("the map of a clocked cell names no clock")
    return record.state_map.clock


def _compare(
    system: ClockedSystem, record: NetlistMap, cell: AbstractCell, *, seed: int, limit: float
) -> list[Check]:
    ports = record.state_map
    x, u = sample_points(cell, seed=seed)
    at = JACOBIANS_AT
    volts, driven = to_volts(ports.states, x), to_volts(ports.inputs, u)
    found = system.steps(volts, driven, jacobian_at=at)
    unit, unit_in = scales(ports.states), scales(ports.inputs)
    checks = [
        compare_rates(
            "extraction.step",
            TITLE,
            to_units(ports.states, found.x_next),
            cell.step(x, u),
            limit,
            what=NEXT,
        ),
        compare_jacobians(
            "extraction.jacobian",
            [
                np.hstack([a * (unit / unit[:, None]), c * (unit_in / unit[:, None])])
                for a, c in zip(found.by_x, found.by_u, strict=True)
            ],
            [np.hstack([cell.jacobian(x[k], u[k]), cell.input_jacobian(x[k], u[k])]) for k in at],
            cell.n_states,
            limit,
            what=f"d {NEXT}",
        ),
    ]
    if ports.outputs:
        # In both phases: what leaks into a readout from the masters may show in one alone.
        y = to_units(ports.outputs, np.vstack([found.outputs, found.outputs_next]))
        wanted = np.vstack([cell.readout(x, u), cell.readout(cell.step(x, u), u)])
        checks.append(compare_outputs(y, wanted, limit))
    initial = [
        compare_initial(start.elements, start.cards, record, cell, limit)
        for start in system.initial_state()
    ]
    checks.append(max(initial, key=lambda check: check.value or 0.0))
    left = system.settling(volts[1], driven[1])
    checks.append(
        measured(
            "clock.settling",
            "what a period leaves unsettled, and what leaks in it (parts)",
            left.unsettled + left.droop,
            SETTLED,
            detail=f"unsettled {left.unsettled:.2g}, droop {left.droop:.2g} per period",
        )
    )
    return checks


def check_evaluated_step(
    text: str,
    record: NetlistMap,
    cell: AbstractCell,
    simulator: OperatingPointSimulator,
    *,
    seed: int,
    timeout: float,
    limit: float,
) -> Check:
    """Compare the simulator's next state with the cell's at three states.

    Two operating points each: with the clock high and the states held by voltage sources the
    masters show F(x, u); with the clock low and the masters held, the ports show the new state.
    """
    ports = record.state_map
    x, u = (points[list(POINTS)] for points in sample_points(cell, seed=seed))
    try:
        clock = _clock(record)
        names = [m.port for m in ports.states]
        netlist = read_netlist(text, subckt=record.subckt)
        system = ClockedSystem(
            netlist,
            states=names,
            inputs=[m.port for m in ports.inputs],
            outputs=[m.port for m in ports.outputs],
            clock=clock,
            subckt=record.subckt,
        )
        volts, driven = to_volts(ports.states, x), to_volts(ports.inputs, u)
        found: list[Vector] = []
        for k in range(len(x)):
            inputs = dict(zip((m.port for m in ports.inputs), driven[k].tolist(), strict=True))
            high, low = ({**inputs, clock.port: level} for level in (clock.high, clock.low))
            held = dict(zip(names, volts[k].tolist(), strict=True))
            sampled = _rest(text, record, held, high, system.masters, simulator, timeout)
            found.append(
                np.array(
                    list(_rest(text, record, sampled, low, names, simulator, timeout).values())
                )
            )
    except UnverifiableError as error:
        return _failed(Verdict.UNVERIFIABLE, str(error), limit)
    except SimulationTimeout as error:
        return _failed(Verdict.TIMEOUT, str(error), limit)
    except SimulationError as error:
        return _failed(Verdict.ERROR, str(error), limit)
    return compare_rates(
        "simulator.step",
        EVALUATED_TITLE,
        to_units(ports.states, np.array(found)),
        cell.step(x, u),
        limit,
        what=NEXT,
    )


def _failed(verdict: Verdict, detail: str, limit: float) -> Check:
    return Check(
        id="simulator.step", title=EVALUATED_TITLE, verdict=verdict, limit=limit, detail=detail
    )


def _rest(
    text: str,
    record: NetlistMap,
    held: dict[str, float],
    driven: dict[str, float],
    wanted: list[str],
    simulator: OperatingPointSimulator,
    timeout: float,
) -> dict[str, float]:
    """Voltages of the nodes `wanted` at rest, with others held or driven by voltage sources."""
    shown = {net: outside(net, record, text) for net in (*held, *driven, *wanted)}
    lines = ["* rnn2circuit operating point with capacitors held", OPTIONS]
    lines.append(f".include {record.netlist}")
    lines.append(f"x{INSTANCE} {' '.join(record.state_map.ports)} {record.subckt}")
    lines += [
        f"vheld_{net} {shown[net]} 0 {spice_number(volts)}"
        for net, volts in {**held, **driven}.items()
    ]
    signals = [f"v({shown[net]})" for net in wanted]
    lines += [".op", ".save " + " ".join(signals), ".end", ""]
    deck = Deck(
        files={record.netlist: without_storage(text), MAIN: "\n".join(lines)},
        main=MAIN,
        signals=tuple(signals),
        t_stop=0.0,
    )
    found = simulator.measure(deck, timeout=timeout)
    return {net: found[f"v({shown[net]})"] for net in wanted}


def held_states(t: Vector, x: Matrix, record: NetlistMap, n_steps: int) -> Matrix:
    """Recorded columns at the sampling phase of every period, shape (K, ..).

    Parameters
    ----------
    t : ndarray, shape (k,)
        The simulator's time points in steps.
    """
    at = np.arange(n_steps) + _clock(record).sampling_phase
    return np.column_stack([np.interp(at, t, column) for column in x.T])


def check_held(held: Matrix, program: Trajectory, *, limit: float) -> Check:
    """Largest deviation of any held state after any step from the program's."""
    wanted = program.states[1:]
    error, i, k = deviation(held, wanted)
    return measured(
        "transient.states",
        "held states against the program, parts of range",
        float(error[i]),
        limit,
        detail=f"x{i + 1} after step {k + 1}: circuit {held[k, i]:.8g}, program {wanted[k, i]:.8g}",
        per_state=tuple(error.tolist()),
    )


def check_held_outputs(held: Matrix, program: Trajectory, *, limit: float) -> Check:
    """Largest deviation of any readout after any step from the program's."""
    wanted = program.outputs()
    error, i, k = deviation(held, wanted)
    return measured(
        "transient.outputs",
        "held readout against the program, parts of range",
        float(error[i]),
        limit,
        detail=f"y{i + 1} after step {k + 1}: circuit {held[k, i]:.8g}, program {wanted[k, i]:.8g}",
        per_state=tuple(error.tolist()),
    )


def check_held_steps(held: Matrix, program: Trajectory, *, limit: float) -> Check:
    """Largest deviation of any single step: from each held state to the next, by the cell.

    Unlike the trajectory, it does not grow where the network magnifies differences.
    """
    before = np.vstack([program.states[:1], held[:-1]])
    wanted = program.model.step(before, program.inputs)
    span = np.vstack([wanted, program.states[1:]])
    error = parts_of_range(np.vstack([held, program.states[1:]]), span)[: len(held)]
    k, i = (int(v) for v in np.unravel_index(int(np.argmax(error)), error.shape))
    return measured(
        "transient.steps",
        "each held step against the cell's own, parts of range",
        float(error[k, i]),
        limit,
        detail=f"x{i + 1} in step {k + 1}",
        per_state=tuple(error.max(axis=0).tolist()),
    )
