"""The strategy ``auto``: fewest elements at a tolerance that is not much worse."""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from rnn2circuit.errors import CircuitError, NotRealizableError, UsageError
from rnn2circuit.flow.coordinates import linear_only
from rnn2circuit.linearize.strategies import STRATEGIES, Strategy, realize_states
from rnn2circuit.models import Linear
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.synthesis.realize import Realization, realize
from rnn2circuit.synthesis.scaling import Form, choose_scaling
from rnn2circuit.synthesis.tolerance import predict_tolerance
from rnn2circuit.synthesis.topology import Coupling

StrategyChoice: TypeAlias = Strategy | Literal["auto"]

TOLERANCE = 0.01  # of every part, half the width of a uniform distribution
WORSE = 2.0  # times the deviation of `direct`: what a recommended strategy may cost

# Strategy, number of elements, predicted rms deviation; None where there is none.
Candidate: TypeAlias = tuple[Strategy, int | None, float | None]


def choose_strategy(
    model: AbstractNetwork,
    strategy: StrategyChoice,
    *,
    form: Form,
    coupling: Coupling,
    **given: Any,
) -> Strategy:
    """The strategy itself, or what ``auto`` stands for with this form and coupling.

    Parameters
    ----------
    given
        Options of single strategies, none of which may be set with ``auto``.

    Raises
    ------
    UsageError
        If the model is not linear, or an option belongs to a strategy that is named.
    NotRealizableError
        If no strategy is better than another because no deviation is predicted for ``direct``.
    """
    if strategy != "auto":
        return strategy
    linear = linear_only(model, strategy).without_input_map()
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise UsageError(
            f"{named[0]} belongs to a strategy that is named: auto compares all as they are"
        )
    found = recommend(_candidate(linear, s, form, coupling) for s in STRATEGIES)
    if found is None:
        raise NotRealizableError(
            "strategy auto has nothing to compare with: no deviation is predicted for strategy "
            f"direct with coupling {coupling!r} in form {form!r}; name a strategy"
        )
    return found


def recommend(candidates: Iterable[Candidate]) -> Strategy | None:
    """Fewest elements at a deviation of at most `WORSE` times that of direct; the first of ties.

    None where there is none of direct.
    """
    found = list(candidates)
    limit = next((rms for name, _, rms in found if name == "direct"), None)
    if limit is None:
        return None
    fitting: list[tuple[int, Strategy]] = [
        (count, name)
        for name, count, rms in found
        if count is not None and rms is not None and rms <= WORSE * limit
    ]
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None


def deviation(made: Realization) -> float:
    """Predicted rms deviation with parts within `TOLERANCE`, relative."""
    return predict_tolerance(made.circuit, made.state_map, resistor=TOLERANCE).rms


def _candidate(linear: Linear, strategy: Strategy, form: Form, coupling: Coupling) -> Candidate:
    try:
        states = realize_states(linear, strategy).model
        scaling = choose_scaling(states, form=form)
        made = realize(states, form=form, coupling=coupling, scaling=scaling)
        return strategy, sum(made.circuit.element_counts().values()), deviation(made)
    except (NotRealizableError, CircuitError):  # what has no figures is not compared
        return strategy, None, None
