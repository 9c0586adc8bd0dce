import numpy as np
import pytest
from mutants import mutants
from random_models import FAMILIES, random_model

from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow import compile_model, verify_model
from rnn2circuit.linearize import linearize
from rnn2circuit.models import Ctrnn, Hopfield, Linear, Ltc
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.statemap import NetlistMap, scales, to_volts
from rnn2circuit.synthesis.realize import Realization, realize
from rnn2circuit.synthesis.scaling import Scaling, choose_scaling
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations, sha256_text
from rnn2circuit.verify.extraction import extract
from rnn2circuit.writers.ngspice import write_subcircuit

EXACT = 1e-9  # the promise to users
USUAL = 1e-11  # round-off of sums of a dozen terms, and of conductances that cancel
MIXED = 1e-10  # the same where rates of 1e5 mV/ms stand beside gate rates of 1e-2
FORMS = ("rc", "rl")
COUPLINGS = ("vccs", "gyrator")
MODELS_PER_FAMILY = 50
MUTANTS_PER_MODEL = 25


def sizes(k: int) -> tuple[int, int]:
    """n from 1 to 12 and m from 0 to 4, all of them."""
    return 1 + k % 12, (k // 3) % 5


def netlist(model: AbstractModel, form: str, coupling: str, volts=None) -> tuple[Realization, str]:
    scaling = choose_scaling(model, form=form, volts_per_unit=volts)
    made = realize(model, form=form, coupling=coupling, scaling=scaling)
    return made, write_subcircuit(made.circuit, name="dut", title=["rnn2circuit netlist"])


def extracted_rates(made: Realization, text: str, x, u):
    """dx/dt in model units, as read from the text."""
    ports = made.state_map
    system = extract(
        text,
        states=[m.port for m in ports.states],
        inputs=[m.port for m in ports.inputs],
        outputs=[m.port for m in ports.outputs],
    )
    rates = system.rates(to_volts(ports.states, x), to_volts(ports.inputs, u))
    outputs = rates.outputs / scales(ports.outputs)
    return rates.dv_dt / scales(ports.states) * ports.seconds_per_unit, outputs


@pytest.mark.parametrize("family", FAMILIES)
def test_the_netlist_holds_the_equations_of_random_models_in_every_form_and_coupling(family):
    worst = 0.0
    for k in range(MODELS_PER_FAMILY):
        n, m = sizes(k)
        model = random_model(family, n, m, seed=k)
        n, m = model.n_states, model.n_inputs
        rng = np.random.default_rng(k)
        x, u = rng.normal(size=(4, n)), rng.normal(size=(4, m))
        wanted, output = model.rhs(x, u), model.readout(x, u)
        for form in FORMS:
            for coupling in COUPLINGS:
                volts = (None, 0.3, 5.0)[k % 3]
                found, y = extracted_rates(*netlist(model, form, coupling, volts), x, u)
                scale = np.abs(wanted).max(axis=0)
                error = float(
                    np.max(np.abs(found - wanted) / np.maximum(scale, 1e-6 * scale.max()))
                )
                error = max(error, float(np.max(np.abs(y - output)) / np.abs(output).max()))
                assert error <= EXACT, (k, form, coupling)
                worst = max(worst, error)
    print(f"{family}: worst extraction error {worst:.1e}")
    assert worst <= (MIXED if family == "gated" else USUAL)


@pytest.mark.parametrize("family", FAMILIES)
def test_voltage_and_current_form_have_the_same_dynamics(family):
    for seed in range(5):
        model = random_model(family, 5, 2, seed=100 + seed)
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=(6, model.n_states)), rng.normal(size=(6, model.n_inputs))
        voltage, _ = extracted_rates(*netlist(model, "rc", "vccs"), x, u)
        current, _ = extracted_rates(*netlist(model, "rl", "vccs"), x, u)
        np.testing.assert_allclose(current, voltage, rtol=USUAL, atol=USUAL * np.abs(voltage).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_single_fault_is_caught_and_no_original_is_accused(family):
    escaped, count = [], 0
    for k, (form, coupling) in enumerate((f, c) for f in FORMS for c in COUPLINGS):
        for seed in (0, 1):
            model = random_model(family, 3, 2, seed=k + 10 * seed)
            compiled = compile_model(model, form=form, coupling=coupling, duration=1.0)
            original = check_equations(compiled.netlist, compiled.record, model, seed=1)
            assert all(c.verdict is Verdict.PASS for c in original), original
            for what, text in mutants(compiled.netlist, MUTANTS_PER_MODEL, seed=seed):
                count += 1
                checks = check_equations(text, renamed(compiled.record, text), model, seed=1)
                if all(c.verdict is Verdict.PASS for c in checks):
                    escaped.append((form, coupling, what))
    print(f"{family}: {count - len(escaped)} of {count} mutants caught")
    assert not escaped


def renamed(record: NetlistMap, text: str) -> NetlistMap:
    """The map as if the faulty netlist had been written with it."""
    from dataclasses import replace

    return replace(record, netlist_sha256=sha256_text(text))


def test_a_wrong_weight_is_named_by_row_and_column():
    model = random_model("ctrnn", 4, 1, seed=3, extras=False, activations=("tanh",))
    compiled = compile_model(model)
    line = next(x for x in compiled.netlist.splitlines() if x.startswith("g_w_3_2 "))
    wrong = line.rsplit(" ", 1)[0] + " " + repr(-float(line.rsplit(" ", 1)[1]))
    text = compiled.netlist.replace(line, wrong)
    checks = check_equations(text, renamed(compiled.record, text), model, seed=0)
    fault = next(c for c in checks if c.id == "extraction.jacobian")
    assert fault.verdict is Verdict.FAIL
    assert "d x3'/d x2" in fault.detail
    assert "opposite sign" in fault.detail
    assert "_3_2" in fault.detail


def test_a_netlist_or_map_of_another_model_is_refused_by_fingerprint():
    model = random_model("linear", 3, 1, seed=1)
    other = random_model("linear", 3, 1, seed=2)
    compiled = compile_model(model)
    (check,) = check_equations(compiled.netlist, compiled.record, other, seed=0)
    assert (check.id, check.verdict) == ("identity", Verdict.FAIL)
    assert "weights_sha256" in check.detail
    (check,) = check_equations(compiled.netlist + "* \n", compiled.record, model, seed=0)
    assert "netlist_sha256" in check.detail


def counts(model, form="rc", coupling="vccs"):
    made, _ = netlist(model, form, coupling)
    return made.circuit.element_counts()


def test_a_linear_network_has_one_transconductance_per_nonzero_coupling():
    a = np.array([[-1.0, 2.0, 0.0], [0.0, -1.0, 0.5], [0.0, 0.0, -2.0]])
    found = counts(Linear(a=a, b=np.array([[1.0], [0.0], [3.0]])))
    assert found == {"Capacitors": 3, "Resistors": 3, "Transconductances": 4}


def test_the_gyrator_coupling_has_one_resistor_and_one_gyrator_per_pair():
    rng = np.random.default_rng(0)
    n = 6
    found = counts(Linear(a=rng.normal(size=(n, n))), coupling="gyrator")
    pairs = n * (n - 1) // 2
    assert found == {"Capacitors": n, "Resistors": pairs + n, "Gyrators": pairs}


@pytest.mark.spice
def test_weights_that_training_left_at_nothing_have_no_element_and_are_told():
    model = Ctrnn(
        rate=np.ones(2), w=np.array([[0.5, 1e-60], [0.2, 0.5]]), w_in=np.array([[1.0], [4e-58]])
    )
    for options in ({}, {"form": "rl"}, {"inputs_as": "resistor"}):
        result = verify_model(model, quick=True, **options)
        assert result.passed, result.report
        assert any("left out" in note for note in result.compiled.notes)
    assert verify_model(linearize(model).model, form="rl", coupling="ccvs", quick=True).passed


def test_a_symmetric_matrix_needs_no_gyrator_and_a_skew_one_no_resistor():
    s = np.array([[-2.0, 0.5], [0.5, -2.0]])
    k = np.array([[0.0, 3.0], [-3.0, 0.0]])
    assert "Gyrators" not in counts(Linear(a=s), coupling="gyrator")
    assert counts(Linear(a=k), coupling="gyrator") == {"Capacitors": 2, "Gyrators": 1}
    assert "Gyrators" in counts(Linear(a=k), form="rl", coupling="gyrator")


def test_a_ctrnn_has_one_nonlinear_source_per_neuron():
    model = random_model("ctrnn", 9, 2, seed=4, extras=False, activations=("tanh",))
    for form in FORMS:
        for coupling in COUPLINGS:
            assert counts(model, form, coupling)["SigmoidStages"] == 9


def ltc(slope, offset) -> Ltc:
    n = 4
    ones = np.ones((n, n))
    return Ltc(
        c_m=np.ones(n),
        g_leak=np.ones(n),
        e_leak=np.zeros(n),
        g_syn=ones,
        slope=slope,
        offset=offset,
        e_rev=ones,
    )


def test_synapses_that_open_alike_share_a_gate():
    rng = np.random.default_rng(1)
    dense = ltc(rng.normal(size=(4, 4)), rng.normal(size=(4, 4)))
    assert counts(dense)["SigmoidStages"] == 16
    shared = ltc(np.tile(rng.normal(size=4), (4, 1)), np.tile(rng.normal(size=4), (4, 1)))
    assert counts(shared)["SigmoidStages"] == 4
    assert counts(shared)["Products"] == 4


def test_gap_junctions_are_resistors_between_membranes():
    gap = np.zeros((4, 4))
    gap[0, 2] = gap[2, 0] = 0.7
    model = ltc(np.ones((4, 4)), np.ones((4, 4)))
    from dataclasses import replace

    _, text = netlist(replace(model, g_gap=gap), "rc", "gyrator")
    assert any(line.startswith("r_gap_1_3 x1 x3 ") for line in text.splitlines())


def test_dead_neurons_and_unused_inputs_cost_nothing_and_still_verify():
    w = np.zeros((3, 3))
    w[0, 1] = 1.0
    w_in = np.zeros((3, 2))
    for model in (
        Ctrnn(rate=np.ones(3), gain=np.array([0.0, 1.0, -1.0]), w=w, w_in=w_in),
        Hopfield(tau=np.ones(3), w=w, w_in=w_in),
        Hopfield(tau=np.ones(3), w=0 * w),
        Linear(a=np.zeros((3, 3)), b=w_in),
    ):
        for form in FORMS:
            for coupling in COUPLINGS:
                compiled = compile_model(model, form=form, coupling=coupling)
                checks = check_equations(compiled.netlist, compiled.record, model, seed=0)
                assert all(c.verdict is Verdict.PASS for c in checks), checks


def test_automatic_scaling_lands_in_practical_ranges_whatever_the_time_unit():
    for family in FAMILIES:
        base = random_model(family, 6, 1, seed=7, extras=False)
        for form, low, high in (("rc", 1e-9, 1e-7), ("rl", 1e-3, 1e-1)):
            made, _ = netlist(base, form, "vccs")
            for bank in made.circuit.banks:
                values = getattr(bank, "capacitance", getattr(bank, "inductance", None))
                if values is not None:
                    assert values.min() > low
                    assert values.max() < high


def test_scaling_time_scales_the_rates_and_nothing_else():
    model = random_model("hopfield", 4, 1, seed=5)
    x, u = np.ones((1, 4)), np.ones((1, 1))
    scaled = []
    for seconds in (1e-3, 1e-6):
        scaling = choose_scaling(model, form="rc", seconds_per_unit=seconds)
        made = realize(model, form="rc", coupling="vccs", scaling=scaling)
        text = write_subcircuit(made.circuit, name="dut", title=["t"])
        scaled.append(extracted_rates(made, text, x, u)[0])
    np.testing.assert_allclose(scaled[0], scaled[1], rtol=USUAL)


def test_large_states_are_scaled_down_by_decades():
    model = Linear(a=-np.eye(2), x0=np.array([250.0, 0.0]))
    assert choose_scaling(model, form="rc").volts_per_unit == 0.01


@pytest.mark.parametrize("name", ["seconds_per_unit", "volts_per_unit", "impedance"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_not_a_positive_number_is_refused(name, value):
    good = {
        "seconds_per_unit": 1.0,
        "volts_per_unit": 1.0,
        "amperes_per_unit": 1.0,
        "impedance": 1.0,
    }
    with pytest.raises(NotRealizableError, match=f"{name} must be positive"):
        Scaling(**(good | {name: value}))
