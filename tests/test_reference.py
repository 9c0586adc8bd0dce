"""The reference solution against matrix exponentials, closed forms and tighter tolerances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from rnn2circuit.errors import ModelError, StimulusError, UsageError
from rnn2circuit.models import Ctrnn, Linear
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, default_stimulus, hold_samples

REFERENCE = 1e-9  # of states of order one: rtol 1e-10 per step, a hundred steps, damped
LOOSE = 1e-4  # rtol 1e-6 per step, grown as much as the reference's 1e-10 to 1e-9 and more
DURATION = 5.0


def random_stable(rng, n, m):
    a = rng.normal(size=(n, n)) / np.sqrt(n)
    a -= (0.3 + np.linalg.eigvals(a).real.max()) * np.eye(n)
    return Linear(a=a, b=rng.normal(size=(n, m)), bias=rng.normal(size=n), x0=rng.normal(size=n))


def exact_under_sines(model, wave, times):
    """States by one matrix exponential: the sines are states of an enlarged linear system."""
    n, m = model.n_states, model.n_inputs
    large = np.zeros((n + 2 * m + 1,) * 2)
    large[:n, :n] = model.a
    large[:n, -1] = model.bias + model.b @ wave.offset
    for k, omega in enumerate(2 * np.pi * wave.frequency):
        sine, cosine = n + 2 * k, n + 2 * k + 1
        large[:n, sine] = model.b[:, k] * wave.amplitude[k]
        large[sine, cosine], large[cosine, sine] = omega, -omega
    start = np.concatenate([model.x0, np.tile([0.0, 1.0], m), [1.0]])
    return np.array([(expm(large * t) @ start)[:n] for t in times])


def exact_under_ramps(model, wave, times):
    """States by a matrix exponential per straight piece; `times` sorted."""
    n = model.n_states
    x, now, states = model.x0, 0.0, {0.0: model.x0}
    for end in np.unique(np.concatenate([wave.times, times])):
        if end > now:
            slope = (wave(end) - wave(now)) / (end - now)
            large = np.zeros((n + 2, n + 2))
            large[:n, :n] = model.a
            large[:n, n] = model.bias + model.b @ wave(now)
            large[:n, n + 1] = model.b @ slope
            large[n + 1, n] = 1.0  # the time since the last corner
            x = (expm(large * (end - now)) @ np.concatenate([x, [1.0, 0.0]]))[:n]
            now = end
        states[end] = x
    return np.array([states[t] for t in times])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), m=st.integers(1, 3))
def test_under_sines_the_reference_is_the_matrix_exponential(seed, n, m):
    rng = np.random.default_rng(seed)
    model = random_stable(rng, n, m)
    wave = SineStimulus(
        offset=rng.normal(size=m), amplitude=rng.normal(size=m), frequency=rng.uniform(0.1, 1, m)
    )
    times = rng.uniform(0, DURATION, 20)  # in no order
    exact = exact_under_sines(model, wave, times)
    error = np.abs(solve(model, wave, t_end=DURATION)(times) - exact).max()
    assert error < REFERENCE * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize(("hold", "samples"), [("zoh", 40), ("linear", 10)])
def test_corners_of_the_input_cost_no_accuracy(hold, samples):
    rng = np.random.default_rng(0)
    model = random_stable(rng, 5, 2)
    grid = DURATION / samples * np.arange(samples)
    wave = hold_samples(grid, rng.normal(size=(samples, 2)), hold=hold)
    times = np.sort(rng.uniform(0, DURATION, 50))
    exact = exact_under_ramps(model, wave, times)
    np.testing.assert_allclose(solve(model, wave, t_end=DURATION)(times), exact, atol=REFERENCE)


def test_a_stiff_network_is_solved_implicitly_and_as_accurately():
    rng = np.random.default_rng(1)
    model = Linear(
        a=[[-1e4, 5e3, 0.0], [0.3, -1.0, 0.5], [0.0, 0.2, -1.5]],
        b=rng.normal(size=(3, 1)),
        bias=np.zeros(3),
        x0=[1.0, -1.0, 0.5],
    )
    wave = SineStimulus(offset=[0.0], amplitude=[1.0], frequency=[0.4])
    solution = solve(model, wave, t_end=DURATION)
    assert solution.method == "Radau"
    times = np.linspace(0, DURATION, 20)
    np.testing.assert_allclose(
        solution(times), exact_under_sines(model, wave, times), atol=REFERENCE
    )


def test_a_nearly_marginal_mode_alone_is_not_stiff():
    model = Linear(a=np.diag([-1.0, -1e-6]), x0=[1.0, 1.0])
    solution = solve(model, default_stimulus(0, duration=1.0), t_end=DURATION)
    assert solution.method == "DOP853"
    np.testing.assert_allclose(
        solution(DURATION)[0], np.exp([-DURATION, -1e-6 * DURATION]), atol=REFERENCE
    )


def test_the_implicit_and_the_explicit_method_agree_on_a_nonlinear_network(monkeypatch):
    rng = np.random.default_rng(2)
    model = Ctrnn(rate=np.ones(4), w=2 * rng.normal(size=(4, 4)), w_in=rng.normal(size=(4, 1)))
    wave = default_stimulus(1, duration=DURATION)
    times = np.linspace(0, DURATION, 40)
    explicit = solve(model, wave, t_end=DURATION)
    monkeypatch.setattr("rnn2circuit.models.reference._is_stiff", lambda *_: True)
    implicit = solve(model, wave, t_end=DURATION)
    assert (explicit.method, implicit.method) == ("DOP853", "Radau")
    np.testing.assert_allclose(explicit(times), implicit(times), atol=10 * REFERENCE)


def test_tightening_the_tolerance_changes_nothing_that_counts():
    rng = np.random.default_rng(3)
    model = Ctrnn(rate=np.ones(6), w=rng.normal(size=(6, 6)), w_in=rng.normal(size=(6, 2)))
    wave = default_stimulus(2, duration=DURATION)
    times = np.linspace(0, DURATION, 101)
    usual, tight, loose = (
        solve(model, wave, t_end=DURATION, **options)(times)
        for options in ({}, {"rtol": 1e-13, "atol": 1e-15}, {"rtol": 1e-6, "atol": 1e-8})
    )
    np.testing.assert_allclose(usual, tight, atol=REFERENCE)
    assert 10 * np.abs(usual - tight).max() < np.abs(loose - tight).max() < LOOSE


def test_an_rc_step_charges_exponentially():
    model = Linear(a=[[-2.0]], b=[[2.0]])
    step = PwlStimulus(times=np.array([0.0]), values=np.array([[1.0]]))
    solution = solve(model, step, t_end=3.0)
    times = np.array([3.0, 0.0, 1.0, 0.25])
    np.testing.assert_allclose(solution(times)[:, 0], 1 - np.exp(-2 * times), atol=REFERENCE)
    np.testing.assert_allclose(solution.range, [1 - np.exp(-6.0)], atol=REFERENCE)


def test_the_range_is_that_of_the_whole_run():
    model = Linear(a=[[0.0, 2 * np.pi], [-2 * np.pi, 0.0]], x0=[3.0, 0.0])
    solution = solve(model, default_stimulus(0, duration=1.0), t_end=4.3)
    np.testing.assert_allclose(solution.range, [6.0, 6.0], rtol=1e-3)  # sampled within steps
    assert np.all(solution.lowest < -2.99)
    assert np.all(solution.highest > 2.99)


def test_inputs_and_outputs_are_those_of_the_model():
    model = Linear(a=[[-1.0]], b=[[1.0]], w_out=[[2.0], [3.0]], b_out=[0.5, 0.0], d=[[0.0], [7.0]])
    wave = SineStimulus(offset=[0.2], amplitude=[1.0], frequency=[1.0])
    solution = solve(model, wave, t_end=2.0)
    times = np.array([0.3, 1.7])
    np.testing.assert_array_equal(solution.input(times), wave(times))
    x, u = solution(times), wave(times)
    np.testing.assert_allclose(
        solution.outputs(times), np.hstack([2 * x + 0.5, 3 * x + 7 * u]), rtol=1e-15
    )


def test_one_time_and_times_at_the_very_end_are_accepted():
    solution = solve(Linear(a=[[-1.0]], x0=[1.0]), default_stimulus(0, duration=1.0), t_end=0.3)
    assert solution(0.1).shape == (1, 1)
    np.testing.assert_array_equal(solution(0.3 * (1 + 1e-12)), solution(0.3))
    np.testing.assert_array_equal(solution(-1e-12), [[1.0]])


def test_small_initial_states_keep_their_relative_accuracy():
    model = Linear(a=[[-1.0, 0.0], [1.0, -2.0]], x0=[1e-5, 0.0])
    solution = solve(model, default_stimulus(0, duration=1.0), t_end=3.0)
    times = np.linspace(0, 3, 30)
    exact = 1e-5 * (np.exp(-times) - np.exp(-2 * times))
    np.testing.assert_allclose(solution(times)[:, 1], exact, atol=1e-5 * REFERENCE)


class Cliff(Linear):
    """A linear model whose equation ends where x reaches one half."""

    def _rhs(self, x, u):
        return np.where(x < 0.5, 1.0, np.nan)


nothing = default_stimulus(0, duration=1.0)
leak = Linear(a=[[-1.0]])
ERRORS = {
    "an escaping state": (
        lambda: solve(Linear(a=[[-1.0, 0.0], [0.0, 2.0]], x0=[1.0, 1.0]), nothing, t_end=50.0),
        ModelError,
        r"state x\[1\] of the linear model leaves \|x\| <= 1e\+06 at t = [67]\.",
    ),
    "an equation that ends": (
        lambda: solve(Cliff(a=[[0.0]]), nothing, t_end=1.0),
        ModelError,
        r"\(DOP853\) of the linear model stopped at t = 0\.[45]\d* .*step size",
    ),
    "other inputs": (
        lambda: solve(leak, default_stimulus(2, duration=1.0), t_end=1.0),
        StimulusError,
        "stimulus has 2 inputs, the model has 0",
    ),
    "no duration": (
        lambda: solve(leak, nothing, t_end=0.0),
        UsageError,
        "t_end must be a positive number, got 0",
    ),
    "no finite duration": (lambda: solve(leak, nothing, t_end=np.inf), UsageError, "got inf"),
    "no absolute tolerance": (
        lambda: solve(leak, nothing, t_end=1.0, atol=-1.0),
        UsageError,
        "atol must be a positive number, got -1",
    ),
    "an impossible tolerance": (
        lambda: solve(leak, nothing, t_end=1.0, rtol=1e-16),
        UsageError,
        "rtol must be at least 1e-13",
    ),
    "a time after the end": (
        lambda: solve(leak, nothing, t_end=1.0)([0.5, 1.1]),
        UsageError,
        r"from 0 to 1\.0 .* got t = 1\.1",
    ),
    "a time that is none": (
        lambda: solve(leak, nothing, t_end=1.0)(np.nan),
        UsageError,
        "got t = nan",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_is_wrong(name):
    make, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        make()
