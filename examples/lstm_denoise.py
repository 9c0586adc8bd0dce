"""Train a torch nn.LSTM to free a slow signal from noise as large as half of it.

The signal is a sine of random phase, of one of many slow rates; the network sees it with white
noise and answers, in the same step, what it was without. The weights, with the linear readout,
are saved as torch saves them, in lstm_denoise.pt; their circuit is clocked and takes one step of
the program in each period.

    python examples/lstm_denoise.py        (needs torch; half a minute)
"""

from pathlib import Path

import numpy as np
import torch
from example_tasks import NOISY_SETTLED, noisy_sines, write_stimulus

HERE = Path(__file__).parent
HIDDEN, SEED, ITERATIONS = 4, 3, 1500


def batch(rng, count):
    """Inputs and answers as torch has them, (count, steps, 1)."""
    return [torch.tensor(a[..., None], dtype=torch.float32) for a in noisy_sines(rng, count)]


class Denoiser(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, 1)

    def forward(self, u):
        return self.fc(self.lstm(u)[0])


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    net = Denoiser()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    for k in range(ITERATIONS):
        u, y = batch(rng, 64)
        loss = ((net(u) - y)[:, NOISY_SETTLED:] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if k % 250 == 249:
            print(k + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    u, y = batch(np.random.default_rng(1), 64)
    with torch.no_grad():
        error, noise, wanted = (a[:, NOISY_SETTLED:].numpy() for a in (net(u) - y, u - y, y))
    size = np.mean(wanted**2)
    parts, before = np.sqrt(np.mean(error**2) / size), np.sqrt(np.mean(noise**2) / size)
    print(f"test: rms error / rms signal = {parts:.4f}, before {before:.4f}")
    torch.save(net.state_dict(), HERE / "lstm_denoise.pt")
    write_stimulus(HERE / "lstm_denoise_stimulus.csv", step=1.0, u=u[0, :, 0].numpy())


if __name__ == "__main__":
    main()
