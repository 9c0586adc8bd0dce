"""The distance of two linear networks, as the energy of the difference of impulse responses."""

import numpy as np
from scipy.linalg import block_diag, solve_continuous_lyapunov

from rnn2circuit.arrays import Matrix
from rnn2circuit.models import Linear


def relative_h2(found: Linear, wanted: Linear) -> float:
    """``|| H - H_wanted || / || H_wanted ||`` in the H2 norm; inf where H is not stable.

    H is the transfer matrix from the inputs to the outputs; of a network without inputs, the
    response from the initial state. Where `wanted` is not stable both responses are discounted
    by ``exp(-shift t)``, with the shift half a typical rate beyond its fastest growth; where
    it has a feedthrough both stand behind a low-pass at its fastest pole.
    """
    found, wanted = found.without_input_map(), wanted.without_input_map()
    poles = np.linalg.eigvals(wanted.a)
    sizes = np.abs(poles)[np.abs(poles) > 0]
    center = float(np.exp(np.mean(np.log(sizes)))) if sizes.size else 1.0
    growth = float(poles.real.max())
    shift = 0.0 if growth < 0 else growth + center / 2
    corner = float(sizes.max(initial=center)) if wanted.d is not None else None
    one, two = (_response(model, shift, corner) for model in (found, wanted))
    a = np.asarray(block_diag(one[0], two[0]), dtype=np.float64)
    difference = _norm(a, np.vstack([one[1], two[1]]), np.hstack([one[2], -two[2]]))
    size = _norm(*two)
    if size == 0.0:
        return 0.0 if difference == 0.0 else np.inf
    return difference / size


def _response(model: Linear, shift: float, corner: float | None) -> tuple[Matrix, Matrix, Matrix]:
    """A, B, C of the discounted response, strictly proper."""
    n = model.n_states
    a = model.a - shift * np.eye(n)
    c = np.eye(n) if model.w_out is None else model.w_out
    if model.b is None or not model.n_inputs:
        return a, model.initial_state[:, None], c
    if corner is None:
        return a, model.b, c
    m = model.n_inputs
    d = np.zeros((len(c), m)) if model.d is None else model.d
    low_pass = -(corner + shift) * np.eye(m)
    a = np.block([[a, model.b], [np.zeros((m, n)), low_pass]])
    return a, np.vstack([np.zeros((n, m)), corner * np.eye(m)]), np.hstack([c, d])


def _norm(a: Matrix, b: Matrix, c: Matrix) -> float:
    if float(np.linalg.eigvals(a).real.max()) >= 0:
        return np.inf
    gramian = solve_continuous_lyapunov(a, -b @ b.T)
    return float(np.sqrt(max(float(np.trace(c @ gramian @ c.T)), 0.0)))
