"""Expressions of behavioural sources: values and gradients, many sources at a time.

Sources whose expressions differ only in the nets they name share one *shape* and are evaluated
together. What ngspice evaluates otherwise than it looks (``**`` and ``^`` give ``|x|**y``) or
what has no equation of its own (time, random numbers) is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import UnverifiableError

Array: TypeAlias = NDArray[np.float64]
Node: TypeAlias = tuple[object, ...]  # ("num", value) | ("ref", k) | (operator, operand, ...)

NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>{NUMBER})(?P<tail>[a-z_]*)|(?P<name>[a-z_]\w*)|(?P<op>\*\*|.))"
)
_REFERENCE = re.compile(r"\b([vi])\s*\(\s*([^(),\s]+)\s*(?:,\s*([^(),\s]+)\s*)?\)(?![\w.@])")

_FUNCTIONS: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    # name: value(x), slope(x, value)
    "tanh": (np.tanh, lambda x, y: 1.0 - y * y),
    "exp": (np.exp, lambda x, y: y),
    "ln": (np.log, lambda x, y: 1.0 / x),
    "sqrt": (np.sqrt, lambda x, y: 0.5 / y),
    "abs": (np.abs, lambda x, y: np.sign(x)),
    "sgn": (np.sign, lambda x, y: np.zeros_like(x)),
    "uramp": (lambda x: np.maximum(x, 0.0), lambda x, y: np.heaviside(x, 0.5)),
}
_BINARY = {"min", "max"}
DEEPEST = 100  # parentheses, functions and signs within each other
LONGEST = 400  # operations on the way from the root to a leaf; a sum of k terms has k - 1
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An operand: the voltage of a net, or the current of a source."""

    kind: str  # "v" or "i"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An expression without its nets: operand k stands for the k-th reference."""

    text: str
    tree: Node


def split_references(text: str) -> tuple[str, list[Reference]]:
    """The text with every ``v(..)`` and ``i(..)`` replaced by ``@k``, and what they were.

    ``v(a,b)`` becomes a difference of two operands. Names are lower case already.
    """
    if "@" in text:
        raise UnverifiableError(f"unexpected '@' in expression {text[:60]!r}")
    found: list[Reference] = []

    def stand_in(match: re.Match[str]) -> str:
        kind, first, second = match[1], match[2], match[3]
        if kind == "i" and second is not None:
            raise UnverifiableError(f"i({first},{second}) has two arguments, expected one source")
        found.append(Reference(kind=kind, name=first))
        if second is None:
            return f"@{len(found) - 1}"
        found.append(Reference(kind=kind, name=second))
        return f"(@{len(found) - 2}-@{len(found) - 1})"

    return _REFERENCE.sub(stand_in, text), found


def parse_shape(text: str) -> Shape:
    """Parse an expression whose references are ``@k``.

    Raises
    ------
    UnverifiableError
        If it is not of the grammar: numbers without suffix, ``+ - * /``, parentheses and the
        functions tanh, exp, ln, sqrt, abs, sgn, uramp, min and max.
    """
    parser = _Parser(text)
    tree = parser.sum()
    parser.expect_end()
    if _depth(tree) > LONGEST:
        raise UnverifiableError(f"more than {LONGEST} operations in one chain: {text[:60]!r}")
    return Shape(text=text, tree=tree)


def _depth(tree: Node) -> int:
    """Operations on the longest way from the root; without recursion, which is what it bounds."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(cast(Node, part), depth + 1) for part in node if isinstance(part, tuple)]
    return deepest


def evaluate(shape: Shape, operands: list[Array]) -> tuple[Array, list[Array]]:
    """Value and partial derivatives by each operand, at arrays of operand values.

    All operands have one shape; the results have it too.
    """
    like = operands[0] if operands else np.zeros(1)
    partials = [np.zeros_like(like) for _ in operands]
    with np.errstate(all="ignore"):  # what is not finite is refused by the caller
        value = _forward(shape.tree, operands, like)
        _backward(shape.tree, operands, np.ones_like(like), partials)
    return value, partials


def _forward(node: Node, operands: list[Array], like: Array) -> Array:
    match node:
        case ("num", number):
            return np.full_like(like, cast(float, number))
        case ("ref", k):
            return operands[cast(int, k)]
        case ("neg", inner):
            return -_forward(cast(Node, inner), operands, like)
        case (str(name), left, right):
            a = _forward(cast(Node, left), operands, like)
            b = _forward(cast(Node, right), operands, like)
            return _OPERATORS[name](a, b)
        case (str(name), inner):
            return _FUNCTIONS[name][0](_forward(cast(Node, inner), operands, like))
        case _:
            raise TypeError(f"not an expression node: {node!r}")


_OPERATORS: Mapping[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


def _backward(node: Node, operands: list[Array], seed: Array, partials: list[Array]) -> None:
    """Add ``seed * d node / d operand`` to `partials`, by the chain rule from the root down."""
    like = seed
    match node:
        case ("num", _):
            return
        case ("ref", k):
            partials[cast(int, k)] += seed
        case ("neg", inner):
            _backward(cast(Node, inner), operands, -seed, partials)
        case (str(name), left, right):
            a = _forward(cast(Node, left), operands, like)
            b = _forward(cast(Node, right), operands, like)
            by_left, by_right = _slopes(name, a, b)
            _backward(cast(Node, left), operands, seed * by_left, partials)
            _backward(cast(Node, right), operands, seed * by_right, partials)
        case (str(name), inner):
            x = _forward(cast(Node, inner), operands, like)
            value, slope = _FUNCTIONS[name]
            _backward(cast(Node, inner), operands, seed * slope(x, value(x)), partials)
        case _:
            raise TypeError(f"not an expression node: {node!r}")


def _slopes(name: str, a: Array, b: Array) -> tuple[Array, Array]:
    one = np.ones_like(a)
    match name:
        case "+":
            return one, one
        case "-":
            return one, -one
        case "*":
            return b, a
        case "/":
            return 1.0 / b, -a / (b * b)
        case "min":
            return np.heaviside(b - a, 0.5), np.heaviside(a - b, 0.5)
        case _:  # max
            return np.heaviside(a - b, 0.5), np.heaviside(b - a, 0.5)


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.strip()
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            if text[position] == "@":
                end = position + 1
                while end < len(text) and text[end].isdigit():
                    end += 1
                self.tokens.append(("ref", text[position + 1 : end]))
                position = end
                continue
            match = _TOKEN.match(text, position)
            if match is None:
                break
            self.tokens.append(self._token(match))
            position = match.end()
        self.at = 0
        self.nested = 0

    def _token(self, match: re.Match[str]) -> tuple[str, str]:
        if match["number"] is not None:
            if match["tail"]:
                raise UnverifiableError(
                    f"number {match[0].strip()!r} has a suffix; plain exponents are expected"
                )
            return "num", match["number"]
        if match["name"] is not None:
            return "name", match["name"]
        op = match["op"]
        if op in ("**", "^"):
            raise UnverifiableError(
                f"power operator {op!r}: ngspice evaluates |x|{op}y; write products instead"
            )
        if op not in "+-*/(),":
            raise UnverifiableError(f"unexpected character {op!r} in expression {self.text[:60]!r}")
        return "op", op

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, op: str) -> None:
        if self.peek() != ("op", op):
            raise UnverifiableError(
                f"expected {op!r} in expression {self.text[:60]!r}, got {self.peek()[1]!r}"
            )
        self.at += 1

    def expect_end(self) -> None:
        if self.at != len(self.tokens):
            raise UnverifiableError(
                f"unexpected {self.peek()[1]!r} in expression {self.text[:60]!r}"
            )

    def sum(self, precedence: int = 1) -> Node:
        left = self.unary() if precedence == 2 else self.sum(2)
        while self.peek()[0] == "op" and _PRECEDENCE.get(self.peek()[1]) == precedence:
            op = self.peek()[1]
            self.at += 1
            left = (op, left, self.unary() if precedence == 2 else self.sum(2))
        return left

    def unary(self) -> Node:
        self.nested += 1
        if self.nested > DEEPEST:
            raise UnverifiableError(f"nested deeper than {DEEPEST}: expression {self.text[:60]!r}")
        node = self._operand()
        self.nested -= 1
        return node

    def _operand(self) -> Node:
        kind, text = self.peek()
        self.at += 1
        if (kind, text) == ("op", "-"):
            return ("neg", self.unary())
        if (kind, text) == ("op", "+"):
            return self.unary()
        if (kind, text) == ("op", "("):
            inner = self.sum()
            self.take(")")
            return inner
        if kind == "num":
            return ("num", float(text))
        if kind == "ref":
            return ("ref", int(text))
        if kind == "name":
            return self._call(text)
        raise UnverifiableError(f"unexpected {text or 'end'!r} in expression {self.text[:60]!r}")

    def _call(self, name: str) -> Node:
        if name not in _FUNCTIONS and name not in _BINARY:
            known = ", ".join([*_FUNCTIONS, *sorted(_BINARY)])
            raise UnverifiableError(f"{name!r} is not one of the known functions {known}")
        self.take("(")
        first = self.sum()
        if name in _BINARY:
            self.take(",")
            second = self.sum()
            self.take(")")
            return (name, first, second)
        self.take(")")
        return (name, first)
