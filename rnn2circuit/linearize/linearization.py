"""A network near one point, as the linear network that circuit theory knows how to build."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import ModelError, UsageError
from rnn2circuit.linearize.equilibria import find_equilibrium, input_of, is_balanced, kink_entry
from rnn2circuit.linearize.statespace import (
    Eigenvalues,
    Stability,
    controllability_rank,
    eigenvalues_of,
    eigenvector_condition,
    stability_of,
    time_constants_of,
)
from rnn2circuit.models import AbstractModel, AbstractNetwork, Linear


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linearization:
    """``x' = A x + B u + offset``, the first-order expansion of a network about (x*, u*).

    In absolute coordinates: x and u mean what they mean in the network itself, raw inputs
    included, so that `model` takes the network's place without any shift. All times are in
    model time units.

    Attributes
    ----------
    model : Linear
        The same as a model, with the network's initial state, readout and dt; without bias
        where the offset is exactly zero.
    source_family : str
        Family of the network that was linearized.
    x, u : ndarray, shape (n,) and (m,)
        The point of expansion.
    a, b : ndarray, shape (n, n) and (n, m)
        ``df/dx`` and ``df/du`` (raw input) at the point.
    offset : ndarray, shape (n,)
        ``f(x*, u*) - A x* - B u*``; entries below their own round-off are zero.
    residual : ndarray, shape (n,)
        ``f(x*, u*)``, zero at an equilibrium.
    is_equilibrium : bool
        Whether the residual is zero up to `equilibria.EQUILIBRIUM_RTOL` of its terms.
    eigenvalues : ndarray of complex, shape (n,)
        Of A, slowest first.
    time_constants : ndarray, shape (n,)
        ``-1 / Re(λ)`` per eigenvalue; inf where marginal, NaN where the mode grows.
    stability : str
        stable, marginal (within `statespace.MARGINAL_RTOL`) or unstable.
    controllability_rank : int
        Dimension of the states the inputs reach (see `statespace.controllability_rank`).
    eigenvector_condition : float
        Condition number of the eigenvector matrix of A; 1 where A is normal.
    """

    model: Linear
    source_family: str
    x: Vector
    u: Vector
    a: Matrix
    b: Matrix
    offset: Vector
    residual: Vector
    is_equilibrium: bool
    eigenvalues: Eigenvalues
    time_constants: Vector
    stability: Stability
    controllability_rank: int
    eigenvector_condition: float


def linearize(
    model: AbstractNetwork,
    *,
    at: Literal["origin", "equilibrium"] | ArrayLike = "origin",
    u: ArrayLike | None = None,
) -> Linearization:
    """Expand a network to first order about a state and a constant input.

    With ``rate = λ``, tanh, no bias and ``at="origin"`` this is Caruso & Jarne (2023), eq. 4:
    A = w - diag(λ) and B is the input weights. Where σ(0) or a bias is not zero the origin is
    no equilibrium, and ``at="equilibrium"`` is the better point.

    Parameters
    ----------
    at : str or array_like of shape (n,)
        ``origin`` (x = 0), ``equilibrium`` (see `find_equilibrium`) or a state.
    u : array_like, shape (m,), optional
        Raw input at the point, default zero.

    Raises
    ------
    ModelError
        If it is a discrete-time cell, an array does not fit the model, no equilibrium is found, or
        the point lies on the kink of a relu.
    UsageError
        If `at` is another word.
    """
    if not isinstance(model, AbstractModel):
        raise ModelError(
            f"a {model.family} cell is a discrete program; linearize its ODE reading, which --dt "
            "asks for where there is one"
        )
    held = input_of(model, u)
    x = _point(model, at, held)
    jump = kink_entry(model, x, held)
    if jump is not None:
        raise ModelError(
            f"the {model.family} model has no Jacobian at this point: entry {list(jump)} of "
            "[df/dx, df/du] jumps at the kink of its activation; linearize at another state "
            "or input"
        )
    n = model.n_states
    a = readonly("a", model.jacobian(x, held), (n, n))
    b = readonly("b", model.input_jacobian(x, held), (n, model.n_inputs))
    residual = readonly("residual", model.rhs(x, held), (n,))
    offset = readonly("offset", _offset(residual, a, b, x, held), (n,))
    eigenvalues = eigenvalues_of(a)
    return Linearization(
        model=_as_model(model, a, b, offset),
        source_family=model.family,
        x=x,
        u=held,
        a=a,
        b=b,
        offset=offset,
        residual=residual,
        is_equilibrium=is_balanced(model, x, held),
        eigenvalues=eigenvalues,
        time_constants=time_constants_of(a, eigenvalues),
        stability=stability_of(a, eigenvalues),
        controllability_rank=controllability_rank(a, b),
        eigenvector_condition=eigenvector_condition(a),
    )


def _point(model: AbstractModel, at: ArrayLike, u: Vector) -> Vector:
    if not isinstance(at, str):
        return readonly("at", at, (model.n_states,))
    match at:
        case "origin":
            return readonly("at", np.zeros(model.n_states), (model.n_states,))
        case "equilibrium":
            return find_equilibrium(model, u=u).x
        case _:
            raise UsageError(f"at must be 'origin', 'equilibrium' or a state, got {at!r}")


def _offset(residual: Vector, a: Matrix, b: Matrix, x: Vector, u: Vector) -> Vector:
    """``f - A x - B u`` with entries below their own round-off set to zero.

    Otherwise a network without any bias would get current sources of 1e-17.
    """
    offset = residual - a @ x - b @ u
    terms = np.abs(residual) + np.abs(a) @ np.abs(x) + np.abs(b) @ np.abs(u)
    round_off = (x.size + u.size + 2) * np.finfo(np.float64).eps * terms
    return np.where(np.abs(offset) <= round_off, 0.0, offset)


def _as_model(model: AbstractModel, a: Matrix, b: Matrix, offset: Vector) -> Linear:
    plain = model.without_input_map()  # B refers to the raw input, and so must a feedthrough
    return Linear(
        a=a,
        b=b if b.shape[1] else None,
        bias=offset if np.any(offset) else None,
        d=plain.feedthrough,
        x0=plain.x0,
        w_out=plain.w_out,
        b_out=plain.b_out,
        dt=plain.dt,
    )
