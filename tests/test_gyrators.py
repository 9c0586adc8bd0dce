"""Gyrators of OTAs, beside those of op-amps."""

import csv
import io
import re

import numpy as np
import pytest
from random_models import random_model
from test_device import errors

from rnn2circuit.cli import main
from rnn2circuit.devices.technology import SUBTHRESHOLD, Technology
from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.flow import compile_model, simulate, verify_compiled
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.models.io import save
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice

LIMITS = {"macro": 1e-3, "device": 1e-2}  # of range, rms
SAME = 1.4  # between errors at temperatures: offsets of mirrors drift, and nothing else does
LINEAR = {"macro": 3e-4, "device": 6e-3}  # of the largest current

spice = pytest.mark.spice


def compiled_of(seed=1, level="macro", **options):
    model = random_model("linear", 3, 1, seed)
    technology = Technology(gyrator="ota")
    return compile_model(model, level=level, coupling="gyrator", technology=technology, **options)


@spice
@pytest.mark.parametrize("level", LIMITS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_with_gyrators_of_otas_is_verified(level, seed):
    compiled = compiled_of(seed, level)
    assert " r2c_gyrator_ota " in compiled.netlist
    rms = np.sqrt((errors(simulate(compiled)) ** 2).mean(axis=0)).max()
    assert rms < LIMITS[level]
    result = verify_compiled(compiled)
    assert result.passed, result.report


@spice
@pytest.mark.parametrize("level", LIMITS)
def test_a_gyrator_of_otas_has_no_thermal_voltage(level):
    compiled = compiled_of(1, level)
    found = analyze_tolerance(compiled, runs=0, temperatures=(0, 27, 70))
    rms = [corner.outcome.nrmse for corner in found.corners]
    assert max(rms) < SAME * min(rms)


def currents(level, volts):
    """Into both ports, held at these voltages, in A."""
    compiled = compiled_of(1, level)
    library = compiled.parts.library
    lines = ["* gyrators", "v_cc vcc 0 12", "v_ee vee 0 -12"]
    for k, (one, two) in enumerate(volts):
        lines += [f"v_a{k} a{k} 0 {one!r}", f"v_b{k} b{k} 0 {two!r}"]
        lines.append(f"x_{k} a{k} b{k} vcc vee r2c_gyrator_ota r=1e5")
    wanted = tuple(f"i(v_{end}{k})" for k in range(len(volts)) for end in "ab")
    text = "\n".join([*lines, ".options itl1=1000", library, ".op", ".end", ""])
    deck = Deck(files={"g.cir": text}, main="g.cir", signals=wanted, t_stop=0.0)
    found = Ngspice().measure(deck, timeout=60)
    return np.array([found[name] for name in wanted]).reshape(-1, 2)


@spice
@pytest.mark.parametrize("level", LIMITS)
def test_both_ports_draw_what_a_gyrator_draws(level):
    """i1 = v2 / r into port 1 and i2 = -v1 / r into port 2, over the whole swing."""
    rng = np.random.default_rng(3)
    volts = [(0.0, 0.0), *map(tuple, rng.uniform(-8, 8, (20, 2)).tolist())]
    v = np.array(volts)
    drawn = -currents(level, volts)  # a source's current flows into its positive end
    wanted = np.column_stack([v[:, 1], -v[:, 0]]) / 1e5
    assert np.abs(drawn - wanted).max() < LINEAR[level] * 8 / 1e5


def test_the_bill_lists_what_is_inside():
    compiled = compiled_of()
    count = sum(line.startswith("x_gyr_") for line in compiled.netlist.splitlines())
    rows = list(csv.DictReader(io.StringIO(compiled.files()["network.bom.csv"])))
    inside = [name for row in rows for name in row["references"].split() if "x_gyr_1." in name]
    body = re.search(r"\.subckt r2c_gyrator_ota.*?\.ends", compiled.netlist, re.S)[0]
    parts = [line.split()[0] for line in body.splitlines() if line[0] in "rcx"]
    assert sorted(inside) == sorted(f"x_gyr_1.{part}" for part in parts)
    (otas,) = (row for row in rows if row["part"] == "OTA")
    assert int(otas["quantity"]) == 4 * count
    ohm = next(float(x.split("r=")[1]) for x in compiled.netlist.splitlines() if "x_gyr_1 " in x)
    (bias,) = (row for row in rows if "x_gyr_1.r_bias_ref_1" in row["references"].split())
    assert float(bias["value"]) == pytest.approx(2 * ohm)


@pytest.mark.parametrize("impedance", [1e3, 1e9])
def test_a_gyrator_whose_bias_no_ota_takes_is_refused(impedance):
    with pytest.raises(NotRealizableError, match=r"gyrator of .* ohm needs a bias of .* howland"):
        compiled_of(impedance=impedance)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Technology(gyrator="coil"), "howland or ota, got 'coil'"),
        (lambda: Technology(nmos=SUBTHRESHOLD.nmos, pmos=SUBTHRESHOLD.pmos, gyrator="ota"), "MOS"),
    ],
)
def test_a_technology_has_gyrators_that_exist(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_the_command_line_chooses_them_where_there_are_gyrators(tmp_path, capsys):
    model = tmp_path / "m.json"
    save(random_model("linear", 2, 1, 1), model)
    command = ["compile", str(model), "--name", "m", "--level", "macro", "--gyrator", "ota"]
    assert main([*command, "--coupling", "gyrator", "-o", str(tmp_path / "out")]) == 0
    assert ".subckt r2c_gyrator_ota" in (tmp_path / "out" / "m.cir").read_text()
    assert main([*command, "-o", str(tmp_path / "no")]) == 2
    assert "--gyrator belongs to --coupling gyrator" in capsys.readouterr().err
