"""Certified bounds of a linearization's error, and equilibria followed to their folds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.errors import ModelError, UsageError
from rnn2circuit.linearize import (
    continue_equilibrium,
    error_bound,
    linearize,
    simulated_error,
    validity_radius,
)
from rnn2circuit.linearize.validity import LARGEST
from rnn2circuit.linearize.volterra import EVEN_SLOPES, SigmoidForm, remainder
from rnn2circuit.models import Ctrnn, Hopfield, Linear
from rnn2circuit.models.activations import ACTIVATIONS
from rnn2circuit.models.io import load
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, default_stimulus, hold_samples

EXAMPLES = Path(__file__).parent.parent / "examples"
DURATION = 8.0
REFERENCE = 1e-9  # of states of order one: what two integrations to 1e-10 differ by
FOLD_INPUT = 1e-10  # a fold is followed to 2^-44 of a segment, and Newton ends near round-off
FOLD_STATE = 1e-4  # where a state goes as the root of the input's distance


def network(seed, activation, family):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 8)), 2
    common = {
        "w": 0.5 * rng.normal(size=(n, n)),
        "w_in": rng.normal(size=(n, m)),
        "bias": 0.3 * rng.normal(size=n),
        "in_scale": rng.uniform(0.5, 1.5, m),
        "in_bias": 0.1 * rng.normal(size=m),
        "activation": activation,
    }
    if family == "hopfield":
        return Hopfield(tau=rng.uniform(0.5, 2.0, n), **common)
    return Ctrnn(rate=rng.uniform(0.5, 2.0, n), gain=rng.uniform(-1, 1, n), **common)


def stimuli(seed, amplitude):
    rng = np.random.default_rng([seed, 1])
    stairs = amplitude * rng.uniform(-1, 1, (9, 2))
    return (
        SineStimulus(
            offset=np.zeros(2),
            amplitude=np.full(2, amplitude),
            frequency=rng.uniform(0.1, 0.8, 2),
        ),
        hold_samples(np.arange(9.0), stairs, hold="zoh"),
        PwlStimulus(times=np.array([0.0, 0.73, 5.1]), values=stairs[:3]),
    )


def between(times):
    """Times inside the cells, and at their ends."""
    return times[:-1, None] + np.diff(times)[:, None] * np.array([0.0, 0.31, 0.77, 1.0])


def worst_excess(model, at, stimulus, found):
    """Largest amount by which the true error exceeds its bound in any cell and state."""
    times = between(found.times)
    flat = np.clip(times.ravel(), 0.0, found.times[-1])
    own = solve(model, stimulus, t_end=float(found.times[-1]))(flat)
    linear = solve(at.model, stimulus, t_end=float(found.times[-1]))(flat)
    error = np.abs(own - linear).reshape(*times.shape, -1).max(axis=1)
    return float((error - found.bound).max()), float(error.max())


@pytest.mark.parametrize("family", ["ctrnn", "hopfield"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_no_error_exceeds_its_certified_bound(family, activation):
    certified = 0
    for seed in range(2):
        model = network(seed, activation, family)
        try:
            at = linearize(model, at="equilibrium")
        except ModelError:  # a network without saturation may have none
            continue
        model = replace(model, x0=at.x)
        at = linearize(model, at=at.x)
        for stimulus in stimuli(seed, 0.2):
            found = error_bound(model, at, stimulus, duration=DURATION)
            if found.certified:
                certified += 1
                assert worst_excess(model, at, stimulus, found)[0] <= REFERENCE
    assert certified >= 3


def test_the_bound_holds_from_a_point_that_is_no_equilibrium_and_another_start():
    model = replace(network(1, "logistic", "ctrnn"), x0=np.linspace(-0.2, 0.2, 4))
    at = linearize(model, at=np.full(4, 0.1), u=[0.1, -0.1])
    assert not at.is_equilibrium
    for stimulus in stimuli(1, 0.3):
        found = error_bound(model, at, stimulus, duration=3.0)
        assert found.certified
        assert worst_excess(model, at, stimulus, found)[0] <= REFERENCE


def test_the_bound_is_tight_beside_the_error():
    model = network(1, "tanh", "ctrnn")
    at = linearize(model, at="equilibrium")
    model = replace(model, x0=at.x)
    at = linearize(model, at=at.x)
    stimulus = stimuli(1, 0.3)[0]
    found = error_bound(model, at, stimulus, duration=DURATION)
    _, error = worst_excess(model, at, stimulus, found)
    assert error < float(found.peak.max()) < 2.0 * error
    assert found.relative == pytest.approx(float(found.peak.max() / found.deviation.max()))


def test_the_remainder_is_the_largest_within_its_interval():
    rng = np.random.default_rng(5)
    low = rng.normal(scale=2.0, size=(200, 3))
    high = low + rng.uniform(0.0, 4.0, low.shape)
    for activation in ACTIVATIONS.values():
        z0 = np.array([0.7, -1.3, 0.2])
        form = SigmoidForm(activation=activation, into=np.eye(3), of=np.eye(3), by=np.eye(3), z0=z0)
        d = low + np.linspace(0.0, 1.0, 2001)[:, None, None] * (high - low)
        g = activation.value(z0 + d) - activation.value(z0) - activation.slope(z0) * d
        sampled, claimed = np.abs(g).max(axis=0), remainder(form, low, high)
        assert np.all(sampled <= claimed)
        assert np.all(claimed - sampled <= 1e-5), activation.name  # the samples' distance squared
    assert set(EVEN_SLOPES) < set(ACTIVATIONS)


def test_without_its_inner_maximum_the_remainder_would_be_too_small():
    form = SigmoidForm(
        activation=ACTIVATIONS["tanh"],
        into=np.eye(1),
        of=np.eye(1),
        by=np.eye(1),
        z0=np.array([1.0]),
    )
    inner = remainder(form, np.array([[-2.5]]), np.array([[0.1]]))
    ends = [remainder(form, np.array([[d]]), np.array([[d]])) for d in (-2.5, 0.1)]
    assert inner > max(ends)


def test_too_large_an_input_is_not_certified_and_says_so():
    model = Ctrnn(rate=np.ones(1), w=np.array([[1.5]]), w_in=np.ones((1, 1)))
    at = linearize(model, at="origin")
    found = error_bound(model, at, default_stimulus(1, duration=9.0), duration=9.0)
    assert not found.certified
    assert "too large" in found.reason
    assert np.all(np.isinf(found.peak))
    assert found.relative == np.inf


def test_a_linear_network_that_escapes_is_not_certified():
    model = Ctrnn(rate=np.ones(1), w=np.array([[40.0]]), w_in=np.ones((1, 1)))
    found = error_bound(model, linearize(model), default_stimulus(1, duration=3.0), duration=3.0)
    assert not found.certified
    assert "leaves" in found.reason


def test_the_radius_grows_with_the_error_allowed_and_is_certified():
    model = network(3, "tanh", "ctrnn")
    at = linearize(model, at="equilibrium")
    model = replace(model, x0=at.x)
    at = linearize(model, at=at.x)
    radii = [
        validity_radius(model, at, duration=DURATION, within=part) for part in (0.01, 0.03, 0.1)
    ]
    amplitudes = [r.amplitude for r in radii]
    assert 0 < amplitudes[0] < amplitudes[1] < amplitudes[2] < LARGEST
    for radius, part in zip(radii, (0.01, 0.03, 0.1), strict=True):
        assert radius.relative <= part
        stimulus = default_stimulus(2, duration=DURATION, amplitude=radius.amplitude)
        found = error_bound(model, at, stimulus, duration=DURATION)
        assert worst_excess(model, at, stimulus, found)[0] <= REFERENCE
        assert found.relative == pytest.approx(radius.relative, rel=1e-3)
    wider = validity_radius(model, at, duration=DURATION, within=None)
    assert wider.amplitude > amplitudes[2]
    assert validity_radius(model, at, duration=2 * DURATION).amplitude <= 1.5 * amplitudes[2]


def test_a_network_without_curvature_has_no_largest_amplitude():
    model = network(1, "identity", "ctrnn")
    radius = validity_radius(model, linearize(model, at="equilibrium"), duration=DURATION)
    assert radius.at_least
    assert radius.amplitude == LARGEST


@pytest.mark.parametrize("name", ["rnn_delay.pt", "ctrnn_cycle.npz", "hopfield_memory.json"])
def test_the_bound_holds_for_trained_networks(name):
    model = load(EXAMPLES / name, dt=1.0 if name.endswith(".pt") else None)
    at = linearize(model, at="equilibrium")
    model = replace(model, x0=at.x)
    at = linearize(model, at=at.x)
    duration = 5.0 / float(np.abs(at.eigenvalues).max())
    if model.n_inputs:
        radius = validity_radius(model, at, duration=duration)
        assert radius.amplitude > 0
        stimulus = default_stimulus(model.n_inputs, duration=duration, amplitude=radius.amplitude)
    else:
        model = replace(model, x0=at.x + 0.02)
        at = linearize(model, at=at.x)
        stimulus = default_stimulus(0, duration=duration)
    found = error_bound(model, at, stimulus, duration=duration)
    assert found.certified
    assert worst_excess(model, at, stimulus, found)[0] <= REFERENCE


@pytest.mark.parametrize("family", ["ltc", "stc", "lrc", "gru_ode", "lem", "energy"])
def test_other_families_are_refused_with_what_comes_nearest(family):
    model = random_model(family, 2, 1, 0)
    at = linearize(model, at=model.initial_state)
    stimulus = default_stimulus(model.n_inputs, duration=1.0, amplitude=1e-3)
    with pytest.raises(ModelError, match=f"family {family}.*nearest: simulated_error"):
        error_bound(model, at, stimulus, duration=1.0)
    assert 0 <= simulated_error(model, at, stimulus, duration=0.01) < 1.0


def test_the_simulated_error_of_one_neuron_is_that_of_the_closed_form():
    # x' = -x + tanh(u) for a constant u starts from 0 and ends at tanh(u); linear, at u.
    model = Ctrnn(rate=np.ones(1), w=np.zeros((1, 1)), w_in=np.ones((1, 1)))
    held = PwlStimulus(times=np.zeros(1), values=np.full((1, 1), 0.5))
    relative = simulated_error(model, linearize(model), held, duration=4.0)
    assert relative == pytest.approx(0.5 / np.tanh(0.5) - 1.0, rel=1e-6)


def test_wrong_questions_are_refused():
    model = network(1, "tanh", "ctrnn")
    at = linearize(model, at="equilibrium")
    with pytest.raises(UsageError, match="duration must be a positive number, got -1"):
        validity_radius(model, at, duration=-1.0)
    with pytest.raises(UsageError, match="within must be positive"):
        validity_radius(model, at, duration=1.0, within=0.0)
    with pytest.raises(UsageError, match="at an equilibrium"):
        validity_radius(model, linearize(model, at=at.x + 0.1), duration=1.0)
    alone = Ctrnn(rate=np.ones(1), w=np.zeros((1, 1)))
    with pytest.raises(UsageError, match="no inputs"):
        validity_radius(alone, linearize(alone), duration=1.0)
    with pytest.raises(UsageError, match="of another network"):
        error_bound(alone, at, default_stimulus(0, duration=1.0), duration=1.0)


def bistable(gain=2.0):
    return Ctrnn(rate=np.ones(1), w=np.array([[gain]]), w_in=np.ones((1, 1)))


def test_a_fold_is_found_at_its_closed_form_place():
    # x = tanh(w x + u) loses two solutions where w (1 - x^2) = 1.
    gain = 2.0
    x = -np.sqrt(1.0 - 1.0 / gain)
    u = np.arctanh(x) - gain * x
    branch = continue_equilibrium(bistable(gain), [[-1.0], [0.0], [2.0]], start=[-1.0])
    assert branch.ending == "fold"
    assert branch.fold is not None
    assert branch.fold.u[0] == pytest.approx(u, abs=FOLD_INPUT)
    assert branch.fold.x[0] == pytest.approx(x, abs=FOLD_STATE)
    assert (branch.segment, branch.share) == (1, pytest.approx(u / 2.0, abs=FOLD_INPUT))
    assert branch.equilibria[0].stability == branch.equilibria[1].stability == "stable"


def test_a_branch_without_fold_reaches_the_end_of_its_path():
    model = network(3, "tanh", "hopfield")
    path = np.array([[0.0, 0.0], [0.5, -0.5], [1.0, 0.5]])
    branch = continue_equilibrium(model, path)
    assert (branch.ending, branch.fold, len(branch.equilibria)) == ("end", None, 3)
    for u, equilibrium in zip(path, branch.equilibria, strict=True):
        assert np.array_equal(equilibrium.u, u)
        assert np.abs(model.rhs(equilibrium.x, u)).max() < 1e-10


def test_a_branch_that_ends_at_a_kink_is_lost_not_folded():
    # x = relu(2 x + u): for u < 0 the branch x = -u ends at the kink where u = 0.
    model = Ctrnn(rate=np.ones(1), w=np.array([[2.0]]), w_in=np.ones((1, 1)), activation="relu")
    branch = continue_equilibrium(model, [[-1.0], [1.0]], start=[1.0])
    assert branch.ending == "lost"
    assert branch.fold is None
    assert branch.share == pytest.approx(0.5, abs=1e-6)


def test_a_path_of_one_input_is_refused():
    with pytest.raises(UsageError, match=r"shape \(k, m\) with k >= 2"):
        continue_equilibrium(bistable(), [[0.0]])
    with pytest.raises(ModelError, match="inputs must have shape"):
        continue_equilibrium(bistable(), [[0.0, 0.0], [1.0, 1.0]])


def test_linear_networks_need_no_bound():
    model = Linear(a=-np.eye(2), b=np.ones((2, 1)))
    with pytest.raises(ModelError, match="family linear"):
        error_bound(model, linearize(model), default_stimulus(1, duration=1.0), duration=1.0)
