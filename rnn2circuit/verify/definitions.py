"""Subcircuit definitions of a netlist, one within another, as they are written."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.parameters import assignments, words

DEEPEST = 20  # definitions within one another, and instances within one another


class ExpansionError(UnverifiableError):
    """A line that cannot be unfolded.

    Parameters
    ----------
    line : int
        Its number.
    is_fault : bool
        Whether something is wrong with the text; else it is only too much.
    """

    def __init__(self, message: str, *, line: int, is_fault: bool = True) -> None:
        super().__init__(message)
        self.line, self.is_fault = line, is_fault


class TooMuchError(UnverifiableError):
    """More than the limits of unfolding allow."""


@dataclass(slots=True, kw_only=True, eq=False)
class Definition:
    """A subcircuit, or (with an empty name) what stands in the file outside of any.

    Attributes
    ----------
    arguments : dict
        Parameters that an instance may set, with their defaults.
    parameters : dict
        Those of its own ``.param`` cards.
    lines : list of (int, str)
        Elements and the cards ``.ic`` and ``.model``, with their line numbers.
    """

    name: str = ""
    number: int = 1
    parent: "Definition | None" = None
    ports: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=lambda: {})
    parameters: dict[str, str] = field(default_factory=lambda: {})
    inner: dict[str, "Definition"] = field(default_factory=lambda: {})
    models: set[str] = field(default_factory=lambda: set())
    lines: list[tuple[int, str]] = field(default_factory=lambda: [])

    def named(self, name: str) -> "Definition | None":
        """The definition of that name that this one sees: its own, then those around it."""
        at: Definition | None = self
        while at is not None:
            if name in at.inner:
                return at.inner[name]
            at = at.parent
        return None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else 1 + self.parent.depth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deck:
    """A file: its outermost definition, and the nets that are the same everywhere."""

    file: Definition
    global_nets: frozenset[str]


def read_deck(lines: Iterable[tuple[int, str]], *, ignored: frozenset[str]) -> Deck:
    """Definitions and elements of logical lines.

    Parameters
    ----------
    ignored : set of str
        Cards that say nothing about the circuit.

    Raises
    ------
    UnverifiableError
        If a line is not understood; the message names it.
    """
    file = Definition()
    at, global_nets, ended = file, set[str](), False
    for number, line in lines:
        try:
            if ended:
                raise UnverifiableError("text after .end")
            card = line.split(None, 1)[0]
            ended = card == ".end"
            if card == ".global":
                global_nets |= set(line.split()[1:])
            elif card not in ignored and not ended:
                at = _taken(at, number, card, line)
        except UnverifiableError as error:
            fault = not isinstance(error, TooMuchError)
            raise ExpansionError(f"line {number}: {error}", line=number, is_fault=fault) from error
    if at.parent is not None:
        raise ExpansionError(
            f"subcircuit {at.name!r} of line {at.number} has no .ends", line=at.number
        )
    return Deck(file=file, global_nets=frozenset(global_nets))


def _taken(at: Definition, number: int, card: str, line: str) -> Definition:
    """Take a line into a definition; which one the next line belongs to."""
    match card:
        case ".subckt":
            return _opened(at, number, line)
        case ".ends":
            return _closed(at, line)
        case ".param":
            _parameters(at, line)
        case _:
            _kept(at, number, card, line)
    return at


def _opened(at: Definition, number: int, line: str) -> Definition:
    fields = words(line)[1:]
    if not fields:
        raise UnverifiableError(".subckt without a name")
    name, *rest = fields
    nets, given = split_fields(rest)
    if name in at.inner:
        raise UnverifiableError(
            f"a second .subckt {name!r}; line {at.inner[name].number} has the first, which "
            "silently wins"
        )
    if len(set(nets)) != len(nets):
        raise UnverifiableError("two ports of the subcircuit have one name")
    found = Definition(name=name, number=number, parent=at, ports=tuple(nets))
    found.arguments = dict(assignments(given, f"subcircuit {name!r}"))
    if found.depth > DEEPEST:
        raise TooMuchError(f"more than {DEEPEST} subcircuits are defined within one another")
    at.inner[name] = found
    return found


def _closed(at: Definition, line: str) -> Definition:
    if at.parent is None:
        raise UnverifiableError(".ends without .subckt")
    named = line.split()[1:]
    if named not in ([], [at.name]):
        raise UnverifiableError(f"{line[:60]!r} ends subcircuit {at.name!r} by another name")
    return at.parent


def _parameters(at: Definition, line: str) -> None:
    for name, text in assignments(words(line)[1:], ".param"):
        if name in at.parameters or name in at.arguments:
            raise UnverifiableError(
                f"parameter {name!r} is given twice, and simulators differ in which one counts"
            )
        at.parameters[name] = text


def _kept(at: Definition, number: int, card: str, line: str) -> None:
    if card[0] == "." and card not in (".ic", ".model"):
        raise UnverifiableError(f"card {card!r} is not one the extractor understands")
    if card == ".model":
        name = [*line.split(), ""][1]
        if name in at.models:
            raise UnverifiableError(f"model {name!r} is there twice")
        at.models.add(name)
    at.lines.append((number, line))


def split_fields(fields: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first assignment, and the assignments."""
    first = next((k for k, f in enumerate(fields) if "=" in f or f == "params:"), len(fields))
    given = fields[first:]
    return fields[:first], given[1:] if given[:1] == ["params:"] else given
