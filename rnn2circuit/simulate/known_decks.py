"""Small decks with known outcomes: does an installed simulator behave as the rules assume?

One deck per class of failure that ngspice 39 was found to have, most of them silent (exit code
0, a full raw file), and two that must succeed with a known answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import SimulationError, SimulationTimeout
from rnn2circuit.simulate.interface import Deck, Simulator

ACCURATE = 1e-4  # of a unit step: a thousand trapezoidal steps per ten time constants leave 1e-5
TIMEOUT = 20.0  # s
STOP = 1e-2  # s, of every deck
TRAN = ".options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 trtol=7000\n.tran 1e-05 0.01 0 1e-05"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDeck:
    """A deck and what must become of it.

    Attributes
    ----------
    answer : callable or None
        v(x1) over time (s), or None where the run must be refused.
    """

    id: str
    what: str
    body: str
    answer: Callable[[Vector], Vector] | None = None
    accepted_by: tuple[str, ...] = ()  # engines known to swallow it; the extractor does not


def _rc(t: Vector) -> Vector:
    return 1.0 - np.exp(-t / 1e-3)


def _decay(t: Vector) -> Vector:
    return np.exp(-t / 1e-3)


_STEP = "v1 u1 0 1\nr1 u1 x1 100000.0\nc1 x1 0 1e-08 ic=0.0\n.ic v(x1)=0.0"

KNOWN_DECKS: tuple[KnownDeck, ...] = (
    KnownDeck(id="rc", what="an RC charges as 1 - exp(-t/RC)", body=_STEP, answer=_rc),
    KnownDeck(
        id="gyrator",
        what="a gyrator turns a resistor into its dual",
        body="c1 x1 0 1e-08 ic=1.0\n.ic v(x1)=1.0\ng1 x1 0 a 0 1e-05\ng2 a 0 x1 0 -1e-05\n"
        "r1 a 0 100000.0",
        answer=_decay,
    ),
    KnownDeck(
        id="floating",
        what="a node without a path for its current",
        body=f"{_STEP}\ni2 0 z1 1e-06\nc2 z1 z2 1e-09\nc3 z2 0 1e-09",
    ),
    KnownDeck(
        id="loop",
        what="two voltage sources in parallel",
        body=f"{_STEP}\nv2 z1 0 1\nv3 z1 0 2",
    ),
    KnownDeck(id="no-value", what="a resistor without a value", body=f"{_STEP}\nr2 x1 0"),
    KnownDeck(
        id="initial",
        what="an initial condition for a node that does not exist",
        body=f"{_STEP}\n.ic v(x7)=1.0",
        accepted_by=("neospice",),
    ),
    KnownDeck(
        id="runaway",
        what="a solution that grows beyond all bounds",
        body="c1 x1 0 1e-08 ic=1.0\n.ic v(x1)=1.0\nr1 x1 0 -100.0",
    ),
    KnownDeck(id="missing", what="a vector that is not there", body="v1 u1 0 1\nr1 u1 0 1000.0"),
    KnownDeck(id="garbage", what="a line that is no element", body=f"{_STEP}\nq9 what is this"),
    KnownDeck(
        id="backwards",
        what="a piecewise-linear source whose times decrease",
        body=f"{_STEP}\nv2 z1 0 pwl(0 0 0.002 1 0.001 0)\nr2 z1 0 1000.0",
        accepted_by=("neospice",),
    ),
    KnownDeck(
        id="undefined",
        what="an expression that names no node",
        body=f"{_STEP}\nb1 z1 0 v=tanh(v(nowhere))\nr2 z1 0 1000.0",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckResult:
    """What became of one known deck."""

    deck: KnownDeck
    as_known: bool
    outcome: str


def examine(simulator: Simulator, *, answers_only: bool = False) -> tuple[DeckResult, ...]:
    """Run every known deck, or those alone that have a known answer.

    A deck that must be refused may fail in any way our rules notice; one that must succeed has
    to give its known answer.
    """
    return tuple(
        _examine(simulator, deck)
        for deck in KNOWN_DECKS
        if deck.answer is not None or not answers_only
    )


def _examine(simulator: Simulator, known: KnownDeck) -> DeckResult:
    deck = Deck(
        files={"known.cir": f"* known deck {known.id}\n{known.body}\n{TRAN}\n.save v(x1)\n.end\n"},
        main="known.cir",
        signals=("v(x1)",),
        t_stop=STOP,
    )
    try:
        waves = simulator.run(deck, timeout=TIMEOUT)
    except SimulationTimeout:
        return DeckResult(deck=known, as_known=known.answer is None, outcome="stopped, too slow")
    except SimulationError as error:
        outcome = f"refused: {str(error).splitlines()[0][:100]}"
        return DeckResult(deck=known, as_known=known.answer is None, outcome=outcome)
    if known.answer is None:
        swallowed = simulator.name in known.accepted_by
        outcome = "accepted silently, as known of it" if swallowed else "accepted, wrongly"
        return DeckResult(deck=known, as_known=swallowed, outcome=outcome)
    error = float(np.max(np.abs(waves.signals["v(x1)"] - known.answer(waves.time))))
    return DeckResult(deck=known, as_known=error <= ACCURATE, outcome=f"answer off by {error:.1e}")


def describe_examination(simulator: Simulator, results: tuple[DeckResult, ...]) -> str:
    """A page of text; ends in a newline."""
    good = sum(r.as_known for r in results)
    lines = [f"{simulator.name} {simulator.version()}: {good} of {len(results)} decks as known"]
    for r in results:
        lines.append(
            f"  {'as known' if r.as_known else 'UNKNOWN ':<9} {r.deck.id:<10} {r.deck.what}"
        )
        lines.append(f"            {r.outcome}")
    return "\n".join(lines) + "\n"
