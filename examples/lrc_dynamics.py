"""Train LRC networks of 16 neurons to follow planar dynamical systems: neural-ODE benchmarks.

The systems are those of Farsang, Neubauer & Grosu (2024), appendix A.4.1. The network is
autonomous: after its initial state nothing is put in, and a linear readout must go on along the
trajectory by itself. It is trained through Runge-Kutta steps of its own differential equation,

    x' = eps(w) (-logistic(f) x + tanh(k) e_leak)

first on short pieces that start beside the trajectory (a linear map gives the 16 states at the
start of each), then on the whole trajectory. Only the start of that one is saved, as x0.

    python examples/lrc_dynamics.py            (needs torch; two minutes for each network)
    python examples/lrc_dynamics.py spiral     (that one alone)
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from example_tasks import PLANAR, PLANAR_STEP, runge_kutta, trajectories

import rnn2circuit as r2c

HERE = Path(__file__).parent
N = 16
PIECE, PIECES, BATCH = 32, 2048, 64  # steps of a piece, how many there are, how many at once


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a task of `PLANAR` is learned, and where to."""

    seed: int
    file: str
    symmetric: bool = False


TASKS = {
    "spiral": Training(seed=1, file="lrc_spiral.npz"),
    "duffing": Training(seed=2, file="lrc_duffing.safetensors"),
    "predators": Training(seed=3, file="lrc_predators.npz"),
    "sinusoid": Training(seed=4, file="lrc_sinusoid.safetensors", symmetric=True),
}


class Lrc(torch.nn.Module):
    """The network, the map from a point of the plane to its states, and its readout."""

    def __init__(self, scale, centre, symmetric):
        super().__init__()

        def noise(size, *shape):
            return torch.nn.Parameter(size * torch.randn(*shape))

        self.g_leak, self.e_leak = noise(0.3, N), noise(2.0, N)
        self.g_syn, self.k_syn = noise(0.5, N, N), noise(0.5, N, N)
        self.slope, self.offset = noise(1.0, N, N), noise(0.5, N, N)
        self.w_elast, self.b_elast = noise(0.1, N, N), torch.nn.Parameter(torch.ones(N))
        if symmetric:
            self.b_elast.data.zero_()
            self.k_elast = torch.nn.Parameter(2.0 * torch.ones(N))
        self.encode = noise(0.5, N, 2)
        self.encode_bias = noise(0.1, N)
        self.w_out = torch.nn.Parameter(torch.linalg.pinv(self.encode.detach()))
        self.b_out = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("centre", torch.tensor(centre, dtype=torch.float32))
        self.symmetric = symmetric

    def states(self, y):
        return ((y - self.centre) / self.scale) @ self.encode.T + self.encode_bias

    def rate(self, x):
        s = torch.sigmoid(self.slope * x[:, None, :] + self.offset)
        f = (self.g_syn * s).sum(-1) + self.g_leak
        k = (self.k_syn * s).sum(-1) + self.g_leak
        w = x @ self.w_elast.T + self.b_elast
        if self.symmetric:
            half = self.k_elast.abs()
            elastance = torch.sigmoid(w + half) - torch.sigmoid(w - half)
        else:
            elastance = torch.sigmoid(w)
        return elastance * (torch.tanh(k) * self.e_leak - torch.sigmoid(f) * x)

    def forward(self, start, steps):
        """Readout in parts of the scale, about the centre, after each of `steps` steps."""
        x, rows = self.states(start), []
        for _ in range(steps):
            x = runge_kutta(self.rate, x, PLANAR_STEP)
            rows.append(x @ self.w_out.T + self.b_out)
        return torch.stack(rows)


def fit(net, draw, steps, *, iterations, rate):
    """Adam on what `draw` gives: starts (count, 2) and their answers (steps, count, 2)."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for k in range(iterations):
        starts, answers = draw()
        loss = ((net(starts, steps) - (answers - net.centre) / net.scale) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if k % 200 == 199:
            print(f"  {k + 1}: rms error {loss.item() ** 0.5:.4f} of the spread", flush=True)


def model_of(net, start):
    """The network as a model of rnn2circuit, in float64, reading out in the task's own units."""
    p = {name: v.detach().numpy().astype(np.float64) for name, v in net.named_parameters()}
    scale, centre = (v.numpy().astype(np.float64) for v in (net.scale, net.centre))
    fields = ("g_leak", "e_leak", "g_syn", "k_syn", "slope", "offset", "w_elast", "b_elast")
    return r2c.Lrc(
        **{name: p[name] for name in fields},
        elastance="symmetric" if net.symmetric else "asymmetric",
        k_elast=np.abs(p["k_elast"]) if net.symmetric else None,
        x0=p["encode"] @ ((start - centre) / scale) + p["encode_bias"],
        w_out=scale[:, None] * p["w_out"],
        b_out=scale * p["b_out"] + centre,
    )


def train(name, training):
    torch.manual_seed(training.seed)
    rng = np.random.default_rng(training.seed)
    task = PLANAR[name]
    whole = task.path()
    scale, centre = whole.std(axis=0), whole.mean(axis=0)
    beside = whole[rng.integers(0, task.steps, PIECES)] + 0.1 * scale * rng.normal(size=(PIECES, 2))
    paths = trajectories(task.field, beside, steps=PIECE, step=PLANAR_STEP)
    pieces = torch.tensor(paths, dtype=torch.float32)
    answers = torch.tensor(whole[:, None], dtype=torch.float32)
    net = Lrc(scale, centre, training.symmetric)

    def some_pieces():
        chosen = torch.as_tensor(rng.integers(0, PIECES, BATCH))
        return pieces[0, chosen], pieces[1:, chosen]

    fit(net, some_pieces, PIECE, iterations=1200, rate=5e-3)
    fit(net, lambda: (answers[0], answers[1:]), task.steps, iterations=200, rate=1e-3)
    with torch.no_grad():
        found = (net(answers[0], task.steps) * net.scale + net.centre).numpy()[:, 0]
    error, spread = found - whole[1:], whole[1:] - whole[1:].mean(axis=0)
    parts = np.sqrt(np.mean(error**2) / np.mean(spread**2))
    print(f"{name}: rms error {parts:.4f} of the rms spread, up to {task.end:g}", flush=True)
    r2c.save(model_of(net, whole[0]), HERE / training.file)


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or TASKS:
        train(name, TASKS[name])


if __name__ == "__main__":
    main()
