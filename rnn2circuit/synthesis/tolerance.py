"""How far real parts move a linear circuit, to first order: rms, worst case and yield.

With independent relative errors ρ of the parts, the relative H2 deviation is ``sqrt(ρ^T M ρ)``
(see `sensitivity`). Its mean square is ``sum_e var(ρ_e) M_ee``; its largest value in the box
``|ρ_e| <= ε_e`` lies between what a greedy choice of signs reaches and ``sqrt(ε^T |M| ε)``; its
distribution, and so the yield, is sampled from the quadratic form, which costs next to nothing.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.errors import UsageError
from rnn2circuit.statemap import StateMap
from rnn2circuit.synthesis.sensitivity import metric_of, sensitivity

Distribution: TypeAlias = Literal["uniform", "normal"]
SAMPLES = 4000  # of the quadratic form: the yield is known to about 1 %
ASCENTS = 8  # random starts of the worst case's signs
LIMIT = 1.5  # yield limit where none is given, in units of the rms


@dataclass(frozen=True, slots=True, kw_only=True)
class TolerancePrediction:
    """The relative H2 deviation of a circuit whose parts are off, to first order.

    Attributes
    ----------
    rms : float
        Root mean square over all circuits built.
    worst_reached, worst_bound : float
        The largest deviation lies between these: signs that reach the first were found, and no
        signs exceed the second. Of normal errors, within three standard deviations per part.
    limit, yield_fraction : float
        Which fraction of circuits stays within the limit.
    share : tuple of (str, float)
        Part of the mean square by kind of part.
    distribution, resistor, capacitor
        What was asked for.
    """

    rms: float
    worst_reached: float
    worst_bound: float
    limit: float
    yield_fraction: float
    share: tuple[tuple[str, float], ...]
    distribution: Distribution
    resistor: float
    capacitor: float


def predict_tolerance(
    circuit: Circuit,
    ports: StateMap,
    *,
    resistor: float = 0.01,
    capacitor: float | None = None,
    distribution: Distribution = "uniform",
    limit: float | None = None,
    seed: int = 0,
) -> TolerancePrediction:
    """Predict the deviation of a circuit for independent errors of its parts.

    Parameters
    ----------
    resistor : float
        Tolerance of resistors, and of transconductances and gyrators, which are set by one: half
        the width of a uniform distribution, or the standard deviation of a normal one.
    capacitor : float, optional
        Of capacitors (and inductors); `resistor` where not given.
    limit : float, optional
        Deviation up to which a circuit counts as good; `LIMIT` times the rms where not given.

    Raises
    ------
    UsageError
        If a tolerance or the distribution is none.
    CircuitError, NotRealizableError
        As `sensitivity.sensitivity`.
    """
    if distribution not in get_args(Distribution):
        raise UsageError(f"distribution must be uniform or normal, got {distribution!r}")
    capacitor = resistor if capacitor is None else capacitor
    for name, value in (("resistor", resistor), ("capacitor", capacitor)):
        if not 0 <= value < 1:
            raise UsageError(f"{name} tolerance must be from 0 to below 1, got {value!r}")
    form = sensitivity(circuit, metric_of(circuit, ports))
    kinds = np.array(form.parts.kind)
    width = np.where(kinds == "resistor", resistor, capacitor)
    sigma = width / np.sqrt(3.0) if distribution == "uniform" else width
    box = width if distribution == "uniform" else 3.0 * width
    squares = sigma**2 * np.diag(form.m)
    rms = float(np.sqrt(squares.sum()))
    rng = np.random.default_rng(seed)
    limit = LIMIT * rms if limit is None else limit
    return TolerancePrediction(
        rms=rms,
        worst_reached=_ascend(form.m * np.outer(box, box), rng),
        worst_bound=float(np.sqrt(box @ np.abs(form.m) @ box)),
        limit=limit,
        yield_fraction=_yield(form.m, sigma, distribution, limit, rng),
        share=tuple(
            (str(kind), float(squares[kinds == kind].sum() / max(squares.sum(), 1e-300)))
            for kind in np.unique(kinds)
        ),
        distribution=distribution,
        resistor=resistor,
        capacitor=capacitor,
    )


def _ascend(m: Matrix, rng: np.random.Generator) -> float:
    """Largest ``sqrt(x^T m x)`` over signs x that flipping one at a time finds."""
    best = 0.0
    for _ in range(ASCENTS):
        x = rng.choice([-1.0, 1.0], len(m))
        pull = m @ x
        while True:
            # Flipping x_e changes the form by 4 (m_ee - x_e pull_e).
            gain = np.diag(m) - x * pull
            e = int(np.argmax(gain))
            if gain[e] <= 1e-12 * max(float(x @ pull), 1e-300):
                break
            pull -= 2.0 * x[e] * m[:, e]
            x[e] = -x[e]
        best = max(best, float(x @ pull))
    return float(np.sqrt(max(best, 0.0)))


def _yield(
    m: Matrix, sigma: Vector, distribution: Distribution, limit: float, rng: np.random.Generator
) -> float:
    shape = (SAMPLES, len(sigma))
    if distribution == "uniform":
        draws = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape)
    else:
        draws = rng.standard_normal(shape)
    change = draws * sigma
    squared = np.einsum("ke,ke->k", change @ m, change)
    return float(np.mean(squared <= limit**2))
