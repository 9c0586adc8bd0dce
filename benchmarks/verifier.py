"""The verifier verified: ``python benchmarks/verifier.py [PART ..] [--write]``.

Parts are ``mutants``, ``labels``, ``circuits`` and ``silent``; all of them by default. ``--write``
puts the figures between their markers in docs/verify.md and docs/simulators.md. The exit code is 1
where the verifier lets a fault pass, accuses an original, or anything else is not as it must be.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import mutation_campaign  # noqa: E402 - they stand beside the tests
import silent_failures  # noqa: E402
from hostile_labels import REFUSED, RIGHT, run_labels  # noqa: E402
from random_circuits import compare_circuits  # noqa: E402

PER_KIND = 2  # mutants of each kind of fault in each variant that is taken
# Two processes: every sixth and every fifth variant, with other networks.
RUNS = ({"every": 6, "seed": 1}, {"every": 5, "seed": 500_009})
ORIGINALS = 500  # of each process
LABELS = 400
CIRCUITS = 500
KILLED = 0.999  # of all mutants


def mutants() -> tuple[str, bool]:
    tally = mutation_campaign.Tally()
    with ProcessPoolExecutor(len(RUNS)) as pool:
        for part in pool.map(_campaign, RUNS):
            tally.merge(part)
    for kind, found in tally.escaped.items():
        print(*(f"escaped: {kind}: {what}" for what in found), sep="\n", file=sys.stderr)
    print(*(f"accused: {what}" for what in tally.accused), sep="\n", file=sys.stderr)
    good = tally.kill_rate >= KILLED and not tally.accused
    return mutation_campaign.table(tally), good


def _campaign(run: dict[str, int]) -> mutation_campaign.Tally:
    return mutation_campaign.run_campaign(per_kind=PER_KIND, originals=ORIGINALS, **run)


def labels() -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as place:
        found = run_labels(Path(place), LABELS, seed=1)
    print(*found.problems, sep="\n", file=sys.stderr)
    return (
        f"{found.sets} sets of hostile labels: {len(found.problems)} problems. Of the commands "
        f"`compile` and `verify`, {found.outcomes[RIGHT]} gave the circuit of clean labels byte "
        f"for byte, and {found.outcomes[REFUSED]} refused a label in one sentence.\n"
    ), not found.problems


def circuits() -> tuple[str, bool]:
    done, parts = compare_circuits(CIRCUITS, seed=1), compare_circuits(CIRCUITS, seed=2, parts=2)
    print(*done.disagreements, *parts.disagreements, sep="\n", file=sys.stderr)
    each = ", ".join(f"{letter.upper()} {done.kinds[letter]}" for letter in sorted(done.kinds))
    return (
        f"{done.count} random circuits: {len(done.errors)} compared, "
        f"{len(done.disagreements)} disagreements; largest difference of a rate "
        f"{max(done.errors):.1e}, median {np.median(done.errors):.1e}. Refused by the extractor: "
        f"{done.refused.total()}; without an operating point: {done.failed.total()}. Circuits "
        f"with each element: {each}.\n\n"
        f"{parts.count} more with parts in subcircuits, some within others, and parameters for "
        f"values: {len(parts.errors)} compared, {len(parts.disagreements)} disagreements; largest "
        f"difference of a rate {max(parts.errors):.1e}. Refused by the extractor: "
        f"{parts.refused.total()}; without an operating point: {parts.failed.total()}.\n"
    ), not (done.disagreements or parts.disagreements)


def silent() -> tuple[str, bool]:
    with tempfile.TemporaryDirectory() as place:
        return silent_failures.table(Path(place)), True


PARTS: dict[str, tuple[Callable[[], tuple[str, bool]], str]] = {
    "mutants": (mutants, "verify.md"),
    "labels": (labels, "verify.md"),
    "circuits": (circuits, "verify.md"),
    "silent": (silent, "simulators.md"),
}


def put(page: Path, part: str, text: str) -> None:
    """Write `text` between the markers of `part`."""
    start, end = f"<!-- {part}: written by benchmarks/verifier.py -->\n", f"<!-- end {part} -->"
    before, _, rest = page.read_text().partition(start)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{start}{text}{end}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="put the figures into the docs")
    args = parser.parse_args()
    good = True
    for part in args.parts or PARTS:
        measure, page = PARTS[part]
        text, as_it_must_be = measure()
        good = good and as_it_must_be
        print(f"== {part}\n{text}")
        if args.write:
            put(ROOT / "docs" / page, part, text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
