"""Every topology of a linear n-port, and every coupling of the nonlinear families' sums."""

import dataclasses

import numpy as np
import pytest
from mutants import mutants
from random_linear import stable_system as system
from random_models import CELLS, FAMILIES, random_cell, random_model

from rnn2circuit.circuit.banks import Gyrators, Resistors, Transformers
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.multiport import Ammeters, SeriesTransresistances
from rnn2circuit.cli import main
from rnn2circuit.errors import CircuitError, NotRealizableError, UsageError
from rnn2circuit.flow import compile_model, verify_model
from rnn2circuit.models import Ctrnn, Elman, Hopfield, Linear
from rnn2circuit.models.io import save
from rnn2circuit.report.netlist_summary import describe_circuit
from rnn2circuit.statemap import map_from_json, scales, to_volts
from rnn2circuit.synthesis.ctrnn import realize_ctrnn
from rnn2circuit.synthesis.factors import (
    equilibration,
    low_rank_with_leak,
    skew_factors,
    symmetric_factors,
)
from rnn2circuit.synthesis.realize import Realization, realize
from rnn2circuit.synthesis.scaling import choose_scaling
from rnn2circuit.synthesis.topology import (
    COUPLINGS,
    INPUT_COUPLINGS,
    LINEAR,
    ON_SUMS,
    SYNAPTIC_FAMILIES,
)
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations, sha256_text
from rnn2circuit.verify.extraction import extract
from rnn2circuit.verify.steps import check_step
from rnn2circuit.writers.ngspice import write_subcircuit

EXACT = 1e-9  # the promise to users
TRANSIENT = 1e-5  # of peak, at high accuracy: the second-order error of its step
FACTORS = 1e-13  # of the largest entry: round-off of an elimination of n = 64
SYSTEMS = 50
WITH_SPICE = 3
PLACES = [(form, kind) for form, kinds in LINEAR.items() for kind in kinds]
BY_INPUTS = [("rc", kind, inputs) for kind in LINEAR["rc"] for inputs in INPUT_COUPLINGS]


def circuit_of(model, *, form="rc", coupling="vccs", **options) -> Realization:
    scaling = choose_scaling(model, form=form)
    return realize(model, form=form, coupling=coupling, scaling=scaling, **options)


def assert_extracts(model, **options) -> None:
    """Rates and outputs, as read from the text, at random points: without solving the model."""
    made = circuit_of(model, **options)
    ports = made.state_map
    system = extract(
        write_subcircuit(made.circuit, name="dut", title=["rnn2circuit netlist"]),
        states=[m.port for m in ports.states],
        inputs=[m.port for m in ports.inputs],
        outputs=[m.port for m in ports.outputs],
    )
    rng = np.random.default_rng(model.n_states)
    x, u = rng.normal(size=(5, model.n_states)), rng.normal(size=(5, model.n_inputs))
    rates = system.rates(to_volts(ports.states, x), to_volts(ports.inputs, u))
    found = rates.dv_dt / scales(ports.states) * ports.seconds_per_unit
    wanted, output = model.rhs(x, u), model.readout(x, u)
    scale = np.abs(wanted).max(axis=0)
    assert float(np.max(np.abs(found - wanted) / np.maximum(scale, 1e-6 * scale.max()))) <= EXACT
    if ports.outputs:
        y = rates.outputs / scales(ports.outputs)
        assert float(np.max(np.abs(y - output)) / np.abs(output).max()) <= EXACT


def assert_holds_its_equations(compiled) -> None:
    checks = check_equations(compiled.netlist, compiled.record, compiled.model, seed=1)
    assert all(c.verdict is Verdict.PASS for c in checks), [c for c in checks if c.detail]


def counts(model, **options) -> dict[str, int]:
    compiled = compile_model(model, **options)
    record = compiled.record
    return dict(record.element_counts) | {
        "negative": record.negative_resistors,
        "windings": record.windings,
    }


@pytest.mark.parametrize(("form", "coupling"), PLACES)
def test_every_topology_holds_the_equations_of_random_systems(form, coupling):
    for k in range(SYSTEMS):
        assert_extracts(system(k, coupling), form=form, coupling=coupling)
    assert_holds_its_equations(compile_model(system(12, coupling), form=form, coupling=coupling))


@pytest.mark.parametrize(("form", "coupling", "inputs"), BY_INPUTS)
def test_inputs_may_be_transconductances_resistors_or_gyrators(form, coupling, inputs):
    for k in (4, 9, 14):  # one to three inputs
        model = system(k, coupling)
        compiled = compile_model(model, form=form, coupling=coupling, inputs_as=inputs)
        assert_holds_its_equations(compiled)
        assert compiled.record.inputs_as == inputs


@pytest.mark.spice
@pytest.mark.parametrize(("form", "coupling"), PLACES)
def test_every_topology_simulates_as_its_system(form, coupling):
    for k in range(2, 2 + WITH_SPICE):
        assert_simulates(k, form, coupling)


def assert_simulates(k: int, form: str, coupling: str) -> None:
    result = verify_model(
        system(k, coupling), form=form, coupling=coupling, accuracy="high", simulator="ngspice"
    )
    assert all(c.verdict is Verdict.PASS for c in result.report.checks), (k, result.report)
    transient = next(c for c in result.report.checks if c.id == "transient.states")
    assert transient.value <= TRANSIENT


@pytest.mark.parametrize("coupling", ON_SUMS)
@pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f not in ("linear", "gated", *SYNAPTIC_FAMILIES)]
)
def test_the_sums_of_nonlinear_families_take_every_coupling(family, coupling):
    rank = {"rank": 5} if coupling == "lowrank" else {}  # random weights have full rank
    for k, form in enumerate(("rc", "rl")):
        model = random_model(family, 4 + k, 2, seed=20 + k)
        inputs = INPUT_COUPLINGS[(k + len(coupling)) % 3]
        assert_extracts(model, form=form, coupling=coupling, inputs_as=inputs, **rank)


@pytest.mark.parametrize("coupling", ON_SUMS)
@pytest.mark.parametrize("family", CELLS)
def test_the_sums_of_cells_take_every_coupling(family, coupling):
    rank = {"rank": 8} if coupling == "lowrank" else {}
    cell = random_cell(family, 4, 2, seed=3)
    compiled = compile_model(cell, coupling=coupling, **rank)
    checks = check_step(compiled.netlist, compiled.record, cell, seed=1, limit=EXACT)
    assert all(c.verdict is Verdict.PASS for c in checks), checks


def test_a_sum_of_rails_never_needs_a_negative_resistor():
    model = random_model("ctrnn", 6, 2, seed=1)
    model = dataclasses.replace(model, w=10 * model.w)
    found = counts(model, coupling="rails", inputs_as="resistor")
    assert found["negative"] == 0
    assert_holds_its_equations(compile_model(model, coupling="rails", inputs_as="resistor"))


# Element counts.


def dense(n: int, m: int = 0, seed: int = 0) -> Linear:
    rng = np.random.default_rng([seed, n, m])
    a = rng.normal(size=(n, n)) - 2 * np.sqrt(n) * np.eye(n)
    return Linear(a=a, b=rng.normal(size=(n, m)) if m else None)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_dense_systems_have_as_many_elements_as_the_formulas_say(n):
    m, pairs = 2, n * (n - 1) // 2
    model = dense(n, m)
    common = {"Capacitors": n, "negative": 0, "windings": 0}
    found = counts(model)
    assert found == common | {"Resistors": n, "Transconductances": n * (n - 1) + n * m}
    found = counts(model, coupling="gyrator")
    assert (found["Resistors"], found["Gyrators"]) == (pairs + n, pairs)
    found = counts(model, coupling="rails")
    assert found["Resistors"] == n * n
    assert found["VoltageAmplifiers"] <= 2 * n
    found = counts(model, coupling="balanced")
    assert (found["Gyrators"], found["DifferenceAmplifiers"]) == (pairs, n)
    assert n * (n - 1) < found["Resistors"] <= n * (n - 1) + 2 * n
    found = counts(model, coupling="transformer")
    assert (found["Resistors"], found["Gyrators"]) == (n, pairs)
    found = counts(model, coupling="minimal-gyrator")
    assert (found["Resistors"], found["Gyrators"]) == (pairs + n, n // 2)
    found = counts(model, form="rl", coupling="ccvs")
    assert found == {
        "Inductors": n,
        "Resistors": n,
        "Ammeters": n,
        "SeriesTransresistances": n * (n - 1),
        "DifferenceAmplifiers": n * m,
        "Transresistances": n,
        "negative": 0,
        "windings": 0,
    }


def test_inputs_have_one_element_each_and_an_inverter_where_a_weight_is_negative():
    model = Linear(a=-5 * np.eye(2), b=np.array([[1.0, -2.0], [3.0, 0.0]]))
    assert counts(model)["Transconductances"] == 3
    found = counts(model, inputs_as="resistor")
    assert (found["Resistors"], found["VoltageAmplifiers"]) == (2 + 3, 1)
    assert counts(model, inputs_as="gyrator")["Gyrators"] == 3


def test_a_network_of_rank_r_has_2nr_transconductances_and_r_sum_nodes():
    rng = np.random.default_rng(2)
    n, r = 12, 2
    a = rng.normal(size=(n, r)) @ rng.normal(size=(r, n)) / n - np.diag(rng.uniform(1, 2, n))
    found = counts(Linear(a=a), coupling="lowrank")
    assert (found["Transconductances"], found["Resistors"]) == (2 * n * r, n + r)


@pytest.mark.parametrize(
    ("n", "rank"), [(1, 0), (2, 2), (3, 2), (5, 4), (6, 6), (9, 8), (17, 16), (12, 4), (11, 2)]
)
def test_the_number_of_gyrators_is_half_the_rank_of_the_skew_part(n, rank):
    rng = np.random.default_rng(n)
    parts = rng.normal(size=(2, rank // 2, n))
    k = np.einsum("ri,rj->ij", *parts) if rank else np.zeros((n, n))
    k = k - k.T
    assert np.linalg.matrix_rank(k) == rank
    model = Linear(a=k - 3 * np.eye(n))
    assert counts(model, coupling="minimal-gyrator").get("Gyrators", 0) == rank // 2
    assert_holds_its_equations(compile_model(model, coupling="minimal-gyrator"))


def test_repeated_singular_values_and_a_null_space_do_not_confuse_the_skew_factors():
    rng = np.random.default_rng(4)
    q, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    k = q @ np.kron(np.diag([2.0, 2.0, 2.0, 0.0]), [[0, 1], [-1, 0]]) @ q.T
    k = (k - k.T) / 2
    g, a, b = skew_factors(k, equilibration(k))
    assert len(g) == 3
    np.testing.assert_allclose((a * g) @ b.T - (b * g) @ a.T, k, atol=FACTORS)
    assert counts(Linear(a=k - np.eye(8)), coupling="minimal-gyrator")["Gyrators"] == 3


@pytest.mark.parametrize("n", [1, 2, 5, 17, 64])
def test_transformers_leave_exactly_as_many_negative_resistors_as_negative_eigenvalues(n):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, n))
    s = -(a + a.T) / 2
    negative = int((np.linalg.eigvalsh(s) < 0).sum())
    e, t = symmetric_factors(s, equilibration(a))
    np.testing.assert_allclose((t * e) @ t.T, s, atol=FACTORS * np.abs(s).max())
    found = counts(Linear(a=a), coupling="transformer")
    assert found["negative"] == negative
    assert found["Resistors"] == n
    # A lower triangle of turns, and little more where a pivot is a 2x2 block; its last column is
    # a single turn and needs no transformer.
    assert found["windings"] <= n * (n + 1) // 2 + n
    assert found.get("Transformers", 0) <= max(0, n - 1) + 1


def test_a_factorization_of_a_semidefinite_matrix_has_no_negative_term():
    rng = np.random.default_rng(5)
    half = rng.normal(size=(9, 3))
    e, _ = symmetric_factors(half @ half.T, equilibration(half @ half.T))
    assert len(e) == 3
    assert np.all(e > 0)


@pytest.mark.parametrize("seed", range(20))
def test_rails_are_positive_exactly_if_scaling_can_make_the_rows_dominant(seed):
    rng = np.random.default_rng(seed)
    n = 2 + seed % 5
    a = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(a, -rng.uniform(0.5, 3.0, n))
    own = np.abs(np.diag(a))
    off = np.abs(a) - np.diag(own)
    # Independent of the synthesis: -A is an H-matrix iff the Jacobi iteration converges.
    possible = float(np.abs(np.linalg.eigvals(off / own[:, None])).max()) < 1
    model = Linear(a=a, b=rng.normal(size=(n, 2)))
    for inputs in ("vccs", "resistor", "gyrator"):
        compiled = compile_model(model, coupling="rails", inputs_as=inputs)
        assert (compiled.record.negative_resistors == 0) == possible
        assert compiled.record.negative_resistors <= n
        assert_holds_its_equations(compiled)


def test_states_of_rails_are_scaled_one_by_one_only_where_it_helps():
    helped = Linear(a=np.array([[-1.0, 5.0], [0.1, -1.0]]), x0=np.array([1.0, -2.0]))
    volts = [m.volts_per_unit for m in compile_model(helped, coupling="rails").state_map.states]
    assert volts[0] != volts[1]
    for a in (
        [[-2.0, 1.0], [1.0, -2.0]],
        [[-1.0, 5.0], [5.0, -1.0]],
        [[-1.0, 2.0], [0.5, -1.0]],
        [[0.0, 1.0], [-1.0, 0.0]],
    ):
        states = compile_model(Linear(a=np.array(a)), coupling="rails").state_map.states
        assert [m.volts_per_unit for m in states] == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(16))
def test_a_lattice_is_positive_exactly_if_the_symmetric_part_is_dominant(seed):
    rng = np.random.default_rng(seed)
    n = 1 + seed % 6
    a = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.7)
    a -= rng.uniform(0.3, 1.2) * np.diag(np.abs(a + a.T).sum(axis=1) / 2 + 0.1)
    s = -(a + a.T) / 2
    dominant = bool(np.all(2 * np.diag(s) >= np.abs(s).sum(axis=1)))
    compiled = compile_model(Linear(a=a), coupling="balanced")
    assert (compiled.record.negative_resistors == 0) == dominant
    assert_holds_its_equations(compiled)


def test_a_lattice_without_resistors_still_has_a_common_mode():
    skew = Linear(a=np.array([[0.0, 2.0], [-2.0, 0.0]]), x0=np.array([1.0, 0.0]))
    found = counts(skew, coupling="balanced")
    assert (found["Resistors"], found["negative"]) == (2, 0)
    assert_holds_its_equations(compile_model(skew, coupling="balanced"))


def test_low_rank_finds_the_leak_that_it_is_not_told():
    rng = np.random.default_rng(6)
    n, r = 15, 3
    w = rng.normal(size=(n, r)) @ rng.normal(size=(r, n))
    for leak in (np.zeros(n), np.ones(n), rng.uniform(0.5, 2.0, n)):
        found = low_rank_with_leak(w - np.diag(leak), rank=None, tolerance=1e-12)
        assert found.rank == r
        np.testing.assert_allclose(found.diagonal, -leak, atol=1e-9)


def test_low_rank_is_refused_for_full_rank_unless_it_may_be_cut_off():
    model = dense(6)
    with pytest.raises(NotRealizableError, match="full rank 6 to the tolerance; give --rank"):
        compile_model(model, coupling="lowrank")
    rough = compile_model(model, coupling="lowrank", rank=2)
    (note,) = rough.notes
    assert note.startswith("lowrank: matrix a has 2 of 6 terms, ||w - w_r|| = 0.")
    checks = check_equations(rough.netlist, rough.record, model, seed=0)
    assert any(c.verdict is Verdict.FAIL for c in checks), "an approximation must not pass as exact"
    loose = compile_model(model, coupling="lowrank", rank_tolerance=0.9)
    assert loose.record.element_counts != rough.record.element_counts


def test_a_lower_tolerance_keeps_more_terms_and_errs_less():
    rng = np.random.default_rng(8)
    model = Ctrnn(rate=np.ones(12), w=rng.normal(size=(12, 12)) @ np.diag(0.3 ** np.arange(12)))
    errors, terms = [], []
    for tolerance in (0.3, 0.03, 0.003):
        compiled = compile_model(model, coupling="lowrank", rank_tolerance=tolerance)
        errors.append(float(compiled.notes[0].split("= ")[1].split(" ")[0]))
        terms.append(int(compiled.notes[0].split("has ")[1].split(" ")[0]))
        assert errors[-1] <= tolerance
    assert errors == sorted(errors, reverse=True)
    assert terms == sorted(set(terms))


# Negative resistors, refusals and reports.


def test_negative_resistors_carry_no_negative_noise_and_are_counted_in_map_and_summary():
    model = Linear(a=np.array([[0.5, -1.0], [-1.0, -3.0]]))
    compiled = compile_model(model, coupling="gyrator")
    quiet = [x for x in compiled.netlist.splitlines() if x.endswith("noisy=0")]
    assert len(quiet) == compiled.record.negative_resistors > 0
    assert all(float(x.split()[3]) < 0 for x in quiet)
    summary = describe_circuit(compiled.record, compiled.realization.circuit)
    assert f"{len(quiet)} of them negative" in summary
    assert map_from_json(compiled.map_json) == compiled.record


NOT_DOMINANT = Linear(a=np.array([[-1.0, 2.0], [2.0, -1.5]]))
UNSTABLE = Linear(a=np.array([[1.0, 2.0], [0.0, -1.0]]))
PASSIVE = Linear(a=np.array([[-1.0, 0.9, -0.9], [0.9, -1.0, -0.9], [-0.9, -0.9, -1.0]]))


@pytest.mark.parametrize(
    ("model", "coupling", "message"),
    [
        (NOT_DOMINANT, "rails", r"r_leak_1 at x1.*row 1 of a is not.*: 1 against 2, 1 too little"),
        (NOT_DOMINANT, "balanced", r"r_lack_1 at xp1 and xn1.*row 1 of the symmetric part"),
        (NOT_DOMINANT, "transformer", r"negative eigenvalue -0\.765.*: vccs, ccvs \(form rl\)"),
        (UNSTABLE, "vccs", r"row 1 of a has a positive own rate, a\[1,1\] = 1.*no coupling of"),
        (PASSIVE, "gyrator", r"r_sym_1_3 at x1 and x3"),
        (Linear(a=-2 * np.eye(2) - 0.5), "gyrator", r"is dominant, but.*: rails, balanced, tran"),
    ],
)
def test_no_negative_names_the_resistor_the_row_and_what_would_avoid_it(model, coupling, message):
    compile_model(model, coupling=coupling)
    with pytest.raises(NotRealizableError, match=message):
        compile_model(model, coupling=coupling, allow_negative=False)


def test_no_negative_lets_pass_what_has_none_and_explains_nonlinear_sums():
    compile_model(dense(4), coupling="vccs", allow_negative=False)
    strong = Hopfield(tau=np.ones(2), w=np.array([[0.0, 4.0], [-4.0, 0.0]]))
    with pytest.raises(NotRealizableError, match=r"r_leak_1 at x1.*'vccs' has none"):
        compile_model(strong, coupling="rails", allow_negative=False)
    weak = dataclasses.replace(strong, w=strong.w / 8)
    compile_model(weak, coupling="rails", allow_negative=False)


@pytest.mark.parametrize("form", ["rc", "rl"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_coupling_that_does_not_exist_is_refused_with_the_nearest_that_does(family, form):
    model = random_model(family, 3, 1, seed=0)
    offered = LINEAR[form] if family == "linear" else ON_SUMS
    if family in SYNAPTIC_FAMILIES:
        offered = ("vccs", "gyrator")
    for coupling in set(COUPLINGS) - set(offered):
        with pytest.raises(NotRealizableError, match=r"does not exist for a .*: .*; nearest: "):
            compile_model(model, form=form, coupling=coupling)


def test_a_family_of_ones_own_meets_the_same_refusal_at_its_sums():
    model = random_model("ctrnn", 3, 1, seed=0)
    with pytest.raises(NotRealizableError, match="does not exist for sums on nodes"):
        compile_model(model, coupling="balanced", realizer=realize_ctrnn)


@pytest.mark.parametrize(
    ("model", "form"),
    [
        (random_model("ltc", 3, 1, seed=0), "rc"),
        (random_model("linear", 3, 1, seed=0), "rl"),
        (Elman(w=np.eye(2), w_in=np.ones((2, 1))), "rc"),
    ],
)
def test_inputs_that_cannot_be_resistors_are_refused(model, form):
    with pytest.raises(NotRealizableError, match="inputs 'resistor' do not exist for a"):
        compile_model(model, form=form, inputs_as="resistor")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupling": "bridge"}, "coupling must be one of vccs, gyrator, rails"),
        ({"inputs_as": "wire"}, "inputs must be one of vccs, resistor, gyrator, got 'wire'"),
        ({"rank": 2}, "belong to coupling 'lowrank'"),
        ({"coupling": "lowrank", "rank": 2, "rank_tolerance": 0.1}, "not both"),
        ({"coupling": "lowrank", "rank": 0}, "rank must be at least 1"),
        ({"coupling": "lowrank", "rank_tolerance": 1.5}, "must lie between 0 and 1"),
    ],
)
def test_options_that_contradict_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        compile_model(dense(3), **options)


def test_the_command_line_offers_inputs_rank_and_the_refusal(tmp_path, capsys):
    path = tmp_path / "net.json"
    save(UNSTABLE, path)
    command = ["compile", str(path), "-o", str(tmp_path / "out")]
    assert main([*command, "--no-negative"]) == 2
    assert "row 1 of a has a positive own rate" in capsys.readouterr().err
    assert main([*command, "--coupling", "lowrank", "--rank", "1", "--inputs", "gyrator"]) == 0
    assert "lowrank: matrix a has 1 of 2 terms" in capsys.readouterr().out
    assert main([*command, "--coupling", "lowrank", "--rank-tolerance", "2"]) == 2
    assert "rank_tolerance must lie between 0 and 1" in capsys.readouterr().err
    assert main([*command, "--coupling", "transformer"]) == 0
    shown = capsys.readouterr().out
    assert "1 of them negative: active elements" in shown
    assert "windings on them" in shown


# Banks.


def transformers(**changes) -> Transformers:
    fields = {
        "stem": "t",
        "index": [[1], [2]],
        "meaning": "transformers",
        "secondary": [3, 4],
        "transformer": [0, 0, 1],
        "net": [1, 2, 2],
        "turns": np.array([1.0, -0.5, 2.0]),
    }
    return Transformers(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turns": np.array([1.0, 0.0, 2.0])}, "turns of 't' must be different from zero"),
        ({"transformer": [0, 1, 0]}, "ascending order"),
        ({"transformer": [0, 0, 0]}, "at least one each"),
        ({"net": [1, 2]}, "need one transformer and one net each"),
    ],
)
def test_windings_that_belong_nowhere_are_refused(changes, message):
    with pytest.raises(CircuitError, match=message):
        transformers(**changes)


def test_a_net_may_not_be_called_like_a_tap_of_a_transformer():
    loads = Resistors(
        stem="r",
        index=[[1], [2], [3], [4]],
        meaning="loads",
        p=[1, 2, 3, 4],
        n=[0, 0, 0, 0],
        resistance=np.ones(4),
    )
    banks = (transformers(), loads)
    Circuit(nets=("0", "a", "b", "c", "d"), banks=banks, ports=())
    with pytest.raises(CircuitError, match="net 't_1_1' is named like a tap"):
        Circuit(nets=("0", "a", "t_1_1", "c", "d"), banks=banks, ports=())


def test_a_series_transresistance_listens_to_an_ammeter_that_exists():
    ammeter = Ammeters(stem="v", index=[[1]], meaning="sense", p=[1], n=[0])
    with pytest.raises(CircuitError, match="listens to instances 1 to 1 of 'v', which has 0 to 0"):
        SeriesTransresistances(
            stem="h",
            index=[[1]],
            meaning="drop",
            p=[1],
            n=[0],
            ammeter=ammeter,
            listens=[1],
            resistance=np.ones(1),
        )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("inputs_as", 3, "'inputs_as' must be text"),
        ("windings", -1, "'windings' must be a whole number"),
        ("negative_resistors", "2", "'negative_resistors' must be a whole number"),
    ],
)
def test_a_map_with_a_wrong_count_is_refused(field, value, message):
    import json

    data = json.loads(compile_model(dense(2)).map_json)
    with pytest.raises(CircuitError, match=message):
        map_from_json(json.dumps(data | {field: value}))


def test_direct_synthesis_is_columnar_at_a_thousand_states():
    model = dense(1000)
    circuit = circuit_of(model).circuit
    assert circuit.element_counts()["Transconductances"] == 999_000
    assert len(circuit.banks) == 3


# Faults and golden netlists.

MUTANTS = 16


@pytest.mark.parametrize("inputs", INPUT_COUPLINGS)
@pytest.mark.parametrize(("form", "coupling"), PLACES)
def test_every_single_fault_of_every_topology_is_caught(form, coupling, inputs):
    if form == "rl" and inputs != "vccs":
        pytest.skip("inputs of the current form are transconductances or sources in series")
    escaped = []
    for k in (14, 26):
        model = system(k, coupling)
        compiled = compile_model(model, form=form, coupling=coupling, inputs_as=inputs)
        assert_holds_its_equations(compiled)
        for what, text in mutants(compiled.netlist, MUTANTS, seed=k):
            record = dataclasses.replace(compiled.record, netlist_sha256=sha256_text(text))
            checks = check_equations(text, record, model, seed=1)
            if all(c.verdict is Verdict.PASS for c in checks):
                escaped.append(what)
    assert not escaped


SMALL = Linear(
    a=np.array([[-3.0, 1.0], [-2.0, -4.0]]), b=np.array([[1.0], [-0.5]]), x0=np.array([0.5, -0.25])
)
THREE = Linear(
    a=np.array([[-3.0, 1.0, -1.0], [-2.0, -4.0, 0.5], [1.0, 1.5, -2.0]]), b=np.ones((3, 1))
)
RANK_ONE = Linear(a=np.outer([1.0, -2.0, 0.5], [0.5, 1.0, -1.0]) - 2 * np.eye(3), b=np.ones((3, 1)))


@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("linear_2_rc_rails", SMALL, {"coupling": "rails", "inputs_as": "resistor"}),
        ("linear_2_rc_balanced", SMALL, {"coupling": "balanced"}),
        ("linear_3_rc_transformer", THREE, {"coupling": "transformer"}),
        ("linear_3_rc_minimal-gyrator", THREE, {"coupling": "minimal-gyrator"}),
        ("linear_3_rc_lowrank", RANK_ONE, {"coupling": "lowrank"}),
        ("linear_2_rl_ccvs", SMALL, {"form": "rl", "coupling": "ccvs"}),
        ("linear_2_rc_gyrator_inputs", SMALL, {"coupling": "gyrator", "inputs_as": "gyrator"}),
    ],
)
def test_the_committed_netlists_of_the_topologies_are_what_is_written_today(
    golden, name, model, options
):
    compiled = compile_model(model, name=name, **options)
    golden(f"{name}.cir", compiled.netlist)
    golden(f"{name}.tb.cir", compiled.testbench)


def test_gyrator_inputs_draw_from_the_sources_what_makes_them_lossless():
    bank = next(
        k
        for k in compile_model(SMALL, inputs_as="gyrator").realization.circuit.banks
        if isinstance(k, Gyrators)
    )
    circuit = compile_model(SMALL, inputs_as="gyrator").realization.circuit
    assert [circuit.nets[p] for p in bank.p2] == ["u1", "u1"]
    text = compile_model(SMALL, inputs_as="gyrator").netlist
    # One half of a gyrator alone would drive an ideal source for nothing: that is a fault.
    compiled = compile_model(SMALL, inputs_as="gyrator")
    line = next(x for x in text.splitlines() if x.startswith("g_in_1_1_r "))
    broken = text.replace(line, line.replace(line.split()[-1], repr(2 * float(line.split()[-1]))))
    record = dataclasses.replace(compiled.record, netlist_sha256=sha256_text(broken))
    checks = check_equations(broken, record, SMALL, seed=0)
    assert next(c for c in checks if c.id == "structure").verdict is Verdict.FAIL
