"""File formats to named arrays: npz, safetensors, json and torch's zip. No meaning, no pickle.

Headers are read first and believed only as far as the file's size supports them, so that a
small file cannot ask for a large amount of memory.
"""

import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import require_exact
from rnn2circuit.errors import ModelError
from rnn2circuit.models.mat_file import read_mat
from rnn2circuit.models.torch_file import read_torch_zip

MAX_BYTES = 1 << 30  # of all tensors of a file, unpacked
MAX_RATIO = 200  # unpacked to packed; weights hardly compress
MAX_JSON_BYTES = 64 << 20
MAX_HEADER = 64 << 10  # bytes of an npy header
PLAIN = "fiu"  # real numbers; complex, bool, text, dates and objects are refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """Named arrays of real numbers, and named strings.

    Attributes
    ----------
    sealed : frozenset of str
        Names of pickled objects beside them. They are never opened; whoever takes the tensors
        says whether it can do without them.
    """

    arrays: Mapping[str, NDArray[Any]]
    strings: Mapping[str, str]
    sealed: frozenset[str] = frozenset()


def read_tensors(path: Path) -> Tensors:
    """Read a file by its suffix.

    Raises
    ------
    ModelError
        If it is not there, of no known format, damaged, hostile or too large.
    """
    readers: dict[str, Callable[[Path], Tensors]] = {
        ".npz": _read_npz,
        ".safetensors": _read_safetensors,
        ".json": _read_json,
        ".mat": _read_mat,
        ".pt": _read_torch,
        ".pth": _read_torch,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"a model file ends in {', '.join(readers)}, got {path.suffix!r}")
    try:
        if not path.is_file():
            raise ModelError("there is no such file")
        return reader(path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}") from error


def _read_npz(path: Path) -> Tensors:
    arrays: dict[str, NDArray[Any]] = {}
    strings: dict[str, str] = {}
    sealed: set[str] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members)
            for info in members:
                name = info.filename.removesuffix(".npy")
                with archive.open(info) as file:
                    value = _read_npy(file, name, info.file_size)
                if value is None:
                    sealed.add(name)
                elif value.dtype.kind == "U" and value.ndim == 0:
                    strings[name] = str(value)
                else:
                    arrays[name] = _plain(name, value)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"not a readable npz archive: {error}") from error
    return Tensors(arrays=arrays, strings=strings, sealed=frozenset(sealed))


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in members]
    for info in members:
        name = info.filename
        # Keras' names have slashes. Nothing is ever written under a member's name.
        parts = name.split("/")
        if "\\" in name or not name.endswith(".npy") or {"", ".", ".."} & set(parts):
            raise ModelError(f"member {name!r} is not a plain array name ending in .npy")
        if names.count(name) > 1:
            raise ModelError(f"member {name!r} is there twice")
        if info.file_size > MAX_RATIO * max(info.compress_size, 1) + 4096:
            raise ModelError(
                f"member {name!r} unpacks {info.compress_size} bytes to {info.file_size}; "
                "no weights compress like that"
            )
    total = sum(info.file_size for info in members)
    if total > MAX_BYTES:
        raise ModelError(f"holds {total} bytes unpacked, the limit is {MAX_BYTES}")


def _read_npy(file: IO[bytes], name: str, size: int) -> NDArray[Any] | None:
    """One array, or None for a pickled object, which stays closed.

    The header is compared with the size of the member before anything is read.
    """
    try:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file, max_header_size=MAX_HEADER)
    except (ValueError, EOFError) as error:
        raise ModelError(f"{name!r} is not an npy array: {error}") from error
    if dtype.hasobject:
        return None
    if dtype.kind not in PLAIN + "cbU":
        raise ModelError(f"{name!r} has dtype {dtype}; expected real numbers")
    expected = math.prod(shape) * dtype.itemsize
    if expected > size:
        raise ModelError(
            f"{name!r} announces shape {shape} ({expected} bytes) but holds {size} bytes"
        )
    data = file.read(expected)
    if len(data) != expected or file.read(1):
        raise ModelError(f"{name!r} does not hold the {expected} bytes its header announces")
    array = np.frombuffer(data, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _read_safetensors(path: Path) -> Tensors:
    # Imported here: the reader is a compiled extension that most commands do not need.
    from safetensors import SafetensorError, deserialize, safe_open  # noqa: PLC0415

    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"is larger than {MAX_BYTES} bytes")
    content = path.read_bytes()
    try:
        entries = deserialize(content)
        with safe_open(path, framework="np") as file:
            strings = dict(file.metadata() or {})
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"not a safetensors file: {error}") from error
    _refuse_repeated_keys(content)
    arrays = {name: _tensor(name, entry) for name, entry in entries}
    return Tensors(arrays=arrays, strings=strings)


def _refuse_repeated_keys(content: bytes) -> None:
    """The library takes the last of two equal keys; a file that has two is not to be trusted."""
    length = int.from_bytes(content[:8], "little")
    json.loads(content[8 : 8 + length], object_pairs_hook=_unique)


_SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}


def _tensor(name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    dtype, shape, data = entry["dtype"], entry["shape"], bytes(entry["data"])
    if dtype == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, dtype="<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(shape)
    if dtype not in _SAFETENSORS_DTYPES:
        raise ModelError(f"{name!r} has dtype {dtype}; expected real numbers")
    return np.frombuffer(data, dtype=_SAFETENSORS_DTYPES[dtype]).reshape(shape)


def _read_json(path: Path) -> Tensors:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelError(f"is larger than {MAX_JSON_BYTES} bytes; use .npz or .safetensors")
    try:
        data = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
        )
    except (UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"not JSON: {type(error).__name__}") from error
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"must be a JSON object of fields, got {type(data).__name__}")
    arrays: dict[str, NDArray[Any]] = {}
    strings: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, str):
            strings[name] = value
        else:
            arrays[name] = _json_array(name, value)
    return Tensors(arrays=arrays, strings=strings)


def _json_array(name: str, value: object) -> NDArray[Any]:
    _check_json_numbers(name, value, depth=0)
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise ModelError(f"{name!r} is not a rectangular array of numbers: {error}") from error


def _check_json_numbers(name: str, value: object, *, depth: int) -> None:
    if isinstance(value, list):
        if depth >= 2:
            raise ModelError(f"{name!r} is nested deeper than a matrix")
        for item in value:  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
            _check_json_numbers(name, item, depth=depth + 1)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelError(f"{name!r} holds {value!r}, expected numbers")
    elif isinstance(value, int):
        require_exact(repr(name), [value])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ModelError(f"key {twice!r} is there twice")
    return found


def _refuse_constant(text: str) -> float:
    raise ModelError(f"holds {text}, which is not a number")


def _read_torch(path: Path) -> Tensors:
    return Tensors(arrays=read_torch_zip(path, limit=MAX_BYTES), strings={})


def _read_mat(path: Path) -> Tensors:
    arrays, strings = read_mat(path, limit=MAX_BYTES, ratio=MAX_RATIO)
    return Tensors(arrays=arrays, strings=strings)


def _plain(name: str, value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.kind not in PLAIN:
        raise ModelError(f"{name!r} has dtype {value.dtype}; expected real numbers")
    return value
