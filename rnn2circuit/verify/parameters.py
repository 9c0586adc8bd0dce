"""Parameters of netlists: which expression a name stands for, and its value.

The rules are those of ngspice 39, found by experiment and held to it by a test: a parameter may be
used before it is defined; a subcircuit sees its own, then those of the instance that holds it, and
so on up to the file's. Where simulators or readers would differ (a name given twice, a subcircuit's
own ``.param`` of the name of its argument, a power, a suffix letter) the text is refused.
"""

import re
from collections.abc import Iterator, Mapping
from math import isfinite

import numpy as np

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.expression import evaluate, parse_shape

DEEPEST = 50  # parameters that stand on one another
# Functions that expressions of parameters and those of sources have in common.
FUNCTIONS = frozenset({"sqrt", "exp", "ln", "abs", "sgn", "tanh", "min", "max"})
# Names that mean something else in some expression, or (m) that make several of one instance.
RESERVED = FUNCTIONS | frozenset(
    {"m", "v", "i", "uramp", "u", "time", "temper", "temp", "hertz", "gnd", "params", "dc", "ac"}
    | {"pi", "e", "c", "kelvin", "echarge", "boltz", "planck", "yes", "no", "true", "false"}
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_USED = re.compile(r"(?<![\w.@])([a-z_]\w*)\b(?!\s*\()")
_CALLED = re.compile(r"([a-z_]\w*)\s*\(")
_QUOTED = re.compile(r"\{([^{}']*)\}|'([^{}']*)'")
_WORD = re.compile(r"(?:[^\s{}']|\{[^{}']*\}|'[^{}']*')+")


class Scope:
    """The parameters that one instance sees: its own, and its callers'.

    Parameters
    ----------
    own : mapping
        Name to expression and the scope it is evaluated in; None stands for this scope.
    caller : Scope or None
        The scope of the instance that holds this one.
    """

    def __init__(
        self, own: Mapping[str, tuple[str, "Scope | None"]], caller: "Scope | None"
    ) -> None:
        self._own, self.caller = own, caller
        self._values: dict[str, float] = {}
        self._open: set[str] = set()

    def sees(self, name: str) -> bool:
        """Whether a name is a parameter here."""
        return name in self._own or (self.caller is not None and self.caller.sees(name))

    @property
    def is_empty(self) -> bool:
        """Whether no name at all is a parameter here."""
        return not self._own and (self.caller is None or self.caller.is_empty)

    def value(self, expression: str, depth: int = 0) -> float:
        """Value of an expression without quotes."""
        if "@" in expression:
            raise UnverifiableError(f"unexpected '@' in {expression[:60]!r}")
        called = set(_CALLED.findall(expression)) - FUNCTIONS
        if called:
            raise UnverifiableError(
                f"{sorted(called)[0]!r} in {expression[:60]!r} is not a function of parameters; "
                f"known: {', '.join(sorted(FUNCTIONS))}"
            )
        operands: list[float] = []

        def stand_in(match: re.Match[str]) -> str:
            operands.append(self._named(match[1], depth))
            return f"@{len(operands) - 1}"

        shape = parse_shape(_USED.sub(stand_in, expression))
        found = float(evaluate(shape, [np.array([x]) for x in operands])[0][0])
        if not isfinite(found):
            raise UnverifiableError(f"{expression[:60]!r} is {found}, not a finite number")
        return found

    def _named(self, name: str, depth: int) -> float:
        if name in self._values:
            return self._values[name]
        if name not in self._own:
            if self.caller is None:
                raise UnverifiableError(f"there is no parameter {name!r}")
            return self.caller._named(name, depth)
        if name in self._open:
            raise UnverifiableError(f"parameter {name!r} is defined by itself")
        if depth >= DEEPEST:
            raise UnverifiableError(f"more than {DEEPEST} parameters stand on one another")
        text, scope = self._own[name]
        self._open.add(name)
        self._values[name] = (scope or self).value(unquoted(text), depth + 1)
        self._open.discard(name)
        return self._values[name]

    def substituted(self, line: str) -> str:
        """A line with every ``{..}`` and ``'..'`` as a number."""

        def number(match: re.Match[str]) -> str:
            before, after = line[match.start() - 1 : match.start()], line[match.end() :][:1]
            if before not in (" ", "=", "\t") or after.strip():
                raise UnverifiableError(f"{match[0][:60]!r} is glued to what stands beside it")
            return repr(self.value(unquoted(match[0])))

        return self._closed(_QUOTED.sub(number, line))

    def in_source(self, expression: str) -> str:
        """The expression of a source (its operands ``@k``) with every parameter as a number."""

        def number(match: re.Match[str]) -> str:
            return f"({self.value(unquoted(match[0]))!r})"

        def bare(match: re.Match[str]) -> str:
            return f"({self.value(match[1])!r})" if self.sees(match[1]) else match[0]

        return _USED.sub(bare, self._closed(_QUOTED.sub(number, expression)))

    @staticmethod
    def _closed(text: str) -> str:
        stray = next((c for c in text if c in "{}'"), None)
        if stray is not None:
            raise UnverifiableError(f"{stray!r} without its other half in {text[:60]!r}")
        return text


def unquoted(text: str) -> str:
    """The expression within ``{..}`` or ``'..'``, or the text itself."""
    match = _QUOTED.fullmatch(text)
    return text if match is None else next(part for part in match.groups() if part is not None)


def words(line: str) -> list[str]:
    """Fields of a card with assignments: what is quoted, and ``name = value``, stay in one."""
    tight = re.sub(r"\s*=\s*", "=", line)
    if set(_QUOTED.sub("", tight)) & set("{}'"):
        raise UnverifiableError(f"a quote or brace without its other half in {line[:60]!r}")
    return _WORD.findall(tight)


def assignments(fields: list[str], what: str) -> Iterator[tuple[str, str]]:
    """Name and expression of each ``name=expression``."""
    seen: set[str] = set()
    for field in fields:
        name, equals, text = field.partition("=")
        if not (equals and text and _NAME.fullmatch(name)):
            raise UnverifiableError(f"{field[:60]!r} of {what} is not of the form name=value")
        if name in RESERVED:
            raise UnverifiableError(
                f"parameter {name!r} of {what} has a name that simulators keep for themselves"
            )
        if name in seen:
            raise UnverifiableError(f"parameter {name!r} of {what} is given twice")
        seen.add(name)
        yield name, text
