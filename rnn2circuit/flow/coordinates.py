"""Strategies on the way from model to netlist: which models have one, and what the map says."""

from dataclasses import replace

from rnn2circuit.errors import UsageError
from rnn2circuit.linearize.strategies import (
    STRATEGIES,
    StateRealization,
    Strategy,
    check_strategy,
    realize_states,
)
from rnn2circuit.models import Linear
from rnn2circuit.models.base import AbstractCell, AbstractNetwork
from rnn2circuit.statemap import NetlistMap, StateMap
from rnn2circuit.verify.transfer import read_linear


def change_states(
    model: AbstractNetwork,
    strategy: Strategy,
    *,
    kappa: float | None,
    order: int | None,
    tolerance: float | None,
) -> StateRealization | None:
    """The network in the coordinates of `strategy`; None for ``direct``, which keeps them.

    Raises
    ------
    UsageError
        If an option is wrong, or the model is not linear.
    NotRealizableError
        If the network has no such realization.
    """
    check_strategy(strategy, kappa=kappa, order=order, tolerance=tolerance, n=model.n_states)
    if strategy == "direct":
        return None
    return realize_states(
        linear_only(model, strategy), strategy, kappa=kappa, order=order, tolerance=tolerance
    )


def linear_only(model: AbstractNetwork, strategy: str) -> Linear:
    """`model` if it is linear, or a UsageError that says what to do."""
    if isinstance(model, Linear):
        return model
    if isinstance(model, AbstractCell):
        remedy = "a clocked cell has no linearization; compile it with strategy direct"
    else:
        remedy = (
            "linearize it first (--linearize equilibrium or origin; in Python "
            "linearize(model).model), or compile it with strategy direct"
        )
    raise UsageError(
        f"strategy {strategy} changes the states to combinations of one another, which only a "
        f"linear network allows, and family {model.family!r} is not linear: {remedy}"
    )


def with_coordinates(states: StateMap) -> StateMap:
    """The map of a circuit whose state ports x1.. carry coordinates, called z1.. there."""
    named = (replace(port, name=f"z{k}") for k, port in enumerate(states.states, start=1))
    return replace(states, states=tuple(named))


def read_coordinates(netlist: str, record: NetlistMap, model: AbstractNetwork) -> Linear | None:
    """The netlist's own state space where its map names a strategy; None for ``direct``.

    Raises
    ------
    UsageError
        If the map names an unknown strategy, or is not of this model.
    UnverifiableError
        If the netlist is not understood.
    """
    if record.strategy not in STRATEGIES:
        raise UsageError(
            f"the map names strategy {record.strategy!r}, known are {', '.join(STRATEGIES)}"
        )
    if record.strategy == "direct" and not record.rounding:
        return None
    linear = linear_only(model, record.strategy)
    ports = record.state_map
    direct_states = record.strategy == "direct" and not linear.has_readout
    outputs = 0 if direct_states else linear.n_outputs
    shape, wanted = (len(ports.inputs), len(ports.outputs)), (linear.n_inputs, outputs)
    if shape != wanted:
        raise UsageError(
            f"the map has {shape[0]} inputs and {shape[1]} outputs, the model {wanted[0]} and "
            f"{wanted[1]}: it belongs to another model"
        )
    return read_linear(netlist, record)
