"""Logical lines of a netlist: lower case, without comments, continuations joined."""

import re
from collections.abc import Iterator

from rnn2circuit.errors import UnverifiableError


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, from 1; the title, which is the first line, is none of them.

    Raises
    ------
    UnverifiableError
        If a comment is a command to ngspice, or a continuation continues nothing.
    """
    held, held_number = "", 0
    for number, line in _physical_lines(text.lower()):
        if line[0] == "+":
            if not held:
                raise UnverifiableError(f"line {number}: continuation without a line to continue")
            held += " " + line[1:]
            continue
        if held:
            yield held_number, held
        # SPICE takes the first line for the title, whatever it looks like.
        held, held_number = ("" if number == 1 else line), number
    if held:
        yield held_number, held


def _physical_lines(text: str) -> Iterator[tuple[int, str]]:
    inline = ";" in text or "$" in text
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if line[:1] == "*":
            if line.lstrip("* ").startswith(("#", "ng_script")):
                raise UnverifiableError(
                    f"line {number}: comment {line[:40]!r} is a command to ngspice"
                )
            continue
        if inline:
            line = re.split(r";| \$", line, maxsplit=1)[0].strip()
        if line:
            yield number, line
