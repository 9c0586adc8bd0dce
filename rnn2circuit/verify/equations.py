"""Does the netlist hold the model's equations? Extraction against the model, no simulator.

The extractor rebuilds ``dv/dt`` of the state ports from the netlist's text; the map turns it
into ``dx/dt``; the model says what it should be. For affine parts the comparison is exact by
linearity, for smooth nonlinear ones it is an identity tested at random states, and the Jacobian
names the weight at fault.
"""

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import UnverifiableError
from rnn2circuit.models.base import AbstractModel, AbstractNetwork, weights_sha256
from rnn2circuit.statemap import NetlistMap, offsets, scales, to_units, to_volts
from rnn2circuit.verify.checks import Check, Verdict, measured
from rnn2circuit.verify.extraction import ExtractedSystem, extract_from
from rnn2circuit.verify.netlist import Netlist
from rnn2circuit.verify.reading import read_circuit
from rnn2circuit.verify.structure import idle_currents, lone_halves
from rnn2circuit.verify.suspects import find_suspect

EXACT = 1e-9  # limit; round-off of the algebraic solve is near 1e-15, a wrong weight far above
# Points of comparison: the origin, the initial state, random states in a box around both, and
# random states far outside it, where a rectifying unit that sleeps in the box wakes up. Those come
# in pairs, each with its negative: without a pair eight of them left one sign of a sum untried.
NEAR, FAR = 14, 12
JACOBIANS_AT = (2, 3, 4, 2 + NEAR, 3 + NEAR)  # random points: a relu has its kink at the origin
TRIED = 4  # points at which elements are changed to see which of them explains a failure
BOX = 1.5  # half-width of the box, in units of max(1, |x0|)
DECADES = 2.0  # how far beyond the box the far states lie, at most

# Entries below these parts of the largest are compared with it and not with themselves: what
# is left of terms that cancel carries the rounding of the terms.
SMALLEST_RATE = 1e-9
SMALLEST_ENTRY = 1e-4


def check_equations(
    text: str,
    record: NetlistMap,
    model: AbstractModel,
    *,
    seed: int,
    limit: float = EXACT,
    realized: AbstractModel | None = None,
) -> tuple[Check, ...]:
    """Compare an emitted netlist with its model: identity, f, Jacobians, outputs, initial state.

    Parameters
    ----------
    text : str
        The netlist, as it stands in the file.
    record : NetlistMap
        The map written beside it.
    seed : int
        Of the random states and inputs.
    realized : AbstractModel, optional
        What the circuit's own states obey, where a strategy changed them.
    """
    identity = check_identity(text, record, model, realized=realized)
    model = model if realized is None else realized
    if identity.verdict is not Verdict.PASS:
        return (identity,)
    ports = record.state_map
    try:
        netlist = read_circuit(text, record)
        system = extract_from(
            netlist,
            states=[m.port for m in ports.states],
            inputs=[m.port for m in ports.inputs],
            outputs=[m.port for m in ports.outputs],
            subckt=record.subckt,
        )
        idle = idle_currents(netlist, inputs=[m.port for m in ports.inputs])
        if record.inputs_as == "gyrator":
            idle += lone_halves(
                netlist,
                inputs=[m.port for m in ports.inputs],
                outputs=[m.port for m in ports.outputs],
            )
        structure = measured(
            "structure",
            "currents that drive an ideal voltage source and so do nothing",
            len(idle),
            0,
            detail="; ".join(idle[:4]),
        )
        checks = _compare(system, record, model, seed=seed, limit=limit)
        return (identity, structure, *_with_suspects(checks, netlist, record, model, seed=seed))
    except UnverifiableError as error:
        unread = Check(
            id="extraction.f",
            title="right-hand side read from the netlist",
            verdict=Verdict.UNVERIFIABLE,
            limit=limit,
            detail=str(error),
        )
        return (identity, unread)


def check_identity(
    text: str,
    record: NetlistMap,
    model: AbstractNetwork,
    *,
    realized: AbstractNetwork | None = None,
) -> Check:
    """Fingerprints and shapes: is this the map of this netlist, and of this model?"""
    ports = record.state_map
    inner = model if realized is None else realized
    outputs = inner.n_outputs if has_output_ports(inner) else 0
    order = model.n_states if record.order is None else record.order
    facts = (
        ("family", record.family, model.family),
        ("weights_sha256", record.weights_sha256, weights_sha256(model)),
        ("netlist_sha256", record.netlist_sha256, sha256_text(text)),
        ("number of states", len(ports.states), inner.n_states),
        ("order", order, inner.n_states),
        ("number of inputs", len(ports.inputs), model.n_inputs),
        ("number of outputs", len(ports.outputs), outputs),
    )
    if ports.clock is not None:  # of a cell the unit of time is one step, and a step is a period
        facts += (("seconds_per_unit", ports.seconds_per_unit, ports.clock.period),)
    wrong = [
        f"{what}: the map says {got}, expected {want}" for what, got, want in facts if got != want
    ]
    return measured(
        "identity",
        "the map belongs to this netlist and this model (mismatches)",
        len(wrong),
        0,
        detail="; ".join(wrong),
    )


def sha256_text(text: str) -> str:
    """SHA-256 of a text file's bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_output_ports(model: AbstractNetwork) -> bool:
    """Whether a circuit of the model has ports for its outputs; else these are the states."""
    return any(part is not None for part in (model.w_out, model.b_out, model.feedthrough))


def _compare(
    system: ExtractedSystem,
    record: NetlistMap,
    model: AbstractModel,
    *,
    seed: int,
    limit: float,
) -> list[Check]:
    ports, seconds = record.state_map, record.state_map.seconds_per_unit
    x, u = sample_points(model, seed=seed)
    at = JACOBIANS_AT
    rates = system.rates(to_volts(ports.states, x), to_volts(ports.inputs, u), jacobian_at=at)
    unit = scales(ports.states)
    found = rates.dv_dt / unit * seconds
    wanted = model.rhs(x, u)
    title = "right-hand side read from the netlist"
    checks = [compare_rates("extraction.f", title, found, wanted, limit)]
    state_jacobian = [j * (unit / unit[:, None]) * seconds for j in rates.df_dv]
    input_jacobian = [j * (scales(ports.inputs) / unit[:, None]) * seconds for j in rates.df_du]
    checks.append(
        compare_jacobians(
            "extraction.jacobian",
            [np.hstack(pair) for pair in zip(state_jacobian, input_jacobian, strict=True)],
            [np.hstack([model.jacobian(x[k], u[k]), model.input_jacobian(x[k], u[k])]) for k in at],
            model.n_states,
            limit,
        )
    )
    if ports.outputs:
        y = to_units(ports.outputs, rates.outputs)
        checks.append(compare_outputs(y, model.readout(x, u), limit))
    checks.append(_check_initial(system, record, model, limit))
    return checks


def _with_suspects(
    checks: list[Check], netlist: Netlist, record: NetlistMap, model: AbstractModel, *, seed: int
) -> list[Check]:
    """Say of a failure which element of an instance explains it, where one does."""
    if all(check.verdict is Verdict.PASS for check in checks):
        return checks
    ports = record.state_map
    x, u = (points[:TRIED] for points in sample_points(model, seed=seed))
    volts, driven = to_volts(ports.states, x), to_volts(ports.inputs, u)
    unit = scales(ports.states) / ports.seconds_per_unit

    def figures(changed: Netlist) -> Vector:
        system = extract_from(
            changed,
            states=[m.port for m in ports.states],
            inputs=[m.port for m in ports.inputs],
            outputs=[m.port for m in ports.outputs],
        )
        rates = system.rates(volts, driven)
        read = to_units(ports.outputs, rates.outputs)
        return np.concatenate([(rates.dv_dt / unit).ravel(), read.ravel()])

    shown = model.readout(x, u) if ports.outputs else np.zeros(0)
    wanted = np.concatenate([model.rhs(x, u).ravel(), shown.ravel()])
    suspect = find_suspect(netlist, wanted, figures)
    if suspect is None:
        return checks
    named = ("extraction.f", "extraction.jacobian", "extraction.output")
    return [
        replace(check, detail=f"{check.detail}; {suspect}")
        if check.id in named and check.verdict is Verdict.FAIL
        else check
        for check in checks
    ]


def sample_points(
    model: AbstractNetwork, *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """States (K, n) and inputs (K, m): the origin, the initial state, and random points.

    The random states of a family with an operating box are drawn from it, near and far alike.
    """
    count = 2 + NEAR + FAR
    rng = np.random.default_rng(seed)
    half = BOX * max(1.0, float(np.max(np.abs(model.initial_state))))
    x = rng.uniform(-half, half, (count, model.n_states))
    u = rng.uniform(-BOX, BOX, (count, model.n_inputs))
    pairs = FAR // 2  # each in its own part of the decades
    stretch = 10.0 ** (DECADES * (np.arange(pairs)[:, None] + rng.random((pairs, 1))) / pairs)
    for points in (x, u):
        points[-FAR::2] *= stretch
        points[1 - FAR :: 2] = -points[-FAR::2]
    if model.operating_box is not None:
        low, high = model.operating_box
        x = rng.uniform(low, high, x.shape)
    x[0], u[0] = 0.0, 0.0
    x[1] = model.initial_state
    return x, u


def compare_rates(
    id: str,
    title: str,
    found: Matrix,
    wanted: Matrix,
    limit: float,
    *,
    what: str = "d x{k}/dt",
) -> Check:
    """Largest deviation of any state's rate at K points, in parts of that state's largest rate."""
    scale = np.abs(wanted).max(axis=0)
    scale = np.maximum(scale, max(SMALLEST_RATE * float(scale.max()), np.finfo(float).tiny))
    error = np.abs(found - wanted).max(axis=0) / scale
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    k = int(np.argmax(np.abs(found - wanted)[:, worst]))
    return measured(
        id,
        title,
        float(error[worst]),
        limit,
        detail=(
            f"{what.format(k=worst + 1)}: netlist {found[k, worst]:.10g}, "
            f"model {wanted[k, worst]:.10g}"
        ),
        per_state=tuple(error.tolist()),
    )


def compare_jacobians(
    id: str,
    found: list[Matrix],
    wanted: list[Matrix],
    n_states: int,
    limit: float,
    *,
    what: str = "d x{k}'",
) -> Check:
    """Largest deviation of any derivative, in parts of itself or of a part of the largest."""
    got, want = np.array(found), np.array(wanted)  # (points, n, n + m)
    largest = float(np.abs(want).max())
    floor = max(SMALLEST_ENTRY * largest, np.finfo(float).tiny)
    error = np.abs(got - want) / np.maximum(np.abs(want), floor)
    error = np.where(np.isnan(error), np.inf, error)
    # One wrong weight moves the operating point of its whole row, except where its operand is
    # zero: the point with the fewest wrong entries tells which weight it is.
    wrong = (error > limit).sum(axis=(1, 2))
    k = int(np.argmin(np.where(wrong > 0, wrong, wrong.max() + 1)))
    i, j = (int(v) for v in np.unravel_index(int(np.argmax(error[k])), error.shape[1:]))
    name = f"x{j + 1}" if j < n_states else f"u{j - n_states + 1}"
    column = j + 1 if j < n_states else j - n_states + 1
    got_ij, want_ij = float(got[k, i, j]), float(want[k, i, j])
    sign = ", opposite sign" if got_ij * want_ij < 0 else ""
    return measured(
        id,
        "its derivatives by states and inputs",
        float(error.max()),
        limit,
        detail=(
            f"{what.format(k=i + 1)}/d {name}: netlist {got_ij:.10g}, model {want_ij:.10g}{sign}; "
            f"look at elements ending in _{i + 1}_{column} and at row {i + 1}"
        ),
        per_state=tuple(error.max(axis=(0, 2)).tolist()),
    )


def compare_outputs(found: Matrix, wanted: Matrix, limit: float) -> Check:
    """Largest deviation of any readout at K points, in parts of its largest value."""
    scale = np.maximum(np.abs(wanted).max(axis=0), np.finfo(float).tiny)
    error = np.abs(found - wanted).max(axis=0) / scale
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    return measured(
        "extraction.output",
        "readout read from the netlist",
        float(error[worst]),
        limit,
        detail=f"output y{worst + 1}",
    )


def _check_initial(
    system: ExtractedSystem, record: NetlistMap, model: AbstractModel, limit: float
) -> Check:
    initial = system.initial_state()
    return compare_initial(initial.elements, initial.cards, record, model, limit)


def compare_initial(
    elements: Vector, cards: Vector, record: NetlistMap, model: AbstractNetwork, limit: float
) -> Check:
    """Worst initial voltage of a state port, by elements and by cards, in parts of a unit."""
    ports = record.state_map.states
    wanted = to_volts(ports, model.initial_state)
    scale = np.abs(scales(ports)) * max(1.0, float(np.abs(model.initial_state).max()))
    worst, detail = 0.0, ""
    sources = [("ic= on elements", elements)]
    if record.form == "rc":  # inductor currents have no .ic card
        sources.append((".ic cards", cards))
    for source, found in sources:
        error = np.abs(np.asarray(found, dtype=np.float64) - wanted) / scale
        error = np.where(np.isnan(error), np.inf, error)
        i = int(np.argmax(error))
        if float(error[i]) >= worst:
            worst = float(error[i])
            volts = float(wanted[i] - offsets(ports)[i])
            detail = f"x{i + 1} by {source}: {float(found[i])!r} V, expected {volts!r} V"
    return measured(
        "extraction.initial", "initial state read from the netlist", worst, limit, detail=detail
    )
