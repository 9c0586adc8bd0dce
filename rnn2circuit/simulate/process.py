"""Child processes with nothing of ours but the work: private directory, scrubbed environment,
time limit, and no life beyond that of the one who asked.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from rnn2circuit.errors import SimulationError, SimulationTimeout

GRACE = 2.0  # s between SIGTERM and SIGKILL
MAX_LOG = 4 << 20  # bytes of output that are kept
VERSION_TIMEOUT = 20.0  # s
POLL = 0.05  # s between looks whether a run is still wanted

_unwanted: ContextVar[threading.Event] = ContextVar("unwanted")  # set: stop what runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that ended by itself."""

    code: int
    log: str  # standard output and error, in the order of writing


def path_of(executable: str, *, install: str) -> str:
    """Where a program is; `install` says what to do where it is not.

    Raises
    ------
    SimulationError
        If it is not there.
    """
    path = shutil.which(executable)
    if path is None:
        raise SimulationError(f"{executable} is not installed or not on the PATH; {install}")
    return path


def version_of(executable: str, pattern: bytes, *, what: str, install: str) -> str:
    """What a program calls its version: the first group of `pattern` in what it prints.

    Raises
    ------
    SimulationError
        If the program is not there or does not say.
    """
    path = path_of(executable, install=install)
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulationError(f"{executable} --version failed: {error}") from error
    found = re.search(pattern, done.stdout)
    if found is None:
        raise SimulationError(f"{executable} --version does not name {what} version")
    return found[1].decode("ascii", errors="replace")


@contextmanager
def private_directory() -> Generator[Path]:
    """A fresh directory that only we may enter, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rnn2circuit-") as name:
        directory = Path(name)
        directory.chmod(0o700)
        yield directory


def write_new(directory: Path, files: Mapping[str, str]) -> None:
    """Write files that must not exist yet."""
    for name, text in files.items():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(directory / name, flags, 0o600), "wb") as file:
            file.write(text.encode("ascii"))


def scrubbed_environment(directory: Path) -> dict[str, str]:
    """All that a simulator may know: where programs are, and where it is.

    ``SPICE_SCRIPTS`` points into the directory so that no initialization file of the machine
    runs; on ngspice it would run commands even under ``-n``.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "SPICE_SCRIPTS": str(directory),
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",  # ngspice asks for two, which wait for each other on busy cores
    }


def import_path() -> str:
    """Where a child that runs this package finds what its parent found."""
    return os.pathsep.join(p for p in sys.path if p)


@contextmanager
def stopped_by(unwanted: threading.Event) -> Generator[None]:
    """Programs that the body runs are stopped once another thread sets the event."""
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def _leashed(argv: Sequence[str]) -> list[str]:
    """The command; where there is setpriv (Linux), it ends with us even if we are killed."""
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), *argv]


def run_process(
    argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], timeout: float
) -> Finished:
    """Run a program to its end, or stop it.

    Raises
    ------
    SimulationTimeout
        If it takes longer than `timeout` seconds.
    SimulationError
        If it cannot be started, or is no longer wanted; see `stopped_by`.
    """
    if shutil.which(argv[0]) is None:
        raise SimulationError(f"cannot start {argv[0]!r}: there is no such program")
    log_path = directory / "rnn2circuit.log"
    with log_path.open("wb") as log:
        try:
            process = subprocess.Popen(
                _leashed(argv),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise SimulationError(f"cannot start {argv[0]!r}: {error.strerror}") from error
        try:
            code = _wait(process, timeout)
        except subprocess.TimeoutExpired:
            _stop(process)
            text = _read_log(log_path)
            last = text.strip().splitlines()[-1:] or ["nothing"]
            raise SimulationTimeout(
                f"stopped after {timeout:.0f} s; the last thing it printed was {last[0][:160]!r}",
                log=text,
            ) from None
        except BaseException:
            _stop(process)
            raise
    return Finished(code=code, log=_read_log(log_path))


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """The exit code of a process that ends in time, and is wanted until then."""
    unwanted, end = _unwanted.get(None), time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        try:
            return process.wait(timeout=max(0.0, min(POLL, left)))
        except subprocess.TimeoutExpired:
            if left <= POLL:
                raise
        if unwanted is not None and unwanted.is_set():
            raise SimulationError("stopped, because its result is no longer wanted")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            continue
        return


def _read_log(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_LOG).decode("utf-8", errors="replace")
