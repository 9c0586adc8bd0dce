"""Strategies: other coordinates, the same behaviour, and the elements that theory promises."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_linear import hard_system as random_system
from random_linear import state_matrix
from scipy.linalg import expm, solve_continuous_lyapunov

import rnn2circuit as r2c
from rnn2circuit.cli import main
from rnn2circuit.demo import examples_directory
from rnn2circuit.errors import (
    CircuitError,
    NotRealizableError,
    UnverifiableError,
    UsageError,
)
from rnn2circuit.linearize.strategies import (
    KAPPA,
    STRATEGIES,
    describe_states,
    orthogonal,
    realize_states,
)
from rnn2circuit.linearize.strategies.gramians import gramian_factor, hankel
from rnn2circuit.models import Linear
from rnn2circuit.statemap import map_from_json, map_to_json
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations, sha256_text
from rnn2circuit.verify.transfer import check_transfer, read_linear

CHANGING = STRATEGIES[1:]
GRAMIAN = ("ladder", "balanced", "minimum-noise")
SAME = 1e-9  # parts of the largest output: what extraction is held to
PEAK = 1e-5  # parts of the peak: simulated outputs at high accuracy
ROUND_OFF = 1e-10  # of matrices of order one, through coordinates of condition up to 1e5


def outputs(model: Linear, t_end: float) -> np.ndarray:
    """Independent oracle: outputs at 20 times, by matrix exponentials.

    Of the free motion with bias, and of each input held at one from zero.
    """
    model = model.without_input_map()
    n, m = model.n_states, model.n_inputs
    b = np.zeros((n, 0)) if model.b is None else model.b
    bias = np.zeros(n) if model.bias is None else model.bias
    forced = np.column_stack([bias, b])
    a = np.block([[model.a, forced], [np.zeros((m + 1, n + m + 1))]])
    start = np.zeros((n + m + 1, m + 1))
    start[:n, 0] = model.initial_state
    start[n:] = np.eye(m + 1)
    step = expm(a * t_end / 20)
    rows = []
    for _ in range(20):
        rows.append([model.readout(column[:n], column[n + 1 :]) for column in start.T])
        start = step @ start
    return np.array(rows)


def deviation(one: Linear, other: Linear, *, t_end: float = 6.0) -> float:
    found, wanted = outputs(other, t_end), outputs(one, t_end)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def gain(model: Linear, omega: np.ndarray) -> np.ndarray:
    """Transfer function at jω, shape (k, p, m)."""
    eye = np.eye(model.n_states)
    return np.array(
        [model.w_out @ np.linalg.solve(1j * w * eye - model.a, model.b + 0j) for w in omega]
    )


def error_norm(one: Linear, other: Linear) -> tuple[float, float]:
    """Largest singular value of the difference of the transfer functions, and of the first."""
    omega = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 400)])
    difference = gain(one, omega) - gain(other, omega)
    largest = [np.linalg.svd(g, compute_uv=False).max() for g in (difference, gain(one, omega))]
    return float(largest[0]), float(largest[1])


@pytest.mark.parametrize("strategy", CHANGING)
def test_fifty_random_systems_behave_the_same_in_every_strategy(strategy):
    worst, fewest = 0.0, 0
    for seed in range(50):
        model = random_system(seed)
        found = realize_states(model, strategy)
        error = deviation(model, found.model)
        assert error <= SAME, (seed, model.n_states, found.order, error)
        worst, fewest = max(worst, error), fewest + (found.order < model.n_states)
    print(f"{strategy}: worst of 50 {worst:.1e}; {fewest} with fewer states")
    assert fewest == 0 or strategy in GRAMIAN


@pytest.mark.parametrize("strategy", CHANGING)
@pytest.mark.parametrize("form", ["rc", "rl"])
def test_the_netlist_holds_the_new_equations_and_the_old_behaviour(strategy, form):
    for seed in (1, 3, 7, 8) if form == "rl" else (0, 2, 4, 5, 9):
        model = random_system(seed)
        compiled = r2c.compile_model(
            model,
            strategy=strategy,
            form=form,
            coupling=("vccs", "gyrator")[seed % 2],
            duration=1.0,
            stimulus=r2c.SineStimulus(
                offset=np.zeros(model.n_inputs),
                amplitude=np.ones(model.n_inputs),
                frequency=np.ones(model.n_inputs),
            ),
        )
        text, record = compiled.netlist, compiled.record
        checks = check_equations(text, record, model, seed=0, realized=compiled.realized)
        checks += check_transfer(text, record, model, compiled.states.truncation)
        assert {c.verdict for c in checks} == {Verdict.PASS}, (seed, checks)
        assert [c.id for c in checks][-2:] == ["transfer.input", "transfer.free"]
        assert len(compiled.state_map.outputs) == model.n_outputs
        assert deviation(model, read_linear(text, record)) <= SAME


@pytest.mark.spice
@pytest.mark.parametrize("strategy", CHANGING)
def test_the_simulated_outputs_are_those_of_the_original_ode(strategy):
    model = random_system(CHANGING.index(strategy) + 2)
    result = r2c.verify_model(model, strategy=strategy, coupling="gyrator", accuracy="high")
    assert result.passed, result.report
    figures = {c.id: c.value for c in result.report.checks}
    assert {"transfer.input", "transfer.free", "simulator.f"} <= set(figures)
    run = result.simulation
    wanted = result.compiled.original.outputs(run.t)
    assert np.abs(run.y - wanted).max() <= PEAK * np.abs(wanted).max()


def test_gramian_factors_solve_the_lyapunov_equation():
    for seed in range(0, 12, 2):
        model = random_system(seed)
        decaying = model.a - 2.0 * np.eye(model.n_states)
        factor = gramian_factor(decaying, model.b)
        wanted = solve_continuous_lyapunov(decaying, -model.b @ model.b.T)
        np.testing.assert_allclose(factor @ factor.T, wanted, atol=1e-12 * np.abs(wanted).max())
        found = hankel(decaying, model.b, np.eye(model.n_states))
        seen = solve_continuous_lyapunov(decaying.T, -np.eye(model.n_states))
        squares = np.sort(np.linalg.eigvals(wanted @ seen).real)[::-1]
        np.testing.assert_allclose(found.values[:2] ** 2, squares[:2], rtol=1e-9)
    unreached = gramian_factor(-np.eye(2), np.array([[1.0], [0.0]]))
    np.testing.assert_allclose(unreached @ unreached.T, [[0.5, 0], [0, 0]], rtol=1e-15)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_ladder_has_m_positive_resistors_and_a_band_of_gyrators(m):
    rng = np.random.default_rng(m)
    n = 7
    model = Linear(
        a=state_matrix("gauss", n, rng), b=rng.normal(size=(n, m)), w_out=rng.normal(size=(2, n))
    )
    compiled = r2c.compile_model(model, strategy="ladder", coupling="gyrator")
    r, banks = compiled.realized.n_states, compiled.realization.circuit.banks
    resistors = [bank for bank in banks if type(bank).__name__ == "Resistors"]
    by_stem = {bank.stem: bank for bank in resistors}
    assert "sym" not in by_stem  # none between states
    assert by_stem["shunt"].resistance.size == m
    assert np.all(by_stem["shunt"].resistance > 0)
    (gyrators,) = [bank for bank in banks if type(bank).__name__ == "Gyrators"]
    assert gyrators.gyration_conductance.size == m * r - m * (m + 1) // 2
    assert np.all(np.abs(gyrators.index[:, 0] - gyrators.index[:, 1]) <= m)
    (capacitors,) = [bank for bank in banks if type(bank).__name__ == "Capacitors"]
    assert len(set(capacitors.capacitance)) == 1
    counts = dict(compiled.record.element_counts)
    assert counts["Transconductances"] == m * m + 2 * r  # inputs to m states, readout of all
    a = compiled.realized.a
    assert np.linalg.eigvalsh(a + a.T).max() <= 0.0 + ROUND_OFF


def test_a_ladder_of_a_growing_network_has_negative_resistors_where_it_grows():
    model = replace(random_system(2), bias=None, x0=None)
    found = realize_states(model, "ladder")
    assert found.treatment == "split"
    assert np.linalg.eigvals(model.a).real.max() > 0
    assert "growing modes were split off" in " ".join(describe_states(found))
    loss = np.diag(found.model.a)
    m = model.n_inputs
    assert np.count_nonzero(loss > 0) <= m
    assert np.count_nonzero(loss < 0) <= m
    assert np.count_nonzero((found.model.a + found.model.a.T) - 2 * np.diag(loss)) == 0


@pytest.mark.parametrize("strategy", ["ladder", "balanced", "minimum-noise", "lyapunov"])
def test_modes_on_the_imaginary_axis_are_shifted_and_said_so(strategy):
    ring = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.3, 0.0, -0.5]])
    model = Linear(a=ring, b=np.ones((3, 1)), w_out=np.eye(3)[1:], x0=np.array([1.0, 0, 0]))
    found = realize_states(model, strategy)
    assert found.treatment == "shifted"
    assert found.shift > 0
    assert "put back" in " ".join(describe_states(found))
    assert deviation(model, found.model) <= SAME
    if strategy != "lyapunov":
        with pytest.raises(NotRealizableError, match="imaginary axis"):
            realize_states(model, strategy, order=2)


def gramians(model: Linear) -> tuple[np.ndarray, np.ndarray]:
    reach = solve_continuous_lyapunov(model.a, -model.b @ model.b.T)
    return reach, solve_continuous_lyapunov(model.a.T, -model.w_out.T @ model.w_out)


def stable_plain(seed: int) -> Linear:
    rng = np.random.default_rng(seed)
    a = state_matrix("gauss", 6, rng)
    return Linear(a=a, b=rng.normal(size=(6, 2)), w_out=rng.normal(size=(2, 6)))


def test_balanced_states_are_as_reachable_as_visible():
    found = realize_states(stable_plain(0), "balanced")
    reach, seen = gramians(found.model)
    scale = reach[0, 0] / found.truncation.values[0][0]  # of the states, one for all
    np.testing.assert_allclose(reach / scale, seen * scale, atol=1e-8 * reach[0, 0] / scale)
    np.testing.assert_allclose(
        np.diag(reach) / scale, found.truncation.values[0], atol=1e-9 * reach[0, 0] / scale
    )
    assert np.linalg.eigvalsh(found.model.a + found.model.a.T).max() <= ROUND_OFF


def test_minimum_noise_states_swing_alike_and_are_seen_alike():
    found = realize_states(stable_plain(1), "minimum-noise")
    for gramian in gramians(found.model):
        np.testing.assert_allclose(np.diag(gramian), np.diag(gramian).mean(), rtol=1e-8)
    product = np.prod([np.trace(g) for g in gramians(found.model)])
    assert product == pytest.approx(found.truncation.values[0].sum() ** 2, rel=1e-8)


def test_lyapunov_coordinates_are_passive_and_keep_every_state():
    model = random_system(4)  # a chain: as it stands its symmetric part is indefinite
    assert np.linalg.eigvalsh(model.a + model.a.T).max() > 0
    found = realize_states(model, "lyapunov")
    assert found.order == model.n_states
    assert np.linalg.eigvalsh(found.model.a + found.model.a.T).max() < 0


def test_schur_and_hessenberg_coordinates_are_orthogonal_and_have_their_zeros():
    model = random_system(6)
    n = model.n_states
    for strategy in ("schur", "hessenberg"):
        found = realize_states(model, strategy)
        np.testing.assert_allclose(found.transform.T @ found.transform, np.eye(n), atol=1e-13)
        assert np.count_nonzero(np.tril(found.model.a, -2)) == 0
    assert np.abs(found.model.b[1:, 0]).max() <= ROUND_OFF  # the first input drives z1 alone
    alone = replace(model, b=None, d=None, in_scale=None, x0=None, bias=None)
    assert realize_states(alone, "hessenberg").order == n


def test_modal_blocks_respect_the_limit_and_pairs_are_normal():
    for seed in (0, 1, 6, 7, 12):
        model = random_system(seed)
        for kappa in (1.0, 3.0, KAPPA, 1e6):
            found = realize_states(model, "modal", kappa=kappa)
            assert found.condition <= kappa * (1 + ROUND_OFF)
            assert sum(found.blocks) == model.n_states
            assert kappa > 1 or len(found.blocks) == 1 or seed % 6 == 1  # normal: already parted
    found = realize_states(random_system(1), "modal")
    assert max(found.blocks) == 2
    symmetric = found.model.a + found.model.a.T
    assert np.count_nonzero(symmetric - np.diag(np.diag(symmetric))) == 0
    n, pairs = found.order, found.blocks.count(2)
    compiled = r2c.compile_model(random_system(1), strategy="modal", coupling="gyrator")
    counts = dict(compiled.record.element_counts)
    assert counts["Gyrators"] == pairs
    assert counts["Resistors"] == n + compiled.realized.n_outputs  # readout sums have one each


def test_a_defective_chain_becomes_one_modal_block():
    assert realize_states(random_system(4), "modal").blocks == (random_system(4).n_states,)


def test_modes_that_lapack_cannot_part_are_an_error(monkeypatch):
    monkeypatch.setattr(orthogonal, "reordered_schur", lambda *_: None)
    with pytest.raises(NotRealizableError, match="strategy schur"):
        realize_states(random_system(0), "modal")


@pytest.mark.parametrize("strategy", [*GRAMIAN, "modal", "schur", "hessenberg", "lyapunov"])
def test_a_truncation_stays_within_its_bound_and_not_far_below(strategy):
    model = stable_plain(3)
    for order in (2, 4):
        found = realize_states(model, strategy, order=order)
        error, _ = error_norm(model, found.model)
        assert found.order == order
        assert found.truncation.values[0][order] / 2 <= error <= found.truncation.bound
        assert f"order {order} asked for" in " ".join(describe_states(found))
    for tolerance in (0.3, 1e-3):
        found = realize_states(model, strategy, tolerance=tolerance)
        error, peak = error_norm(model, found.model)
        assert error <= tolerance * peak
        assert found.truncation.relative <= tolerance
        if found.order > 1:  # one state fewer would not be allowed
            less = realize_states(model, strategy, order=found.order - 1)
            assert less.truncation.relative > tolerance


def test_growing_modes_are_never_left_out():
    twice = Linear(a=np.diag([0.5, 0.7, -1.0, -2.0]), b=np.ones((4, 1)), w_out=np.ones((1, 4)))
    found = realize_states(twice, "balanced", order=3)
    assert found.order == 3
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(found.model.a))[-2:], [0.5, 0.7])
    with pytest.raises(NotRealizableError, match="2 growing modes"):
        realize_states(twice, "balanced", order=1)


def test_inputs_and_initial_states_of_any_size_are_kept_alike():
    model = stable_plain(5)
    tiny = replace(model, b=1e-9 * model.b, x0=np.arange(1.0, 7.0), bias=1e6 * np.ones(6))
    for strategy in GRAMIAN:
        found = realize_states(tiny, strategy).model
        omega = np.geomspace(1e-2, 1e2, 50)
        wanted = gain(tiny, omega)
        assert np.abs(gain(found, omega) - wanted).max() <= SAME * np.abs(wanted).max()
        assert deviation(replace(tiny, b=None), replace(found, b=None)) <= SAME


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "lanczos"}, "must be one of direct, modal"),
        ({"strategy": "modal", "kappa": np.inf}, "without a limit"),
        ({"strategy": "modal", "kappa": 0.5}, "at least 1"),
        ({"strategy": "ladder", "kappa": 10.0}, "of strategy modal, not of ladder"),
        ({"strategy": "ladder", "order": 2, "tolerance": 0.1}, "give one of them"),
        ({"strategy": "direct", "order": 2}, "keeps the network's own states"),
        ({"strategy": "direct", "tolerance": 0.1}, "keeps the network's own states"),
        ({"strategy": "balanced", "order": 0}, "between 1 and the number of states 6"),
        ({"strategy": "balanced", "order": 7}, "between 1 and the number of states 6"),
        ({"strategy": "balanced", "order": 2.5}, "whole number"),
        ({"strategy": "balanced", "tolerance": 0.0}, "between 0 and 1"),
        ({"strategy": "balanced", "tolerance": np.nan}, "between 0 and 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        r2c.compile_model(stable_plain(0), **options)


def test_a_network_whose_outputs_nothing_reaches_has_no_gramians():
    still = Linear(a=-np.eye(2), w_out=np.ones((1, 2)))
    with pytest.raises(NotRealizableError, match="no input, bias or initial state"):
        realize_states(still, "balanced")
    assert realize_states(still, "schur").order == 2


def test_only_linear_networks_change_their_states():
    network = r2c.load(examples_directory() / "ctrnn_cycle.npz")
    with pytest.raises(UsageError, match="--linearize"):
        r2c.compile_model(network, strategy="schur")
    cell = r2c.Elman(w=np.zeros((2, 2)))
    with pytest.raises(UsageError, match="clocked cell has no linearization"):
        r2c.compile_model(cell, strategy="schur")


# ---- the map, and netlists edited by hand


def test_the_map_says_strategy_and_order_and_old_maps_mean_direct():
    compiled = r2c.compile_model(stable_plain(0), strategy="ladder", order=3)
    record = map_from_json(compiled.map_json)
    assert (record.strategy, record.order) == ("ladder", 3)
    assert [port.name for port in record.state_map.states] == ["z1", "z2", "z3"]
    assert record.weights_sha256 == r2c.compile_model(stable_plain(0)).record.weights_sha256
    data = json.loads(compiled.map_json)
    del data["strategy"], data["order"]
    old = map_from_json(json.dumps(data))
    assert (old.strategy, old.order) == ("direct", None)
    assert '"order"' not in map_to_json(old)
    for field, value in (("strategy", 3), ("order", "3"), ("order", True)):
        with pytest.raises(CircuitError, match=field):
            map_from_json(json.dumps(data | {field: value}))


def adopted(compiled, text=None, record=None, model=None):
    text = compiled.netlist if text is None else text
    record = compiled.record if record is None else record
    return r2c.adopt_netlist(text, record, compiled.model if model is None else model)


@pytest.mark.spice
def test_a_netlist_in_other_coordinates_is_judged_by_its_behaviour():
    for options in ({"strategy": "ladder"}, {"strategy": "balanced", "order": 3}):
        compiled = r2c.compile_model(stable_plain(0), **options)
        result = r2c.verify_compiled(adopted(compiled))
        assert result.passed, result.report
        assert any("coordinates of the circuit's own" in note for note in result.report.notes)
        lines = compiled.netlist.splitlines()
        k = next(i for i, line in enumerate(lines) if line.startswith("g_ro_"))
        *head, value = lines[k].split()
        lines[k] = " ".join([*head, repr(1.2 * float(value))])
        edited = r2c.verify_compiled(adopted(compiled, "\n".join(lines) + "\n"))
        failed = {c.id for c in edited.report.checks if c.verdict is Verdict.FAIL}
        assert "transfer.input" in failed, edited.report


def test_a_single_weight_off_by_a_millionth_is_seen_from_outside():
    compiled = r2c.compile_model(stable_plain(2), strategy="schur")
    lines = compiled.netlist.splitlines()
    seen = 0
    for k, line in enumerate(lines):
        if not line.startswith(("g_a_", "g_in_", "g_ro_", "r_leak_")):
            continue
        *head, value = line.split()
        text = "\n".join(
            [*lines[:k], " ".join([*head, repr(float(value) * (1 + 1e-6))]), *lines[k + 1 :]]
        )
        checks = check_transfer(text, compiled.record, compiled.model, None)
        assert Verdict.FAIL in {c.verdict for c in checks}, line
        seen += 1
    assert seen >= 30


def test_a_hidden_growing_mode_fails_though_no_output_shows_it():
    model = Linear(a=-np.eye(2), b=np.array([[1.0], [0.0]]), w_out=np.array([[1.0, 0.0]]))
    compiled = r2c.compile_model(model, strategy="schur")
    lines = [
        line.replace("r_leak_2 x2 0 ", "r_leak_2 x2 0 -") for line in compiled.netlist.splitlines()
    ]
    changed = "\n".join(lines) + "\n"
    assert changed != compiled.netlist
    checks = check_transfer(changed, compiled.record, model, None)
    assert [c.verdict for c in checks] == [Verdict.FAIL, Verdict.FAIL]
    assert "does not decay" in checks[0].detail


def test_maps_that_do_not_fit_are_refused_before_anything_runs():
    compiled = r2c.compile_model(stable_plain(0), strategy="schur")
    with pytest.raises(UsageError, match="known are direct"):
        adopted(compiled, record=replace(compiled.record, strategy="lanczos"))
    with pytest.raises(UsageError, match="belongs to another model"):
        adopted(compiled, model=random_system(2))
    silent = compiled.netlist.replace(" ic=", " ; ")
    with pytest.raises(UnverifiableError, match="where all of its states start"):
        adopted(compiled, silent)
    other = replace(compiled.record, netlist_sha256=sha256_text(compiled.netlist), order=2)
    (check,) = check_equations(
        compiled.netlist, other, compiled.model, seed=0, realized=compiled.realized
    )
    assert "order" in check.detail


# ---- the trained network of 24 neurons


def trained() -> Linear:
    return r2c.linearize(r2c.load(examples_directory() / "delay_line.npz")).model


@pytest.mark.spice
def test_a_ladder_replaces_the_trained_network_with_a_tenth_of_the_elements():
    runs = {}
    for strategy, options in (("direct", {}), ("ladder", {"tolerance": 2e-5})):
        compiled = r2c.compile_model(
            trained(), strategy=strategy, coupling="gyrator", accuracy="high", **options
        )
        runs[strategy] = r2c.simulate(compiled, simulator="ngspice")
    direct, ladder = runs["direct"], runs["ladder"]
    y = np.column_stack(
        [np.interp(ladder.t, direct.t, column) for column in direct.y.T]
    )  # linear: 2e-7 at this step
    apart = np.abs(ladder.y - y).max() / np.abs(y).max()
    elements = [sum(dict(r.compiled.record.element_counts).values()) for r in (direct, ladder)]
    print(
        f"ladder against direct: {apart:.1e} of the peak, {elements[1]} elements of {elements[0]}"
    )
    assert apart <= 1e-4
    assert elements[1] <= 0.1 * elements[0]


@pytest.mark.parametrize("strategy", CHANGING)
def test_the_trained_network_behaves_the_same_in_every_strategy(strategy):
    model = trained()
    found = realize_states(model, strategy)
    assert deviation(model, found.model, t_end=20.0) <= SAME
    cycle = r2c.linearize(r2c.load(examples_directory() / "ctrnn_cycle.npz"), at="equilibrium")
    assert deviation(cycle.model, realize_states(cycle.model, strategy).model) <= SAME


def test_the_table_of_the_docs_is_current():
    docs = Path(__file__).parent.parent / "docs"
    spec = importlib.util.spec_from_file_location("maker", docs / "make_strategies_table.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = (docs / "strategies.md").read_text().splitlines()
    made = maker.table()
    start = page.index(made[0])
    for found, wanted in zip(page[start:], made, strict=False):
        # Counts exactly; conditions and bounds to the digits that another LAPACK keeps.
        for one, other in zip(found.split("|")[1:-1], wanted.split("|")[1:-1], strict=True):
            try:
                assert float(one) == pytest.approx(float(other), rel=0.1)
            except ValueError:
                assert one == other
    assert page[start + len(made)] == ""


@pytest.mark.spice
def test_the_command_line_compiles_and_verifies_with_a_strategy(tmp_path, capsys):
    network = str(examples_directory() / "delay_line.npz")
    options = ["--linearize", "origin", "--strategy", "ladder", "--tolerance", "1e-4"]
    assert main(["compile", network, *options, "-o", str(tmp_path)]) == 0
    assert "Hankel singular values" in capsys.readouterr().out
    cir = str(tmp_path / "delay_line.cir")
    assert main(["verify-netlist", cir, "--model", network, "--linearize", "origin"]) == 0
    assert "transfer.input" in capsys.readouterr().out
    assert main(["compile", network, "--strategy", "ladder", "-o", str(tmp_path)]) == 2
    assert "linearize it first" in capsys.readouterr().err
