"""torch's zip checkpoints, read without torch and without executing anything.

A ``.pt`` file is a zip archive of raw storages and one pickle that says how tensors lie in them.
The unpickler here knows four names and refuses every other, so a pickle can build ordered
dictionaries and tensors and nothing else.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError

MAX_PICKLE = 16 << 20  # bytes; a state_dict's pickle has some hundred per tensor
MAX_TENSORS = 100_000

_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_WRAPPERS = ("state_dict", "model_state_dict")  # what training loops call the weights


@dataclass(frozen=True, slots=True)
class _StorageType:
    dtype: str


def read_torch_zip(path: Path, *, limit: int) -> dict[str, NDArray[Any]]:
    """Tensors of a ``state_dict`` saved by ``torch.save``, by name.

    A checkpoint dictionary with a ``state_dict`` inside is accepted too.

    Raises
    ------
    ModelError
        If the file is not of that format, holds anything but tensors, or more than `limit` bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _unpickle(archive, limit)
    except zipfile.BadZipFile as error:
        raise ModelError(
            "not a torch zip file; save model.state_dict() with torch 1.6 or newer"
        ) from error
    except (EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"damaged torch file: {error}") from error
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise ModelError(
            f"holds a {type(found).__name__}, expected a state_dict; save model.state_dict()"
        )
    tensors: dict[str, NDArray[Any]] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise ModelError(
                f"entry {name!r} is not a tensor; save model.state_dict() and nothing else"
            )
        tensors[name] = value
    return tensors


def _unpickle(archive: zipfile.ZipFile, limit: int) -> Any:
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise ModelError("a member of the archive is there twice")
    pickles = [n for n in names if n.endswith("/data.pkl")]
    if len(pickles) != 1 or any(n.endswith("constants.pkl") for n in names):
        raise ModelError("not a state_dict of torch.save; TorchScript and archives are not read")
    if archive.getinfo(pickles[0]).file_size > MAX_PICKLE:
        raise ModelError("the index of the torch file is too large")
    order = f"{pickles[0].removesuffix('data.pkl')}byteorder"
    if order in names and archive.read(order) != b"little":
        raise ModelError("the torch file was written on a big-endian machine; save it elsewhere")
    reader = _RestrictedUnpickler(archive, pickles[0].removesuffix("data.pkl"), limit)
    try:
        return reader.load()
    except ModelError:
        raise
    except Exception as error:  # a hostile pickle may raise anything; none of it is ours
        raise ModelError(f"damaged torch file: {type(error).__name__} {error}") from error


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that can name nothing but what tensors are made of."""

    def __init__(self, archive: zipfile.ZipFile, root: str, limit: int) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive = archive
        self._root = root
        self._left = limit
        self._limit = limit
        self._storages: dict[str, NDArray[Any]] = {}
        self._tensors = 0

    def find_class(self, module: str, name: str) -> Any:
        match (module, name):
            case ("collections", "OrderedDict"):
                return OrderedDict
            case ("torch._utils", "_rebuild_tensor_v2"):
                return self._tensor
            case ("torch._utils", "_rebuild_parameter"):
                return self._parameter
            case ("torch", _) if name in _STORAGES:
                return _StorageType(_STORAGES[name])
            case _:
                raise ModelError(
                    f"refused: the file would load {module}.{name}; only tensors are read, so save "
                    "model.state_dict() and not the model"
                )

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", _StorageType(dtype), str(key), _, _) if key.isdigit():
                return self._storage(key, dtype)
            case _:
                raise ModelError(f"unknown storage reference {pid!r}"[:200])

    def _storage(self, key: str, dtype: str) -> NDArray[Any]:
        if key not in self._storages:
            try:
                info = self._archive.getinfo(f"{self._root}data/{key}")
            except KeyError:
                raise ModelError(f"storage {key!r} is missing from the torch file") from None
            self._spend(info.file_size)
            data = self._archive.read(info)
            if dtype == "bf16":
                array = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                array = np.frombuffer(data, dtype)
            self._storages[key] = array
        return self._storages[key]

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> NDArray[Any]:
        shape, steps = _whole_numbers(size), _whole_numbers(stride)
        (start,) = _whole_numbers((offset,))
        if not isinstance(storage, np.ndarray) or len(shape) != len(steps):
            raise ModelError("a tensor of the torch file has no storage or a wrong geometry")
        self._tensors += 1
        if self._tensors > MAX_TENSORS:
            raise ModelError(f"more than {MAX_TENSORS} tensors")
        count = math.prod(shape)
        # A stride of zero lets a small storage stand for a huge tensor.
        self._spend(count * storage.itemsize)
        last = start + sum((k - 1) * s for k, s in zip(shape, steps, strict=True))
        if count and last >= storage.size:
            raise ModelError("a tensor of the torch file reaches outside its storage")
        if not count:
            return np.zeros(shape, storage.dtype)
        bytewise = tuple(s * storage.itemsize for s in steps)
        return np.array(np.lib.stride_tricks.as_strided(storage[start:], shape, bytewise))

    def _parameter(self, data: Any, *_: Any) -> Any:
        return data

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ModelError(f"the tensors are larger than {self._limit} bytes")


def _whole_numbers(values: Any) -> tuple[int, ...]:
    numbers = tuple(values)
    if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in numbers):
        raise ModelError("a tensor of the torch file has a wrong geometry")
    return numbers
