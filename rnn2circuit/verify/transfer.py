"""Does a circuit in coordinates of its own behave as the model? Transfer function and free motion.

A strategy changes the states, so that the netlist's equations cannot be compared with the
model's one by one. What must agree is what can be seen from outside: the outputs for every
input, and the outputs without any, from the initial state and with the bias. Both are rational
functions of s. They are compared at more points than two functions of these orders can share.
"""

import numpy as np

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.linearize.statespace import eigenvalues_of, stability_of
from rnn2circuit.linearize.strategies import Truncation
from rnn2circuit.linearize.strategies.frequency import (
    POINTS,
    ComplexArray,
    frequencies,
    matrices,
    peak,
    transfer,
)
from rnn2circuit.linearize.strategies.parts import beyond
from rnn2circuit.models import Linear
from rnn2circuit.statemap import NetlistMap, scales, to_units, to_volts
from rnn2circuit.verify.checks import Check, measured
from rnn2circuit.verify.equations import EXACT
from rnn2circuit.verify.extraction import extract_from
from rnn2circuit.verify.reading import read_circuit

Response = ComplexArray  # shape (points, p, columns)


def read_linear(text: str, record: NetlistMap) -> Linear:
    """The state space of a netlist, in model units, from its text alone.

    Raises
    ------
    UnverifiableError
        If the text is not understood exactly, or does not say where its states start.
    """
    ports = record.state_map
    n, m = len(ports.states), len(ports.inputs)
    system = extract_from(
        read_circuit(text, record),
        states=[port.port for port in ports.states],
        inputs=[port.port for port in ports.inputs],
        outputs=[port.port for port in ports.outputs],
        subckt=record.subckt,
    )
    # The origin, then one state or input at a time.
    x = np.vstack([np.zeros((1, n)), np.eye(n), np.zeros((m, n))])
    u = np.vstack([np.zeros((1 + n, m)), np.eye(m)])
    rates = system.rates(to_volts(ports.states, x), to_volts(ports.inputs, u), jacobian_at=[0])
    unit = scales(ports.states)
    y = to_units(ports.outputs, rates.outputs)
    start = to_units(ports.states, system.initial_state().elements)
    if not np.all(np.isfinite(start)):
        raise UnverifiableError("the netlist does not say where all of its states start (ic=)")
    shows_outputs = bool(ports.outputs)
    by_input = rates.df_du[0] * (scales(ports.inputs) / unit[:, None]) * ports.seconds_per_unit
    return Linear(
        a=rates.df_dv[0] * (unit / unit[:, None]) * ports.seconds_per_unit,
        b=by_input if m else None,
        bias=rates.dv_dt[0] / unit * ports.seconds_per_unit,
        x0=start,
        w_out=(y[1 : 1 + n] - y[0]).T if shows_outputs else None,
        b_out=y[0] if shows_outputs else None,
        d=(y[1 + n :] - y[0]).T if m and shows_outputs else None,
    )


def check_transfer(
    text: str,
    record: NetlistMap,
    model: Linear,
    truncation: Truncation | None,
    *,
    limit: float = EXACT,
) -> tuple[Check, ...]:
    """Compare a netlist with a linear model from outside.

    ``transfer.input`` compares ``C (sI - A)^-1 B + D`` along the imaginary axis, or right of it
    for a network that does not decay; ``transfer.free`` the outputs without input,
    ``C (sI - A)^-1 (x0 + bias / s) + b_out / s``, right of all modes. The figures are largest
    singular values of the difference in parts of the largest of the model.

    Parameters
    ----------
    truncation : Truncation or None
        Of a realization that left out states: its bounds are added to the limits.
    """
    found, model = read_linear(text, record), model.without_input_map()
    poles = eigenvalues_of(model.a), eigenvalues_of(found.a)
    count = max(POINTS, 2 * (model.n_states + found.n_states) + 2)
    omega = frequencies(*poles, points=count)
    decays = stability_of(model.a, poles[0]) == "stable"
    right = beyond(model.a)
    along = (0.0 if decays else right) + 1j * omega
    grows = decays and float(poles[1].real.max()) >= 0.0
    checks: list[Check] = []
    driven = _driven(model, along)
    if model.n_inputs:
        allowed = 0.0 if truncation is None else truncation.bound / (peak(driven) or 1.0)
        checks.append(
            _compared(
                "transfer.input",
                "transfer function of the netlist against the model's, parts of its peak",
                (driven, _driven(found, along), along),
                scale=peak(driven) or 1.0,
                limits=(limit, allowed),
                grows=grows,
            )
        )
    s = right + 1j * omega
    free = _free(model, s)
    scale = peak(free) or peak(driven) or 1.0
    allowed = 0.0
    if truncation is not None:
        bounds = truncation.initial_bound + truncation.bias_bound / np.abs(s)
        allowed = float(bounds.max()) / scale
    checks.append(
        _compared(
            "transfer.free",
            "outputs without input, from the initial state and with the bias, likewise",
            (free, _free(found, s), s),
            scale=scale,
            limits=(limit, allowed),
            grows=grows,
        )
    )
    return tuple(checks)


def _driven(model: Linear, s: ComplexArray) -> Response:
    a, b, c, d = matrices(model)
    return transfer(a, b, c, s) + d


def _free(model: Linear, s: ComplexArray) -> Response:
    a, _, c, _ = matrices(model)
    bias = np.zeros(model.n_states) if model.bias is None else model.bias
    starts = np.column_stack([model.initial_state, bias])
    parts = transfer(a, starts, c, s)
    total = parts[:, :, 0] + parts[:, :, 1] / s[:, None]
    if model.b_out is not None:
        total = total + model.b_out / s[:, None]
    return total[:, :, None]


def _compared(
    id: str,
    title: str,
    responses: tuple[Response, Response, ComplexArray],
    *,
    scale: float,
    limits: tuple[float, float],
    grows: bool,
) -> Check:
    wanted, found, s = responses
    error = np.linalg.svd(found - wanted, compute_uv=False).max(axis=1) / scale
    k = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    exact, left_out = limits
    detail = f"worst at s = {s[k]:.6g} of {len(s)} points"
    if left_out:
        detail += f"; limit: {exact:g} and {left_out:.3g} for the states left out"
    if grows:
        detail = "the netlist has a mode that does not decay, the model has none"
    return measured(
        id, title, np.inf if grows else float(error[k]), exact + left_out, detail=detail
    )
