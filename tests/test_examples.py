"""The shipped networks do what their README says, judged without torch."""

import re
from dataclasses import fields, replace
from functools import cache

import example_tasks as tasks
import numpy as np
import pytest
from example_stories import STORIES, cell_of
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from rnn2circuit.demo import examples_directory, list_examples, load_example
from rnn2circuit.flow import Verification, compile_model, verify_compiled
from rnn2circuit.models import Lem, Network
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.models.io import load
from rnn2circuit.models.ltc import Ltc

EXAMPLES = examples_directory()
ENTRIES = {entry["name"]: entry for entry in list_examples(EXAMPLES)}
DEFAULT, HIGH = 1e-4, 1e-6  # worst state, parts of range, at either accuracy
ROUNDING = 0.1  # the README rounds its figures to two or three digits
EXACT = {"rtol": 1e-8, "atol": 1e-10}  # far below every figure that is compared
FIGURE = 0.02  # figures with four decimals
# Half a minute each at high accuracy.
SLOW = ("ltc_signal", "lem_fitzhugh", *(n for n in ENTRIES if n.startswith("lrc")))
LONG = (*SLOW, "delay_line")  # netlists of too many lines to read
JUDGED = [n for n in ENTRIES if n.split("_")[0] in ("rnn", "ltc", "lem", "lrc", "gru", "lstm")]
CLOSED = 1e-4  # parts of unit radius: moments of return are read off samples 6e-3 apart
Array = NDArray[np.float64]


def model(name: str) -> Network:
    entry = ENTRIES[name]
    return load(EXAMPLES / entry["file"], **entry["options"])


def table() -> dict[str, list[str]]:
    """Cells of the README's table, per network."""
    rows = {}
    for line in (EXAMPLES / "README.md").read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            rows[cells[0].strip("`").split(".")[0]] = cells
    return rows


def judged() -> dict[str, list[float]]:
    """The README's second table: errors of program and circuit on the shipped stimulus."""
    rows = re.findall(
        r"^\| (\w+) \| (\d\.\d+) \| (\d\.\d+) \|$", (EXAMPLES / "README.md").read_text(), re.M
    )
    return {name: [float(program), float(circuit)] for name, program, circuit in rows}


def stated(name: str, column: int) -> list[float]:
    """Decimal numbers of one cell: 6 is the trained figure, 7 the ODE's."""
    return [float(number) for number in re.findall(r"\d+\.\d+", table()[name][column])]


def parts(error: Array, signal: Array) -> float:
    return float(np.sqrt(np.mean(error**2) / np.mean(signal**2)))


def stimulus(name: str) -> Array:
    return np.loadtxt(EXAMPLES / ENTRIES[name]["stimulus"], delimiter=",", skiprows=1)


def test_every_file_is_small_and_there():
    for entry in ENTRIES.values():
        assert (EXAMPLES / entry["file"]).stat().st_size < 100_000
        if "stimulus" in entry:
            assert (EXAMPLES / entry["stimulus"]).is_file()


def test_the_readme_lists_the_networks_with_their_shapes():
    assert list(table()) == list(ENTRIES)
    for name, cells in table().items():
        net = model(name)
        assert cells[0] == f"`{ENTRIES[name]['file']}`"
        assert cells[1] == net.family
        assert [int(c) for c in cells[2:5]] == [net.n_states, net.n_inputs, net.n_outputs]


@cache
def verified(name: str) -> Verification:
    return verify_compiled(load_example(name))


@pytest.mark.spice
@pytest.mark.parametrize("name", ENTRIES)
def test_the_shipped_networks_verify_far_inside_their_limits(name):
    result = verified(name)
    assert result.passed, result.report
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    print(f"{name}: worst state {worst:.1e} of its range")
    assert worst <= DEFAULT


@pytest.mark.spice
@pytest.mark.parametrize("name", [n for n in ENTRIES if n not in SLOW])
def test_high_accuracy_brings_a_millionth(name):
    result = verify_compiled(load_example(name, accuracy="high"))
    assert result.passed, result.report
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    print(f"{name}: worst state {worst:.1e} of its range at high accuracy")
    assert worst <= HIGH


def circuit_readout(result: Verification, t: Array) -> Array:
    """The simulated readout at times `t`, (k, p)."""
    run = result.simulation
    assert run is not None
    # A held output changes in the middle of a step, so it is read just before the step ends.
    late = 1e-3 if isinstance(result.compiled.model, AbstractCell) else 0.0
    return np.column_stack([np.interp(t - late, run.t, column) for column in run.y.T])


@pytest.mark.spice
@pytest.mark.parametrize("name", [n for n in ENTRIES if n in JUDGED])
def test_the_circuit_does_the_task_as_well_as_stated(name):
    result = verified(name)
    net, compiled = result.compiled.model, result.compiled
    story = STORIES[name](net)
    assert story.wanted is not None
    if story.program is not None:
        program = story.program
    else:  # trained as an equation, which is its program
        program = net.readout(compiled.reference(story.wanted_t), compiled.stimulus(story.wanted_t))
    errors = [
        parts(found - story.wanted, story.wanted - story.wanted.mean(axis=0))
        for found in (program, circuit_readout(result, story.wanted_t))
    ]
    print(f"{name}: error of the program {errors[0]:.4f}, of the circuit {errors[1]:.4f}")
    assert errors == pytest.approx(judged()[name], rel=FIGURE)


def filter_inputs() -> tuple[Array, Array]:
    """Times (120,) and the 16 test inputs (16, 120), as rnn_delay.py draws them."""
    rng = np.random.default_rng(1)
    t = 0.1 * np.arange(120)
    phase = rng.uniform(0, 2 * np.pi, (16, 4, 1))
    rate = rng.uniform(0.2, 1.5, (16, 4, 1))
    return t, 0.4 * np.sin(rate * t + phase).sum(axis=1)


def test_the_rnn_filters_and_its_ode_reading_is_as_near_as_stated():
    net = model("rnn_delay")
    t, u = filter_inputs()
    h, rows = np.tile(net.initial_state, (16, 1)), []
    for k in range(t.size):
        h = h + net.dt * net.rhs(h, u[:, k, None])  # one Euler step is one step of the program
        rows.append(h)
    program = np.array(rows)  # (120, 16, n); row k is the state at t = (k + 1) dt
    outputs = tasks.euler_outputs(net, u)
    wanted = tasks.filtered(t, u)
    assert [parts(outputs - wanted, wanted)] == pytest.approx(stated("rnn_delay", 6), rel=ROUNDING)

    def rhs(at, x):
        drive = np.array([np.interp(at, t, row) for row in u])
        return net.rhs(x.reshape(16, -1), drive[:, None]).ravel()

    start = np.tile(net.initial_state, 16)
    run = solve_ivp(rhs, (0, 12), start, t_eval=t + 0.1, max_step=0.1, **EXACT)
    ode = run.y.T.reshape(120, 16, -1)
    read = net.readout(ode, u.T[..., None])[..., 0].T
    assert [parts(read - outputs, outputs)] == pytest.approx(stated("rnn_delay", 7), rel=ROUNDING)
    worst = (np.abs(ode - program) / np.ptp(program, axis=0)).max()
    assert worst == pytest.approx(0.29, rel=ROUNDING)  # as the README's text says
    np.testing.assert_allclose(stimulus("rnn_delay"), np.column_stack([t, u[0]]), atol=1e-8)


def delayed_signals() -> tuple[Array, Array]:
    """The 16 test inputs of ltc_signal.py and themselves one unit earlier, (16, 40) each."""
    rng = np.random.default_rng(1)
    t = np.arange(40)
    phase = rng.uniform(0, 2 * np.pi, (16, 2, 1))
    rate = rng.uniform(0.1, 0.5, (16, 2, 1))
    return tuple(0.5 * np.sin(rate * (t - late) + phase).sum(axis=1) for late in (0.0, 1.0))


def test_the_ltc_follows_its_input_with_delay_and_its_ode_is_as_near_as_stated():
    net = model("ltc_signal")
    assert isinstance(net, Ltc)
    u, wanted = delayed_signals()
    program = tasks.fused_outputs(net, u, 6)[:, 3:]
    late = wanted[:, 3:]
    assert [parts(program - late, late)] == pytest.approx(stated("ltc_signal", 6), rel=ROUNDING)
    assert parts(u[:, 3:] - late, late) == pytest.approx(0.35, rel=ROUNDING)  # repeating u

    v, rows = np.tile(net.initial_state, 16), []
    for k in range(40):
        held = u[:, k, None]
        run = solve_ivp(
            lambda _, x, held=held: net.rhs(x.reshape(16, -1), held).ravel(), (0, 1), v, **EXACT
        )
        v = run.y[:, -1]
        rows.append(net.readout(v.reshape(16, -1), held)[:, 0])
    ode = np.array(rows).T[:, 3:]
    off = parts(ode - program, program)
    assert [off] == pytest.approx(stated("ltc_signal", 7), rel=ROUNDING)
    # A first-order program: ten times the unfolds, a tenth of the distance.
    finer = tasks.fused_outputs(net, u, 60)[:, 3:]
    assert parts(ode - finer, finer) == pytest.approx(off / 10, rel=2 * ROUNDING)
    rows_of_file = np.column_stack([np.arange(40), u[0]])
    np.testing.assert_allclose(stimulus("ltc_signal"), rows_of_file, atol=1e-8)


def test_the_delay_line_repeats_two_signals_one_unit_later():
    net = model("delay_line")
    rng = np.random.default_rng(1)
    size = (4, 2, 3)
    amplitude, rate = rng.uniform(0.1, 0.4, size), rng.uniform(0.2, 2.0, size)
    phase = rng.uniform(0, 2 * np.pi, size)

    def signal(k: int, at: Array) -> Array:  # (times, 2)
        return (amplitude[k] * np.sin(rate[k] * at[:, None, None] + phase[k])).sum(axis=-1)

    t, errors, signals = np.linspace(3.0, 12.0, 181), [], []
    for k in range(4):
        run = solve_ivp(
            lambda at, x, k=k: net.rhs(x, signal(k, np.array([at]))[0]),
            (0, 12),
            net.initial_state,
            t_eval=t,
            max_step=0.1,
            **EXACT,
        )
        signals.append(signal(k, t - 1.0))
        errors.append(net.readout(run.y.T, np.zeros((t.size, 2))) - signals[-1])
    found = parts(np.array(errors), np.array(signals))
    assert [found] == pytest.approx(stated("delay_line", 6), rel=ROUNDING)


def test_the_cycle_closes_keeps_its_radius_and_attracts():
    net = model("ctrnn_cycle")
    smallest, largest, period = stated("ctrnn_cycle", 6)

    def run(start: Array, end: float):
        return solve_ivp(lambda _, x: net.rhs(x, []), (0, end), start, dense_output=True, **EXACT)

    t = np.linspace(0, 5.5 * period, 5501)
    path = run(net.initial_state, t[-1]).sol
    y = net.readout(path(t).T, [])
    radius, angle = np.hypot(*y.T), np.unwrap(np.arctan2(y[:, 1], y[:, 0]))
    turns = np.interp(angle[0] + 2 * np.pi * np.arange(1, 6), angle, t)
    assert turns / np.arange(1, 6) == pytest.approx(np.full(5, period), rel=1e-3)
    assert [radius.min(), radius.max()] == pytest.approx([smallest, largest], abs=1e-3)
    np.testing.assert_allclose(path(turns[4]), net.initial_state, atol=CLOSED)
    for scale in (0.5, 1.5):  # from inside and outside it returns
        end = net.readout(run(scale * net.initial_state, 100.0).y[:, -1], [])
        assert smallest - 1e-3 < np.hypot(*end) < largest + 1e-3


def test_the_memory_restores_its_pattern():
    net = model("hopfield_memory")
    pattern = np.sign(net.w_out[0])
    assert np.count_nonzero(np.sign(net.initial_state) != pattern) == 1
    run = solve_ivp(lambda _, x: net.rhs(x, []), (0, 30), net.initial_state, **EXACT)
    end = run.y[:, -1]
    np.testing.assert_array_equal(np.sign(end), pattern)
    assert [np.tanh(end) @ pattern / 6] == pytest.approx(stated("hopfield_memory", 6), abs=1e-3)
    assert np.linalg.eigvals(net.jacobian(end, [])).real.max() < 0


def test_the_linear_model_is_stable_and_near_the_truth():
    net = model("linear_filter")
    spring = np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])
    a = np.block([[np.zeros((3, 3)), np.eye(3)], [-spring, -0.3 * np.eye(3)]])
    b = np.eye(6)[:, 3:4]
    off = max(np.abs(net.a - a).max(), np.abs(net.b - b).max())
    assert [off] == pytest.approx(stated("linear_filter", 6), rel=ROUNDING)
    assert np.linalg.eigvals(net.a).real.max() < 0


def readout_run(name, t_end):
    net = model(name)
    run = solve_ivp(
        lambda _, x: net.rhs(x, []), (0, t_end), net.initial_state, rtol=1e-7, max_step=0.2
    )
    return run.t, net.readout(run.y.T, [])


def test_the_energy_network_recalls_without_transitions():
    end = readout_run("energy_recall", 20.0)[1][-1]
    assert end[0] > 2.0
    assert [end[0]] == pytest.approx(stated("energy_recall", 6), abs=1e-3)
    assert np.max(np.abs(end[1:])) < 0.05


def test_the_energy_network_walks_through_its_patterns_in_order():
    t, y = readout_run("energy_sequence", 200.0)
    leader = np.argmax(y, axis=1)
    changes = np.append(True, np.diff(leader) != 0)
    order = leader[changes][2:]
    dwell = np.diff(t[changes][2:]).mean()  # the first two are still on the way to the cycle
    assert [dwell] == pytest.approx(stated("energy_sequence", 6), rel=0.02)
    assert len(order) > 12
    assert set((np.diff(order) % 3).tolist()) in ({1}, {2})


def test_the_second_table_lists_every_network_with_a_task():
    assert list(judged()) == JUDGED
    assert list(STORIES) == list(ENTRIES)


def test_the_lem_foresees_spikes_and_its_ode_is_as_near_as_stated():
    net = model("lem_fitzhugh")
    assert isinstance(net, Lem)
    v = tasks.spikes(np.random.default_rng(1), 16)
    seen, wanted = v[:, :-1], v[:, 1:]
    program = tasks.cell_outputs(cell_of(net), seen)
    error, repeated = parts(program - wanted, wanted), parts(seen - wanted, wanted)
    assert [error, repeated] == pytest.approx(stated("lem_fitzhugh", 6), rel=ROUNDING)
    mean_square = np.mean((program - wanted) ** 2)
    assert mean_square == pytest.approx(2.7e-4, rel=ROUNDING)  # as the README's text says
    x, rows = np.tile(net.initial_state, (16, 1)), []
    for k in range(seen.shape[1]):
        held = seen[:, k, None]
        for _ in range(4):  # steps of 0.1, where no rate is above 1: right to 2e-6
            x = tasks.runge_kutta(lambda x, held=held: net.rhs(x, held), x, net.dt / 4)
        rows.append(net.readout(x, held)[:, 0])
    ode = np.array(rows).T
    assert [parts(ode - program, program)] == pytest.approx(stated("lem_fitzhugh", 7), rel=ROUNDING)
    count = len(stimulus("lem_fitzhugh"))
    rows_of_file = np.column_stack([net.dt * np.arange(count), v[0, :count]])
    np.testing.assert_allclose(stimulus("lem_fitzhugh"), rows_of_file, atol=1e-8)


@pytest.mark.parametrize("system", tasks.PLANAR)
def test_the_lrc_networks_go_along_their_trajectories_and_stay_bounded_beyond(system):
    name = f"lrc_{system}"
    net, path = model(name), tasks.PLANAR[system].path()
    t = tasks.PLANAR_STEP * np.arange(len(path))
    start, after = net.initial_state, 4 * t[-1]
    run = solve_ivp(
        lambda _, x: net.rhs(x, []), (0, after), start, t_eval=[*t, after], rtol=1e-8, atol=1e-10
    )
    y = net.readout(run.y.T, [])
    error = parts(y[:-1] - path, path - path.mean(axis=0))
    assert [error] == pytest.approx(stated(name, 6), rel=ROUNDING)
    # The plane attracts: four times the trained time later it still is on or within the orbit.
    assert np.all(np.abs(y[-1] - path.mean(axis=0)) < 1.2 * np.ptp(path, axis=0))


def test_the_gru_finds_every_exclusive_or():
    net = model("gru_xor")
    u, wanted = tasks.signs(np.random.default_rng(1), 64)
    found, late = tasks.cell_outputs(net, u), tasks.XOR_LATE
    right = np.mean((found * wanted)[:, late:] > 0)
    error = parts((found - wanted)[:, late:], wanted[:, late:])
    assert [right, error] == pytest.approx(stated("gru_xor", 6), rel=ROUNDING)
    assert right == 1.0
    rows = np.column_stack([np.arange(tasks.XOR_STEPS), u[0]])
    np.testing.assert_array_equal(stimulus("gru_xor"), rows)


def test_the_lstm_frees_a_signal_from_noise():
    net = model("lstm_denoise")
    u, wanted = tasks.noisy_sines(np.random.default_rng(1), 64)
    found = tasks.cell_outputs(net, u)
    settled = slice(tasks.NOISY_SETTLED, None)
    errors = [parts((y - wanted)[:, settled], wanted[:, settled]) for y in (found, u)]
    assert errors == pytest.approx(stated("lstm_denoise", 6), rel=ROUNDING)
    rows = np.column_stack([np.arange(tasks.NOISY_STEPS), u[0]])
    np.testing.assert_allclose(stimulus("lstm_denoise"), rows, atol=1e-6)  # float32 wrote them


def cut(net: Network, keep: int) -> Network:
    """The first `keep` neurons alone, with the couplings and the readout among them."""
    n = net.n_states
    sizes = {n: np.arange(keep)}
    if isinstance(net, Lem):
        sizes = {n // 2: np.arange(keep), n: np.r_[:keep, n // 2 : n // 2 + keep]}
    changes = {}
    for field in fields(net):
        value = getattr(net, field.name)
        if isinstance(value, np.ndarray):
            for axis, size in enumerate(value.shape):
                if size in sizes:
                    value = np.take(value, sizes[size], axis=axis)
            changes[field.name] = value
    return replace(net, **changes)


@pytest.mark.parametrize("name", ENTRIES)
def test_each_network_has_a_committed_netlist_that_one_can_read(golden, name):
    net, options = model(name), {"seconds_per_unit": 1e-3, "volts_per_unit": 1.0}
    stem = f"{name}_part" if name in LONG else name  # the large ones: two neurons of them
    net = cut(net, 2) if name in LONG else net
    clocked = isinstance(net, AbstractCell)
    step = {"duration": 1} if clocked else {"duration": 5.0, "step": 0.01}
    compiled = compile_model(net, name=stem, impedance=1e5, **step, **options)
    golden(f"{stem}.cir", compiled.netlist)
    assert len(compiled.netlist.splitlines()) <= 300
