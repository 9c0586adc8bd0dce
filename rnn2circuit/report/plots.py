"""Pictures: waveforms against the ODE, and one neuron as a schematic. Needs matplotlib."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import UsageError
from rnn2circuit.report.files import write_one

MOST_CURVES = 8
MARKERS = 28  # simulated points shown per curve: enough to see that they lie on the line
# Okabe and Ito's palette, told apart by colour-blind readers; line styles serve print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
STYLES = ("-", "--", "-.", ":", "-", "--", "-.", ":")
SMALLEST_ERROR = 1e-12  # below, the error axis would show rounding


def plot_waveforms(
    path: Path,
    *,
    title: str,
    t_ref: Vector,
    x_ref: Matrix,
    t_sim: Vector,
    x_sim: Matrix,
    error: Matrix,
    state_names: Sequence[str],
    limit: float | None = None,
) -> None:
    """Overlay of circuit and ODE, and below it the error of each state.

    Parameters
    ----------
    t_ref, t_sim : ndarray
        Times of the reference and of the simulator, s.
    x_ref, x_sim : ndarray, shape (k, n)
        States in model units; at most eight are drawn, those that move most.
    error : ndarray, shape (k_sim, n)
        Deviation at the simulator's times, in parts of each state's range.
    limit : float, optional
        Drawn as a line in the error plot.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written.
    """
    figure = _figure(8.0, 5.2)
    scale, unit = _time_unit(float(t_ref[-1]))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    order = np.argsort(-np.ptp(x_ref, axis=0), kind="stable")[:MOST_CURVES]
    every = max(1, len(t_sim) // MARKERS)
    for k, i in enumerate(sorted(order.tolist())):
        colour, style = COLOURS[k], STYLES[k]
        upper.plot(scale * t_ref, x_ref[:, i], style, color=colour, lw=1.3, label=state_names[i])
        upper.plot(
            scale * t_sim[k::every], x_sim[k::every, i], "o", color=colour, ms=3.2, mfc="white"
        )
        shown = np.maximum(error[:, i], SMALLEST_ERROR)
        lower.semilogy(scale * t_sim, shown, style, color=colour, lw=0.9)
    if limit is not None:
        lower.axhline(limit, color="black", lw=0.8)
        lower.annotate("limit", (1.0, limit), xycoords=("axes fraction", "data"), va="bottom")
    upper.set_title(f"{title}\ncircuit (circles) on the differential equation (lines)", fontsize=10)
    upper.set_ylabel("state, model units")
    lower.set_ylabel("error / range")
    lower.set_xlabel(f"time, {unit}")
    hidden = x_ref.shape[1] - len(order)
    upper.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=8,
        title=f"{hidden} more not shown" if hidden else None,
        title_fontsize=8,
    )
    for axes in (upper, lower):
        axes.grid(visible=True, lw=0.3)
    _save(figure, path)


def plot_neuron(
    path: Path, *, t: Vector, x_ode: Vector, t_spice: Vector, x_spice: Vector, caption: str
) -> None:
    """One compiled CTRNN neuron as a schematic, and its waveform against the ODE.

    Times in s, states in model units.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    figure = _figure(10.5, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.55, 1])
    _draw_neuron(left)
    scale, unit = _time_unit(float(t[-1]))
    right.plot(scale * t, x_ode, color=COLOURS[0], lw=1.4, label="differential equation")
    every = max(1, len(t_spice) // MARKERS)
    right.plot(
        scale * t_spice[::every],
        x_spice[::every],
        "o",
        ms=4,
        mfc="white",
        color=COLOURS[1],
        label="SPICE, every " + ("point" if every == 1 else f"{every}th point"),
    )
    right.set_xlabel(f"time, {unit}")
    right.set_ylabel("state $x_i$")
    right.set_title(caption, fontsize=10)
    right.legend(frameon=False, fontsize=8)
    right.grid(visible=True, lw=0.3)
    _save(figure, path)


def _draw_neuron(axes: Any) -> None:
    """Sum node, amplifier, state node: the components of one neuron, with their terms."""
    axes.set_xlim(0, 15.2)
    axes.set_ylim(-0.6, 5.6)
    axes.set_aspect("equal")
    axes.axis("off")
    for y, label, term in (
        (4.3, "$x_j$", "$g_m = w_{ij}/(R_0 s)$"),
        (3.0, "$u_k$", "$w^{in}_{ik}$"),
    ):
        axes.text(0.1, y, label, va="center", fontsize=11)
        _wire(axes, [(0.8, y), (1.5, y)])
        _triangle(axes, 1.5, y)
        _wire(axes, [(2.6, y), (3.6, y), (3.6, 3.6)])
        axes.text(2.0, y + 0.62, term, ha="center", fontsize=8)
    axes.text(1.0, 1.95, "$b_i$", va="center", ha="right", fontsize=11)
    _current_source(axes, 1.5, 1.95)
    _wire(axes, [(1.95, 1.95), (3.6, 1.95), (3.6, 3.6)])
    _wire(axes, [(3.6, 3.6), (6.2, 3.6)])
    _dot(axes, 3.6, 3.6)
    _dot(axes, 4.8, 3.6)
    axes.text(4.8, 3.82, "$z_i$", ha="center", fontsize=11)
    _resistor(axes, 4.8, 3.6, "$R_0$")
    _box(axes, 6.2, 3.6, "tanh")
    _wire(axes, [(7.8, 3.6), (8.5, 3.6)])
    axes.text(8.15, 3.82, "$a_i$", ha="center", fontsize=10)
    _triangle(axes, 8.5, 3.6)
    axes.text(9.0, 4.25, "$g_i$", ha="center", fontsize=9)
    _wire(axes, [(9.6, 3.6), (14.2, 3.6)])
    _dot(axes, 11.0, 3.6)
    _dot(axes, 12.9, 3.6)
    axes.text(14.3, 3.6, "$x_i$", va="center", fontsize=12)
    _resistor(axes, 11.0, 3.6, "$R$")
    _capacitor(axes, 12.9, 3.6, "$C$")
    axes.text(
        7.4,
        -0.35,
        r"$\dot x_i = -r_i x_i + g_i\,\tanh\left(\sum_j w_{ij} x_j + \sum_k w^{in}_{ik} u_k + b_i"
        r"\right)$",
        ha="center",
        fontsize=12,
    )
    axes.text(11.45, 2.3, "$-r_i x_i$", fontsize=9, va="center")
    axes.text(13.75, 2.3, r"$\dot x_i$", fontsize=9, va="center")


def _wire(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color="black", lw=1.1, solid_joinstyle="miter")


def _dot(axes: Any, x: float, y: float) -> None:
    axes.plot([x], [y], "o", color="black", ms=3.5)


def _triangle(axes: Any, x: float, y: float) -> None:
    """Transconductance: an amplifier whose output is a current."""
    axes.fill([x, x, x + 1.1], [y - 0.45, y + 0.45, y], fc="#E8F1F8", ec="black", lw=1.1)
    axes.annotate("", (x + 0.75, y), (x + 0.15, y), arrowprops={"arrowstyle": "->", "lw": 1.0})


def _current_source(axes: Any, x: float, y: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    axes.plot(x + 0.42 * np.cos(angle), y + 0.42 * np.sin(angle), color="black", lw=1.1)
    axes.annotate("", (x + 0.32, y), (x - 0.32, y), arrowprops={"arrowstyle": "->", "lw": 1.0})


def _box(axes: Any, x: float, y: float, label: str) -> None:
    corners_x, corners_y = [x, x + 1.6, x + 1.6, x], [y - 0.6, y - 0.6, y + 0.6, y + 0.6]
    axes.fill(corners_x, corners_y, fc="#FBEBDD", ec="black", lw=1.1)
    axes.text(x + 0.8, y, label, ha="center", va="center", fontsize=10)


def _resistor(axes: Any, x: float, y: float, label: str) -> None:
    top, bottom = y - 0.6, y - 2.0
    _wire(axes, [(x, y), (x, top)])
    axes.fill(
        [x - 0.22, x + 0.22, x + 0.22, x - 0.22],
        [bottom, bottom, top, top],
        fc="white",
        ec="black",
        lw=1.1,
    )
    axes.text(x - 0.35, (top + bottom) / 2, label, ha="right", va="center", fontsize=10)
    _ground(axes, x, bottom)


def _capacitor(axes: Any, x: float, y: float, label: str) -> None:
    upper, lower = y - 1.2, y - 1.42
    _wire(axes, [(x, y), (x, upper)])
    for plate in (upper, lower):
        axes.plot([x - 0.45, x + 0.45], [plate, plate], color="black", lw=1.8)
    axes.text(x + 0.55, upper - 0.1, label, va="center", fontsize=10)
    _wire(axes, [(x, lower), (x, y - 2.0)])
    _ground(axes, x, y - 2.0)


def _ground(axes: Any, x: float, y: float) -> None:
    _wire(axes, [(x, y), (x, y - 0.4)])
    for k, half in enumerate((0.35, 0.22, 0.09)):
        axes.plot([x - half, x + half], [y - 0.4 - 0.14 * k] * 2, color="black", lw=1.2)


def _time_unit(end: float) -> tuple[float, str]:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if end * factor >= 1.0:
            return factor, unit
    return 1e12, "ps"


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise UsageError(
            'pictures need matplotlib, which is not installed: pip install "rnn2circuit[plot]"'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    from matplotlib import rc_context  # noqa: PLC0415 - an optional extra

    vector = path.suffix.lower() == ".svg"
    buffer = BytesIO()
    # A fixed salt and no date: the same data give the same bytes.
    with rc_context({"svg.hashsalt": "rnn2circuit"}):
        figure.savefig(
            buffer,
            format="svg" if vector else "png",
            dpi=110,
            metadata={"Date": None} if vector else {"Software": None},
        )
    write_one(path, buffer.getvalue())
