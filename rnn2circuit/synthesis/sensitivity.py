"""What a small change of each part does to the behaviour of a linear circuit.

The behaviour is the transfer matrix from the inputs to the outputs (where the model has no
readout, to the states), with the initial state as one more input where the model has no others;
its size is the H2 norm, the energy of the impulse response. By the adjoint of the nodal
equations, a part e with entry ``w (e_r+ - e_r-)(e_c+ - e_c-)^T`` of ``Y(s)`` moves it by

    dH = -dw (ψ_r+ - ψ_r-) (φ_c+ - φ_c-),   φ = Y^-1 b,   ψ = Y^-T c

so that ``|| dH ||^2 = ρ^T M ρ`` for relative changes ρ of the parts, to first order, with one
matrix M >= 0 per circuit. Rounding, tolerances and yield are all answers from M.

Of a circuit that is not stable the norm is discounted: it is taken of the response times
``exp(-shift t)``. Of one with feedthrough it is taken behind a first-order low-pass at its fastest
pole, since the H2 norm of a feedthrough is infinite.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.circuit.banks import Capacitors, Inductors
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.circuit.nodal import Nodal, Parts, nodal, state_space
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.statemap import StateMap, scales

NODES = 400  # Gauss-Legendre nodes of the frequency integral, as many as resonances of Q = 100 need
LARGEST_MATRIX = 5000  # parts: M is dense, 200 MB at this size
BATCH = 50  # frequencies at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """How behaviours are compared: the same frequencies and weights for every circuit.

    Attributes
    ----------
    s : ndarray, shape (q,)
        Complex frequencies, 1/s.
    weight : ndarray, shape (q,)
        Of the square of the modulus.
    inputs, outputs : ndarray
        Nets.
    output_scale : ndarray
        Model units per V.
    input_scale : ndarray
        V per model unit.
    initial : ndarray or None
        State (V or A of each storage element) that stands for an input where there is none.
    """

    s: NDArray[np.complex128]
    weight: Vector
    inputs: Indices
    outputs: Indices
    input_scale: Vector
    output_scale: Vector
    initial: Vector | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensitivity:
    """The quadratic form of a circuit's parts.

    Attributes
    ----------
    m : ndarray, shape (e, e)
        ``|| dH ||^2 = ρ^T m ρ`` for relative changes ρ, relative to ``|| H ||^2``.
    parts : Parts
    """

    m: Matrix
    parts: Parts


def metric_of(circuit: Circuit, ports: StateMap) -> Metric:
    """The metric in which deviations from `circuit` are measured.

    Raises
    ------
    CircuitError
        If the circuit is not linear.
    NotRealizableError
        If nothing moves: no inputs, and no initial state.
    """
    nets = {name: k for k, name in enumerate(circuit.nets)}
    inputs = np.array([nets[m.port] for m in ports.inputs], dtype=np.int64)
    shown = ports.outputs if ports.outputs else ports.states
    outputs = np.array([nets[m.port] for m in shown], dtype=np.int64)
    space = state_space(nodal(circuit), inputs=inputs)
    poles = np.linalg.eigvals(space.a)
    sizes = np.abs(poles)[np.abs(poles) > 0]
    center = float(np.exp(np.mean(np.log(sizes)))) if sizes.size else 1.0 / ports.seconds_per_unit
    growth = float(poles.real.max(initial=-np.inf))
    shift = 0.0 if growth < 0 else growth + center / 2
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    angle = (nodes + 1) * np.pi / 4
    omega = center * np.tan(angle)
    # (1 / pi) times the integral over positive frequencies
    weight = weights * np.pi / 4 * center / np.cos(angle) ** 2 / np.pi
    if np.any(space.from_inputs[outputs] != 0):
        fastest = float(sizes.max(initial=center))
        weight = weight * np.abs(fastest / (shift + 1j * omega + fastest)) ** 2
    initial = None
    if not inputs.size:
        initial = _initial_state(circuit, len(space.from_storage), space.storage)
    return Metric(
        s=np.asarray(shift + 1j * omega, dtype=np.complex128),
        weight=weight,
        inputs=inputs,
        outputs=outputs,
        input_scale=scales(ports.inputs),
        output_scale=1.0 / scales(shown),
        initial=initial,
    )


def _initial_state(circuit: Circuit, size: int, storage: Indices) -> Vector:
    """Initial voltage of each state capacitor, from one terminal of which the other is ground."""
    values = np.zeros(size)
    for bank in circuit.banks:
        if isinstance(bank, Capacitors):
            np.add.at(values, bank.p, bank.v_initial)
        if isinstance(bank, Inductors):
            values[storage] = bank.i_initial
    initial = values[storage]
    if not np.any(initial):
        raise NotRealizableError(
            "a network without inputs that starts at rest does nothing, so no change of its parts "
            "can be measured; give it an input or an initial state x0"
        )
    return initial


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Solutions:
    """Solutions at a batch of frequencies, in unknowns of the whole circuit."""

    s: NDArray[np.complex128]  # (q,)
    weight: Vector  # (q,)
    forward: NDArray[np.complex128]  # (q, size, inputs): Y^-1 b, V per model unit of input
    adjoint: NDArray[np.complex128]  # (q, size, outputs): Y^-T c


def _starts(system: Nodal, metric: Metric) -> Vector:
    """Initial value of every unknown; zero where inputs drive the network."""
    values = np.zeros(system.size)
    if metric.initial is not None:
        values[state_space(system, inputs=metric.inputs).storage] = metric.initial
    return values


def _solve(circuit: Circuit, metric: Metric, *, adjoint: bool) -> Iterator[_Solutions]:
    system = nodal(circuit)
    g, c = system.matrices()
    held = np.zeros(system.size, dtype=bool)
    held[[GROUND, *metric.inputs.tolist()]] = True
    free = np.flatnonzero(~held)
    g_free, c_free = g[np.ix_(free, free)], c[np.ix_(free, free)]
    drive = metric.input_scale if metric.initial is None else np.ones(1)
    kick = c @ _starts(system, metric)[:, None]
    chosen = np.zeros((system.size, len(metric.outputs)))
    chosen[metric.outputs, np.arange(len(metric.outputs))] = metric.output_scale
    for start in range(0, len(metric.s), BATCH):
        s = metric.s[start : start + BATCH]
        y = g_free + s[:, None, None] * c_free
        forward = np.zeros((len(s), system.size, len(drive)), dtype=np.complex128)
        if metric.initial is None:
            forward[:, metric.inputs, np.arange(len(drive))] = drive
            feed = (
                g[np.ix_(free, metric.inputs)] + s[:, None, None] * c[np.ix_(free, metric.inputs)]
            )
            forward[:, free] = np.linalg.solve(y, -feed * drive)
        else:
            right = np.broadcast_to(kick[free], (len(s), len(free), 1)).astype(np.complex128)
            forward[:, free] = np.linalg.solve(y, right)
        backward = np.zeros((len(s), system.size, chosen.shape[1]), dtype=np.complex128)
        if adjoint:
            right = np.broadcast_to(chosen[free], (len(s), *chosen[free].shape))
            backward[:, free] = np.linalg.solve(y.swapaxes(1, 2), right.astype(np.complex128))
        yield _Solutions(
            s=s, weight=metric.weight[start : start + BATCH], forward=forward, adjoint=backward
        )


def behaviour(circuit: Circuit, metric: Metric) -> NDArray[np.complex128]:
    """The weighted transfer matrices, shape (q, outputs, inputs), in model units."""
    return np.concatenate(
        [
            at.forward[:, metric.outputs]
            * (metric.output_scale[:, None] * np.sqrt(at.weight)[:, None, None])
            for at in _solve(circuit, metric, adjoint=False)
        ]
    )


def relative_error(circuit: Circuit, reference: Circuit, metric: Metric) -> float:
    """``|| H - H_ref || / || H_ref ||``, exactly and not to first order."""
    wanted = behaviour(reference, metric)
    return float(np.linalg.norm(behaviour(circuit, metric) - wanted) / np.linalg.norm(wanted))


def sensitivity(circuit: Circuit, metric: Metric) -> Sensitivity:
    """The matrix M of a circuit: its relative deviation for small changes of its parts.

    Raises
    ------
    NotRealizableError
        If the circuit has more than `LARGEST_MATRIX` parts, or does nothing.
    """
    system = nodal(circuit)
    count = len(system.parts.value)
    if count > LARGEST_MATRIX:
        raise NotRealizableError(
            f"the deviation by {count} parts at once needs a matrix too large to hold; "
            f"{LARGEST_MATRIX} are possible: use fewer elements (another strategy), or nearest"
        )
    of_part = np.flatnonzero(system.part >= 0)
    # A resistor's value is one over its conductance; all others stand in Y as they are.
    sign = np.where(system.reactive[of_part] > 0, 1.0, -1.0)
    weight = sign * system.weight[of_part]
    start = _starts(system, metric)[system.columns[of_part]] @ np.array([1.0, -1.0])
    m, size = np.zeros((count, count)), 0.0
    for at in _solve(circuit, metric, adjoint=True):
        outputs = at.forward[:, metric.outputs] * metric.output_scale[:, None]
        size += float(np.sum(at.weight[:, None, None] * np.abs(outputs) ** 2))
        rows, columns = system.rows[of_part], system.columns[of_part]
        left = at.adjoint[:, rows[:, 0]] - at.adjoint[:, rows[:, 1]]
        right = at.forward[:, columns[:, 0]] - at.forward[:, columns[:, 1]]
        # A storage element takes s φ, less what it starts with: Y dφ = dC (v0 - s φ).
        storing = system.reactive[of_part] > 0
        right[:, storing] = at.s[:, None, None] * right[:, storing] - start[storing, None]
        scale = -weight * np.sqrt(at.weight)[:, None]
        moved = scale[:, :, None, None] * left[:, :, :, None] * right[:, :, None, :]
        per_entry = moved.swapaxes(0, 1).reshape(len(of_part), -1)
        flat = np.zeros((count, per_entry.shape[1]), dtype=np.complex128)
        np.add.at(flat, system.part[of_part], per_entry)
        m += (flat.conj() @ flat.T).real
    if not size > 0:
        raise NotRealizableError("the network's outputs do not move, whatever its inputs do")
    return Sensitivity(m=m / size, parts=system.parts)
