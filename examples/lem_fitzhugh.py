"""Train a long expressive memory (LEM) of 16 units to foresee FitzHugh-Nagumo's spikes.

The task of Rusch, Mishra, Erichson & Mahoney (2022), section 5: v of

    v' = v - v^3/3 - w + 0.5,    w' = 0.02 (v + 0.7 - 0.8 w)

is put in sample by sample, and each answer is to be the next sample. There are 1000 samples in
[0, 400], so that one step of the program is 0.4 of the system's time: the network is built with
dt = 0.4, and its differential equation then runs in the system's own time. The weights have the
names and the order of the published torch code, in lem_fitzhugh.pt.

    python examples/lem_fitzhugh.py        (needs torch; two minutes)
"""

from pathlib import Path

import numpy as np
import torch
from example_tasks import FITZHUGH_SAMPLES, FITZHUGH_STEP, spikes, write_stimulus

HERE = Path(__file__).parent
UNITS, SEED = 16, 5
PIECE, BATCH, ITERATIONS = 100, 64, 1500
SHOWN = 300  # samples of the stimulus: one whole spike


class Cell(torch.nn.Module):
    """One step of LEM; ``i_y`` drives z and ``i_z`` drives y, as the published names have it."""

    def __init__(self, inputs, units, dt):
        super().__init__()
        self.inp2hid = torch.nn.Linear(inputs, 4 * units)
        self.hid2hid = torch.nn.Linear(units, 3 * units)
        self.transform_z = torch.nn.Linear(units, units)
        self.dt = dt

    def forward(self, u, y, z):
        i_dt1, i_dt2, i_z, i_y = self.inp2hid(u).chunk(4, dim=1)
        h_dt1, h_dt2, h_y = self.hid2hid(y).chunk(3, dim=1)
        step_y = self.dt * torch.sigmoid(i_dt1 + h_dt1)
        step_z = self.dt * torch.sigmoid(i_dt2 + h_dt2)
        z = (1 - step_z) * z + step_z * torch.tanh(i_y + h_y)
        y = (1 - step_y) * y + step_y * torch.tanh(self.transform_z(z) + i_z)
        return y, z


class Lem(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = Cell(1, UNITS, FITZHUGH_STEP)
        self.classifier = torch.nn.Linear(UNITS, 1)

    def forward(self, u, state=None):
        """Answers (batch, samples, 1) and the state after them."""
        y, z = (u.new_zeros(len(u), UNITS),) * 2 if state is None else state
        rows = []
        for k in range(u.shape[1]):
            y, z = self.cell(u[:, k], y, z)
            rows.append(self.classifier(y))
        return torch.stack(rows, dim=1), (y, z)


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    data = torch.tensor(spikes(np.random.default_rng(SEED), BATCH)[..., None], dtype=torch.float32)
    net = Lem()
    optimizer = torch.optim.Adam(net.parameters(), lr=9e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    at, state = 0, None
    for k in range(ITERATIONS):
        if at + PIECE >= FITZHUGH_SAMPLES:  # from the start again, from rest
            at, state = 0, None
        u, wanted = data[:, at : at + PIECE], data[:, at + 1 : at + PIECE + 1]
        found, state = net(u, state)
        state = tuple(s.detach() for s in state)
        at += PIECE
        loss = ((found - wanted) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if k % 250 == 249:
            print(k + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    test = spikes(np.random.default_rng(1), 16)[..., None]
    with torch.no_grad():
        found = net(torch.tensor(test[:, :-1], dtype=torch.float32))[0].numpy()
    error = found - test[:, 1:]
    held = test[:, :-1] - test[:, 1:]
    print(f"test: mean square error {np.mean(error**2):.2e}, rms {np.mean(error**2) ** 0.5:.4f}")
    print(f"repeating the last sample: mean square error {np.mean(held**2):.2e}")
    torch.save(net.state_dict(), HERE / "lem_fitzhugh.pt")
    write_stimulus(HERE / "lem_fitzhugh_stimulus.csv", step=FITZHUGH_STEP, u=test[0, :SHOWN, 0])


if __name__ == "__main__":
    main()
