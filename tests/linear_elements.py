"""How many elements of each kind a linear network needs: formulas of the matrices alone."""

import numpy as np

from rnn2circuit.models import Linear

DUST = 1e-13  # of the largest entry: below, what is left where terms cancel

LEFT_OUT = 1e-24  # of the largest weight: what has no element


def expected_counts(
    model: Linear, form: str, coupling: str, *, dust: float = 0.0
) -> dict[str, int]:
    """Elements of each kind with inputs as transconductances, zeros left out.

    Sums and differences of entries of A below `dust` of the largest count as zero.

    Y = -C A with equal capacitors, so that it has the pattern of A; S and K are its symmetric
    and skew parts. Transformers are not counted: their number depends on how Y is factored.
    """
    model = model.without_input_map()
    a, n = model.a, model.n_states
    s, k = (a + a.T) / 2, (a - a.T) / 2
    least = dust * np.abs(a).max()
    s, k = s * (np.abs(s) > least), k * (np.abs(k) > least)
    own = np.count_nonzero(np.diag(a))
    off = np.count_nonzero(a) - own
    pairs = np.count_nonzero(np.triu(s, 1))
    gyrators = np.count_nonzero(np.triu(k, 1))
    shunts = int(np.count_nonzero(np.abs(s.sum(axis=1)) > least))
    inputs, constants = _count(model.b), _count(model.bias)
    if form == "rl":
        halves = int(np.count_nonzero(chained_gyrators(k)))
        counts = _current_form(coupling, own, off, pairs, inputs, constants, n)
        if coupling == "gyrator":
            counts |= {"Gyrators": gyrators - halves // 2, "SeriesTransresistances": halves}
    else:
        counts = {"Capacitors": n, "CurrentSources": constants}
        match coupling:
            case "vccs":
                counts |= {"Resistors": own, "Transconductances": off + inputs}
            case "gyrator":
                counts |= {"Resistors": pairs + shunts, "Gyrators": gyrators}
            case "transformer":
                counts |= {"Resistors": _rank(s, a), "Gyrators": gyrators}
            case "minimal-gyrator":
                counts |= {"Resistors": pairs + shunts, "Gyrators": _rank(k, a) // 2}
            case "rails":
                # A buffer where a column drives something, an inverter where something inverted.
                rest = a - np.diag(np.diag(a))
                rails = np.any(rest > 0, axis=0).sum() + np.any(rest < 0, axis=0).sum()
                counts |= {
                    "Resistors": off + _rail_shunts(a, least),
                    "VoltageAmplifiers": int(rails),
                }
            case "balanced":
                counts |= {"Resistors": 2 * pairs + _lattice_shunts(s, least), "Gyrators": gyrators}
                counts |= {"DifferenceAmplifiers": n, "CurrentSources": 2 * constants}
                inputs *= 2
            case "lowrank":
                r = leaky_rank(a)
                counts |= {"Resistors": n + r, "Transconductances": 2 * n * r + inputs}
        counts.setdefault("Transconductances", inputs)
    return _with_outputs(counts, model)


def _current_form(
    coupling: str, own: int, off: int, pairs: int, inputs: int, constants: int, n: int
) -> dict[str, int]:
    counts = {"Inductors": n, "Ammeters": n, "Transresistances": n, "CurrentSources": constants}
    if coupling == "ccvs":
        return counts | {
            "Resistors": own + constants,
            "VoltageAmplifiers": constants,
            "SeriesTransresistances": off,
            "DifferenceAmplifiers": inputs,
        }
    sums = {"vccs": off, "gyrator": 2 * pairs}[coupling]
    return counts | {
        "Resistors": own + n,  # a node for the sum of each loop
        "VoltageAmplifiers": n,
        "Transconductances": sums + inputs,
    }


def _with_outputs(counts: dict[str, int], model: Linear) -> dict[str, int]:
    if model.has_readout:
        weights = _count(model.w_out) + _count(model.d)
        counts["Resistors"] += model.n_outputs
        counts["Transconductances"] = counts.get("Transconductances", 0) + weights
        counts["CurrentSources"] += _count(model.b_out)
    return {kind: count for kind, count in counts.items() if count}


def chained_gyrators(skew: np.ndarray) -> np.ndarray:
    """Where a loop has several gyrators, each is a pair of CCVS."""
    several = np.count_nonzero(skew, axis=1) > 1
    return (skew != 0) & np.logical_or.outer(several, several)


def assert_counts(found: dict[str, int], model: Linear, form: str, coupling: str) -> None:
    """The formulas' numbers, where rounding leaves dust at most as much more as there is of it."""
    counted = {kind: count for kind, count in found.items() if count and kind != "Transformers"}
    few = expected_counts(model, form, coupling, dust=DUST)
    many = expected_counts(model, form, coupling)
    assert set(few) <= set(counted) <= set(many)
    for kind, count in counted.items():
        assert few.get(kind, 0) <= count <= many[kind], (kind, few, counted, many)


def leaky_rank(a: np.ndarray) -> int:
    """Rank of A beside a diagonal: that of the largest block which no diagonal reaches."""
    half = len(a) // 2
    return max(1, _rank(a[half:, :half], a))


def _count(matrix: np.ndarray | None) -> int:
    if matrix is None:
        return 0
    sizes = np.abs(matrix)
    return int(np.count_nonzero(sizes > LEFT_OUT * sizes.max(initial=0.0)))


def _rank(matrix: np.ndarray, whole: np.ndarray) -> int:
    sizes = np.linalg.svd(matrix, compute_uv=False)
    return int(np.count_nonzero(sizes > DUST * np.abs(whole).max()))


def _rail_shunts(a: np.ndarray, least: float) -> int:
    """Rows that dominance does not balance exactly; scaled states have a margin in each."""
    rest = np.abs(a).sum(axis=1) - np.abs(np.diag(a))
    return int(np.count_nonzero(np.abs(np.diag(a) + rest) > least))


def _lattice_shunts(s: np.ndarray, least: float) -> int:
    """Two where a row is dominant, one where it is not; one for a common mode without either.

    In rates: S of Y is minus that of A.
    """
    own, rest = -np.diag(s), np.abs(s).sum(axis=1) - np.abs(np.diag(s))
    shunt = own - rest
    shunt[np.abs(shunt) <= least] = 0.0
    groups = _groups(s != 0)
    floating = set(groups) - {g for g, v in zip(groups, shunt, strict=True) if v > 0}
    return int(2 * np.sum(shunt > 0) + np.sum(shunt < 0) + len(floating))


def _groups(linked: np.ndarray) -> list[int]:
    """Smallest index that each index is joined to."""
    n = len(linked)
    joined = np.linalg.matrix_power(linked.astype(float) + np.eye(n), n) > 0
    return [int(np.argmax(row)) for row in joined]
