"""Amplifiers inside of a realistic circuit stay within their supplies, or are named."""

import re

import numpy as np
import pytest
from random_models import random_cell, random_model

import rnn2circuit.flow.compile as compile_module
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow import compile_model, simulate, swing, verify_compiled
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.reading import read_circuit

TOO_MUCH = {"vccs": (1.5, r"x_deboo_1 .*12\.9 V.*10\.5 V; lower volts_per_unit, to 1\.1")}
TOO_MUCH |= {"gyrator": (1.5, r"x_gyr_1\.x_howland_2 .*15\.7 V.*to 0\.9 or less")}
MACRO = 1e-3  # of range, rms: level macro
PART = 1e-2  # of a voltage inside, between the formula and op-amps of finite gain and bandwidth


def model():
    return random_model("linear", 3, 1, 4)


@pytest.mark.parametrize("coupling", TOO_MUCH)
def test_an_amplifier_that_would_leave_its_supplies_is_refused_by_name(coupling):
    volts, message = TOO_MUCH[coupling]
    with pytest.raises(NotRealizableError, match=message):
        compile_model(model(), level="macro", coupling=coupling, volts_per_unit=volts)


def off(compiled):
    done = simulate(compiled)
    wanted = compiled.reference(np.minimum(done.t, compiled.reference.t_end))
    return float(
        np.sqrt(np.mean((done.x - wanted) ** 2, axis=0) / np.ptp(wanted, axis=0) ** 2).max()
    )


@pytest.mark.spice
@pytest.mark.parametrize("coupling", TOO_MUCH)
def test_what_is_refused_would_be_wrong_and_what_is_proposed_is_right(coupling, monkeypatch):
    volts, _ = TOO_MUCH[coupling]
    with pytest.raises(NotRealizableError) as refusal:
        compile_model(model(), level="macro", coupling=coupling, volts_per_unit=volts)
    proposed = float(re.search(r"to (\S+) or less", str(refusal.value))[1])
    assert (
        off(compile_model(model(), level="macro", coupling=coupling, volts_per_unit=proposed))
        < MACRO
    )
    monkeypatch.setattr(compile_module, "check_swing", lambda *_: ())
    assert (
        off(compile_model(model(), level="macro", coupling=coupling, volts_per_unit=volts))
        > 5 * MACRO
    )


@pytest.mark.spice
@pytest.mark.parametrize("strategy", ["balanced", "ladder", "minimum-noise"])
def test_the_states_that_a_strategy_makes_have_volts_of_their_own(strategy):
    network = random_model("linear", 4, 1, 9)  # whose new states are up to five times as large
    compiled = compile_model(network, level="macro", strategy=strategy)
    assert verify_compiled(compiled).passed
    volts = 6.0 * compiled.state_map.states[0].volts_per_unit
    with pytest.raises(NotRealizableError, match="lower volts_per_unit"):
        compile_model(network, level="macro", strategy=strategy, volts_per_unit=volts)


@pytest.mark.spice
@pytest.mark.parametrize("family", ["elman", "gru", "lem_cell"])
def test_amplifiers_of_a_clocked_cell_are_where_the_check_takes_them_to_be(family):
    compiled = compile_model(random_cell(family, 2, 1, 1), level="macro", duration=6.0)
    record, amplifiers = compiled.record, swing._amplifiers(compiled.realization.circuit)
    ports = set(record.state_map.ports)
    nets = [net for a in amplifiers for net, _ in a.sum if net not in ports]
    found = swing._voltages(
        read_circuit(compiled.netlist, record), record.state_map, compiled.reference, nets
    )
    run = waveforms(compiled, [f"v(x_dut.{net})" for net in nets])
    steps, period = np.arange(compiled.reference.n_steps), record.state_map.clock.period
    ends = np.concatenate([steps + 0.49, steps + 0.99]) * period  # of both phases
    for net, volts in zip(nets, found.T, strict=True):
        simulated = np.interp(ends, run.time, run.signals[f"v(x_dut.{net})"])
        assert np.abs(simulated - volts).max() < PART * np.abs(found).max(), net


def waveforms(compiled, saved):
    """Waveforms of nets inside of the circuit."""
    text = re.sub(r"^\.save .*$", ".save " + " ".join(saved), compiled.testbench, flags=re.M)
    main = f"{compiled.name}.tb.cir"
    deck = Deck(
        files={f"{compiled.name}.cir": compiled.netlist, main: text},
        main=main,
        signals=tuple(saved),
        t_stop=compiled.bench.transient.stop,
    )
    return Ngspice().run(deck, timeout=60)


@pytest.mark.spice
def test_the_outputs_of_a_gyrator_are_where_the_check_takes_them_to_be():
    compiled = compile_model(model(), level="macro", coupling="gyrator")
    circuit = compiled.realization.circuit
    found = [a for a in swing._amplifiers(circuit) if a.name.startswith("x_gyr_1.")]
    plates = sorted({net for a in found for net, _ in a.sum})
    inside = [f"v(x_dut.x_gyr_1.o{k})" for k in (1, 2)]
    saved = [*inside, *(f"v(x_dut.{net})" for net in plates)]
    waves = waveforms(compiled, saved).signals
    for name, amplifier in zip(inside, found, strict=True):
        wanted = sum(k * waves[f"v(x_dut.{net})"] for net, k in amplifier.sum)
        assert np.abs(waves[name] - wanted).max() < PART * np.abs(wanted).max()


@pytest.mark.parametrize("family", ["ctrnn", "hopfield", "ltc", "lem", "stc", "linear"])
def test_automatic_scaling_keeps_what_is_inside_within_the_supplies(family):
    for seed in (1, 2):
        made = random_model(family, 3, 1, seed, activations=("tanh", "logistic"))
        compiled = compile_model(made, level="macro")
        assert not [note for note in compiled.notes if "against the supplies" in note]


def test_a_text_that_is_not_understood_leaves_a_note():
    compiled = compile_model(model(), level="macro")
    (note,) = swing.check_swing(
        compiled.realization.circuit,
        compiled.netlist.replace("c_state_1", "y_state_1"),
        compiled.record,
        compiled.reference,
        Technology(),
    )
    assert note.startswith("voltages inside were not held against the supplies")
    ideal = compile_model(model())
    assert (
        swing.check_swing(
            ideal.realization.circuit, "", ideal.record, ideal.reference, Technology()
        )
        == ()
    )


@pytest.mark.parametrize("level", ["macro", "device"])
def test_parts_are_never_negative_whatever_the_signs_of_a_network(level):
    """Deboo's integrators take the leaks and weights that ask for negative resistors."""
    made = model()
    with pytest.raises(NotRealizableError, match="would be negative"):
        compile_model(made, coupling="gyrator", allow_negative=False)
    compiled = compile_model(
        made, level=level, coupling="gyrator", allow_negative=False, calibrated=False
    )
    assert compiled.record.negative_resistors == 0
    own = compiled.netlist.partition(".ends")[0].splitlines()
    assert min(float(line.split()[3]) for line in own if line.startswith("r_")) > 0
