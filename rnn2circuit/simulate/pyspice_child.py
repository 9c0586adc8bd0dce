"""The child process of `pyspice`: libngspice in this process, one deck after the other.

A message is eight bytes of length, JSON of that length, and what the JSON announces in doubles.
Here alone PySpice is imported, which is under GPL-3: in a program of its own, that somebody who
installed PySpice asked for.
"""

import json
import os
import struct
import sys
from ctypes.util import find_library
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

LENGTH = struct.Struct("<q")


def main() -> int:
    """Say which library this is, then answer decks until nobody asks any more."""
    # Whatever the library prints must not get between the messages.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    questions = sys.stdin.buffer
    try:
        engine = _Engine()
    except (ImportError, OSError, NameError) as error:  # not installed, or not its library
        _send(answers, {"error": f"{type(error).__name__}: {error}"})
        return 1
    _send(answers, {"version": engine.version})
    while head := questions.read(LENGTH.size):
        asked = json.loads(questions.read(LENGTH.unpack(head)[0]))
        found, columns = engine.run(asked["deck"], asked["vectors"])
        _send(answers, found, *columns)
    return 0


def _send(to: BinaryIO, message: dict[str, Any], *columns: NDArray[np.float64]) -> None:
    text = json.dumps(message).encode("ascii")
    to.write(LENGTH.pack(len(text)) + text)
    for column in columns:
        to.write(column.astype("<f8").tobytes())
    to.flush()


class _Engine:
    """One libngspice, which a process can have only once."""

    def __init__(self) -> None:
        from PySpice.Spice.NgSpice import Shared  # noqa: PLC0415 - GPL-3: here alone

        wrapper: Any = Shared  # the package ships no types
        log: list[str] = []

        class Logged(wrapper.NgSpiceShared):
            def send_char(self, message: str, ngspice_id: object) -> int:
                del ngspice_id
                log.append(message.partition(" ")[2])  # behind stdout or stderr
                return 0

        library = None if "NGSPICE_LIBRARY_PATH" in os.environ else find_library("ngspice")
        if library is not None:  # PySpice knows no name but that of a developer's package
            Logged.LIBRARY_PATH = library
        self.log = log
        self.shared: Any = Logged.new_instance()
        self.refusals = (wrapper.NgSpiceCircuitError, wrapper.NgSpiceCommandError, NameError)
        self.version = str(self.shared.ngspice_version)

    def run(
        self, deck: str, vectors: list[str]
    ) -> tuple[dict[str, Any], list[NDArray[np.float64]]]:
        """What was said and found: ``log``, ``plot``, ``vectors`` and ``rows``."""
        self.log.clear()
        refused = ""
        try:
            self.shared.load_circuit(deck)
            self.shared.run()
        except self.refusals as error:
            # PySpice takes every remark for an error: what counts are the log and the data.
            refused = str(error)
        name = self.shared.plot_names[0]
        plot = self.shared.plot(None, name) if name.startswith("tran") else {}
        found = {v: np.asarray(plot[v]._data, dtype=np.float64) for v in vectors if v in plot}
        log = "\n".join(self.log)
        rows = min((len(column) for column in found.values()), default=0)
        for clean in (self.shared.destroy, self.shared.remove_circuit):
            try:
                clean()
            except self.refusals:
                log += "\naborted: the library could not be cleaned up"
        head = {"log": log, "refused": refused, "vectors": list(found), "rows": rows}
        return head, [column[:rows] for column in found.values()]


if __name__ == "__main__":
    sys.exit(main())
