"""Values that can be bought, bills of materials, budgets of parts and tolerance of boards."""

import csv
import json
import signal
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace

import numpy as np
import pytest
from random_models import random_cell, random_model
from scipy.stats import binom

import rnn2circuit as r2c
from rnn2circuit.circuit.banks import Capacitors, Resistors
from rnn2circuit.circuit.circuit import CircuitBuilder, counting
from rnn2circuit.circuit.parts import Multipliers, OpAmps, Otas
from rnn2circuit.cli import count_runs, main
from rnn2circuit.demo import load_example
from rnn2circuit.devices.eseries import decade
from rnn2circuit.devices.technology import KELVIN, NOMINAL, OpAmp, Technology
from rnn2circuit.errors import CircuitError, NotRealizableError, SimulationError, UsageError
from rnn2circuit.flow import Values, compile_model, simulate
from rnn2circuit.flow import boards as boards_module
from rnn2circuit.flow.boards import Bench, collect, measure, outcomes, relative_error
from rnn2circuit.flow.speed import predicted_error
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.lowering.bill import HIGH_OHM, bill_of_materials
from rnn2circuit.lowering.purchase import buy_resistors
from rnn2circuit.lowering.realistic import lower
from rnn2circuit.lowering.spread import (
    SPREADS,
    TRIMS,
    Spread,
    draw,
    errors_of,
    perturbed,
    ptat_legs,
    read_spread,
)
from rnn2circuit.report.tolerance import (
    Outcome,
    Rung,
    Tolerance,
    quantile,
    share,
    tolerance_json,
    tolerance_text,
    yields,
)
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.writers.ngspice import write_subcircuit

BOUGHT = 3e-3  # nrmse that pairs of E24 may cost
PAIR = 0.004  # largest relative error of the best pair of E24 (IEC 60063 values)
EXACT = 1e-12


def compiled_of(family="ctrnn", n=3, seed=0, **options):
    if family in ("elman", "gru"):
        model = random_cell(family, n, 1, seed)
    else:
        model = random_model(family, n, 1, seed, activations=("tanh", "logistic"))
    return compile_model(model, level="macro", **options)


def banks(compiled, kind):
    return [bank for bank in compiled.realization.circuit.banks if isinstance(bank, kind)]


def nrmse(compiled):
    t, error = relative_error(simulate(compiled))
    return float(np.sqrt(np.trapezoid(error**2, t, axis=0) / (t[-1] - t[0])).max())


# -- values ----------------------------------------------------------------------------------


def test_capacitors_are_bought_and_time_constants_and_weights_stay_exact():
    exact = compiled_of("ctrnn", 4)
    bought = compiled_of("ctrnn", 4, values=Values(round_capacitors="E6"))
    (before,), (after,) = banks(exact, Capacitors), banks(bought, Capacitors)
    mantissas = [float(f"{c:.3e}".split("e")[0]) for c in after.capacitance.tolist()]
    assert set(mantissas) <= set(decade("E6").tolist())
    factor = after.capacitance / before.capacitance
    assert np.abs(factor - 1.0).max() > 0.05  # something did move
    # The leak is in R, so R C is what must not move: in the order of the states.
    leaks = [next(b for b in banks(c, Resistors) if b.stem == "leak") for c in (exact, bought)]
    one, other = leaks[0].resistance, leaks[1].resistance
    np.testing.assert_allclose(other * after.capacitance, one * before.capacitance, rtol=EXACT)
    # What flows into a state scales with it, and what does not stays.
    for stem, scaled in (("bias", True), ("pair", False), ("leg", False)):
        a, b = (next(k for k in banks(c, Resistors) if k.stem == stem) for c in (exact, bought))
        wanted = a.resistance / factor if scaled else a.resistance
        np.testing.assert_allclose(b.resistance, wanted, rtol=EXACT)


@pytest.mark.spice
@pytest.mark.parametrize("family", ["linear", "ctrnn", "hopfield", "ltc", "lrc", "lem"])
def test_pairs_of_e24_hardly_move_a_network(family):
    compiled = compiled_of(family, values=Values(round="E24"))
    assert nrmse(compiled) <= BOUGHT


@pytest.mark.spice
@pytest.mark.parametrize("name", ["rnn_delay", "hopfield_memory", "energy_recall", "linear_filter"])
def test_pairs_of_e24_hardly_move_a_trained_network(name):
    exact = load_example(name, level="macro", impedance=5e4 if name == "linear_filter" else None)
    bought = compile_model(
        exact.model,
        level="macro",
        stimulus=exact.stimulus,
        duration=exact.duration,
        impedance=exact.realization.scaling.impedance,
        values=Values(round="E24"),
    )
    assert nrmse(bought) <= nrmse(exact) + BOUGHT


@pytest.mark.spice
def test_capacitors_alone_move_nothing():
    for family in ("ltc", "elman"):
        exact, bought = (
            compiled_of(family, values=v) for v in (None, Values(round_capacitors="E6"))
        )
        assert nrmse(bought) == pytest.approx(nrmse(exact), rel=0.5, abs=1e-5)


def test_of_a_pair_both_resistors_are_in_the_netlist_and_make_the_value():
    exact = compiled_of().realization.circuit
    bought = buy_resistors(exact, "E24", pairs=True, largest=1e12)
    grid = set(decade("E24").tolist())
    nets = exact.nets
    for before, after in zip(exact.banks, bought.banks, strict=True):
        if not isinstance(before, Resistors):
            continue
        assert {float(f"{r:.3e}".split("e")[0]) for r in after.resistance.tolist()} <= grid
        for k, ohm in zip(before.index[:, 0].tolist(), before.resistance.tolist(), strict=True):
            where = after.index[:, 0] == k
            parts, p, n = after.resistance[where], after.p[where], after.n[where]
            if len(parts) == 2 and p[0] == p[1]:
                value = 1 / (1 / parts).sum()
            else:
                value = parts.sum()
                if len(parts) == 2:  # in series: through a net that is new
                    assert n[0] == p[1] >= len(nets)
            assert value == pytest.approx(ohm, rel=PAIR)


def test_single_values_are_the_nearest():
    bought = compiled_of(values=Values(round="E96"))
    assert all(bank.index.shape[1] == 1 for bank in banks(bought, Resistors))
    grid = decade("E96").tolist()
    for bank in banks(bought, Resistors):
        for ohm in bank.resistance.tolist():
            assert float(f"{ohm:.4e}".split("e")[0]) in grid


def test_pairs_are_the_default_up_to_e24_and_can_be_chosen():
    def paired(**options):
        (bank, *_) = banks(compiled_of(values=Values(**options)), Resistors)
        return bank.index.shape[1] == 2

    assert paired(round="E12")
    assert paired(round="E24")
    assert not paired(round="E96")
    assert paired(round="E96", pairs=True)
    assert not paired(round="E24", pairs=False)


def test_ranges_move_capacitors_and_refuse_resistors():
    narrow = compiled_of("ctrnn", 4, values=Values(c_range=(9e-9, 11e-9)))
    (caps,) = banks(narrow, Capacitors)
    assert 9e-9 <= caps.capacitance.min() <= caps.capacitance.max() <= 11e-9
    with pytest.raises(NotRealizableError, match=r"needs a resistor of .* outside 1000 to 1e"):
        compiled_of(values=Values(r_range=(1e3, 1e7)))  # the legs have 500 ohm
    with pytest.raises(NotRealizableError, match="E6 has no value"):
        compiled_of(values=Values(round_capacitors="E6", c_range=(11e-9, 12e-9)))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"round": "E24", "rounding": "joint"}, "rounding joint belongs to linear networks"),
        ({"capacitors": "equal"}, "capacitors belongs to linear"),
        ({"swing": "l2"}, "swing belongs to linear"),
        ({"gm_range": (1e-9, 1e-3)}, "gm_range belongs to linear"),
        ({"pairs": True}, "pairs belongs to round"),
        ({"r_range": (1e6, 1e3)}, "r_range must be two positive"),
        ({"round_capacitors": "E7"}, "series must be one of"),
    ],
)
def test_options_of_values_that_do_not_fit_a_level_are_refused(options, match):
    with pytest.raises(UsageError, match=match):
        compiled_of(values=Values(**options))


def test_a_grade_belongs_to_levels_other_than_ideal():
    model = random_model("linear", 2, 1, 0)
    with pytest.raises(UsageError, match="grade belongs to levels other than ideal"):
        compile_model(model, values=Values(grade="1%"))


def test_a_resistor_beyond_the_series_is_refused():
    circuit = compiled_of().realization.circuit
    with pytest.raises(NotRealizableError, match="lies outside E24, 1 to"):
        buy_resistors(circuit, "E24", pairs=True, largest=1e3)


# -- bill of materials -----------------------------------------------------------------------


def test_the_bill_lists_every_part_of_the_netlist_once(tmp_path):
    for family, options in (("ltc", {}), ("elman", {"values": Values(round="E24", grade="0.1%")})):
        compiled = compiled_of(family, **options)
        compiled.write(tmp_path)
        with (tmp_path / "network.bom.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        subcircuit = compiled.netlist.split(".ends")[0]
        lines = [
            line.split() for line in subcircuit.splitlines() if line[:2] in ("r_", "c_", "x_", "s_")
        ]
        listed = Counter(name for row in rows for name in row["references"].split())
        assert listed == Counter(line[0] for line in lines)
        values = {line[0]: float(line[3]) for line in lines if line[0][0] in "rc"}
        for row in rows:
            names = row["references"].split()
            assert int(row["quantity"]) == len(names)
            assert all(values[name] == float(row["value"]) for name in names if row["value"])


def test_packages_are_counted_in_ics_and_classes_follow_the_grade():
    compiled = compiled_of("ltc", values=Values(grade="0.1%"))
    by_kind = {line.kind: line for line in compiled.bill if line.packages is not None}
    counts = dict(compiled.record.element_counts)
    assert by_kind["OTA"].packages == -(-counts["Otas"] // 2)
    assert by_kind["op-amp"].packages == -(-counts["OpAmps"] // 4)
    assert by_kind["multiplier"].packages == counts["Multipliers"]
    resistors = [line for line in compiled.bill if line.kind == "resistor"]
    usual = {(r.tolerance, r.suggestion) for r in resistors if r.value <= HIGH_OHM}
    assert usual == {("0.1 %", "Vishay TNPW")}
    high = {(r.tolerance, r.suggestion) for r in resistors if r.value > HIGH_OHM}
    assert high == {("1 %", "Vishay CRHV")}
    assert any("TL074" in note and "network.bom.csv" in note for note in compiled.notes)
    with_ptat = ptat_legs(compiled.realization.circuit, KELVIN + NOMINAL)
    legs = [line for line in bill_of_materials(with_ptat) if line.kind == "PTAT resistor"]
    (bank,) = (b for b in banks(compiled, Resistors) if b.stem == "leg")
    assert sum(line.quantity for line in legs) == len(bank.index)
    assert {line.tolerance for line in legs} == {"1 %"}


def test_of_a_gyrator_the_bill_lists_the_parts_inside():
    model = random_model("linear", 3, 1, 0)
    compiled = compile_model(model, level="macro", coupling="gyrator", values=Values(round="E24"))
    counts = dict(compiled.record.element_counts)
    inside = compiled.netlist.split(".subckt r2c_gyrator")[1].split(".ends")[0].splitlines()
    opamps = [line.split()[0] for line in inside if line.startswith("x_")]
    resistors = [line.split()[0] for line in inside if line.startswith("r_")]
    listed = [name for line in compiled.bill for name in line.references]
    assert len(listed) == len(set(listed))
    for name in (*opamps, *resistors):
        assert sum(ref.endswith(f".{name}") for ref in listed) == counts["ActiveGyrators"]
    (line,) = (line for line in compiled.bill if line.kind == "op-amp")
    assert line.quantity == counts.get("OpAmps", 0) + 4 * counts["ActiveGyrators"]
    coils = compile_model(model, level="macro", form="rl")
    (line,) = (line for line in coils.bill if line.kind == "inductor")
    assert (line.quantity, line.unit) == (3, "H")


def test_capacitors_of_states_that_are_tied_keep_their_proportions_or_are_refused():
    model = random_model("linear", 3, 1, 0)
    exact = compile_model(model, level="macro", coupling="gyrator")
    values = Values(round_capacitors="E6")
    bought = compile_model(model, level="macro", coupling="gyrator", values=values)
    (before,), (after,) = banks(exact, Capacitors), banks(bought, Capacitors)
    assert set(np.round(after.capacitance / 10 ** np.floor(np.log10(after.capacitance)), 3)) <= set(
        decade("E6").tolist()
    )
    factor = float(after.capacitance[0] / before.capacitance[0])
    for stem in ("tie", "gyr"):
        a, b = (
            next((k for k in c.realization.circuit.banks if k.stem == stem), None)
            for c in (exact, bought)
        )
        if a is not None:
            np.testing.assert_allclose(b.resistance, a.resistance / factor, rtol=1e-9)
    gaps = r2c.Ltc(**gap_junctions())
    with pytest.raises(NotRealizableError, match="keep the proportions of their capacitors"):
        compile_model(gaps, level="macro", coupling="gyrator", values=values)


def gap_junctions():
    model = random_model("ltc", 2, 1, 0)
    given = {f.name: getattr(model, f.name) for f in fields(model)}
    gap = np.array([[0.0, 0.5], [0.5, 0.0]])
    return given | {"g_gap": gap, "c_m": np.array([1.0, 1.3])}


def test_a_bill_of_what_nobody_sells_is_refused():
    ideal = compile_model(random_model("ctrnn", 2, 1, 0))
    assert ideal.bill == ()
    with pytest.raises(CircuitError, match="there is no part for"):
        bill_of_materials(ideal.realization.circuit)


# -- speed -----------------------------------------------------------------------------------


def test_a_time_constant_that_op_amps_cannot_follow_is_refused_with_one_that_they_can():
    model = random_model("ctrnn", 3, 1, 0, activations=("tanh",))
    usual = compile_model(model, level="macro").state_map.seconds_per_unit
    with pytest.raises(NotRealizableError, match="state x") as refused:
        compile_model(model, level="macro", seconds_per_unit=usual / 5000)
    fitting = float(str(refused.value).split("seconds_per_unit from ")[1].split(" ")[0])
    assert not noted(compile_model(model, level="macro", seconds_per_unit=1.01 * fitting))
    slow = compile_model(model, level="macro", seconds_per_unit=fitting / 2)
    assert noted(slow)
    faster = Technology(opamp=OpAmp(bandwidth=1e9))
    assert not noted(
        compile_model(model, level="macro", seconds_per_unit=fitting / 2, technology=faster)
    )


def noted(compiled):
    return any("op-amps of" in note for note in compiled.notes)


def test_automatic_scaling_gives_the_fastest_state_time():
    model = random_model("ctrnn", 3, 1, 0, activations=("tanh",))
    slow_parts = Technology(opamp=OpAmp(bandwidth=1e3))
    compiled = compile_model(model, level="macro", technology=slow_parts)
    assert not noted(compiled)
    usual = compile_model(model, level="macro").state_map.seconds_per_unit
    assert compiled.state_map.seconds_per_unit > usual


@pytest.mark.spice
def test_the_prediction_of_lag_is_of_the_right_size():
    model = random_model("hopfield", 3, 1, 1, activations=("tanh",))
    usual = compile_model(model, level="macro").state_map.seconds_per_unit
    compiled = compile_model(model, level="macro", seconds_per_unit=usual / 250)
    (caps,) = banks(compiled, Capacitors)
    tau = compiled.realization.scaling.impedance * float(caps.capacitance.min())
    predicted = predicted_error(tau, Technology())
    assert predicted / 30 < nrmse(compiled) < 2 * predicted


# -- spreads ---------------------------------------------------------------------------------


def test_a_board_is_off_by_its_spread_and_by_nothing_else():
    circuit = compiled_of("ltc", 4).realization.circuit
    spread = Spread(resistor=0.01, capacitor=0.05, ota_offset=1e-3, multiplier_gain=2e-3)
    found = {"r": [], "c": [], "ota": [], "gain": []}
    for seed in range(40):
        board = perturbed(circuit, spread, np.random.default_rng(seed))
        for a, b in zip(circuit.banks, board.banks, strict=True):
            match b:
                case Resistors():
                    found["r"].append(b.resistance / a.resistance - 1)
                case Capacitors():
                    found["c"].append(b.capacitance / a.capacitance - 1)
                case Otas():
                    found["ota"].append(b.offset)
                    assert not b.gain_error.any()
                case Multipliers():
                    found["gain"].append(b.gain_error)
                    assert not np.concatenate([b.x_offset, b.output_offset]).any()
                case OpAmps():
                    assert not b.offset.any()
    pooled = {name: np.concatenate(parts) for name, parts in found.items()}
    for name, width in (("r", 0.01), ("c", 0.05)):
        assert np.abs(pooled[name]).max() <= width * (1 + EXACT)
        assert pooled[name].std() == pytest.approx(width / np.sqrt(3), rel=0.15)
    for name, sigma in (("ota", 1e-3), ("gain", 2e-3)):
        assert pooled[name].std() == pytest.approx(sigma, rel=0.2)
        assert np.abs(pooled[name]).max() > 1.8 * sigma  # normal, not uniform


def test_a_trim_makes_the_same_board_better():
    circuit = compiled_of("ctrnn", 3).realization.circuit
    for name, trim in TRIMS.items():
        plain, trimmed = (
            perturbed(circuit, replace(SPREADS["1%"], trims=trims), np.random.default_rng(1))
            for trims in ((), (name,))
        )
        touched = set()
        for a, b, exact in zip(plain.banks, trimmed.banks, circuit.banks, strict=True):
            for column in ("resistance", "capacitance", "offset", "gain_error"):
                if not hasattr(a, column):
                    continue
                one, other = (getattr(k, column) - getattr(exact, column) for k in (a, b))
                if (a.stem, column) in trim.leaves:
                    touched.add(a.stem)
                    assert np.all(np.abs(other) <= np.abs(one))
                    assert np.all(np.sign(other) == np.sign(one))
                else:
                    assert np.array_equal(one, other)
        assert touched, name


def test_the_same_random_numbers_stand_behind_every_spread():
    circuit = compiled_of().realization.circuit
    drawn = [
        draw(errors_of(circuit, spread), np.random.default_rng(3))
        for spread in (Spread(), SPREADS["1%"])
    ]
    for a, b in zip(*drawn, strict=True):
        assert np.array_equal(a, b)


def test_spreads_are_read_by_name_or_number_and_refused_otherwise():
    assert read_spread("1%") is SPREADS["1%"]
    assert read_spread("resistor=0.02, ota_gain=1e-3") == Spread(resistor=0.02, ota_gain=1e-3)
    for text in ("2%", "resistor", "resistor=x", "trims=0.1"):
        with pytest.raises(UsageError, match="a spread is 1%"):
            read_spread(text)
    with pytest.raises(UsageError, match="spread resistor must be from 0 to below 1"):
        Spread(resistor=1.0)
    with pytest.raises(UsageError, match="trims are offset"):
        Spread(trims=("colour",))


def test_ptat_legs_are_written_with_their_coefficient():
    compiled = compiled_of("ltc")
    circuit = ptat_legs(compiled.realization.circuit, KELVIN + NOMINAL)
    text = write_subcircuit(circuit, name="a", title=["t"])
    with_drift = [line for line in text.splitlines() if " tc1=" in line]
    (legs,) = (b for b in banks(compiled, Resistors) if b.stem == "leg")
    assert len(with_drift) == len(legs.index)
    assert all(
        line.startswith("r_leg_") and line.endswith(f"tc1={1 / 300.15!r}") for line in with_drift
    )


def test_a_drift_that_is_no_number_is_refused():
    builder = CircuitBuilder()
    net = builder.net("a")
    with pytest.raises(CircuitError, match="temperature_coefficient of 'r' must be finite"):
        Resistors(
            stem="r",
            index=counting(1),
            meaning="one",
            p=np.array([net]),
            n=np.array([0]),
            resistance=np.array([1.0]),
            temperature_coefficient=float("nan"),
        )


# -- statistics ------------------------------------------------------------------------------


def test_the_interval_of_a_share_covers_as_often_as_it_says():
    for of in (7, 40):
        for truth in (0.03, 0.5, 0.9):
            covered = sum(
                binom.pmf(good, of, truth)
                for good in range(of + 1)
                if share(good, of).low <= truth <= share(good, of).high
            )
            assert covered >= 0.95
    assert (share(0, 5).low, share(5, 5).high) == (0.0, 1.0)
    assert share(195, 200).low == pytest.approx(0.9426, abs=1e-4)  # tables of Clopper and Pearson


def test_the_interval_of_a_quantile_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for q in (0.5, 0.9):
        hits = 0
        for _ in range(400):
            _, low, high = quantile(np.sort(rng.random(60)), q)
            hits += low <= q <= high
        assert hits / 400 >= 0.93  # 0.95 less the error of 400 trials


def found_with(runs, **options):
    given = {
        "name": "n",
        "family": "ctrnn",
        "level": "macro",
        "spread": (("resistor", 0.01),),
        "seed": 0,
        "asked": len(runs),
        "limit": 0.02,
        "metric": None,
        "task_limit": None,
        "nominal": Outcome(nrmse=1e-4, largest=2e-4, state=1),
        "rungs": (Rung(trims=(), runs=tuple(runs)),),
    }
    return Tolerance(**(given | options))


def test_a_failed_board_counts_against_the_yield_and_is_named():
    good = Outcome(nrmse=0.01, largest=0.02, state=1, task=0.9)
    bad = Outcome(nrmse=0.03, largest=0.05, state=2, task=0.4)
    found = found_with(
        [good, good, bad, Outcome(failure="timeout")], metric="accuracy", task_limit=0.5
    )
    waveform, task = yields(found, found.rungs[0])
    assert (waveform.good, waveform.of) == (2, 4)
    assert (task.good, task.of) == (2, 4)
    text = tolerance_text(found)
    assert "1 failed: timeout" in text
    assert "2 of 4" in text
    data = json.loads(tolerance_json(found))
    assert data["rungs"][0]["failures"] == {"timeout": 1}
    assert data["rungs"][0]["yield"]["of"] == 4
    by_error = found_with([good, bad], metric="rmse", task_limit=0.5)
    assert yields(by_error, by_error.rungs[0])[1].good == 1
    assert "interrupted" in tolerance_text(replace(found, interrupted=True))
    assert "failed" in tolerance_text(replace(found, nominal=Outcome(failure="no")))


# -- boards ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short():
    return compiled_of("ctrnn", 2, duration=2.0)


@pytest.mark.spice
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers(short):
    texts = [tolerance_json(analyze_tolerance(short, runs=6, workers=w)) for w in (1, 4)]
    assert texts[0] == texts[1]
    assert texts[0] != tolerance_json(analyze_tolerance(short, runs=6, seed=1))


@pytest.mark.spice
def test_the_same_seed_gives_the_same_bytes_on_a_dask_cluster(short, tmp_path):
    distributed = pytest.importorskip("distributed")
    (tmp_path / "m.npz").write_bytes(b"")
    model = tmp_path / "model.json"
    r2c.save(short.model, model)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as local,
        distributed.Client(local) as client,
    ):
        found = analyze_tolerance(short, runs=6, executor=client.get_executor())
        out = tmp_path / "dask.json"
        command = ["tolerance", str(model), "--name", "network", "--level", "macro", "--json"]
        command += [str(out), "--duration", "2", "--runs", "6"]
        assert main([*command, "--dask", local.scheduler_address]) == 0
    assert tolerance_json(found) == tolerance_json(analyze_tolerance(short, runs=6))
    assert out.read_text() == tolerance_json(found)


@pytest.mark.spice
def test_a_linear_spread_grows_in_proportion_and_sensitivities_add_up_to_it(short):
    small = Spread(resistor=1e-3)
    found = analyze_tolerance(short, spread=small, runs=40, sensitivity=True)
    ranking = found.sensitivity
    rms = np.sqrt(np.mean([r.nrmse**2 for r in found.rungs[0].runs]))
    assert rms == pytest.approx(ranking.total.shift, rel=0.5)  # 40 boards, and the worst state
    squares = sum(g.shift**2 for g in ranking.groups)
    assert squares == pytest.approx(ranking.total.shift**2, rel=1e-9)
    assert [p.shift for p in ranking.parts] == sorted(
        (p.shift for p in ranking.parts), reverse=True
    )
    names = {line.split()[0] for line in short.netlist.splitlines() if line.startswith("r_")}
    assert {p.name for p in ranking.parts} == {n for n in names if n.count("_") >= 2}
    text = tolerance_text(found)
    assert ranking.parts[0].name in text
    assert "resistor: " in text


@pytest.mark.spice
def test_trims_and_ptat_legs_help(short):
    found = analyze_tolerance(
        short, runs=12, trims=("offset", "gain", "tau"), temperatures=(0, 27, 70), ptat=True
    )
    medians = [np.median(rung.values) for rung in found.rungs]
    assert [rung.trims for rung in found.rungs][-1] == ("offset", "gain", "tau")
    assert medians[-1] < medians[0]
    at = {(c.celsius, c.ptat): c.outcome.nrmse for c in found.corners}
    assert at[70, True] < at[70, False] / 5
    assert at[0, True] < at[0, False] / 5
    assert at[27, False] == pytest.approx(found.nominal.nrmse, rel=1e-6)
    text = tolerance_text(found)
    assert "offset + gain + tau" in text
    assert "70 C, PTAT legs" in text


@pytest.mark.spice
def test_a_clocked_cell_has_boards_and_its_capacitors_hardly_matter():
    compiled = compiled_of("elman", 2, duration=6)
    only = {}
    for name, spread in (("r", Spread(resistor=0.01)), ("c", Spread(capacitor=0.05))):
        only[name] = np.median(analyze_tolerance(compiled, spread=spread, runs=4).rungs[0].values)
    assert only["c"] < only["r"] / 5


@pytest.mark.spice
def test_the_task_of_a_test_set_is_judged_board_by_board(short, tmp_path):
    t = np.linspace(0.1, 1.9, 10)
    wanted = short.reference.outputs(t)
    task = r2c.Task(t=t, targets=wanted)
    found = analyze_tolerance(short, runs=4, task=task, task_limit=1e-9)
    scores = [r.task for r in found.rungs[0].runs]
    assert found.nominal.task < min(scores)
    assert yields(found, found.rungs[0])[1].good == 0
    assert "yield, rmse <= 1e-09: 0 of 4" in tolerance_text(found)


@pytest.mark.spice
def test_the_time_limit_is_per_board_and_counted(short, monkeypatch):
    bench = Bench(
        compiled=short,
        circuit=short.realization.circuit,
        errors=(),
        task=None,
        simulator="ngspice",
        timeout=1e-3,
    )
    assert measure(bench, bench.circuit).failure == "timeout"
    assert (
        boards_module.shift_of_part(
            replace(bench, errors=errors_of(bench.circuit, SPREADS["1%"])), np.zeros((401, 2)), 0, 0
        )
        == "timeout"
    )
    with pytest.raises(SimulationError, match="exact parts does not run: timeout"):
        analyze_tolerance(short, runs=1, timeout=1e-3)


@pytest.mark.spice
def test_a_board_that_the_simulator_cannot_run_is_counted(short, monkeypatch):
    usual, calls = Ngspice.run, []

    def run(self, deck, *, timeout):
        calls.append(1)
        if len(calls) in (3, 5):
            raise SimulationError("timestep too small\nsecond line")
        return usual(self, deck, timeout=timeout)

    monkeypatch.setattr(Ngspice, "run", run)
    found = analyze_tolerance(short, runs=5)
    assert found.rungs[0].failures == {"timestep too small": 2}
    assert len(found.rungs[0].runs) == 5
    calls.clear()
    with pytest.raises(SimulationError, match="off by itself the circuit did not run: timestep"):
        analyze_tolerance(short, runs=0, sensitivity=True)


class Interrupts:
    """An executor in which some runs end, one is under way, and then someone presses Ctrl-C."""

    def __init__(self, after):
        self.pool, self.after, self.count = ThreadPoolExecutor(1), after, 0

    def submit(self, fn, *args):
        return self.pool.submit(fn, *args)

    def told(self, stage, done, of):
        if done == self.after:
            raise KeyboardInterrupt


@pytest.mark.spice
def test_an_interrupt_keeps_what_was_measured(short):
    executor = Interrupts(after=3)
    found = analyze_tolerance(
        short,
        runs=30,
        executor=executor,
        progress=executor.told,
        trims=("offset",),
        temperatures=(0,),
        sensitivity=True,
    )
    executor.pool.shutdown()
    assert found.interrupted
    assert len(found.rungs) == 1
    assert 3 <= len(found.rungs[0].runs) < 30
    assert (found.corners, found.sensitivity) == ((), None)
    assert "of 30 boards" in tolerance_text(found)
    whole = analyze_tolerance(short, runs=30 if False else len(found.rungs[0].runs))
    assert whole.rungs[0].runs == found.rungs[0].runs  # the seeds of the first boards are theirs


def test_a_worker_that_dies_is_a_failed_run():
    lost: Future[Outcome] = Future()
    lost.set_exception(BrokenProcessPool("a child was killed"))
    done: Future[Outcome] = Future()
    done.set_result(Outcome(nrmse=1.0, largest=1.0, state=1))
    gone: Future[Outcome] = Future()
    gone.cancel()
    assert not collect([lost, done], lambda done, of: None)
    found = outcomes([lost, done, gone])
    assert [bool(r.failure) for r in found] == [True, False]
    bug: Future[Outcome] = Future()
    bug.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        outcomes([bug])


def test_workers_leave_interrupts_to_their_parent():
    before = signal.getsignal(signal.SIGINT)
    try:
        boards_module._leave_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"runs": -1}, "runs must be 0 or more"),
        ({"limit": 0.0}, "limit must be positive"),
        ({"temperatures": (-300.0,)}, "degrees Celsius from"),
        ({"trims": ("offset", "offset")}, "each trim is done once"),
        ({"trims": ("sound",)}, "trims are offset"),
        ({"task_limit": 1.0}, "task_limit belongs to targets"),
        ({"timeout": 0.0}, "timeout must be positive"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
@pytest.mark.spice
def test_options_of_an_analysis_that_are_none_are_refused(short, options, match):
    with pytest.raises(UsageError, match=match):
        analyze_tolerance(short, **options)


def test_parts_of_an_ideal_circuit_have_no_tolerance():
    with pytest.raises(UsageError, match="levels other than ideal"):
        analyze_tolerance(compile_model(random_model("linear", 2, 1, 0)))


# -- command line ----------------------------------------------------------------------------


@pytest.fixture
def model_file(short, tmp_path):
    path = tmp_path / "m.json"
    r2c.save(short.model, path)
    return str(path)


@pytest.mark.spice
def test_the_verb_prints_figures_and_writes_json(model_file, tmp_path, capsys):
    (tmp_path / "targets.csv").write_text("1,0,0\n1.5,0,0\n")
    command = ["tolerance", model_file, "--level", "macro", "--duration", "2", "--runs", "3"]
    command += ["--temperature", "0,70", "--trim", "offset", "--grade", "0.1%"]
    assert main([*command, "--json", str(tmp_path / "t.json")]) == 0
    out, err = capsys.readouterr()
    assert "3 of 3 boards, offset" in out
    assert "boards: 3 of 3" in err
    data = json.loads((tmp_path / "t.json").read_text())
    assert data["spread"]["resistor"] == SPREADS["0.1%"].resistor
    assert [c["celsius"] for c in data["corners"]] == [0.0, 70.0]


def test_the_verb_refuses_what_does_not_go_together(model_file, capsys):
    base = ["tolerance", model_file, "--level", "macro"]
    assert main([*base, "--metric", "rmse"]) == 2
    assert "--metric belongs to --targets" in capsys.readouterr().err
    assert main([*base, "--temperature", "warm"]) == 2
    assert "--temperature takes numbers" in capsys.readouterr().err
    assert main([*base, "--json", model_file]) == 2
    assert "would overwrite" in capsys.readouterr().err


def test_a_cluster_needs_dask_and_an_address(model_file, monkeypatch, capsys):
    base = ["tolerance", model_file, "--level", "macro", "--duration", "1"]
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert main([*base, "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "rnn2circuit[dask]" in capsys.readouterr().err


def test_progress_is_a_bar_on_terminals_and_ten_lines_elsewhere(capsys, monkeypatch):
    for done in range(1, 201):
        count_runs("boards", done, 200)
    assert len(capsys.readouterr().err.splitlines()) == 10
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    count_runs("boards", 100, 200)
    assert "[###############               ] 100 of 200" in capsys.readouterr().err


# -- small weights ---------------------------------------------------------------------------


def test_weights_that_cannot_be_built_are_left_out_where_they_are_negligible_and_noted():
    w = np.array([[0.5, 1e-9], [1.0, -0.4]])
    model = r2c.Ctrnn(rate=np.ones(2), w=w, w_in=np.array([[1.0], [0.0]]))
    whole = r2c.Ctrnn(rate=np.ones(2), w=np.where(w == 1e-9, 0.0, w), w_in=model.w_in)
    compiled = compile_model(model, level="macro")
    assert any("1 weights are left out" in note and "7e-10 of" in note for note in compiled.notes)
    cards = [
        [line for line in c.netlist.splitlines() if line[:2] in ("r_", "x_")]
        for c in (compiled, compile_model(whole, level="macro"))
    ]
    assert cards[0] == cards[1]
    # Where a resistor exists, it is there, however small the weight.
    small = r2c.Ctrnn(rate=np.ones(2), w=np.where(w == 1e-9, 1e-3, w), w_in=model.w_in)
    there = compile_model(small, level="macro")
    assert not any("left out" in note for note in there.notes)
    counts = [dict(c.record.element_counts)["Resistors"] for c in (compiled, there)]
    assert counts[1] == counts[0] + 1


def test_what_cannot_be_built_and_matters_is_refused_by_name():
    narrow = Technology(largest_resistor=3e5)
    model = random_model("ctrnn", 2, 0, 0, activations=("tanh",))
    weak = replace(model, w=np.array([[0.5, 0.01], [1.0, -0.4]]), bias=None)
    with pytest.raises(NotRealizableError, match="the weight from x2 to a1 needs a resistor of"):
        compile_model(weak, level="macro", technology=narrow)


@pytest.mark.spice
def test_a_state_with_a_weight_too_small_for_its_resistor_gets_a_larger_capacitor():
    a = np.array([[-1.0, 2e-4], [-1.0, -1.0]])
    model = r2c.Linear(a=a, b=np.array([[1.0], [1.0]]))
    sold = Technology(largest_resistor=1e9)
    compiled = compile_model(model, level="macro", technology=sold)
    (caps,) = banks(compiled, Capacitors)
    assert caps.capacitance[0] > 4 * caps.capacitance[1]
    assert nrmse(compiled) < 1e-3


def test_a_capacitor_outside_the_range_is_refused_where_none_is_chosen():
    ideal = compile_model(random_model("ctrnn", 2, 1, 0, activations=("tanh",)))
    with pytest.raises(NotRealizableError, match="state x1 needs a capacitor of"):
        lower(ideal.realization.circuit, Technology(largest_capacitor=1e-10))
