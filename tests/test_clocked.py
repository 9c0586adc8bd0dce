"""Clocked cells as circuits: extraction, operating points, held waveforms, and their faults."""

import json
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from mutants import mutants
from random_models import CELLS, random_cell

from rnn2circuit.cli import main
from rnn2circuit.errors import (
    CircuitError,
    ModelError,
    NotRealizableError,
    StimulusError,
    UnverifiableError,
    UsageError,
)
from rnn2circuit.flow import compile_model, simulate, verify_compiled, verify_model
from rnn2circuit.linearize import linearize
from rnn2circuit.models import Elman, EnergyMap, Stack
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.models.io import save
from rnn2circuit.models.trajectory import run_cell
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.statemap import ClockMap, map_from_json
from rnn2circuit.stimulus import PwlStimulus, default_stimulus, hold_samples
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.clocked import ClockedSystem, at_clock
from rnn2circuit.verify.equations import EXACT
from rnn2circuit.verify.netlist import read_netlist
from rnn2circuit.verify.steps import SETTLED, check_step, held_states

HELD = 1e-6  # of range: droop is 1e-8 a step, and a chaotic map may magnify it a hundredfold
STEPS = 60


def figure(result, id):
    return next(c.value for c in result.report.checks if c.id == id)


def step_checks(text, compiled):
    return check_step(text, compiled.record, compiled.model, seed=1, limit=EXACT)


@pytest.mark.spice
@pytest.mark.parametrize("coupling", ["vccs", "gyrator"])
@pytest.mark.parametrize("family", CELLS)
def test_sixty_held_steps_equal_the_program(family, coupling):
    for seed in range(3):
        result = verify_model(random_cell(family, 4, 2, seed), coupling=coupling)
        assert result.passed, result.report
        assert result.compiled.reference.n_steps == STEPS
        assert figure(result, "transient.states") <= HELD
        assert figure(result, "transient.outputs") <= HELD
        assert figure(result, "transient.steps") <= HELD
        assert figure(result, "simulator.step") <= EXACT
        assert figure(result, "clock.settling") <= SETTLED


@pytest.mark.parametrize("coupling", ["vccs", "gyrator"])
@pytest.mark.parametrize("family", CELLS)
def test_fifty_random_cells_are_read_back_from_their_netlists(family, coupling):
    for seed in range(50):
        compiled = compile_model(
            random_cell(family, 1 + seed % 7, seed % 4, seed), coupling=coupling, duration=1
        )
        for check in step_checks(compiled.netlist, compiled):
            assert check.verdict is Verdict.PASS, (seed, check)


@pytest.mark.parametrize("family", CELLS)
def test_no_single_fault_passes(family):
    caught = 0
    for seed in range(3):
        compiled = compile_model(random_cell(family, 4, 2, seed), duration=1)
        for description, text in mutants(compiled.netlist, 40, seed):
            record = replace(compiled.record, netlist_sha256=_sha(text))
            checks = check_step(text, record, compiled.model, seed=1, limit=EXACT)
            assert any(c.verdict is not Verdict.PASS for c in checks), description
            caught += 1
    assert caught > 80


def _sha(text):
    from rnn2circuit.verify.equations import sha256_text

    return sha256_text(text)


@pytest.mark.spice
def test_scaling_by_hand_changes_volts_and_the_clock_but_not_the_answer():
    for family in ("gru", "stack", "lrcu"):
        result = verify_model(
            random_cell(family, 4, 2, 5),
            seconds_per_unit=2e-6,
            volts_per_unit=0.25,
            impedance=2e4,
        )
        assert result.passed, result.report
        clock = result.compiled.state_map.clock
        assert clock.period == 2e-6


@pytest.mark.spice
def test_the_circuit_runs_from_a_logic_clock_of_five_volts():
    # Thresholds are absolute: any clock that goes below 0.2 V and above 0.8 V will do.
    compiled = compile_model(random_cell("gru", 3, 1, 2))
    bench = re.sub(r"pulse\(0\.0 1\.0", "pulse(0.0 5.0", compiled.testbench)
    assert bench != compiled.testbench
    run = simulate(replace(compiled, testbench=bench))
    held = held_states(run.t, run.x, compiled.record, STEPS)
    np.testing.assert_allclose(held, compiled.reference.states[1:], atol=HELD)


@pytest.mark.spice
def test_the_emitted_testbench_runs_as_it_stands(tmp_path):
    compiled = compile_model(random_cell("lstm", 4, 1, 0), name="cell")
    compiled.write(tmp_path)
    done = subprocess.run(
        ["ngspice", "-b", "-n", "-r", "out.raw", "cell.tb.cir"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.raw").stat().st_size > 1000
    data = json.loads((tmp_path / "cell.json").read_text())
    assert (
        data["ports"]
        == ["u1", "clk", "x1", "x2", "x3", "x4", *(f"y{k}" for k in (1, 2, 3))][
            : len(data["ports"])
        ]
    )
    assert data["clock_period"] == data["seconds_per_unit"] == 1e-4
    assert data["sampling_phase"] == 0.99
    assert (data["clock_port"], data["clock_low"], data["clock_high"]) == ("clk", 0.0, 1.0)
    read = map_from_json(json.dumps(data))
    assert dict(read.element_counts) == dict(compiled.record.element_counts)
    assert replace(read, element_counts=compiled.record.element_counts) == compiled.record


@pytest.mark.spice
def test_the_two_forms_of_the_energy_map_are_conjugate_as_circuits():
    rng = np.random.default_rng(4)
    xi, phi = rng.normal(size=(4, 2)), rng.normal(size=(2, 2))
    start = 0.5 * rng.normal(size=4)
    inner = EnergyMap(xi=xi, phi=phi, form="inner", x0=start)
    outer = EnergyMap(xi=xi, phi=phi, form="outer", x0=np.tanh(start))
    v, w = (simulate(compile_model(m, duration=12)) for m in (inner, outer))
    states = [held_states(r.t, r.x, r.compiled.record, 12) for r in (v, w)]
    np.testing.assert_allclose(np.tanh(states[0]), states[1], atol=HELD)


@pytest.mark.spice
def test_held_lem_states_obey_the_papers_bound():
    cell = replace(random_cell("lem_cell", 6, 1, 3, extras=False), x0=None)
    run = simulate(compile_model(cell))
    held = held_states(run.t, run.x, run.compiled.record, STEPS)
    slope = (1 + cell.dt) / np.sqrt(2 - cell.dt)
    bound = np.minimum(1.0, slope * np.sqrt(cell.dt * np.arange(1, STEPS + 1)))
    assert np.all(np.abs(held).max(axis=1) <= bound + HELD)


@pytest.mark.spice
def test_the_stimulus_of_a_file_is_read_step_by_step():
    u = np.random.default_rng(0).normal(size=(17, 2))
    compiled = compile_model(
        random_cell("elman", 3, 2, 1), stimulus=hold_samples(np.arange(17), u, hold="zoh")
    )
    np.testing.assert_array_equal(compiled.reference.inputs, u)
    assert verify_compiled(compiled).passed


@pytest.mark.spice
def test_the_command_line_takes_a_cell(tmp_path, capsys):
    save(random_cell("gru", 3, 1, 0), tmp_path / "gru.npz")
    assert main(["verify", str(tmp_path / "gru.npz"), "--duration", "20"]) == 0
    out = capsys.readouterr().out
    assert "clock.settling" in out
    assert "held states against the program" in out
    assert main(["compile", str(tmp_path / "gru.npz"), "-o", str(tmp_path / "out")]) == 0
    assert "s per step" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "gru.npz")]) == 0
    shown = capsys.readouterr().out
    assert "(1 - z)∘n + z∘h" in shown
    assert "time const" not in shown
    assert main(["linearize", str(tmp_path / "gru.npz")]) == 2
    assert "gru cell is a discrete program" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "gru.npz"), "--form", "rl"]) == 2
    assert "has the form 'rc' only" in capsys.readouterr().err


def test_a_single_step_has_a_testbench_too():
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    assert compiled.reference.n_steps == 1
    assert compiled.bench.transient.stop == pytest.approx(1e-4)


@pytest.mark.parametrize("family", ["elman", "gru"])
def test_the_reference_shows_each_state_around_its_step(family):
    cell = random_cell(family, 3, 1, 0)
    run = run_cell(cell, default_stimulus(1, duration=5.0), n_steps=5)
    np.testing.assert_array_equal(
        run([0.0, 0.49, 0.51, 4.9, 5.0])[:, 0], run.states[[0, 0, 1, 5, 5], 0]
    )


def test_what_a_cell_cannot_do_is_refused():
    cell = random_cell("elman", 2, 1, 0)
    with pytest.raises(NotRealizableError, match="form 'rc' only"):
        compile_model(cell, form="rl")
    with pytest.raises(ModelError, match="discrete program"):
        linearize(cell)
    with pytest.raises(UsageError, match=r"whole steps, got duration 2\.5"):
        compile_model(cell, duration=2.5)
    with pytest.raises(StimulusError, match="has 2 inputs, the model has 1"):
        compile_model(cell, stimulus=default_stimulus(2, duration=3.0))
    with pytest.raises(UsageError, match="at least one step"):
        run_cell(cell, default_stimulus(1, duration=3.0), n_steps=0)
    wild = Elman(w=3 * np.eye(2), activation="relu", x0=np.ones(2))
    with pytest.raises(ModelError, match=r"state x\[0\] of the elman cell leaves"):
        compile_model(wild, duration=60)


class Counter(AbstractCell):
    """``x+ = x + 1``."""

    family = "counter"
    n_states = 1
    n_inputs = 0
    is_smooth = True

    def without_input_map(self):
        return self

    def _step(self, x, u):
        return x + 1

    def _jacobian(self, x, u):
        return np.eye(1)

    def _input_jacobian(self, x, u):
        return np.zeros((1, 0))


def test_a_cell_of_an_unknown_family_is_refused():
    with pytest.raises(NotRealizableError, match="no clocked circuit for the family 'counter'"):
        compile_model(Counter())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("ron=100.0", "ron=0"), "must be positive"),
        (lambda t: t.replace(" vh=0.05", "", 1), "is not '.model NAME sw"),
        (lambda t: t.replace("vh=0.05", "vt=0.05", 1), "needs vt, vh, ron and roff, each once"),
        (lambda t: t.replace("sw_hold sw", "sw_sample sw"), "'sw_sample' is there twice"),
        (lambda t: t.replace(".model sw_hold sw", ".model sw_hold csw"), "is not '.model NAME sw"),
        (lambda t: t.replace("clk 0 sw_sample", "clk 0 sw_lost"), "no switch model 'sw_lost'"),
        (lambda t: t.replace("vt=0.75", "vt=0.98"), "is neither on nor off at a clock of 1.0 V"),
        (lambda t: t.replace("clk 0 sw_sample", "u1 0 sw_sample"), "not controlled by the clock"),
        (lambda t: t.replace("c_chold_1 x1 0", "c_chold_1 x1 m1"), "not a capacitor from a node"),
        (lambda t: t.replace("m1 0 2e-08", "x1 0 2e-08"), "sampling capacitors for"),
        (lambda t: t.replace(" x1 x2", " x2 x1", 1), "the subcircuit's ports are"),
        (lambda t: t.replace("elman_2", "elman_3"), "expected subcircuit"),
        (lambda t: re.sub(r"s_sample_1.*\n", "", t), "never comes to rest|singular"),
        (
            lambda t: t.replace("c_csample_1 m1 0", "b_m 0 m1 i=v(m1)*v(m1)\nc_csample_1 m1 0"),
            "do not settle linearly",
        ),
    ],
)
def test_a_netlist_without_a_clean_clock_is_unverifiable(change, message):
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    text = change(compiled.netlist)
    assert text != compiled.netlist
    record = replace(compiled.record, netlist_sha256=_sha(text))
    checks = check_step(text, record, compiled.model, seed=1, limit=EXACT)
    assert checks[-1].verdict is Verdict.UNVERIFIABLE
    assert re.search(message, checks[-1].detail)


def test_a_clocked_netlist_needs_its_clock():
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    lost = replace(compiled.state_map, clock=None)
    record = replace(compiled.record, state_map=lost)
    checks = check_step(compiled.netlist, record, compiled.model, seed=1, limit=EXACT)
    assert "names no clock" in checks[-1].detail
    with pytest.raises(UnverifiableError, match="no clock node 'tick'"):
        at_clock(read_netlist(compiled.netlist), "tick", 1.0)


def test_a_slow_switch_is_seen_before_anything_is_simulated():
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    text = compiled.netlist.replace("ron=100.0", "ron=1000.0")
    record = replace(compiled.record, netlist_sha256=_sha(text))
    checks = {c.id: c for c in check_step(text, record, compiled.model, seed=1, limit=EXACT)}
    assert checks["extraction.step"].verdict is Verdict.PASS
    assert checks["clock.settling"].verdict is Verdict.FAIL
    assert "unsettled 0.17" in checks["clock.settling"].detail  # 2 exp(-0.498 * 50 / 10)


@pytest.mark.spice
def test_the_settling_that_is_predicted_is_what_the_simulator_shows():
    # One switch in eight times its resistance: exp(-3.1) of each change is missing.
    cell = Elman(w=np.zeros((1, 1)), bias=np.array([1.0]), x0=np.zeros(1))
    compiled = compile_model(cell, duration=1, step=1e-3)
    text = compiled.netlist.replace("roff", "roff").replace("ron=100.0", "ron=800.0", 1)
    record = replace(compiled.record, netlist_sha256=_sha(text))
    predicted = next(
        c.value
        for c in check_step(text, record, cell, seed=1, limit=EXACT)
        if c.id == "clock.settling"
    )
    run = simulate(replace(compiled, netlist=text, record=record))
    held = held_states(run.t, run.x, record, 1)[0, 0]
    missing = 1.0 - held / np.tanh(1.0)
    assert predicted == pytest.approx(np.exp(-0.498 * 50 / 8), rel=1e-3)
    assert missing == pytest.approx(predicted, rel=0.02)


def test_bad_clocks_are_refused():
    good = {"port": "clk", "period": 1e-4, "sampling_phase": 0.99, "low": 0.0, "high": 1.0}
    for change, message in (
        ({"period": 0.0}, "clock_period must be positive"),
        ({"sampling_phase": 0.3}, "second half of a period"),
        ({"low": 1.0}, "low < high"),
    ):
        with pytest.raises(CircuitError, match=message):
            ClockMap(**(good | change))
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    data = json.loads(compiled.map_json)
    for key, value, message in (
        ("clock_port", 3, "'clock_port' must be text"),
        ("clock_low", "0", "'clock_low' must be a number"),
        ("ports", [], "must list inputs, clock, states, outputs"),
    ):
        with pytest.raises(CircuitError, match=message):
            map_from_json(json.dumps(data | {key: value}))


@pytest.mark.spice
def test_a_simulator_that_is_stopped_is_no_pass():
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=2)
    result = verify_compiled(compiled, simulator=Ngspice(), timeout=1e-3)
    assert result.verdict in (Verdict.TIMEOUT, Verdict.ERROR)


def test_a_wrong_step_names_state_and_weight():
    compiled = compile_model(random_cell("elman", 3, 1, 0), duration=1)
    line = next(ln for ln in compiled.netlist.splitlines() if ln.startswith("g_nwh_2_3 "))
    value = float(line.split()[-1])
    text = compiled.netlist.replace(line, line.rsplit(" ", 1)[0] + f" {1.01 * value!r}")
    record = replace(compiled.record, netlist_sha256=_sha(text))
    checks = {c.id: c for c in check_step(text, record, compiled.model, seed=1, limit=EXACT)}
    assert checks["extraction.step"].verdict is Verdict.FAIL
    assert "next x2" in checks["extraction.step"].detail
    assert "d next x2/d x3" in checks["extraction.jacobian"].detail


def test_layers_of_a_stack_read_the_new_state_below():
    one = Elman(w=np.zeros((1, 1)), w_in=np.ones((1, 1)))
    compiled = compile_model(
        Stack(layers=(one, one)),
        stimulus=PwlStimulus(times=np.zeros(1), values=np.ones((1, 1))),
        duration=2,
    )
    system = ClockedSystem(
        read_netlist(compiled.netlist),
        states=["x1", "x2"],
        inputs=["u1"],
        outputs=[],
        clock=compiled.state_map.clock,
    )
    found = system.steps(np.zeros((1, 2)), np.ones((1, 1))).x_next[0]
    np.testing.assert_allclose(found, [np.tanh(1), np.tanh(np.tanh(1))])
