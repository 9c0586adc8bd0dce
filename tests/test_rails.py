"""Supplies and reference that are off, and legs that follow the temperature."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.cli import main
from rnn2circuit.errors import UsageError
from rnn2circuit.flow import Values, compile_model, verify_compiled
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.lowering.spread import (
    SPREADS,
    UNIFORM,
    Spread,
    draw,
    errors_of,
    rails_of,
    read_spread,
)
from rnn2circuit.models import Ctrnn
from rnn2circuit.models.reference import solve

OFF = 0.01  # half width of a supply's error
FIRST_ORDER = 0.03  # relative, between a shift of the circuit and that of the equation

spice = pytest.mark.spice


def neuron():
    return Ctrnn(w=np.array([[0.8]]), rate=np.ones(1), gain=np.ones(1), bias=np.array([0.4]))


def shift_of_equation(compiled, **changes):
    """Rms over time of what a changed parameter does to the solution, in parts of its range."""
    t = np.linspace(0.0, compiled.reference.t_end, 401)
    plain = compiled.reference(t)
    moved = solve(replace(compiled.model, **changes), compiled.stimulus, t_end=float(t[-1]))(t)
    return float(np.sqrt(np.mean((moved - plain) ** 2)) / np.ptp(plain))


@spice
def test_supplies_and_reference_do_what_the_equation_says():
    """The reference makes biases, and the supplies the currents that are the gain."""
    compiled = compile_model(neuron(), level="macro")
    spread = Spread(supply=OFF, reference=OFF)
    found = analyze_tolerance(compiled, spread=spread, runs=0, sensitivity=True).sensitivity
    shifts = {part.name: part.shift for part in found.parts}
    assert set(shifts) == {"vcc", "vee", "vref"}
    sigma = OFF / UNIFORM
    by_bias = shift_of_equation(compiled, bias=compiled.model.bias * (1 + sigma))
    assert shifts["vref"] == pytest.approx(by_bias, rel=FIRST_ORDER)
    current = 1 + sigma * 12.0 / (2 * 12.0 - 1.2)  # 12 V more of what is across the bias resistor
    by_gain = shift_of_equation(compiled, gain=compiled.model.gain * current)
    assert shifts["vcc"] == pytest.approx(by_gain, rel=FIRST_ORDER)
    assert shifts["vee"] == pytest.approx(by_gain, rel=FIRST_ORDER)
    assert {group.name for group in found.groups} == {"supply", "reference"}


@spice
def test_boards_with_supplies_off_are_worse_and_exact_without():
    compiled = compile_model(neuron(), level="macro", duration=4.0)
    exact = analyze_tolerance(compiled, spread=Spread(), runs=2)
    assert exact.rungs[0].values[-1] == pytest.approx(exact.nominal.nrmse, rel=1e-6)
    off = analyze_tolerance(compiled, spread=Spread(supply=OFF, reference=OFF), runs=4)
    assert np.median(off.rungs[0].values) > 10 * exact.nominal.nrmse


def test_supplies_are_drawn_last_and_are_exact_in_the_presets():
    """What is drawn for parts is what it was before supplies could be off."""
    circuit = compile_model(neuron(), level="macro").realization.circuit
    errors = errors_of(circuit, SPREADS["1%"])
    assert [e.column for e in errors[-2:]] == ["supply", "reference"]
    rng = np.random.default_rng
    assert rails_of(errors, draw(errors, rng(0))).tolist() == [1.0, 1.0, 1.0]
    off = errors_of(circuit, read_spread("supply=0.05,reference=0.002"))
    rails = rails_of(off, draw(off, rng(0)))
    assert rails.shape == (3,)
    assert 0 < abs(rails[0] - 1) <= 0.05
    assert 0 < abs(rails[2] - 1) <= 0.002
    assert rails_of(errors[:-2], draw(errors[:-2], rng(0))).tolist() == [1.0, 1.0, 1.0]


# -- legs ----------------------------------------------------------------------------------------


@spice
@pytest.mark.parametrize("level", ["device"])
def test_legs_that_follow_the_temperature_are_verified_and_bought(level):
    model = random_model("ctrnn", 2, 1, 1, activations=("tanh",))
    compiled = compile_model(model, level=level, values=Values(ptat_legs=True), duration=4.0)
    assert verify_compiled(compiled).passed
    legs = [x for x in compiled.netlist.splitlines() if x.startswith("r_leg")]
    assert legs
    assert all(" tc1=" in line for line in legs)
    bought = sum(line.quantity for line in compiled.parts.bill if line.kind == "PTAT resistor")
    assert bought == len(legs)
    hot = analyze_tolerance(compiled, runs=0, temperatures=(70,)).corners[0].outcome.nrmse
    plain = compile_model(model, level=level, duration=4.0)
    assert hot < analyze_tolerance(plain, runs=0, temperatures=(70,)).corners[0].outcome.nrmse / 4


@spice
def test_of_preferred_values_both_resistors_of_a_leg_follow(tmp_path):
    model = tmp_path / "m.npz"
    neuron_file = neuron()
    np.savez(
        model,
        family="ctrnn",
        **{name: getattr(neuron_file, name) for name in ("w", "rate", "gain", "bias")},
    )
    out = tmp_path / "out"
    command = ["compile", str(model), "--name", "m", "--level", "macro", "--round", "E24"]
    assert main([*command, "--ptat-legs", "-o", str(out)]) == 0
    legs = [x for x in (out / "m.cir").read_text().splitlines() if x.startswith("r_leg")]
    assert legs
    assert all(" tc1=" in line for line in legs)
    assert "PTAT resistor, 3300 ppm/K" in (out / "m.bom.csv").read_text()


def test_ideal_circuits_have_no_legs():
    model = random_model("linear", 2, 1, 1)
    with pytest.raises(UsageError, match="ptat_legs belongs to levels other than ideal"):
        compile_model(model, values=Values(ptat_legs=True))
