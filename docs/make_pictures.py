"""Make the pictures of the documentation from circuits compiled and simulated here and now.

python docs/make_pictures.py                  (all of them; ten minutes)
python docs/make_pictures.py neuron gru_xor   (these alone)
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import rnn2circuit as r2c
from rnn2circuit.demo import examples_directory, list_examples, load_example
from rnn2circuit.flow import Level, simulate
from rnn2circuit.flow.boards import nrmse
from rnn2circuit.models.base import AbstractCell
from rnn2circuit.report.plots import plot_neuron
from rnn2circuit.report.tolerance import quantile

PICTURES = Path(__file__).parent / "pictures"
EXAMPLES = examples_directory()
sys.path.insert(0, str(EXAMPLES))
from example_stories import STORIES, Story  # noqa: E402 - a module of examples/, no package

Array = NDArray[np.float64]
CURVES = 1001  # points of a line
STRETCHES = 240  # of the error panel; each shows the largest error within it
FLOOR = 1e-10  # parts of range: below, the error panel shows rounding
COLOURS = ("#0072B2", "#D55E00", "#009E73")  # Okabe and Ito's: told apart by colour-blind readers
WANTED = "#C8C8C8"
STYLES, MARKERS = ("-", "--", "-."), ("o", "s", "^")


def draw_example(name: str, title: str) -> None:
    """The readout of an example's circuit on what its program answers and what was wanted."""
    result = r2c.verify_compiled(load_example(name))
    simulation, compiled = result.simulation, result.compiled
    if simulation is None or not result.passed:
        raise SystemExit(f"the circuit of {name} does not verify: {result.report}")
    net = compiled.model
    story = STORIES[name](net)
    clocked = isinstance(net, AbstractCell)
    milliseconds = 1e3 * compiled.state_map.seconds_per_unit
    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    rows = 3 if net.n_inputs else 2
    panels = figure.subplots(rows, 1, sharex=True, height_ratios=[0.8, 2.2, 1.3][-rows:])
    upper, lower = panels[-2], panels[-1]
    t, y = simulation.t, simulation.y
    if net.n_inputs:
        panels[0].plot(milliseconds * t, compiled.stimulus(t), color="#606060", lw=1.0)
        panels[0].set_ylabel("input")
    if story.wanted is not None and story.wanted_t is not None:  # held answers are wide steps
        drawn = "steps-mid" if clocked else "default"
        wide = {"color": WANTED, "lw": 5.0, "zorder": 1, "drawstyle": drawn}
        upper.plot(milliseconds * story.wanted_t, story.wanted, **wide)
    draw_readout(upper, story, milliseconds, t, y)
    if not clocked:
        grid = np.linspace(0.0, compiled.duration, CURVES)
        equation = net.readout(compiled.reference(grid), compiled.stimulus(grid))
        if story.program is None:
            draw_marks(upper, milliseconds * grid[:: CURVES // 30], equation[:: CURVES // 30])
    draw_errors(lower, result, story, milliseconds, clocked=clocked)
    upper.set_ylabel(story.readout)
    lower.set_ylabel("difference / range")
    lower.set_xlabel("time in the circuit, ms")
    figure.suptitle(title)
    for axes in panels:
        axes.grid(visible=True, lw=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    legend(upper, story, y.shape[1], clocked=clocked)
    lower.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8.5)
    figure.align_ylabels()
    path = PICTURES / f"{name}.png"
    figure.savefig(path, dpi=95)
    shrink(path)
    print(path.name, path.stat().st_size)


def draw_readout(axes, story: Story, ms: float, t: Array, y: Array) -> None:
    """The circuit's curves, and the program's marks on them."""
    for k in range(y.shape[1]):
        axes.plot(ms * t, y[:, k], STYLES[k], color=COLOURS[k], lw=1.4, zorder=2)
    if story.program is not None and story.program_t is not None:
        every = max(1, story.program_t.size // 50)
        draw_marks(axes, ms * story.program_t[::every], story.program[::every])


def draw_marks(axes, t: Array, values: Array) -> None:
    for k in range(values.shape[1]):
        style = {"color": "black", "ms": 4.0, "mfc": "white", "mew": 0.9, "zorder": 3}
        axes.plot(t, values[:, k], MARKERS[k], **style)


def draw_errors(axes, result, story: Story, ms: float, *, clocked: bool) -> None:
    """What the circuit adds, beside what reading and training leave; all in parts of range."""
    compiled, simulation = result.compiled, result.simulation
    net, reference = compiled.model, compiled.reference
    span = np.ptp(simulation.y, axis=0).max()

    def line(t, difference, style, label):
        rows = np.abs(difference).max(axis=1) / span
        edges = np.searchsorted(t, np.linspace(t[0], t[-1], STRETCHES, endpoint=False))
        starts = np.unique(edges)
        peaks = np.maximum(np.maximum.reduceat(rows, starts), FLOOR)
        axes.semilogy(ms * t[starts], peaks, style, color="black", lw=1.1, label=label)

    def equation(t):
        return net.readout(reference(t), compiled.stimulus(t))

    def program(t):
        return np.column_stack(
            [np.interp(t, story.program_t, column) for column in story.program.T]
        )

    if story.wanted is not None:
        found = program(story.wanted_t) if story.program is not None else equation(story.wanted_t)
        line(story.wanted_t, found - story.wanted, ":", "trained network\n- wanted")
    if isinstance(net, AbstractCell):
        steps = np.arange(1, reference.n_steps + 1)
        held = np.array([simulation.y[np.searchsorted(simulation.t, k) - 1] for k in steps])
        line(steps.astype(float), held - reference.outputs(), "-", "circuit - program")
    else:
        if story.program is not None:
            at = story.program_t[story.program_t <= compiled.duration]
            line(at, equation(at) - program(at), "--", "equation - program")
        line(simulation.t, simulation.y - equation(simulation.t), "-", "circuit - equation")
    limit = r2c.Limits().held if clocked else r2c.Limits().transient
    axes.axhline(limit, color="#808080", lw=0.9, label=f"limit of the last, {limit:g}")
    axes.set_ylim(FLOOR / 2, 3.0)


def legend(axes, story: Story, outputs: int, *, clocked: bool) -> None:
    """Beside the curves, never on them."""
    handles, labels = [], []
    for k in range(outputs):
        handles += axes.plot([], [], STYLES[k], color=COLOURS[k], lw=1.4)
        labels.append("circuit" if outputs == 1 else f"circuit, y{k + 1}")
    what = "its program" if story.program is not None else "its equation"
    for k in range(outputs):
        handles += axes.plot([], [], MARKERS[k], color="black", mfc="white", ms=4.0)
        labels.append(what if outputs == 1 else f"{what}, y{k + 1}")
    if story.wanted is not None:
        handles += axes.plot([], [], color=WANTED, lw=5.0)
        labels.append("wanted")
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8.5
    )


def shrink(path: Path) -> None:
    """64 colours are all that lines need."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    reduced.save(path, "PNG", optimize=True)


def draw_neuron() -> None:
    rng = np.random.default_rng(4)
    model = r2c.Ctrnn(
        rate=np.ones(4),
        w=2.2 * rng.normal(size=(4, 4)) / 2.0,
        w_in=rng.normal(size=(4, 1)),
        bias=0.3 * rng.normal(size=4),
        x0=np.array([0.8, -0.5, 0.3, -0.2]),
    )
    result = r2c.verify_model(model, duration=14.0)
    simulation, compiled = result.simulation, result.compiled
    if simulation is None or not result.passed:
        raise SystemExit(f"the circuit of the picture does not verify: {result.report}")
    seconds = compiled.state_map.seconds_per_unit
    t = np.linspace(0.0, compiled.duration, CURVES)
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    plot_neuron(
        PICTURES / "neuron.png",
        t=seconds * t,
        x_ode=compiled.reference(t)[:, 0],
        t_spice=seconds * simulation.t,
        x_spice=simulation.x[:, 0],
        caption=f"neuron 1 of 4; worst state off by {worst:.0e} of its range",
    )


def draw_boards() -> None:
    """Histograms of the error of boards, rung by rung."""
    rng = np.random.default_rng(4)
    model = r2c.Ctrnn(
        rate=np.ones(4),
        w=2.2 * rng.normal(size=(4, 4)) / 2.0,
        w_in=rng.normal(size=(4, 1)),
        bias=0.3 * rng.normal(size=4),
        x0=np.array([0.8, -0.5, 0.3, -0.2]),
    )
    compiled = r2c.compile_model(model, level="macro")
    found = r2c.analyze_tolerance(compiled, runs=200, trims=("offset", "gain", "tau"), workers=2)
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    bins = np.geomspace(1e-3, 1e-1, 41)
    for rung, colour in zip(found.rungs, ("0.4", *COLOURS), strict=True):
        label = " + ".join(rung.trims) or "untrimmed"
        look = {"histtype": "step", "linewidth": 1.5, "color": colour}
        axes.hist(rung.values, bins=bins, label=label, **look)
    axes.axvline(found.limit, color="0.6", linestyle=":")
    axes.set(xscale="log", xlabel="rms error of the worst state, parts of range", ylabel="boards")
    axes.legend(frameon=False)
    figure.savefig(PICTURES / "boards.png", dpi=120)
    shrink(PICTURES / "boards.png")


def draw_walk() -> None:
    """How far the limit cycle is from its equation at each step on the way to a board."""

    def at(level: Level, **options: Any) -> r2c.Compiled:
        model = r2c.load(EXAMPLES / "ctrnn_cycle.npz")
        return r2c.compile_model(model, level=level, duration=15.0, **options)

    board = at("macro")
    trims = ("offset", "gain", "tau")
    found = r2c.analyze_tolerance(
        board, runs=60, trims=trims, temperatures=(70,), ptat=True, workers=2
    )
    steps: list[tuple[str, float, float, float]] = []
    for label, compiled in (
        ("ideal elements", at("ideal")),
        ("macromodels", board),
        ("transistors, as designed", at("device", calibrated=False)),
        ("transistors, calibrated", at("device")),
        ("and of E24 values, one or two for each", at("device", values=r2c.Values(round="E24"))),
    ):
        steps.append((label, *3 * (nrmse(simulate(compiled)),)))
    for label, rung in (
        ("1 % parts, 60 boards", found.rungs[0]),
        ("the same boards, offset, gain, tau trimmed", found.rungs[-1]),
    ):
        steps.append((label, *quantile(rung.values, 0.5)))
    for corner in found.corners:
        legs = "with PTAT legs" if corner.ptat else "with plain legs"
        steps.append(
            (f"exact parts at {corner.celsius:g} °C, {legs}", *3 * (corner.outcome.nrmse,))
        )
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for row, (label, middle, low, high) in enumerate(steps):
        print(f"{label}: {middle:.1e} ({low:.1e} to {high:.1e})")
        axes.plot([low, high], [row, row], color=COLOURS[0], lw=2.5, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=COLOURS[0], ms=6)
        axes.annotate(f"{middle:.1e}", (high, row), (8, 0), textcoords="offset points", va="center")
    axes.set(xscale="log", xlim=(3e-6, 1.0), xlabel="rms error of the worst state, parts of range")
    axes.set_yticks(range(len(steps)), [label for label, *_ in steps])
    axes.invert_yaxis()
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.savefig(PICTURES / "walk.png", dpi=120)
    shrink(PICTURES / "walk.png")


def main():
    titles = {entry["name"]: entry["title"] for entry in list_examples(EXAMPLES)}
    for name in sys.argv[1:] or ["neuron", "boards", "walk", *titles]:
        if name == "neuron":
            draw_neuron()
        elif name == "boards":
            draw_boards()
        elif name == "walk":
            draw_walk()
        else:
            draw_example(name, titles[name])


if __name__ == "__main__":
    main()
