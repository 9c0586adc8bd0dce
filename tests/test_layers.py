"""Operating point, small signals, windows of chaotic networks, and the run with half the step."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import FAMILIES, random_model

from rnn2circuit import Ctrnn, Hopfield, Limits, Linear, compile_model, verify_compiled
from rnn2circuit.cli import main
from rnn2circuit.errors import SimulationError, SimulationTimeout
from rnn2circuit.flow.layers import compare_finer, with_half_step
from rnn2circuit.flow.run import simulate, simulated_meanwhile
from rnn2circuit.models.divergence import lyapunov_exponent
from rnn2circuit.models.reference import solve
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.stimulus import default_stimulus
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.operating import (
    check_operating_point,
    check_response,
    loops_have_resistance,
)
from rnn2circuit.verify.windows import check_extrapolated, check_windows, comparable_until

TIMEOUT = 60.0


def rest_and_response(compiled, simulator=None, text=None):
    simulator = Ngspice() if simulator is None else simulator
    arguments = (compiled.netlist if text is None else text, compiled.record, compiled.model)
    found = check_operating_point(*arguments, simulator, seed=1, timeout=TIMEOUT)
    if found is None or found[1] is None:
        return found, None
    return found, check_response(*arguments, simulator, found[1], timeout=TIMEOUT)


@pytest.mark.spice
@pytest.mark.parametrize("family", FAMILIES)
def test_the_circuit_rests_and_answers_as_the_network(family):
    answered = 0
    for seed, form in ((0, "rc"), (1, "rc"), (1, "rl")):
        compiled = compile_model(random_model(family, 4, 1 + seed, seed), form=form, duration=0.1)
        found, response = rest_and_response(compiled)
        if found is None:
            continue
        assert found[0].verdict is Verdict.PASS, found[0]
        assert found[0].value <= 1e-12
        if response is not None:
            assert response.verdict is Verdict.PASS, response
            assert response.value <= 1e-10
            answered += 1
    assert answered or family in ("energy",), family


@pytest.mark.spice
def test_one_weight_off_by_a_ten_thousandth_shows_in_the_response():
    compiled = compile_model(random_model("linear", 4, 1, 0), duration=0.1)
    line = next(ln for ln in compiled.netlist.splitlines() if ln.startswith("g_a_"))
    head, value = line.rsplit(" ", 1)
    text = compiled.netlist.replace(line, f"{head} {1.0001 * float(value)!r}")
    _, response = rest_and_response(compiled, text=text)
    assert response.verdict is Verdict.FAIL
    assert "from u" in response.detail
    assert "model" in response.detail


@pytest.mark.spice
def test_any_of_several_equilibria_is_right_and_is_named():
    flip_flop = Hopfield(
        tau=[1.0, 1.0], w=[[0.0, -3.0], [-3.0, 0.0]], activation="tanh", x0=[1.0, -1.0]
    )
    found, response = rest_and_response(compile_model(flip_flop, duration=0.1))
    assert found[0].verdict is Verdict.PASS
    assert "the network rests at" in found[0].detail
    assert "stable" in found[0].detail
    assert response is None  # nothing drives it


@pytest.mark.spice
def test_a_wrong_bias_leaves_a_rate_at_the_operating_point():
    model = Ctrnn(rate=[1.0], w=[[0.5]], bias=[0.3], activation="tanh")
    compiled = compile_model(model, duration=0.1)
    line = next(ln for ln in compiled.netlist.splitlines() if ln.startswith("i_bias"))
    head, value = line.rsplit(" ", 1)
    text = compiled.netlist.replace(line, f"{head} {1.01 * float(value)!r}")
    found, _ = rest_and_response(compiled, text=text)
    assert found[0].verdict is Verdict.FAIL
    assert "d x1/dt" in found[0].detail


def test_where_there_is_no_operating_point_there_is_no_check():
    integrator = Linear(a=[[0.0]], b=[[1.0]])
    found, _ = rest_and_response(compile_model(integrator, duration=0.1))
    assert found is None
    loops = compile_model(random_model("lem", 4, 1, 0), form="rl", duration=0.1)
    assert not loops_have_resistance(loops.netlist)
    assert rest_and_response(loops)[0] is None
    kink = compile_model(
        Ctrnn(rate=[1.0], w=[[0.5]], w_in=[[1.0]], activation="relu"), duration=0.1
    )
    assert not kink.model.is_smooth


class Broken:
    name = "broken"

    def __init__(self, error, *, until=0):
        self.error, self.left = error, until

    def is_available(self):
        return True

    def version(self):
        return "0"

    def run(self, deck, *, timeout):
        raise self.error

    def measure(self, deck, *, timeout):
        if self.left:
            self.left -= 1
            return Ngspice().measure(deck, timeout=timeout)
        raise self.error

    def sweep(self, deck, *, timeout):
        raise self.error


@pytest.mark.spice
@pytest.mark.parametrize(
    ("error", "verdict"),
    [(SimulationError("gone"), Verdict.ERROR), (SimulationTimeout("slow"), Verdict.TIMEOUT)],
)
def test_a_simulator_that_breaks_is_no_pass(error, verdict):
    compiled = compile_model(random_model("linear", 2, 1, 0), duration=0.5)
    found, _ = rest_and_response(compiled, Broken(error))
    assert (found[0].verdict, found[1]) == (verdict, None)
    _, response = rest_and_response(compiled, Broken(error, until=1))
    assert response.verdict is verdict
    run = simulate(compiled)
    half = with_half_step(compiled)
    with simulated_meanwhile(half, simulator=Broken(error), timeout=None) as finer:
        (check,) = compare_finer(run, finer, Limits(), [])
    assert (check.id, check.verdict) == ("transient.extrapolated", verdict)


@pytest.mark.spice
def test_two_runs_side_by_side_are_judged_each_by_itself(monkeypatch):
    compiled = compile_model(random_model("linear", 2, 1, 0), duration=0.5)
    real = Ngspice.run

    def run(self, deck, *, timeout):
        fine = f".tran {compiled.bench.transient.step!r} " not in deck.files[deck.main]
        if fine == spoilt:
            raise SimulationTimeout("slow")
        return real(self, deck, timeout=timeout)

    monkeypatch.setattr(Ngspice, "run", run)
    spoilt = True
    report = verify_compiled(compiled, simulator="ngspice").report
    verdicts = {check.id: check.verdict for check in report.checks}
    assert verdicts.pop("transient.extrapolated") is Verdict.TIMEOUT
    assert set(verdicts.values()) == {Verdict.PASS}
    assert report.verdict is Verdict.TIMEOUT
    spoilt = False
    report = verify_compiled(compiled, simulator="ngspice").report
    assert {c.id: c.verdict for c in report.checks}["transient.states"] is Verdict.TIMEOUT
    assert "transient.extrapolated" not in {c.id for c in report.checks}


def runs(compiled, text=None):
    record = compiled if text is None else replace(compiled, netlist=text)
    step = compiled.bench.transient.step / compiled.state_map.seconds_per_unit
    both = (simulate(c) for c in (record, record.with_step(step / 2)))
    return [(run.t, run.x) for run in both]


def extrapolated(compiled, coarse, fine, **changes):
    options = {"until": compiled.duration, "waveform_limit": 1e-3} | changes
    return check_extrapolated(coarse, fine, compiled.reference, **options)


@pytest.mark.spice
def test_half_the_step_takes_the_simulators_error_away_and_leaves_the_circuits():
    compiled = compile_model(random_model("ctrnn", 4, 1, 3, activations=("tanh",)))
    good = extrapolated(compiled, *runs(compiled))
    assert good.verdict is Verdict.PASS
    assert good.value <= 1e-6
    assert 3.5 <= float(good.detail.rsplit(" ", 1)[1]) <= 4.5  # second order
    line = next(ln for ln in compiled.netlist.splitlines() if ln.startswith("g_w_"))
    head, value = line.rsplit(" ", 1)
    text = compiled.netlist.replace(line, f"{head} {1.01 * float(value)!r}")
    bad = extrapolated(compiled, *runs(compiled, text))
    assert bad.verdict is Verdict.FAIL
    assert float(bad.detail.rsplit(" ", 1)[1]) < 1.5  # the error stays


@pytest.mark.spice
def test_a_step_too_coarse_to_tell_is_unverifiable():
    model = random_model("ctrnn", 4, 1, 3, activations=("tanh",))
    compiled = compile_model(model)
    check = extrapolated(compiled, *runs(compiled), waveform_limit=1e-5)
    assert check.verdict is Verdict.UNVERIFIABLE
    assert "give a smaller --step" in check.detail


def chaotic(n=24, seed=6):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(n, n)) * 6 / np.sqrt(n)
    return Hopfield(tau=np.ones(n), w=w, activation="tanh", x0=rng.normal(size=n))


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_that_come_to_rest_are_not_called_chaotic(family):
    model = random_model(family, 4, 1, 2)
    assert (
        lyapunov_exponent(solve(model, default_stimulus(model.n_inputs, duration=5.0), t_end=5.0))
        == 0.0
    )


def test_growth_that_the_solution_shares_is_not_chaos():
    unstable = Linear(a=[[0.5, 1.0], [-1.0, 0.5]], x0=[1e-3, 0.0])
    run = solve(unstable, default_stimulus(0, duration=12.0), t_end=12.0)
    assert lyapunov_exponent(run) == 0.0


def test_the_exponent_of_a_known_system_is_found():
    # In Lorenz's own form no family of ours fits; a rotation that stretches one axis does.
    model = Linear(a=np.diag([0.5, -1.0]), x0=[0.0, 1.0])
    run = solve(model, default_stimulus(0, duration=12.0), t_end=12.0)
    assert lyapunov_exponent(run) == pytest.approx(0.5, rel=0.1)


def test_large_networks_are_not_looked_at():
    model = Linear(a=np.diag(np.full(201, 0.5)), x0=np.zeros(201))
    run = solve(model, default_stimulus(0, duration=12.0), t_end=12.0)
    assert lyapunov_exponent(run) == 0.0


@pytest.mark.spice
def test_a_chaotic_network_is_judged_by_windows_and_passes():
    compiled = compile_model(chaotic(), duration=60.0)
    assert compiled.exponent > 0
    result = verify_compiled(compiled, quick=True)
    checks = {c.id: c for c in result.report.checks}
    assert result.passed, result.report
    assert checks["transient.windows"].value <= 1e-3
    assert any("neighbouring solutions part" in note for note in result.report.notes)
    run = result.simulation
    # The whole waveform is no test: it has parted long before the end.
    assert np.abs(run.x - compiled.reference(run.t)).max() > 0.1
    # A circuit that obeys another equation shows in a window.
    other = replace(compiled.model, w=compiled.model.w * np.where(np.eye(24, k=3), 1.05, 1.0))
    wrong = replace(compiled.reference, model=other)
    bad = check_windows(run.t, run.x, wrong, exponent=compiled.exponent)
    assert bad.verdict is Verdict.FAIL


def test_waveforms_are_comparable_for_the_logarithm_of_what_is_allowed():
    run = solve(chaotic(4), default_stimulus(0, duration=50.0), t_end=50.0)
    assert comparable_until(run, 0.0, limit=1e-3, defect=1e-5) == 50.0
    assert comparable_until(run, 0.5, limit=1e-3, defect=1e-5) == pytest.approx(np.log(100))
    assert comparable_until(run, 0.5, limit=1e-3, defect=1e-2) == 1.0
    assert comparable_until(run, 1e-3, limit=1e-3, defect=1e-5) == 50.0


@pytest.mark.spice
def test_quick_leaves_layers_out_and_says_so(tmp_path, capsys):
    from rnn2circuit import save

    save(random_model("linear", 2, 1, 0), tmp_path / "m.npz")
    assert main(["verify", str(tmp_path / "m.npz"), "--quick"]) == 0
    out = capsys.readouterr().out
    assert "asked to be quick" in out
    assert "transient.extrapolated" not in out
    assert main(["verify", str(tmp_path / "m.npz"), "--limit-response", "1e-18"]) == 1
    out = capsys.readouterr().out
    assert "FAIL ac.response" in out
    assert "operating.point" in out
    assert "transient.extrapolated" in out
