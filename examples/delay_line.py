"""Train a CTRNN of 24 neurons to repeat two signals one unit later.

``x' = -x + tanh(W x + W_in u)``, y = W_out x, without biases, so that it rests at zero and its
linearization there has no offset. Trained through Euler steps of the ODE on slow random sines.
The network has far more neurons than its behaviour needs, as trained networks do: what a
strategy makes of that is measured in docs/strategies.md. Saved in delay_line.npz.

    python examples/delay_line.py        (needs torch; one minute)
"""

from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp

import rnn2circuit as r2c

HERE = Path(__file__).parent
N, DT, STEPS, SEED, LATE = 24, 0.1, 120, 5, 1.0
ROUNDS = 1200


def sines(rng, count):
    """Amplitude, rate and phase of three sines per signal, shape (count, 2, 3) each."""
    size = (count, 2, 3)
    return rng.uniform(0.1, 0.4, size), rng.uniform(0.2, 2.0, size), rng.uniform(0, 2 * np.pi, size)


def signal(parameters, t):
    """The signals at times t (k,), shape (count, k, 2)."""
    amplitude, rate, phase = (p[:, None] for p in parameters)
    return (amplitude * np.sin(rate * np.asarray(t)[None, :, None, None] + phase)).sum(axis=-1)


def judged(model, parameters, t_end=12.0):
    """Rms error of the ODE's outputs after 3 units, in parts of the rms of the delayed signals."""
    t = np.linspace(3.0, t_end, 181)
    wanted = signal(parameters, t - LATE)
    found = []
    for k in range(len(wanted)):
        own = [p[k : k + 1] for p in parameters]
        run = solve_ivp(
            lambda at, x, own=own: model.rhs(x, signal(own, [at])[0, 0]),
            (0, t_end), np.zeros(N), t_eval=t, rtol=1e-8, atol=1e-10, max_step=0.1,
        )  # fmt: skip
        found.append(model.readout(run.y.T, np.zeros((t.size, 2))))
    return float(np.sqrt(np.mean((np.array(found) - wanted) ** 2) / np.mean(wanted**2)))


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    w = (0.7 / np.sqrt(N) * torch.randn(N, N)).requires_grad_()
    w_in = (0.5 * torch.randn(N, 2)).requires_grad_()
    w_out = (0.3 * torch.randn(2, N)).requires_grad_()
    optimizer = torch.optim.Adam([w, w_in, w_out], lr=5e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ROUNDS)
    t = DT * np.arange(STEPS)
    for round_ in range(ROUNDS):
        parameters = sines(rng, 32)
        u = torch.tensor(signal(parameters, t), dtype=torch.float32)
        wanted = torch.tensor(signal(parameters, t + DT - LATE), dtype=torch.float32)
        x, loss = torch.zeros(32, N), 0.0
        for k in range(STEPS):
            x = x + DT * (torch.tanh(x @ w.T + u[:, k] @ w_in.T) - x)
            if k >= 30:
                loss = loss + ((x @ w_out.T - wanted[:, k]) ** 2).mean() / (STEPS - 30)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w, w_in, w_out], 1.0)
        optimizer.step()
        scheduler.step()
        if round_ % 100 == 99:
            print(round_ + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    arrays = [p.detach().numpy().astype(np.float64) for p in (w, w_in, w_out)]
    model = r2c.Ctrnn(
        rate=np.ones(N), w=arrays[0], w_in=arrays[1], w_out=arrays[2], activation="tanh"
    )
    print(f"test: rms error / rms signal = {judged(model, sines(np.random.default_rng(1), 4)):.4f}")
    r2c.save(model, HERE / "delay_line.npz")


if __name__ == "__main__":
    main()
