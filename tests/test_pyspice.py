"""libngspice in a process that stays: the same waveforms, whatever happened before."""

import os
import queue
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from random_models import random_cell, random_model
from test_simulate import RC, deck

from rnn2circuit.errors import SimulationError, SimulationTimeout
from rnn2circuit.flow import compile_model, simulate
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.report.tolerance import tolerance_json
from rnn2circuit.simulate import pyspice
from rnn2circuit.simulate.known_decks import examine
from rnn2circuit.simulate.pyspice import PySpice

# Of a unit. Program and library are one release of one simulator; other releases, which a
# machine may have, place steps differently.
ENGINES_AGREE = 5e-5

pytest.importorskip("PySpice", reason="the extra pyspice is not installed")
pytestmark = pytest.mark.spice


@pytest.fixture
def fresh(monkeypatch):
    """No child is there yet, and none is left."""
    idle = queue.SimpleQueue()
    monkeypatch.setattr(pyspice, "_IDLE", idle)
    yield idle
    pyspice._end_all()


def compiled_ones():
    yield compile_model(random_model("ctrnn", 3, 1, 1, activations=("tanh",)), level="macro")
    yield compile_model(random_model("linear", 3, 1, 1), form="rl")
    yield compile_model(random_cell("elman", 2, 1, 1), level="device")


def test_waveforms_are_those_of_the_program_in_any_order(fresh):
    every = list(compiled_ones())
    for compiled in (*every, *reversed(every)):
        one, other = (simulate(compiled, simulator=name) for name in ("ngspice", "pyspice"))
        assert other.waveforms.simulator == "pyspice"
        assert other.waveforms.warnings == one.waveforms.warnings
        at = np.column_stack([np.interp(one.t, other.t, column) for column in other.x.T])
        assert np.abs(at - one.x).max() < ENGINES_AGREE
    assert fresh.qsize() == 1  # one process did all of it


def test_the_library_behaves_as_known_on_every_known_deck(fresh):
    found = examine(PySpice())
    assert all(r.as_known for r in found), [r for r in found if not r.as_known]


def test_boards_are_the_same_with_either_engine(fresh):
    compiled = next(compiled_ones())
    one, other = (
        analyze_tolerance(compiled, runs=4, simulator=name) for name in ("ngspice", "pyspice")
    )
    assert len(tolerance_json(other)) > 0
    np.testing.assert_allclose(other.rungs[0].values, one.rungs[0].values, atol=ENGINES_AGREE)


def test_a_deck_that_fails_takes_nothing_with_it(fresh):
    runaway = RC.replace("r1 u1 x1 100000.0", "r1 x1 0 -100.0").replace("ic=0.0", "ic=1.0")
    runaway = runaway.replace(".ic v(x1)=0.0", ".ic v(x1)=1.0")
    with pytest.raises(SimulationError, match="Timestep too small"):
        PySpice().run(deck(runaway), timeout=30)
    assert fresh.empty()
    waves = PySpice().run(deck(), timeout=30)
    assert np.abs(waves.signals["v(x1)"] - (1 - np.exp(-waves.time / 1e-3))).max() < 1e-5


def test_a_deck_without_analysis_gives_no_result(fresh):
    with pytest.raises(SimulationError, match="libngspice"):
        PySpice().run(deck("\n".join(x for x in RC.splitlines() if ".tran" not in x)), timeout=30)


def test_a_run_that_is_too_slow_is_stopped_and_the_next_one_goes_on(fresh):
    slow = RC.replace(".tran 1e-05 0.01 0 1e-05", ".tran 1e-08 10 0 1e-08")
    with pytest.raises(SimulationTimeout, match="stopped after"):
        PySpice().run(deck(slow, t_stop=10.0), timeout=1.0)
    assert PySpice().run(deck(), timeout=30).time[-1] == pytest.approx(0.01)


def stand_in(script, **changes):
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return pyspice._Child(process=process, release="39", **changes)


def test_a_process_that_dies_during_a_run_is_an_error(fresh):
    fresh.put(stand_in("import sys; sys.stdin.buffer.read(8); sys.exit(7)"))
    with pytest.raises(SimulationError, match=r"exit code 7|is gone"):
        PySpice().run(deck(), timeout=30)


def test_a_process_that_is_gone_says_so(fresh):
    child = stand_in("pass")
    child.process.wait()
    large = deck(RC + "* " + "x" * (1 << 20))
    with pytest.raises(SimulationError, match="is gone"):
        child.ask(large, 30)
    child.end()


def test_a_process_that_died_in_between_is_replaced(fresh):
    PySpice().run(deck(), timeout=30)
    child = fresh.get()
    child.process.kill()
    child.process.wait()
    fresh.put(child)
    assert PySpice().run(deck(), timeout=30).time[-1] == pytest.approx(0.01)


def test_pipes_of_a_parent_are_not_shared_after_a_fork(fresh):
    foreign = stand_in("import sys; sys.stdin.read()", owner=os.getpid() + 1)
    fresh.put(foreign)
    assert PySpice().run(deck(), timeout=30).time[-1] == pytest.approx(0.01)
    assert foreign.process.poll() is None
    foreign.end(wait=5.0)


def test_without_the_extra_or_the_library_it_says_what_to_install(fresh, monkeypatch):
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so")
    with pytest.raises(SimulationError, match=r"does not start.*libngspice0"):
        PySpice().version()

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.delenv("NGSPICE_LIBRARY_PATH")
    assert PySpice().is_available()
    monkeypatch.setattr(pyspice, "find_library", lambda name: None)
    assert not PySpice().is_available()
    monkeypatch.setattr(pyspice, "version", missing)
    with pytest.raises(SimulationError, match=r"pip install rnn2circuit\[pyspice\].*GPL-3"):
        PySpice().version()
