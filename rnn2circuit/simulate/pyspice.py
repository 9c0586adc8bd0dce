"""In-process ngspice: libngspice by way of PySpice, in child processes that stay.

The library keeps global state and runs one circuit at a time, so that each worker has a child of
its own, which answers one deck after the other: what is saved is the start of a program and a
file per run. A child that failed or was too slow is ended, and the next deck gets a new one.
"""

import atexit
import contextlib
import json
import os
import queue
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from ctypes.util import find_library
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import SimulationError, SimulationTimeout
from rnn2circuit.simulate.acceptance import check_data, check_log, tail
from rnn2circuit.simulate.interface import Deck, Waveforms, inlined
from rnn2circuit.simulate.process import import_path, scrubbed_environment
from rnn2circuit.simulate.pyspice_child import LENGTH

INSTALL = (
    "pip install rnn2circuit[pyspice] (PySpice is under GPL-3) and the library, on Debian "
    "libngspice0"
)
LIBRARY = "NGSPICE_LIBRARY_PATH"  # where PySpice looks for one that the system does not list
START = 30.0  # s
END = 5.0  # s, for a child to see that nobody asks any more
CHUNK = 1 << 16  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PySpice:
    """libngspice of this machine, by way of the package PySpice."""

    name: ClassVar[str] = "pyspice"

    def is_available(self) -> bool:
        library = LIBRARY in os.environ or find_library("ngspice") is not None
        return library and find_spec("PySpice") is not None

    def version(self) -> str:
        """Versions of the library and of PySpice.

        Raises
        ------
        SimulationError
            If one of them is not installed.
        """
        child = _take()
        _IDLE.put(child)
        return child.release

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        child = _take()
        try:
            answer, columns = child.ask(deck, timeout)
            log: str = answer["log"]
            warnings = check_log(log)
            if "time" not in columns:
                why = answer["refused"] or "no transient"
                raise SimulationError(f"libngspice gave no result: {why}\n  {tail(log)}", log=log)
            times, signals = check_data(
                columns["time"],
                {f"v({name})": values for name, values in columns.items()},
                wanted=deck.signals,
                t_stop=deck.t_stop,
                log=log,
            )
        except BaseException:  # an interrupt as well: what it does next is not known
            child.end()
            raise
        _IDLE.put(child)
        return Waveforms(
            time=times,
            signals=signals,
            simulator=self.name,
            version=child.release,
            log=log,
            warnings=warnings,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class _Child:
    process: subprocess.Popen[bytes]
    release: str = ""  # of the library and of PySpice
    owner: int = field(default_factory=os.getpid)  # a fork must not share the pipes

    def ask(self, deck: Deck, timeout: float) -> tuple[dict[str, Any], Mapping[str, Vector]]:
        vectors = ["time", *(name.removeprefix("v(").removesuffix(")") for name in deck.signals)]
        question = {"deck": "\n".join(inlined(deck)), "vectors": vectors}
        text = json.dumps(question).encode("ascii")
        to = self.process.stdin
        try:
            if to is not None:
                to.write(LENGTH.pack(len(text)) + text)
                to.flush()
        except OSError as error:
            raise SimulationError(f"the process of libngspice is gone: {error}") from error
        until = time.monotonic() + timeout
        answer = self.hear(until, timeout)
        found: list[str] = answer["vectors"]
        rows: int = answer["rows"]
        data = np.frombuffer(self._read(8 * rows * len(found), until, timeout), dtype="<f8")
        return answer, dict(zip(found, data.reshape(len(found), rows), strict=True))

    def hear(self, until: float, timeout: float) -> dict[str, Any]:
        """The JSON of a message."""
        length = LENGTH.unpack(self._read(LENGTH.size, until, timeout))[0]
        return json.loads(self._read(length, until, timeout))

    def _read(self, count: int, until: float, timeout: float) -> bytes:
        source = self.process.stdout
        if source is None:  # it is a pipe
            return b""
        parts: list[bytes] = []
        with selectors.DefaultSelector() as ready:
            ready.register(source, selectors.EVENT_READ)
            while count > 0:
                if not ready.select(max(0.0, until - time.monotonic())):
                    raise SimulationTimeout(f"stopped after {timeout:.0f} s", log="")
                part = os.read(source.fileno(), min(count, CHUNK))
                if not part:
                    code = self.process.wait()
                    raise SimulationError(f"the process of libngspice ended with exit code {code}")
                parts.append(part)
                count -= len(part)
        return b"".join(parts)

    def end(self, *, wait: float = 0.0) -> None:
        """Close its questions, and stop it unless it ends within `wait` seconds by itself."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):  # the other end is gone already
                self.process.stdin.close()
        try:
            self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


_IDLE: "queue.SimpleQueue[_Child]" = queue.SimpleQueue()


def _take() -> _Child:
    """A child that nobody uses, or a new one."""
    while True:
        try:
            child = _IDLE.get_nowait()
        except queue.Empty:
            return _started()
        if child.owner != os.getpid():
            continue
        if child.process.poll() is None:
            return child
        child.end()


def _started() -> _Child:
    try:
        wrapper = version("PySpice")
    except PackageNotFoundError:
        raise SimulationError(f"PySpice is not installed; {INSTALL}") from None
    # No directory of ours: the library reads its initialization files from where nobody writes.
    root = os.path.abspath(os.sep)
    kept = {name: os.environ[name] for name in (LIBRARY,) if name in os.environ}
    environment = {"TMPDIR": tempfile.gettempdir(), "PYTHONPATH": import_path(), **kept}
    child = _Child(
        process=subprocess.Popen(
            [sys.executable, "-P", "-m", "rnn2circuit.simulate.pyspice_child"],
            cwd=root,
            env=scrubbed_environment(Path(root)) | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )
    try:
        hello = child.hear(time.monotonic() + START, START)
        if "error" in hello:
            raise SimulationError(f"libngspice does not start: {hello['error']}; {INSTALL}")
    except BaseException:
        child.end()
        raise
    child.release = f"{hello['version']} by PySpice {wrapper}"
    return child


@atexit.register
def _end_all() -> None:
    """Of this process's children; those of other processes see their questions end."""
    while True:
        try:
            child = _IDLE.get_nowait()
        except queue.Empty:
            return
        if child.owner == os.getpid():
            child.end(wait=END)
