import numpy as np
import pytest

from rnn2circuit.errors import StimulusError
from rnn2circuit.stimulus import (
    EDGE_FRACTION,
    PwlStimulus,
    SineStimulus,
    hold_samples,
    load_stimulus,
)


def test_held_samples_are_stairs_with_finite_edges():
    stairs = hold_samples([0.0, 1.0, 3.0], [[1.0], [2.0], [-1.0]], hold="zoh")
    edge = EDGE_FRACTION
    np.testing.assert_allclose(
        stairs([0.0, 1.0, 1.0 + edge / 2, 1.0 + edge, 2.9, 3.0 + edge, 9.0])[:, 0],
        [1.0, 1.0, 1.5, 2.0, 2.0, -1.0, -1.0],
        rtol=1e-12,
    )
    assert stairs.duration == 4.5  # the last sample is held for the mean interval


def test_joined_samples_are_straight_lines():
    line = hold_samples([0.0, 2.0], [[0.0, 1.0], [4.0, 1.0]], hold="linear")
    np.testing.assert_allclose(line(np.array([0.5, 1.5])), [[1.0, 1.0], [3.0, 1.0]])


@pytest.mark.parametrize("header", ["", "t,u1,u2\n"])
def test_a_csv_file_reads_with_and_without_header(tmp_path, header):
    path = tmp_path / "s.csv"
    path.write_text(header + "0,1,2\n0.5,3,4\n")
    found = load_stimulus(path, n_inputs=2, hold="linear")
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 4]])


def test_an_npz_file_may_declare_its_hold(tmp_path):
    path = tmp_path / "s.npz"
    np.savez(path, t=np.arange(3.0), u=np.ones((3, 1)), hold="zoh")
    assert load_stimulus(path, n_inputs=1).times.size == 6


def file(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_text(content)
    return path


T, U = np.arange(2.0), np.ones((2, 1))


@pytest.mark.parametrize(
    ("name", "content", "hold", "message"),
    [
        ("s.csv", "0,1\n1,2\n", None, "does not declare how samples are held"),
        ("s.csv", "0,1\n1,2\n", "cubic", "hold must be 'zoh' or 'linear'"),
        ("s.csv", "0,1,1\n1,2,3\n", "zoh", "has 2 inputs, the model has 1"),
        ("s.csv", "0,1\n1\n", "zoh", "sample 1: expected 2 columns, got 1"),
        ("s.csv", "0,1\n1,x\n", "zoh", "column 1: 'x' is not a number"),
        ("s.csv", "t,u\n", "zoh", "holds no samples"),
        ("s.csv", "1,1\n2,2\n", "zoh", "must start at 0"),
        ("s.csv", "0,1\n0,2\n", "zoh", "increase strictly"),
        ("s.csv", "0,1\n1,nan\n", "zoh", "must be finite"),
        ("s.csv", b"\xff\xfe\x00", "zoh", "cannot read"),
        ("s.txt", "", "zoh", "must end in .csv or .npz"),
        ("s.npz", {"t": T}, "zoh", "must hold the arrays t and u"),
        ("s.npz", {"t": T, "u": U, "w": U}, "zoh", "must hold the arrays t and u"),
        ("s.npz", {"t": T, "u": U, "hold": "zoh"}, "linear", "declares hold 'zoh'"),
        ("s.npz", {"t": T, "u": np.array([["a"], ["b"]])}, "zoh", "real numbers"),
        ("s.npz", {"t": T, "u": np.array([[None], [1]], dtype=object)}, "zoh", "cannot read"),
        ("s.npz", b"not a zip", "zoh", "cannot read"),
    ],
)
def test_a_bad_stimulus_file_is_refused_with_its_reason(tmp_path, name, content, hold, message):
    with pytest.raises(StimulusError, match=message):
        load_stimulus(file(tmp_path, name, content), n_inputs=1, hold=hold)


def test_a_file_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("rnn2circuit.stimulus.MAX_FILE_BYTES", 10)
    with pytest.raises(StimulusError, match="larger than 10 bytes"):
        load_stimulus(file(tmp_path, "s.csv", "0,1\n1,2\n2,3\n"), n_inputs=1, hold="zoh")
    with pytest.raises(StimulusError, match="unpacks to more than 10"):
        load_stimulus(file(tmp_path, "s.npz", {"t": T, "u": U}), n_inputs=1, hold="zoh")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PwlStimulus(times=np.zeros((1, 1)), values=U), "times of shape"),
        (lambda: PwlStimulus(times=np.zeros(0), values=np.zeros((0, 1))), "k >= 1"),
        (
            lambda: SineStimulus(offset=np.zeros(1), amplitude=np.ones(1), frequency=np.zeros(1)),
            "frequency of a sinusoidal stimulus must be positive",
        ),
    ],
)
def test_a_malformed_stimulus_is_refused(make, message):
    with pytest.raises(StimulusError, match=message):
        make()
