"""Outputs on disk: whole or not at all."""

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

from rnn2circuit.errors import OutputError


def write_all(directory: Path, files: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    """Write files into a directory, which is made if need be; either all appear or none.

    Every file is first written in full beside its final name and flushed to the disk, so that a
    full disk or a kill leaves the old files as they were.

    Raises
    ------
    OutputError
        If the directory or a file cannot be written.
    """
    temporary: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            final = directory / name
            beside = directory / f"{name}.tmp-{os.getpid()}"
            temporary[final] = beside
            _write(beside, content if isinstance(content, bytes) else content.encode())
        for final, beside in temporary.items():
            beside.replace(final)
    except OSError as error:
        raise OutputError(_explain(error, directory)) from error
    finally:
        for beside in temporary.values():
            with contextlib.suppress(OSError):
                beside.unlink()
    return tuple(temporary)


def write_one(path: Path, content: str | bytes) -> None:
    """Write one file whole or not at all; see `write_all`."""
    write_all(path.parent, {path.name: content})


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _explain(error: OSError, directory: Path) -> str:
    place = error.filename or str(directory)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full; nothing was written to {str(directory)!r}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no permission to write {str(place)!r}; choose another directory"
        case errno.ENOTDIR | errno.EEXIST:
            return f"{str(place)!r} is not a directory; choose another one"
        case _:
            return f"cannot write {str(place)!r}: {error.strerror}"
