"""Write the torch fixtures beside this file; needs torch and ncps."""

from pathlib import Path

import numpy as np
import torch
from ncps.torch import LTC
from ncps.wirings import AutoNCP

HERE = Path(__file__).parent


def main():
    torch.manual_seed(0)

    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.RNN(2, 3)
            self.fc = torch.nn.Linear(3, 1)

    net = Wrapper()
    state = net.state_dict()
    state["fc.weight"] = state["fc.weight"].to(torch.bfloat16)
    state["rnn.weight_hh_l0"] = state["rnn.weight_hh_l0"].double().t().contiguous().t()
    torch.save(state, HERE / "tiny_rnn.pt")
    np.savez(HERE / "tiny_rnn.npz", **{k: v.double().numpy() for k, v in state.items()})

    ltc = LTC(2, AutoNCP(7, 2), input_mapping="affine", output_mapping="affine", ode_unfolds=400)
    with torch.no_grad():
        for value in ltc.parameters():
            if value.requires_grad and value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
    ltc = ltc.double()
    u = torch.tensor([[[0.3, -0.2], [0.5, 0.1], [-0.4, 0.2]]], dtype=torch.float64)
    with torch.no_grad():
        y, h = ltc(u)
    torch.save(ltc.state_dict(), HERE / "ltc_cell.pt")
    np.savez(HERE / "ltc_cell.npz", u=u[0].numpy(), y=y[0].numpy(), h=h[0].numpy())


if __name__ == "__main__":
    main()
