"""The child process that tries an HDF5 file first: it stands on standard input.

The library is known to end the whole process on some damaged files. Here that is nobody's loss.
Whatever Python can catch is left to the reader that comes after, which says it in its own words.
"""

import io
import sys
from typing import Any

MAX_OBJECTS = 20_000
MAX_BYTES = 1 << 30  # of one dataset: larger ones are refused later, unread


def touch_everything(content: bytes) -> None:
    """Ask of every object in the file what a reader may ask of it."""
    import h5py  # noqa: PLC0415 - an extra, and native

    with h5py.File(io.BytesIO(content), "r") as file:
        waiting: list[Any] = [file]
        seen = 0
        while waiting and seen < MAX_OBJECTS:
            group = waiting.pop()
            for name in group:
                seen += 1
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue  # it may lead to another file
                _touch(group[name], h5py, waiting)


def _touch(value: Any, h5py: Any, waiting: list[Any]) -> None:
    if isinstance(value, h5py.Group):
        waiting.append(value)
    elif isinstance(value, h5py.Dataset) and not value.is_virtual and not value.external:
        value.id.get_create_plist().get_nfilters()
        value.id.get_storage_size()
        if value.nbytes <= MAX_BYTES:
            value[()]


if __name__ == "__main__":
    try:
        touch_everything(sys.stdin.buffer.read())
    except Exception:  # the reader says what is wrong
        sys.exit(0)
