"""Write the support matrix into docs/import.md: `python docs/make_support.py`.

The rows stand beside the importers, in tuples called SUPPORT.
"""

import importlib
import pkgutil
from pathlib import Path

import rnn2circuit.models
from rnn2circuit.models.support import SupportRow

PAGE = Path(__file__).parent / "import.md"
BEGIN, END = "<!-- support matrix: python docs/make_support.py -->\n", "<!-- end -->\n"


def rows() -> list[SupportRow]:
    """All rows of all importers, by name of their module."""
    found: list[SupportRow] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(rnn2circuit.models.__path__)):
        loaded = importlib.import_module(f"rnn2circuit.models.{module}")
        found += getattr(loaded, "SUPPORT", ())
    return found


def table(chosen: list[SupportRow], columns: tuple[str, ...]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    for row in chosen:
        cells = [getattr(row, name).replace("|", "\\|") for name in columns]
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def render(page: str) -> str:
    """`page` with its matrix made anew; what stands around it stays."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    known = [row for row in rows() if not row.is_refusal]
    refused = [row for row in rows() if row.is_refusal]
    taken = table(known, ("source", "formats", "becomes", "options", "remarks"))
    turned_down = table(refused, ("source", "formats", "options", "remarks"))
    matrix = f"{BEGIN}\n{taken}\n### Refused\n\n{turned_down}\n{END}"
    return before + matrix + after


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
