"""Print the table of docs/strategies.md: the trained network of 24 neurons in every strategy.

python docs/make_strategies_table.py
"""

from pathlib import Path

import numpy as np

import rnn2circuit as r2c
from rnn2circuit.linearize.strategies import STRATEGIES, realize_states
from rnn2circuit.synthesis.realize import realize
from rnn2circuit.synthesis.scaling import choose_scaling

NETWORK = Path(__file__).parent.parent / "examples" / "delay_line.npz"
HEAD = ("strategy", "n'", "nonzeros of A'", "gyrators", "resistors", "all elements", "cond T",
        "error at most")  # fmt: skip
CASES = (
    *((strategy, {}) for strategy in STRATEGIES),
    ("ladder", {"tolerance": 2e-5}),
    ("balanced", {"tolerance": 2e-5}),
    ("ladder", {"order": 8}),
)


def row(model, strategy, options):
    states = realize_states(model, strategy, **options)
    scaling = choose_scaling(states.model, form="rc")
    circuit = realize(states.model, form="rc", coupling="gyrator", scaling=scaling).circuit
    counts = circuit.element_counts()
    asked = "".join(f" --{name} {value:g}" for name, value in options.items())
    truncation = states.truncation
    return (
        f"`{strategy}{asked}`",
        str(states.order),
        str(np.count_nonzero(states.model.a)),
        str(counts.get("Gyrators", 0)),
        str(counts["Resistors"]),
        str(sum(counts.values())),
        f"{states.condition:.2g}",
        "round-off" if truncation is None else f"{truncation.relative:.1e}",
    )


def table():
    """The lines of the table in Markdown."""
    model = r2c.linearize(r2c.load(NETWORK)).model
    rows = [HEAD, tuple("---" for _ in HEAD), *(row(model, s, o) for s, o in CASES)]
    return ["| " + " | ".join(cells) + " |" for cells in rows]


if __name__ == "__main__":
    print("\n".join(table()))
