"""The verifier verified: faults, hostile labels, random circuits and damaged files, a few of each.

The full campaigns are ``python benchmarks/verifier.py`` and ``python benchmarks/fuzz_readers.py``;
their figures stand in docs/verify.md.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hostile_labels import REFUSED, RIGHT, run_labels
from mutants import KINDS, MAP_KINDS
from mutation_campaign import run_campaign
from random_circuits import AGREEMENT, compare_circuits
from random_circuits import KINDS as ELEMENTS
from random_models import random_cell, random_model
from reader_fuzz import fuzz
from silent_failures import DECKS, run_deck

from rnn2circuit.errors import CircuitError, SimulationError, StimulusError, UnverifiableError
from rnn2circuit.flow import compile_model
from rnn2circuit.flow.layers import SEED, Limits, read_back
from rnn2circuit.simulate.rawfile import read_raw
from rnn2circuit.statemap import map_from_json
from rnn2circuit.stimulus import load_stimulus
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import sha256_text
from rnn2circuit.verify.expression import DEEPEST, LONGEST, parse_shape
from rnn2circuit.verify.rules import netlist_findings

PAGE = (Path(__file__).parent.parent / "docs" / "verify.md").read_text()


def test_two_hundred_faults_are_killed_and_no_original_is_accused():
    tally = run_campaign(per_kind=1, originals=30, every=15, seed=3)
    assert tally.count >= 150
    assert not tally.escaped
    assert not tally.accused
    assert all(tally.killed[kind] for kind in (*KINDS, *MAP_KINDS))


def test_a_verifier_that_accepts_everything_is_found_out(monkeypatch):
    monkeypatch.setattr("mutation_campaign.accepted", lambda compiled: True)
    tally = run_campaign(per_kind=1, originals=1, every=400)
    assert tally.survivors == tally.count > 0
    assert tally.kill_rate == 0.0


@pytest.mark.spice
def test_hostile_labels_change_no_circuit_run_nothing_and_read_nothing(tmp_path):
    findings = run_labels(tmp_path, 24, seed=2, simulate_every=4)
    assert not findings.problems
    assert findings.outcomes[RIGHT] > 5
    assert findings.outcomes[REFUSED] > 5


@pytest.mark.spice
def test_extractor_and_simulator_agree_on_random_circuits():
    done = compare_circuits(40, seed=3)
    assert not done.disagreements
    assert len(done.errors) > 30
    assert max(done.errors) <= AGREEMENT
    assert set(done.kinds) == set(ELEMENTS)


def test_damaged_files_are_refused_with_the_packages_own_errors(tmp_path):
    found = fuzz(tmp_path, seed=4, keep_on=lambda found: found.files < 400)
    assert not found.findings
    assert sum(n for (_, what), n in found.outcomes.items() if what == "refused") > 200


# What the campaigns found.


def coupled_by_gyrators():
    return compile_model(
        random_model("lrc", 3, 1, 4, activations=("tanh",)), inputs_as="gyrator", duration=0.01
    )


def verdicts(compiled, text):
    record = dataclasses.replace(compiled.record, netlist_sha256=sha256_text(text))
    checks = read_back(dataclasses.replace(compiled, netlist=text, record=record), Limits(), SEED)
    return {check.id: check.verdict for check in checks}


def test_a_gate_that_senses_an_input_is_no_lone_half_of_a_gyrator():
    compiled = coupled_by_gyrators()
    assert "g_slopein" in compiled.netlist
    assert set(verdicts(compiled, compiled.netlist).values()) == {Verdict.PASS}


@pytest.mark.parametrize("change", ["\\g<0>\\g<0>", ""])
def test_a_half_of_a_gyrator_at_an_input_must_be_there_exactly_once(change):
    compiled = coupled_by_gyrators()
    text = re.sub(r"^g_\S+_r u1 .*\n", change, compiled.netlist, count=1, flags=re.M)
    text = re.sub(r"^(g_\S+_r)( u1 .*\n)\1 ", r"\1\2\1_twin ", text, count=1, flags=re.M)
    assert text != compiled.netlist
    assert verdicts(compiled, text)["structure"] is Verdict.FAIL


def test_the_time_scale_of_a_clocked_map_is_its_period():
    compiled = compile_model(random_cell("energy_map", 2, 0, 1), duration=1)
    ports = compiled.state_map
    wrong = dataclasses.replace(ports, seconds_per_unit=1.01 * ports.seconds_per_unit)
    record = dataclasses.replace(compiled.record, state_map=wrong)
    (_, identity) = read_back(dataclasses.replace(compiled, record=record), Limits(), SEED)
    assert identity.verdict is Verdict.FAIL
    assert "seconds_per_unit: the map says" in identity.detail


def test_a_readout_that_listens_to_a_sampled_state_is_wrong_in_one_phase_alone():
    compiled = compile_model(random_cell("elman", 2, 1, 0), duration=1)
    text = compiled.netlist.replace("r_sumy_1 y1 0 ", "r_sumy_1 y1 q2 ")
    assert text != compiled.netlist
    assert verdicts(compiled, text)["extraction.output"] is Verdict.FAIL


def test_expressions_of_any_depth_are_read_or_refused():
    for text in ("(" * 5000, "-" * 5000, "tanh(" * 5000, "(" * (DEEPEST + 1) + "1"):
        with pytest.raises(UnverifiableError, match="nested deeper than 100"):
            parse_shape(text)
    with pytest.raises(UnverifiableError, match="more than 400 operations"):
        parse_shape("1" + "+1" * LONGEST)
    parse_shape("1" + "+1" * (LONGEST - 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"seconds_per_unit": 0.0', '"seconds_per_unit": ' + "1" * 5000, "the map is not JSON"),
        ('"seconds_per_unit": 0.0', '"seconds_per_unit": ' + "1" * 400, "does not fit a float64"),
        ('"volts_per_unit": 1.0', '"volts_per_unit": ' + "1" * 400, "must hold name, port"),
    ],
)
def test_numbers_of_hundreds_of_digits_in_a_map_are_a_circuit_error(old, new, message):
    text = coupled_by_gyrators().map_json
    assert old in text
    with pytest.raises(CircuitError, match=message):
        map_from_json(text.replace(old, new, 1))


@pytest.mark.parametrize("line", ["d", "q1 a"])
def test_an_element_without_nodes_breaks_a_rule(line):
    found = netlist_findings(f"* title\n{line}\n")
    assert ("N5", 2) in [(f.rule, f.line) for f in found]


def test_a_raw_file_whose_variables_lack_a_field_is_an_error():
    header = "Plotname: x\nFlags: real\nNo. Variables: 1\nNo. Points: 1\nVariables:\n\t0\n"
    with pytest.raises(SimulationError, match="names 0 of its 1 variables"):
        read_raw(header.encode() + b"Binary:\n" + bytes(8))


def test_a_stimulus_archive_with_a_damaged_header_is_a_stimulus_error(tmp_path):
    path = tmp_path / "u.npz"
    np.savez(path, t=np.arange(3.0), u=np.ones((3, 1)))
    path.write_bytes(path.read_bytes().replace(b"(3,), }", b"(3,), {"))
    with pytest.raises(StimulusError, match=r"cannot read stimulus 'u\.npz'"):
        load_stimulus(path, n_inputs=1, hold="linear")


# Silent failures of the simulator.


@pytest.mark.spice
@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.id)
def test_what_fails_silently_in_ngspice_is_said_by_the_tool(deck, tmp_path):
    outcome = run_deck(deck, tmp_path)
    assert outcome.exit_code == deck.exit_code
    assert re.search(deck.says, outcome.said), outcome.said


# The page.


def row(title):
    found = re.search(rf"^\| {re.escape(title)} \|(.*)\|$", PAGE, re.M)
    assert found is not None, title
    return [cell.strip() for cell in found[1].split("|")]


def test_the_page_shows_the_campaign_and_what_it_must_reach():
    for kind in (*KINDS, *MAP_KINDS):
        assert int(row(kind)[0]) > 0
    count, killed = (int(cell) for cell in row("**all**")[:2])
    assert count >= 2000
    assert killed >= 0.999 * count
    alarms = re.search(r"False alarms: (\d+) of (\d+) originals", PAGE)
    assert alarms is not None
    assert int(alarms[1]) == 0
    assert int(alarms[2]) >= 1000


def test_the_page_shows_the_hostile_labels_and_the_random_circuits():
    labels = re.search(r"(\d+) sets of hostile labels: (\d+) problems", PAGE)
    assert labels is not None
    assert (int(labels[1]) >= 400, int(labels[2])) == (True, 0)
    circuits = re.search(r"(\d+) random circuits: (\d+) compared, (\d+) disagreements", PAGE)
    assert circuits is not None
    assert (int(circuits[2]) >= 300, int(circuits[3])) == (True, 0)
