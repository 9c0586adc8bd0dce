"""Strategies: coordinates in which a linear network makes a better circuit."""

from rnn2circuit.linearize.strategies.describe import describe_states
from rnn2circuit.linearize.strategies.realization import (
    KAPPA,
    STRATEGIES,
    StateRealization,
    Strategy,
    check_strategy,
    realize_states,
    truncation_at,
)
from rnn2circuit.linearize.strategies.truncation import Truncation

__all__ = [
    "KAPPA",
    "STRATEGIES",
    "StateRealization",
    "Strategy",
    "Truncation",
    "check_strategy",
    "describe_states",
    "realize_states",
    "truncation_at",
]
