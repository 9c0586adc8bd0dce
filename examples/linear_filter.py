"""Fit a linear model x' = A x + B u to the noisy motion of three coupled, damped oscillators.

Six states (positions, velocities), a force u on the first. Least squares gives the one-step map of
20000 samples, and its matrix logarithm A and B. Saved in linear_filter.safetensors with a readout
of the last oscillator's position.

    python examples/linear_filter.py
"""

from pathlib import Path

import numpy as np
from scipy.linalg import expm

import rnn2circuit as r2c

HERE = Path(__file__).parent
DT, SAMPLES, SEED = 0.01, 20_000, 5


def main():
    rng = np.random.default_rng(SEED)
    spring = np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])
    a = np.block([[np.zeros((3, 3)), np.eye(3)], [-spring, -0.3 * np.eye(3)]])
    b = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]).T
    step = expm(DT * a)
    drive = np.linalg.solve(a, (step - np.eye(6)) @ b)
    u = np.repeat(rng.normal(size=SAMPLES // 20), 20)
    x = np.zeros((SAMPLES, 6))
    for k in range(1, SAMPLES):
        x[k] = step @ x[k - 1] + drive[:, 0] * u[k - 1]
    seen = x + 1e-4 * rng.normal(size=x.shape)
    regressors = np.column_stack([seen[:-1], u[:-1]])
    fit = np.linalg.lstsq(regressors, seen[1:], rcond=None)[0].T
    # Matrix logarithm of the zero-order-hold step, by its series: ||Ad - I|| is about DT.
    small = np.block([[fit[:, :6] - np.eye(6), fit[:, 6:]], [np.zeros((1, 7))]])
    power, log = np.eye(7), np.zeros((7, 7))
    for k in range(1, 12):
        power = power @ small
        log += (-1) ** (k + 1) * power / k
    found = log[:6] / DT
    off_a, off_b = np.abs(found[:, :6] - a).max(), np.abs(found[:, 6:] - b).max()
    print(f"A is off by {off_a:.6f}, B by {off_b:.6f}")
    model = r2c.Linear(
        a=np.round(found[:, :6], 9),
        b=np.round(found[:, 6:], 9),
        w_out=np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]),
    )
    r2c.save(model, HERE / "linear_filter.safetensors")


if __name__ == "__main__":
    main()
