"""Pictures: waveforms against the ODE, and one neuron as a schematic. Needs matplotlib."""

import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from rnn2circuit.arrays import Indices, Matrix, Vector
from rnn2circuit.errors import UsageError
from rnn2circuit.report.files import write_one

MOST_CURVES = 8
MARKS = 24  # simulated points shown per curve: enough to see that they lie on the line
BINS = 300  # of the error curves; each shows the largest error within it, so no peak is lost
# Okabe and Ito's palette, told apart by colour-blind readers; styles and markers serve print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
STYLES = ("-", "--", "-.", ":", "-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
TERM = "#0072B2"  # of the equation's terms in the schematic
SMALLEST_ERROR = 1e-12  # below, the error axis would show rounding
DECADES = 6  # of the error axis below its top: the rest is where an error changes its sign
LONGEST_TITLE, LONGEST_NAME = 88, 20  # characters that fit beside the curves


def is_drawable() -> bool:
    """Whether pictures can be drawn here: matplotlib is an optional extra."""
    return find_spec("matplotlib") is not None


def draw_waveforms(
    *,
    kind: str,
    title: str,
    t_ref: Vector,
    x_ref: Matrix,
    t_sim: Vector,
    x_sim: Matrix,
    error: Matrix,
    state_names: Sequence[str],
    inputs: Matrix | None = None,
    unit: str = "model units",
    limit: float | None = None,
) -> bytes:
    """Overlay of circuit and ODE, the inputs if given, and below them the error of each state.

    Parameters
    ----------
    kind : str
        ``.png`` or ``.svg``; the same data give the same SVG, byte for byte.
    t_ref, t_sim : ndarray
        Times of the reference and of the simulator, s.
    x_ref, x_sim : ndarray, shape (k, n)
        States in `unit`; at most eight are drawn, those that move most.
    error : ndarray, shape (k_sim, n)
        Deviation at the simulator's times, in parts of each state's range.
    inputs : ndarray, shape (k_ref, m), optional
        At the times of the reference; the first eight are drawn.
    limit : float, optional
        Drawn as a line in the error plot.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or another kind of picture is asked for.
    """
    driven = inputs is not None and inputs.shape[1] > 0
    figure = _figure(kind, 8.4, 6.2 if driven else 5.4)
    scale, second = _time_unit(float(t_ref[-1]))
    ratios = [2.4, 0.6, 1.1] if driven else [2.4, 1.1]
    upper, *middle, lower = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    moving = np.argsort(-np.ptp(x_ref, axis=0), kind="stable")[:MOST_CURVES]
    shown = np.sort(moving)
    _draw_states(upper, scale * t_ref, x_ref[:, shown], scale * t_sim, x_sim[:, shown])
    _legend(upper, [state_names[int(i)] for i in shown], x_ref.shape[1] - shown.size)
    if inputs is not None:
        for axes in middle:
            _draw_inputs(axes, scale * t_ref, inputs)
    _draw_errors(lower, scale * t_sim, error[:, shown], limit)
    _plain(figure.suptitle(textwrap.shorten(title, LONGEST_TITLE, placeholder="...")))
    upper.set_title(
        "circuit (markers) on the differential equation (lines)", fontsize=9, color="#404040"
    )
    upper.set_ylabel(f"state, {unit}")
    lower.set_xlabel(f"time, {second}")
    for axes in (upper, *middle, lower):
        _quiet(axes)
        axes.margins(x=0.01)
    figure.align_ylabels()
    return _rendered(figure, kind)


def _draw_states(axes: Any, t_ref: Vector, x_ref: Matrix, t_sim: Vector, x_sim: Matrix) -> None:
    for k, colour in zip(range(x_ref.shape[1]), COLOURS, strict=False):
        axes.plot(t_ref, x_ref[:, k], STYLES[k], color=colour, lw=1.3)
        marks = _marks(t_sim, k / MOST_CURVES)
        axes.plot(
            t_sim[marks],
            x_sim[marks, k],
            MARKERS[k],
            color=colour,
            ms=4.2,
            mfc="white",
            mew=0.9,
            clip_on=False,
            zorder=3,
        )


def _draw_inputs(axes: Any, t: Vector, inputs: Matrix) -> None:
    for k in range(min(inputs.shape[1], MOST_CURVES)):
        axes.plot(t, inputs[:, k], STYLES[k], color=COLOURS[k], lw=1.0)
    axes.set_ylabel("input" if inputs.shape[1] == 1 else "inputs")


def _draw_errors(axes: Any, t: Vector, error: Matrix, limit: float | None) -> None:
    """The largest error of each stretch of time, so that hundreds of sign changes stay legible."""
    edges = np.searchsorted(t, np.linspace(t[0], t[-1], BINS, endpoint=False))
    starts = np.unique(edges)
    peaks = np.maximum.reduceat(error, starts, axis=0)
    finite = peaks[np.isfinite(peaks)]
    worst = max(SMALLEST_ERROR, float(finite.max()) if finite.size else 0.0)
    top = max(worst, limit or 0.0)
    bottom = max(SMALLEST_ERROR, min(worst, top) * 10.0**-DECADES)
    for k in range(error.shape[1]):
        axes.semilogy(
            t[starts], np.maximum(peaks[:, k], bottom), STYLES[k], color=COLOURS[k], lw=1.0
        )
    if limit is not None and limit > 0:
        axes.axhline(limit, color="black", lw=1.1)
        axes.annotate(
            f"limit {limit:g}",
            (0.99, limit),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
        )
    axes.set_ylim(bottom, 40 * top)  # room above the limit for its name
    axes.set_ylabel("error / range")


def _legend(axes: Any, names: Sequence[str], hidden: int) -> None:
    """Beside the curves, never on them."""
    handles = [
        axes.plot([], [], STYLES[k] + MARKERS[k], color=COLOURS[k], mfc="white", ms=4.5)[0]
        for k in range(len(names))
    ]
    # matplotlib before 3.10 leaves out labels that begin with an underscore.
    shortened = [textwrap.shorten(n, LONGEST_NAME, placeholder="...") for n in names]
    labels = [f" {name}" if name.startswith("_") else name for name in shortened]
    legend = axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        frameon=False,
        fontsize=9,
        handlelength=2.8,
        title=f"{hidden} more\nnot shown" if hidden else None,
        title_fontsize=8,
        alignment="left",
    )
    for text in legend.get_texts():
        _plain(text)


def plot_neuron(
    path: Path, *, t: Vector, x_ode: Vector, t_spice: Vector, x_spice: Vector, caption: str
) -> None:
    """One compiled CTRNN neuron as a schematic, and its waveform against the ODE.

    Times in s, states in model units.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or the path asks for another kind of picture.
    OutputError
        If the file cannot be written.
    """
    figure = _figure(path.suffix, 11.0, 4.1)
    left, right = figure.subplots(1, 2, width_ratios=[1.75, 1])
    _draw_neuron(left)
    scale, second = _time_unit(float(t[-1]))
    right.plot(scale * t, x_ode, color=COLOURS[0], lw=1.5, label="differential equation")
    marks = _marks(t_spice, 0.0)
    right.plot(
        scale * t_spice[marks],
        x_spice[marks],
        "o",
        ms=4.5,
        mfc="white",
        color=COLOURS[1],
        label=f"SPICE, {marks.size} of {t_spice.size} points",
    )
    low, high = float(np.min(x_ode)), float(np.max(x_ode))
    room = (high - low) or 1.0
    right.set_ylim(low - 0.06 * room, high + 0.28 * room)  # the legend stands above the curve
    right.legend(frameon=False, fontsize=9, loc="upper right", borderaxespad=0.2)
    right.set_xlabel(f"time, {second}")
    right.set_ylabel("state $x_i$")
    _plain(right.set_title(caption, fontsize=9.5, color="#404040"))
    _quiet(right)
    write_one(path, _rendered(figure, path.suffix))


def _draw_neuron(axes: Any) -> None:
    """Sum node, amplifier, state node: the components of one neuron, each with its term."""
    axes.set_xlim(-0.3, 16.4)
    axes.set_ylim(-0.9, 8.4)
    axes.set_aspect("equal")
    axes.axis("off")
    bus, wire = 4.1, 5.0
    for y, net, term in (
        (7.0, "$x_1$", "$w_{i1}\\,x_1$"),
        (wire, "$x_n$", "$w_{in}\\,x_n$"),
        (3.2, "$u_k$", "$w^{in}_{ik}\\,u_k$"),
    ):
        axes.text(0.55, y, net, va="center", ha="right", fontsize=12)
        _wire(axes, [(0.75, y), (1.6, y)])
        _triangle(axes, 1.6, y)
        _wire(axes, [(2.7, y), (bus, y)])
        _term(axes, 2.55, y + 0.52, term)
    axes.text(2.15, 6.05, "$\\vdots$", ha="center", va="center", fontsize=13)
    _current_source(axes, 2.15, 1.4)
    _wire(axes, [(2.57, 1.4), (bus, 1.4)])
    _term(axes, 2.9, 1.75, "$b_i$")
    _wire(axes, [(1.73, 1.4), (0.9, 1.4), (0.9, 1.0)])
    _ground(axes, 0.9, 1.4)
    _wire(axes, [(bus, 7.0), (bus, 1.4)])
    for y in (wire, 3.2):
        _dot(axes, bus, y)
    _wire(axes, [(bus, wire), (7.1, wire)])
    _dot(axes, 5.8, wire)
    axes.text(5.8, wire + 0.3, "$z_i$", ha="center", fontsize=13)
    _resistor(axes, 5.8, wire, "$R_0$")
    _saturation(axes, 7.1, wire)
    _wire(axes, [(8.9, wire), (9.5, wire)])
    _triangle(axes, 9.5, wire)
    _term(axes, 10.2, wire + 0.78, "$g_i\\,\\tanh z_i$", align="center")
    _wire(axes, [(10.6, wire), (15.3, wire)])
    axes.text(15.5, wire, "$x_i$", va="center", fontsize=13)
    for x, draw, name, term in (
        (12.0, _resistor, "$R$", "$-r_i\\,x_i$"),
        (14.2, _capacitor, "$C$", "$\\dot x_i$"),
    ):
        _dot(axes, x, wire)
        draw(axes, x, wire, name)
        _term(axes, x + 0.4, wire - 0.65, term)
    axes.text(
        8.0,
        -0.55,
        r"$\dot x_i \;=\; -r_i\,x_i + g_i\,\tanh z_i\,,\qquad "
        r"z_i \;=\; \sum_j w_{ij}\,x_j + \sum_k w^{in}_{ik}\,u_k + b_i$",
        ha="center",
        fontsize=13,
        color=TERM,
    )


def _term(axes: Any, x: float, y: float, term: str, *, align: str = "left") -> None:
    """The part of the equation that a component stands for."""
    axes.text(x, y, term, ha=align, va="center", fontsize=11, color=TERM)


def _wire(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color="black", lw=1.2, solid_joinstyle="miter")


def _dot(axes: Any, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color="black", ms=4)


def _triangle(axes: Any, x: float, y: float) -> None:
    """Transconductance: an amplifier whose output is a current."""
    axes.fill([x, x, x + 1.1], [y - 0.5, y + 0.5, y], fc="#E8F1F8", ec="black", lw=1.2, zorder=2)
    _arrow(axes, x + 0.15, x + 0.8, y)


def _current_source(axes: Any, x: float, y: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    axes.plot(x + 0.42 * np.cos(angle), y + 0.42 * np.sin(angle), color="black", lw=1.2)
    _arrow(axes, x - 0.3, x + 0.3, y)


def _arrow(axes: Any, start: float, end: float, y: float) -> None:
    style = {"arrowstyle": "->", "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (end, y), (start, y), arrowprops=style)


def _saturation(axes: Any, x: float, y: float) -> None:
    """Amplifier with the characteristic tanh, drawn inside."""
    corners_x, corners_y = [x, x + 1.8, x + 1.8, x], [y - 0.9, y - 0.9, y + 0.9, y + 0.9]
    axes.fill(corners_x, corners_y, fc="#FBEBDD", ec="black", lw=1.2, zorder=2)
    s = np.linspace(-1.0, 1.0, 61)
    axes.plot(x + 0.9 + 0.7 * s, y + 0.62 * np.tanh(3.2 * s), color="black", lw=1.4, zorder=3)
    for dx, dy in ((0.75, 0.0), (0.0, 0.75)):
        across, along = [x + 0.9 - dx, x + 0.9 + dx], [y - dy, y + dy]
        axes.plot(across, along, color="#909090", lw=0.6, zorder=2.5)
    axes.text(x + 0.9, y + 1.2, "tanh", ha="center", fontsize=11)


def _resistor(axes: Any, x: float, y: float, label: str) -> None:
    top, bottom = y - 1.1, y - 2.6
    _wire(axes, [(x, y), (x, top)])
    corners_x = [x - 0.25, x + 0.25, x + 0.25, x - 0.25]
    axes.fill(corners_x, [bottom, bottom, top, top], fc="white", ec="black", lw=1.2, zorder=2)
    axes.text(x - 0.45, (top + bottom) / 2, label, ha="right", va="center", fontsize=12)
    _ground(axes, x, bottom)


def _capacitor(axes: Any, x: float, y: float, label: str) -> None:
    upper, lower = y - 1.72, y - 1.98
    _wire(axes, [(x, y), (x, upper)])
    for plate in (upper, lower):
        axes.plot([x - 0.5, x + 0.5], [plate, plate], color="black", lw=2.0)
    axes.text(x - 0.65, (upper + lower) / 2, label, ha="right", va="center", fontsize=12)
    _wire(axes, [(x, lower), (x, y - 2.6)])
    _ground(axes, x, y - 2.6)


def _ground(axes: Any, x: float, y: float) -> None:
    _wire(axes, [(x, y), (x, y - 0.4)])
    for k, half in enumerate((0.36, 0.23, 0.1)):
        axes.plot([x - half, x + half], [y - 0.4 - 0.15 * k] * 2, color="black", lw=1.3)


def _marks(t: Vector, offset: float) -> Indices:
    """Points about evenly apart in time, though the simulator's steps are not; `offset` in [0, 1).

    Offsets keep the markers of equal curves apart.
    """
    evenly = np.linspace(t[0], t[-1], MARKS, endpoint=False)
    spacing = (t[-1] - t[0]) / MARKS
    return np.unique(np.searchsorted(t, evenly + offset * spacing).clip(max=t.size - 1))


def _quiet(axes: Any) -> None:
    """Curves and numbers; the rest is thin."""
    axes.grid(visible=True, lw=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _plain(text: Any) -> None:
    """Show a user's text as it is: a $ in it begins no formula."""
    text.set_parse_math(False)


def _time_unit(end: float) -> tuple[float, str]:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if end * factor >= 1.0:
            return factor, unit
    return 1e12, "ps"


def _figure(kind: str, width: float, height: float) -> Any:
    if kind.lower() not in (".png", ".svg"):
        raise UsageError(f"pictures are .png or .svg, got {kind!r}")
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise UsageError(
            'pictures need matplotlib, which is not installed: pip install "rnn2circuit[plot]"'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _rendered(figure: Any, kind: str) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415 - an optional extra

    buffer = BytesIO()
    if kind.lower() == ".svg":
        # A fixed salt and no date: the same data give the same bytes.
        with rc_context({"svg.hashsalt": "rnn2circuit"}):
            figure.savefig(buffer, format="svg", metadata={"Date": None})
    else:
        figure.savefig(buffer, format="png", dpi=105)
        buffer = _with_palette(buffer)
    return buffer.getvalue()


def _with_palette(png: BytesIO) -> BytesIO:
    """The same picture with 256 colours, which are all that lines need: a third of the size."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib

    smaller = BytesIO()
    with Image.open(png) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(smaller, "PNG", optimize=True)
    return smaller
