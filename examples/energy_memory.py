"""Energy-based RNNs that recall a pattern, and that walk through a cyclic sequence of patterns.

Three patterns of eight units are stored as the columns of Xi (Karuvally, Sejnowski & Siegelmann
2023). Without transitions (Phi = 0) the network falls into the pattern it starts near. With a
cyclic Phi that also tires the present pattern (-1/2 on the diagonal), the delayed features push
it on to the next one, for ever. No training: the memories are the weights. Saved in
energy_recall.json and energy_sequence.json.

    python examples/energy_memory.py
"""

from pathlib import Path

import numpy as np

import rnn2circuit as r2c

HERE = Path(__file__).parent
PATTERNS = np.array(
    [
        [1, 1, 1, 1, -1, -1, -1, -1],
        [1, 1, -1, -1, 1, 1, -1, -1],
        [1, -1, 1, -1, 1, -1, 1, -1],
    ],
    dtype=np.float64,
)


def network(phi, alpha_s, alpha_c, start):
    """Features tanh, hidden units linear, so that recall adds up the overlaps."""
    n_h, n_f = PATTERNS.shape
    x0 = np.concatenate([start, np.zeros(n_h), np.zeros(n_f)])
    readout = np.zeros((n_h, 2 * n_f + n_h))
    readout[:, :n_f] = PATTERNS / n_f  # overlap with each pattern
    return r2c.Energy(
        xi=PATTERNS.T / np.sqrt(n_f),
        phi=phi,
        alpha_s=alpha_s,
        alpha_c=alpha_c,
        tau_f=1.0,
        tau_h=0.2,
        tau_d=10.0,
        sigma_f="tanh",
        sigma_h="identity",
        x0=x0,
        w_out=readout,
    )


def main():
    start = 0.4 * PATTERNS[0]
    start[3] = -0.2
    still = network(np.zeros((3, 3)), 2.25, 0.0, start)
    walking = network(np.roll(np.eye(3), 1, axis=1) - 0.5 * np.eye(3), 4.0, 4.0, start)
    r2c.save(still, HERE / "energy_recall.json")
    r2c.save(walking, HERE / "energy_sequence.json")


if __name__ == "__main__":
    main()
