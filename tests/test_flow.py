from dataclasses import replace

import numpy as np
import pytest
from random_models import FAMILIES, SMOOTH_BOUNDED, random_model

from rnn2circuit.errors import (
    CircuitError,
    ModelError,
    NotRealizableError,
    OutputError,
    SimulationError,
    SimulationTimeout,
    StimulusError,
    UsageError,
)
from rnn2circuit.flow import (
    Limits,
    adopt_netlist,
    compile_model,
    simulate,
    verify_compiled,
    verify_model,
)
from rnn2circuit.models import Ctrnn, Hopfield, Linear
from rnn2circuit.simulate.interface import Waveforms
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.stimulus import PwlStimulus, SineStimulus, hold_samples
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.evaluated import EVALUATED, check_evaluated

DEFAULT = 1e-4  # worst state at default accuracy, parts of range: five times the step's target
HIGH = 1e-6  # the same at --accuracy high


def figure(result, id):
    return next(c.value for c in result.report.checks if c.id == id)


@pytest.mark.spice
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ["rc", "rl"])
@pytest.mark.parametrize("coupling", ["vccs", "gyrator"])
def test_the_simulated_circuit_follows_the_ode(family, form, coupling):
    for seed in (0, 1):
        model = random_model(family, 4, 2, seed=seed, activations=SMOOTH_BOUNDED)
        result = verify_model(model, form=form, coupling=coupling)
        assert result.passed, result.report
        assert figure(result, "transient.states") <= DEFAULT
        assert figure(result, "transient.outputs") <= DEFAULT


@pytest.mark.spice
@pytest.mark.parametrize("family", FAMILIES)
def test_high_accuracy_brings_a_millionth_of_the_range(family):
    model = random_model(family, 3, 1, seed=3, activations=SMOOTH_BOUNDED)
    for form in ("rc", "rl"):
        result = verify_model(model, form=form, accuracy="high")
        assert result.passed, result.report
        assert figure(result, "transient.states") <= HIGH


@pytest.mark.spice
@pytest.mark.parametrize("activation", ["relu", "softplus", "identity", "logistic"])
def test_every_activation_simulates_as_its_model(activation):
    rng = np.random.default_rng(5)
    w = 0.4 * rng.normal(size=(3, 3))
    for model in (
        Ctrnn(rate=np.ones(3), w=w, w_in=np.ones((3, 1)), activation=activation),
        Hopfield(tau=np.ones(3), w=w, w_in=np.ones((3, 1)), activation=activation),
    ):
        result = verify_model(model)
        assert result.passed, result.report
        assert figure(result, "transient.states") <= DEFAULT


@pytest.mark.spice
def test_held_and_joined_samples_reach_the_circuit():
    rng = np.random.default_rng(2)
    model = random_model("ctrnn", 4, 2, seed=8, extras=False, activations=("tanh",))
    t, u = np.arange(20) * 0.5, rng.normal(size=(20, 2))
    for hold in ("zoh", "linear"):
        result = verify_model(model, stimulus=hold_samples(t, u, hold=hold))
        assert result.passed, result.report
        assert figure(result, "transient.states") <= DEFAULT


@pytest.mark.spice
def test_the_error_falls_fourfold_when_the_step_is_halved():
    # The trapezoidal rule is of second order in a circuit that realizes the ODE, and in no other.
    model = random_model("ctrnn", 4, 1, seed=1, extras=False, activations=("tanh",))
    errors = []
    for steps in (2000, 4000, 8000):
        duration = 8.0
        result = verify_model(model, duration=duration, step=duration / steps)
        errors.append(figure(result, "transient.states"))
    ratios = np.divide(errors[:-1], errors[1:])
    assert np.all((ratios > 3.5) & (ratios < 4.5)), errors


@pytest.mark.spice
def test_scaling_by_hand_changes_volts_and_seconds_but_not_the_answer():
    model = random_model("ltc", 3, 1, seed=6)
    result = verify_model(
        model, seconds_per_unit=1e-6, volts_per_unit=0.2, impedance=3e3, simulator="ngspice"
    )
    assert result.passed, result.report
    assert result.compiled.state_map.seconds_per_unit == 1e-6
    assert result.report.provenance.simulator == "ngspice"


@pytest.mark.spice
def test_an_oscillator_and_an_unstable_model_are_verified_too():
    ring = Linear(a=np.array([[0.0, 1.0], [-1.0, 0.0]]), x0=np.array([1.0, 0.0]))
    saddle = Linear(a=np.array([[0.5, 0.2], [0.1, -1.0]]), x0=np.array([0.1, 0.1]))
    for model in (ring, saddle):
        for form in ("rc", "rl"):
            for coupling in ("vccs", "gyrator"):
                result = verify_model(model, form=form, coupling=coupling)
                assert result.passed, result.report


@pytest.mark.spice
def test_a_network_at_rest_is_verified_and_the_report_says_what_that_is_worth():
    result = verify_model(Linear(a=-np.eye(2)))
    assert result.passed
    assert any("no state moves" in note for note in result.report.notes)


class Canned:
    """A simulator that answers with the reference, edited."""

    name = "canned"

    def __init__(self, edit):
        self.edit = edit

    def is_available(self):
        return True

    def version(self):
        return "1"

    def run(self, deck, *, timeout):
        return self.edit(deck)


def canned_run(compiled, distort=lambda t, x: x):
    t = np.linspace(0, compiled.duration, 4001)
    x = distort(t, compiled.reference(t))
    signals = {f"v({m.port})": x[:, k] for k, m in enumerate(compiled.state_map.states)}
    seconds = compiled.state_map.seconds_per_unit
    return Canned(
        lambda deck: Waveforms(
            time=t * seconds, signals=signals, simulator="canned", version="1", log="", warnings=()
        )
    )


def plain_model():
    return random_model("ctrnn", 3, 1, seed=2, extras=False, activations=("tanh",))


def test_waveforms_off_by_more_than_the_limit_fail_and_the_report_says_where():
    compiled = compile_model(plain_model())

    def bump(t, x):
        x = x.copy()
        x[2000, 1] += 0.01
        return x

    result = verify_compiled(compiled, simulator=canned_run(compiled, bump))
    assert result.verdict is Verdict.FAIL
    fault = next(c for c in result.report.checks if c.id == "transient.states")
    assert fault.detail.startswith("x2 at t = ")
    assert result.verdict.exit_code == 1


def test_a_slow_drift_that_hides_in_the_tube_is_seen_by_the_steps():
    compiled = compile_model(plain_model())

    def drift(t, x):
        return x + 5e-4 * np.ptp(x, axis=0) * (t / t[-1])[:, None]

    result = verify_compiled(compiled, simulator=canned_run(compiled, drift))
    verdicts = {c.id: c.verdict for c in result.report.checks}
    assert verdicts["transient.states"] is Verdict.PASS
    assert verdicts["transient.steps"] is Verdict.FAIL


def test_a_failing_simulator_is_an_error_and_never_a_pass():
    def crash(deck):
        raise SimulationError("Timestep too small")

    def hang(deck):
        raise SimulationTimeout("stopped after 60 s")

    for edit, verdict in ((crash, Verdict.ERROR), (hang, Verdict.TIMEOUT)):
        result = verify_model(plain_model(), simulator=Canned(edit))
        assert result.verdict is verdict
        assert result.simulation is None


def test_a_netlist_that_cannot_be_read_is_unverifiable_or_worse():
    compiled = compile_model(plain_model())
    text = compiled.netlist.replace("b_a_1 a1 0 v=tanh(", "b_a_1 a1 0 v=cosh(")
    from rnn2circuit.verify.equations import sha256_text

    broken = replace(
        compiled, netlist=text, record=replace(compiled.record, netlist_sha256=sha256_text(text))
    )
    result = verify_compiled(broken, simulator=canned_run(compiled))
    assert result.verdict is Verdict.UNVERIFIABLE
    assert "cosh" in next(c for c in result.report.checks if c.id == "extraction.f").detail


def test_limits_are_what_a_report_is_judged_by():
    compiled = compile_model(plain_model())
    strict = Limits(transient=0.0)
    result = verify_compiled(compiled, simulator=canned_run(compiled), limits=strict)
    assert {c.limit for c in result.report.checks if c.id == "transient.states"} == {0.0}
    assert dict(result.report.provenance.options)["limit_transient"] == "0.0"


FAULTS = [
    (lambda m: compile_model(m, name="../evil"), UsageError, "name must be 1 to 64 letters"),
    (lambda m: compile_model(m, name="a b"), UsageError, "name must be"),
    (lambda m: compile_model(m, form="lc"), UsageError, "form must be one of rc, rl, got 'lc'"),
    (lambda m: compile_model(m, coupling="x"), UsageError, "coupling must be one of"),
    (lambda m: compile_model(m, level="silicon"), UsageError, "level must be one of ideal, macro"),
    (lambda m: compile_model(m, accuracy="exact"), UsageError, "accuracy must be one of"),
    (lambda m: compile_model(m, amperes_per_unit=1e-3), UsageError, "belongs to form 'rl'"),
    (lambda m: compile_model(m, duration=-1.0), UsageError, "duration must be positive"),
    (lambda m: compile_model(m, step=0.0), UsageError, "step must be positive"),
    (lambda m: compile_model(m, duration=1.0, step=2.0), UsageError, "step must be shorter"),
    (lambda m: compile_model(m, impedance=0.0), NotRealizableError, "impedance must be positive"),
    (
        lambda m: compile_model(
            m, stimulus=PwlStimulus(times=np.arange(2.0), values=np.zeros((2, 3)))
        ),
        StimulusError,
        "the stimulus has 3 inputs, the model has 1",
    ),
    (
        lambda m: compile_model(Linear(a=np.eye(1), x0=np.ones(1)), duration=1e3),
        ModelError,
        "left|leaves|escape",
    ),
    (
        lambda m: compile_model(m, seconds_per_unit=1e-320),
        (CircuitError, NotRealizableError),
        "capacitance|positive",
    ),
    (lambda m: simulate(compile_model(m), timeout=-1), UsageError, "timeout must be positive"),
    (lambda m: verify_model(m, simulator="spice3"), UsageError, "spice3"),
]


@pytest.mark.parametrize(("make", "error", "message"), FAULTS)
def test_what_cannot_be_done_is_refused_with_its_reason(make, error, message):
    with pytest.raises(error, match=message):
        make(plain_model())


def test_a_directory_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError):
        compile_model(plain_model()).write(tmp_path / "out")


def test_compile_writes_three_files_that_belong_together(tmp_path):
    compiled = compile_model(plain_model(), name="net")
    paths = compiled.write(tmp_path / "deep" / "out")
    assert sorted(p.name for p in paths) == ["net.cir", "net.json", "net.tb.cir"]
    assert ".include net.cir\n" in (tmp_path / "deep/out/net.tb.cir").read_text()


def test_the_default_stimulus_moves_every_input_at_its_own_frequency():
    compiled = compile_model(random_model("linear", 3, 4, seed=0))
    assert isinstance(compiled.stimulus, SineStimulus)
    cycles = compiled.stimulus.frequency * compiled.duration
    assert len(set(cycles)) == 4
    assert cycles.min() > 1
    assert cycles.max() < 4


@pytest.mark.spice
@pytest.mark.parametrize("family", FAMILIES)
def test_the_simulator_evaluates_the_models_right_hand_side(family):
    worst = 0.0
    for seed in range(4):
        form, coupling = ("rc", "rl")[seed % 2], ("vccs", "gyrator")[seed // 2]
        model = random_model(family, 3 + seed, 2, seed=seed)
        compiled = compile_model(
            model, form=form, coupling=coupling, volts_per_unit=0.7, duration=1.0
        )
        check = evaluated(compiled, Ngspice())
        assert check.verdict is Verdict.PASS, check
        worst = max(worst, check.value)
    print(f"{family}: simulator's right-hand side off by {worst:.1e}")
    assert worst <= EVALUATED


def evaluated(compiled, simulator, text=None):
    return check_evaluated(
        compiled.netlist if text is None else text,
        compiled.record,
        compiled.model,
        simulator,
        seed=1,
        timeout=30,
    )


@pytest.mark.spice
def test_a_wrong_weight_shows_in_the_simulators_right_hand_side():
    compiled = compile_model(plain_model())
    line = next(x for x in compiled.netlist.splitlines() if x.startswith("g_w_1_2 "))
    wrong = line.rsplit(" ", 1)[0] + " " + repr(1.001 * float(line.rsplit(" ", 1)[1]))
    check = evaluated(compiled, Ngspice(), compiled.netlist.replace(line, wrong))
    assert check.verdict is Verdict.FAIL
    assert check.detail.startswith("d x1/dt")


class Measuring(Canned):
    def measure(self, deck, *, timeout):
        return self.edit(deck)


def test_an_operating_point_that_fails_is_no_pass():
    def crash(deck):
        raise SimulationError("singular")

    def hang(deck):
        raise SimulationTimeout("stopped")

    compiled = compile_model(plain_model())
    assert evaluated(compiled, Measuring(crash)).verdict is Verdict.ERROR
    assert evaluated(compiled, Measuring(hang)).verdict is Verdict.TIMEOUT
    text = compiled.netlist.replace("tanh(", "cosh(")
    assert evaluated(compiled, Measuring(crash), text).verdict is Verdict.UNVERIFIABLE


def test_the_report_says_where_the_simulator_was_not_asked():
    compiled = compile_model(plain_model())
    result = verify_compiled(compiled, simulator=canned_run(compiled))
    assert "its own right-hand side was not checked" in result.report.notes[0]
    assert "simulator.f" not in [c.id for c in result.report.checks]


@pytest.mark.spice
def test_ltc_waveforms_keep_the_bounds_of_states_and_time_constants():
    # Hasani et al. (2018), theorems 1 and 2; bounds per neuron hold without gap junctions.
    for seed in range(3):
        model = replace(random_model("ltc", 4, 1, seed=seed, extras=False), g_gap=None)
        model = replace(model, x0=model.e_leak)
        x = simulate(compile_model(model)).x
        potentials = [model.e_leak[:, None], np.where(model.g_syn > 0, model.e_rev, np.nan)]
        potentials.append(np.where(model.g_syn_in > 0, model.e_rev_in, np.nan))
        stacked = np.hstack(potentials)
        assert np.all(x >= np.nanmin(stacked, axis=1) - DEFAULT)
        assert np.all(x <= np.nanmax(stacked, axis=1) + DEFAULT)
        total = model.g_leak + model.g_syn.sum(1) + model.g_syn_in.sum(1)
        for state in x[:: len(x) // 20]:
            gates = model.g_syn / (1 + np.exp(-(model.slope * state + model.offset)))
            tau = model.c_m / (model.g_leak + gates.sum(1))
            assert np.all((tau >= model.c_m / total) & (tau <= model.c_m / model.g_leak))


@pytest.mark.spice
@pytest.mark.parametrize("family", ["lem", "lem_two_scale", "gru_ode"])
def test_gated_waveforms_that_start_inside_one_stay_there(family):
    # y' = a (s - y) with a >= 0 and |s| <= 1 cannot leave |y| <= 1.
    model = replace(random_model(family, 4, 2, seed=4, extras=False), x0=None)
    x = simulate(compile_model(model, accuracy="high")).x
    assert np.max(np.abs(x)) <= 1.0 + HIGH


@pytest.mark.spice
def test_the_energy_descends_on_the_circuits_waveform_without_transitions():
    model = random_model("energy", 7, 0, seed=1, extras=False)
    model = replace(model, phi=0 * model.phi, sigma_f="tanh", sigma_h="tanh", x0=np.ones(7))
    x = simulate(compile_model(model, accuracy="high")).x
    n_f, n_h = model.xi.shape
    f, h = x[:, :n_f], x[:, n_f : n_f + n_h]
    s, g = np.tanh(f), np.tanh(h)
    # Eq. 2 with the Lagrangians of tanh, L = sum log cosh.
    energy = (f * s - np.logaddexp(f, -f)).sum(1) + (h * g - np.logaddexp(h, -h)).sum(1)
    energy -= np.sqrt(model.alpha_s) * np.einsum("ki,ij,kj->k", s, model.xi, g)
    assert np.max(np.diff(energy)) <= HIGH * np.ptp(energy)


@pytest.mark.spice
@pytest.mark.parametrize("size", [(3, 1), (2, 2)])
def test_a_netlist_whose_ports_do_not_fit_the_model_fails_and_is_not_simulated(size):
    n, m = size
    compiled = compile_model(Linear(a=-np.eye(2), b=np.ones((2, 1))))
    other = Linear(a=-np.eye(n), b=np.ones((n, m)))
    adopted = adopt_netlist(compiled.netlist, compiled.record, other, duration=1.0)
    result = verify_compiled(adopted)
    assert result.verdict is Verdict.FAIL
    assert "number of" in next(c.detail for c in result.report.checks if c.id == "identity")
    assert result.simulation is None
    assert "nothing was simulated" in result.report.notes[0]
