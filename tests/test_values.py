"""Component values: nodal equations, sensitivities, rounding, tolerance, noise, sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model
from scipy.constants import Boltzmann
from scipy.linalg import expm, solve_continuous_lyapunov

import rnn2circuit as r2c
from rnn2circuit.circuit.banks import Capacitors, Gyrators, Resistors, Transconductances
from rnn2circuit.circuit.nodal import nodal
from rnn2circuit.cli import main
from rnn2circuit.devices.eseries import decade, nearest
from rnn2circuit.errors import CircuitError, NotRealizableError, UsageError
from rnn2circuit.flow import (
    Values,
    adopt_netlist,
    compile_model,
    simulate,
    simulate_noise,
    verify_compiled,
    verify_model,
)
from rnn2circuit.linearize.impulse import relative_h2
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.equations import circuit_equations
from rnn2circuit.synthesis.noise import ROOM, predict_noise
from rnn2circuit.synthesis.proportions import capacitor_ratios, state_swing
from rnn2circuit.synthesis.rounding import round_circuit, with_values
from rnn2circuit.synthesis.sensitivity import metric_of, relative_error, sensitivity
from rnn2circuit.synthesis.sizing import size_linear
from rnn2circuit.synthesis.tolerance import predict_tolerance
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.writers.ngspice import write_subcircuit

DATA = Path(__file__).parent / "data"
EQUAL = 1e-9  # sums of a dozen terms, solved twice
QUADRATURE = 1e-3  # 400 nodes against a Lyapunov equation
SMALL, FIRST_ORDER = 1e-5, 1e-3  # a change of parts, and what the first order misses of its effect
SAMPLING = 0.2  # of an rms, with a hundred draws: 7 % each, and the issue of second order
NOISE = 0.01  # promised; the sweep leaves out 1e-5 and the rule of integration 4e-5
LINEAR_COUPLINGS = [
    *(("rc", k) for k in ("vccs", "gyrator", "rails", "transformer", "minimal-gyrator", "lowrank")),
    *(("rl", k) for k in ("vccs", "gyrator", "ccvs")),
]
FORMS = [("rc", "vccs"), ("rc", "gyrator"), ("rl", "vccs")]


def stable(n=4, m=2, seed=0, *, gain=0.5, p=2):
    rng = np.random.default_rng(seed)
    return Linear(
        a=-np.eye(n) + gain * rng.standard_normal((n, n)) / np.sqrt(n),
        b=rng.standard_normal((n, m)) if m else None,
        w_out=rng.standard_normal((p, n)) if p else None,
        x0=rng.standard_normal(n),
    )


def trained():
    return r2c.linearize(r2c.load(DATA / "delay_rnn.npz"), at="origin").model


def made(model, **options):
    compiled = compile_model(model, **options)
    return compiled.realization, compiled.state_map


@pytest.mark.parametrize(("form", "coupling"), LINEAR_COUPLINGS)
def test_nodal_analysis_finds_the_equations_of_every_linear_circuit(form, coupling):
    for seed in range(12):
        n = (4 if coupling == "lowrank" else 1) + seed % 6
        model = random_model("linear", n, seed % 4, seed)
        if coupling == "lowrank":  # exact for a matrix that is a leak and one product
            model = replace(model, a=0.2 * np.outer(np.arange(1, n + 1), np.ones(n)) - np.eye(n))
        plain = model.without_input_map()
        realization, _ = made(model, form=form, coupling=coupling)
        found = circuit_equations(realization, x0=plain.initial_state)
        rng = np.random.default_rng(seed)
        x, u = rng.normal(size=(5, plain.n_states)), rng.normal(size=(5, plain.n_inputs))
        np.testing.assert_allclose(found.rhs(x, u), plain.rhs(x, u), rtol=EQUAL, atol=EQUAL)
        np.testing.assert_allclose(found.readout(x, u), plain.readout(x, u), rtol=EQUAL, atol=EQUAL)


def test_floating_pairs_of_capacitors_are_refused():
    realization, ports = made(stable(), coupling="balanced")
    with pytest.raises(CircuitError, match="balanced lattice"):
        predict_noise(realization.circuit, ports)
    with pytest.raises(CircuitError, match="balanced lattice"):
        compile_model(stable(), coupling="balanced", values=Values(round="E96"))


def test_what_is_not_linear_is_refused():
    realization, ports = made(r2c.load(DATA / "delay_rnn.npz"))
    with pytest.raises(CircuitError, match="not linear"):
        nodal(realization.circuit)
    with pytest.raises(CircuitError, match="not linear"):
        predict_noise(realization.circuit, ports)


@pytest.mark.parametrize(("form", "coupling"), FORMS)
@pytest.mark.parametrize("kind", ["driven", "free", "unstable", "feedthrough"])
def test_sensitivities_predict_small_changes_of_all_parts_at_once(form, coupling, kind):
    model = stable(5, 0 if kind == "free" else 2, 3)
    if kind == "unstable":
        model = replace(model, a=model.a + 1.2 * np.eye(5))
    if kind == "feedthrough":
        model = replace(model, d=np.ones((2, 2)))
    realization, ports = made(model, form=form, coupling=coupling, duration=1.0)
    circuit = realization.circuit
    metric = metric_of(circuit, ports)
    form_m = sensitivity(circuit, metric)
    rng = np.random.default_rng(1)
    change = SMALL * rng.standard_normal(len(form_m.parts.value))
    moved = with_values(circuit, form_m.parts, form_m.parts.value * np.exp(change))
    predicted = float(np.sqrt(change @ form_m.m @ change))
    exact = relative_error(moved, circuit, metric)
    assert predicted == pytest.approx(exact, rel=FIRST_ORDER)
    # The same distance from the equations, by Lyapunov instead of frequencies.
    x0 = model.initial_state
    one = circuit_equations(replace(realization, circuit=moved), x0=x0)
    two = circuit_equations(realization, x0=x0)
    assert relative_h2(one, two) == pytest.approx(exact, rel=5 * QUADRATURE)


def test_rounding_all_together_is_far_better_than_one_by_one():
    model = trained()
    realization, ports = made(model, values=Values(round="E96"))
    exact = compile_model(model, impedance=realization.scaling.impedance).realization
    rounded = round_circuit(exact.circuit, ports, series="E96")
    assert rounded.nearest_error > 5e-3
    assert rounded.error < 0.1 * rounded.nearest_error
    # Where first-order errors cancel to a few parts in ten thousand, the second order shows.
    assert 0.5 < rounded.first_order / rounded.error < 2
    assert rounded.capacitor_series == "E12"
    assert rounded.error <= round_circuit(exact.circuit, ports, method="nearest").error


@pytest.mark.parametrize(("form", "coupling"), FORMS)
@pytest.mark.parametrize("series", ["E6", "E96"])
def test_every_value_of_a_rounded_circuit_is_on_sale(form, coupling, series):
    compiled = compile_model(
        stable(), form=form, coupling=coupling, values=Values(round=series, round_capacitors="E6")
    )
    resistors, capacitors = [], []
    for bank in compiled.realization.circuit.banks:
        match bank:
            case Resistors():
                resistors.append(np.abs(bank.resistance))
            case Transconductances():
                resistors.append(1 / np.abs(bank.gm))
            case Gyrators():
                resistors.append(1 / np.abs(bank.gyration_conductance))
            case Capacitors():
                capacitors.append(bank.capacitance)
    for values, name in ((resistors, series), (capacitors, "E6")):
        for value in np.concatenate([*values, np.zeros(0)]):
            mantissa = value / 10.0 ** np.floor(np.log10(value) + 1e-9)
            assert np.min(np.abs(decade(name) / mantissa - 1)) < 1e-12
    assert compiled.record.rounding == f"{series}, capacitors E6"


@pytest.mark.spice
@pytest.mark.parametrize("series", ["E12", "E96"])
def test_a_rounded_netlist_is_verified_against_what_it_computes_and_what_it_promised(series):
    result = verify_model(stable(), values=Values(round=series))
    assert result.verdict is Verdict.PASS
    checks = {check.id: check for check in result.report.checks}
    assert checks["extraction.jacobian"].limit == 1e-9
    error = result.compiled.rounded.error
    assert error > 0
    assert checks["rounding.h2"].value == pytest.approx(error, rel=10 * QUADRATURE)


def test_a_rounded_netlist_is_not_the_model_and_says_so():
    model = stable()
    compiled = compile_model(model, values=Values(round="E12"))
    plain = replace(compiled.record, rounding="", rounding_error=None)
    as_exact = adopt_netlist(compiled.netlist, plain, model)
    report = verify_compiled(as_exact).report
    assert report.verdict is Verdict.FAIL
    worse = replace(compiled.record, rounding_error=compiled.rounded.error / 2)
    promised = adopt_netlist(compiled.netlist, worse, model)
    failed = [c.id for c in verify_compiled(promised).report.checks if c.verdict is Verdict.FAIL]
    assert failed == ["rounding.h2"]


def test_pairs_of_parts_are_nearer_than_single_ones_and_are_listed():
    model = stable()
    single = compile_model(model, values=Values(round="E24", rounding="nearest")).rounded
    compiled = compile_model(model, values=Values(round="E24", pairs=True))
    assert compiled.rounded.error < 0.2 * single.error
    rows = compiled.files()["network.parts.csv"].splitlines()
    assert rows[0] == "element,kind,value,arrangement,first,second"
    assert len(rows) - 1 == len(compiled.rounded.rounded.parts.value)
    for row in rows[1:]:
        _, kind, value, arrangement, first, second = row.split(",")
        series = "E24" if kind == "resistor" else "E12"
        parts = [float(first)] + ([float(second)] if second else [])
        for part in parts:
            near = nearest(series, np.array([part]), low=1e-15, high=1e12)
            assert near[0] == part
        adds = arrangement == ("series" if kind == "resistor" else "parallel")
        total = sum(parts) if adds else 1 / sum(1 / part for part in parts)
        assert float(value) == pytest.approx(total, rel=1e-12)


def test_strategies_are_rounded_too_and_compared_with_the_model():
    model = stable(6, 1, 2, p=1)
    result = verify_model(model, strategy="modal", values=Values(round="E96"))
    assert result.verdict is Verdict.PASS


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_tolerance_prediction_agrees_with_monte_carlo_of_the_equations(distribution):
    model = stable(5, 2, 6)
    realization, ports = made(model)
    circuit, metric = realization.circuit, metric_of(realization.circuit, ports)
    prediction = predict_tolerance(
        circuit, ports, resistor=0.01, capacitor=0.02, distribution=distribution
    )
    parts = nodal(circuit).parts
    width = np.where(np.array(parts.kind) == "resistor", 0.01, 0.02)
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(100):
        if distribution == "uniform":
            draw = rng.uniform(-1, 1, len(width))
        else:
            draw = rng.standard_normal(len(width))
        errors.append(
            relative_error(
                with_values(circuit, parts, parts.value * (1 + width * draw)), circuit, metric
            )
        )
    errors = np.array(errors)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(prediction.rms, rel=SAMPLING)
    assert errors.max() <= prediction.worst_bound * 1.1  # second order
    assert prediction.rms <= prediction.worst_reached <= prediction.worst_bound
    within = np.mean(errors <= prediction.limit)
    assert within == pytest.approx(prediction.yield_fraction, abs=0.1)
    assert sum(share for _, share in prediction.share) == pytest.approx(1.0)


def test_the_worst_case_is_the_worst_of_all_signs_where_all_can_be_tried():
    model = Linear(a=[[-1.0, 0.5], [0.0, -2.0]], b=[[1.0], [0.5]])
    realization, ports = made(model)
    prediction = predict_tolerance(realization.circuit, ports, resistor=0.01)
    m = sensitivity(realization.circuit, metric_of(realization.circuit, ports)).m
    count = len(m)
    signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    worst = 0.01 * np.sqrt(np.max(np.einsum("ke,ef,kf->k", signs, m, signs)))
    assert prediction.worst_reached == pytest.approx(worst, rel=1e-9)
    assert worst <= prediction.worst_bound


@pytest.mark.spice
def test_tolerance_prediction_agrees_with_monte_carlo_in_ngspice():
    """Free motion of one output: its H2 norm is the energy of the waveform itself."""
    model = replace(stable(4, 0, 8, p=1), b=None)
    realization, ports = made(model)
    prediction = predict_tolerance(realization.circuit, ports, resistor=0.01)
    base = compile_model(model, duration=30.0)
    parts = nodal(realization.circuit).parts
    rng = np.random.default_rng(3)
    t = np.linspace(0, 30, 3000)
    wanted = base.reference.outputs(t)[:, 0]
    squares = []
    for _ in range(60):
        values = parts.value * (1 + 0.01 * rng.uniform(-1, 1, len(parts.value)))
        circuit = with_values(realization.circuit, parts, values)
        text = write_subcircuit(circuit, name=base.record.subckt, title=["rnn2circuit netlist"])
        run = simulate(replace(base, netlist=text), simulator="ngspice")
        error = np.interp(t, run.t, run.y[:, 0]) - wanted
        squares.append(np.sum(error**2) / np.sum(wanted**2))
    assert np.sqrt(np.mean(squares)) == pytest.approx(prediction.rms, rel=SAMPLING)


@pytest.mark.spice
@pytest.mark.parametrize(("form", "coupling"), FORMS)
@pytest.mark.parametrize("inputs", [0, 2])
def test_predicted_noise_agrees_with_the_simulators(form, coupling, inputs):
    compiled = compile_model(stable(4, inputs, 5), form=form, coupling=coupling)
    predicted = predict_noise(compiled.realization.circuit, compiled.state_map)
    np.testing.assert_allclose(simulate_noise(compiled), predicted.states, rtol=NOISE)


def test_gyrators_leave_the_noise_of_a_passive_network_at_kt_over_c():
    skew = np.array([[-1.0, 3.0, -0.5], [-3.0, -2.0, 1.0], [0.5, -1.0, -0.5]])
    model = Linear(a=skew, b=np.ones((3, 1)))
    realization, ports = made(model, coupling="gyrator")
    capacitors = next(b for b in realization.circuit.banks if isinstance(b, Capacitors))
    noise = predict_noise(realization.circuit, ports)
    expected = np.sqrt(Boltzmann * ROOM / capacitors.capacitance)
    np.testing.assert_allclose(noise.states, expected, rtol=EQUAL)
    np.testing.assert_allclose(
        noise.covariance, np.diag(expected**2), atol=EQUAL * expected.max() ** 2
    )


def test_noise_factors_add_what_amplifiers_and_negative_resistors_make():
    model = stable(3, 1, 4, gain=1.5)
    realization, ports = made(model)
    quiet = predict_noise(realization.circuit, ports)
    loud = predict_noise(realization.circuit, ports, transconductor=1.0)
    # By hand: every conductance into node i, with c the capacitors, in seconds.
    seconds = realization.scaling.seconds_per_unit
    c = next(b for b in realization.circuit.banks if isinstance(b, Capacitors)).capacitance
    g = c / seconds * (np.abs(model.a).sum(axis=1) + np.abs(model.b).sum(axis=1))
    assert np.all(np.diag(model.a) < 0)
    k = solve_continuous_lyapunov(model.a / seconds, -np.diag(2 * Boltzmann * ROOM * g / c**2))
    np.testing.assert_allclose(loud.states, np.sqrt(np.diag(k)), rtol=EQUAL)
    assert np.all(loud.states > quiet.states)
    assert np.all(quiet.output_density > 0)  # the sum resistors of the readout
    hot = predict_noise(realization.circuit, ports, temperature=4 * ROOM)
    np.testing.assert_allclose(hot.states, 2 * quiet.states, rtol=EQUAL)


def test_a_negative_resistor_is_noiseless_unless_it_is_given_a_factor():
    model = Linear(a=[[0.5, -2.0], [2.0, -1.0]], b=[[1.0], [0.0]])  # stable, with one R < 0
    realization, ports = made(model)
    quiet = predict_noise(realization.circuit, ports)
    loud = predict_noise(realization.circuit, ports, negative_resistor=1.0)
    assert np.all(loud.states > quiet.states)


def test_swing_bounds_hold_and_are_reached():
    model = replace(stable(4, 2, 9), x0=np.zeros(4))
    bound = state_swing(model, "peak", input_range=2.0)
    # The input that is worst for state 1: the sign of the impulse response, backwards in time.
    t = np.linspace(0, 40, 8001)
    h = t[1] - t[0]
    step = expm(h * model.a)
    response, now = [], model.b
    for _ in t:
        response.append(now[0])
        now = step @ now
    reached = 2.0 * np.abs(np.trapezoid(np.abs(response), t, axis=0)).sum()
    assert reached == pytest.approx(bound[0], rel=1e-3)
    l2 = state_swing(model, "l2")
    k = solve_continuous_lyapunov(model.a, -model.b @ model.b.T)
    np.testing.assert_allclose(l2, np.sqrt(np.diag(k) / np.diag(k).max()), rtol=EQUAL)


@pytest.mark.spice
@pytest.mark.parametrize("swing", ["l2", "peak"])
def test_swing_scaling_keeps_the_equations(swing):
    model = stable(4, 2, 11)
    result = verify_model(model, values=Values(swing=swing))
    assert result.verdict is Verdict.PASS
    units = [m.volts_per_unit for m in result.compiled.state_map.states]
    np.testing.assert_allclose(
        np.array(units) * state_swing(model, swing), units[0] * state_swing(model, swing)[0]
    )


def conductances(circuit):
    values = [np.abs(b.gm) for b in circuit.banks if isinstance(b, Transconductances)]
    return np.concatenate(values)


def test_sizes_lie_in_their_ranges_and_the_spread_is_the_least():
    model = replace(stable(5, 1, 12), w_out=None)
    free = size_linear(model)
    assert free.spread < size_linear(model, capacitors="equal").spread
    ranges = {"c_range": (1e-9, 1e-7), "gm_range": (1e-9, 1e-3), "r_range": (1e3, 1e9)}
    compiled = compile_model(model, values=Values(**ranges))
    circuit = compiled.realization.circuit
    gm = conductances(circuit)
    assert gm.min() >= 1e-9 * (1 - EQUAL)
    assert gm.max() <= 1e-3 * (1 + EQUAL)
    c = next(b for b in circuit.banks if isinstance(b, Capacitors)).capacitance
    assert c.min() >= 1e-9 * (1 - EQUAL)
    assert c.max() <= 1e-7 * (1 + EQUAL)
    # No other capacitors within a decade of these do better: the optimum is global.
    rng = np.random.default_rng(0)
    best = free.spread
    for _ in range(300):
        trial = free.capacitance * 10 ** rng.uniform(-1, 1, 5)
        off = np.abs(np.hstack([model.a, model.b])) * trial[:, None]
        assert off.max() / off[off > 0].min() >= best * (1 - 1e-6)


def test_a_range_that_is_too_narrow_is_refused_with_the_weight_at_fault():
    a = -np.eye(4)
    a[3, 1], a[0, 2], a[3, 2] = 1e-7, 1.0, 1.0
    model = Linear(a=a, b=np.ones((4, 1)))
    with pytest.raises(
        NotRealizableError, match=r"a\[3, 1\] = 1e-07.*dynamic range of 1e\+07"
    ) as e:
        size_linear(model, gm_range=(1e-6, 1e-3))
    assert "1e+03 is given" in str(e.value)
    assert size_linear(model, gm_range=(1e-11, 1.1e-4)).spread >= 1e7 * (1 - EQUAL)


def test_passive_capacitors_make_the_matrix_passive_and_are_refused_where_none_do():
    chain = Linear(a=-np.eye(3) + np.diag([3.0, 3.0], -1), b=[[1.0], [0.0], [0.0]])
    s = np.array([1.0, 2.0, 5.0])
    ratio = capacitor_ratios(chain, "passive", s)
    scaled = (ratio / s**2)[:, None] * chain.a
    assert np.linalg.eigvalsh(scaled + scaled.T)[-1] < 0
    with pytest.raises(NotRealizableError, match=r"unstable.*negative resistor"):
        capacitor_ratios(Linear(a=[[1.0]]), "passive", np.ones(1))
    assert verify_model(chain, values=Values(capacitors="passive")).passed


def test_noise_capacitors_have_the_least_output_noise_of_their_total():
    model = replace(stable(4, 1, 13, p=1), x0=None)
    ports_noise = {}
    for choice in ("equal", "noise"):
        compiled = compile_model(model, values=Values(capacitors=choice))
        circuit = compiled.realization.circuit
        total = next(b for b in circuit.banks if isinstance(b, Capacitors)).capacitance.sum()
        noise = predict_noise(circuit, compiled.state_map, transconductor=1.0)
        ports_noise[choice] = float(noise.outputs[0] * np.sqrt(total))
    assert ports_noise["noise"] < ports_noise["equal"]
    # Groenewold's closed form: N = 2 k T (sum sqrt(alpha W))^2 / C_T, in units of time.
    alpha = np.abs(model.a).sum(axis=1) + np.abs(model.b).sum(axis=1)
    w = np.diag(solve_continuous_lyapunov(model.a.T, -model.w_out.T @ model.w_out))
    least = np.sqrt(2 * Boltzmann * ROOM) * np.sum(np.sqrt(alpha * w))
    assert ports_noise["noise"] == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda m: compile_model(m, values=Values(round="E13")), UsageError, "series must"),
        (lambda m: compile_model(m, values=Values(pairs=True)), UsageError, "belong to round"),
        (lambda m: compile_model(m, form="rl", values=Values(swing="l2")), UsageError, "form 'rc'"),
        (
            lambda m: compile_model(m, coupling="gyrator", values=Values(r_range=(1.0, 2.0))),
            UsageError,
            "ranges of R and gm",
        ),
        (lambda m: compile_model(m, values=Values(r_range=(2.0, 1.0))), UsageError, "r_range"),
        (lambda m: compile_model(m, values=Values(capacitors="big")), UsageError, "capacitors"),
        (lambda m: compile_model(m, values=Values(swing="big")), UsageError, "swing must"),
        (
            lambda m: compile_model(m, values=Values(swing="peak", input_range=0.0)),
            UsageError,
            "input range",
        ),
        (
            lambda m: compile_model(m, values=Values(round="E96", rounding="best")),
            UsageError,
            "method",
        ),
        (
            lambda m: compile_model(
                Linear(a=m.a + 3 * np.eye(4), b=m.b), duration=0.1, values=Values(swing="l2")
            ),
            NotRealizableError,
            "not stable",
        ),
        (
            lambda m: compile_model(Linear(a=m.a), values=Values(round="E96")),
            NotRealizableError,
            "starts at rest",
        ),
        (
            lambda m: compile_model(Linear(a=m.a), values=Values(swing="l2")),
            NotRealizableError,
            "no state moves",
        ),
        (
            lambda m: compile_model(
                Linear(a=m.a + 3 * np.eye(4), b=m.b),
                duration=0.1,
                values=Values(capacitors="noise"),
            ),
            NotRealizableError,
            "least noise",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(stable())


def test_families_that_are_not_linear_have_no_component_values_to_choose():
    with pytest.raises(UsageError, match="linearize it first"):
        compile_model(r2c.load(DATA / "delay_rnn.npz"), values=Values(round="E96"))


def test_predictions_refuse_what_they_cannot_say():
    realization, ports = made(stable())
    unstable, unstable_ports = made(Linear(a=[[1.0]], b=[[1.0]]), duration=0.1)
    with pytest.raises(NotRealizableError, match="not stable"):
        predict_noise(unstable.circuit, unstable_ports)
    with pytest.raises(UsageError, match="noise factors"):
        predict_noise(realization.circuit, ports, transconductor=-1.0)
    with pytest.raises(UsageError, match="distribution"):
        predict_tolerance(realization.circuit, ports, distribution="even")
    with pytest.raises(UsageError, match="tolerance"):
        predict_tolerance(realization.circuit, ports, resistor=2.0)


@pytest.mark.spice
def test_the_command_line_rounds_and_keeps_ranges(tmp_path, capsys):
    r2c.save(stable(), tmp_path / "net.npz")
    out = str(tmp_path / "out")
    options = ["--round", "E96", "--round-capacitors", "E24", "--c-range", "1e-10,1e-6"]
    assert main(["compile", str(tmp_path / "net.npz"), "-o", out, *options]) == 0
    assert "values rounded to E96, capacitors to E24" in capsys.readouterr().out
    netlist = str(tmp_path / "out" / "net.cir")
    assert main(["verify-netlist", netlist, "--model", str(tmp_path / "net.npz")]) == 0
    assert "rounding.h2" in capsys.readouterr().out
    assert (tmp_path / "out" / "net.parts.csv").exists()
    assert main(["verify", str(tmp_path / "net.npz"), "--swing", "peak"]) == 0
    assert main(["compile", str(tmp_path / "net.npz"), "--c-range", "1e-9"]) == 2
