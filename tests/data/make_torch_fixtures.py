"""Write torch_*.pt and what torch computes with them; needs torch."""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
STEPS = 12


class Net(torch.nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.core = getattr(torch.nn, kind)(2, 3, **options)
        self.head = torch.nn.Linear(3, 1)

    def forward(self, u):
        out, last = self.core(u)
        return self.head(out), last


def spread(net):
    """Weights and biases far from torch's own initialisation: no gate stays near 1/2."""
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn_like(value) * 1.3)


def main():
    torch.manual_seed(4)
    found = {}
    for name, net in {
        "gru": Net("GRU").double(),
        "lstm_2": Net("LSTM", num_layers=2).double(),
        "rnn_relu": Net("RNN", nonlinearity="relu", bias=False),
    }.items():
        if name == "rnn_relu":
            torch.manual_seed(5)
            with torch.no_grad():
                for value in net.parameters():
                    value.copy_(torch.randn_like(value) * 0.4)
        else:
            spread(net)
        u = torch.randn(STEPS, 1, 2, dtype=next(net.parameters()).dtype)
        with torch.no_grad():
            y, last = net(u)
        torch.save(net.state_dict(), HERE / f"torch_{name}.pt")
        h, c = last if isinstance(last, tuple) else (last, None)
        found |= {f"{name}.u": u[:, 0].numpy(), f"{name}.y": y[:, 0].numpy()}
        found[f"{name}.h"] = h[:, 0].numpy()
        if c is not None:
            found[f"{name}.c"] = c[:, 0].numpy()
    np.savez(HERE / "torch_expected.npz", **found)


if __name__ == "__main__":
    main()
