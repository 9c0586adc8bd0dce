"""Refusing negative resistors: which row asks for one, by how much, and what would avoid it."""

import numpy as np

from rnn2circuit.arrays import Matrix
from rnn2circuit.circuit.banks import Resistors
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import Linear
from rnn2circuit.models.base import AbstractNetwork
from rnn2circuit.synthesis.rails import state_scales
from rnn2circuit.synthesis.topology import Coupling
from rnn2circuit.units import si

ROUNDING = 1e-12  # of the largest eigenvalue: below, one counts as zero


def refuse_negative(circuit: Circuit, model: AbstractNetwork, coupling: Coupling) -> None:
    """Raise if the circuit has a negative resistor.

    Raises
    ------
    NotRealizableError
        Naming the most negative resistor, the state it belongs to, how far the coupling matrix is
        from needing none, and a topology without them if there is one.
    """
    banks = [k for k in circuit.banks if isinstance(k, Resistors) and np.any(k.resistance < 0)]
    if not banks:
        return
    worst = min(banks, key=lambda k: float((1.0 / k.resistance).min()))
    k = int(np.argmin(1.0 / worst.resistance))
    name = "_".join(["r", worst.stem, *map(str, worst.index[k].tolist())])
    ends = [circuit.nets[int(p)] for p in (worst.p[k], worst.n[k]) if p != GROUND]
    count = circuit.negative_resistors()
    raise NotRealizableError(
        f"{count} of the resistors would be negative, and --no-negative (allow_negative=False) "
        f"refuses them; the worst is {name} at {' and '.join(ends)}, "
        f"{si(float(1.0 / worst.resistance[k]), 'S')}; {_reason(model, coupling)}"
    )


def _reason(model: AbstractNetwork, coupling: Coupling) -> str:
    if not isinstance(model, Linear):
        return (
            "a sum whose matrix is not dominant needs them in this coupling; 'vccs' has none, and "
            "'rails' has none where sums stand on nodes of their own"
        )
    a = np.asarray(model.a)
    matrix = a if coupling in ("vccs", "rails", "ccvs") else (a + a.T) / 2
    return f"{_shortfall(matrix, a, coupling)}; {_remedy(a)}"


def _shortfall(matrix: Matrix, a: Matrix, coupling: Coupling) -> str:
    """How far the row at fault is from what the coupling needs."""
    own = -np.diag(matrix)
    if coupling in ("vccs", "ccvs"):
        k = int(np.argmin(own))
        return f"row {k + 1} of a has a positive own rate, a[{k + 1},{k + 1}] = {a[k, k]:.6g}"
    if coupling == "transformer":
        least = float(np.linalg.eigvalsh(-matrix)[0])
        return f"the symmetric part of -a has the negative eigenvalue {least:.6g}"
    what = "a" if coupling == "rails" else "the symmetric part of a"
    off = np.abs(matrix).sum(axis=1) - np.abs(np.diag(matrix))
    k = int(np.argmin(own - off))
    if own[k] < off[k]:
        return (
            f"row {k + 1} of {what} is not diagonally dominant: {own[k]:.6g} against "
            f"{off[k]:.6g}, {off[k] - own[k]:.6g} too little"
        )
    return (
        f"{what} is dominant, but a coupling of negative sign (or an input that loads its node) "
        "asks for a negative resistor"
    )


def _remedy(a: Matrix) -> str:
    """Which topologies of a linear model have positive resistors only."""
    symmetric = -(a + a.T) / 2
    own = -np.diag(a)
    found: list[str] = []
    scaled = state_scales(a, None)
    rows = (a * scaled) / scaled[:, None]
    if np.all(own >= np.abs(rows).sum(axis=1) - np.abs(own)):
        found.append("rails")
    off = np.abs(symmetric).sum(axis=1) - np.abs(np.diag(symmetric))
    if np.all(np.diag(symmetric) >= off):
        found.append("balanced")
    values = np.linalg.eigvalsh(symmetric)
    if values[0] >= -ROUNDING * max(abs(float(values[-1])), abs(float(values[0]))):
        found.append("transformer")
    if np.all(own >= 0):
        found += ["vccs", "ccvs (form rl)"]
    if not found:
        return (
            "no coupling of this model avoids them: a state's own rate is positive, so every "
            "network of it needs an active element"
        )
    return f"couplings that avoid them with inputs as vccs: {', '.join(found)}"
