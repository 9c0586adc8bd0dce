"""The page for a designer: its figures against what compiles, and its verdicts."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import rnn2circuit as r2c
from rnn2circuit.cli import main
from rnn2circuit.errors import ModelError, NotRealizableError, UsageError
from rnn2circuit.flow.analyze import SEARCH
from rnn2circuit.flow.recommend import WORSE, recommend
from rnn2circuit.linearize import error_bound, find_equilibria, linearize, validity_radius
from rnn2circuit.linearize.strategies import STRATEGIES
from rnn2circuit.models import Ctrnn, Elman, Linear
from rnn2circuit.models.timing import default_duration
from rnn2circuit.report.analysis import analysis_json, analysis_text, passivity_sentence
from rnn2circuit.stimulus import hold_samples
from rnn2circuit.synthesis.noise import predict_noise
from rnn2circuit.synthesis.passivity import passivate
from rnn2circuit.synthesis.testbench import describe_stimulus
from rnn2circuit.synthesis.tolerance import predict_tolerance
from rnn2circuit.synthesis.topology import LINEAR

EXAMPLES = Path(__file__).parent.parent / "examples"
WIDTH = 100


@pytest.fixture(scope="module")
def linear():
    """Six states, one input, two outputs: every strategy exists, with different counts."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(6, 6)) / 3.0 - 1.2 * np.eye(6)
    return Linear(a=a, b=rng.normal(size=(6, 1)), w_out=rng.normal(size=(2, 6)))


@pytest.fixture(scope="module")
def page(linear):
    return r2c.analyze_model(linear, name="six")


@pytest.fixture(scope="module")
def tanh_page():
    rng = np.random.default_rng(2)
    model = Ctrnn(
        rate=np.ones(3),
        w=rng.normal(size=(3, 3)) / 2.0,
        w_in=rng.normal(size=(3, 1)),
        bias=rng.normal(size=3) / 4.0,
    )
    return model, r2c.analyze_model(model, name="three")


def test_the_element_counts_are_those_of_what_compiles(linear, page):
    assert [v.strategy for v in page.variants] == list(STRATEGIES)
    for variant in page.variants:
        assert [c for c, _ in variant.elements] == list(LINEAR["rc"])
    for strategy in ("direct", "modal", "ladder"):
        variant = next(v for v in page.variants if v.strategy == strategy)
        for coupling in ("vccs", "gyrator", "transformer", "minimal-gyrator"):
            made = r2c.compile_model(linear, coupling=coupling, strategy=strategy)
            assert variant.count(coupling) == sum(n for _, n in made.record.element_counts)


def test_the_figures_are_those_of_the_compiled_circuits(linear, page):
    for variant in page.variants:
        made = r2c.compile_model(linear, strategy=variant.strategy).realization
        tolerance = predict_tolerance(made.circuit, made.state_map)
        assert variant.tolerance == pytest.approx(tolerance.rms, rel=1e-12)
        noise = predict_noise(
            made.circuit, made.state_map, transconductor=1.0, negative_resistor=1.0
        )
        assert variant.noise == pytest.approx(float(noise.outputs.max()), rel=1e-12)
        assert variant.negative_resistors == made.circuit.negative_resistors()
        assert all(ratio >= 1.0 for _, ratio in variant.spread)


def test_gyrators_are_counted_against_the_rank(linear, page):
    for coupling, expected in (("gyrator", page.gyrators), ("minimal-gyrator", page.rank // 2)):
        counts = dict(r2c.compile_model(linear, coupling=coupling).record.element_counts)
        assert counts["Gyrators"] == expected
    assert (page.gyrators, page.rank) == (15, 6)


def test_the_recommendation_has_the_fewest_elements_within_its_limit(page):
    figures = {v.strategy: (v.count(page.coupling), v.tolerance) for v in page.variants}
    limit = WORSE * figures["direct"][1]
    chosen, tolerance = figures[page.recommended]
    assert tolerance <= limit
    assert all(n >= chosen for n, rms in figures.values() if rms <= limit)


def test_a_strategy_that_tolerances_hurt_is_not_recommended(page):
    found = [(v.strategy, v.count(page.coupling), v.tolerance) for v in page.variants]
    spoilt = [(s, n, 1.0 if s == page.recommended else rms) for s, n, rms in found]
    assert recommend(spoilt) not in (None, page.recommended)
    assert recommend((s, n, None if s == "direct" else rms) for s, n, rms in found) is None
    assert recommend(found[1:]) is None
    text = analysis_text(replace(page, recommended=None))
    assert "recommended  none" in text


@pytest.mark.parametrize(("form", "coupling"), [("rc", "vccs"), ("rc", "gyrator"), ("rl", "ccvs")])
def test_strategy_auto_compiles_what_is_recommended(linear, form, coupling):
    compiled = r2c.compile_model(linear, strategy="auto", form=form, coupling=coupling)
    named = compiled.record.strategy
    assert named in STRATEGIES[1:]
    again = r2c.compile_model(linear, strategy=named, form=form, coupling=coupling)
    assert compiled.netlist == again.netlist
    if form == "rc":
        assert named == r2c.analyze_model(linear, coupling=coupling).recommended


def test_strategy_auto_needs_a_linear_network_that_does_something(linear, tanh_page):
    with pytest.raises(UsageError, match=r"strategy auto .* not linear"):
        r2c.compile_model(tanh_page[0], strategy="auto")
    with pytest.raises(UsageError, match="order belongs to a strategy that is named"):
        r2c.compile_model(linear, strategy="auto", order=3)
    with pytest.raises(NotRealizableError, match="nothing to compare"):
        r2c.compile_model(Linear(a=-np.eye(2)), strategy="auto")


def test_the_page_of_a_nonlinear_network_tells_radius_and_equilibria(tanh_page):
    model, page = tanh_page
    at = linearize(model, at="equilibrium")
    assert page.point == "equilibrium"
    assert np.array_equal(page.linearization.a, at.a)
    radius = validity_radius(model, at, duration=default_duration(model))
    assert asdict(page.radius) == asdict(radius)
    assert [e.stability for e in page.equilibria] == [
        e.stability for e in find_equilibria(model, starts=SEARCH)
    ]
    text = analysis_text(page)
    assert f"{page.radius.amplitude:.3g}: inputs up to this amplitude" in " ".join(text.split())
    assert f"equilibria   {len(page.equilibria)} found" in text


def test_the_error_is_bounded_for_the_inputs_that_are_asked(tanh_page):
    model, page = tanh_page
    radius = page.radius.amplitude
    at_radius = r2c.analyze_model(model, amplitude=radius, duration=page.radius.duration)
    assert at_radius.bound.certified
    assert at_radius.bound.relative == pytest.approx(page.radius.relative, rel=1e-3)
    assert f"for inputs of amplitude {radius:g}: at most" in " ".join(
        analysis_text(at_radius).split()
    )
    entry = json.loads(analysis_json(at_radius))["error_bound"]
    assert entry["states"] == at_radius.bound.peak.tolist()
    far = r2c.analyze_model(model, amplitude=50.0, within=0.02)
    assert 0 < far.radius.amplitude < radius
    assert not far.bound.certified
    assert "not certified" in analysis_text(far)
    assert json.loads(analysis_json(far))["error_bound"]["relative"] is None


def test_the_error_is_bounded_for_a_stimulus_of_ones_own(tanh_page):
    model, _ = tanh_page
    at = linearize(model, at="equilibrium")
    pulse = hold_samples([0.0, 1.0, 2.0], 0.05 * np.ones((3, model.n_inputs)), hold="zoh")
    page = r2c.analyze_model(model, stimulus=pulse)
    resting = replace(at, model=replace(at.model, x0=at.x))
    wanted = error_bound(model, resting, pulse, duration=pulse.duration)
    assert wanted.certified
    assert page.bound.peak.tolist() == wanted.peak.tolist()
    assert page.radius.duration == pulse.duration
    larger = r2c.analyze_model(model, stimulus=replace(pulse, values=2.0 * pulse.values))
    assert larger.radius.amplitude == pytest.approx(0.5 * page.radius.amplitude, rel=5e-3)
    text = " ".join(analysis_text(page).split())
    assert "the stimulus times this leaves" in text
    assert "error for the stimulus: at most" in text
    entry = json.loads(analysis_json(page))
    assert entry["radius"]["of"] == entry["error_bound"]["stimulus"] == describe_stimulus(pulse)


def test_an_amplitude_and_a_stimulus_are_refused_together(tanh_page):
    model, _ = tanh_page
    pulse = hold_samples([0.0, 1.0], np.zeros((2, model.n_inputs)), hold="zoh")
    with pytest.raises(UsageError, match="give one"):
        r2c.analyze_model(model, amplitude=1.0, stimulus=pulse)


def test_a_linear_network_has_no_error_to_bound(linear):
    page = r2c.analyze_model(linear, amplitude=1.0)
    assert page.bound is None
    assert any("the network is linear" in note for note in page.notes)


@pytest.mark.parametrize("option", ["duration", "within", "amplitude"])
def test_numbers_that_are_not_positive_are_refused(linear, option):
    with pytest.raises(UsageError, match=f"{option} must be positive"):
        r2c.analyze_model(linear, **{option: -1.0})


def test_the_json_holds_the_page(page, tanh_page):
    for analysis in (page, tanh_page[1]):
        entry = json.loads(analysis_json(analysis))
        assert entry["recommended"] == analysis.recommended
        assert entry["poles"]["real"] == analysis.poles.real.tolist()
        assert entry["passivity"]["status"] == analysis.passivity.status
        counts = {v["strategy"]: v["elements"] for v in entry["variants"]}
        assert counts == {v.strategy: dict(v.elements) for v in analysis.variants}
    radius = json.loads(analysis_json(tanh_page[1]))["radius"]
    assert radius["amplitude"] == tanh_page[1].radius.amplitude


def test_no_line_is_wide_and_no_name_begins_a_line(page):
    text = analysis_text(replace(page, subject="a\nrecommended  --strategy evil" + "x" * 300))
    assert all(len(line) <= WIDTH for line in text.splitlines() if "xxx" not in line)
    assert len(re.findall(r"^recommended", text, re.M)) == 1


def test_each_verdict_on_passivity_has_its_sentence():
    chain = -np.eye(3) + np.diag([3.0, 3.0], -1)
    cases = {
        "passive": -np.eye(2),
        "scalable": chain,
        "impossible": np.array([[1.0, 2.0], [-2.0, -2.0]]),
        "unstable": np.eye(1),
    }
    for status, a in cases.items():
        verdict = passivate(a)
        assert verdict.status == status
        sentence = passivity_sentence(verdict)
        assert "exactly" in sentence
        assert ("negative resistors" in sentence) == (status in ("impossible", "unstable"))
    marginal = replace(passivate(-np.eye(2)), status="marginal")
    assert "proof" in passivity_sentence(marginal)


def test_what_is_missing_is_noted_with_its_reason():
    growing = Linear(a=np.diag([0.5, -1.0]), b=np.ones((2, 1)))
    page = r2c.analyze_model(growing)
    assert all(v.noise is None for v in page.variants)
    assert page.passivity.status == "unstable"
    text = analysis_text(page)
    assert text.count("so its noise grows without bound") == 1  # told once for all strategies
    silent = r2c.analyze_model(Linear(a=-np.eye(2)))
    assert silent.recommended is None
    assert "does nothing" in " ".join(analysis_text(silent).split())
    refused = [r.strategy for r in silent.refused]
    assert "balanced" in refused


def test_a_family_without_bound_gets_the_simulated_error_and_its_lipschitz_bound():
    from random_models import random_model

    model = random_model("stc", 2, 1, 0)
    page = r2c.analyze_model(model)
    assert page.radius is None
    assert any("nearest: simulated_error" in note for note in page.notes)
    assert any(note.startswith("simulated error of the linearization") for note in page.notes)
    at = page.linearization
    assert page.lipschitz >= np.linalg.norm(at.a, 2) or np.any(np.abs(at.x) > 2)
    assert "Lipschitz" in analysis_text(page)


def test_an_origin_that_is_no_equilibrium_has_no_radius(tanh_page):
    page = r2c.analyze_model(tanh_page[0], at="origin")
    assert page.radius is None
    assert any("does not rest" in note for note in page.notes)
    assert "at the origin, not an equilibrium" in analysis_text(page)


def test_networks_and_couplings_that_have_no_page_are_refused(linear):
    with pytest.raises(ModelError, match="discrete program"):
        r2c.analyze_model(Elman(w=np.eye(2)))
    with pytest.raises(NotRealizableError, match=r"has couplings .*got 'ccvs'"):
        r2c.analyze_model(linear, coupling="ccvs")


def test_the_verb_prints_the_page_and_writes_the_json(tmp_path, capsys):
    out = tmp_path / "page.json"
    model = str(EXAMPLES / "linear_filter.safetensors")
    assert main(["analyze", model, "--coupling", "gyrator", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("linear_filter.safetensors: linear, 6 states, 1 inputs, 1 outputs")
    assert "with coupling gyrator:" in text
    assert all(len(line) <= WIDTH for line in text.splitlines())
    entry = json.loads(out.read_text())
    assert entry["recommended"] in STRATEGIES
    assert f"--strategy {entry['recommended']}" in text
    copy = tmp_path / "model.json"
    copy.write_bytes((EXAMPLES / "hopfield_memory.json").read_bytes())
    assert main(["analyze", str(copy), "--json", str(copy)]) == 2
    assert "would overwrite the model" in capsys.readouterr().err
    assert main(["analyze", str(EXAMPLES / "gru_xor.pt"), "--clocked"]) == 2
    assert "discrete program" in capsys.readouterr().err
