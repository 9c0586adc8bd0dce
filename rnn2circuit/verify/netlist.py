"""Netlist text to elements, by the rules of SPICE and not by the habits of any writer.

Reads one ``.subckt`` (or a deck without one); instances of further subcircuits and parameters are
unfolded first. Whatever a simulator might read differently from how it looks is refused: suffix
letters, missing values, repeated names, executable comments, control blocks, included files. What
is refused cannot be verified, and says so with its line.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.definitions import read_deck
from rnn2circuit.verify.flatten import FlatLine, flatten, top_definition
from rnn2circuit.verify.lines import logical_lines

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
_NODE = re.compile(r"[a-z0-9_.]+")
_IC = re.compile(r"v\s*\(\s*([^()\s]+)\s*\)\s*=\s*(\S+)")
_SOURCE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+([vi])\s*=\s*(.+)")
IGNORED = frozenset(
    {".options", ".option", ".save", ".tran", ".op", ".print", ".temp", ".title", ".global"}
)
# A line of what has to be unfolded: an instance, a parameter, an expression for a value.
_UNFOLDED = re.compile(
    r"^[ \t]*(?:x|\.param|\.global|\.subckt[^\n]*=)|^(?![ \t]*\*)[^\n]*[{']",
    re.MULTILINE | re.IGNORECASE,
)
_DEFINED = re.compile(r"^[ \t]*\.subckt", re.MULTILINE | re.IGNORECASE)
GROUND = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchModel:
    """A voltage-controlled switch: on above ``vt + vh``, off below ``vt - vh``."""

    vt: float  # V
    vh: float  # V
    ron: float  # ohm
    roff: float  # ohm


@dataclass(slots=True, kw_only=True)
class Netlist:
    """Elements by kind; nodes are numbers, ground is -1.

    The lists hold, per element: name, terminals, and its value or controlling element.
    """

    subckt: str | None = None
    ports: tuple[str, ...] = ()
    nodes: dict[str, int] = field(default_factory=lambda: {})
    names: set[str] = field(default_factory=lambda: set())
    r: list[tuple[str, int, int, float]] = field(default_factory=lambda: [])
    c: list[tuple[str, int, int, float, float | None]] = field(default_factory=lambda: [])
    l: list[tuple[str, int, int, float, float | None]] = field(default_factory=lambda: [])
    v: list[tuple[str, int, int, float]] = field(default_factory=lambda: [])
    i: list[tuple[str, int, int, float]] = field(default_factory=lambda: [])
    g: list[tuple[str, int, int, int, int, float]] = field(default_factory=lambda: [])
    e: list[tuple[str, int, int, int, int, float]] = field(default_factory=lambda: [])
    f: list[tuple[str, int, int, str, float]] = field(default_factory=lambda: [])
    h: list[tuple[str, int, int, str, float]] = field(default_factory=lambda: [])
    b: list[tuple[str, int, int, str, str]] = field(default_factory=lambda: [])
    s: list[tuple[str, int, int, int, int, str]] = field(default_factory=lambda: [])
    nullors: list[tuple[str, int, int, int]] = field(default_factory=lambda: [])
    # Instances of known parts: name, nets of the two supply pins, arguments.
    parts: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=lambda: [])
    switch_models: dict[str, SwitchModel] = field(default_factory=lambda: {})
    initial: dict[str, float] = field(default_factory=lambda: {})

    def node(self, name: str) -> int:
        """Number of a node, new if need be."""
        if name in ("0", "gnd"):
            return GROUND
        if name not in self.nodes:
            if not _NODE.fullmatch(name):
                raise UnverifiableError(f"node name {name!r} is not plain letters and digits")
            self.nodes[name] = len(self.nodes)
        return self.nodes[name]

    def counts(self) -> dict[str, int]:
        """Number of elements by SPICE letter, where there are any."""
        return {k: len(getattr(self, k)) for k in "rclviegfhbs" if getattr(self, k)}


def has_subcircuits(text: str) -> bool:
    """Whether something has to be unfolded: instances, parameters, or several definitions."""
    return _UNFOLDED.search(text) is not None or len(_DEFINED.findall(text)) > 1


def flat_lines(
    text: str, subckt: str | None = None, *, keep: frozenset[str] = frozenset()
) -> tuple[str | None, tuple[str, ...], Iterator[FlatLine]]:
    """Name and ports of the circuit, and its elements with all subcircuits unfolded.

    Raises
    ------
    UnverifiableError
        If something is not understood exactly; of the elements, when they are asked for.
    """
    deck = read_deck(logical_lines(text), ignored=IGNORED)
    top = top_definition(deck, subckt)
    return top.name or None, top.ports, flatten(deck, top, keep=keep)


def read_netlist(
    text: str,
    *,
    subckt: str | None = None,
    known: frozenset[str] = frozenset(),
    place: Callable[[Netlist, str], None] | None = None,
) -> Netlist:
    """Read a netlist.

    Parameters
    ----------
    subckt : str, optional
        Which subcircuit of several is the circuit; else the only one that no other uses.
    known : set of str
        Subcircuits that are not unfolded: `place` puts what they stand for into the netlist.

    Raises
    ------
    UnverifiableError
        If a line is not understood exactly; the message names line and reason.
    """
    if not text.isascii():
        raise UnverifiableError(
            "the netlist holds characters outside ASCII, which simulators alter"
        )
    unfold = has_subcircuits(text)
    netlist = _unfolded(text, subckt, known, place) if unfold else _as_written(text)
    _check_references(netlist)
    return netlist


def _unfolded(
    text: str,
    subckt: str | None,
    known: frozenset[str],
    place: Callable[[Netlist, str], None] | None,
) -> Netlist:
    name, ports, lines = flat_lines(text, subckt, keep=known)
    netlist = Netlist(subckt=name, ports=ports)
    for port in ports:
        netlist.node(port)
    reader = _Reader(netlist)
    for line in lines:
        try:
            if place is not None and line.text[0] == "x":
                place(netlist, line.text)
            else:
                reader.take(line.text)
        except UnverifiableError as error:
            raise UnverifiableError(f"{line.place}: {error}") from error
    return netlist


def _as_written(text: str) -> Netlist:
    """A flat file, line by line: a dense network has a million of them."""
    netlist = Netlist()
    reader = _Reader(netlist)
    for number, line in logical_lines(text):
        try:
            reader.take(line)
        except UnverifiableError as error:
            raise UnverifiableError(f"line {number}: {error}") from error
    if reader.inside:
        raise UnverifiableError(f"subcircuit {netlist.subckt!r} has no .ends")
    return netlist


class _Reader:
    """Where in the file we are: cards open and close what elements belong to."""

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        self.inside = False
        self.closed = False
        self.ended = False

    def take(self, line: str) -> None:
        if self.ended:
            raise UnverifiableError("text after .end")
        if line[0] != ".":
            self._check_inside(line)
            _element(self.netlist, line)
            return
        card = line.split(None, 1)[0]
        match card:
            case ".subckt":
                _open_subckt(self.netlist, line)
                self.inside = True
            case ".ends":
                if not self.inside:
                    raise UnverifiableError(".ends without .subckt")
                self.inside, self.closed = False, True
            case ".ic":
                self._check_inside(line)
                _initial_conditions(self.netlist, line)
            case ".model":
                _switch_model(self.netlist, line)
            case ".end":
                self.ended = True
            case _ if card in IGNORED:
                return
            case _:
                raise UnverifiableError(f"card {card!r} is not one the extractor understands")

    def _check_inside(self, line: str) -> None:
        if self.closed:
            raise UnverifiableError(
                f"{line[:60]!r} stands outside of subcircuit {self.netlist.subckt!r}"
            )


def _element(netlist: Netlist, line: str) -> None:
    tokens = line.split()
    name = tokens[0]
    if name in netlist.names:
        raise UnverifiableError(f"element {name!r} is there twice")
    netlist.names.add(name)
    reader = _READERS.get(name[0])
    if reader is None:
        raise UnverifiableError(f"element {name!r} is of a kind the extractor does not understand")
    reader(netlist, name, tokens, line)


def _controlled_by_voltage(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    _expect(tokens, 6, line)
    _, p, m, cp, cn, value = tokens
    row = (name, n.node(p), n.node(m), n.node(cp), n.node(cn), number_of(value))
    (n.g if name[0] == "g" else n.e).append(row)


def _controlled_by_current(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    _expect(tokens, 5, line)
    _, p, m, source, value = tokens
    row = (name, n.node(p), n.node(m), source, number_of(value))
    (n.f if name[0] == "f" else n.h).append(row)


def _resistor(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    if len(tokens) == 5 and tokens[4] == "noisy=0":
        tokens = tokens[:4]
    if len(tokens) == 5 and tokens[4].startswith("tc1="):
        number_of(tokens[4][4:])  # a drift from 27 degrees, at which circuits are read
        tokens = tokens[:4]
    _expect(tokens, 4, line)
    value = number_of(tokens[3])
    if value == 0:
        raise UnverifiableError(f"{name} is 0 ohm, of which ngspice silently makes 1 mohm")
    n.r.append((name, n.node(tokens[1]), n.node(tokens[2]), value))


def _reactive(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    start = None
    if len(tokens) == 5 and tokens[4].startswith("ic="):
        start = number_of(tokens[4][3:])
        tokens = tokens[:4]
    _expect(tokens, 4, line)
    value = number_of(tokens[3])
    if value <= 0:
        raise UnverifiableError(f"{name} must be positive, got {tokens[3]}")
    row = (name, n.node(tokens[1]), n.node(tokens[2]), value, start)
    (n.c if name[0] == "c" else n.l).append(row)


def _independent(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    if len(tokens) == 5 and tokens[3] == "dc":
        tokens = [*tokens[:3], tokens[4]]
    _expect(tokens, 4, line)
    row = (name, n.node(tokens[1]), n.node(tokens[2]), number_of(tokens[3]))
    (n.v if name[0] == "v" else n.i).append(row)


def _behavioural(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    match = _SOURCE.fullmatch(line)
    if match is None:
        raise UnverifiableError(f"{line[:60]!r} is not of the form 'bNAME n1 n2 v|i=expression'")
    n.b.append((name, n.node(match[2]), n.node(match[3]), match[4], match[5]))


def _switch(n: Netlist, name: str, tokens: list[str], line: str) -> None:
    _expect(tokens, 6, line)
    _, p, m, cp, cn, model = tokens
    n.s.append((name, n.node(p), n.node(m), n.node(cp), n.node(cn), model))


def _switch_model(n: Netlist, line: str) -> None:
    tokens = line.split()
    if len(tokens) != 7 or tokens[2] != "sw":
        raise UnverifiableError(
            f"{line[:60]!r} is not '.model NAME sw vt=.. vh=.. ron=.. roff=..', the one kind of "
            "model that the extractor understands"
        )
    values: dict[str, float] = {}
    for token in tokens[3:]:
        key, _, value = token.partition("=")
        values[key] = number_of(value)
    if sorted(values) != ["roff", "ron", "vh", "vt"]:
        raise UnverifiableError(f"switch model {tokens[1]!r} needs vt, vh, ron and roff, each once")
    found = SwitchModel(**values)
    if tokens[1] in n.switch_models:
        raise UnverifiableError(f"model {tokens[1]!r} is there twice")
    if min(found.vh, found.ron, found.roff) <= 0:
        raise UnverifiableError(f"vh, ron and roff of model {tokens[1]!r} must be positive")
    n.switch_models[tokens[1]] = found


_READERS: dict[str, Callable[[Netlist, str, list[str], str], None]] = {
    "g": _controlled_by_voltage,
    "e": _controlled_by_voltage,
    "f": _controlled_by_current,
    "h": _controlled_by_current,
    "r": _resistor,
    "c": _reactive,
    "l": _reactive,
    "v": _independent,
    "i": _independent,
    "b": _behavioural,
    "s": _switch,
}


def number_of(token: str) -> float:
    """A plain number; suffix letters, ``nan`` and ``1e400`` are refused."""
    if not _NUMBER.fullmatch(token):
        raise UnverifiableError(f"{token!r} is not a plain number")
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise UnverifiableError(f"{token!r} does not fit a float64")
    return value


def _expect(tokens: list[str], count: int, line: str) -> None:
    if len(tokens) != count:
        raise UnverifiableError(f"{line[:60]!r} has {len(tokens)} fields, expected {count}")


def _open_subckt(netlist: Netlist, line: str) -> None:
    tokens = line.split()
    if netlist.names or netlist.initial:
        raise UnverifiableError("what stands before this line is outside of the subcircuit")
    if len(tokens) < 2:
        raise UnverifiableError(".subckt without a name")
    netlist.subckt, netlist.ports = tokens[1], tuple(tokens[2:])
    if len(set(netlist.ports)) != len(netlist.ports):
        raise UnverifiableError("two ports of the subcircuit have one name")
    for port in netlist.ports:
        netlist.node(port)


def _initial_conditions(netlist: Netlist, line: str) -> None:
    body = line[len(".ic") :]
    rest = _IC.sub("", body).strip()
    found = _IC.findall(body)
    if rest or not found:
        raise UnverifiableError(f"{line[:60]!r} is not a list of v(node)=value")
    for node, value in found:
        if node in netlist.initial:
            raise UnverifiableError(f"two initial conditions for node {node!r}")
        netlist.initial[node] = number_of(value)


def _check_references(netlist: Netlist) -> None:
    sources = {row[0] for row in (*netlist.v, *netlist.e, *netlist.h)}
    sources |= {row[0] for row in netlist.b if row[3] == "v"}
    for name, _, _, source, _ in (*netlist.f, *netlist.h):
        if source not in sources:
            raise UnverifiableError(f"{name}: there is no voltage source {source!r} to listen to")
    for name, *_, model in netlist.s:
        if model not in netlist.switch_models:
            raise UnverifiableError(f"{name}: there is no switch model {model!r}")
    for node in netlist.initial:
        if node not in netlist.nodes:
            raise UnverifiableError(f".ic for node {node!r}, which does not exist")
