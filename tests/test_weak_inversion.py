"""The experimental technology: OTAs of MOS transistors in weak inversion."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from random_models import random_cell, random_model
from test_device import errors, largest_error

from rnn2circuit.cli import main
from rnn2circuit.devices.mos import GENERIC_NMOS, GENERIC_PMOS, PIN, SLOPE, Mosfet, mosfet
from rnn2circuit.devices.technology import SUBTHRESHOLD, Technology
from rnn2circuit.devices.technology_file import read_technology
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.flow import compile_model, simulate, usual_limits, verify_compiled
from rnn2circuit.flow.calibrate import calibrate
from rnn2circuit.flow.layers import WEAK_INVERSION
from rnn2circuit.flow.prediction import predicted
from rnn2circuit.models import Ctrnn
from rnn2circuit.statemap import map_from_json, map_to_json
from rnn2circuit.verify import parts as ideal_parts
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.rules import check_rules

PREDICTION = 1e-2  # of range: five times that of bipolar stages, whose mirrors are better
DEEP = 3.2e-8  # A: up to here a pair is in weak inversion
SUMS = {"ctrnn": 3, "hopfield": 3, "lem_two_scale": 2, "energy": 3, "elman": 2}

spice = pytest.mark.spice


def small(family, n):
    if family == "elman":
        return random_cell(family, n, 1, 1)
    return random_model(family, n, 1, 1, activations=("tanh", "logistic"))


def compiled_of(model, **options):
    return compile_model(model, level="device", technology=SUBTHRESHOLD, **options)


@spice
def test_a_pair_in_weak_inversion_is_tanh_of_a_part_of_the_gates_voltage():
    for stage in calibrate(SUBTHRESHOLD).driving:
        if stage.bias <= DEEP:
            assert stage.slope == pytest.approx(SLOPE, rel=0.03)
            assert stage.residual < 1e-3
            assert stage.gain == pytest.approx(1.0, abs=0.05)
        else:
            assert stage.slope < SLOPE  # as it leaves weak inversion
    assert calibrate(SUBTHRESHOLD).driver(2e-8).pin_voltage == pytest.approx(PIN, abs=0.15)


def test_the_verifier_has_the_numbers_of_the_generic_transistors():
    assert (ideal_parts.MOS_PIN, ideal_parts.MOS_SLOPE) == (PIN, SLOPE)


@spice
@pytest.mark.parametrize("family", SUMS)
def test_calibration_brings_sums_and_stages_within_their_limit(family):
    model = small(family, SUMS[family])
    steps = {"duration": 12} if family == "elman" else {}
    before = largest_error(compiled_of(model, calibrated=False, **steps))
    after = largest_error(compiled_of(model, **steps))
    assert after < WEAK_INVERSION / 2
    assert after < before / 3


@spice
def test_fitted_macromodels_predict_the_transistors():
    compiled = compiled_of(small("ctrnn", 3))
    fitted = simulate(predicted(compiled))
    found = simulate(compiled)
    at = np.column_stack([np.interp(found.t, fitted.t, x) for x in fitted.x.T])
    assert np.abs(at - found.x).max() < PREDICTION * np.ptp(found.x, axis=0).min()


@spice
def test_verify_passes_at_its_own_limit_and_sees_a_fault_among_the_transistors():
    compiled = compiled_of(small("ctrnn", 2))
    assert usual_limits(compiled).transient == WEAK_INVERSION
    result = verify_compiled(compiled)
    assert result.passed, result.report
    assert any("experimental" in note for note in compiled.notes)
    swapped = compiled.netlist.replace("m_3 a pp tail", "m_3 b pp tail")
    swapped = swapped.replace("m_4 b n tail", "m_4 a n tail")
    assert swapped != compiled.netlist
    assert errors(simulate(replace(compiled, netlist=swapped))).max() > 10 * WEAK_INVERSION


@pytest.mark.parametrize("family", ["ltc", "stc", "lem", "gru_ode"])
def test_products_are_refused_with_the_reason(family):
    model = random_model(family, 2, 1, 1, activations=("tanh", "logistic"))
    with pytest.raises(NotRealizableError, match=r"needs products.*OTAs alone"):
        compiled_of(model, calibrated=False)


@spice
def test_the_netlist_of_one_neuron_is_what_is_written_today(golden):
    one = Ctrnn(w=np.array([[0.5]]), rate=np.ones(1), gain=np.ones(1), bias=np.array([0.25]))
    golden("ctrnn_1_subthreshold.cir", compiled_of(one, calibrated=False).netlist)


def test_map_and_bill_name_the_transistors():
    compiled = compiled_of(small("ctrnn", 2), calibrated=False)
    record = map_from_json(map_to_json(compiled.record))
    assert map_to_json(record) == map_to_json(compiled.record)
    assert record.transistors == "mos"
    assert "transistors" not in json.loads(
        map_to_json(compile_model(small("ctrnn", 2), level="macro").record)
    )
    (otas,) = (line for line in compiled.parts.bill if line.kind == "OTA")
    assert "weak inversion" in otas.part_class
    assert (otas.quantity, otas.packages) == (2, 1)


def faults(text):
    bench = "* bench\n.include g.cir\n.end\n"
    return check_rules(text, bench, included="g.cir", driven=(), subckt="g_1").detail


def test_a_gate_is_no_path_to_ground():
    text = """* gates
.subckt g_1 x1
r_1 x1 0 1e3
m_1 x1 a 0 0 n w=1e-5 l=1e-6
c_1 a x1 1e-9
.model n nmos(level=8 version=3.3.0 tox=1e-8 vth0=0.5)
.ends g_1
"""
    assert "net 'a' has no path to ground" in faults(text)
    held = text.replace("c_1 a x1 1e-9", "r_2 a x1 1e6")
    assert "no path" not in faults(held)


# -- cards and files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((("tox", 1e-8), ("vth0", 0.5), ("beta", 1.0)), "no parameter 'beta'"),
        ((("tox", 1.0), ("vth0", 0.5)), "tox must be from 1e-09 to 1e-07, got 1.0"),
        ((("tox", 1e-8),), "needs the parameter vth0"),
        ((("tox", 1e-8), ("vth0", 0.5), ("vth0", 0.6)), "a parameter twice"),
    ],
)
def test_a_transistor_has_known_parameters_once(parameters, message):
    with pytest.raises(UsageError, match=message):
        Mosfet(parameters)


def test_a_technology_has_both_kinds_or_none():
    with pytest.raises(UsageError, match="both nmos and pmos"):
        Technology(nmos=GENERIC_NMOS)


def test_a_file_with_a_card_of_mos_starts_from_the_bundled_technology(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[nmos]\ntox = 5e-9\nvth0 = 0.4\n")
    found = read_technology(path)
    assert found == replace(SUBTHRESHOLD, nmos=mosfet({"tox": 5e-9, "vth0": 0.4}))
    assert found.pmos == GENERIC_PMOS
    assert read_technology("subthreshold") is SUBTHRESHOLD


@spice
def test_the_command_line_takes_it_by_name(tmp_path, capsys):
    model = tmp_path / "m.json"
    model.write_text(
        json.dumps({"family": "ctrnn", "w": [[0.5]], "rate": [1.0], "gain": [1.0], "x0": [0.2]})
    )
    command = ["verify", str(model), "--level", "device", "--technology", "subthreshold"]
    assert main([*command, "--duration", "2"]) == Verdict.PASS.exit_code
    out = capsys.readouterr().out
    assert re.search(r"MOS\s+transistors\s+in\s+weak\s+inversion", out)
