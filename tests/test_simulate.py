import os
import stat
import struct
import sys
import textwrap

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.errors import SimulationError, SimulationTimeout, UsageError
from rnn2circuit.flow import compile_model, simulate, verify_model
from rnn2circuit.simulate import known_decks, neospice
from rnn2circuit.simulate.acceptance import SIGNATURES, check_data, check_log
from rnn2circuit.simulate.interface import Deck, Simulator
from rnn2circuit.simulate.known_decks import KNOWN_DECKS, describe_examination, examine
from rnn2circuit.simulate.neospice import Neospice, flatten
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.simulate.rawfile import Plot, read_raw
from rnn2circuit.simulate.registry import PREFERRED, SIMULATORS, simulator_named

ENGINES_AGREE = 5e-5  # of a unit: one rule with steps placed differently, and interpolation
RC = """* rc
v1 u1 0 1
r1 u1 x1 100000.0
c1 x1 0 1e-08 ic=0.0
.ic v(x1)=0.0
.options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 trtol=7000
.tran 1e-05 0.01 0 1e-05
.save v(x1)
.end
"""


def deck(text=RC, **changes):
    fields = {"files": {"a.cir": text}, "main": "a.cir", "signals": ("v(x1)",), "t_stop": 0.01}
    return Deck(**(fields | changes))


def fake(tmp_path, body, name="fakespice"):
    """An executable that is no simulator, to see what the runner makes of it."""
    path = tmp_path / name
    version = 'if "--version" in sys.argv: print("** ngspice-99 : x"); sys.exit(0)\n'
    body = textwrap.dedent(body)
    path.write_text(f"#!{sys.executable}\nimport os, struct, sys, time\n{version}{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Ngspice(executable=str(path))


def raw(points=3, columns=("time", "v(x1)"), rows=None, plot="Transient Analysis", announced=None):
    rows = [[0.0, 0.0], [0.005, 0.5], [0.01, 1.0]] if rows is None else rows
    header = f"Title: t\nPlotname: {plot}\nFlags: real\nNo. Variables: {len(columns)}\n"
    header += f"No. Points: {points if announced is None else announced}\nVariables:\n"
    header += "".join(f"\t{k}\t{c}\tvoltage\n" for k, c in enumerate(columns))
    body = b"".join(struct.pack(f"<{len(r)}d", *r) for r in rows)
    return header.encode() + b"Binary:\n" + body


def writes(content, extra=""):
    return f"open('out.raw', 'wb').write({content!r})\n{extra}"


@pytest.mark.spice
def test_ngspice_charges_a_capacitor_as_the_formula_says():
    waves = Ngspice().run(deck(), timeout=30)
    exact = 1 - np.exp(-waves.time / 1e-3)
    assert np.max(np.abs(waves.signals["v(x1)"] - exact)) < 1e-5
    assert waves.simulator == "ngspice"
    assert waves.version[0].isdigit()
    assert waves.warnings == ()


@pytest.mark.parametrize("form", ["rc", "rl"])
@pytest.mark.parametrize("family", ["linear", "ctrnn", "hopfield", "ltc"])
def test_the_embedded_engine_verifies_every_family(family, form):
    model = random_model(family, 3, 1, seed=1)
    result = verify_model(model, form=form, simulator="neospice")
    assert result.passed, result.report
    assert result.report.provenance.simulator == "neospice"


@pytest.mark.spice
def test_both_engines_agree_on_the_same_text():
    compiled = compile_model(random_model("ctrnn", 3, 1, seed=2, activations=("tanh",)))
    first, second = (simulate(compiled, simulator=name) for name in PREFERRED)
    late = first.t >= second.t[0]
    at = first.t[late]
    other = np.column_stack([np.interp(at, second.t, column) for column in second.x.T])
    np.testing.assert_allclose(first.x[late], other, atol=ENGINES_AGREE)


def test_the_first_installed_simulator_is_taken_and_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert simulator_named(None).name == "neospice"
    with pytest.raises(SimulationError, match="ngspice is not installed"):
        simulator_named("ngspice")
    with pytest.raises(UsageError, match="must be one of ngspice, neospice, pyspice, got 'xyce'"):
        simulator_named("xyce")
    monkeypatch.setattr(neospice, "find_spec", lambda name: None)
    with pytest.raises(SimulationError, match="no simulator is installed"):
        simulator_named(None)


def test_a_missing_neospice_says_what_to_do(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(neospice, "version", missing)
    with pytest.raises(SimulationError, match="pip install neospice"):
        simulator_named("neospice")


def test_backends_are_simulators():
    for make in SIMULATORS.values():
        assert isinstance(make(), Simulator)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("", "wrote no result"),
        (writes(raw(), "sys.exit(1)"), "exit code 1"),
        (writes(b"Title: t\n"), "no binary part"),
        (writes(raw(announced=0)), "announces no points"),
        (writes(raw(announced=9)), "the disk may be full"),
        (writes(raw()[:-4]), "bytes follow"),
        (writes(raw(plot="Operating Point")), "expected a plot"),
        (writes(raw(columns=("time", "v(x2)"))), r"no vector 'v\(x1\)'"),
        (writes(raw(points=2, rows=[[0, 0], [0.005, 1]])), "ended at t = 0.005"),
        (writes(raw(rows=[[0, 0], [0.005, np.nan], [0.01, 1]])), "not finite"),
        (writes(raw(rows=[[0, 0], [0.02, 0], [0.01, 1]])), "backwards"),
        (writes(raw(points=1, rows=[[0.01, 0]])), "1 time points"),
        (writes(raw().replace(b"real", b"ascii")), "expected a raw file of real or complex"),
        (writes(raw().replace(b"real", b"complex")), "bytes follow"),
        (writes(raw().replace(b"No. Points: 3", b"No. Points: x")), "header is malformed"),
        (writes(raw().replace(b"\t1\tv(x1)\tvoltage\n", b"")), "names 1 of its 2"),
        (writes(raw(), "print('Warning: singular matrix: check node z1')"), "singular"),
    ],
)
def test_a_result_that_breaks_a_rule_is_an_error(body, message, tmp_path):
    with pytest.raises(SimulationError, match=message):
        fake(tmp_path, body).run(deck(), timeout=30)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (("v(x1)",), [float("inf")], "a value that is not finite"),
        (("v(x2)",), [1.0], r"no vector 'v\(x1\)'"),
    ],
)
def test_an_operating_point_that_breaks_a_rule_is_an_error(columns, row, message, tmp_path):
    content = raw(points=1, columns=columns, rows=[row], plot="Operating Point")
    with pytest.raises(SimulationError, match=message):
        fake(tmp_path, writes(content)).measure(deck(), timeout=30)


def test_a_good_result_passes_with_its_remarks(tmp_path):
    rows = [[0, 0], [0.005, 0.4], [0.005, 0.5], [0.01, 1.0]]
    simulator = fake(tmp_path, writes(raw(points=4, rows=rows), "print('something new to us')"))
    waves = simulator.run(deck(), timeout=30)
    np.testing.assert_array_equal(waves.time, [0, 0.005, 0.01])
    np.testing.assert_array_equal(waves.signals["v(x1)"], [0, 0.5, 1.0])
    assert waves.warnings == ("something new to us",)
    assert waves.version == "99"


def test_a_run_that_hangs_is_stopped_and_its_children_too(tmp_path):
    marker = tmp_path / "alive"
    body = f"""
        if os.fork() == 0:
            time.sleep(1.5)
            open({str(marker)!r}, "w").close()
            os._exit(0)
        print("Trying gmin = 1", flush=True)
        time.sleep(60)
    """
    with pytest.raises(SimulationTimeout, match=r"stopped after 0 s.*Trying gmin"):
        fake(tmp_path, body).run(deck(), timeout=0.4)
    import time

    time.sleep(1.5)
    assert not marker.exists()


def test_a_killed_simulator_is_an_error(tmp_path):
    with pytest.raises(SimulationError, match="exit code -9"):
        fake(tmp_path, "os.kill(os.getpid(), 9)").run(deck(), timeout=30)


def test_the_environment_is_scrubbed_and_the_directory_private(tmp_path, monkeypatch):
    monkeypatch.setenv("SPICE_SCRIPTS", "/etc/evil")
    monkeypatch.setenv("SPICE_LIB_DIR", "/etc/evil")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    body = textwrap.dedent(
        """
        bad = [k for k in os.environ if k in ("SPICE_LIB_DIR", "SECRET_TOKEN")]
        cwd = os.getcwd()
        ok = os.environ["SPICE_SCRIPTS"] == cwd == os.environ["HOME"] == os.environ["TMPDIR"]
        ok = ok and os.stat(cwd).st_mode & 0o777 == 0o700 and not sys.stdin.read()
        ok = ok and os.environ["OMP_THREAD_LIMIT"] == "1"
        ok = ok and sys.argv[1:] == ["-b", "-n", "-r", "out.raw", "a.cir"]
        print("ENV", "fine" if ok and not bad else "not fine")
        """
    )
    waves = fake(tmp_path, body + writes(raw())).run(deck(), timeout=30)
    assert waves.warnings == ("ENV fine",)


def test_a_program_that_is_no_ngspice_is_refused(tmp_path):
    path = tmp_path / "other"
    path.write_text(f"#!{sys.executable}\nprint('hello')\n")
    path.chmod(0o755)
    with pytest.raises(SimulationError, match="does not name an ngspice version"):
        Ngspice(executable=str(path)).version()
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(SimulationError, match="--version failed"):
        Ngspice(executable=str(tmp_path / "broken")).version()


def test_a_program_that_cannot_start_is_an_error(tmp_path):
    from rnn2circuit.simulate.process import run_process

    with pytest.raises(SimulationError, match="cannot start"):
        run_process([str(tmp_path / "none")], directory=tmp_path, environment={}, timeout=1)


SPOKEN = {
    "singular": "Warning: singular matrix:  check node z1",
    "gmin": "Note: Transient op started",
    "timestep": "doAnalyses: TRAN:  Timestep too small; time = 1, timestep = 0: trouble",
    "aborted": "tran simulation(s) aborted",
    "disk": "rawfile write error !!",
    "domain": "Error: -1 out of range for log",
    "milliohm": "Warning: r2: resistance to low, set to 1 mOhm",
    "initial": "Warning : IC on non-existent node - x7",
    "redefined": "Warning: redefinition of .subckt s",
    "ignored": "Warning: Model issue on line 3: ignored",
    "skipped": "Warning: Line 6: Resistor requires a value - skipping",
    "breakpoint": "breakpoint in the past - HELP!",
    "pwl": "Warning : voltage source v2 has non-increasing PWL time points.",
    "fatal": "PTerror: syntax error",
}


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda s: s.id)
def test_every_signature_is_an_error_that_explains_itself(signature):
    with pytest.raises(SimulationError, match=signature.id) as stop:
        check_log(f"Doing analysis at TEMP = 27\n{SPOKEN[signature.id]}\n")
    assert signature.meaning in str(stop.value)
    assert stop.value.log


def test_a_missing_vector_in_memory_is_an_error():
    with pytest.raises(SimulationError, match="2 missing"):
        check_data(np.arange(3.0), {}, wanted=["v(a)", "v(b)"], t_stop=2.0, log="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {"../a.cir": ""}}, "not a plain name"),
        ({"main": "b.cir"}, "no file 'b.cir'"),
    ],
)
def test_a_deck_with_a_hostile_name_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        deck(**changes)


def test_flattening_moves_initial_conditions_to_the_nets_of_the_instance():
    inner = ".subckt n u1 x1\nc1 x1 0 1e-9 ic=0.5\n.ic v(x1)=0.5\n.ends n\n"
    main = "* t\n.include n.cir\nx_dut u1 out n\n.end\n"
    text = flatten(deck(files={"a.cir": main, "n.cir": inner}))
    assert ".ic v(out)=0.5\n" in text
    assert text.index(".ic") > text.index(".ends")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.cir": "* t\n.include n.cir\n"}, "could make a simulator"),
        (
            {"a.cir": "* t\n.subckt n x1\n.ic v(hidden)=1\n.ends\nx_1 a n\n"},
            "neospice ignores '.ic v",
        ),
    ],
)
def test_what_neospice_would_drop_is_refused(files, message):
    with pytest.raises(SimulationError, match=message):
        flatten(deck(files=files))


def test_a_line_that_neospice_drops_is_an_error():
    with pytest.raises(SimulationError, match="skipped"):
        Neospice().run(deck(RC.replace(".options", "b1 z1 0 v=foo(1)\n.options")), timeout=60)


def test_a_fault_of_the_embedded_engine_is_an_error():
    with pytest.raises(SimulationError, match="neospice ended with exit code"):
        Neospice().run(deck(RC, signals=("v(x9)",)), timeout=60)


@pytest.mark.spice
def test_ngspice_behaves_as_known_on_every_known_deck():
    results = examine(Ngspice())
    assert all(r.as_known for r in results), describe_examination(Ngspice(), results)
    assert len(results) == len(KNOWN_DECKS) >= 8


def test_a_simulator_that_accepts_everything_is_found_out(tmp_path):
    t = np.linspace(0, 0.01, 50)
    rows = np.column_stack([t, 1 - np.exp(-t / 1e-3)]).tolist()
    results = examine(fake(tmp_path, writes(raw(points=50, rows=rows))))
    assert [r.deck.id for r in results if r.as_known] == ["rc"]


def test_a_simulator_that_hangs_is_not_as_known(tmp_path, monkeypatch):
    monkeypatch.setattr(known_decks, "TIMEOUT", 0.2)
    monkeypatch.setattr(known_decks, "KNOWN_DECKS", KNOWN_DECKS[:1])
    (result,) = examine(fake(tmp_path, "time.sleep(9)"))
    assert not result.as_known
    assert "too slow" in result.outcome


def test_raw_files_read_back_bit_for_bit():
    plot = read_raw(raw())
    assert plot.variables == ("time", "v(x1)")
    np.testing.assert_array_equal(plot.data[:, 1], [0.0, 0.5, 1.0])


def test_no_private_directory_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    fake(tmp_path, writes(raw())).run(deck(), timeout=30)
    assert [p.name for p in tmp_path.iterdir()] == ["fakespice"]
    assert os.environ["TMPDIR"] == str(tmp_path)


SWEEP = """* rc low pass
v_u1 u1 0 dc 0 ac 1
r1 u1 x1 1000.0
c1 x1 0 1e-06
.ac dec 3 1.0 1000.0
.save v(x1)
.end
"""


@pytest.mark.spice
def test_a_sweep_returns_the_response_of_a_low_pass():
    wanted = Deck(files={"a.cir": SWEEP}, main="a.cir", signals=("v(x1)",), t_stop=0.0)
    frequency, found = Ngspice().sweep(wanted, timeout=30)
    assert len(frequency) == 10
    np.testing.assert_allclose(found["v(x1)"], 1 / (1 + 2j * np.pi * frequency * 1e-3), rtol=1e-12)
    lost = Deck(files={"a.cir": SWEEP}, main="a.cir", signals=("v(x2)",), t_stop=0.0)
    with pytest.raises(SimulationError, match=r"no vector 'v\(x2\)'"):
        Ngspice().sweep(lost, timeout=30)


def test_a_sweep_that_is_not_finite_is_an_error(monkeypatch):
    plot = Plot(
        name="AC Analysis",
        variables=("frequency", "v(x1)"),
        data=np.array([[1.0 + 0j, np.nan + 0j]]),
    )
    monkeypatch.setattr(Ngspice, "_execute", lambda *_: (plot, "", ()))
    with pytest.raises(SimulationError, match="not finite"):
        Ngspice().sweep(deck(RC), timeout=30)


def test_a_run_that_is_no_longer_wanted_is_stopped(tmp_path):
    import threading

    from rnn2circuit.simulate.process import stopped_by

    unwanted = threading.Event()
    threading.Timer(0.3, unwanted.set).start()
    with stopped_by(unwanted), pytest.raises(SimulationError, match="no longer wanted"):
        fake(tmp_path, "time.sleep(50)").run(deck(), timeout=60)
