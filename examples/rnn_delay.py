"""Train a torch nn.RNN to follow a low-pass filter: y'' = w^2 (u - y) - 2 z w y'.

The filter has w = 1.5 rad per model time unit and damping z = 0.6; the network sees u and learns
y, sampled every dt = 0.1. The program is ``h+ = tanh(W h + W_in u + bias)``, y = fc(h): one
Euler step dt of ``h' = (tanh(W h + W_in u + bias) - h) / dt``, which is what the file is read as.
Inputs are slow beside dt, so the ODE stays near the program; README.md says how near.
The weights are saved as torch saves them, in rnn_delay.pt.

    python examples/rnn_delay.py        (needs torch; half a minute)
"""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
DT, STEPS, HIDDEN, SEED = 0.1, 120, 10, 7
W, Z = 1.5, 0.6


def signals(rng, count, steps=STEPS):
    """Band-limited inputs (count, steps, 1) and the filter's answers, both sampled at DT."""
    t = DT * np.arange(steps)
    phase = rng.uniform(0, 2 * np.pi, (count, 4, 1))
    rate = rng.uniform(0.2, 1.5, (count, 4, 1))
    u = 0.4 * np.sin(rate * t + phase).sum(axis=1)
    y, v = np.zeros((count, steps)), np.zeros((count, steps))
    fine = 20
    for k in range(1, steps):
        y[:, k], v[:, k] = y[:, k - 1], v[:, k - 1]
        for j in range(fine):
            w = (j + 0.5) / fine
            drive = (1 - w) * u[:, k - 1] + w * u[:, k]
            h = DT / fine
            v[:, k] += h * (W * W * (drive - y[:, k]) - 2 * Z * W * v[:, k])
            y[:, k] += h * v[:, k]
    return u[..., None], y[..., None]


class Filter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.RNN(1, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, 1)
        with torch.no_grad():  # slow units: each step keeps most of the state
            self.rnn.weight_hh_l0.copy_(
                0.9 * torch.eye(HIDDEN) + 0.05 * torch.randn(HIDDEN, HIDDEN)
            )
            self.rnn.weight_ih_l0.mul_(0.3)

    def forward(self, u):
        return self.fc(self.rnn(u)[0])


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    net = Filter()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1500)
    for step in range(1500):
        u, y = (torch.tensor(a, dtype=torch.float32) for a in signals(rng, 32))
        loss = ((net(u) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 300 == 299:
            print(step + 1, f"rms error {loss.item() ** 0.5:.4f}")
    test_u, test_y = signals(np.random.default_rng(1), 16)
    with torch.no_grad():
        found = net(torch.tensor(test_u, dtype=torch.float32)).numpy()
    parts = np.sqrt(np.mean((found - test_y) ** 2) / np.mean(test_y**2))
    print(f"test: rms error / rms signal = {parts:.4f}")
    torch.save(net.state_dict(), HERE / "rnn_delay.pt")
    rows = np.column_stack([DT * np.arange(STEPS), test_u[0, :, 0]])
    np.savetxt(
        HERE / "rnn_delay_stimulus.csv", rows, delimiter=",", header="t,u1", comments="", fmt="%.9g"
    )


if __name__ == "__main__":
    main()
