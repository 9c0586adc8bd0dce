"""One page for a designer: what a network asks of a circuit, before anything is drawn."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn2circuit.linearize import Equilibrium, ErrorBound, Linearization, ValidityRadius
from rnn2circuit.linearize.statespace import Eigenvalues, Stability
from rnn2circuit.linearize.strategies import Strategy
from rnn2circuit.report.json_values import finite
from rnn2circuit.report.lines import TIE, plain, wrapped
from rnn2circuit.synthesis.passivity import PassivityVerdict
from rnn2circuit.synthesis.topology import Coupling
from rnn2circuit.units import si

SCHEMA = 1
MOST_POLES = 12  # printed; the JSON has all
MOST_EQUILIBRIA = 12
WIDEST_STATES = 4  # states of an equilibrium that are printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The linear network in the coordinates of one strategy, as a circuit.

    Attributes
    ----------
    strategy : str
    order : int
        Number of states.
    condition : float
        Of the change of coordinates.
    elements : tuple of (str, int or None)
        Number of elements per coupling; None where it does not exist.
    negative_resistors : int or None
        With the coupling of the analysis, as all that follows; None where it does not exist.
    spread : tuple of (str, float)
        Largest over smallest value of R, C and gm.
    tolerance : float or None
        Predicted rms deviation (relative, H2) with parts within 1 %; None where there is none.
    noise : float or None
        Largest V rms at an output (a state where there are no outputs); None where the network
        is not stable.
    remarks : tuple of str
        Why a figure is missing.
    """

    strategy: Strategy
    order: int
    condition: float
    elements: tuple[tuple[Coupling, int | None], ...]
    negative_resistors: int | None
    spread: tuple[tuple[str, float], ...]
    tolerance: float | None
    noise: float | None
    remarks: tuple[str, ...]

    def count(self, coupling: Coupling) -> int | None:
        """Number of elements with `coupling`."""
        return dict(self.elements)[coupling]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A strategy that this network does not have, and why."""

    strategy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """What a network asks of a circuit.

    Attributes
    ----------
    subject, family : str
    n_states, n_inputs, n_outputs : int
    point : str
        ``itself`` (a linear network), ``origin`` or ``equilibrium``: where it was linearized.
    linearization : Linearization or None
        None for a linear network.
    poles : ndarray of complex, shape (n,)
        Slowest first, per model time unit.
    stability : str
    eigenvector_condition : float
        1 where A is normal.
    controllability_rank : int
        Dimension of the states that the inputs reach.
    passivity : PassivityVerdict
    gyrators, rank : int
        Gyrators of coupling ``gyrator``, and the rank of the skew part of Y: half of it is enough.
    coupling : str
        With which values, tolerance and noise were computed.
    variants, refused : tuple
        The strategies.
    recommended : str or None
        Strategy with the fewest elements whose tolerance is at most twice that of ``direct``.
    equilibria : tuple of Equilibrium
        At zero input; empty for a linear network.
    radius : ValidityRadius or None
        Of the linearization.
    amplitude : float or None
        Of sines for which its error was asked.
    stimulus : str or None
        Words on the input for which it was asked instead; the radius is a factor of that input.
    bound : ErrorBound or None
        That error.
    lipschitz : float or None
        Bound of the norm of ``∂x'/∂x``, of families that have one.
    notes : tuple of str
        What is missing, and why.
    """

    subject: str
    family: str
    n_states: int
    n_inputs: int
    n_outputs: int
    point: str
    linearization: Linearization | None
    poles: Eigenvalues
    stability: Stability
    eigenvector_condition: float
    controllability_rank: int
    passivity: PassivityVerdict
    gyrators: int
    rank: int
    coupling: Coupling
    variants: tuple[Variant, ...]
    refused: tuple[Refused, ...]
    recommended: Strategy | None
    equilibria: tuple[Equilibrium, ...]
    radius: ValidityRadius | None
    amplitude: float | None
    stimulus: str | None
    bound: ErrorBound | None
    lipschitz: float | None
    notes: tuple[str, ...]


def analysis_text(analysis: Analysis) -> str:
    """The page as text; ends in a newline, no line wider than 100 characters."""
    a = analysis
    lines = [
        *wrapped(
            f"{plain(a.subject)}: {a.family}, {a.n_states} states, {a.n_inputs} inputs, "
            f"{a.n_outputs} outputs"
        ),
        *_linearization_lines(a),
        *wrapped(f"poles        {_poles(a)} per model time unit; {a.stability}"),
        f"eigenvectors condition {a.eigenvector_condition:.3g}; the inputs reach "
        f"{a.controllability_rank} of {len(a.poles)} states",
        *wrapped(f"passivity    {passivity_sentence(a.passivity)}"),
        f"gyrators     {a.gyrators} pairwise; {a.rank // 2} with coupling minimal-gyrator "
        "(half the rank of the skew part)",
        "",
        *_tables(a),
        "",
        *_recommendation(a),
        *_remarks(a),
    ]
    return "\n".join(lines) + "\n"


def _linearization_lines(a: Analysis) -> list[str]:
    if a.linearization is None:
        return []
    place = "at an equilibrium" if a.point == "equilibrium" else f"at the {a.point}"
    moves = "" if a.linearization.is_equilibrium else ", not an equilibrium"
    lines = [f"linearized   {place}{moves}"]
    if a.radius is not None:
        least = "at least " if a.radius.at_least else ""
        sizes = (
            "inputs up to this amplitude leave"
            if a.stimulus is None
            else "the stimulus times this leaves"
        )
        lines += wrapped(
            f"radius       {least}{a.radius.amplitude:.3g}: {sizes} the linearization wrong by at "
            f"most {a.radius.relative:.2g} of the largest deviation (certified, for "
            f"{a.radius.duration:.3g} model time units)"
        )
    if a.bound is not None:
        size = (
            f"at most {a.bound.relative:.2g} of the largest deviation (certified)"
            if a.bound.certified
            else f"not certified: {a.bound.reason}"
        )
        inputs = f"inputs of amplitude {a.amplitude:g}" if a.stimulus is None else "the stimulus"
        lines += wrapped(f"error        for {inputs}: {size}")
    shown = a.equilibria[:MOST_EQUILIBRIA]
    lines.append(f"equilibria   {len(a.equilibria)} found at zero input")
    lines += [f"  x = {_state(e)}  {e.stability}" for e in shown]
    if len(shown) < len(a.equilibria):
        lines.append(f"  and {len(a.equilibria) - len(shown)} more")
    if a.lipschitz is not None:
        lines.append(f"Lipschitz    {a.lipschitz:.4g} bounds the norm of dx'/dx")
    return lines


def _state(equilibrium: Equilibrium) -> str:
    listed = ", ".join(f"{v:.4g}" for v in equilibrium.x[:WIDEST_STATES])
    return f"({listed}{', ..' if equilibrium.x.size > WIDEST_STATES else ''})"


def _poles(a: Analysis) -> str:
    listed: list[str] = []
    upper = [p for p in a.poles.tolist() if p.imag >= 0]  # the others are their conjugates
    for p in upper[:MOST_POLES]:
        listed.append(f"{p.real:.4g}" + (f"{TIE}+-{TIE}{p.imag:.4g}j" if p.imag else ""))
    more = len(upper) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def passivity_sentence(verdict: PassivityVerdict) -> str:
    """The verdict in words, with what proves it."""
    least = verdict.scaled_negative_resistors
    match verdict.status:
        case "passive":
            return "passive as it stands, with equal capacitors (proved exactly)"
        case "scalable":
            return (
                "passive with capacitors in proportion to d, spread "
                f"{verdict.capacitor_spread:.3g} (proved exactly); --capacitors passive"
            )
        case "impossible":
            return (
                "no capacitors make it passive (certificate of rank "
                f"{_rank(verdict)}, checked exactly); at least {verdict.negative_resistors} "
                f"negative resistors with equal capacitors, {least} with the best found"
            )
        case "unstable":
            return (
                "a mode grows, so no passive network has these equations (certificate of rank "
                f"{_rank(verdict)}, checked exactly); at least {verdict.negative_resistors} "
                f"negative resistors with equal capacitors, {least} with the best found"
            )
        case "marginal":
            return "too close to the border for a proof either way"


def _rank(verdict: PassivityVerdict) -> int:
    return 0 if verdict.certificate is None else verdict.certificate.shape[1]


def _tables(a: Analysis) -> list[str]:
    """Elements of each strategy and coupling, and the figures of each strategy."""
    couplings = [c for c, _ in a.variants[0].elements]
    counts = [
        (v.strategy, str(v.order), *("-" if n is None else str(n) for _, n in v.elements))
        for v in a.variants
    ]
    figures = [(v.strategy, *_figures(v)) for v in a.variants]
    return [
        *_aligned([("elements", "states", *couplings), *counts]),
        "",
        f"with coupling {a.coupling}:",
        *_aligned([("", "cond T", "1% rms", "noise", "spread", "negative R"), *figures]),
    ]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines: list[str] = []
    for name, *cells in rows:
        shown = [cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *shown]))
    return lines


def _figures(v: Variant) -> tuple[str, ...]:
    return (
        f"{v.condition:.3g}",
        "-" if v.tolerance is None else f"{100 * v.tolerance:.2f}%",
        "-" if v.noise is None else si(v.noise, "V", 3),
        f"{max(ratio for _, ratio in v.spread):.3g}" if v.spread else "-",
        "-" if v.negative_resistors is None else str(v.negative_resistors),
    )


def _remarks(a: Analysis) -> list[str]:
    """What is missing and why, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for refused in a.refused:
        by_reason.setdefault(refused.reason, []).append(refused.strategy)
    for variant in a.variants:
        for text in variant.remarks:
            by_reason.setdefault(text, []).append(variant.strategy)
    told = [f"{', '.join(names)}: {text}" for text, names in by_reason.items()]
    return [line for text in (*told, *a.notes) for line in wrapped(f"note: {plain(text)}")]


def _recommendation(a: Analysis) -> list[str]:
    if a.recommended is None:
        return wrapped("recommended  none: no tolerance is predicted for strategy direct")
    chosen = next(v for v in a.variants if v.strategy == a.recommended)
    return wrapped(
        f"recommended  --strategy {chosen.strategy}: {chosen.count(a.coupling)} elements, the "
        "fewest whose predicted deviation with parts within 1 % is at most twice that of direct"
        + ("" if chosen.strategy == "direct" else " (the single states are given up)")
    )


def analysis_json(analysis: Analysis) -> str:
    """The page as JSON, with every figure of the text; not finite ones are null."""
    a = analysis
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "subject": a.subject,
        "family": a.family,
        "n_states": a.n_states,
        "n_inputs": a.n_inputs,
        "n_outputs": a.n_outputs,
        "point": a.point,
        "linearization": None
        if a.linearization is None
        else {
            "x": a.linearization.x.tolist(),
            "u": a.linearization.u.tolist(),
            "is_equilibrium": a.linearization.is_equilibrium,
        },
        "poles": {"real": a.poles.real.tolist(), "imag": a.poles.imag.tolist()},
        "stability": a.stability,
        "eigenvector_condition": finite(a.eigenvector_condition),
        "controllability_rank": a.controllability_rank,
        "passivity": _passivity_entry(a.passivity),
        "gyrators": a.gyrators,
        "skew_rank": a.rank,
        "coupling": a.coupling,
        "variants": [_variant_entry(v) for v in a.variants],
        "refused": [{"strategy": r.strategy, "reason": r.reason} for r in a.refused],
        "recommended": a.recommended,
        "equilibria": [
            {
                "x": e.x.tolist(),
                "stability": e.stability,
                "slowest_real": finite(float(np.real(e.eigenvalues[0]))),
            }
            for e in a.equilibria
        ],
        "radius": None
        if a.radius is None
        else {
            "amplitude": a.radius.amplitude,
            "of": "sines" if a.stimulus is None else a.stimulus,
            "at_least": a.radius.at_least,
            "relative": finite(a.radius.relative),
            "duration": a.radius.duration,
        },
        "error_bound": None
        if a.bound is None
        else {
            "amplitude": a.amplitude,
            "stimulus": a.stimulus,
            "certified": a.bound.certified,
            "relative": finite(a.bound.relative),
            "states": [finite(float(v)) for v in a.bound.peak],
            "reason": a.bound.reason,
        },
        "lipschitz": finite(a.lipschitz),
        "notes": list(a.notes),
    }
    return json.dumps(entry, indent=2, allow_nan=False) + "\n"


def _passivity_entry(verdict: PassivityVerdict) -> dict[str, Any]:
    d, certificate = verdict.d, verdict.certificate
    return {
        "status": verdict.status,
        "proved": verdict.proved,
        "d": None if d is None else d.tolist(),
        "certificate": None if certificate is None else certificate.tolist(),
        "negative_resistors": verdict.negative_resistors,
        "scaled_negative_resistors": verdict.scaled_negative_resistors,
    }


def _variant_entry(v: Variant) -> dict[str, Any]:
    return {
        "strategy": v.strategy,
        "order": v.order,
        "condition": finite(v.condition),
        "elements": dict(v.elements),
        "negative_resistors": v.negative_resistors,
        "spread": {kind: finite(ratio) for kind, ratio in v.spread},
        "tolerance": finite(v.tolerance),
        "noise": finite(v.noise),
        "remarks": list(v.remarks),
    }
