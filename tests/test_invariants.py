"""Invariants of waveforms: they hold on simulated circuits, and a wrong waveform breaks them."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit.flow import compile_model, simulate, verify_model
from rnn2circuit.models import EnergyMap
from rnn2circuit.models.activations import activation_named
from rnn2circuit.models.describe import describe_model
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import default_stimulus
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.invariants import check_invariants
from rnn2circuit.verify.steps import held_states

HELD = 1e-4  # of held states, as the limit of a clocked circuit


def started(family, seed):
    """A model that starts where its bounds hold."""
    model = random_model(family, 4, 1, seed=seed, extras=False)
    if family == "ltc":
        return replace(model, x0=model.e_leak)
    return model if family in ("stc", "lrc", "gated") else replace(model, x0=None)


def energetic(phi, tau_d=1.0, **fields):
    model = random_model("energy", 8, 0, seed=1, extras=False)
    n_h = len(model.phi)
    return replace(
        model, phi=phi * np.eye(n_h), tau_d=tau_d, sigma_f="tanh", x0=np.ones(8), **fields
    )


def found(model):
    result = verify_model(model)
    assert result.passed, result.report
    return {c.id: c.value for c in result.report.checks if c.id.startswith("invariant.")}


@pytest.mark.spice
@pytest.mark.parametrize(
    ("family", "ids"),
    [
        ("ltc", {"invariant.bounds", "invariant.time_constant"}),
        ("lem", {"invariant.bounds"}),
        ("lem_two_scale", {"invariant.bounds"}),
        ("gru_ode", {"invariant.bounds"}),
        ("gated", {"invariant.bounds"}),
        ("stc", {"invariant.lipschitz"}),
        ("lrc", {"invariant.lipschitz"}),
    ],
)
def test_a_report_lists_the_invariants_of_its_family(family, ids):
    assert set(found(started(family, 0))) == ids


@pytest.mark.spice
@pytest.mark.parametrize("phi", [0.0, 0.3, -0.3])
def test_the_energy_descends_on_the_circuits_waveform_where_that_is_proved(phi):
    assert "invariant.energy" in found(energetic(phi))


def test_no_descent_is_claimed_where_none_is_proved():
    t, x, u = np.arange(4.0), np.zeros((4, 8)), np.zeros((4, 0))
    cyclic = energetic(0.3)
    cyclic = replace(cyclic, phi=np.roll(np.eye(len(cyclic.phi)), 1, axis=0))
    for model in (
        cyclic,
        energetic(0.3, tau_d=1e3),  # a delay beyond the sufficient bound
        energetic(-9.0),  # alpha is negative
        energetic(0.3, alpha_s=0.0),
    ):
        assert check_invariants(model, t, x, u) == []


def test_a_model_that_starts_outside_its_bounds_has_no_such_check():
    model = replace(started("lem", 0), x0=np.full(4, 2.0))
    assert check_invariants(model, np.arange(4.0), np.full((4, 4), 2.0), np.zeros((4, 1))) == []


def waveform(model, count=4001):
    duration = 10.0
    stimulus = default_stimulus(model.n_inputs, duration=duration)
    t = np.linspace(0, duration, count)
    return t, solve(model, stimulus, t_end=duration)(t), stimulus(t)


def verdict(id, model, t, x, u):
    return next(c.verdict for c in check_invariants(model, t, x, u) if c.id == id)


FAULTS = [
    ("invariant.bounds", started("ltc", 0), lambda t, x: x + 3.0 * (t > 5)[:, None]),
    ("invariant.bounds", started("lem", 0), lambda t, x: np.where(t[:, None] > 5, 1.01, x)),
    ("invariant.bounds", started("lem", 1), lambda t, x: np.where(t[:, None] > 5, np.nan, x)),
    ("invariant.bounds", started("gated", 0), lambda t, x: x - [[0.0, 0.5, 0.0, 0.0]]),
    # A waveform that runs ten times too slow, or fifty times too fast.
    ("invariant.time_constant", started("ltc", 0), lambda t, x: slowed(t, x, 0.1)),
    ("invariant.time_constant", started("ltc", 0), lambda t, x: slowed(t, x, 50.0)),
    ("invariant.energy", energetic(0.0), lambda t, x: x[::-1]),
    ("invariant.energy", energetic(0.3), lambda t, x: x[::-1]),
    ("invariant.lipschitz", started("stc", 0), lambda t, x: x + 0.01 * np.sin(900 * t)[:, None]),
    ("invariant.lipschitz", started("lrc", 0), lambda t, x: x + 0.01 * np.sin(900 * t)[:, None]),
]


def slowed(t, x, factor):
    return np.column_stack([np.interp(np.minimum(factor * t, t[-1]), t, c) for c in x.T])


@pytest.mark.parametrize(("id", "model", "distort"), FAULTS)
def test_a_waveform_that_breaks_an_invariant_fails(id, model, distort):
    t, x, u = waveform(model)
    assert verdict(id, model, t, x, u) is Verdict.PASS
    assert verdict(id, model, t, distort(t, x), u) is Verdict.FAIL


def test_the_discrete_lem_obeys_its_bound_that_grows_with_time():
    cell = replace(random_cell("lem_cell", 4, 1, 0), x0=None, dt=0.1)
    steps, u = np.arange(1.0, 41.0), np.ones((40, 1))
    x = [np.zeros(4)]
    for k in range(40):
        x.append(cell.step(x[-1], u[k]))
    held = np.array(x[1:])
    assert verdict("invariant.bounds", cell, steps, held, u) is Verdict.PASS
    early = held.copy()
    early[0] = 0.9  # inside 1, but too much after one step
    assert verdict("invariant.bounds", cell, steps, early, u) is Verdict.FAIL
    too_long = replace(cell, dt=1.5)
    assert check_invariants(too_long, steps, held, u) == []


@pytest.mark.spice
@pytest.mark.parametrize("sigma", ["tanh", "logistic"])
def test_inner_and_outer_energy_maps_are_conjugate_on_their_circuits(sigma):
    rng = np.random.default_rng(3)
    xi, phi, x0 = rng.normal(size=(4, 2)) / 2, 0.5 * rng.normal(size=(2, 2)), rng.normal(size=4)
    bend = activation_named(sigma).value
    held = {}
    for form, start in (("inner", x0), ("outer", bend(x0))):
        cell = EnergyMap(xi=xi, phi=phi, sigma_f=sigma, form=form, x0=start)
        run = simulate(compile_model(cell, duration=12.0))
        held[form] = held_states(run.t, run.x, run.compiled.record, 12)
    np.testing.assert_allclose(bend(held["inner"]), held["outer"], atol=HELD)


def test_rate_bounds_hold_at_random_states_and_elastance_tames_them():
    for seed in range(20):
        model = random_model("lrc", 4, 2, seed=seed, extras=False)
        tamed = replace(model, w_elast=0 * model.w_elast, w_elast_in=0 * model.w_elast_in)
        assert tamed.is_tamed
        assert not model.is_tamed
        rng = np.random.default_rng(seed)
        for m in (model, tamed):
            x, u = rng.uniform(-2, 2, 4), rng.normal(size=2)
            own = np.abs(np.hstack([m.jacobian(x, u), m.input_jacobian(x, u)]))
            assert np.all(own <= m.rate_bounds(np.full(4, 2.0)) + 1e-12)
        assert np.all(tamed.rate_bounds(np.ones(4)) <= model.rate_bounds(np.ones(4)))


def test_show_reports_both_lipschitz_bounds():
    model = random_model("lrc", 4, 2, seed=0)
    text = describe_model(model, title="lrc")
    assert "Lipschitz" in text
    assert "without elastance; its weights do not obey eq. 29" in text
    assert "Lipschitz" in describe_model(random_model("stc", 4, 2, seed=0), title="stc")
