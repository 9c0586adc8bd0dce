"""How far a linearization can be trusted: certified error bounds, and the inputs they allow."""

from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError, UsageError
from rnn2circuit.linearize.linearization import Linearization
from rnn2circuit.linearize.volterra import (
    Kernel,
    SigmoidForm,
    Sums,
    cells_for,
    certify,
    input_range,
    kernels_of,
    sums_of,
)
from rnn2circuit.models import AbstractModel, Ctrnn, Hopfield
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, Stimulus, default_stimulus

WITHIN = 0.1  # error, as part of the largest deviation, up to which a linear network is of use
SMALLEST, LARGEST = 1e-6, 1e3  # amplitudes between which a radius is looked for
BISECTIONS = 14  # in the logarithm: the radius is known to 0.13 %
LOOSEST = float(np.finfo(np.float64).max)  # any error that is bounded at all
SAMPLES = 2001  # times at which two solutions are compared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorBound:
    """What is certain about ``e = x - x_linear`` over a run.

    Attributes
    ----------
    times : ndarray, shape (cells + 1,)
        Ends of the cells, in model time units.
    bound : ndarray, shape (cells, n), or None
        ``|e_i(t)| <= bound[k, i]`` for t in cell k; None: not certified.
    deviation : ndarray, shape (n,)
        No state of the linear network is farther than this from the point of expansion.
    reason : str
        Why nothing is certified; empty where it is.
    """

    times: Vector
    bound: Matrix | None
    deviation: Vector
    reason: str = ""

    @property
    def certified(self) -> bool:
        return self.bound is not None

    @property
    def peak(self) -> Vector:
        """Largest bound of each state over the run, shape (n,); inf where not certified."""
        return (
            np.full_like(self.deviation, np.inf) if self.bound is None else self.bound.max(axis=0)
        )

    @property
    def relative(self) -> float:
        """Largest bound over the largest deviation of a state; 0 where nothing moves."""
        size = float(self.deviation.max())
        return float(self.peak.max()) / size if size else float(self.peak.max() and np.inf)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValidityRadius:
    """The largest amplitude of an input for which the linearization's error is certified.

    Attributes
    ----------
    amplitude : float
        Factor of the stimulus, added to the input of the equilibrium; zero if none is certified
        down to `SMALLEST`.
    at_least : bool
        Whether `amplitude` is the largest that was tried, and the radius may be larger.
    relative : float
        Error bound at the amplitude over the largest deviation of a state there.
    duration : float
        Of the run, in model time units.
    """

    amplitude: float
    at_least: bool
    relative: float
    duration: float


def error_bound(
    model: AbstractModel, at: Linearization, stimulus: Stimulus, *, duration: float
) -> ErrorBound:
    """Bound the error that linearization makes under a stimulus, from the model's initial state.

    The componentwise bound of `volterra`. It is no estimate: where it is certified, no state of
    the network leaves its linear counterpart by more within the run.

    Parameters
    ----------
    at : Linearization
        Of `model`, at an equilibrium or any other point.
    duration : float
        In model time units.

    Raises
    ------
    ModelError
        If the family has no such bound; `simulated_error` is for all.
    UsageError
        If the duration is not positive or the linearization is of another network.
    StimulusError
        If the stimulus has another number of inputs.
    """
    form = sigmoid_form(model, at)
    _check_duration(duration)
    a = at.a
    cells = cells_for(a, len(form.of), duration)
    times = np.linspace(0.0, duration, cells + 1)
    try:
        sums = _sums(form, at, stimulus, times, at.model.initial_state)
    except ModelError as error:  # a linear network that grows out of all bounds
        empty = np.full(model.n_states, np.inf)
        return ErrorBound(times=times, bound=None, deviation=empty, reason=str(error))
    bound = certify(form, kernels_of(a, form, step=duration / cells, cells=cells), sums)
    reason = "" if bound is not None else "the bound feeds its own growth: the input is too large"
    return ErrorBound(times=times, bound=bound, deviation=sums.largest, reason=reason)


def validity_radius(
    model: AbstractModel,
    at: Linearization,
    *,
    stimulus: Stimulus | None = None,
    duration: float,
    within: float | None = WITHIN,
) -> ValidityRadius:
    """The largest factor of a stimulus, from rest at an equilibrium, with a certified error.

    Parameters
    ----------
    at : Linearization
        At an equilibrium.
    stimulus : Stimulus, optional
        Its shape; sines of amplitude 1 (`default_stimulus`) where not given.
    duration : float
        In model time units.
    within : float or None
        The error bound may be at most this part of the largest deviation of a state; None: any
        error that is bounded at all.

    Raises
    ------
    ModelError
        If the family has no such bound.
    UsageError
        If the point is no equilibrium, the network has no inputs, or a number is not positive.
    StimulusError
        If the stimulus has another number of inputs.
    """
    form = sigmoid_form(model, at)
    _check_duration(duration)
    if not at.is_equilibrium:
        raise UsageError(
            "a radius is asked for around a point where the network does not rest; linearize it "
            "at an equilibrium"
        )
    if not model.n_inputs:
        raise UsageError("the network has no inputs, so there is no amplitude of an input")
    if within is not None and not within > 0:
        raise UsageError(f"within must be positive, got {within!r}")
    shape = default_stimulus(model.n_inputs, duration=duration) if stimulus is None else stimulus
    cells = cells_for(at.a, len(form.of), duration)
    times = np.linspace(0.0, duration, cells + 1)
    unit = _sums(form, at, _around(shape, at.u), times, at.x)
    kernels = kernels_of(at.a, form, step=duration / cells, cells=cells)

    limit = LOOSEST if within is None else within
    low, high, reached = 0.0, LARGEST, 0.0
    for amplitude in (LARGEST, SMALLEST):
        found = _relative(form, kernels, unit.scaled(amplitude))
        if found <= limit:
            low, reached = amplitude, found
            break
    for _ in range(BISECTIONS if 0.0 < low < LARGEST else 0):
        middle = float(np.sqrt(low * high))
        found = _relative(form, kernels, unit.scaled(middle))
        if found <= limit:
            low, reached = middle, found
        else:
            high = middle
    return ValidityRadius(
        amplitude=low, at_least=low == LARGEST, relative=reached, duration=duration
    )


def simulated_error(
    model: AbstractModel, at: Linearization, stimulus: Stimulus, *, duration: float
) -> float:
    """Largest difference of network and linearization over the network's own largest deviation.

    By integration of both under one stimulus, from the model's initial state: for any family, and
    for this stimulus alone.

    Raises
    ------
    ModelError
        If a solution escapes.
    StimulusError
        If the stimulus has another number of inputs.
    """
    _check_duration(duration)
    times = np.linspace(0.0, duration, SAMPLES)
    own = solve(model, stimulus, t_end=duration)(times)
    linear = solve(at.model, stimulus, t_end=duration)(times)
    size = float(np.abs(own - at.x).max())
    apart = float(np.abs(own - linear).max())
    return apart / size if size else float(apart and np.inf)


def sigmoid_form(model: AbstractModel, at: Linearization) -> SigmoidForm:
    """The network as ``x' = L x + P σ(S x + R u + b)``.

    Raises
    ------
    ModelError
        If its family has no such form.
    UsageError
        If the linearization has another number of states or inputs.
    """
    if at.b.shape != (model.n_states, model.n_inputs):
        raise UsageError(
            f"the linearization has {at.b.shape[0]} states and {at.b.shape[1]} inputs, the model "
            f"{model.n_states} and {model.n_inputs}: it is of another network"
        )
    n, m = at.b.shape
    match model:
        case Ctrnn():
            plain = model.without_input_map()
            return SigmoidForm(
                activation=activation_named(plain.activation),
                into=np.eye(n) if plain.gain is None else np.diag(plain.gain),
                of=plain.w,
                by=np.zeros((n, m)) if plain.w_in is None else plain.w_in,
                z0=plain.weighted_sum(at.x, at.u),
            )
        case Hopfield():
            return SigmoidForm(
                activation=activation_named(model.activation),
                into=model.w / model.tau[:, None],
                of=np.eye(n),
                by=np.zeros((n, m)),
                z0=at.x,
            )
        case _:
            raise ModelError(
                f"there is no certified bound for family {model.family}: it needs one activation "
                "of sums of states, as in ctrnn and hopfield; nearest: simulated_error, the error "
                "under one stimulus"
            )


def _sums(
    form: SigmoidForm, at: Linearization, stimulus: Stimulus, times: Vector, start: Vector
) -> Sums:
    linear = replace(at.model, x0=start)
    states = solve(linear, stimulus, t_end=float(times[-1]))(times) - at.x
    low, high = input_range(stimulus, times)
    return sums_of(
        form,
        at.a,
        at.b,
        rate=np.zeros_like(at.x) if at.is_equilibrium else at.residual,
        states=states,
        inputs=(low - at.u, high - at.u),
        step=float(times[1]),
    )


def _around(stimulus: Stimulus, u: Vector) -> Stimulus:
    match stimulus:
        case PwlStimulus():
            return replace(stimulus, values=stimulus.values + u)
        case SineStimulus():
            return replace(stimulus, offset=stimulus.offset + u)


def _relative(form: SigmoidForm, kernels: tuple[Kernel, Kernel], sums: Sums) -> float:
    bound = certify(form, kernels, sums)
    size = float(sums.largest.max())
    return np.inf if bound is None else float(bound.max()) / (size or 1.0)


def _check_duration(duration: float) -> None:
    if not (np.isfinite(duration) and duration > 0):
        raise UsageError(f"duration must be a positive number, got {duration!r}")
