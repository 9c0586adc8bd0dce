"""Errors of every family at every level: the tables of docs/levels.md.

    python benchmarks/levels.py                      # random models of three states, all families
    python benchmarks/levels.py --trained            # the shipped trained networks
    python benchmarks/levels.py ctrnn ltc            # some families or networks
    python benchmarks/levels.py --write              # each row into docs/levels.md
    python benchmarks/levels.py --sensitivity        # what 0.1 % of every weight does to a network

Columns: rms error of the worst state in parts of its range at level ideal, with the step that
verify takes and with a thousandth of a model time unit; at level macro; with transistors before
and after calibration; the largest error after it; what the fitted macromodels predict, as their
largest distance from the transistors.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from random_models import CELLS, FAMILIES, random_cell, random_model  # noqa: E402

from rnn2circuit.demo import examples_directory, list_examples, load_example  # noqa: E402
from rnn2circuit.errors import NotRealizableError, Rnn2CircuitError  # noqa: E402
from rnn2circuit.flow import Compiled, Simulation, compile_model, simulate  # noqa: E402
from rnn2circuit.flow.prediction import predicted  # noqa: E402
from rnn2circuit.models.base import AbstractNetwork  # noqa: E402
from rnn2circuit.models.reference import solve  # noqa: E402
from rnn2circuit.models.trajectory import Trajectory  # noqa: E402

STATES, INPUTS, SEEDS = 3, 1, 2
CELL_STEPS = 20.0
SMALLEST_RANGE = 1e-3  # of the largest: states that hardly move are judged against it
SMALL, DRAWS, SAMPLES = 1e-3, 9, 601
FINE = 1e-3  # model time units
SETTLED = 0.99  # of a clock period: when states are read
TIMEOUT = 900.0  # s
# Model time of networks that take minutes to their end, with transistors by the thousand.
SHORTER = {"ltc_signal": 3.0, "lem_fitzhugh": 8.0, "energy_sequence": 12.0}
SHORTER |= {"gru_xor": 15.0, "lstm_denoise": 15.0}
CLOCKED = ("gru_xor", "lstm_denoise")  # programs, no equations
# Of more than 5000 transistors: at level device the fitted macromodels stand in for them.
BY_MACROMODELS = ("lrc_spiral", "lrc_duffing", "lrc_predators", "lrc_sinusoid")
# Weights of this one are as small as 1e-4: at the usual impedance nobody sells their resistors.
IMPEDANCES = {"linear_filter": 5e4}
HEAD = (
    "ideal",
    "ideal, fine",
    "macro",
    "device, as designed",
    "calibrated",
    "largest",
    "predicted to",
)


@dataclass(frozen=True)
class Table:
    title: str
    first: str  # what its first column holds
    names: list[str]
    make: Callable[[str], list[float]]


def errors(simulation: Simulation) -> tuple[float, float]:
    """Root mean square and largest error of the worst states, in parts of their range."""
    got, wanted, spread = compared(simulation)
    off = np.abs(got - wanted) / spread
    return float(np.sqrt((off**2).mean(axis=0)).max()), float(off.max())


def compared(simulation: Simulation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    reference, t, x = simulation.compiled.reference, simulation.t, simulation.x
    spread = np.maximum(reference.range, SMALLEST_RANGE * reference.range.max())
    if isinstance(reference, Trajectory):
        at = np.arange(reference.n_steps) + SETTLED
        columns = [np.interp(at, t, column) for column in x.T]
        return np.stack(columns, axis=1), reference.states[1:], spread
    return x, reference(np.minimum(t, reference.t_end)), spread


def distance(one: Simulation, other: Simulation) -> float:
    """Largest distance of two runs of one network, in parts of the states' range."""
    spread = compared(one)[2]
    steps = np.linspace(0.0, min(one.t[-1], other.t[-1]), 2001)
    if isinstance(one.compiled.reference, Trajectory):
        steps = np.arange(one.compiled.reference.n_steps) + SETTLED
    a, b = (
        np.stack([np.interp(steps, run.t, column) for column in run.x.T], axis=1)
        for run in (one, other)
    )
    return float((np.abs(a - b) / spread).max())


def figures(at_level, *, transistors: bool = True) -> list[float]:
    """The columns of one network; `at_level` compiles it for a level, calibrated or not.

    Without transistors their macromodels take their place, and nothing is left to predict.
    """

    def run(compiled: Compiled) -> Simulation:
        return simulate(compiled, timeout=TIMEOUT)

    ideal = at_level("ideal", None)
    row = [errors(run(compiled))[0] for compiled in (ideal, finely(ideal), at_level("macro", None))]
    device = [at_level("device", calibrated) for calibrated in (False, True)]
    if not transistors:
        designed, calibrated = (run(predicted(compiled)) for compiled in device)
        return [*row, errors(designed)[0], *errors(calibrated)]
    designed, calibrated = (run(compiled) for compiled in device)
    off = distance(calibrated, run(predicted(device[1])))
    return [*row, errors(designed)[0], *errors(calibrated), off]


def finely(compiled: Compiled) -> Compiled:
    """The same with a step of a thousandth of a unit; a clocked cell has no step to choose."""
    if isinstance(compiled.reference, Trajectory):
        return compiled
    return compile_model(
        compiled.model, stimulus=compiled.stimulus, duration=compiled.duration, step=FINE
    )


def random_network(family: str, seed: int) -> tuple[AbstractNetwork, float | None]:
    """Of a few states, and how long it runs; None where it is to be chosen."""
    if family in CELLS:
        return random_cell(family, STATES, INPUTS, seed), CELL_STEPS
    return random_model(family, STATES, INPUTS, seed, activations=("tanh", "logistic")), None


def sensitivity(name: str) -> list[float]:
    """Errors of the equation alone when each of its numbers is off by 0.1 % (normal), sorted."""
    compiled = load_example(name)
    model, reference = compiled.model, compiled.reference
    t = np.linspace(0.0, compiled.duration, SAMPLES)
    rng = np.random.default_rng(0)
    kept = ("x0", "w_out", "b_out", "in_scale", "in_bias")  # no weights of the equation
    arrays = {f.name: getattr(model, f.name) for f in fields(model) if f.name not in kept}
    arrays = {k: v for k, v in arrays.items() if isinstance(v, np.ndarray) and v.dtype == float}
    found = []
    for _ in range(DRAWS):
        off = {k: v * (1.0 + SMALL * rng.normal(size=v.shape)) for k, v in arrays.items()}
        moved = solve(replace(model, **off), compiled.stimulus, t_end=compiled.duration)
        error = (moved(t) - reference(t)) / reference.range
        found.append(float(np.sqrt((error**2).mean(axis=0)).max()))
    return sorted(found)


def random_row(family: str) -> list[float]:
    """The worst of some random models."""
    rows = []
    for seed in range(SEEDS):
        model, duration = random_network(family, seed)

        def at_level(level: str, calibrated: bool | None, model=model, t=duration) -> Compiled:
            return compile_model(model, level=level, calibrated=calibrated, duration=t)

        try:
            rows.append(figures(at_level))
        except NotRealizableError as error:
            print(f"  {family} {seed}: {error}", file=sys.stderr)
    return np.max(rows, axis=0).tolist() if rows else []


def trained_row(name: str) -> list[float]:
    def at_level(level: str, calibrated: bool | None) -> Compiled:
        return load_example(
            name,
            level=level,
            calibrated=calibrated,
            duration=SHORTER.get(name),
            impedance=IMPEDANCES.get(name),
        )

    return figures(at_level, transistors=name not in BY_MACROMODELS)


def line(name: str, row: list[float]) -> str:
    cells = [f"{value:.1e}" for value in row] + [""] * (len(HEAD) - len(row))
    return f"| {name} | " + " | ".join(cells) + " |"


def head(first: str) -> list[str]:
    return [f"| {first} | " + " | ".join(HEAD) + " |", "|---" * (len(HEAD) + 1) + "|"]


def measure(table: Table, names: list[str], page: Path | None) -> None:
    """Print the rows, and merge each into its table on the page as soon as it is there."""
    print("\n".join(head(table.first)))
    for name in names:
        try:
            row = table.make(name)
        except Rnn2CircuitError as error:
            print(f"  {name}: {error}", file=sys.stderr)
            continue
        if row:
            print(line(name, row), flush=True)
            if page is not None:
                page.write_text(merged(page.read_text(), table, name, line(name, row)))


def merged(text: str, table: Table, name: str, row: str) -> str:
    """The page with a row in the place that its name has in the table; other rows stay."""
    start, end = f"<!-- {table.title} -->\n", f"<!-- end of {table.title} -->\n"
    before, rest = text.split(start)
    inside, after = rest.split(end)
    rows = {old.split("|")[1].strip(): old for old in inside.splitlines()[2:]} | {name: row}
    lines = [*head(table.first), *(rows[known] for known in table.names if known in rows)]
    return before + start + "\n".join(lines) + "\n" + end + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="families, or networks with --trained")
    parser.add_argument("--trained", action="store_true", help="the shipped networks only")
    parser.add_argument("--write", action="store_true", help="into docs/levels.md")
    parser.add_argument("--sensitivity", action="store_true", help="of the shipped networks")
    args = parser.parse_args()
    families = [f for f in (*FAMILIES, *CELLS) if f not in ("gated", "stack")]
    networks = [entry["name"] for entry in list_examples(examples_directory())]
    if args.sensitivity:
        print("network: rms error of the worst state with 0.1 % in every weight: median, most")
        for name in args.names or [n for n in networks if n not in CLOCKED]:
            found = sensitivity(name)
            print(f"{name}: {found[DRAWS // 2]:.1e}, {found[-1]:.1e}", flush=True)
        return
    tables = [Table("random models", "family", families, random_row)] if not args.trained else []
    if args.trained or (args.write and not args.names):
        tables.append(Table("trained networks", "network", networks, trained_row))
    page = ROOT / "docs" / "levels.md"
    for table in tables:
        measure(table, args.names or table.names, page if args.write else None)


if __name__ == "__main__":
    main()
