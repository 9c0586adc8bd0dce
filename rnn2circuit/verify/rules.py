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
N10   one analysis, known options, saved vectors that exist
N11   no power operator, no literal of more digits than ngspice keeps in expressions
====  =============================================================================
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rnn2circuit.verify.checks import Check, measured

SMALLEST, LARGEST = 1e-30, 1e30  # magnitudes of a value that is not zero
B_DIGITS = 11  # significant digits that ngspice 39 keeps of a literal in an expression

CARDS = frozenset(
    {".subckt", ".ends", ".ic", ".nodeset", ".model", ".end", ".param", ".options", ".option"}
    | {".save", ".tran", ".op", ".ac", ".noise", ".print", ".temp", ".title", ".global"}
)
ANALYSES = (".tran", ".op", ".ac", ".noise")
OPTION_NAMES = frozenset(
    {"klu", "reltol", "abstol", "vntol", "chgtol", "trtol", "gmin"}
    | {"method", "maxord", "itl1", "itl2", "itl4", "temp", "tnom"}
)
RESERVED = frozenset({"gnd", "time", "temper", "hertz"})

_NODE = re.compile(r"[a-z][a-z0-9_]*|0")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
_REFERENCE = re.compile(r"\b([vi])\s*\(\s*([^()]*?)\s*\)")
_LITERAL = re.compile(r"(?<![a-z0-9_.])(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
_SWITCH_MODEL = re.compile(r"\.model\s+(\S+)\s+sw\s+(.*)")
# Per element letter: how many of the fields after the name are nodes, and how many fields follow.
_LAYOUT = {
    "r": (2, 1),
    "c": (2, 1),
    "l": (2, 1),
    "v": (2, 1),
    "i": (2, 1),
    "g": (4, 1),
    "e": (4, 1),
    "f": (2, 2),
    "h": (2, 2),
    "s": (4, 1),
    "b": (2, 1),
}
# Elements that no rule below describes: whether a circuit with them is right, others decide.
_OTHERS = frozenset("dmqjxtkowyz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line that breaks a rule."""

    rule: str  # N1 .. N11
    line: int  # from 1
    reason: str

    def __str__(self) -> str:
        return f"{self.rule} line {self.line}: {self.reason}"


class _Groups:
    """Nets that hang together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, net: str) -> str:
        at = net
        while (above := self._parent.get(at, at)) != at:
            at = above
        self._parent[net] = at
        return at

    def join(self, a: str, b: str) -> bool:
        """Whether a and b were apart before."""
        one, other = self.root(a), self.root(b)
        self._parent[one] = other
        return one != other


@dataclass(slots=True)
class _Deck:
    """What one file holds, by what the rules ask; a dense network's million G leave only names."""

    names: dict[str, str] = field(default_factory=lambda: {})  # lower case -> as written
    nodes: dict[str, tuple[str, int]] = field(default_factory=lambda: {})  # -> as written, line
    cards: list[tuple[int, str, list[str]]] = field(default_factory=lambda: [])
    waiting: list[tuple[int, str, list[str]]] = field(
        default_factory=lambda: []
    )  # until all is read
    paths: _Groups = field(default_factory=_Groups)  # by elements that define voltages
    held: _Groups = field(default_factory=_Groups)  # by ideal voltage sources
    ports: set[tuple[str, ...]] = field(default_factory=lambda: set())  # of floating G
    findings: list[Finding] = field(default_factory=lambda: [])

    def report(self, rule: str, line: int, reason: str) -> None:
        self.findings.append(Finding(rule=rule, line=line, reason=reason))


def netlist_findings(text: str, *, driven: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Lines of a netlist that break a rule, in order of appearance.

    Parameters
    ----------
    driven : sequence of str
        Ports whose voltage comes from outside: inputs and clock.
    """
    deck = _read(text)
    for line, card, _ in deck.cards:
        if card in ANALYSES:
            deck.report("N10", line, f"an analysis, {card}, belongs into the testbench")
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
    return tuple(sorted(deck.findings, key=lambda f: (f.line, f.rule)))


def bench_findings(text: str, *, included: str) -> tuple[Finding, ...]:
    """Lines of a testbench that break a rule; it may include the one file `included`."""
    deck = _read(text, included=included)
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


def check_rules(netlist: str, testbench: str, *, included: str, driven: Sequence[str]) -> Check:
    """Number of lines of both files that break a rule; none may."""
    found = [(included, f) for f in netlist_findings(netlist, driven=driven)]
    found += [("testbench", f) for f in bench_findings(testbench, included=included)]
    shown = [f"{f}" if name == included else f"{name} {f}" for name, f in found[:4]]
    more = [f"{len(found) - 4} more"] if len(found) > 4 else []
    return measured(
        "structure.rules",
        "lines that break a rule of the text, N1 to N11",
        len(found),
        0,
        detail="; ".join([*shown, *more]),
    )


def _read(text: str, *, included: str | None = None) -> _Deck:
    deck = _Deck()
    _check_characters(deck, text)
    for number, line in _lines(text):
        if line.startswith("*"):
            # SPICE runs what follows '*#', and the whole file where the title says *ng_script.
            if line.lstrip("* \t").lower().startswith(("#", "ng_script")):
                deck.report("N1", number, f"comment {line[:40]!r} is a command to ngspice")
        elif number == 1:
            deck.report("N1", number, "SPICE takes the first line for the title, so it is lost")
        elif line.startswith("."):
            _take_card(deck, number, line, included)
        else:
            _take_element(deck, number, line, keep=included is not None)
    return deck


def _check_characters(deck: _Deck, text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        strange = next((c for c in line if not " " <= c <= "~"), None)
        if strange is not None:
            deck.report("N1", number, f"character {strange!r} is not printable ASCII")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as written but for comments at their ends, continuations joined."""
    held, held_number = "", 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line.startswith("*"):
            line = re.split(r";| \$", line, maxsplit=1)[0].strip()
        if not line:
            continue
        if line.startswith("+"):
            held += " " + line[1:]
            continue
        if held:
            yield held_number, held
        held, held_number = line, number
    if held:
        yield held_number, held


def _take_card(deck: _Deck, number: int, line: str, included: str | None) -> None:
    tokens = line.split()
    card = tokens[0].lower()
    if card == ".include" and included is not None:
        if line.split(None, 1)[1:] != [included]:
            deck.report("N1", number, f"{line[:60]!r} includes another file than {included}")
    elif card not in CARDS:
        deck.report("N1", number, f"card {tokens[0][:40]!r} is not one that a netlist needs")
    if card == ".subckt":
        for port in tokens[2:]:
            _take_node(deck, number, port)
    deck.cards.append((number, card, tokens))


def _take_element(deck: _Deck, number: int, line: str, *, keep: bool) -> None:
    written = line.split()
    tokens = [token.lower() for token in written]
    name = tokens[0]
    letter = name[0]
    if letter not in _LAYOUT and letter not in _OTHERS:
        deck.report("N1", number, f"element {written[0][:40]!r} is of a kind that is not allowed")
        return
    if name in deck.names:
        same = "" if deck.names[name] == written[0] else f" as {deck.names[name]!r}"
        deck.report("N2", number, f"element {written[0]!r} is there already{same}")
    deck.names[name] = written[0]
    nodes = _LAYOUT.get(letter, (0, 0))[0]
    for node in written[1 : 1 + nodes]:
        _take_node(deck, number, node)
    if letter == "x":
        deck.waiting.append((number, name, tokens))
        return
    if len(tokens) < 3:
        deck.report("N5", number, f"{name} has no two nodes")
        return
    if len(tokens) > nodes:
        _check_value(deck, number, name, tokens)
        _connect(deck, number, name, tokens)
    if keep or letter in "fhsb":
        deck.waiting.append((number, name, tokens))


def _connect(deck: _Deck, line: int, name: str, tokens: list[str]) -> None:
    """N6 and N7, by union of nets.

    A capacitor counts as a path where its voltage at t = 0 is given: it holds a state. A current
    source that its own net controls is a conductance and counts too.
    """
    p, n = tokens[1], tokens[2]
    letter, rest = name[0], "".join(tokens[3:])
    own = {p, n} - {"0"}
    defines = letter in "rlvehs" or letter in _OTHERS
    if letter == "c":
        defines = tokens[-1].startswith("ic=")
    elif letter == "g":
        defines = bool(own & set(tokens[3:5]))
        _pair_up(deck, tuple(tokens[1:5]))
    elif letter == "b":
        defines = rest.startswith("v=") or any(f"v({net})" in rest for net in own)
    if defines:
        deck.paths.join(p, n)
    ideal = letter in "veh" or (letter == "b" and rest.startswith("v="))
    if ideal and not deck.held.join(p, n):
        deck.report("N7", line, f"{name} closes a loop of ideal voltage sources")


def _pair_up(deck: _Deck, port: tuple[str, ...]) -> None:
    """Two G that control each other are a gyrator: each port's voltage is the other's current."""
    if "0" in port or len(port) != 4:
        return
    deck.ports.add(port)
    if (*port[2:], *port[:2]) in deck.ports:
        deck.paths.join(port[0], port[1])
        deck.paths.join(port[2], port[3])


def _take_node(deck: _Deck, number: int, node: str) -> None:
    lower = node.lower()
    if lower in RESERVED:
        deck.report("N2", number, f"node {node!r} has a name that SPICE keeps for itself")
    elif not _NODE.fullmatch(lower):
        deck.report("N2", number, f"node {node[:40]!r} is not a letter and letters, digits or _")
    elif lower in deck.nodes and deck.nodes[lower][0] != node:
        deck.report(
            "N2",
            number,
            f"node {node!r} appears as {deck.nodes[lower][0]!r} in line {deck.nodes[lower][1]} "
            "(SPICE does not tell cases apart: they are one net)",
        )
    deck.nodes.setdefault(lower, (node, number))


def _switch_models(deck: _Deck) -> set[str]:
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
                _check_number(deck, line, name, token.partition("=")[2])
    return found


def _check_value(deck: _Deck, line: int, name: str, tokens: list[str]) -> None:
    """N3 to N5 of one element; what it refers to is looked up when all lines are read."""
    letter = name[0]
    if letter == "b":
        _check_expression(deck, line, name, " ".join(tokens[3:]))
        return
    if letter not in _LAYOUT or (letter in "vi" and "(" in " ".join(tokens)):
        return
    nodes, rest = _LAYOUT[letter]
    fields = [token for token in tokens[1:] if "=" not in token and token != "dc"]
    if len(fields) != nodes + rest:
        kind = letter.upper()
        deck.report("N5", line, f"{name} has {len(fields)} fields, a {kind} has {nodes + rest}")
        return
    for token in tokens:
        if token.startswith("ic="):
            _check_number(deck, line, name, token[3:])
    value = None if letter == "s" else _check_number(deck, line, name, fields[-1])
    if value is None or letter not in "rcl":
        return
    marked = letter == "r" and tokens[-1] == "noisy=0"
    if value == 0 or (value < 0 and not marked):
        deck.report("N4", line, f"{name} is {fields[-1]}; it must be positive")


def _check_number(deck: _Deck, line: int, name: str, token: str) -> float | None:
    if not _NUMBER.fullmatch(token):
        deck.report("N3", line, f"{token[:40]!r} of {name} is not a plain number")
        return None
    value = float(token)
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        deck.report("N3", line, f"{token} of {name} is outside {SMALLEST:g} .. {LARGEST:g}")
        return None
    return value


def _check_expression(deck: _Deck, line: int, name: str, text: str) -> None:
    _, _, expression = text.partition("=")
    for power in ("**", "^", "pow("):
        if power in expression:
            deck.report("N11", line, f"{name} uses {power!r}: ngspice takes x**3 for |x|**3")
    bare = _REFERENCE.sub(" ", expression)
    for literal in _LITERAL.findall(bare):
        digits = re.sub(r"e.*", "", literal).replace(".", "").strip("0")
        if len(digits) > B_DIGITS:
            deck.report("N11", line, f"{name} holds {literal}, of which ngspice drops digits")
    if re.search(r"\b(?:time|temper|hertz)\b", bare):
        deck.report("N9", line, f"{name} depends on time or temperature; no breakpoint is set")


def _check_references(
    deck: _Deck, line: int, name: str, tokens: list[str], models: set[str]
) -> None:
    """N5 of what an element listens to."""
    letter, missing = name[0], ""
    if letter == "s" and len(tokens) == 6 and tokens[5] not in models:
        missing = f"model {tokens[5]!r}"
    elif letter in "fh" and len(tokens) == 5 and tokens[3] not in deck.names:
        missing = repr(tokens[3])
    elif letter == "b":
        for kind, target in _REFERENCE.findall(" ".join(tokens[3:])):
            parts = [part.strip() for part in target.split(",")] if kind == "v" else [target]
            known = {"0", *deck.nodes} if kind == "v" else deck.names
            missing = next((f"{kind}({part})" for part in parts if part not in known), missing)
    if missing:
        deck.report("N5", line, f"{name} refers to {missing}, which does not exist")


def _check_initial(deck: _Deck) -> None:
    for line, card, tokens in deck.cards:
        for node in re.findall(r"v\(([^()]*)\)", " ".join(tokens).lower()) if card == ".ic" else ():
            if node not in deck.nodes:
                deck.report("N5", line, f".ic for {node!r}, which does not exist: ignored")


def _check_pwl(deck: _Deck, line: int, name: str, text: str) -> None:
    numbers = text.removeprefix("pwl(").rstrip(") ").split()
    values = [_check_number(deck, line, name, token) for token in numbers]
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


def _check_options(deck: _Deck) -> None:
    for line, card, tokens in deck.cards:
        for token in tokens[1:] if card in (".options", ".option") else ():
            option = token.partition("=")[0].lower()
            if option not in OPTION_NAMES:
                deck.report(
                    "N10", line, f"option {option[:40]!r} is not one that is known: ignored"
                )


def _check_saved(deck: _Deck, known: set[str]) -> None:
    for line, card, tokens in deck.cards:
        text = " ".join(tokens).lower() if card == ".save" else ""
        for kind, node in _REFERENCE.findall(text):
            if kind == "v" and node not in known:
                deck.report("N10", line, f".save of v({node}), which does not exist: dropped")
