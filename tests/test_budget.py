"""The error budget: program, equation and circuit, each against the next, and the user's task."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import random_cell, random_model

from rnn2circuit.cli import main
from rnn2circuit.demo import examples_directory
from rnn2circuit.errors import ModelError, TargetsError, UsageError
from rnn2circuit.flow import Limits, adopt_netlist, compile_model, verify_compiled, verify_model
from rnn2circuit.flow.budget import error_budget
from rnn2circuit.models import Ctrnn, Lem, Linear, Ltc
from rnn2circuit.models.io import load, save
from rnn2circuit.models.program import MOST_STEPS, program_of, run_program, sampled
from rnn2circuit.models.reference import solve
from rnn2circuit.report.budget_text import budget_lines
from rnn2circuit.report.html import report_html
from rnn2circuit.report.json_report import report_from_json, report_json
from rnn2circuit.report.junit import report_junit
from rnn2circuit.report.lines import WIDTH
from rnn2circuit.report.markdown import report_markdown
from rnn2circuit.report.text import report_text
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, hold_samples, load_stimulus
from rnn2circuit.verify.budget import (
    Distance,
    ErrorBudget,
    Gap,
    RefitFigures,
    TaskFigures,
)
from rnn2circuit.verify.checks import Provenance, Report, Verdict
from rnn2circuit.verify.gaps import Samples
from rnn2circuit.verify.task import Task, judge, load_targets, ridge, stages_of_cell

EXAMPLES = examples_directory()
ROUNDING = 1e-9  # of figures that two programs compute from the same numbers
SPANS = 2e-3  # by which the range of a curve depends on where it is sampled


def rnn():
    model = load(EXAMPLES / "rnn_delay.pt", dt=0.1)
    stimulus = load_stimulus(EXAMPLES / "rnn_delay_stimulus.csv", n_inputs=1, hold="linear")
    return model, stimulus


def budget_without_circuit(model, stimulus, duration=None):
    """Program against equation alone: what needs no simulator."""
    return error_budget(
        compile_model(model, stimulus=stimulus, duration=duration), None, None, None
    )[0]


def numpy_rnn(model, stimulus):
    """States of the torch program, from the file's own tensors, and its outputs."""
    safe = {k: np.asarray(v) for k, v in (("w", model.w), ("w_in", model.w_in), ("b", model.bias))}
    h, rows = np.zeros(model.n_states), []
    for u in np.loadtxt(EXAMPLES / "rnn_delay_stimulus.csv", delimiter=",", skiprows=1)[:-1, 1:]:
        h = np.tanh(safe["w"] @ h + safe["w_in"] @ u + safe["b"])
        rows.append(h)
    return np.array(rows)


def test_an_rnn_against_its_ode_is_what_an_independent_program_says():
    model, stimulus = rnn()
    program = numpy_rnn(model, stimulus)
    budget = budget_without_circuit(model, stimulus)
    ode = solve(model, stimulus, t_end=11.9)
    t = 0.1 * np.arange(1, 120)
    error = np.abs(program - ode(np.minimum(t, 11.9)))
    gap = budget.part("program_vs_ode")
    np.testing.assert_allclose(gap.states.figures, error.max(0) / ode.range, rtol=SPANS)
    assert gap.states.worst == 1 + int(np.argmax(error.max(0) / ode.range))
    assert gap.states.time == pytest.approx(t[np.argmax(error[:, gap.states.worst - 1])])
    y, wanted = ode(np.minimum(t, 11.9)) @ model.w_out.T, program @ model.w_out.T
    span = np.ptp(ode(np.linspace(0, 11.9, 2001)) @ model.w_out.T)
    assert gap.outputs.figures[0] == pytest.approx(np.abs(y - wanted).max() / span, rel=SPANS)
    assert "explicit Euler steps of dt = 0.1" in budget.program
    # Nothing was simulated here, and the budget says so instead of leaving it out.
    assert "no simulation" in budget.part("ode_vs_circuit").reason
    assert "no simulation" in budget.whole.reason


@pytest.mark.parametrize("family", ["ctrnn", "gru_ode", "lem", "stc", "hopfield"])
def test_halving_the_step_halves_the_distance_from_the_ode(family):
    model = random_model(family, 4, 1, seed=7, extras=False, activations=("tanh",))
    stimulus = SineStimulus(offset=[0.1], amplitude=[0.5], frequency=[0.3])
    figures = [
        budget_without_circuit(replace(model, dt=dt), stimulus, 4.0).parts[0].states.largest
        for dt in (0.02, 0.01, 0.005)
    ]
    ratios = np.divide(figures[:-1], figures[1:])
    assert np.all(np.abs(ratios - 2.0) < 0.15), ratios  # first order, with a second-order rest


def test_the_step_of_lem_uses_the_new_z():
    model = replace(random_model("lem", 4, 1, seed=3, extras=False), dt=0.5)
    step, x, u = program_of(model).step, np.array([0.3, -0.2, 0.1, 0.4]), np.array([0.7])

    def logistic(a):
        return 1 / (1 + np.exp(-a))

    def sum_of(suffix, source):
        bias = getattr(model, f"b{suffix}")
        bias = 0.0 if bias is None else bias
        return getattr(model, f"w{suffix}") @ source + getattr(model, f"v{suffix}") @ u + bias

    y, z = x[:2], x[2:]
    slow, fast = 0.5 * logistic(sum_of("1", y)), 0.5 * logistic(sum_of("2", y))
    z = (1 - slow) * z + slow * np.tanh(sum_of("z", y))
    y = (1 - fast) * y + fast * np.tanh(sum_of("y", z))
    np.testing.assert_allclose(step(x, u), [*y, *z], rtol=ROUNDING)
    assert isinstance(model, Lem)


def test_more_unfolds_bring_the_program_of_an_ltc_nearer_to_its_ode():
    path = EXAMPLES / "ltc_signal_stimulus.csv"
    stimulus = load_stimulus(path, n_inputs=1, hold="zoh")
    found = {}
    for unfolds in (1, 6, 60):
        model = load(EXAMPLES / "ltc_signal.pt", ncps_parameters="softplus", unfolds=unfolds)
        budget = budget_without_circuit(model, stimulus)
        found[unfolds] = budget.part("program_vs_ode").outputs.largest
        assert f"{unfolds} semi-implicit unfold" in budget.program
    # Measured on random networks: about 5 %, 1 % and 0.1 % of range, rms.
    assert 0.05 < found[1] < 0.5
    assert 0.005 < found[6] < 0.2
    assert found[60] < 0.02
    assert found[6] / found[60] == pytest.approx(10, rel=0.3)


def test_unfolds_travel_in_canonical_files_and_are_checked(tmp_path):
    model = load(EXAMPLES / "ltc_signal.pt", ncps_parameters="softplus", unfolds=6)
    assert (model.dt, model.unfolds) == (1.0, 6.0)
    save(model, tmp_path / "ltc.npz")
    assert load(tmp_path / "ltc.npz").unfolds == 6.0
    save(replace(model, dt=None, unfolds=None), tmp_path / "bare.npz")
    assert load(tmp_path / "bare.npz", dt=0.5, unfolds=3).unfolds == 3.0
    with pytest.raises(ModelError, match=r"the file says unfolds = 6\.0, the option says 3"):
        load(tmp_path / "ltc.npz", unfolds=3)
    with pytest.raises(ModelError, match="unfolds must be a positive whole number"):
        replace(model, unfolds=2.5)


def test_a_held_sample_is_read_at_its_own_time_and_a_joined_one_where_it_is():
    t, u = np.arange(4.0), np.array([[1.0], [3.0], [2.0], [5.0]])
    np.testing.assert_array_equal(sampled(hold_samples(t, u, hold="zoh"), t), u)
    finer = sampled(hold_samples(t, u, hold="zoh"), np.arange(0, 4, 0.1))
    np.testing.assert_array_equal(finer, np.repeat(u, 10, axis=0))
    np.testing.assert_array_equal(sampled(hold_samples(t, u, hold="linear"), t), u)
    sine = SineStimulus(offset=[0.0], amplitude=[1.0], frequency=[0.1])
    np.testing.assert_array_equal(sampled(sine, t), sine(t))
    one = PwlStimulus(times=[0.0], values=[[2.0]])
    np.testing.assert_array_equal(sampled(one, t), np.full((4, 1), 2.0))
    ramp = PwlStimulus(times=[0.0, 1.0, 3.0], values=[[0.0], [1.0], [0.0]])
    np.testing.assert_array_equal(sampled(ramp, t), [[0.0], [1.0], [0.5], [0.0]])


def unknown_program(model, stimulus=None, duration=None):
    reason = budget_without_circuit(model, stimulus, duration).part("program_vs_ode").reason
    assert reason
    return reason


def test_a_program_that_is_not_known_is_said_so_and_never_invented():
    plain = Linear(a=-np.eye(2), x0=[1.0, 0.5])
    assert "give --dt" in unknown_program(plain)
    ltc = random_model("ltc", 3, 1, seed=4, extras=False)
    ltc = replace(ltc, g_gap=None)
    assert "give --dt and --unfolds" in unknown_program(ltc)
    assert "give --unfolds" in unknown_program(replace(ltc, dt=1.0))
    joined = replace(ltc, g_gap=np.ones((3, 3)), dt=1.0, unfolds=6)
    assert "gap junctions" in unknown_program(joined)
    assert "shorter than one step" in unknown_program(replace(plain, dt=3.0), duration=2.0)
    short = 1.0 / (2 * MOST_STEPS)
    assert f"more than {MOST_STEPS}" in unknown_program(replace(plain, dt=short), duration=1.0)
    fast = Linear(a=-50.0 * np.eye(2), x0=[1.0, 0.5], dt=0.1)
    assert "does not stay bounded" in unknown_program(fast, duration=2.0)
    assert isinstance(joined, Ltc)


@pytest.mark.spice
@pytest.mark.parametrize("family", ["ctrnn", "lem", "ltc", "linear"])
def test_the_whole_way_is_at_most_the_sum_of_its_parts(family):
    model = random_model(family, 4, 1, seed=11, activations=("tanh",))
    changes = {"dt": 0.1, "unfolds": 2, "g_gap": None} if family == "ltc" else {"dt": 0.1}
    result = verify_model(replace(model, **changes), duration=3.0)
    budget = result.report.budget
    assert result.passed, report_text(result.report)
    first, second = (budget.part(i) for i in ("program_vs_ode", "ode_vs_circuit"))
    for which in ("states", "outputs"):
        parts = [getattr(gap, which) for gap in (first, second, budget.whole)]
        one, two, all_ = (np.array(d.figures) for d in parts)
        assert np.all(all_ <= one + two + ROUNDING)
        assert np.all(all_ >= np.abs(one - two) - one * SPANS - 2 * two)
    # The part that the circuit has is the figure that the check judges.
    checks = {c.id: c for c in result.report.checks}
    np.testing.assert_allclose(second.states.figures, checks["transient.states"].per_state)
    # And the whole way is what the raw samples say, up to the interpolation between them.
    run = run_program(program_of(result.compiled.model), result.compiled.stimulus, t_end=3.0)
    sim = result.simulation
    raw = np.column_stack([np.interp(run.times, sim.t, c) for c in sim.x.T])
    span = np.ptp(result.compiled.reference(sim.t), axis=0)
    error = (np.abs(raw - run.states[1:]) / span).max(0)
    np.testing.assert_allclose(budget.whole.states.figures, error, rtol=0.02, atol=1e-4)


@pytest.mark.spice
def test_an_edited_netlist_raises_the_circuits_part_alone():
    model, stimulus = rnn()
    compiled = compile_model(model, stimulus=stimulus)
    lines = compiled.netlist.splitlines(keepends=True)
    at = next(k for k, line in enumerate(lines) if line.startswith("c"))
    name, p, n, farads, *rest = lines[at].split()
    lines[at] = " ".join([name, p, n, repr(1.05 * float(farads)), *rest]) + "\n"
    text = "".join(lines)
    good = verify_compiled(compiled).report.budget
    bad = verify_compiled(replace(compiled, netlist=text)).report.budget
    assert bad.parts[0].states.figures == pytest.approx(good.parts[0].states.figures, rel=SPANS)
    before, after = (b.part("ode_vs_circuit").states.largest for b in (good, bad))
    assert after > 20 * before


@pytest.mark.spice
def test_a_netlist_with_other_ports_has_no_part_in_the_budget():
    made = compile_model(Linear(a=-np.eye(2), x0=[1.0, 0.5], dt=0.1))
    other = replace(made.model, w_out=[[1.0, 1.0]])
    result = verify_compiled(adopt_netlist(made.netlist, made.record, other))
    assert result.verdict is Verdict.FAIL  # of identity
    assert "no simulation" in result.report.budget.part("ode_vs_circuit").reason
    assert result.report.budget.part("program_vs_ode").states.largest > 0


@pytest.mark.spice
def test_a_cell_has_its_program_as_reference_and_no_ode():
    cell = random_cell("gru", 3, 1, seed=5)
    result = verify_model(cell, duration=12)
    budget = result.report.budget
    assert [part.id for part in budget.parts] == ["program_vs_circuit"]
    assert budget.part("program_vs_ode") is None
    check = next(c for c in result.report.checks if c.id == "transient.states")
    assert budget.whole.states.figures == pytest.approx(check.per_state)
    settling = next(c for c in result.report.checks if c.id == "clock.settling")
    assert budget.settling == settling.value
    text = report_text(result.report)
    assert "a clock period leaves" in text
    assert "against ODE" not in text
    with pytest.raises(UsageError, match="a clocked cell has no ODE"):
        verify_model(cell, limits=Limits(program=0.1))


@pytest.mark.spice
def test_the_programs_part_is_judged_only_where_a_limit_is_set():
    model, stimulus = rnn()
    compiled = compile_model(model, stimulus=stimulus)
    assert verify_compiled(compiled).passed  # a reading that is 11 % off is no fault
    strict = verify_compiled(compiled, limits=Limits(program=0.05))
    found = {c.id: c.verdict for c in strict.report.checks}
    assert found["program.states"] is Verdict.FAIL
    assert found["program.outputs"] is Verdict.PASS
    unknown = verify_model(replace(model, dt=None), stimulus=stimulus, limits=Limits(program=0.05))
    assert unknown.verdict is Verdict.UNVERIFIABLE


FIGURES = st.floats(allow_nan=False, allow_infinity=False, width=32)
TEXTS = st.text(max_size=60)
DISTANCES = st.lists(FIGURES, min_size=1, max_size=30).flatmap(
    lambda f: st.builds(
        Distance, figures=st.just(tuple(f)), worst=st.integers(1, len(f)), time=FIGURES
    )
)
GAPS = st.builds(
    Gap,
    id=TEXTS,
    title=TEXTS,
    states=st.none() | DISTANCES,
    outputs=st.none() | DISTANCES,
    reason=TEXTS,
)
REFITS = st.builds(
    RefitFigures,
    n_fitted=st.integers(0, 99),
    n_held_out=st.integers(0, 99),
    strength=FIGURES,
    program=st.none() | FIGURES,
    before=FIGURES,
    after=FIGURES,
    change=FIGURES,
)
TASKS = st.builds(
    TaskFigures,
    metric=TEXTS,
    n_given=st.integers(0, 99),
    n_used=st.integers(0, 99),
    program=st.none() | FIGURES,
    ode=st.none() | FIGURES,
    circuit=st.none() | FIGURES,
    refit=st.none() | REFITS,
)
BUDGETS = st.builds(
    ErrorBudget,
    program=TEXTS,
    parts=st.lists(GAPS, max_size=3).map(tuple),
    whole=GAPS,
    settling=st.none() | FIGURES,
    task=st.none() | TASKS,
)


def report_of(budget):
    known = dict.fromkeys(("weights_sha256", "netlist_sha256", "simulator", "family"), "a")
    known |= dict.fromkeys(("subject", "tool_version", "simulator_version"), "b")
    return Report(provenance=Provenance(n_states=1, n_inputs=0, **known), checks=(), budget=budget)


@settings(max_examples=100, deadline=None)
@given(BUDGETS)
def test_any_budget_survives_json_and_stays_within_the_page(budget):
    report = report_of(budget)
    assert report_from_json(report_json(report)) == report
    lines = report_text(report).splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert all(line.isprintable() for line in lines)
    ET.fromstring(report_junit([report]).encode())
    shown = [line for line in report_markdown(report).splitlines() if "error budget" in line]
    assert all(line.startswith("    ") for line in shown)
    assert shown
    assert "<h2>Error budget</h2>" in report_html([(report, {})])


@pytest.mark.spice
def test_a_specification_may_hold_a_task(tmp_path):
    save(ready(), tmp_path / "m.npz")
    (tmp_path / "y.csv").write_text("0,1\n0.5,0.8\n1,0.6\n1.5,0.5\n")
    (tmp_path / "spec.toml").write_text(
        "[testbench]\nduration = 3.0\n[limits]\nprogram = 0.9\n"
        '[task]\ntargets = "y.csv"\nrefit_readout = true\n'
    )
    out = tmp_path / "r.json"
    command = ["verify", str(tmp_path / "m.npz"), "--spec", str(tmp_path / "spec.toml")]
    assert main([*command, "--json", str(out)]) == 0
    data = json.loads(out.read_text())
    assert data["budget"]["task"]["n_used"] == 4
    assert data["budget"]["task"]["refit"]["n_held_out"] == 1
    assert "program.states" in [check["id"] for check in data["checks"]]


GAP = Gap(id="ode_vs_circuit", title="t", states=Distance(figures=(0.1,), worst=1, time=0.0))
TASK = TaskFigures(
    metric="rmse",
    n_given=3,
    n_used=3,
    refit=RefitFigures(
        n_fitted=2, n_held_out=1, strength=0.0, program=None, before=1.0, after=1.0, change=0.1
    ),
)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("parts", 0, "states", "worst"), 2, r"worst must be from 1 to 1, got 2"),
        (("parts", 0, "states", "time"), None, r"time must be a number"),
        (("parts", 0, "states", "figures"), 1.0, r"figures must be a list"),
        (("parts", 0, "id"), 7, r"parts\[0\].id must be a string"),
        (("whole",), None, r"budget.whole must be an object"),
        (("program",), None, r"budget.program must be a string"),
        (("task", "n_used"), 1.5, r"n_used must be an integer"),
        (("task", "metric"), 3, r"metric must be a string"),
        (("task", "refit", "after"), None, r"after must be a number"),
        (("task", "refit", "more"), 1, r"unknown entry 'more'"),
    ],
)
def test_a_doctored_budget_is_refused(path, value, message):
    data = json.loads(
        report_json(report_of(ErrorBudget(program="", parts=(GAP,), whole=GAP, task=TASK)))
    )
    entry = data["budget"]
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    with pytest.raises(ModelError, match=message):
        report_from_json(json.dumps(data))


# --- the task ---


def delayed(model, stimulus, duration):
    """Targets on the program's grid: a gain and an offset that its readout does not have."""
    run = run_program(program_of(model), stimulus, t_end=duration)
    return model.dt * np.arange(len(run.inputs)), 0.7 * run.outputs() + 0.2


@pytest.mark.spice
def test_the_metric_of_program_and_circuit_and_an_honest_refit():
    model, stimulus = rnn()
    t, wanted = delayed(model, stimulus, 11.9)
    late = np.append(t, 11.9), np.vstack([wanted, wanted[-1:]])
    task = Task(t=late[0], targets=late[1], refit=True)
    result = verify_model(model, stimulus=stimulus, task=task)
    found = result.report.budget.task
    assert (found.n_given, found.n_used) == (120, 119)  # the last step ends after the run
    y = (wanted - 0.2) / 0.7
    assert found.program == pytest.approx(np.sqrt(np.mean((y - wanted) ** 2)), rel=ROUNDING)
    there = result.compiled.reference.outputs(np.minimum(t + 0.1, 11.9))
    assert found.circuit == pytest.approx(np.sqrt(np.mean((there - wanted) ** 2)), rel=1e-4)
    assert found.ode == pytest.approx(found.circuit, rel=1e-4)
    refit = found.refit
    assert (refit.n_fitted, refit.n_held_out) == (79, 40)
    assert refit.after < 0.3 * refit.before
    # The refitted network says the same: its readout on the circuit's states, later samples.
    states = result.compiled.reference(np.minimum(t + 0.1, 11.9))[79:]
    again = result.refitted.readout(states, np.zeros((40, 1)))
    assert refit.after == pytest.approx(np.sqrt(np.mean((again - wanted[79:]) ** 2)), rel=0.05)
    change = np.linalg.norm(result.refitted.w_out - model.w_out) / np.linalg.norm(model.w_out)
    assert refit.change == pytest.approx(change)
    text = report_text(result.report)
    assert "119 of 120 targets" in text
    assert "before" in text


def test_accuracy_counts_right_classes():
    task = Task(t=np.arange(3.0), targets=[[0], [2], [1]], metric="accuracy")
    y = np.array([[3.0, 1, 2], [0, 1, 9], [5, 4, 1]])
    assert task.score(y, task.targets) == pytest.approx(2 / 3)
    binary = Task(t=np.arange(3.0), targets=[[0], [1], [1]], metric="accuracy")
    assert binary.score(np.array([[-1.0], [2.0], [-0.1]]), binary.targets) == pytest.approx(2 / 3)


@pytest.mark.spice
def test_a_classifier_whose_circuit_reads_out_wrongly_is_put_right_by_the_refit():
    cell = replace(random_cell("gru", 4, 2, seed=9, extras=False), w_out=np.eye(4)[:2])
    rng = np.random.default_rng(1)
    stimulus = hold_samples(np.arange(60.0), rng.normal(size=(60, 2)), hold="zoh")
    compiled = compile_model(cell, stimulus=stimulus)
    labels = np.argmax(compiled.reference.states[1:, :2] @ [[1, 0], [0, -1]], axis=1)
    wrong = Task(
        t=np.arange(60.0), targets=labels[:, None].astype(float), metric="accuracy", refit=True
    )
    found = verify_compiled(compiled, task=wrong).report.budget.task
    assert found.circuit == found.program < 0.9
    assert found.ode is None
    assert found.refit.after > found.refit.before


def test_a_ridge_is_least_squares_where_it_is_weak_and_adds_no_wire():
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(50, 4)), np.array([[1.0, 0.0, -2.0, 0.5], [0.0, 3.0, 0.0, 0.0]])
    goal = x @ w.T + [0.3, -0.1]
    found, bias = ridge(x, goal, used=w != 0, strength=0.0)
    np.testing.assert_allclose(found, w, atol=1e-12)
    np.testing.assert_allclose(bias, [0.3, -0.1], atol=1e-12)
    shrunk, mean = ridge(x, goal, used=w != 0, strength=1e9)
    assert np.abs(shrunk).max() < 1e-6
    np.testing.assert_allclose(mean, goal.mean(0), atol=1e-6)
    # The textbook's normal equations, at a strength between.
    c, part = x - x.mean(0), [0, 2, 3]
    penalty = 0.3 * np.mean(c**2) * 50 * np.eye(3)
    normal = np.linalg.solve(
        c[:, part].T @ c[:, part] + penalty, c[:, part].T @ (goal[:, 0] - goal[:, 0].mean())
    )
    np.testing.assert_allclose(
        ridge(x, goal, used=w != 0, strength=0.3)[0][0, part], normal, rtol=ROUNDING
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "f1"}, "metric must be rmse or accuracy"),
        ({"strength": -1.0}, "strength must be >= 0"),
        ({"targets": np.zeros(3)}, r"got \(3,\) and \(3,\)"),
        ({"t": np.zeros(2)}, r"got \(2,\) and \(3, 1\)"),
        ({"t": [0.0, 2.0, 1.0]}, "increase strictly"),
        ({"t": [-1.0, 0.0, 1.0]}, "from 0 or later"),
        ({"targets": [[0.0], [np.nan], [1.0]]}, "finite"),
        ({"targets": [[0.5], [0], [1]], "metric": "accuracy"}, "whole"),
        ({"targets": [[-1], [0], [1]], "metric": "accuracy"}, "count from 0"),
    ],
)
def test_malformed_targets_are_refused(changes, message):
    with pytest.raises(TargetsError, match=message):
        Task(**({"t": np.arange(3.0), "targets": np.zeros((3, 1))} | changes))


def ready(**changes):
    """A small network with one output, and a task on its grid."""
    model = Ctrnn(rate=[1.0], w=[[0.5]], w_out=[[2.0]], x0=[1.0], dt=0.5)
    return replace(model, **changes)


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (ready(), {"targets": np.zeros((3, 2))}, "2 columns, the network has 1 outputs"),
        (
            ready(w_out=[[1.0], [2.0]]),
            {"targets": np.zeros((3, 2)), "metric": "accuracy"},
            "in one column",
        ),
        (ready(), {"targets": [[0], [1], [2]], "metric": "accuracy"}, "class 2 does not exist"),
        (ready(w_out=None), {"refit": True}, "no readout to refit"),
        (ready(), {"t": [0.0, 0.7, 1.0]}, "target 1 at t = 0.7 lies between two steps"),
        (ready(), {"t": [50.0, 60.0, 70.0]}, "no target belongs to a step within the run"),
    ],
)
def test_targets_that_do_not_fit_are_refused(model, task, message):
    task = Task(**({"t": [0.0, 0.5, 1.0], "targets": np.zeros((3, 1))} | task))
    compiled = compile_model(model, duration=4.0)

    def judged():
        task.check_fits(model)
        error_budget(compiled, None, None, task)

    with pytest.raises(TargetsError, match=message):
        judged()


def test_steps_of_a_cell_and_too_few_samples_are_refused():
    cell = random_cell("elman", 2, 1, seed=1)
    cell = replace(cell, w_out=np.ones((1, 2)), b_out=None)
    compiled = compile_model(cell, duration=4)
    late = Task(t=[9.0], targets=[[0.0]])
    with pytest.raises(TargetsError, match="the run has 4 steps"):
        error_budget(compiled, None, None, late)
    two = Task(t=[0.0, 1.0], targets=[[0.0], [1.0]], refit=True)
    held = Samples(t=np.arange(1.0, 5), x=np.zeros((4, 2)), y=np.zeros((4, 1)))
    stages = stages_of_cell(two, compiled.reference, held)
    with pytest.raises(TargetsError, match="at least 3 targets within the run, got 2"):
        judge(two, stages)
    three = Task(t=[0.0, 1.0, 2.0], targets=np.zeros((3, 1)), refit=True)
    bare = replace(stages_of_cell(three, compiled.reference, held), model=replace(cell, w_out=None))
    with pytest.raises(TargetsError, match="no readout to refit"):
        judge(three, bare)


def test_target_files_are_read_as_they_are_written(tmp_path):
    (tmp_path / "t.csv").write_text("t,y\n0,1\n0.5,2\n")
    np.savez(tmp_path / "t.npz", t=[0.0, 0.5], y=[[1.0], [2.0]])
    for name in ("t.csv", "t.npz"):
        task = load_targets(tmp_path / name)
        np.testing.assert_array_equal(task.targets, [[1.0], [2.0]])
        np.testing.assert_array_equal(task.t, [0.0, 0.5])
    np.savez(tmp_path / "u.npz", t=[0.0], u=[[1.0]])
    for name, message in (
        ("u.npz", "must hold the arrays t and y, got"),
        ("t.txt", "targets file 't.txt' must end in .csv or .npz"),
        ("missing.csv", "cannot read targets"),
    ):
        with pytest.raises(TargetsError, match=message):
            load_targets(tmp_path / name)


@pytest.mark.spice
def test_the_command_line_reports_budget_task_and_refit(tmp_path, capsys):
    model, stimulus = rnn()
    t, wanted = delayed(model, stimulus, 11.9)
    np.savez(tmp_path / "wanted.npz", t=t, y=wanted)
    command = ["verify", str(EXAMPLES / "rnn_delay.pt"), "--dt", "0.1", "--hold", "linear"]
    command += ["--stimulus", str(EXAMPLES / "rnn_delay_stimulus.csv")]
    new, report = tmp_path / "refitted.npz", tmp_path / "r.json"
    command += ["--targets", str(tmp_path / "wanted.npz"), "--refit-output", str(new)]
    assert main([*command, "--json", str(report), "--limit-program", "0.2"]) == 0
    text = capsys.readouterr().out
    assert "error budget" in text
    assert "program against ODE" in text
    assert "readout refitted" in text
    data = json.loads(report.read_text())["budget"]
    assert [part["id"] for part in data["parts"]] == ["program_vs_ode", "ode_vs_circuit"]
    assert data["whole"]["id"] == "program_vs_circuit"
    assert data["task"]["refit"]["after"] < data["task"]["refit"]["before"]
    fitted = load(new)
    assert fitted.dt == 0.1
    np.testing.assert_array_equal(fitted.w, model.w)
    assert not np.array_equal(fitted.w_out, model.w_out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "rmse"], "--metric belongs to --targets"),
        (["--refit-readout"], "--refit-readout belongs to --targets"),
        (["--targets", "t.csv", "--refit-strength", "1"], "belongs to --refit-readout"),
        (["--targets", "t.csv", "--refit-output", "a.pt"], "--refit-output must end in .npz"),
        (["--targets", "missing.csv"], "cannot read targets"),
    ],
)
def test_options_of_a_task_that_do_nothing_are_refused(options, message, tmp_path, capsys):
    save(ready(), tmp_path / "m.npz")
    assert main(["verify", str(tmp_path / "m.npz"), *options]) == 2
    assert message in capsys.readouterr().err


def test_titles_that_are_wider_than_a_column_are_wrapped():
    titles = (
        "program against ODE",
        "ODE against ideal",
        "ideal against macro",
        "macro against device",
    )
    parts = tuple(replace(GAP, id=str(k), title=title) for k, title in enumerate(titles))
    whole = replace(GAP, id="whole", title="program against circuit")
    lines = budget_lines(ErrorBudget(program="", parts=parts, whole=whole, task=None))
    end = next(k for k, line in enumerate(lines) if line.startswith("per state"))
    words = " ".join(lines[end - 1 : end + 1]).split()
    assert sorted(words) == sorted(" ".join((*titles, whole.title, "per state")).split())
    assert all(len(line) <= 100 for line in lines)
