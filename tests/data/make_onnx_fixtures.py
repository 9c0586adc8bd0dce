"""Write onnx_*.onnx and what onnxruntime computes with them; needs torch, onnx, onnxruntime."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
STEPS = 9


class Net(torch.nn.Module):
    def __init__(self, kind, layers, *, last=False):
        super().__init__()
        self.core = getattr(torch.nn, kind)(2, 3, num_layers=layers, batch_first=True)
        self.head = torch.nn.Linear(3, 1)
        self.last = last
        with torch.no_grad():
            for value in self.parameters():
                value.copy_(1.3 * torch.randn_like(value))

    def forward(self, u):
        out = self.core(u)[0]
        return self.head(out[:, -1] if self.last else out)


def exported(net, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, STEPS, 2),),
            path,
            dynamo=False,
            input_names=["u"],
            output_names=["y"],
            dynamic_axes={"u": {0: "batch"}},
        )


def before(path):
    """A GRU with the reset before the matrix, a constant initial state and no readout."""
    rng = np.random.default_rng(2)
    arrays = {
        "W": 1.3 * rng.normal(size=(1, 9, 2)),
        "R": 1.3 * rng.normal(size=(1, 9, 3)),
        "B": rng.normal(size=(1, 18)),
        "h0": rng.normal(size=(1, 1, 3)),
    }
    graph = helper.make_graph(
        [
            helper.make_node("GRU", ["u", "W", "R", "B", "", "h0"], ["Y"], hidden_size=3),
            helper.make_node("Squeeze", ["Y", "axis"], ["y"]),
        ],
        "before",
        [helper.make_tensor_value_info("u", TensorProto.FLOAT, [STEPS, 1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [STEPS, 1, 3])],
        [numpy_helper.from_array(a.astype("f4"), name) for name, a in arrays.items()]
        + [numpy_helper.from_array(np.array([1]), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)


def main():
    torch.manual_seed(6)
    exported(Net("LSTM", 2), HERE / "onnx_lstm_2.onnx")
    exported(Net("GRU", 1, last=True), HERE / "onnx_gru_last.onnx")
    exported(Net("RNN", 2), HERE / "onnx_rnn_2.onnx")
    before(HERE / "onnx_gru_before.onnx")
    rng = np.random.default_rng(1)
    found = {}
    for name in ("lstm_2", "gru_last", "rnn_2", "gru_before"):
        session = onnxruntime.InferenceSession(HERE / f"onnx_{name}.onnx")
        u = rng.normal(size=(STEPS, 2)).astype("f4")
        batch = u[:, None] if name == "gru_before" else u[None]
        (y,) = session.run(None, {"u": batch})
        found |= {f"{name}.u": u, f"{name}.y": y.reshape(-1, y.shape[-1])}
    np.savez(HERE / "onnx_expected.npz", **found)


if __name__ == "__main__":
    main()
