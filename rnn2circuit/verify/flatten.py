"""Subcircuits and parameters unfolded: a netlist as one flat list of elements.

Names are those that ngspice gives: ``r1`` of the instance ``x2`` within ``x1`` is ``r.x1.x2.r1``,
its net ``mid`` is ``x1.x2.mid``. Ground and the nets of ``.global`` are the same everywhere, all
other nets belong to their instance.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.definitions import (
    DEEPEST,
    Deck,
    Definition,
    ExpansionError,
    TooMuchError,
    split_fields,
)
from rnn2circuit.verify.expression import split_references
from rnn2circuit.verify.parameters import Scope, assignments, unquoted, words

MOST_LINES = 2_000_000  # elements after unfolding
MOST_INSTANCES = 100_000

# Fields after the name: nets, and names of other elements ("e") or of models ("m").
_LAYOUT = {
    **dict.fromkeys("rclvib", "nn"),
    **dict.fromkeys("ge", "nnnn"),
    **dict.fromkeys("fh", "nne"),
    "s": "nnnnm",
    "q": "nnnm",
    "m": "nnnnm",
}
_IC = re.compile(r"v\s*\(\s*([^()\s]+)\s*\)\s*=")
_GROUND = ("0", "gnd")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatLine:
    """An element or card in terms of the whole circuit, and where it comes from."""

    number: int  # of the line that says so
    instance: str  # path of the instance, such as "x1.x2"; empty outermost
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        if not self.instance:
            return f"line {self.number}"
        return f"line {self.number}, in instance {self.instance}"


@dataclass(slots=True, kw_only=True, eq=False)
class _Instance:
    definition: Definition
    scope: Scope
    path: str
    caller: "_Instance | None"
    nets: dict[str, str]  # port -> net of the whole circuit


def top_definition(deck: Deck, name: str | None) -> Definition:
    """The definition that is the circuit: of that name; else the file, or its only subcircuit.

    Raises
    ------
    UnverifiableError
        If there is none, or elements stand outside of it, or more than one could be meant.
    """
    file = deck.file
    if name is None and all(line.startswith(".model") for _, line in file.lines):
        used = {_called(line) for d in _all(file) for _, line in d.lines if line[0] == "x"}
        free = [key for key in file.inner if key not in used]
        if len(free) > 1:
            raise UnverifiableError(f"which of the subcircuits {', '.join(free)} is the circuit?")
        name = free[0] if free else None
    if name is None:
        return file
    if name not in file.inner:
        raise UnverifiableError(f"the file defines no subcircuit {name!r}")
    outside = [row for row in file.lines if not row[1].startswith(".model")]
    if outside:
        number, line = outside[0]
        raise UnverifiableError(
            f"line {number}: {line[:60]!r} stands outside of subcircuit {name!r}"
        )
    return file.inner[name]


def flatten(
    deck: Deck, top: Definition, *, keep: frozenset[str] = frozenset()
) -> Iterator[FlatLine]:
    """Elements and cards of the whole circuit.

    Parameters
    ----------
    top : Definition
        What to unfold, by `top_definition`; its ports keep their names.
    keep : set of str
        Subcircuits whose instances stay as they are, with nets and values of the whole circuit:
        for who knows what they do.

    Raises
    ------
    ExpansionError
        If an instance or a parameter is not understood exactly, or unfolding does not end.
    """
    outermost = Scope({k: (v, None) for k, v in deck.file.parameters.items()}, None)
    scope = outermost if top is deck.file else _scope(top, {}, outermost)
    root = _Instance(definition=top, scope=scope, path="", caller=None, nets={})
    clash = sorted(deck.global_nets & {port for d in _all(deck.file) for port in d.ports})
    if clash:
        raise ExpansionError(
            f"net {clash[0]!r} is global and a port of a subcircuit; simulators differ in which "
            "one it is",
            line=1,
        )
    if top is not deck.file:  # what stands beside it are models, by `top_definition`
        around = _Instance(definition=deck.file, scope=outermost, path="", caller=None, nets={})
        yield from _Flattener(deck, keep).lines(around)
    yield from _Flattener(deck, keep).lines(root)


def _scope(definition: Definition, given: dict[str, str], caller: Scope) -> Scope:
    own: dict[str, tuple[str, Scope | None]] = {
        name: (text, None)
        for name, text in {**definition.arguments, **definition.parameters}.items()
    }
    own |= {name: (text, caller) for name, text in given.items()}
    return Scope(own, caller)


class _Flattener:
    """Counts what it unfolds, so that no file can ask for more than there is memory."""

    def __init__(self, deck: Deck, keep: frozenset[str]) -> None:
        self.global_nets, self.keep = deck.global_nets, keep
        self.count = self.instances = 0

    def lines(self, at: _Instance, depth: int = 0) -> Iterator[FlatLine]:
        for number, line in at.definition.lines:
            name, text, inner = line.split(None, 1)[0], "", None
            try:
                if name[0] == "x" and _called(line) not in self.keep:
                    inner = self._instance(at, name, line, depth)
                else:
                    text = self._line(at, name, line)
            except UnverifiableError as error:
                place = FlatLine(number=number, instance=at.path, text="").place
                fault = not isinstance(error, TooMuchError)
                raise ExpansionError(f"{place}: {error}", line=number, is_fault=fault) from error
            if inner is not None:
                yield from self.lines(inner, depth + 1)
                continue
            self.count += 1
            if self.count > MOST_LINES:
                raise ExpansionError(
                    f"line {number}: unfolds to more than {MOST_LINES} elements",
                    line=number,
                    is_fault=False,
                )
            yield FlatLine(number=number, instance=at.path, text=text)

    def _instance(self, at: _Instance, name: str, line: str, depth: int) -> _Instance:
        self.instances += 1
        if self.instances > MOST_INSTANCES or depth >= DEEPEST:
            raise TooMuchError(
                f"{name}: more than {MOST_INSTANCES} instances, or {DEEPEST} within one another"
            )
        nets, subckt, given = self._instance_fields(at, name, line)
        definition = at.definition.named(subckt)
        if definition is None:
            raise UnverifiableError(f"{name}: there is no subcircuit {subckt!r}")
        if len(nets) != len(definition.ports):
            raise UnverifiableError(
                f"{name} has {len(nets)} nets, subcircuit {subckt!r} of line {definition.number} "
                f"has {len(definition.ports)} ports"
            )
        unknown = sorted(set(given) - set(definition.arguments))
        if unknown:
            raise UnverifiableError(f"{name}: subcircuit {subckt!r} has no argument {unknown[0]!r}")
        return _Instance(
            definition=definition,
            scope=_scope(definition, given, at.scope),
            path=_joined(at.path, name),
            caller=at,
            nets=dict(zip(definition.ports, nets, strict=True)),
        )

    def _instance_fields(
        self, at: _Instance, name: str, line: str
    ) -> tuple[list[str], str, dict[str, str]]:
        before, given = split_fields(words(line)[1:])
        if not before:
            raise UnverifiableError(f"{name} names no subcircuit")
        *nets, subckt = before
        self._plain(at, name, before)
        return [self._net(at, net) for net in nets], subckt, dict(assignments(given, name))

    def _line(self, at: _Instance, name: str, line: str) -> str:
        match name[0]:
            case "x":
                nets, subckt, given = self._instance_fields(at, name, line)
                values = [
                    f"{key}={at.scope.value(unquoted(text))!r}" for key, text in given.items()
                ]
                return " ".join([_joined(at.path, name), *nets, subckt, *values])
            case "b":
                return self._source(at, name, line)
            case ".":
                return self._card(at, name, at.scope.substituted(line))
            case _:
                return self._element_line(at, name, line)

    def _element_line(self, at: _Instance, name: str, line: str) -> str:
        fields = at.scope.substituted(line).split()
        layout = _LAYOUT.get(name[0], "")
        self._plain(at, name, fields[1 : 1 + len(layout)])
        mapped = [self._field(at, kind, f) for kind, f in zip(layout, fields[1:], strict=False)]
        return " ".join([_element(at.path, name), *mapped, *fields[1 + len(mapped) :]])

    def _field(self, at: _Instance, kind: str, field: str) -> str:
        match kind:
            case "n":
                return self._net(at, field)
            case "e":
                return _element(at.path, field)
            case _:
                return self._model(at, field)

    def _net(self, at: _Instance, net: str) -> str:
        if net in _GROUND:
            return "0"
        if net in self.global_nets:
            return net
        return at.nets.get(net) or _joined(at.path, net)

    def _model(self, at: _Instance, name: str) -> str:
        """The model that a definition sees: its own, or one of those around it."""
        definition: Definition | None = at.definition
        while definition is not None and name not in definition.models:
            definition = definition.parent
        if definition is None:
            raise UnverifiableError(f"there is no model {name!r} that is seen from here")
        holder: _Instance | None = at
        while holder is not None and holder.definition is not definition:
            holder = holder.caller
        return _joined(holder.path if holder is not None else "", name)

    def _source(self, at: _Instance, name: str, line: str) -> str:
        before, equals, expression = line.partition("=")
        fields = before.split()
        self._plain(at, name, fields[1:3])
        text, references = split_references(expression)
        text = at.scope.in_source(text)
        shown = [
            f"v({self._net(at, r.name)})" if r.kind == "v" else f"i({_element(at.path, r.name)})"
            for r in references
        ]
        text = re.sub(r"@(\d+)", lambda match: shown[int(match[1])], text)
        nets = [self._net(at, net) for net in fields[1:3]]
        return " ".join([_element(at.path, name), *nets, *fields[3:]]) + equals + text

    def _card(self, at: _Instance, card: str, line: str) -> str:
        if card == ".model":
            fields = line.split()
            return " ".join([card, *(_joined(at.path, f) for f in fields[1:2]), *fields[2:]])
        return _IC.sub(lambda match: f"v({self._net(at, match[1])})=", line)

    def _plain(self, at: _Instance, name: str, fields: list[str]) -> None:
        """No field that is a name is also a parameter: ngspice would put its value there."""
        if at.scope.is_empty:
            return
        for field in fields:
            if at.scope.sees(field):
                raise UnverifiableError(
                    f"{name}: {field!r} is a parameter, and ngspice may put its value here"
                )


def _called(line: str) -> str:
    """The subcircuit that an instance line names."""
    before, _ = split_fields(words(line)[1:])
    return before[-1] if before else ""


def _all(definition: Definition) -> Iterator[Definition]:
    yield definition
    for inner in definition.inner.values():
        yield from _all(inner)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _element(path: str, name: str) -> str:
    return f"{name[0]}.{path}.{name}" if path else name
