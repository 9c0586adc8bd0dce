"""How many single faults the simulator-free layers kill, and how many originals they accuse.

The judges are what `verify` runs before it simulates anything: the rules of the text, identity,
structure and extraction (of clocked cells: the step, read in both phases). Waveforms are left out
on purpose: they are compared within 1e-3 and cannot tell a fault of 0.1 % from the simulator's
own error.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from mutants import KINDS, MAP_KINDS, draw, equivalent, input_map_faults, map_file_faults
from random_models import CELLS, FAMILIES, SMOOTH_BOUNDED, random_cell, random_model

from rnn2circuit.errors import CircuitError, NotRealizableError, UsageError
from rnn2circuit.flow import Compiled, compile_model
from rnn2circuit.flow.layers import SEED, Limits, read_back
from rnn2circuit.models.base import AbstractCell, AbstractNetwork
from rnn2circuit.synthesis.scaling import FORMS
from rnn2circuit.synthesis.topology import COUPLINGS, INPUT_COUPLINGS
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import sha256_text

BRIEF = 1e-2  # model time units: nothing is simulated, and the reference is solved as far as this
TRIES = 40  # draws of one kind of fault in one netlist before it counts as having no place


@dataclass(slots=True)
class Tally:
    """What became of the mutants and of the originals."""

    killed: Counter[str] = field(default_factory=Counter)
    escaped: dict[str, list[str]] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)  # by reason
    originals: int = 0
    accused: list[str] = field(default_factory=list)
    variants: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        return self.killed.total() + self.survivors

    @property
    def survivors(self) -> int:
        return sum(len(found) for found in self.escaped.values())

    @property
    def kill_rate(self) -> float:
        return self.killed.total() / self.count

    def merge(self, other: "Tally") -> None:
        """Count what another campaign found as well."""
        self.killed += other.killed
        self.excluded += other.excluded
        self.originals += other.originals
        self.accused += other.accused
        self.variants |= other.variants
        for kind, found in other.escaped.items():
            self.escaped.setdefault(kind, []).extend(found)

    def add(self, kind: str, what: str, *, passed: bool) -> None:
        if passed:
            self.escaped.setdefault(kind, []).append(what)
        else:
            self.killed[kind] += 1


def accepted(compiled: Compiled) -> bool:
    """Whether every layer that needs no simulator passes."""
    return all(c.verdict is Verdict.PASS for c in read_back(compiled, Limits(), SEED))


def variants(seed: int) -> Iterator[tuple[str, Callable[[int], AbstractNetwork], dict[str, str]]]:
    """Every family with every form, coupling and way of inputs; most are for the linear one."""
    for family in (*FAMILIES, *CELLS):
        options = [
            {"form": form, "coupling": coupling, "inputs_as": inputs}
            for form, coupling, inputs in product(FORMS, COUPLINGS, INPUT_COUPLINGS)
        ]
        if family == "lrc":
            options += [{"form": "rc", "coupling": c, "capacitance": "variable"} for c in COUPLINGS]
        for chosen in options:
            yield family, lambda k, family=family: _model(family, seed + k), chosen


def _model(family: str, seed: int) -> AbstractNetwork:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    if family in CELLS:
        return random_cell(family, n, m, seed)
    return random_model(family, n, m, seed, activations=SMOOTH_BOUNDED)


def run_campaign(*, per_kind: int, originals: int, seed: int = 1, every: int = 1) -> Tally:
    """Judge `per_kind` mutants of each kind of every `every`-th variant, and `originals` circuits.

    A variant that a family does not offer is passed over; so is a kind of fault that a netlist has
    no place for, such as an input map without inputs.
    """
    tally = Tally()
    offered: list[tuple[str, Callable[[int], AbstractNetwork], dict[str, str]]] = []
    for index, variant in enumerate(variants(seed)):
        compiled = None if index % every else _compiled(variant, index)
        if compiled is None:
            continue
        offered.append(variant)
        _judge_original(compiled, variant, tally)
        if not per_kind:
            continue
        other = _compiled(variant, index + 10_000) or compiled
        _judge_mutants(compiled, other, tally, per_kind, np.random.default_rng([seed, index]))
    index = 20_000
    while tally.originals < originals:
        index += 1
        variant = offered[index % len(offered)]
        compiled = _compiled(variant, index)
        if compiled is not None:
            _judge_original(compiled, variant, tally)
    return tally


def _compiled(variant, index: int) -> Compiled | None:
    _, make, options = variant
    model = make(index)
    # A cell with an odd number of layers may not be of a size that every coupling takes.
    try:
        return compile_model(model, duration=_duration(model), name="original", **options)
    except (NotRealizableError, UsageError, CircuitError):
        return None


def _duration(model: AbstractNetwork) -> float:
    return 1 if isinstance(model, AbstractCell) else BRIEF


def _judge_original(compiled: Compiled, variant, tally: Tally) -> None:
    family, _, options = variant
    what = f"{family} {' '.join(options.values())}"
    tally.variants.add(what)
    tally.originals += 1
    if not accepted(compiled):
        tally.accused.append(what)


def _judge_mutants(
    compiled: Compiled, other: Compiled, tally: Tally, per_kind: int, rng: np.random.Generator
) -> None:
    for kind in KINDS:
        made = 0
        for _ in range(TRIES):
            mutant = draw(compiled.netlist, kind, rng)
            if made == per_kind or mutant is None:
                continue
            reason = equivalent(mutant)
            if reason:
                tally.excluded[reason] += 1
                continue
            made += 1
            record = replace(compiled.record, netlist_sha256=sha256_text(mutant.text))
            faulty = replace(compiled, netlist=mutant.text, record=record)
            tally.add(kind, f"{compiled.record.subckt} {mutant}", passed=accepted(faulty))
    rescaled = compile_model(
        compiled.model,
        duration=compiled.duration,
        form=compiled.record.form,
        coupling=compiled.record.coupling,
        inputs_as=compiled.record.inputs_as,
        seconds_per_unit=3 * compiled.record.state_map.seconds_per_unit,
    )
    faults = (
        input_map_faults(compiled.netlist, compiled.record),
        map_file_faults(
            compiled.record,
            {"another network": other.record, "another time scale": rescaled.record},
        ),
    )
    for kind, found in zip(MAP_KINDS, faults, strict=True):
        for k in rng.permutation(len(found))[:per_kind].tolist():
            faulty = replace(compiled, record=found[k].record)
            tally.add(kind, f"{compiled.record.subckt} {found[k]}", passed=accepted(faulty))


def table(tally: Tally) -> str:
    """Rows of kind, mutants, killed and rate, and the originals, in Markdown."""
    lines = ["| fault | mutants | killed | rate |", "|---|---|---|---|"]
    for kind in (*KINDS, *MAP_KINDS):
        killed, escaped = tally.killed[kind], len(tally.escaped.get(kind, []))
        rate = f"{100 * killed / (killed + escaped):.2f} %" if killed + escaped else "-"
        lines.append(f"| {kind} | {killed + escaped} | {killed} | {rate} |")
    lines += [
        f"| **all** | {tally.count} | {tally.killed.total()} | {100 * tally.kill_rate:.2f} % |",
        "",
        f"False alarms: {len(tally.accused)} of {tally.originals} originals, of "
        f"{len(tally.variants)} variants (family, form, coupling, inputs).",
        "",
        "Drawn but not counted, because the circuit is provably the same at its ports:",
        "",
    ]
    lines += [f"- {reason} ({n})" for reason, n in sorted(tally.excluded.items())]
    return "\n".join(lines) + "\n"
