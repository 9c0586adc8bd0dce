"""Store two patterns of six units in a Hopfield network by the pseudo-inverse rule.

``tau x' = -x + W tanh(x)`` with W = 2 P pinv(P): both patterns are attractors. The start is the
first pattern with one unit flipped; the network restores it. Saved in hopfield_memory.json.

    python examples/hopfield_memory.py
"""

from pathlib import Path

import numpy as np

import rnn2circuit as r2c

HERE = Path(__file__).parent
PATTERNS = np.array([[1, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]], dtype=np.float64)


def main():
    p = PATTERNS.T
    w = 2.0 * p @ np.linalg.pinv(p)
    start = 0.6 * PATTERNS[0]
    start[2] = -0.2
    model = r2c.Hopfield(
        tau=np.ones(6), w=np.round(w, 12), x0=start, w_out=PATTERNS / 6.0, activation="tanh"
    )
    r2c.save(model, HERE / "hopfield_memory.json")


if __name__ == "__main__":
    main()
