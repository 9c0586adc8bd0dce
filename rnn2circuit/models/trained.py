"""From the layers of a trained program to a network, in the reading that its user wants.

torch, Keras and ONNX hold the same three layers in different orders and orientations. An importer
brings its arrays to torch's orientation, ``[post, pre]`` with one block of rows per gate, names
the order of the blocks, and gets the cell; the cells become one network here.

A discrete program has two readings. Its own steps make a clocked circuit. And where a step is the
Euler step of a differential equation, that equation makes a continuous one:

    h+ = σ(W h + ..)              step dt of  h' = (σ(W h + ..) - h) / dt      ctrnn
    h+ = (1 - z)∘n + z∘h          step dt of  h' = (1 - z)∘(n - h) / dt        gru_ode, f = 1 - z

with rate = 1/dt in both families, so that dt is the model time of one step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import ModelError
from rnn2circuit.models import Ctrnn, Elman, Gru, GruOde, Lstm, Network, Stack

Layer: TypeAlias = Elman | Gru | Lstm

GRU_GATES: Mapping[str, str] = {"torch": "rzn", "keras": "zrn", "onnx": "zrn"}
LSTM_GATES: Mapping[str, str] = {"torch": "ifgo", "keras": "ifgo", "onnx": "iofg"}


def elman_layer(
    *, w: Matrix, w_in: Matrix, b_in: Vector | None, b_rec: Vector | None, activation: str
) -> Elman:
    """A layer of nn.RNN; its two biases add."""
    return Elman(w=w, w_in=w_in, bias=_sum(b_in, b_rec), activation=activation)


def gru_layer(
    gates: str,
    *,
    w: Matrix,
    w_in: Matrix,
    b_in: Vector | None,
    b_rec: Vector | None,
    reset: str = "after",
) -> Gru:
    """A layer of gated recurrent units.

    With the reset after the matrix, the recurrent bias of the candidate stays inside the reset
    product; everywhere else the two biases add.

    Parameters
    ----------
    gates : str
        Order of the row blocks, of the letters r, z and n.
    w, w_in : ndarray, shapes (3 h, h) and (3 h, m)
    b_in, b_rec : ndarray, shape (3 h,), optional
    reset : str
        after or before.
    """
    fields = _blocks(gates, w=w, w_in=w_in, b=_sum(b_in, b_rec))
    if reset == "after" and b_rec is not None:
        at = gates.index("n")
        fields["b_n"] = None if b_in is None else np.split(b_in, 3)[at]
        fields["b_hn"] = np.split(b_rec, 3)[at]
    return Gru(**fields, reset=reset)  # pyright: ignore[reportArgumentType] - fields by name


def lstm_layer(
    gates: str, *, w: Matrix, w_in: Matrix, b_in: Vector | None, b_rec: Vector | None
) -> Lstm:
    """A layer of long short-term memory; its two biases add.

    Parameters
    ----------
    gates : str
        Order of the row blocks, of the letters i, f, g and o.
    w, w_in : ndarray, shapes (4 h, h) and (4 h, m)
    b_in, b_rec : ndarray, shape (4 h,), optional
    """
    fields = _blocks(gates, w=w, w_in=w_in, b=_sum(b_in, b_rec))
    return Lstm(**fields)  # pyright: ignore[reportArgumentType] - fields by name


def _blocks(
    gates: str, *, w: Matrix, w_in: Matrix, b: Vector | None
) -> dict[str, Matrix | Vector | None]:
    """The fields ``w_g``, ``w_g_in`` and ``b_g`` of each gate."""
    fields: dict[str, Matrix | Vector | None] = {}
    count = len(gates)
    biases = [None] * count if b is None else np.split(b, count)
    for g, block, inputs, bias in zip(
        gates, np.split(w, count), np.split(w_in, count), biases, strict=True
    ):
        fields |= {f"w_{g}": block, f"w_{g}_in": inputs, f"b_{g}": bias}
    return fields


def _sum(a: Vector | None, b: Vector | None) -> Vector | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def network_of(
    layers: Sequence[Layer],
    *,
    w_out: Matrix | None = None,
    b_out: Vector | None = None,
    starts: Sequence[Vector | None] = (),
) -> Layer | Stack:
    """One layer as it is, several as a stack, with the readout and the initial states.

    Parameters
    ----------
    layers : sequence of cells
        From the input upwards.
    w_out : ndarray, shape (p, h), optional
        Reads what the last layer hands on: not the cells c of an LSTM, and no layer below.
    b_out : ndarray, shape (p,), optional
    starts : sequence of ndarray or None
        The initial state of each layer, zero where None.
    """
    states = [layer.n_states for layer in layers]
    x0 = None
    if any(start is not None for start in starts):
        pairs = zip(starts, states, strict=True)
        x0 = np.concatenate([np.zeros(n) if start is None else start for start, n in pairs])
    if w_out is not None:
        wide = np.zeros((w_out.shape[0], sum(states)))
        first = sum(states[:-1])
        wide[:, first : first + layers[-1].n_handed_on] = w_out
        w_out = wide
    if len(layers) == 1:
        return replace(layers[0], w_out=w_out, b_out=b_out, x0=x0)
    return Stack(layers=tuple(layers), w_out=w_out, b_out=b_out, x0=x0)


def read_as(
    program: Layer | Stack, *, what: str, dt: float | None = None, clocked: bool | None = None
) -> Network:
    """The program itself, or the differential equation of which its step is an Euler step.

    Parameters
    ----------
    what : str
        What the program is, for messages: ``nn.GRU``.
    dt : float
        Model time of one step: the equation is wanted.
    clocked : bool
        The program's own steps are wanted.

    Raises
    ------
    ModelError
        If neither or both are wanted, or there is no such equation.
    """
    if dt is None and not clocked:
        raise ModelError(
            f"a file of {what} holds a discrete program, which has two readings, and does not "
            "record the model time of one step: give --clocked for a clocked circuit of its own "
            "steps, or --dt DT for the differential equation of which it is an Euler step"
        )
    if dt is None:
        return program
    if clocked:
        raise ModelError("--dt and --clocked are two readings of the file; give one of them")
    if not (np.isfinite(dt) and dt > 0):
        raise ModelError(f"dt must be positive, got {dt!r}")
    match program:
        case Elman():
            return _ctrnn(program, dt)
        case Gru():
            return _gru_ode(program, dt)
        case Lstm():
            raise ModelError(
                f"{what} is no Euler step of a differential equation: c+ = f∘c + i∘g and h+ = "
                "o∘tanh(c+) leave no h from the step before, whatever --dt; give --clocked "
                "instead, for an exact clocked circuit"
            )
        case Stack():
            raise ModelError(
                f"{what} has {len(program.layers)} layers, which act within the same step; one "
                "Euler step (--dt) cannot stand for that; give --clocked instead, for an exact "
                "clocked circuit"
            )


def _ctrnn(cell: Elman, dt: float) -> Ctrnn:
    rate = np.full(cell.n_states, 1.0 / dt)
    return Ctrnn(
        rate=rate,
        gain=rate,
        w=cell.w,
        w_in=cell.w_in,
        bias=cell.bias,
        activation=cell.activation,
        x0=cell.x0,
        w_out=cell.w_out,
        b_out=cell.b_out,
        dt=dt,
    )


def _gru_ode(cell: Gru, dt: float) -> GruOde:
    """``f = 1 - z = logistic(-(W_z h + W_z_in u + b_z))``."""

    def minus(a: Matrix | None) -> Matrix | None:
        return None if a is None else -a

    return GruOde(
        w_f=-cell.w_z,
        w_f_in=minus(cell.w_z_in),
        b_f=minus(cell.b_z),
        w_r=cell.w_r,
        w_r_in=cell.w_r_in,
        b_r=cell.b_r,
        w_u=cell.w_n,
        w_u_in=cell.w_n_in,
        b_u=cell.b_n,
        b_hu=cell.b_hn,
        reset=cell.reset,
        rate=np.full(cell.n_states, 1.0 / dt),
        x0=cell.x0,
        w_out=cell.w_out,
        b_out=cell.b_out,
        dt=dt,
    )
