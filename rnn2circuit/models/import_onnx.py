"""RNN, GRU and LSTM nodes of ONNX, stacked, with a linear readout.

ONNX stores [direction, gate blocks of rows, columns], with the order z, r, h of a GRU and i, o,
f, c of an LSTM, and the two biases one after the other. ``linear_before_reset`` is torch's GRU.

The graph is walked from its input; the model is never executed. Between the layers only
operations that move axes are understood, and which axis is time is followed through all of them:
a transposed sequence would be another network.
"""

from pathlib import Path

from rnn2circuit.errors import ModelError
from rnn2circuit.models import Network
from rnn2circuit.models.containers import MAX_BYTES
from rnn2circuit.models.onnx_graph import read_onnx
from rnn2circuit.models.onnx_walk import GraphWalk
from rnn2circuit.models.support import SupportRow
from rnn2circuit.models.trained import network_of, read_as

SUPPORT: tuple[SupportRow, ...] = (
    SupportRow(
        source="ONNX RNN (Tanh, Relu)",
        formats=".onnx",
        becomes="elman (--clocked), ctrnn (--dt)",
        options="--clocked or --dt",
        remarks="needs onnx: pip install 'rnn2circuit[onnx]'; a constant initial_h is x0",
    ),
    SupportRow(
        source="ONNX GRU, linear_before_reset 0 and 1",
        formats=".onnx",
        becomes="gru (--clocked), gru_ode (--dt)",
        options="--clocked or --dt",
        remarks="the reset before or after the matrix",
    ),
    SupportRow(
        source="ONNX LSTM",
        formats=".onnx",
        becomes="lstm (--clocked)",
        options="--clocked",
        remarks="--dt is refused: an LSTM's step is no Euler step of a differential equation",
    ),
    SupportRow(
        source="ONNX: several such nodes, with Transpose, Squeeze, Unsqueeze, Reshape, Identity, "
        "Dropout between them",
        formats=".onnx",
        becomes="stack (--clocked)",
        options="--clocked",
        remarks="every node must scan the same axis",
    ),
    SupportRow(
        source="ONNX MatMul or Gemm, and Add, after the last node",
        formats=".onnx",
        becomes="readout",
        options="",
        remarks="also of the last step alone (Gather -1)",
    ),
    SupportRow(
        source="ONNX reverse and bidirectional, clip, peepholes, input_forget, other activations",
        formats=".onnx",
        becomes="refused",
        options="",
        remarks="no family of cells is that; train the network without",
    ),
    SupportRow(
        source="ONNX: any other operator, initial states that are inputs, external data",
        formats=".onnx",
        becomes="refused",
        options="",
        remarks="no part of the circuit, and nothing is dropped; export the recurrent layers and "
        "one linear readout into one file",
    ),
)


def network_from_onnx(
    path: Path, *, dt: float | None = None, clocked: bool | None = None
) -> Network:
    """Read an ``.onnx`` file.

    Parameters
    ----------
    dt : float
        The model time of one step: the differential equation is wanted.
    clocked : bool
        The program's own steps are wanted.

    Raises
    ------
    ModelError
        If the file is damaged or hostile, onnx is not installed, no reading or both are asked
        for, or the graph holds what has no circuit.
    """
    if not path.is_file():
        raise ModelError("there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"is larger than {MAX_BYTES} bytes")
    walk = GraphWalk(read_onnx(path.read_bytes()))
    walk.run()
    program = network_of(walk.layers, w_out=walk.w_out, b_out=walk.b_out, starts=walk.starts)
    kinds = dict.fromkeys(walk.kinds)
    return read_as(program, what=f"an ONNX {'-'.join(kinds)}", dt=dt, clocked=clocked)
