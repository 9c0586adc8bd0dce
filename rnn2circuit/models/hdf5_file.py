"""HDF5 files to named arrays, without following anything that leads out of the file.

HDF5 is a file system in a file: groups may contain each other, links may name other files,
datasets may be assembled from pieces elsewhere and may announce any size. Only plain datasets in
a plain tree are read, and their sizes are compared with what is stored before anything is
allocated.
"""

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError

MAX_OBJECTS = 10_000
MAX_DEPTH = 16  # of groups; Keras nests seven
PLAIN = "fiu"  # real numbers
CHILD = Path(__file__).with_name("hdf5_child.py")
TIMEOUT = 60.0  # s; a gigabyte takes one or two


def read_hdf5(content: bytes, *, limit: int) -> dict[str, NDArray[Any]]:
    """Every dataset by its path, such as ``layers/gru/cell/vars/0``.

    Parameters
    ----------
    content : bytes
        The whole file.
    limit : int
        Most bytes that all datasets may hold.

    Raises
    ------
    ModelError
        If h5py is not installed, or the file is damaged, hostile or too large.
    """
    try:
        # An extra: 5 MB that only files of Keras need.
        import h5py  # noqa: PLC0415
    except ImportError:
        raise ModelError("reading HDF5 needs h5py: pip install 'rnn2circuit[keras]'") from None
    refuse_crashing(content)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            found: dict[str, NDArray[Any]] = {}
            held = 0
            for path, dataset in _datasets(file, h5py):
                held += _size(path, dataset)
                if held > limit:
                    raise ModelError(f"holds more than {limit} bytes, at {path!r}")
                found[path] = np.asarray(dataset[()])
            return found
    except ModelError:
        raise
    except Exception as error:  # the library answers damage with errors of many types
        raise ModelError(f"damaged HDF5 file: {type(error).__name__} {error}") from error


def refuse_crashing(content: bytes) -> None:
    """Read a file in a child process first, because some damaged ones end the process.

    Raises
    ------
    ModelError
        If the child is killed by a signal, or does not end.
    """
    try:
        # Isolated from the directory of the script, which has modules named like the library's.
        done = subprocess.run(
            [sys.executable, "-P", str(CHILD)],
            input=content,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"damaged HDF5 file: reading it does not end within {TIMEOUT:.0f} s"
        ) from None
    if done.returncode < 0:
        raise ModelError(
            f"damaged HDF5 file: the library ends with signal {-done.returncode} on it"
        )


def _datasets(file: Any, h5py: Any) -> Iterator[tuple[str, Any]]:
    """Every dataset below the root, in order of path."""
    waiting: list[tuple[str, Any]] = [("", file)]
    seen: set[Any] = set()
    count = 0
    while waiting:
        path, group = waiting.pop()
        if path.count("/") > MAX_DEPTH:
            raise ModelError(f"groups are nested deeper than {MAX_DEPTH}, at {path!r}")
        for name in sorted(group, reverse=True):
            count += 1
            if count > MAX_OBJECTS:
                raise ModelError(f"holds more than {MAX_OBJECTS} objects")
            child = f"{path}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"{child!r} is a link to elsewhere; links are not followed")
            value = group[name]
            where = h5py.h5o.get_info(value.id).addr
            if where in seen:
                raise ModelError(f"{child!r} is there twice, under two names")
            seen.add(where)
            if isinstance(value, h5py.Group):
                waiting.append((f"{child}/", value))
            elif isinstance(value, h5py.Dataset):
                yield child, value
            else:
                raise ModelError(f"{child!r} is neither a group nor a dataset")


def _size(path: str, dataset: Any) -> int:
    """Bytes of a dataset that is what it seems to be."""
    if dataset.is_virtual or dataset.external:
        raise ModelError(f"{path!r} keeps its numbers in other files, which are not opened")
    if dataset.shape is None or dataset.dtype.kind not in PLAIN or dataset.dtype.subdtype:
        raise ModelError(f"{path!r} has dtype {dataset.dtype}; expected real numbers")
    if dataset.id.get_create_plist().get_nfilters():
        raise ModelError(f"{path!r} is compressed, which no file of weights needs to be")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if size != stored:
        raise ModelError(
            f"{path!r} announces shape {dataset.shape} ({size} bytes) but holds {stored} bytes"
        )
    return size
