"""Rules that the text of a netlist must keep, whatever equations it holds.

Each rule stands for a way in which a simulator silently reads something other than what is
written, or does something other than simulate. A finding names rule, line and reason. The reader
here is lenient on purpose: `netlist` stops at the first line it does not understand, this module
looks at every line.

====  =============================================================================
N1    printable ASCII; known cards and elements; no comment that is a command
N2    names unique without regard to case; plain node names, none reserved
N3    plain finite numbers of a magnitude that fits, without suffix letters
N4    no zero or negative component, but for a resistor marked ``noisy=0``
N5    as many fields as the element has; what it refers to exists, once
N6    every net has a path to ground on which its voltage is defined
N7    no loop of ideal voltage sources
N8    inputs: PWL in pairs, from 0, strictly increasing
N9    no time in an expression: no simulator sets a breakpoint there
N10   one analysis, known options, tolerances above 0, saved vectors that exist
N11   no power operator, no literal of more digits than ngspice keeps in expressions
N12   sizes and spread of R, C, L and gm: told, and no fault
====  =============================================================================
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rnn2circuit.verify.checks import Check, measured
from rnn2circuit.verify.netlist import has_subcircuits
from rnn2circuit.verify.rule_lines import (
    ANALYSES,
    BENCH_CARDS,
    OPTION_NAMES,
    REFERENCE,
    TOLERANCES,
    Deck,
    Finding,
    check_number,
    is_number,
    read_lines,
)
from rnn2circuit.verify.rule_scopes import read_scopes

WIDE = 1e4  # ratio of values of one kind above which a reader is warned
_KINDS = (("r", "R", "ohm"), ("c", "C", "F"), ("l", "L", "H"), ("g", "gm", "S"))
_SWITCH_MODEL = re.compile(r"\.model\s+(\S+)\s+sw\s+(.*)")


def netlist_findings(
    text: str, *, driven: Sequence[str] = (), subckt: str | None = None
) -> tuple[Finding, ...]:
    """Lines of a netlist that break a rule, in order of appearance.

    Parameters
    ----------
    driven : sequence of str
        Ports whose voltage comes from outside: inputs and clock.
    subckt : str, optional
        Which subcircuit of several is the circuit; else the only one that no other uses.
    """
    return _judged(text, driven, subckt)[0]


def _judged(
    text: str, driven: Sequence[str], subckt: str | None
) -> tuple[tuple[Finding, ...], dict[str, tuple[float, float]]]:
    """Findings on a netlist, and the smallest and largest value of each kind."""
    deck = read_scopes(text, subckt) if has_subcircuits(text) else read_lines(text)
    for line, card, _ in deck.cards:
        if card in BENCH_CARDS:
            what = "an analysis" if card in ANALYSES else "what a simulation is told"
            deck.report("N10", line, f"{what}, {card}, belongs into the testbench")
    for port in driven:
        deck.paths.join(port, "0")
    models = _switch_models(deck)
    for line, name, tokens in deck.waiting:
        _check_references(deck, line, name, tokens, models)
    _check_initial(deck)
    ground = deck.paths.root("0")
    for node, (written, line) in deck.nodes.items():
        if deck.paths.root(node) != ground:
            deck.report("N6", line, f"net {written!r} has no path to ground: its voltage floats")
    return tuple(sorted(deck.findings, key=lambda f: (f.line, f.rule))), deck.sizes


def bench_findings(text: str, *, included: str) -> tuple[Finding, ...]:
    """Lines of a testbench that break a rule; it may include the one file `included`."""
    deck = read_lines(text, included=included)
    saved = {"0"}
    for line, name, tokens in deck.waiting:
        rest = " ".join(tokens[3:])
        if name[0] == "v" and rest.startswith("pwl("):
            _check_pwl(deck, line, name, rest)
        elif name[0] == "x":
            saved |= set(tokens[1:-1])
        elif name[0] not in "vi":
            deck.report("N10", line, f"{name} is part of the circuit and belongs into the netlist")
    analyses = [row for row in deck.cards if row[1] in ANALYSES]
    if len(analyses) != 1:
        line = analyses[1][0] if analyses else 1
        deck.report("N10", line, f"a testbench has one analysis, got {len(analyses)}")
    _check_options(deck)
    _check_saved(deck, saved | set(deck.nodes))
    return tuple(sorted(deck.findings, key=lambda f: (f.line, f.rule)))


def check_rules(
    netlist: str,
    testbench: str,
    *,
    included: str,
    driven: Sequence[str],
    subckt: str | None = None,
) -> Check:
    """Number of lines of both files that break a rule; none may.

    The detail names the first of them, or says how large and how far apart the values are.
    """
    findings, sizes = _judged(netlist, driven, subckt)
    found = [(included, f) for f in findings]
    found += [("testbench", f) for f in bench_findings(testbench, included=included)]
    shown = [f"{f}" if name == included else f"{name} {f}" for name, f in found[:4]]
    more = [f"{len(found) - 4} more"] if len(found) > 4 else []
    return measured(
        "structure.rules",
        "lines that break a rule of the text, N1 to N11",
        len(found),
        0,
        detail="; ".join([*shown, *more]) if found else describe_sizes(sizes),
    )


def describe_sizes(sizes: Mapping[str, tuple[float, float]]) -> str:
    """N12: smallest and largest value of each kind, and their ratio."""
    told = [
        f"{what} {low:.3g} to {high:.3g} {unit} ({high / low:.3g} : 1)"
        for letter, what, unit in _KINDS
        for low, high in [sizes.get(letter, (0.0, 0.0))]
        if low
    ]
    if not told:
        return ""
    wide = [what for letter, what, _ in _KINDS if letter in sizes and _ratio(sizes[letter]) > WIDE]
    warning = f"; more than {WIDE:g} : 1 of {' and '.join(wide)} is hard to build" if wide else ""
    return f"N12 sizes of values: {', '.join(told)}{warning}"


def _ratio(extent: tuple[float, float]) -> float:
    return extent[1] / extent[0]


def _switch_models(deck: Deck) -> set[str]:
    found: set[str] = set()
    for line, card, tokens in deck.cards:
        if card != ".model":
            continue
        match = _SWITCH_MODEL.fullmatch(" ".join(tokens).lower())
        name = tokens[1].lower() if len(tokens) > 1 else ""
        if name in found:
            deck.report("N5", line, f"model {name!r} is there twice; the first silently wins")
        found.add(name)
        if match is not None:
            for token in match[2].split():
                check_number(deck, line, name, token.partition("=")[2])
    return found


def _check_references(
    deck: Deck, line: int, name: str, tokens: list[str], models: set[str]
) -> None:
    """N5 of what an element listens to."""
    letter, missing = name[0], ""
    if letter == "s" and len(tokens) == 6 and tokens[5] not in models:
        missing = f"model {tokens[5]!r}"
    elif letter in "fh" and len(tokens) == 5 and tokens[3] not in deck.names:
        missing = repr(tokens[3])
    elif letter == "b":
        for kind, target in REFERENCE.findall(" ".join(tokens[3:])):
            parts = [part.strip() for part in target.split(",")] if kind == "v" else [target]
            known = {"0", *deck.nodes} if kind == "v" else deck.names
            missing = next((f"{kind}({part})" for part in parts if part not in known), missing)
    if missing:
        deck.report("N5", line, f"{name} refers to {missing}, which does not exist")


def _check_initial(deck: Deck) -> None:
    for line, card, tokens in deck.cards:
        for node in re.findall(r"v\(([^()]*)\)", " ".join(tokens).lower()) if card == ".ic" else ():
            if node not in deck.nodes:
                deck.report("N5", line, f".ic for {node!r}, which does not exist: ignored")


def _check_pwl(deck: Deck, line: int, name: str, text: str) -> None:
    numbers = text.removeprefix("pwl(").rstrip(") ").split()
    values = [check_number(deck, line, name, token) for token in numbers]
    if len(values) % 2:
        deck.report("N8", line, f"{name} has {len(values)} numbers, not pairs of time and volts")
        return
    times = [v for v in values[::2] if v is not None]
    if times and times[0] != 0:
        deck.report("N8", line, f"{name} starts at {times[0]!r} s, not at 0")
    for before, after in pairwise(times):
        if after <= before:
            deck.report("N8", line, f"{name} goes from {before!r} s to {after!r} s")
            return


def _check_options(deck: Deck) -> None:
    for line, card, tokens in deck.cards:
        for token in tokens[1:] if card in (".options", ".option") else ():
            option, _, value = token.lower().partition("=")
            if option not in OPTION_NAMES:
                deck.report(
                    "N10", line, f"option {option[:40]!r} is not one that is known: ignored"
                )
            elif option in TOLERANCES and not _is_positive(value):
                deck.report("N10", line, f"{option} is {value[:40]!r}; a tolerance is positive")


def _is_positive(text: str) -> bool:
    return is_number(text) and float(text) > 0


def _check_saved(deck: Deck, known: set[str]) -> None:
    for line, card, tokens in deck.cards:
        text = " ".join(tokens).lower() if card == ".save" else ""
        for kind, node in REFERENCE.findall(text):
            if kind == "v" and node not in known:
                deck.report("N10", line, f".save of v({node}), which does not exist: dropped")
