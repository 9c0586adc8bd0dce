"""Lines of a netlist as the rules see them: every line is looked at, whatever the others hold.

The reader here is lenient on purpose: `netlist` stops at the first line that it does not
understand, this module notes what is wrong with each. The rules themselves are in `rules`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SMALLEST, LARGEST = 1e-30, 1e30  # magnitudes of a value that is not zero
B_DIGITS = 11  # significant digits that ngspice 39 keeps of a literal in an expression

CARDS = frozenset(
    {".subckt", ".ends", ".ic", ".nodeset", ".model", ".end", ".param", ".options", ".option"}
    | {".save", ".tran", ".op", ".ac", ".noise", ".print", ".temp", ".title", ".global"}
)
ANALYSES = (".tran", ".op", ".ac", ".noise")
# Of a netlist they would change how it is simulated, or, as .options cshunt, what is simulated.
BENCH_CARDS = frozenset(
    {*ANALYSES, ".options", ".option", ".temp", ".save", ".print", ".title", ".nodeset"}
)
OPTION_NAMES = frozenset(
    {"klu", "reltol", "abstol", "vntol", "chgtol", "trtol", "gmin"}
    | {"method", "maxord", "itl1", "itl2", "itl4", "temp", "tnom"}
)
TOLERANCES = frozenset({"reltol", "abstol", "vntol", "chgtol", "trtol", "gmin"})
RESERVED = frozenset({"gnd", "time", "temper", "hertz"})

_NODE = re.compile(r"[a-z][a-z0-9_]*|0")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
REFERENCE = re.compile(r"\b([vi])\s*\(\s*([^()]*?)\s*\)")
_LITERAL = re.compile(r"(?<![a-z0-9_.])(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
# Per element letter: how many of the fields after the name are nodes, and how many fields follow.
LAYOUT = {
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
    "q": (3, 1),
    "m": (4, 1),
    "b": (2, 1),
}
# Elements that no rule below describes: whether a circuit with them is right, others decide.
OTHERS = frozenset("dmqjxtkowyz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line that breaks a rule."""

    rule: str  # N1 .. N11
    line: int  # from 1
    reason: str

    def __str__(self) -> str:
        return f"{self.rule} line {self.line}: {self.reason}"


class Groups:
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
class Deck:
    """What one file holds, by what the rules ask; a dense network's million G leave only names."""

    names: dict[str, str] = field(default_factory=lambda: {})  # lower case -> as written
    nodes: dict[str, tuple[str, int]] = field(default_factory=lambda: {})  # -> as written, line
    cards: list[tuple[int, str, list[str]]] = field(default_factory=lambda: [])
    waiting: list[tuple[int, str, list[str]]] = field(
        default_factory=lambda: []
    )  # until all is read
    paths: Groups = field(default_factory=Groups)  # by elements that define voltages
    held: Groups = field(default_factory=Groups)  # by ideal voltage sources
    ports: set[tuple[str, ...]] = field(default_factory=lambda: set())  # of floating G
    sizes: dict[str, tuple[float, float]] = field(default_factory=lambda: {})  # of R, C, L and G
    findings: list[Finding] = field(default_factory=lambda: [])

    def report(self, rule: str, line: int, reason: str) -> None:
        self.findings.append(Finding(rule=rule, line=line, reason=reason))


def read_lines(text: str, *, included: str | None = None) -> Deck:
    """Every line of a flat netlist, or of a testbench that may include the file `included`."""
    deck = Deck()
    check_characters(deck, text)
    for number, line in written_lines(text):
        if is_silent(deck, number, line):
            continue
        if line.startswith("."):
            _take_card(deck, number, line, included)
        else:
            _take_element(deck, number, line, keep=included is not None)
    return deck


def is_silent(deck: Deck, number: int, line: str) -> bool:
    """Whether a line is a comment or the title; N1 of both."""
    if line.startswith("*"):
        # SPICE runs what follows '*#', and the whole file where the title says *ng_script.
        if line.lstrip("* \t").lower().startswith(("#", "ng_script")):
            deck.report("N1", number, f"comment {line[:40]!r} is a command to ngspice")
    elif number == 1:
        deck.report("N1", number, "SPICE takes the first line for the title, so it is lost")
    return line.startswith("*") or number == 1


def check_characters(deck: Deck, text: str) -> None:
    """N1: printable ASCII."""
    for number, line in enumerate(text.split("\n"), start=1):
        strange = next((c for c in line if not " " <= c <= "~"), None)
        if strange is not None:
            deck.report("N1", number, f"character {strange!r} is not printable ASCII")


def written_lines(text: str) -> Iterator[tuple[int, str]]:
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


def _take_card(deck: Deck, number: int, line: str, included: str | None) -> None:
    tokens = line.split()
    card = tokens[0].lower()
    if card == ".include" and included is not None:
        if line.split(None, 1)[1:] != [included]:
            deck.report("N1", number, f"{line[:60]!r} includes another file than {included}")
    elif card not in CARDS:
        deck.report("N1", number, f"card {tokens[0][:40]!r} is not one that a netlist needs")
    if card == ".subckt":
        for port in tokens[2:]:
            take_node(deck, number, port)
    deck.cards.append((number, card, tokens))


def _take_element(deck: Deck, number: int, line: str, *, keep: bool) -> None:
    written = line.split()
    tokens = [token.lower() for token in written]
    name = tokens[0]
    letter = name[0]
    if letter not in LAYOUT and letter not in OTHERS:
        deck.report("N1", number, f"element {written[0][:40]!r} is of a kind that is not allowed")
        return
    take_name(deck, number, written[0])
    nodes = LAYOUT.get(letter, (0, 0))[0]
    for node in written[1 : 1 + nodes]:
        take_node(deck, number, node)
    if letter == "x":
        deck.waiting.append((number, name, tokens))
        return
    if len(tokens) < 3:
        deck.report("N5", number, f"{name} has no two nodes")
        return
    if len(tokens) > nodes:
        check_value(deck, number, name, tokens)
        connect(deck, number, name, tokens)
    if keep or letter in "fhsb":
        deck.waiting.append((number, name, tokens))


def connect(deck: Deck, line: int, name: str, tokens: list[str]) -> None:
    """N6 and N7, by union of nets.

    A capacitor counts as a path where its voltage at t = 0 is given: it holds a state. A current
    source that its own net controls is a conductance and counts too.
    """
    p, n = tokens[1], tokens[2]
    letter, rest = name[0], "".join(tokens[3:])
    own = {p, n} - {"0"}
    defines = letter in "rlvehs" or letter in OTHERS
    if letter == "c":
        defines = tokens[-1].startswith("ic=")
    elif letter == "g":
        defines = bool(own & set(tokens[3:5]))
        _pair_up(deck, tuple(tokens[1:5]))
    elif letter == "b":
        defines = rest.startswith("v=") or any(f"v({net})" in rest for net in own)
    if letter == "m":  # no current into a gate; channel and junctions join the other three
        deck.paths.join(p, tokens[3])
        deck.paths.join(p, tokens[4])
    elif defines:
        deck.paths.join(p, n)
    if letter == "q":  # both junctions
        deck.paths.join(n, tokens[3])
    ideal = letter in "veh" or (letter == "b" and rest.startswith("v="))
    if ideal and not deck.held.join(p, n):
        deck.report("N7", line, f"{name} closes a loop of ideal voltage sources")


def _pair_up(deck: Deck, port: tuple[str, ...]) -> None:
    """Two G that control each other are a gyrator: each port's voltage is the other's current."""
    if "0" in port or len(port) != 4:
        return
    deck.ports.add(port)
    if (*port[2:], *port[:2]) in deck.ports:
        deck.paths.join(port[0], port[1])
        deck.paths.join(port[2], port[3])


def take_name(deck: Deck, number: int, written: str) -> None:
    """N2 of an element's name, as written."""
    name = written.lower()
    if name in deck.names:
        same = "" if deck.names[name] == written else f" as {deck.names[name]!r}"
        deck.report("N2", number, f"element {written!r} is there already{same}")
    deck.names[name] = written


def take_node(deck: Deck, number: int, node: str) -> None:
    """N2 of a net's name, as written."""
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


def check_value(deck: Deck, line: int, name: str, tokens: list[str]) -> None:
    """N3 to N5 of one element; what it refers to is looked up when all lines are read."""
    letter = name[0]
    if letter == "b":
        check_expression(deck, line, name, " ".join(tokens[3:]))
        return
    if letter not in LAYOUT or (letter in "vi" and "(" in " ".join(tokens)):
        return
    nodes, rest = LAYOUT[letter]
    fields = [token for token in tokens[1:] if "=" not in token and token != "dc"]
    if len(fields) != nodes + rest:
        kind = letter.upper()
        deck.report("N5", line, f"{name} has {len(fields)} fields, a {kind} has {nodes + rest}")
        return
    for token in tokens:
        if token.startswith("ic="):
            check_number(deck, line, name, token[3:])
    value = None if letter in "sqm" else check_number(deck, line, name, fields[-1])
    if value and letter in "rclg":
        low, high = deck.sizes.get(letter, (abs(value), abs(value)))
        deck.sizes[letter] = min(low, abs(value)), max(high, abs(value))
    if value is None or letter not in "rcl":
        return
    marked = letter == "r" and tokens[-1] == "noisy=0"
    if value == 0 or (value < 0 and not marked):
        deck.report("N4", line, f"{name} is {fields[-1]}; it must be positive")


def is_number(token: str) -> bool:
    """Whether it is a plain number, without suffix letters."""
    return _NUMBER.fullmatch(token) is not None


def check_number(deck: Deck, line: int, name: str, token: str) -> float | None:
    """N3; the number, or None where it is none."""
    if not is_number(token):
        deck.report("N3", line, f"{token[:40]!r} of {name} is not a plain number")
        return None
    value = float(token)
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        deck.report("N3", line, f"{token} of {name} is outside {SMALLEST:g} .. {LARGEST:g}")
        return None
    return value


def check_expression(deck: Deck, line: int, name: str, text: str) -> None:
    """N9 and N11 of the expression of a source, such as ``v=tanh(v(z1))``."""
    _, _, expression = text.partition("=")
    for power in ("**", "^", "pow("):
        if power in expression:
            deck.report("N11", line, f"{name} uses {power!r}: ngspice takes x**3 for |x|**3")
    bare = REFERENCE.sub(" ", expression)
    for literal in _LITERAL.findall(bare):
        digits = re.sub(r"e.*", "", literal).replace(".", "").strip("0")
        if len(digits) > B_DIGITS:
            deck.report("N11", line, f"{name} holds {literal}, of which ngspice drops digits")
    if re.search(r"\b(?:time|hertz)\b", bare):
        deck.report("N9", line, f"{name} depends on time; no breakpoint is set")
