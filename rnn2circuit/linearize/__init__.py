"""Equilibria, Jacobians and state spaces."""

from rnn2circuit.linearize.continuation import Branch, continue_equilibrium
from rnn2circuit.linearize.equilibria import Equilibrium, find_equilibria, find_equilibrium
from rnn2circuit.linearize.export import describe_linearization, to_control, write_linearization
from rnn2circuit.linearize.linearization import Linearization, linearize
from rnn2circuit.linearize.statespace import Stability, controllability_rank
from rnn2circuit.linearize.validity import (
    ErrorBound,
    ValidityRadius,
    error_bound,
    simulated_error,
    validity_radius,
)

__all__ = [
    "Branch",
    "Equilibrium",
    "ErrorBound",
    "Linearization",
    "Stability",
    "ValidityRadius",
    "continue_equilibrium",
    "controllability_rank",
    "describe_linearization",
    "error_bound",
    "find_equilibria",
    "find_equilibrium",
    "linearize",
    "simulated_error",
    "to_control",
    "validity_radius",
    "write_linearization",
]
