"""Level macro: every family with op-amps, OTAs and multipliers, proved from the emitted text."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from random_models import CELLS, FAMILIES, random_cell, random_model

from rnn2circuit.circuit.banks import SigmoidStages
from rnn2circuit.circuit.circuit import CircuitBuilder, counting
from rnn2circuit.devices.technology import Multiplier, OpAmp, Ota, Technology
from rnn2circuit.errors import CircuitError, NotRealizableError, UnverifiableError, UsageError
from rnn2circuit.flow import (
    Values,
    adopt_netlist,
    compile_model,
    simulate,
    usual_limits,
    verify_compiled,
    verify_model,
)
from rnn2circuit.flow.layers import read_back
from rnn2circuit.lowering.dataflow import read_dataflow
from rnn2circuit.models import Ctrnn, Elman, Hopfield, Linear, Lrc
from rnn2circuit.statemap import map_from_json
from rnn2circuit.synthesis.scaling import FORMS
from rnn2circuit.synthesis.topology import COUPLINGS, INPUT_COUPLINGS
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations
from rnn2circuit.verify.netlist import Netlist
from rnn2circuit.verify.parts import place, supply
from rnn2circuit.verify.steps import check_step

EXACT = 1e-9  # of the equations read with ideal parts, as at level ideal
MACRO = 1e-3  # of range: what op-amps of 3 MHz cost at a time constant of a millisecond
BUILDABLE = [family for family in FAMILIES if family != "gated"]
SATURATING = ("tanh", "logistic")


def drawn(family, seed, n=3):
    if family in CELLS:
        return random_cell(family, n, 1, seed)
    return random_model(family, n, 1, seed, activations=SATURATING)


def proofs(compiled, text=None):
    """Checks of the text, read with ideal parts."""
    text = compiled.netlist if text is None else text
    check = check_step if compiled.state_map.clock else check_equations
    return check(text, compiled.record, compiled.model, seed=1, limit=EXACT)


@pytest.mark.parametrize("family", [*BUILDABLE, *(c for c in CELLS if c != "stack")])
@pytest.mark.parametrize("seed", range(4))
def test_the_text_of_every_family_holds_its_equations_to_the_last_digits(family, seed):
    compiled = compile_model(drawn(family, seed, n=2 + seed), level="macro")
    found = proofs(compiled)
    assert len(found) >= 5
    assert [c for c in found if c.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("family", BUILDABLE)
def test_simulated_macro_circuits_follow_their_odes(family):
    compiled = compile_model(drawn(family, 0), level="macro")
    run = simulate(compiled, simulator="ngspice")
    error = np.abs(run.x - compiled.reference(np.minimum(run.t, compiled.reference.t_end)))
    assert np.max(error / compiled.reference.range) < MACRO


@pytest.mark.parametrize("family", ["elman", "gru"])
def test_clocked_macro_circuits_hold_the_programs_states(family):
    result = verify_model(drawn(family, 2), level="macro", simulator="ngspice", duration=12)
    held = next(c for c in result.report.checks if c.id == "transient.states")
    assert held.verdict is Verdict.PASS
    assert held.limit == MACRO


def neuron(**changes):
    model = Ctrnn(
        rate=np.ones(2),
        w=np.array([[0.0, 2.0], [-1.5, 0.5]]),
        w_in=np.array([[1.0], [-0.5]]),
        bias=np.array([0.2, -0.1]),
        x0=np.array([0.5, -0.25]),
    )
    return replace(model, **changes)


def test_a_ctrnn_costs_one_ota_and_one_follower_per_neuron():
    counts = dict(compile_model(neuron(), level="macro").record.element_counts)
    weights = 3 + 2 + 2  # of states, inputs and biases that are not zero
    # Per neuron besides: two legs, a bias resistor and a leak.
    assert counts == {"Capacitors": 2, "Otas": 2, "OpAmps": 2, "Resistors": weights + 2 * 4}


def test_weights_of_both_signs_into_a_state_cost_one_opamp_and_no_negative_resistor():
    model = Linear(a=np.array([[0.5, -2.0], [2.0, -0.1]]), b=np.array([[1.0], [0.0]]))
    compiled = compile_model(model, level="macro")
    assert dict(compiled.record.element_counts)["OpAmps"] == 4
    assert compiled.record.negative_resistors == 0
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))


def test_what_resistors_cannot_sum_an_opamp_sums_and_a_note_says_so():
    compiled = compile_model(neuron(w=np.array([[0.0, 300.0], [-200.0, 0.5]])), level="macro")
    assert "an op-amp sums them first" in " ".join(compiled.notes)
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))


def test_a_weight_that_is_rounding_is_no_resistor():
    compiled = compile_model(neuron(w=np.array([[0.0, 2.0], [-1.5, 1e-17]])), level="macro")
    assert dict(compiled.record.element_counts)["Resistors"] == 2 + 2 + 2 + 2 * 4


def test_supplies_are_the_last_ports_and_stand_in_the_map():
    compiled = compile_model(neuron(), level="macro", technology=Technology(reference=5.0))
    ports = map_from_json(compiled.map_json).state_map
    assert ports.ports == ("u1", "x1", "x2", "vcc", "vee", "vref")
    assert [(s.port, s.voltage) for s in ports.supplies] == [
        ("vcc", 12.0),
        ("vee", -12.0),
        ("vref", 5.0),
    ]
    assert "v_vref vref 0 5.0" in compiled.testbench
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))


def test_the_budget_has_one_part_per_level():
    result = verify_model(neuron(), level="macro", simulator="ngspice")
    parts = [part.id for part in result.report.budget.parts]
    assert parts == ["program_vs_ode", "ode_vs_ideal", "ideal_vs_macro", "ode_vs_circuit"]
    figures = {part.id: part.states.largest for part in result.report.budget.parts[1:]}
    assert figures["ode_vs_ideal"] < figures["ideal_vs_macro"] < MACRO
    assert figures["ode_vs_circuit"] <= figures["ode_vs_ideal"] + figures["ideal_vs_macro"]
    assert "ideal parts" in " ".join(result.report.notes)


def test_bandwidth_is_what_macro_circuits_lose_most_by():
    errors = []
    for bandwidth in (1e5, 1e6, 1e7):
        technology = Technology(opamp=OpAmp(bandwidth=bandwidth))
        result = verify_compiled(
            compile_model(neuron(), level="macro", technology=technology, seconds_per_unit=1e-3),
            simulator="ngspice",
        )
        errors.append(next(c.value for c in result.report.checks if c.id == "transient.states"))
    assert errors[0] > 5 * errors[1] > 10 * errors[2]


def faults(text):
    """The text with one fault each: a value off by a percent, a part gone, pins exchanged."""
    lines = text.split("\n")
    end = next(k for k, line in enumerate(lines) if line.startswith(".ends"))
    for k, line in enumerate(lines[:end]):
        fields = line.split()
        if line.startswith(("r_", "c_")):
            yield k, " ".join([*fields[:3], repr(float(fields[3]) * 1.01), *fields[4:]])
        if line.startswith("r_"):
            yield k, ""
        if fields and fields[-1] == "r2c_ota":
            yield k, " ".join([fields[0], fields[2], fields[1], *fields[3:]])
            yield k, " ".join([*fields[:4], "0", *fields[5:]])
        if fields and fields[-1] == "r2c_multiplier":
            yield k, " ".join([fields[0], fields[2], fields[1], *fields[3:]])
            yield k, " ".join([*fields[:6], "vref", *fields[7:]])
        if fields and fields[-1] == "r2c_opamp":
            yield k, " ".join([*fields[:2], "vref", *fields[3:]])


@pytest.mark.parametrize("family", ["linear", "hopfield", "lem", "lrc", "gru"])
def test_every_single_fault_in_the_text_is_caught_without_a_simulator(family):
    compiled = compile_model(drawn(family, 1, n=2), level="macro")
    lines = compiled.netlist.split("\n")
    count, missed = 0, []
    for k, faulty in faults(compiled.netlist):
        text = "\n".join([*lines[:k], faulty, *lines[k + 1 :]])
        record = replace(compiled.record, netlist_sha256="")
        checks = proofs(replace(compiled, record=record), text)
        count += 1
        verdicts = {c.verdict for c in checks if c.id != "identity"} or {Verdict.FAIL}
        if verdicts == {Verdict.PASS}:
            missed.append((lines[k], faulty))
    assert count > 40
    assert missed == []


REFUSALS = [
    (
        lambda: compile_model(drawn("gated", 0), level="macro"),
        NotRealizableError,
        "no realistic stage with the characteristic 'linoid'",
    ),
    (
        lambda: compile_model(neuron(activation="relu"), level="macro"),
        NotRealizableError,
        "no realistic stage with the characteristic 'relu'",
    ),
    (
        lambda: compile_model(drawn("linear", 0), level="macro", form="rl", coupling="gyrator"),
        NotRealizableError,
        "no realistic part for SeriesTransresistances",
    ),
    (
        lambda: compile_model(neuron(), level="macro", form="rl", seconds_per_unit=10.0),
        NotRealizableError,
        "needs an inductor of",
    ),
    (
        lambda: compile_model(Linear(a=-np.eye(2) + 0.1), level="macro", coupling="transformer"),
        NotRealizableError,
        "no realistic part for Transformers",
    ),
    (
        lambda: compile_model(neuron(), level="macro", volts_per_unit=50.0),
        NotRealizableError,
        "lower volts_per_unit",
    ),
    (
        lambda: compile_model(neuron(), level="macro", impedance=100.0, seconds_per_unit=1e-4),
        NotRealizableError,
        "an OTA takes 0.002 A",
    ),
    (
        lambda: compile_model(neuron(), level="macro", seconds_per_unit=1e-10),
        NotRealizableError,
        "for which op-amps of 5e[+]06 Hz are slow",
    ),
    (
        lambda: compile_model(neuron(), level="macro", technology=Technology(largest_resistor=1e4)),
        NotRealizableError,
        "needs a resistor of",
    ),
    (lambda: Technology(swing=11.0), UsageError, "swing must be below supply less headroom"),
    (lambda: OpAmp(gain=0.0), UsageError, "OpAmp gain must be positive and finite"),
    (lambda: Ota(offset=np.nan), UsageError, "Ota offset must be finite"),
    (lambda: Multiplier(unit=-1.0), UsageError, "Multiplier unit must be positive"),
]


@pytest.mark.parametrize(("attempt", "error", "message"), REFUSALS)
def test_what_no_parts_realize_is_refused(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()


@pytest.mark.parametrize("family", ["linear", "ctrnn", "ltc", "lem", "energy"])
def test_currents_as_states_are_inductors_with_opamps(family):
    compiled = compile_model(drawn(family, 0), level="macro", form="rl")
    counts = dict(compiled.record.element_counts)
    assert counts["Inductors"] == compiled.model.n_states
    assert "Capacitors" not in counts
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))


def test_a_loop_without_a_resistance_of_its_own_is_sensed_on_another():
    model = Linear(a=np.array([[0.0, -1.0], [1.0, 0.5]]), x0=np.array([0.1, 0.0]))
    compiled = compile_model(model, level="macro", form="rl", duration=3.0, seconds_per_unit=0.02)
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))
    run = simulate(compiled, simulator="ngspice")
    assert run.t[0] > 0  # what op-amps do until they have found their voltages is left out
    error = np.abs(run.x - compiled.reference(np.minimum(run.t, 3.0)))
    assert np.max(error / compiled.reference.range) < MACRO


def test_gyrators_stay_gyrators_of_two_current_sources():
    model = Linear(
        a=np.array([[-1.0, 2.0, 0.3], [-2.0, -1.0, 0.3], [0.3, 0.3, -1.0]]),
        x0=np.array([1.0, 0.0, 0.0]),
    )
    compiled = compile_model(model, level="macro", coupling="gyrator", duration=5.0)
    counts = dict(compiled.record.element_counts)
    assert counts["ActiveGyrators"] == 1
    assert counts["OpAmps"] == 3  # followers alone: ties and leaks are positive resistors
    assert all(c.verdict is Verdict.PASS for c in proofs(compiled))
    run = simulate(compiled, simulator="ngspice")
    error = np.abs(run.x - compiled.reference(np.minimum(run.t, 5.0)))
    assert np.max(error / compiled.reference.range) < MACRO


def test_a_supply_that_is_no_number_is_refused():
    text = compile_model(neuron(), level="macro").map_json
    with pytest.raises(CircuitError, match=r"supplies\[0\] must hold name, port and voltage"):
        map_from_json(text.replace('"voltage": 12.0', '"voltage": "much"'))
    with pytest.raises(CircuitError, match="voltage of vcc must be finite"):
        map_from_json(text.replace('"voltage": 12.0', '"voltage": 1e999'))
    with pytest.raises(CircuitError, match="'supplies' must be a list"):
        map_from_json(re.sub(r'"supplies": \[.*?\]', '"supplies": 3', text, flags=re.DOTALL))


def test_parts_with_wrong_pins_are_not_read():
    netlist = Netlist()
    with pytest.raises(UnverifiableError, match="r2c_opamp has 5 pins, got 3"):
        place(netlist, "x_1 a b c r2c_opamp")
    place(netlist, "x_1 a b c vcc vee r2c_opamp")
    with pytest.raises(UnverifiableError, match="'x_1' is there twice"):
        place(netlist, "x_1 a b c vcc vee r2c_opamp")
    place(netlist, "x_2 a b vcc vee r2c_gyrator r=1000.0")
    with pytest.raises(UnverifiableError, match="r2c_gyrator has 4 pins, got 3"):
        place(netlist, "x_3 a b vcc r2c_gyrator r=1000.0")
    with pytest.raises(UnverifiableError, match="resistance must be positive"):
        place(netlist, "x_3 a b vcc vee r2c_gyrator r=-1.0")
    with pytest.raises(UnverifiableError, match="expected the supplies"):
        supply(netlist, {"vdd": 5.0})


def test_a_stage_that_feeds_itself_without_a_capacitor_is_refused():
    b = CircuitBuilder()
    a, c = b.net("a"), b.net("c")
    for stem, out, control in (("p", a, c), ("q", c, a)):
        b.add(
            SigmoidStages(
                stem=stem,
                index=counting(1),
                meaning="a loop",
                out=np.array([out]),
                control=np.array([control]),
                activation="tanh",
            )
        )
    with pytest.raises(NotRealizableError, match="depends on itself"):
        read_dataflow(b.build(ports=[a]))


def test_one_elman_cell_and_one_hopfield_network_by_hand():
    cell = Elman(w=np.array([[0.5]]), w_in=np.array([[1.0]]), x0=np.array([0.1]))
    memory = Hopfield(tau=np.ones(2), w=np.array([[0.0, 2.0], [2.0, 0.0]]))
    for model in (cell, memory):
        assert all(c.verdict is Verdict.PASS for c in proofs(compile_model(model, level="macro")))


def test_both_elastances_are_multipliers_and_the_variable_capacitor_has_no_part():
    model = drawn("lrc", 1)
    assert isinstance(model, Lrc)
    counts = dict(compile_model(model, level="macro").record.element_counts)
    assert counts["Multipliers"] == 2 * model.n_states
    with pytest.raises(NotRealizableError, match="no realistic part for VariableCapacitors"):
        compile_model(model, level="macro", capacitance="variable")


def test_preferred_values_are_verified_against_what_they_cost():
    model = neuron()
    result = verify_model(model, level="macro", values=Values(round="E24"), simulator="ngspice")
    assert result.passed
    record = map_from_json(result.compiled.map_json)
    assert record.preferred == "E24"
    limits = {c.id: c.limit for c in result.report.checks}
    assert limits["transient.states"] == 10 * MACRO
    assert "extraction.jacobian" not in limits
    off = next(c.value for c in result.report.checks if c.id == "extraction.f")
    assert EXACT < off < 0.05
    with pytest.raises(CircuitError, match="'preferred' must be text"):
        map_from_json(result.compiled.map_json.replace('"E24"', "24"))


def edited(compiled, pattern, replacement, **changes):
    """As a netlist that someone edited, and a map of which fields were changed."""
    text, count = re.subn(pattern, replacement, compiled.netlist, count=1, flags=re.MULTILINE)
    assert count == 1
    return adopt_netlist(text, replace(compiled.record, **changes), compiled.model)


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (r"^(x_follow_1 .*) vcc vee", r"\1 vee vcc", "supply pins at vee vcc, expected vcc vee"),
        (r"^(x_follow_1 .*) vcc vee", r"\1 0 0", "supply pins at 0 0"),
        (r"^(x_stage_1 .*)$", r"\1 ge=1e-4", "x_stage_1 is given ge=0.0001, an error"),
        (r"^(x_stage_1 .*)$", r"\1 vos=1e-5", "x_stage_1 is given vos=1e-05"),
    ],
)
def test_what_the_equations_of_ideal_parts_do_not_see_is_a_finding(pattern, replacement, said):
    compiled = compile_model(drawn("ctrnn", 2), level="macro", duration=0.1)
    (check,) = parts_check(compiled)
    assert check.verdict is Verdict.PASS
    (check,) = parts_check(edited(compiled, pattern, replacement))
    assert check.verdict is Verdict.FAIL
    assert said in check.detail
    (check,) = parts_check(edited(compiled, r"^(x_stage_1 \S+)", r"\1 \1"))
    assert check.verdict is Verdict.UNVERIFIABLE


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"10\.5\*tanh\(v\(x\)/10\.5\)", "2.5*tanh(v(x)/2.5)"),  # clips where no run went
        (r"^(\.subckt ctrnn_3 .*)$", r"\1\n.subckt r2c_opamp p n o vcc vee\ne_1 o 0 p 0 1\n.ends"),
        (r"^r_x x 0 .*$", "r_x x 0 1e8 ; half of the gain"),
    ],
)
def test_parts_that_someone_defined_otherwise_are_unverifiable(pattern, replacement):
    compiled = compile_model(drawn("ctrnn", 2), level="macro", duration=0.1)
    (check,) = parts_check(edited(compiled, pattern, replacement))
    assert check.verdict is Verdict.UNVERIFIABLE
    assert "the definitions of the parts are not those" in check.detail
    (check,) = parts_check(edited(compiled, r"^\* op-amp.*$", "* another remark"))
    assert check.verdict is Verdict.PASS


def parts_check(compiled):
    found = read_back(compiled, usual_limits(compiled), seed=1)
    return [check for check in found if check.id == "structure.parts"]


@pytest.mark.parametrize("claim", [{"level": "device"}, {"preferred": "E24"}])
def test_a_map_that_claims_what_loosens_limits_does_not_hide_a_fault(claim):
    compiled = compile_model(drawn("ctrnn", 2), level="macro", duration=0.1)
    line = next(line for line in compiled.netlist.splitlines() if line.startswith("r_pair_"))
    head, value = line.rsplit(" ", 1)
    wrong = edited(compiled, re.escape(line), f"{head} {1.05 * float(value)!r}", **claim)
    checks = read_back(wrong, usual_limits(wrong), seed=1)
    assert Verdict.FAIL in {check.verdict for check in checks}
    with pytest.raises(UsageError, match="series must be one of"):
        parts_check(replace(wrong, record=replace(wrong.record, preferred="E7")))
    ids = {"level": "extraction.f", "preferred": "structure.parts"}
    (check,) = (c for c in checks if c.id == ids[next(iter(claim))])
    assert check.verdict is Verdict.FAIL


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_every_form_and_input_has_parts_or_is_refused_in_words(coupling):
    model = random_model("linear", 3, 1, 2)
    made = 0
    for form, inputs in product(FORMS, INPUT_COUPLINGS):
        try:
            compiled = compile_model(
                model, level="macro", form=form, coupling=coupling, inputs_as=inputs, duration=1.0
            )
        except NotRealizableError:
            continue
        checks = check_equations(compiled.netlist, compiled.record, model, seed=1)
        assert all(check.verdict is Verdict.PASS for check in checks), (form, inputs, checks)
        made += 1
    assert made >= {"vccs": 4, "gyrator": 3, "rails": 3}.get(coupling, 0)


@pytest.mark.spice
@pytest.mark.parametrize("inputs", ["resistor", "gyrator"])
@pytest.mark.parametrize("family", ["linear", "ctrnn"])
def test_inputs_of_every_kind_drive_parts(family, inputs):
    model = random_model(family, 3, 2, 2, activations=("tanh",))
    compiled = compile_model(model, level="macro", inputs_as=inputs)
    assert verify_compiled(compiled).passed
