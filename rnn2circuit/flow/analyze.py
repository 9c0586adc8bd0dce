"""What a network asks of a circuit, computed: every strategy and coupling side by side."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from rnn2circuit.errors import CircuitError, ModelError, NotRealizableError, UsageError
from rnn2circuit.flow.compile import positive
from rnn2circuit.flow.recommend import deviation, recommend
from rnn2circuit.linearize import (
    ErrorBound,
    Linearization,
    ValidityRadius,
    controllability_rank,
    error_bound,
    find_equilibria,
    linearize,
    simulated_error,
    validity_radius,
)
from rnn2circuit.linearize.statespace import eigenvalues_of, eigenvector_condition, stability_of
from rnn2circuit.linearize.strategies import STRATEGIES, Strategy, realize_states
from rnn2circuit.linearize.validity import WITHIN
from rnn2circuit.models import Linear, Lrc, Stc
from rnn2circuit.models.base import AbstractModel, AbstractNetwork
from rnn2circuit.models.timing import default_duration
from rnn2circuit.report.analysis import Analysis, Refused, Variant
from rnn2circuit.report.netlist_summary import value_ranges
from rnn2circuit.stimulus import Stimulus, default_stimulus
from rnn2circuit.synthesis.noise import predict_noise
from rnn2circuit.synthesis.passivity import passivate
from rnn2circuit.synthesis.realize import Realization, realize
from rnn2circuit.synthesis.scaling import choose_scaling
from rnn2circuit.synthesis.testbench import describe_stimulus
from rnn2circuit.synthesis.topology import LINEAR, Coupling

Point: TypeAlias = Literal["origin", "equilibrium"]

NOISY = 1.0  # noise factor of transconductances and negative resistors: that of a resistor
SEARCH = 64  # random states from which equilibria are looked for: a page should not take minutes
SMALL = 0.1  # amplitude of the input for families without a certified radius


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """For which inputs, and for how long, the error of a linearization is asked."""

    duration: float | None
    within: float
    amplitude: float | None
    stimulus: Stimulus | None

    def __post_init__(self) -> None:
        if self.amplitude is not None and self.stimulus is not None:
            raise UsageError(
                "an amplitude is that of the default sines, and a stimulus has its own; give one"
            )
        for what in ("duration", "within", "amplitude"):
            value = getattr(self, what)
            if value is not None:
                positive(what, value)


def analyze_model(
    model: AbstractNetwork,
    *,
    name: str = "network",
    at: Point | None = None,
    coupling: Coupling = "vccs",
    duration: float | None = None,
    within: float = WITHIN,
    amplitude: float | None = None,
    stimulus: Stimulus | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """Analyze a network as a circuit: poles, passivity, elements, tolerance, noise, validity.

    Parameters
    ----------
    name : str
        What the page calls the network.
    at : str, optional
        Where to linearize a network that is not linear; at an equilibrium where not given.
    coupling : str
        With which tolerance, noise and spread of values are computed; in form ``rc``.
    duration : float, optional
        For which the linearization's error is bounded, in model time units; as long as the
        stimulus, or ten characteristic times, where not given.
    within : float
        The radius is the input up to which that error is at most this part of the largest
        deviation of a state.
    amplitude : float, optional
        Of sines at the inputs: bound the error for these too.
    stimulus : Stimulus, optional
        Bound the error for this input, and give the radius as a factor of it.
    progress : callable
        Told what is going on.

    Raises
    ------
    ModelError
        If the network is a discrete-time cell, or has no equilibrium or Jacobian there.
    NotRealizableError
        If a linear network has no such coupling.
    UsageError
        If a duration, amplitude or error is not positive, or amplitude and stimulus are given.
    StimulusError
        If the stimulus has another number of inputs.
    """
    if coupling not in LINEAR["rc"]:
        raise NotRealizableError(
            f"a linear network in form 'rc' has couplings {', '.join(LINEAR['rc'])}, "
            f"got {coupling!r}"
        )
    run = Run(duration=duration, within=within, amplitude=amplitude, stimulus=stimulus)
    notes: list[str] = []
    progress("linearizing")
    found = None if isinstance(model, Linear) else linearize(model, at=at or "equilibrium")
    linear = model.without_input_map() if isinstance(model, Linear) else _model_of(found)
    radius = bound = None
    equilibria = ()
    if isinstance(model, AbstractModel) and found is not None:
        progress("bounding the error of linearization")
        radius, bound = _validity(model, found, run, notes)
        progress("looking for equilibria")
        equilibria = find_equilibria(model, starts=SEARCH)
    elif run.amplitude is not None or run.stimulus is not None:
        notes.append("the network is linear, so there is no error of a linearization to bound")
    progress("proving passivity")
    passivity = passivate(linear.a)
    variants, refused = _variants(linear, coupling, progress)
    a, b = linear.a, np.zeros((linear.n_states, 0)) if linear.b is None else linear.b
    poles = eigenvalues_of(a)
    return Analysis(
        subject=name,
        family=model.family,
        n_states=model.n_states,
        n_inputs=model.n_inputs,
        n_outputs=model.n_outputs,
        point="itself" if found is None else at or "equilibrium",
        linearization=found,
        poles=poles,
        stability=stability_of(a, poles),
        eigenvector_condition=eigenvector_condition(a),
        controllability_rank=controllability_rank(a, b),
        passivity=passivity,
        gyrators=_count(_built(linear, "gyrator"), "Gyrators"),
        rank=int(np.linalg.matrix_rank(a - a.T)),
        coupling=coupling,
        variants=variants,
        refused=refused,
        recommended=recommend((v.strategy, v.count(coupling), v.tolerance) for v in variants),
        equilibria=equilibria,
        radius=radius,
        amplitude=amplitude,
        stimulus=None if stimulus is None else describe_stimulus(stimulus),
        bound=bound,
        lipschitz=_lipschitz(model),
        notes=tuple(notes),
    )


def _model_of(found: Linearization | None) -> Linear:
    if found is None:
        raise TypeError("a network that is not linear has been linearized")
    return found.model


def _validity(
    model: AbstractModel, at: Linearization, run: Run, notes: list[str]
) -> tuple[ValidityRadius | None, ErrorBound | None]:
    """The certified radius and bound, or a note on why there are none and what is known instead."""
    own = run.stimulus.duration if run.duration is None and run.stimulus is not None else None
    length = run.duration or own or default_duration(model)
    if not model.n_inputs:
        notes.append("linearization radius: the network has no inputs")
        return None, None
    if not at.is_equilibrium:
        notes.append("linearization radius: the network does not rest at this point")
        return None, None
    sines = default_stimulus(model.n_inputs, duration=length, amplitude=run.amplitude or SMALL)
    wave = sines if run.stimulus is None else run.stimulus
    try:
        radius = validity_radius(
            model, at, stimulus=run.stimulus, duration=length, within=run.within
        )
    except ModelError as error:
        notes.append(f"linearization radius: {error}")
    else:
        resting = replace(at, model=replace(at.model, x0=at.x))
        asked = run.amplitude is not None or run.stimulus is not None
        return radius, error_bound(model, resting, wave, duration=length) if asked else None
    try:
        off = simulated_error(model, at, wave, duration=length)
    except ModelError as error:
        notes.append(f"simulated error of the linearization: {error}")
    else:
        under = f"sines of amplitude {run.amplitude or SMALL:g}"
        notes.append(
            f"simulated error of the linearization: {off:.2g} of the largest deviation, from the "
            f"initial state under {under if run.stimulus is None else 'the stimulus'} for "
            f"{length:.3g} model time units"
        )
    return None, None


def _variants(
    linear: Linear, coupling: Coupling, progress: Callable[[str], None]
) -> tuple[tuple[Variant, ...], tuple[Refused, ...]]:
    variants: list[Variant] = []
    refused: list[Refused] = []
    for strategy in STRATEGIES:
        progress(f"strategy {strategy}")
        try:
            variants.append(_variant(linear, strategy, coupling))
        except NotRealizableError as error:
            refused.append(Refused(strategy=strategy, reason=str(error)))
    return tuple(variants), tuple(refused)


def _variant(linear: Linear, strategy: Strategy, coupling: Coupling) -> Variant:
    states = realize_states(linear, strategy)
    remarks: list[str] = []
    elements: list[tuple[Coupling, int | None]] = []
    chosen: Realization | None = None
    for kind in LINEAR["rc"]:
        try:
            made = _built(states.model, kind)
        except NotRealizableError as error:
            elements.append((kind, None))
            if kind == coupling:
                remarks.append(str(error))
            continue
        elements.append((kind, sum(made.circuit.element_counts().values())))
        chosen = made if kind == coupling else chosen
    ranges = {} if chosen is None else value_ranges(chosen.circuit)
    return Variant(
        strategy=strategy,
        order=states.order,
        condition=states.condition,
        elements=tuple(elements),
        negative_resistors=None if chosen is None else chosen.circuit.negative_resistors(),
        spread=tuple((kind, high / low) for kind, (low, high) in ranges.items()),
        tolerance=_figure(deviation, chosen, remarks),
        noise=_figure(_noise, chosen, remarks),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _built(linear: Linear, coupling: Coupling) -> Realization:
    scaling = choose_scaling(linear, form="rc")
    return realize(linear, form="rc", coupling=coupling, scaling=scaling)


def _figure(
    compute: Callable[[Realization], float], made: Realization | None, remarks: list[str]
) -> float | None:
    """A figure, or None and a remark that says why there is none."""
    if made is None:
        return None
    try:
        return compute(made)
    except (NotRealizableError, CircuitError) as error:
        remarks.append(str(error))
        return None


def _noise(made: Realization) -> float:
    found = predict_noise(
        made.circuit, made.state_map, transconductor=NOISY, negative_resistor=NOISY
    )
    return float((found.outputs if found.outputs.size else found.states).max())


def _count(made: Realization, kind: str) -> int:
    return made.circuit.element_counts().get(kind, 0)


def _lipschitz(model: AbstractNetwork) -> float | None:
    """Norm of the bounds on ``∂x'/∂x`` while the states stay where their drives pull them."""
    if not isinstance(model, Stc | Lrc):
        return None
    plain = model.without_input_map()
    reach = np.maximum(np.abs(plain.e_leak), np.abs(plain.initial_state))
    return float(np.linalg.norm(plain.rate_bounds(reach), 2))
