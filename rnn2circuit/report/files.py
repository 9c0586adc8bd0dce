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
    full disk or a kill leaves the old files as they were. Only then is each renamed to its final
    name; should a rename fail, the files that are new are taken away again.

    Raises
    ------
    OutputError
        If a name is not that of a file in the directory, or the directory or a file cannot be
        written.
    """
    for name in files:
        if name in ("", "..") or Path(name).name != name:
            raise OutputError(f"{name!r} is not the name of a file in {str(directory)!r}")
    temporary: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            final = directory / name
            if final.is_dir():  # the rename would fail, but only after others have been done
                raise OutputError(f"{str(final)!r} is a directory; move it or choose another name")
            beside = directory / f"{name}.tmp-{os.getpid()}"
            descriptor = _create(beside)
            temporary[final] = beside
            _write(descriptor, content if isinstance(content, bytes) else content.encode())
        _rename(temporary)
    except OSError as error:
        raise OutputError(_explain(error, directory, ", ".join(files))) from error
    finally:
        for beside in temporary.values():
            with contextlib.suppress(OSError):
                beside.unlink()
    return tuple(temporary)


def write_one(path: Path, content: str | bytes) -> None:
    """Write one file whole or not at all; see `write_all`."""
    write_all(path.parent, {path.name: content})


def _create(path: Path) -> int:
    """Open a file that was not there, so that no other file or link is ever written through."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise OutputError(
            f"{str(path)!r} is left from a run that was killed, or another run writes it now; "
            "delete it if no run does"
        ) from None


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename(temporary: Mapping[Path, Path]) -> None:
    new: list[Path] = []
    try:
        for final, beside in temporary.items():
            existed = os.path.lexists(final)
            beside.replace(final)
            if not existed:
                new.append(final)
    except BaseException:
        for final in new:
            with contextlib.suppress(OSError):
                final.unlink()
        raise


def _explain(error: OSError, directory: Path, names: str) -> str:
    place = error.filename or str(directory)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full; nothing of {names} was written to {str(directory)!r}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no permission to write {str(place)!r}; choose another directory"
        case errno.ENOTDIR | errno.EEXIST:
            return f"{str(place)!r} is not a directory; choose another one"
        case _:
            return f"cannot write {str(place)!r}: {error.strerror}"
