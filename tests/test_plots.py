import builtins
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2circuit.errors import OutputError, UsageError
from rnn2circuit.report import plots

LARGEST_PNG = 150_000  # bytes; a page with five of them should still load at once
T = np.linspace(0, 5e-3, 2000)


def wave(path, **changes):
    x = np.column_stack([np.sin(1e3 * k * T) / k for k in range(1, 11)])
    fields = {
        "title": "ten states",
        "t_ref": T,
        "x_ref": x,
        "t_sim": T,
        "x_sim": x,
        "error": 1e-6 * np.abs(x),
        "state_names": [f"x{k}" for k in range(1, 11)],
        "limit": 1e-3,
    }
    path.write_bytes(plots.draw_waveforms(kind=path.suffix, **(fields | changes)))


def neuron(path, **changes):
    x = np.sin(1e3 * T)
    fields = {"t": T, "x_ode": x, "t_spice": T, "x_spice": x, "caption": "one of four"}
    plots.plot_neuron(path, **(fields | changes))


@pytest.fixture(name="axes")
def bare_axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.mark.parametrize("draw", [wave, neuron])
def test_pictures_are_whole_small_files_of_the_kind_asked_for(tmp_path, draw):
    from PIL import Image

    draw(tmp_path / "w.png")
    assert (tmp_path / "w.png").stat().st_size < LARGEST_PNG
    with Image.open(tmp_path / "w.png") as image:
        image.load()  # the whole file decodes
        assert (image.format, image.mode) == ("PNG", "P")  # a palette: a third of the size
        assert image.width > 800
    draw(tmp_path / "w.SVG")
    assert ET.parse(tmp_path / "w.SVG").getroot().tag.endswith("svg")


@pytest.mark.parametrize("draw", [wave, neuron])
def test_the_same_data_give_the_same_svg(tmp_path, draw):
    draw(tmp_path / "a.svg")
    draw(tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert (tmp_path / "b.svg").read_text() == text
    assert "<dc:date>" not in text


def test_states_that_move_least_are_left_out_and_counted(tmp_path):
    wave(tmp_path / "w.svg")
    text = (tmp_path / "w.svg").read_text()  # glyphs are drawn; the text stands in comments
    assert "<!-- 2 more -->" in text
    assert [f"<!-- x{k} -->" in text for k in range(1, 11)] == [True] * 8 + [False] * 2


def test_inputs_unit_and_limit_appear_where_given(tmp_path):
    wave(tmp_path / "with.svg", inputs=np.sin(T)[:, None], unit="mV")
    wave(tmp_path / "without.svg", inputs=np.empty((T.size, 0)), limit=None)
    with_, without = ((tmp_path / f"{k}.svg").read_text() for k in ("with", "without"))
    for text in ("input", "state, mV", "limit 0.001"):
        assert f"<!-- {text} -->" in with_
        assert f"<!-- {text} -->" not in without
    assert "<!-- state, model units -->" in without


def test_a_peak_of_one_step_is_seen_in_the_error_curve(axes):
    error = np.full((T.size, 1), 1e-9)
    error[777] = 0.5
    plots._draw_errors(axes, T, error, None)
    curve = axes.get_lines()[0].get_ydata()
    assert curve.max() == 0.5
    assert curve.size <= plots.BINS


def test_the_limit_and_the_worst_error_are_both_within_the_axis(axes):
    for worst, limit in ((1e-6, 1e-3), (0.5, 1e-3), (0.0, 1e-3), (float("nan"), 1e-3)):
        axes.clear()
        plots._draw_errors(axes, T, np.full((T.size, 2), worst), limit)
        bottom, top = axes.get_ylim()
        assert bottom < limit < top
        assert not worst >= top


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.floats(0, 1, exclude_max=True)
)
def test_markers_are_points_of_the_simulator(times, offset):
    t = np.sort(np.array(times, dtype=np.float64))
    marks = plots._marks(t, offset)
    assert 1 <= marks.size <= plots.MARKS
    assert np.all(np.diff(marks) > 0)
    assert np.all((marks >= 0) & (marks < t.size))


@pytest.mark.parametrize(
    ("end", "unit"), [(2.0, "s"), (2e-3, "ms"), (2e-6, "us"), (2e-9, "ns"), (2e-12, "ps")]
)
def test_the_time_axis_has_engineering_units(end, unit):
    scale, found = plots._time_unit(end)
    assert found == unit
    assert scale * end == pytest.approx(2.0)


@pytest.mark.parametrize("hostile", [r"a$\q$", "_hidden", "$", "w" * 300, "two\nlines", ""])
def test_names_are_shown_as_they_are(tmp_path, hostile):
    wave(tmp_path / "w.svg", title=hostile, state_names=[hostile] * 10)
    neuron(tmp_path / "n.svg", caption=hostile[:60])
    text = (tmp_path / "w.svg").read_text()
    if hostile == "_hidden":  # matplotlib before 3.10 leaves such labels out of legends
        assert text.count("_hidden -->") == 1 + plots.MOST_CURVES


def test_a_run_without_length_or_movement_is_still_drawn(tmp_path):
    one = np.zeros((1, 2))
    zero = np.zeros(1)
    fields = {"t_ref": zero, "t_sim": zero, "x_ref": one, "x_sim": one, "error": one}
    wave(tmp_path / "w.png", **fields, state_names=["x1", "x2"])
    neuron(tmp_path / "n.png", x_ode=np.zeros_like(T), x_spice=np.zeros_like(T))


def no_matplotlib(monkeypatch):
    real = builtins.__import__

    def fail(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)


@pytest.mark.parametrize("draw", [wave, neuron])
def test_without_matplotlib_the_message_says_how_to_get_it(tmp_path, monkeypatch, draw):
    no_matplotlib(monkeypatch)
    with pytest.raises(UsageError, match=r'pip install "rnn2circuit\[plot\]"'):
        draw(tmp_path / "w.png")


@pytest.mark.parametrize(("name", "kind"), [("w.pdf", ".pdf"), ("w", ""), ("w.png.txt", ".txt")])
def test_another_kind_of_picture_is_refused(tmp_path, name, kind):
    with pytest.raises(UsageError, match=rf"pictures are \.png or \.svg, got '{kind}'"):
        wave(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a directory"):
        neuron(tmp_path / "file" / "n.png")
