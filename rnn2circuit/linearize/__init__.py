"""Equilibria, Jacobians and state spaces."""

from rnn2circuit.linearize.equilibria import Equilibrium, find_equilibria, find_equilibrium
from rnn2circuit.linearize.export import describe_linearization, to_control, write_linearization
from rnn2circuit.linearize.linearization import Linearization, linearize
from rnn2circuit.linearize.statespace import Stability, controllability_rank

__all__ = [
    "Equilibrium",
    "Linearization",
    "Stability",
    "controllability_rank",
    "describe_linearization",
    "find_equilibria",
    "find_equilibrium",
    "linearize",
    "to_control",
    "write_linearization",
]
