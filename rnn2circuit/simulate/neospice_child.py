"""The child process of `neospice`: ``python -m ... DECK RESULT NODE..``."""

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np


def main(argv: list[str]) -> int:
    """Run the deck and leave time and node voltages as an NPZ file."""
    import neospice  # noqa: PLC0415 - loads a native engine, which belongs in this process alone

    deck, result, *nodes = argv
    run = cast(Any, neospice).run  # the package ships no types
    found = run(Path(deck).read_text(encoding="ascii")).transient
    columns: dict[str, Any] = {f"v_{node}": np.asarray(found.voltage(node)) for node in nodes}
    np.savez(result, time=np.asarray(found.time), **columns)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
