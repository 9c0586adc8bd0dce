"""Train an ncps LTC network to follow a signal one model time unit behind: y(t) = u(t - 1).

Eight neurons, fully connected, one input, one output; softplus parameters, the package's default:

    c_m v' = g_leak (e_leak - v) + sum of g_syn logistic(slope v_pre + offset) (e_rev - v)

The program holds each input sample for one unit and takes six semi-implicit steps of the equation
in it. The weights are saved as torch saves them, in ltc_signal.pt.

    python examples/ltc_signal.py        (needs torch and ncps; half a minute)
"""

from pathlib import Path

import numpy as np
import torch
from ncps.torch import LTC
from ncps.wirings import FullyConnected

HERE = Path(__file__).parent
STEPS, UNITS, SEED = 40, 8, 11


def signals(rng, count):
    """Slow inputs (count, STEPS, 1), one sample per model time unit, and their delayed copies."""
    t = np.arange(STEPS)
    phase = rng.uniform(0, 2 * np.pi, (count, 2, 1))
    rate = rng.uniform(0.1, 0.5, (count, 2, 1))
    u = 0.5 * np.sin(rate * t + phase).sum(axis=1)
    y = 0.5 * np.sin(rate * (t - 1.0) + phase).sum(axis=1)
    return u[..., None], y[..., None]


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    net = LTC(1, FullyConnected(UNITS, 1), batch_first=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for step in range(300):
        u, y = (torch.tensor(a, dtype=torch.float32) for a in signals(rng, 32))
        loss = ((net(u)[0] - y)[:, 3:] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 50 == 49:
            print(step + 1, f"rms error {loss.item() ** 0.5:.4f}", flush=True)
    test_u, test_y = signals(np.random.default_rng(1), 16)
    with torch.no_grad():
        found = net(torch.tensor(test_u, dtype=torch.float32))[0].numpy()
    error, wanted = (found - test_y)[:, 3:], test_y[:, 3:]
    parts = np.sqrt(np.mean(error**2) / np.mean(wanted**2))
    print(f"test: rms error / rms signal = {parts:.4f}")
    torch.save(net.state_dict(), HERE / "ltc_signal.pt")
    rows = np.column_stack([np.arange(STEPS), test_u[0, :, 0]])
    np.savetxt(
        HERE / "ltc_signal_stimulus.csv",
        rows,
        delimiter=",",
        header="t,u1",
        comments="",
        fmt="%.9g",
    )


if __name__ == "__main__":
    main()
