"""Level device: parts of transistors, what calibration makes of them, and technology files."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit.cli import main
from rnn2circuit.demo import load_example
from rnn2circuit.devices.bipolar import GENERIC_NPN, bjt
from rnn2circuit.devices.calibration import Calibration, StageFit, uncalibrated
from rnn2circuit.devices.macromodels import MULTIPLIER, OPAMP, OTA, macro_library
from rnn2circuit.devices.technology import OpAmp, Ota, Technology
from rnn2circuit.devices.technology_file import read_technology
from rnn2circuit.devices.transistors import device_library
from rnn2circuit.errors import UsageError
from rnn2circuit.flow import compile_model, simulate
from rnn2circuit.flow.calibrate import calibrate, describe_calibration, fitted
from rnn2circuit.flow.prediction import predicted
from rnn2circuit.models import Ctrnn
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice

LIMIT = 1e-2  # of range, largest error of a calibrated circuit
PREDICTION = 3e-3  # of range, between fitted macromodels and transistors
ALIKE = 1e-3  # V, of 10 V, between the multiplier of transistors and its macromodel
UNUSUAL = 1e-4  # A: with more, base currents bend the tanh of a stage
SETTLED = 0.99  # of a clock period
ALL = frozenset({OPAMP, OTA, MULTIPLIER})
BOUNDED = ("tanh", "logistic")

spice = pytest.mark.spice


def errors(simulation):
    """Every state's error over time, in parts of its range."""
    reference, t, x = simulation.compiled.reference, simulation.t, simulation.x
    spread = np.maximum(reference.range, 1e-3 * reference.range.max())
    if isinstance(reference, Trajectory):
        at = np.arange(reference.n_steps) + SETTLED
        x = np.stack([np.interp(at, t, column) for column in x.T], axis=1)
        return np.abs(x - reference.states[1:]) / spread
    return np.abs(x - reference(np.minimum(t, reference.t_end))) / spread


def largest_error(compiled):
    return float(errors(simulate(compiled)).max())


def small(family):
    if family in ("elman", "gru", "lstm", "lem_cell", "lrcu", "energy_map"):
        return random_cell(family, 2, 1, 1)
    return random_model(family, 2, 1, 1, activations=BOUNDED)


# -- parts ---------------------------------------------------------------------------------------


@spice
def test_a_stage_of_transistors_is_tanh_once_its_gain_slope_and_offsets_are_known():
    calibration = calibrate(Technology())
    stages = (*calibration.driving, *calibration.loaded["tanh"], *calibration.loaded["logistic"])
    for stage in stages:
        if stage.bias <= UNUSUAL:
            assert 1e-2 < stage.error < 3e-2
            assert stage.residual < 3e-4
            assert abs(stage.gain - 1) < 3e-2
            assert abs(stage.input_offset) < 1e-4
    pins = [stage.pin_voltage for stage in calibration.driving]
    assert pins == sorted(pins)  # two junctions in series


def multiply(points, library):
    """Outputs of one multiplier for each of (x1, x2, y1, y2, z), in V."""
    lines = ["* multiplier", "v_cc vcc 0 12", "v_ee vee 0 -12"]
    for k, volts in enumerate(points):
        lines += [f"v_{pin}_{k} {pin}_{k} 0 {v!r}" for pin, v in zip("abcdz", volts, strict=True)]
        lines.append(f"x_{k} a_{k} b_{k} c_{k} d_{k} o_{k} z_{k} vcc vee {MULTIPLIER}")
    text = "\n".join([*lines, ".options itl1=1000", library, ".op", ".end", ""])
    wanted = tuple(f"v(o_{k})" for k in range(len(points)))
    found = Ngspice().measure(
        Deck(files={"m.cir": text}, main="m.cir", signals=wanted, t_stop=0.0), timeout=60
    )
    return np.array([found[name] for name in wanted])


@spice
def test_the_multiplier_of_transistors_has_four_quadrants_and_lets_nothing_through():
    rng = np.random.default_rng(5)
    points = [tuple(rng.uniform(-4, 4, 5).tolist()) for _ in range(30)]
    points += [(0.0, 0.0, 8.0, 0.0, 0.0), (8.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 5.0)]
    a, b, c, d, z = np.array(points).T
    out = multiply(points, device_library(Technology(), frozenset({MULTIPLIER})))
    wanted = (a - b) * (c - d) / 10
    assert np.abs(out - z - wanted)[:30].max() < 0.02 * 8 * 8 / 10  # a few percent of gain
    assert np.abs(out - z)[30:].max() < 3e-4  # V: both halves are alike
    gain = calibrate(Technology()).multiplier.gain
    assert np.abs(out - z - gain * wanted).max() < 3e-3 * 10


@spice
def test_the_macromodel_of_the_multiplier_does_what_its_transistors_do():
    rng = np.random.default_rng(6)
    points = [tuple((rng.uniform(-1, 1, 5) * (8, 1, 8, 1, 0.5)).tolist()) for _ in range(30)]
    made = fitted(Technology(), calibrate(Technology()))
    only = frozenset({MULTIPLIER})
    real = multiply(points, device_library(Technology(), only))
    assert np.abs(multiply(points, macro_library(made, only)) - real).max() < ALIKE
    straight = replace(made, multiplier=replace(made.multiplier, bend=0.0))
    assert np.abs(multiply(points, macro_library(straight, only)) - real).max() > 3 * ALIKE
    z = [(0.0, 0.0, 0.0, 0.0, volts) for volts in (-5.0, 5.0)]
    real = np.ptp(multiply(z, device_library(Technology(), only)))
    assert np.ptp(multiply(z, macro_library(made, only))) == pytest.approx(real, abs=5e-6)
    assert 10.0 - real > 4e-5  # V: the gain of an op-amp is finite


@spice
def test_errors_that_one_part_is_given_do_what_they_say():
    text = device_library(Technology(), frozenset({MULTIPLIER}))
    points = [(4.0, 0.0, 4.0, 0.0, 0.0)]
    good = multiply(points, text)[0]
    for change, shift in (("ge=0.01", 0.01 * good), ("zos=0.05", 0.05), ("xos=0.1", 0.04)):
        name = change.split("=")[0]
        off = multiply(points, text.replace(f"{name}=0.0", change))[0]
        assert off - good == pytest.approx(shift, rel=0.05)


@spice
def test_fitted_macromodels_do_what_the_transistors_do():
    technology = Technology()
    calibration = calibrate(technology)
    made = calibrate(fitted(technology, calibration), "macro")
    for want, got in zip(calibration.driving, made.driving, strict=True):
        if 1e-6 < want.bias <= UNUSUAL:
            assert got.gain == pytest.approx(want.gain, abs=3e-4)
            assert got.slope == pytest.approx(want.slope, abs=1e-3)
            assert got.output_offset == pytest.approx(want.output_offset, abs=1e-4)
            assert got.pin_voltage == pytest.approx(want.pin_voltage, abs=2e-3)
    for name, fits in calibration.loaded.items():
        for want, got in zip(fits, made.loaded[name], strict=True):
            assert got.gain == pytest.approx(want.gain, abs=1e-3)
            assert got.output_offset == pytest.approx(want.output_offset, abs=3e-4)


# -- circuits ------------------------------------------------------------------------------------


@spice
@pytest.mark.parametrize("family", ["ctrnn", "hopfield", "lem_two_scale", "energy", "ltc", "elman"])
def test_calibration_brings_a_circuit_of_transistors_within_its_limit(family):
    model = small(family)
    before = largest_error(compile_model(model, level="device", calibrated=False))
    after = largest_error(compile_model(model, level="device"))
    assert after < LIMIT
    assert after < 0.4 * before


@spice
def test_a_linear_network_has_no_transistors_and_is_as_right_as_its_op_amps():
    compiled = compile_model(small("linear"), level="device")
    assert largest_error(compiled) < 1e-3
    assert ".subckt r2c_ota" not in compiled.netlist


@spice
@pytest.mark.campaign
@pytest.mark.parametrize(
    "family",
    ["stc", "lrc", "lem", "gru_ode", "gru", "lstm", "lem_cell", "lrcu", "energy_map"],
)
def test_every_family_is_within_its_limit_with_transistors(family):
    assert largest_error(compile_model(small(family), level="device")) < LIMIT


@spice
@pytest.mark.parametrize("name", ["rnn_delay", "ctrnn_cycle", "hopfield_memory"])
def test_fitted_macromodels_predict_trained_networks_of_transistors(name):
    assert misprediction(load_example(name, level="device")) < PREDICTION


@spice
@pytest.mark.parametrize("family", ["lrc", "ltc", "stc", "lem_two_scale"])
def test_fitted_macromodels_predict_random_networks_of_transistors(family):
    assert misprediction(compile_model(small(family), level="device")) < PREDICTION


@spice
@pytest.mark.campaign
@pytest.mark.parametrize("name", ["ltc_signal", "lstm_denoise", "gru_xor"])
def test_fitted_macromodels_predict_trained_gates_of_transistors(name):
    compiled = load_example(name, level="device", duration=3.0)
    assert misprediction(compiled) < PREDICTION


def misprediction(compiled):
    """Largest distance between the transistors and their macromodels, in parts of the range."""
    real, model = simulate(compiled), simulate(predicted(compiled))
    assert errors(real).max() < LIMIT
    at = np.linspace(0.0, compiled.reference.t_end, 500)
    a, b = (
        np.stack([np.interp(at, run.t, column) for column in run.x.T], axis=1)
        for run in (real, model)
    )
    spread = compiled.reference.range
    return np.abs((a - b) / spread).max()


def test_only_transistors_are_predicted():
    compiled = compile_model(small("ctrnn"), level="macro")
    with pytest.raises(UsageError, match="level device, not macro"):
        predicted(compiled)


MUTANTS = {
    "the pair's inputs swapped": ("q_4 c4 n tail", "q_4 c4 pp tail", "q_5 c5 pp", "q_5 c5 n"),
    "a mirror that ends at the output": ("q_11 back c4 m2", "q_11 out c4 m2"),
    "the tail mirror of half the size": ("q_2 t1 t1 vee r2c_npn", "q_2 t1 t1 vee r2c_npn 2"),
}


@spice
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_among_the_transistors_of_a_stage_shows(mutant):
    compiled = compile_model(small("ctrnn"), level="device", duration=2.0)
    assert largest_error(compiled) < LIMIT
    netlist, changes = compiled.netlist, MUTANTS[mutant]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert netlist.count(old) == 1
        netlist = netlist.replace(old, new)
    assert largest_error(replace(compiled, netlist=netlist)) > 5 * LIMIT


@spice
def test_a_quad_with_two_collectors_swapped_shows():
    compiled = compile_model(small("ltc"), level="device", duration=1.0)
    assert largest_error(compiled) < LIMIT
    swapped = compiled.netlist.replace("q_q1 d pa", "q_q1 c pa").replace("q_q2 c pb", "q_q2 d pb")
    assert largest_error(replace(compiled, netlist=swapped)) > 5 * LIMIT


def neuron():
    return Ctrnn(rate=np.ones(1), gain=np.ones(1), w=[[0.5]], bias=[0.25], x0=[0.1])


def test_the_netlist_of_one_neuron_of_transistors_is_what_is_written_today(golden):
    compiled = compile_model(
        neuron(), name="ctrnn_1_device", level="device", calibrated=False, duration=5.0, step=0.01
    )
    golden("ctrnn_1_device.cir", compiled.netlist)
    golden("ctrnn_1_device.tb.cir", compiled.testbench)


def test_levels_differ_in_their_library_alone():
    macro = compile_model(neuron(), level="macro")
    device = compile_model(neuron(), level="device", calibrated=False)
    circuits = [
        re.search(r"\.subckt ctrnn_1.*\.ends ctrnn_1\n", c.netlist, re.DOTALL)[0]
        for c in (macro, device)
    ]
    assert circuits[0] == circuits[1]
    assert re.findall(r"^q_", macro.netlist, re.MULTILINE) == []
    assert len(re.findall(r"^q_", device.netlist, re.MULTILINE)) == 14


# -- calibration as data -------------------------------------------------------------------------


def test_fits_are_interpolated_in_the_logarithm_of_the_current_and_hold_beyond():
    one = StageFit(bias=1e-6, gain=0.9, pin_voltage=1.0, early_voltage=100.0)
    two = StageFit(bias=1e-4, gain=1.1, pin_voltage=1.2)
    calibration = Calibration(driving=(one, two), loaded={"tanh": (replace(one, swing=1.0),)})
    middle = calibration.driver(1e-5)
    assert (middle.gain, middle.pin_voltage) == (pytest.approx(1.0), pytest.approx(1.1))
    assert middle.early_voltage == pytest.approx(200.0)  # half the conductance
    assert calibration.driver(1e-9).gain == pytest.approx(0.9)
    assert calibration.driver(1.0).early_voltage == math.inf
    assert calibration.load("tanh", 5.0).gain == pytest.approx(0.9)


@pytest.mark.parametrize("biases", [(), (1e-5, 1e-6), (1e-5, 1e-5)])
def test_a_calibration_without_order_is_refused(biases):
    stages = tuple(StageFit(bias=b, pin_voltage=1.2) for b in biases)
    with pytest.raises(UsageError, match="ascending bias"):
        Calibration(driving=stages, loaded={})


def test_without_calibration_parts_are_ideal():
    fit = uncalibrated(Technology()).driver(1e-3)
    assert (fit.gain, fit.slope, fit.input_offset, fit.output_conductance) == (1.0, 1.0, 0.0, 0.0)


@spice
def test_macromodels_with_errors_are_calibrated_as_well():
    ota = Ota(gain_error=-0.05, offset=2e-3, output_offset=0.02, early_voltage=500.0)
    technology = Technology(ota=ota)
    compiled = [
        compile_model(small("ctrnn"), level="macro", technology=technology, calibrated=c)
        for c in (False, True)
    ]
    before, after = (largest_error(c) for c in compiled)
    assert before > 2e-2
    assert after < 2e-3
    assert not any("corrected" in note for note in compiled[0].notes)
    assert "corrected for what the parts were measured to do" in compiled[1].notes[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"technology": Technology()}, "technology belongs to level macro or device"),
        ({"calibrated": True}, "calibration belongs to level macro or device"),
    ],
)
def test_an_ideal_circuit_has_no_parts(options, message):
    with pytest.raises(UsageError, match=message):
        compile_model(neuron(), **options)


# -- technology files ----------------------------------------------------------------------------

FILE = """\
supply = 15.0
reference = 10
[opamp]
bandwidth = 8e6
[npn]
is = 1e-14
bf = 300.0
vaf = 75.0
rb = 100.0
re = 0.3
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "parts.toml"
        path.write_text(text)
        return path

    return write


def test_a_technology_file_changes_what_it_names_and_nothing_else(written):
    got = read_technology(written(FILE))
    npn = bjt({"is": 1e-14, "bf": 300.0, "vaf": 75.0, "rb": 100.0, "re": 0.3})
    assert got == Technology(supply=15.0, opamp=OpAmp(bandwidth=8e6), npn=npn)
    assert ".model r2c_npn npn(is=1e-14 bf=300.0 vaf=75.0 rb=100.0 re=0.3)\n" in device_library(
        got, ALL
    )


@spice
def test_a_circuit_of_ones_own_transistors_is_calibrated_to_the_same_limit(written):
    technology = read_technology(written(FILE))
    assert (
        largest_error(compile_model(small("ctrnn"), level="device", technology=technology)) < LIMIT
    )


def test_a_calibrated_technology_can_be_read_again(written):
    fit = StageFit(bias=5e-5, pin_voltage=1.2, gain=0.98, slope=0.99, early_voltage=5e3)
    fits = tuple(replace(fit, bias=b) for b in (1e-6, 1e-5, 5e-5))
    calibration = Calibration(driving=fits, loaded={"tanh": (fit,), "logistic": (fit,)})
    text = describe_calibration(Technology(), calibration)
    again = read_technology(written(text[text.index("[ota]") :]))
    assert again == fitted(Technology(), calibration)
    assert again.ota.gain_error == pytest.approx(-0.02)


BAD = [
    ("supply = ", "is not TOML"),
    ("voltage = 1.0", "has no key 'voltage'; known are supply, reference"),
    ("supply = '12'", "supply in parts.toml must be a number, got '12'"),
    ("supply = true", "supply in parts.toml must be a number, got 'True'"),
    ("supply = inf", "Technology supply must be positive and finite, got inf"),
    ("supply = 9.0", "swing must be below supply less headroom"),
    ("reference = -1.0", "reference must be positive"),
    ("ota = 3", "ota in parts.toml must be a table"),
    ("[ota]\ngm = 1", r"\[ota\] of parts.toml has no key 'gm'"),
    ("[ota]\nbeta = 0", "Ota beta must be positive and finite"),
    ("[npn]\nis = 1e-15", "a transistor needs the parameter bf"),
    ("[npn]\nis = 1e-15\nbf = nan", "bf must be from 1 to 100000, got nan"),
    ("[npn]\nis = 1.0\nbf = 100", "is must be from 1e-20 to 1e-09, got 1.0"),
    ("[pnp]\nis = 1e-15\nbf = 100\nlevel = 8", r"\[pnp\] of parts.toml has no key 'level'"),
    ("[npn]\nis = 1e-15\nbf = '1) .include x'", "must be a number"),
    ("x" * 100_001, "longer than 100000 bytes"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_technology_file_that_is_not_one_is_refused(written, text, message):
    with pytest.raises(UsageError, match=message):
        read_technology(written(text))


def test_a_technology_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_technology(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((("is", 1e-15), ("bf", 100.0), ("level", 1.0)), "a transistor has no parameter 'level'"),
        ((*GENERIC_NPN.parameters, ("bf", 100.0)), "a transistor has a parameter twice"),
    ],
)
def test_a_transistor_has_known_parameters_once(parameters, message):
    with pytest.raises(UsageError, match=message):
        type(GENERIC_NPN)(parameters)


def test_macromodels_without_drift_do_not_take_logarithms():
    assert "ln(" not in macro_library(Technology(), ALL)
    assert "ln(" in macro_library(Technology(ota=Ota(gain_per_decade=1e-3)), ALL)


# -- command line --------------------------------------------------------------------------------


@spice
def test_calibrate_prints_fits_and_the_macromodels_they_make(written, capsys, tmp_path):
    output = tmp_path / "fits.txt"
    arguments = ["calibrate", "--technology", str(written(FILE)), "-o", str(output)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert text == output.read_text()
    assert "stages that drive a state" in text
    again = read_technology(written(text[text.index("[ota]") :]))
    assert again.ota.gain_error < 0


def test_compile_takes_level_technology_and_no_calibration(written, tmp_path, capsys):
    model = tmp_path / "m.json"
    from rnn2circuit.models.io import save

    save(neuron(), model)
    arguments = ["compile", str(model), "-o", str(tmp_path / "out"), "--level", "device"]
    arguments += ["--technology", str(written(FILE)), "--no-calibration"]
    assert main(arguments) == 0
    netlist = (tmp_path / "out" / "m.cir").read_text()
    assert "bf=300.0" in netlist
    assert main([*arguments[:4], "--technology", str(written(FILE))]) == 2
    assert "technology belongs to level macro or device" in capsys.readouterr().err
