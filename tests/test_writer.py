import re
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from random_models import FAMILIES, random_model

from rnn2circuit.flow import compile_model
from rnn2circuit.models import Ctrnn, HodgkinHuxley, Linear, Lrc
from rnn2circuit.stimulus import PwlStimulus
from rnn2circuit.units import si, spice_number

LINE = re.compile(r"[ -~]+")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")
WORD = re.compile(r"[a-z][a-z0-9_]*|0")
KNOWN_CARDS = {".subckt", ".ends", ".ic", ".include", ".options", ".save", ".tran", ".end"}


def tiny_ctrnn() -> Ctrnn:
    return Ctrnn(
        rate=np.array([2.0, 1.0]),
        gain=np.array([2.0, 0.5]),
        w=np.array([[1.5, -1.0], [0.0, 0.1]]),
        w_in=np.array([[0.8], [0.0]]),
        bias=np.array([0.0, 0.25]),
        x0=np.array([0.1, -0.3]),
        w_out=np.array([[1.0, -1.0]]),
        b_out=np.array([0.5]),
    )


def tiny_linear() -> Linear:
    return Linear(
        a=np.array([[-1.0, 3.0], [-2.0, -0.5]]),
        b=np.array([[1.0], [0.0]]),
        x0=np.array([1.0, 0.0]),
    )


def squid_axon():
    model = HodgkinHuxley(w_in=np.array([[10.0]]))
    return replace(model, x0=np.array([-65.0, 0.3177, 0.0529, 0.5961]))


def window_pair() -> Lrc:
    return Lrc(
        g_leak=np.array([0.5, 1.0]),
        e_leak=np.array([1.0, -1.0]),
        g_syn=np.array([[0.0, 1.0], [2.0, 0.0]]),
        k_syn=np.array([[0.0, -1.0], [1.0, 0.0]]),
        slope=np.full((2, 2), 3.0),
        offset=np.full((2, 2), -0.5),
        w_elast=np.array([[1.0, 0.0], [0.0, -1.0]]),
        b_elast=np.array([0.25, 0.0]),
        elastance="symmetric",
        k_elast=np.array([1.0, 2.0]),
        x0=np.array([0.2, -0.1]),
    )


@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("ctrnn_2_rc_vccs", tiny_ctrnn, {}),
        ("ctrnn_2_rl_gyrator", tiny_ctrnn, {"form": "rl", "coupling": "gyrator"}),
        ("linear_2_rc_gyrator", tiny_linear, {"coupling": "gyrator"}),
        ("linear_2_rl_vccs", tiny_linear, {"form": "rl"}),
        ("gated_4_rc_vccs", squid_axon, {}),
        ("lrc_2_rc_variable", window_pair, {"capacitance": "variable"}),
        ("ctrnn_2_macro", tiny_ctrnn, {"level": "macro"}),
        ("linear_2_macro_gyrator", tiny_linear, {"level": "macro", "coupling": "gyrator"}),
        ("lrc_2_macro", window_pair, {"level": "macro"}),
    ],
)
def test_the_committed_netlists_are_what_is_written_today(golden, name, model, options):
    # Step and duration are given: chosen ones hang on the last digits of a LAPACK.
    compiled = compile_model(model(), name=name, duration=5.0, step=0.01, **options)
    golden(f"{name}.cir", compiled.netlist)
    golden(f"{name}.tb.cir", compiled.testbench)


@cache
def texts():
    """Netlist and testbench of every family, form and coupling."""
    return tuple(_texts())


def _texts():
    for k, family in enumerate(FAMILIES):
        for form in ("rc", "rl"):
            for coupling in ("vccs", "gyrator"):
                model = random_model(family, 4, 2, seed=k)
                compiled = compile_model(model, form=form, coupling=coupling, duration=1.0)
                yield compiled, compiled.netlist
                yield compiled, compiled.testbench


def test_every_line_is_plain_and_every_card_is_known():
    for _, text in texts():
        lines = text.split("\n")
        assert lines[0].startswith("* rnn2circuit ")
        assert lines[-1] == ""
        for line in lines[:-1]:
            assert LINE.fullmatch(line), line
            assert not line.startswith("*#")
            assert "**" not in line
            assert "^" not in line
            if line.startswith("."):
                assert line.split()[0] in KNOWN_CARDS


def test_numbers_read_back_to_the_same_float_and_have_no_suffix():
    for _, text in texts():
        for line in text.splitlines():
            if re.match(r"[rclgefhi]_", line):
                for token in line.split()[1:]:
                    value = token.split("=")[-1]
                    if not WORD.fullmatch(value):
                        assert NUMBER.fullmatch(value), line
                        assert repr(float(value)) == value or value == "0"


def test_behavioural_sources_have_at_most_two_operands_and_no_model_number():
    for _, text in texts():
        for line in text.splitlines():
            if line.startswith("b_"):
                expression = line.split(" ", 3)[3]
                assert len(set(re.findall(r"v\((\w+)\)", expression))) <= 2
                literals = set(re.findall(r"(?<![\w.-])\d[\w.]*(?:-\d+)?", expression))
                # Characteristics alone: halves, the clamps of linoid and exp.
                assert literals <= {"0.5", "1", "1e-8", "40"}, line


def test_the_testbench_always_asks_for_klu_and_fixes_the_largest_step():
    for compiled, text in texts():
        if text is compiled.testbench:
            assert ".options klu " in text
            step, _, start, largest = re.search(
                r"^\.tran (\S+) (\S+) (\S+) (\S+)", text, re.M
            ).groups()
            assert step == largest
            assert start == "0"
            assert ("uic" in text) == (compiled.record.form == "rl")


def test_couplings_are_written_column_by_column_and_zeros_are_absent():
    model = random_model("linear", 5, 0, seed=2, extras=False)
    text = compile_model(model).netlist
    found = [(int(j), int(i)) for i, j in re.findall(r"^g_a_(\d+)_(\d+) ", text, re.M)]
    assert found == sorted(found)
    off_diagonal = model.a - np.diag(np.diag(model.a))
    assert len(found) == np.count_nonzero(off_diagonal)


def test_the_same_model_gives_the_same_bytes_in_every_process():
    script = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]);"
        "from random_models import random_model; from rnn2circuit.flow import compile_model;"
        "c = compile_model(random_model('ltc', 4, 2, seed=1), duration=3.0, step=0.01);"
        "print(hashlib.sha256(repr(sorted(c.files().items())).encode()).hexdigest())"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    digests = set()
    for seed, locale in (("0", "C"), ("1", "C.UTF-8"), ("77", "C")):
        run = subprocess.run(
            [sys.executable, "-c", script, here],
            env={**__import__("os").environ, "PYTHONHASHSEED": seed, "LC_ALL": locale},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_a_pwl_stimulus_keeps_only_the_corners_of_each_input():
    t = np.arange(6.0)
    u = np.column_stack([np.zeros(6), [0, 0, 1, 1, 1, 0]])
    compiled = compile_model(
        Linear(a=-np.eye(1), b=np.ones((1, 2))), stimulus=PwlStimulus(times=t, values=u)
    )
    (_, flat), (_, bent) = compiled.bench.sources
    assert flat.times.size == 2
    np.testing.assert_array_equal(bent.volts, [0, 0, 1, 1, 0])


@pytest.mark.parametrize("value", [0.1, -2.5e-9, 1e30, np.float64(1) / 3, 5e-324, 7])
def test_spice_numbers_read_back_exactly(value):
    assert float(spice_number(value)) == float(value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_netlist_holds_no_infinite_number(value):
    with pytest.raises(ValueError, match="a netlist cannot hold"):
        spice_number(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.7e-9, "4.7 nF"), (999.96, "1 kF"), (0.0, "0 F"), (-2.2e6, "-2.2 MF"), (1e-17, "0.01 fF")],
)
def test_engineering_notation_is_for_people(value, text):
    assert si(value, "F", 3 if value == 999.96 else 4) == text
