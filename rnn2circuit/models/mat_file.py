"""MATLAB files with canonical field names, read within bounded memory.

MATLAB has no vectors and no strings of the kinds of our fields: a vector is a matrix with one row
or one column, a scalar a 1-by-1 matrix, text a row of characters. Fields that are vectors in every
family become one-dimensional here, which is what `VECTORS` lists.
"""

import math
import struct
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
_VERSION = SupportRow(
    source="MATLAB file of version 7.3 or 4",
    formats=".mat",
    becomes=REFUSED,
    remarks="7.3 is HDF5 under another name, and 4 is older than text in files; save the fields "
    "with save('net.mat', '-struct', 'net', '-v7')",
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
        formats=".mat (v5 to v7)",
        becomes="the family in the field family",
        remarks="family and other text as character arrays; 1xN and Nx1 count as vectors where the "
        "field is one; sparse matrices are read",
    ),
    _VERSION,
    _CONTAINER,
)

VECTORS = frozenset(
    ["rate", "gain", "tau", "bias", "c_m", "g_leak", "e_leak", "b_elast", "k_elast"]
    + ["x0", "in_scale", "in_bias", "b_out", "b1", "b2", "by", "bz"]
    + [f"b_{gate}" for gate in ("f", "r", "u", "hu", "z", "n", "hn", "i", "g", "o")]
)
_INT32, _COMPRESSED = 5, 15  # miINT32, miCOMPRESSED
_VERSION_5 = 0x0100
_START = 1024  # bytes that surely hold the dimensions of a variable
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

    _check_sizes(path, limit, ratio)
    try:
        listed = whosmat(path)
        _check_listed(listed)
        found = loadmat(path)
    except ModelError:
        raise
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


def _check_listed(listed: list[tuple[str, tuple[int, ...], str]]) -> None:
    """Numbers and text only, each once."""
    names = [name for name, _, _ in listed]
    for name, shape, kind in listed:
        if names.count(name) > 1:
            raise ModelError(f"variable {name!r} is there twice")
        if kind not in _NUMERIC | {"char"}:
            raise _CONTAINER.refusal(f"variable {name!r} is of class {kind}")
        if kind != "char" and len(shape) != 2:
            raise ModelError(f"variable {name!r} must be a matrix, got shape {shape}")


def _check_sizes(path: Path, limit: int, ratio: int) -> None:
    """Walk the variables before anything is built from them; stop where they are too much."""
    size = path.stat().st_size
    if size > limit:
        raise ModelError(f"is larger than {limit} bytes")
    with path.open("rb") as file:
        head = file.read(_HEADER)
        order = _byte_order(head)
        unpacked = announced = 0
        while len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}II", tag)
            if length > size - file.tell():
                raise ModelError("not a readable MATLAB file: an element ends after the file")
            start = file.read(min(length, _START))
            if kind == _COMPRESSED:
                packed = start + file.read(length - len(start))
                start, count = _unpack(packed, ratio)
                unpacked += count
                start = start[8:]  # of the matrix inside, after its own tag
            else:
                file.seek(length - len(start), 1)
            announced += 8 * math.prod(_dimensions(start, order))
            if max(unpacked, announced) > limit:
                raise ModelError(
                    f"holds {max(unpacked, announced)} bytes as float64, the limit is {limit}"
                )


def _byte_order(head: bytes) -> str:
    """``<`` or ``>`` of a file of version 5 to 7; the others are refused."""
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None:
        raise _VERSION.refusal("the header is not that of version 5 to 7")
    (version,) = struct.unpack(f"{order}H", head[124:126])
    if version != _VERSION_5:
        raise _VERSION.refusal(f"the header says version {version:#06x}")
    return order


def _dimensions(start: bytes, order: str) -> tuple[int, ...]:
    """The size that a matrix announces: its second part, after 16 bytes of flags."""
    if len(start) < 24:
        raise ModelError("not a readable MATLAB file: a variable without a header")
    kind, length = struct.unpack(f"{order}II", start[16:24])
    dimensions = start[24 : 24 + length]
    if kind != _INT32 or length % 4 or len(dimensions) != length:
        raise ModelError("not a readable MATLAB file: a variable without dimensions")
    return tuple(abs(k) for k in struct.unpack(f"{order}{length // 4}i", dimensions))


def _unpack(packed: bytes, ratio: int) -> tuple[bytes, int]:
    """The first bytes of what `packed` unpacks to, and their number in all.

    Nothing else is kept, and more than `ratio` times its own length is refused.
    """
    stream = zlib.decompressobj()
    allowed = ratio * len(packed) + 4096
    start, count, rest = b"", 0, packed
    while rest and not stream.eof:
        try:
            part = stream.decompress(rest, _CHUNK)
        except zlib.error as error:
            raise ModelError(f"not a readable MATLAB file: {error}") from error
        start = start or part[:_START]
        count += len(part)
        if count > allowed:
            raise ModelError(
                f"a variable unpacks {len(packed)} bytes to more than {allowed}; no weights "
                "compress like that"
            )
        rest = stream.unconsumed_tail
    return start, count


def _text(name: str, value: NDArray[Any]) -> str:
    rows = np.atleast_1d(value)
    if rows.shape not in ((0,), (1,)):
        raise ModelError(f"text {name!r} must be one row of characters, got {rows.size} rows")
    return str(rows[0]) if rows.size else ""


def _vector(name: str, value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(-1) if name in VECTORS and 1 in value.shape else value
