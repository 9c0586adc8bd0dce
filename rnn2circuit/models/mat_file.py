"""MATLAB files with canonical field names, read within bounded memory.

MATLAB has no vectors and no strings of the kinds of our fields: a vector is a matrix with one row
or one column, a scalar a 1-by-1 matrix, text a row of characters. Fields that are vectors in every
family become one-dimensional here, which is what `VECTORS` lists.

The format is level 5 of "MAT-File Format" (MathWorks): a header of 128 bytes, then elements of
a tag (type and length) and data padded to eight bytes; a variable is an element that holds flags,
dimensions, name and data, or the same compressed. SciPy's reader is not used because damaged bytes
make its compiled part read outside its buffers and end the process.
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

_VERSION = SupportRow(
    source="MATLAB file of version 7.3 or 4",
    formats=".mat",
    becomes=REFUSED,
    remarks="7.3 is HDF5 under another name, and 4 is older than text in files; save the fields "
    "with save('net.mat', '-struct', 'net', '-v7')",
)
_CONTAINER = SupportRow(
    source="MATLAB struct, cell, object, logical, complex, sparse or function",
    formats=".mat",
    becomes=REFUSED,
    remarks="a field is a full real matrix or a row of characters; save the fields of a struct one "
    "by one with save('net.mat', '-struct', 'net', '-v7'), of a sparse matrix full(w)",
)
SUPPORT = (
    SupportRow(
        source="MATLAB, canonical field names (docs/models.md)",
        formats=".mat (v5 to v7)",
        becomes="the family in the field family",
        remarks="family and other text as character arrays; 1xN and Nx1 count as vectors where the "
        "field is one",
    ),
    _VERSION,
    _CONTAINER,
)

VECTORS = frozenset(
    ["rate", "gain", "tau", "bias", "c_m", "g_leak", "e_leak", "b_elast", "k_elast"]
    + ["g_na", "g_k", "e_na", "e_k", "x0", "in_scale", "in_bias", "b_out", "b1", "b2", "by", "bz"]
    + [f"b_{gate}" for gate in ("f", "r", "u", "hu", "z", "n", "hn", "i", "g", "o")]
)
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15  # types of elements
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"} | {
    12: "i8",
    13: "u8",
}
_TEXTS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_CHAR, _NUMERIC = 4, range(6, 16)  # classes of variables: double 6 to uint64 15
_LOGICAL, _COMPLEX = 0x0200, 0x0800
_VERSION_5 = 0x0100
_HEADER = 128  # bytes of text, version and byte order before the first element


def read_mat(
    path: Path, *, limit: int, ratio: int
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and strings of a MATLAB file of version 5 to 7.

    Parameters
    ----------
    limit : int
        Bytes that all variables may take as float64.
    ratio : int
        Unpacked to packed bytes of a compressed variable; weights hardly compress.

    Raises
    ------
    ModelError
        If it is damaged, of another version, holds anything but real matrices and text, or is too
        large.
    """
    if path.stat().st_size > limit:
        raise ModelError(f"is larger than {limit} bytes")
    content = path.read_bytes()
    order = _byte_order(content[:_HEADER])
    arrays: dict[str, NDArray[Any]] = {}
    strings: dict[str, str] = {}
    rest, held = content[_HEADER:], 0
    while rest:
        kind, data, rest = _element(rest, order)
        if kind == _COMPRESSED:
            kind, data, _ = _element(_unpack(data, ratio), order)
        if kind != _MATRIX:
            raise ModelError(f"{_DAMAGED}an element of type {kind} where a variable begins")
        name, value = _variable(data, order)
        held += 8 * (len(value) if isinstance(value, str) else value.size)
        if held > limit:
            raise ModelError(f"holds {held} bytes as float64, the limit is {limit}")
        if name in arrays or name in strings:
            raise ModelError(f"variable {name!r} is there twice")
        if isinstance(value, str):
            strings[name] = value
        else:
            arrays[name] = value
    if "family" in strings:
        arrays = {name: _vector(name, value) for name, value in arrays.items()}
    return arrays, strings


_DAMAGED = "not a readable MATLAB file: "


def _byte_order(head: bytes) -> str:
    """``<`` or ``>`` of a file of version 5 to 7; the others are refused."""
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None:
        raise _VERSION.refusal("the header is not that of version 5 to 7")
    (version,) = struct.unpack(f"{order}H", head[124:126])
    if version != _VERSION_5:
        raise _VERSION.refusal(f"the header says version {version:#06x}")
    return order


def _element(content: bytes, order: str) -> tuple[int, bytes, bytes]:
    """Type and data of the first element, and what follows it."""
    if len(content) < 8:
        raise ModelError(f"{_DAMAGED}it ends within an element")
    kind, length = struct.unpack(f"{order}II", content[:8])
    if kind >> 16:  # up to four bytes of data stand in the tag itself
        kind, length = kind & 0xFFFF, kind >> 16
        if length > 4:
            raise ModelError(f"{_DAMAGED}{length} bytes in a tag that holds four")
        return kind, content[4 : 4 + length], content[8:]
    if length > len(content) - 8:
        raise ModelError(f"{_DAMAGED}an element ends after the file")
    padding = 0 if kind == _COMPRESSED else -length % 8
    return kind, content[8 : 8 + length], content[8 + length + padding :]


def _unpack(packed: bytes, ratio: int) -> bytes:
    allowed = ratio * len(packed) + 4096
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(packed, allowed)
    except zlib.error as error:
        raise ModelError(f"{_DAMAGED}{error}") from error
    if not stream.eof:
        raise ModelError(
            f"a variable of {len(packed)} bytes is cut short or unpacks to more than {allowed}; no "
            "weights compress like that"
        )
    return unpacked


def _variable(data: bytes, order: str) -> tuple[str, NDArray[Any] | str]:
    """Name and value of a variable."""
    (kind, flags, rest), where = _element(data, order), "flags"
    if (kind, len(flags)) == (_UINT32, 8):
        (kind, dimensions, rest), where = _element(rest, order), "dimensions"
        if kind == _INT32 and dimensions and len(dimensions) % 4 == 0:
            (kind, label, rest), where = _element(rest, order), "name"
            if kind == _INT8:
                shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
                name = label.decode("ascii", "replace")
                return name, _value(name, flags, shape, rest, order)
    raise ModelError(f"{_DAMAGED}the {where} of a variable are of the wrong kind")


def _value(
    name: str, flags: bytes, shape: tuple[int, ...], rest: bytes, order: str
) -> NDArray[Any] | str:
    """The data of a variable; nothing is made that the file does not hold."""
    (bits,) = struct.unpack(f"{order}I", flags[:4])
    group = bits & 0xFF
    if bits & (_LOGICAL | _COMPLEX) or (group != _CHAR and group not in _NUMERIC):
        raise _CONTAINER.refusal(f"variable {name!r} is of class {group} with flags {bits >> 8:#x}")
    if len(shape) != 2 or min(shape) < 0:
        raise ModelError(f"variable {name!r} must be a matrix, got shape {shape}")
    kind, data, _ = _element(rest, order)
    if group == _CHAR:
        return _text(name, kind, data, shape, order)
    if kind not in _NUMBERS:
        raise ModelError(f"{_DAMAGED}variable {name!r} has numbers of type {kind}")
    dtype = np.dtype(order + _NUMBERS[kind])
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ModelError(
            f"variable {name!r} announces shape {shape} ({expected} bytes) but holds {len(data)}"
        )
    return np.frombuffer(data, dtype).reshape(shape, order="F")


def _text(name: str, kind: int, data: bytes, shape: tuple[int, ...], order: str) -> str:
    if shape[0] != 1 and 0 not in shape:
        raise ModelError(f"text {name!r} must be one row of characters, got {shape[0]} rows")
    encoding = _TEXTS.get(kind, "ascii")
    if encoding == "utf-16":
        encoding += "-le" if order == "<" else "-be"
    text = data.decode(encoding, "replace")
    if len(text) != math.prod(shape):
        raise ModelError(
            f"text {name!r} announces {math.prod(shape)} characters but holds {len(text)}"
        )
    return text


def _vector(name: str, value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(-1) if name in VECTORS and 1 in value.shape else value
