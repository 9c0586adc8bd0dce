"""Train a CTRNN to a limit cycle: its readout is to circle once in 2 pi model time units.

Six neurons, ``x' = -x + tanh(W x + b)``, no input; trained through Euler steps of the ODE from
random starts, so that the circle attracts. Saved with a start on the cycle in ctrnn_cycle.npz.

    python examples/ctrnn_cycle.py        (needs torch; half a minute)
"""

from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp

import rnn2circuit as r2c

HERE = Path(__file__).parent
N, DT, STEPS, SEED = 6, 0.05, 252, 3


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    w = torch.randn(N, N) * 0.5
    w[0, 1], w[1, 0], w[0, 0], w[1, 1] = -1.2, 1.2, 1.5, 1.5
    w = w.requires_grad_()
    b = torch.zeros(N, requires_grad=True)
    w_out = (0.5 * torch.randn(2, N)).requires_grad_()
    encode = (0.5 * torch.randn(N, 2)).requires_grad_()
    optimizer = torch.optim.Adam([w, b, w_out, encode], lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 500)
    for step in range(500):
        angle = 2 * torch.pi * torch.rand(24, 1)
        radius = 1 + 0.3 * torch.randn(24, 1)
        x = radius * torch.cat([torch.cos(angle), torch.sin(angle)], 1) @ encode.T
        loss = 0.0
        for k in range(1, STEPS + 1):
            x = x + DT * (torch.tanh(x @ w.T + b) - x)
            if k > 60:
                at = angle + DT * k
                wanted = torch.cat([torch.cos(at), torch.sin(at)], 1)
                loss = loss + ((x @ w_out.T - wanted) ** 2).mean() / STEPS
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w, b, w_out, encode], 1.0)
        optimizer.step()
        scheduler.step()
        if step % 50 == 49:
            print(step + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    weights = {k: v.detach().numpy().astype(np.float64) for k, v in (("w", w), ("bias", b))}
    readout = w_out.detach().numpy().astype(np.float64)

    def rhs(_, x):
        return np.tanh(weights["w"] @ x + weights["bias"]) - x

    start = encode.detach().numpy().astype(np.float64) @ np.array([1.0, 0.0])
    settled = solve_ivp(rhs, (0, 100), start, rtol=1e-9, atol=1e-12).y[:, -1]
    model = r2c.Ctrnn(
        rate=np.ones(N), x0=np.round(settled, 12), w_out=readout, activation="tanh", **weights
    )
    cycle = solve_ivp(rhs, (0, 20), settled, rtol=1e-9, atol=1e-12, max_step=0.05).y
    radius = np.linalg.norm(readout @ cycle, axis=0)
    print(f"radius on the cycle {radius.min():.3f} .. {radius.max():.3f}")
    r2c.save(model, HERE / "ctrnn_cycle.npz")


if __name__ == "__main__":
    main()
