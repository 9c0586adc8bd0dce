"""Where the circuit rests, and how it answers small signals: ``.op`` and ``.ac`` of a simulator.

Both start from the network's own equilibrium, given as ``.nodeset``: several may exist, and which
of them a plain operating point ends at says nothing about the circuit. What is judged is the
right-hand side of the *model* at the voltages that were found, and its linearization there.
``.pz`` is never used: ngspice linearizes behavioural sources at zero, and loses poles silently.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import (
    ModelError,
    SimulationError,
    SimulationTimeout,
    UnverifiableError,
)
from rnn2circuit.linearize.equilibria import Equilibrium, find_equilibrium
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.simulate.interface import Deck, OperatingPointSimulator, SweepSimulator
from rnn2circuit.statemap import NetlistMap, scales, to_units, to_volts
from rnn2circuit.units import spice_number as num
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.equations import sample_points
from rnn2circuit.verify.evaluated import MAIN
from rnn2circuit.verify.netlist import GROUND, read_netlist

RESTS = 1e-6  # limit of the rates left at the operating point, in parts of each largest rate
RESPONSE = 1e-6  # limit of the response, in parts of each output's largest
POINTS_PER_DECADE = 6
BEYOND = 10.0  # by which the sweep goes beyond the slowest and the fastest eigenvalue
MOST_DECADES = 8.0
OPTIONS = ".options reltol=1e-12 abstol=1e-18 vntol=1e-15 itl1=500"
OP_TITLE = "operating point: rates left there, parts of each state's largest"
AC_TITLE = "small-signal response against the transfer matrix, parts of its largest"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rest:
    """An operating point that a simulator found, in model units."""

    x: Vector
    u: Vector


def check_operating_point(
    text: str,
    record: NetlistMap,
    model: AbstractModel,
    simulator: OperatingPointSimulator,
    *,
    seed: int,
    timeout: float,
    limit: float = RESTS,
) -> tuple[Check, Rest | None] | None:
    """The rates of the model at the simulator's operating point with all inputs at zero.

    None where the model has no isolated equilibrium that a search finds, and where the circuit
    has loops of an inductor without resistance: neither has an operating point to be judged.
    """
    try:
        if not loops_have_resistance(text, subckt=record.subckt):
            return None
    except UnverifiableError:
        return None  # a text that the extraction could not read either, which has said so
    u = np.zeros(model.n_inputs)
    try:
        equilibrium = find_equilibrium(model, u=u)
    except ModelError:
        return None
    if not _is_isolated(equilibrium):
        return None
    ports = record.state_map
    deck = _deck(
        text,
        record,
        volts=to_volts(ports.inputs, u),
        at=equilibrium,
        analysis=[".op", ".save " + " ".join(f"v({m.port})" for m in ports.states)],
        signals=tuple(f"v({m.port})" for m in ports.states),
    )
    try:
        found = simulator.measure(deck, timeout=timeout)
    except SimulationTimeout as error:
        return _failed("operating.point", OP_TITLE, Verdict.TIMEOUT, str(error), limit), None
    except SimulationError as error:
        return _failed("operating.point", OP_TITLE, Verdict.ERROR, str(error), limit), None
    x = to_units(ports.states, np.array([found[f"v({m.port})"] for m in ports.states]))
    points, inputs = sample_points(model, seed=seed)
    scale = np.abs(model.rhs(points, inputs)).max(axis=0)
    scale = np.maximum(scale, np.finfo(float).tiny)
    error = np.abs(model.rhs(x, u)) / scale
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    check = measured(
        "operating.point",
        OP_TITLE,
        float(error[worst]),
        limit,
        detail=(
            f"d x{worst + 1}/dt = {float(model.rhs(x, u)[worst]):.3g} is left at {_shown(x)}; "
            f"the network rests at {_shown(equilibrium.x)}, {equilibrium.stability}"
        ),
        per_state=tuple(error.tolist()),
    )
    return check, Rest(x=x, u=u)


def check_response(
    text: str,
    record: NetlistMap,
    model: AbstractModel,
    simulator: SweepSimulator,
    rest: Rest,
    *,
    timeout: float,
    limit: float = RESPONSE,
) -> Check | None:
    """``H(jω) = C (jω - A)^-1 B + D`` at the operating point, input by input.

    None where nothing drives the network, or where its linearization does not exist.
    """
    if not model.n_inputs or not model.is_smooth:
        return None
    ports = record.state_map
    shown = [*ports.states, *ports.outputs]
    a, b = model.jacobian(rest.x, rest.u), model.input_jacobian(rest.x, rest.u)
    low, high = _band(np.linalg.eigvals(a).astype(np.complex128))
    per_second = 1.0 / (2 * np.pi * ports.seconds_per_unit)
    worst, where, per_state = -1.0, "", np.zeros(len(ports.states))
    for k, driven in enumerate(ports.inputs):
        deck = _deck(
            text,
            record,
            volts=to_volts(ports.inputs, rest.u),
            at=rest,
            analysis=[
                f".ac dec {POINTS_PER_DECADE} {num(low * per_second)} {num(high * per_second)}",
                ".save " + " ".join(f"v({m.port})" for m in shown),
            ],
            signals=tuple(f"v({m.port})" for m in shown),
            driven=k,
        )
        try:
            frequency, found = simulator.sweep(deck, timeout=timeout)
        except SimulationTimeout as error:
            return _failed("ac.response", AC_TITLE, Verdict.TIMEOUT, str(error), limit)
        except SimulationError as error:
            return _failed("ac.response", AC_TITLE, Verdict.ERROR, str(error), limit)
        got = np.array([found[f"v({m.port})"] for m in shown]).T
        got = got * driven.volts_per_unit / scales(shown)
        wanted = _transfer(
            model, a, b[:, k], k, frequency / per_second, outputs=bool(ports.outputs)
        )
        error = np.abs(got - wanted) / _largest(wanted)
        error = np.where(np.isnan(error), np.inf, error)
        at, i = (int(v) for v in np.unravel_index(int(np.argmax(error)), error.shape))
        per_state = np.maximum(per_state, error.max(axis=0)[: len(ports.states)])
        if error[at, i] > worst:
            worst = float(error[at, i])
            where = (
                f"{shown[i].port} from {driven.port} at {frequency[at]:.4g} Hz: "
                f"circuit {got[at, i]:.6g}, model {wanted[at, i]:.6g}"
            )
    return measured(
        "ac.response", AC_TITLE, worst, limit, detail=where, per_state=tuple(per_state.tolist())
    )


def loops_have_resistance(text: str, *, subckt: str | None = None) -> bool:
    """Whether every inductor has a resistor in series.

    At DC an inductor is a short. Where only the network's own answer limits its current, as in
    the current form of gated families, simulators find their first matrix singular.
    """
    netlist = read_netlist(text, subckt=subckt)
    beside = {node for _, p, n, _ in netlist.r for node in (p, n)} - {GROUND}
    return all(p in beside or n in beside for _, p, n, *_ in netlist.l)


def _is_isolated(equilibrium: Equilibrium) -> bool:
    """Whether the linearization there is regular: otherwise nothing pulls a state anywhere."""
    size = np.abs(equilibrium.eigenvalues)
    return bool(np.all(np.isfinite(size)) and size.min() > 1e-9 * size.max())


def _transfer(
    model: AbstractModel, a: Matrix, b: Vector, k: int, omega: Vector, *, outputs: bool
) -> NDArray[np.complex128]:
    """Response of the states, and of the readout where it has ports, shape (frequencies, ..)."""
    eye = np.eye(len(a))
    solved = [np.linalg.solve(1j * w * eye - a, b) for w in omega]
    states = np.array(solved, dtype=np.complex128)
    if not outputs:
        return states
    read = states if model.w_out is None else states @ model.w_out.T
    if model.feedthrough is not None:
        read = read + model.feedthrough[:, k]
    return np.hstack([states, read])


def _largest(response: NDArray[np.complex128]) -> Vector:
    """Per column; what hardly answers is judged by what answers most."""
    size = np.abs(response).max(axis=0)
    return np.maximum(size, max(1e-6 * float(size.max(initial=0.0)), np.finfo(float).tiny))


def _band(eigenvalues: NDArray[np.complex128]) -> tuple[float, float]:
    """From below the slowest to above the fastest, per model time unit."""
    size = np.abs(eigenvalues)
    high = BEYOND * float(size.max())
    low = max(float(size.min()) / BEYOND, high / 10.0**MOST_DECADES)
    return (low, high) if high > 0 else (0.1, 10.0)


def _deck(
    text: str,
    record: NetlistMap,
    *,
    volts: Vector,
    at: Equilibrium | Rest,
    analysis: list[str],
    signals: tuple[str, ...],
    driven: int | None = None,
) -> Deck:
    """The netlist with its inputs at rest, started from the network's equilibrium."""
    ports = record.state_map
    lines = ["* rnn2circuit operating point", f".include {record.netlist}", OPTIONS]
    for k, (port, v) in enumerate(zip(ports.inputs, volts.tolist(), strict=True)):
        small = " ac 1" if k == driven else ""
        lines.append(f"v_{port.port} {port.port} 0 dc {num(v)}{small}")
    lines.append(f"x_dut {' '.join(ports.ports)} {record.subckt}")
    start = zip(ports.states, to_volts(ports.states, at.x).tolist(), strict=True)
    lines += [f".nodeset v({m.port})={num(v)}" for m, v in start]
    lines += [*analysis, ".end", ""]
    return Deck(
        files={record.netlist: text, MAIN: "\n".join(lines)},
        main=MAIN,
        signals=signals,
        t_stop=0.0,
    )


def _failed(id: str, title: str, verdict: Verdict, detail: str, limit: float) -> Check:
    return Check(id=id, title=title, verdict=verdict, limit=limit, detail=detail)


def _shown(x: Vector) -> str:
    values = ", ".join(f"{v:.4g}" for v in x[:4])
    return f"({values}{', ..' if len(x) > 4 else ''})"
