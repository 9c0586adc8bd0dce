"""Errors of every family at every level: the tables of docs/levels.md.

    python benchmarks/levels.py                      # random models of three states, all families
    python benchmarks/levels.py --trained            # the shipped trained networks
    python benchmarks/levels.py --write              # both, into docs/levels.md
    python benchmarks/levels.py ctrnn ltc            # some families or networks

Columns: rms error of the worst state in parts of its range at levels ideal and macro, and with
transistors before and after calibration; the largest error after it; what the fitted macromodels
predict, as their largest distance from the transistors; seconds of the calibrated run.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from random_models import CELLS, FAMILIES, random_cell, random_model  # noqa: E402

from rnn2circuit.demo import examples_directory, list_examples, load_example  # noqa: E402
from rnn2circuit.errors import NotRealizableError  # noqa: E402
from rnn2circuit.flow import Compiled, Simulation, compile_model, simulate  # noqa: E402
from rnn2circuit.flow.prediction import predicted  # noqa: E402
from rnn2circuit.models.trajectory import Trajectory  # noqa: E402

STATES, INPUTS, SEEDS = 3, 1, 2
CELL_STEPS = 20.0
SMALLEST_RANGE = 1e-3  # of the largest: states that hardly move are judged against it
SETTLED = 0.99  # of a clock period: when states are read
TIMEOUT = 900.0  # s
# Model time of networks that take minutes to their end, with transistors by the thousand.
SHORTER = {"ltc_signal": 3.0, "lem_fitzhugh": 8.0, "energy_sequence": 12.0}
SHORTER |= {"gru_xor": 15.0, "lstm_denoise": 15.0}
SHORTER |= {"lrc_spiral": 1.0, "lrc_duffing": 1.0, "lrc_predators": 1.0, "lrc_sinusoid": 1.0}
# Weights of this one are as small as 1e-4: at the usual impedance nobody sells their resistors.
IMPEDANCES = {"linear_filter": 5e4}
HEAD = ("ideal", "macro", "device, as designed", "calibrated", "largest", "predicted to", "s")


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


def figures(at_level, *, device: bool = True) -> list[float]:
    """The columns of one network; `at_level` compiles it for a level, calibrated or not."""

    def run(compiled: Compiled) -> Simulation:
        return simulate(compiled, timeout=TIMEOUT)

    row = [errors(run(at_level(level, None)))[0] for level in ("ideal", "macro")]
    row.append(errors(run(at_level("device", False)))[0])
    compiled = at_level("device", True)
    start = time.perf_counter()
    transistors = run(compiled)
    seconds = time.perf_counter() - start
    rms, largest = errors(transistors)
    return [*row, rms, largest, distance(transistors, run(predicted(compiled))), seconds]


def random_row(family: str) -> list[float]:
    """The worst of some random models."""
    rows = []
    for seed in range(SEEDS):
        if family in CELLS:
            model = random_cell(family, STATES, INPUTS, seed)
        else:
            model = random_model(family, STATES, INPUTS, seed, activations=("tanh", "logistic"))

        def at_level(level: str, calibrated: bool | None, model=model) -> Compiled:
            steps = CELL_STEPS if family in CELLS else None
            return compile_model(model, level=level, calibrated=calibrated, duration=steps)

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

    return figures(at_level)


def line(name: str, row: list[float]) -> str:
    cells = [f"{value:.1e}" for value in row[:-1]] + [f"{value:.1f}" for value in row[-1:]]
    return f"| {name} | " + " | ".join(cells) + " |"


def table(names: list[str], make, first: str) -> list[str]:
    lines = [f"| {first} | " + " | ".join(HEAD) + " |", "|---" * (len(HEAD) + 1) + "|"]
    for entry in lines:
        print(entry)
    for name in names:
        try:
            row = make(name)
        except NotRealizableError as error:
            print(f"  {name}: {error}", file=sys.stderr)
            continue
        if row:
            lines.append(line(name, row))
            print(lines[-1], flush=True)
    return lines


def replace_between(text: str, marker: str, lines: list[str]) -> str:
    start, end = f"<!-- {marker} -->\n", f"<!-- end of {marker} -->\n"
    head, rest = text.split(start)
    return head + start + "\n".join(lines) + "\n" + end + rest.split(end)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="families, or networks with --trained")
    parser.add_argument("--trained", action="store_true")
    parser.add_argument("--write", action="store_true", help="into docs/levels.md")
    args = parser.parse_args()
    page = ROOT / "docs" / "levels.md"
    tables = {}
    if args.write or not args.trained:
        names = [f for f in (*FAMILIES, *CELLS) if f not in ("gated", "stack")]
        tables["random models"] = table(args.names or names, random_row, "family")
    if args.write or args.trained:
        names = [entry["name"] for entry in list_examples(examples_directory())]
        tables["trained networks"] = table(args.names or names, trained_row, "network")
    if args.write:
        text = page.read_text()
        for marker, lines in tables.items():
            text = replace_between(text, marker, lines)
        page.write_text(text)


if __name__ == "__main__":
    main()
