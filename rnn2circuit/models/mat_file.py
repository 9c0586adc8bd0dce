"""MATLAB files with canonical field names, read within bounded memory.

MATLAB has no vectors and no strings of the kinds of our fields: a vector is a matrix with one row
or one column, a scalar a 1-by-1 matrix, text a row of characters. Fields that are vectors in every
family become one-dimensional here, which is what `VECTORS` lists.
"""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.support import REFUSED, SupportRow

_NUMERIC = frozenset(
    ["double", "single", "sparse"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_HDF5 = SupportRow(
    source="MATLAB v7.3 file",
    formats=".mat",
    becomes=REFUSED,
    remarks="it is HDF5 under another name; save the fields with "
    "save('net.mat', '-struct', 'net', '-v7')",
)
_CONTAINER = SupportRow(
    source="MATLAB struct, cell, object, logical or function",
    formats=".mat",
    becomes=REFUSED,
    remarks="a field is a real matrix or a row of characters; save the fields of a struct one by "
    "one with save('net.mat', '-struct', 'net', '-v7')",
)
SUPPORT = (
    SupportRow(
        source="MATLAB, canonical field names (docs/models.md)",
        formats=".mat (v4 to v7)",
        becomes="the family in the field family",
        remarks="family and other text as character arrays; 1xN and Nx1 count as vectors where the "
        "field is one; sparse matrices are read",
    ),
    _HDF5,
    _CONTAINER,
)

VECTORS = frozenset(
    ["rate", "gain", "tau", "bias", "c_m", "g_leak", "e_leak", "b_elast", "k_elast"]
    + ["x0", "in_scale", "in_bias", "b_out", "b1", "b2", "by", "bz"]
    + [f"b_{gate}" for gate in ("f", "r", "u", "hu", "z", "n", "hn", "i", "g", "o")]
)
_COMPRESSED = 15  # miCOMPRESSED
_HEADER = 128  # bytes of text, version and endian mark before the first element
_CHUNK = 1 << 16


def read_mat(
    path: Path, *, limit: int, ratio: int
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and strings of a MATLAB file.

    Parameters
    ----------
    limit : int
        Bytes that all variables may take as float64.
    ratio : int
        Unpacked to packed bytes of a compressed variable; weights hardly compress.

    Raises
    ------
    ModelError
        If it is damaged, of version 7.3, holds anything but numbers and text, or is too large.
    """
    # Imported here: most model files are of other kinds.
    from scipy.io import loadmat, whosmat  # noqa: PLC0415
    from scipy.io.matlab import MatReadError  # noqa: PLC0415

    _check_packing(path, limit, ratio)
    try:
        listed = whosmat(path)
        _check_listed(listed, limit)
        found = loadmat(path)
    except NotImplementedError as error:
        raise _HDF5.refusal("the header says 7.3") from error
    except (ValueError, TypeError, EOFError, zlib.error, MatReadError) as error:
        raise ModelError(f"not a readable MATLAB file: {error}") from error
    arrays: dict[str, NDArray[Any]] = {}
    strings: dict[str, str] = {}
    for name, _, kind in listed:
        if kind == "char":
            strings[name] = _text(name, found[name])
        else:
            arrays[name] = found[name].toarray() if kind == "sparse" else found[name]
    if "family" in strings:
        arrays = {name: _vector(name, value) for name, value in arrays.items()}
    return arrays, strings


def _check_listed(listed: list[tuple[str, tuple[int, ...], str]], limit: int) -> None:
    """What the headers announce, before anything of it is read."""
    total = 0
    names = [name for name, _, _ in listed]
    for name, shape, kind in listed:
        if names.count(name) > 1:
            raise ModelError(f"variable {name!r} is there twice")
        if kind not in _NUMERIC | {"char"}:
            raise _CONTAINER.refusal(f"variable {name!r} is of class {kind}")
        if len(shape) != 2 or min(shape) < 0:
            raise ModelError(f"variable {name!r} must be a matrix, got shape {shape}")
        total += 8 * math.prod(shape)
    if total > limit:
        raise ModelError(f"holds {total} bytes as float64, the limit is {limit}")


def _check_packing(path: Path, limit: int, ratio: int) -> None:
    """Unpack every compressed variable once, keeping nothing, and stop where it is too much."""
    size = path.stat().st_size
    if size > limit:
        raise ModelError(f"is larger than {limit} bytes")
    with path.open("rb") as file:
        head = file.read(_HEADER)
        order = {b"IM": "little", b"MI": "big"}.get(head[126:128])
        if order is None or head[:4] == bytes(4):
            return  # version 4: not compressed
        total = 0
        while len(tag := file.read(8)) == 8:
            kind = int.from_bytes(tag[:4], order)  # pyright: ignore[reportArgumentType]
            length = int.from_bytes(tag[4:], order)  # pyright: ignore[reportArgumentType]
            if length > size - file.tell():
                raise ModelError("not a readable MATLAB file: an element ends after the file")
            if kind != _COMPRESSED:
                file.seek(length, 1)
                continue
            total += _unpacked(file.read(length), ratio)
            if total > limit:
                raise ModelError(f"holds {total} bytes unpacked, the limit is {limit}")


def _unpacked(packed: bytes, ratio: int) -> int:
    """Bytes that `packed` unpacks to, up to `ratio` times its own length."""
    stream = zlib.decompressobj()
    allowed = ratio * len(packed) + 4096
    count, rest = 0, packed
    while rest and not stream.eof:
        try:
            count += len(stream.decompress(rest, _CHUNK))
        except zlib.error as error:
            raise ModelError(f"not a readable MATLAB file: {error}") from error
        if count > allowed:
            raise ModelError(
                f"a variable unpacks {len(packed)} bytes to more than {allowed}; no weights "
                "compress like that"
            )
        rest = stream.unconsumed_tail
    return count


def _text(name: str, value: NDArray[Any]) -> str:
    rows = np.atleast_1d(value)
    if rows.shape not in ((0,), (1,)):
        raise ModelError(f"text {name!r} must be one row of characters, got {rows.size} rows")
    return str(rows[0]) if rows.size else ""


def _vector(name: str, value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(-1) if name in VECTORS and 1 in value.shape else value
