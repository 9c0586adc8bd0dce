"""Train a torch nn.GRU to the exclusive or of the last input and the one two steps before it.

Inputs are random signs, one a step. The answer after step k is to be -u_k u_(k-2): +1 where the
two differ. No linear filter can tell; the network has to remember two signs and combine them.
The weights, with the linear readout, are saved as torch saves them, in gru_xor.pt; their circuit
is clocked and takes one step of the program in each period.

    python examples/gru_xor.py        (needs torch; a quarter of a minute)
"""

from pathlib import Path

import numpy as np
import torch
from example_tasks import XOR_LATE, signs, write_stimulus

HERE = Path(__file__).parent
HIDDEN, SEED, ITERATIONS = 4, 2, 1200


def batch(rng, count):
    """Inputs and answers as torch has them, (count, steps, 1)."""
    return [torch.tensor(a[..., None], dtype=torch.float32) for a in signs(rng, count)]


class Xor(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(1, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, 1)

    def forward(self, u):
        return self.fc(self.gru(u)[0])


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    net = Xor()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    for k in range(ITERATIONS):
        u, y = batch(rng, 32)
        loss = ((net(u) - y)[:, XOR_LATE:] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if k % 250 == 249:
            print(k + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    u, y = batch(np.random.default_rng(1), 64)
    with torch.no_grad():
        found = net(u)
    error, right = (found - y)[:, XOR_LATE:].numpy(), (found * y > 0)[:, XOR_LATE:].numpy()
    print(f"test: {right.mean():.2%} of the signs right, rms error {np.mean(error**2) ** 0.5:.4f}")
    torch.save(net.state_dict(), HERE / "gru_xor.pt")
    write_stimulus(HERE / "gru_xor_stimulus.csv", step=1.0, u=u[0, :, 0].numpy())


if __name__ == "__main__":
    main()
