"""Lines of a text report: narrow, printable, and nobody else's."""

import textwrap

WIDTH = 100
TIE = "\xa0"  # a space at which no line is broken


def plain(text: str) -> str:
    """One line of printable characters; what moves a cursor or turns text around is spelled out."""
    joined = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in joined
    )


def wrapped(text: str, *, indent: str = "  ") -> list[str]:
    """Text as lines of at most `WIDTH` characters, all but the first indented."""
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace(TIE, " ") for line in lines]
