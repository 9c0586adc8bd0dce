"""torch's zip checkpoints, read without torch and without unpickling.

A ``.pt`` file is a zip archive of raw storages and one pickle that says how tensors lie in them.
Python's unpickler is not used at all: even one that may name only tensors can be made to fill the
memory by a few bytes (a large memo index, a tuple nested by reference). The machine here knows
the opcodes that ``torch.save`` writes, builds dictionaries, lists, tuples and descriptions of
tensors, and calls nothing. Storages are read afterwards, for the tensors that are wanted.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError

MAX_PICKLE = 4 << 20  # bytes; a state_dict's pickle has some hundred per tensor
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 8  # of a tensor; the largest that torch's layers have is 5

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
_NEXT_STEP = "save model.state_dict() with torch.save"

# What zipfile, pickletools and numpy raise on bytes that no torch wrote.
_DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Name:
    """A global that a pickle may mention."""

    module: str
    name: str


_ORDERED_DICT = _Name("collections", "OrderedDict")
_TENSOR = _Name("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = _Name("torch._utils", "_rebuild_parameter")


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """A tensor: where its elements lie in a storage. Offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


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
            root = _check_members(archive)
            layouts = _state_dict(_Machine().run(archive.read(f"{root}data.pkl")))
            storages = _Storages(archive, root, limit)
            return {name: storages.tensor(layout) for name, layout in layouts.items()}
    except ModelError:
        raise
    except zipfile.BadZipFile as error:
        raise ModelError(f"not a torch zip file ({error}); {_NEXT_STEP} 1.6 or newer") from error
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise ModelError(f"damaged torch file: {type(error).__name__} {error}") from error


def _check_members(archive: zipfile.ZipFile) -> str:
    """The folder inside the archive that holds ``data.pkl``."""
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise ModelError("a member of the archive is there twice")
    for info in archive.infolist():
        # torch stores its members as they are, so whatever is packed could be a bomb.
        if info.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"member {info.filename!r} is compressed, which torch.save never does")
    pickles = [n for n in names if n.endswith("/data.pkl")]
    if len(pickles) != 1 or any(n.endswith("constants.pkl") for n in names):
        raise ModelError(
            f"not a state_dict of torch.save; TorchScript and archives are not read: {_NEXT_STEP}"
        )
    if archive.getinfo(pickles[0]).file_size > MAX_PICKLE:
        raise ModelError("the index of the torch file is too large")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise ModelError("the torch file was written on a big-endian machine; save it elsewhere")
    return root


def _state_dict(found: Any) -> dict[str, _Layout]:
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        kind = "tensor" if isinstance(found, _Layout) else type(found).__name__
        raise ModelError(f"holds a {kind}, expected a state_dict; {_NEXT_STEP}")
    layouts: dict[str, _Layout] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, _Layout):
            raise ModelError(f"entry {name!r} is not a tensor; {_NEXT_STEP} and nothing else")
        layouts[name] = value
    if len(layouts) > MAX_TENSORS:
        raise ModelError(f"holds {len(layouts)} tensors, the limit is {MAX_TENSORS}")
    return layouts


_CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINSTRING"),
}
_EMPTY: Mapping[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_COUNTED = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SILENT = {"PROTO", "FRAME", "STOP"}


class _Machine:
    """The part of pickle's stack machine that ``torch.save`` needs.

    What it builds is no larger than a fixed multiple of the program, because nothing is copied
    and the memo is a dictionary. Keys are text or integers, so hashing one is cheap.
    """

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._actions: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "BINPUT": self._put,
            "LONG_BINPUT": self._put,
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "BINGET": lambda index: self._push(self._memo[index]),
            "LONG_BINGET": lambda index: self._push(self._memo[index]),
            "GLOBAL": lambda text: self._push(_named(*text.split(" ", 1))),
            "STACK_GLOBAL": lambda _: self._push(_named(*self._last(2))),
            "TUPLE": lambda _: self._push(tuple(self._since_mark())),
            "APPEND": lambda _: self._extend(self._last(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._fill(self._last(2)),
            "SETITEMS": lambda _: self._fill(self._since_mark()),
            "REDUCE": lambda _: self._push(_built(*self._last(2))),
            "BINPERSID": lambda _: self._push(_storage(*self._last(1))),
            "BUILD": self._build,
        }

    def run(self, program: bytes) -> Any:
        """The object that the pickle describes."""
        for opcode, argument, _ in pickletools.genops(program):
            self._step(opcode.name, argument)
        return self._stack.pop()

    def _step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif name in _LITERALS:
            self._push(argument)
        elif name in _EMPTY:
            self._push(_EMPTY[name]())
        elif name in _COUNTED:
            self._push(tuple(self._last(_COUNTED[name])))
        elif name in self._actions:
            self._actions[name](argument)
        elif name not in _SILENT:
            raise ModelError(f"refused: opcode {name} is not one that a state_dict needs")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _last(self, count: int) -> list[Any]:
        return [self._stack.pop() for _ in range(count)][::-1]

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise ModelError("damaged torch file: items for what is not a list")
        self._stack[-1].extend(items)

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        keys = items[::2]
        if not isinstance(target, dict) or not all(isinstance(k, str | int) for k in keys):
            raise ModelError("damaged torch file: a dictionary with keys that are no names")
        target.update(zip(keys, items[1::2], strict=True))

    def _build(self, _: Any) -> None:
        # A state_dict carries module versions as an attribute; weights do not depend on them.
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise ModelError(f"refused: the file sets attributes of an object; {_NEXT_STEP}")


def _named(module: Any, name: Any) -> _Name:
    found = _Name(str(module), str(name))
    if found in (_ORDERED_DICT, _TENSOR, _PARAMETER):
        return found
    if found.module == "torch" and found.name in _STORAGES:
        return found
    raise ModelError(
        f"refused: the file would load {found.module}.{found.name}; only tensors are read, so "
        "save model.state_dict() and not the model"
    )


def _built(what: Any, arguments: Any) -> Any:
    """What calling `what` stands for; a tensor stays a description."""
    match what, arguments:
        case _Name("collections"), ():
            return {}
        case _Name(name="_rebuild_tensor_v2"), (_Storage() as storage, offset, size, stride, *_):
            (start,) = _whole_numbers((offset,))
            shape, strides = _whole_numbers(size), _whole_numbers(stride)
            if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
                raise ModelError("a tensor of the torch file has a wrong geometry")
            return _Layout(storage, start, shape, strides)
        case _Name(name="_rebuild_parameter"), (_Layout() as layout, *_):
            return layout
        case _:
            raise ModelError("a tensor of the torch file is built in an unknown way")


def _storage(reference: Any) -> _Storage:
    match reference:
        case "storage", _Name("torch", kind), str(key), _, _ if key.isascii() and key.isdigit():
            return _Storage(key, _STORAGES[kind])
        case _:  # not shown: its text may be exponentially longer than the file
            raise ModelError("unknown storage reference in the torch file")


def _whole_numbers(values: Any) -> tuple[int, ...]:
    numbers = tuple(values)
    if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in numbers):
        raise ModelError("a tensor of the torch file has a wrong geometry")
    return numbers


class _Storages:
    """The storages of one archive, read when a tensor needs them and within a limit."""

    def __init__(self, archive: zipfile.ZipFile, root: str, limit: int) -> None:
        self._archive = archive
        self._root = root
        self._left = limit
        self._limit = limit
        self._read: dict[_Storage, NDArray[Any]] = {}

    def tensor(self, layout: _Layout) -> NDArray[Any]:
        """A copy of the tensor's elements."""
        elements = self._elements(layout.storage)
        count = math.prod(layout.shape)
        # A stride of zero lets a small storage stand for a huge tensor.
        self._spend(count * elements.itemsize)
        if not count:
            return np.zeros(layout.shape, elements.dtype)
        steps = zip(layout.shape, layout.strides, strict=True)
        if layout.offset + sum((k - 1) * s for k, s in steps) >= elements.size:
            raise ModelError("a tensor of the torch file reaches outside its storage")
        bytewise = tuple(s * elements.itemsize for s in layout.strides)
        view = np.lib.stride_tricks.as_strided(elements[layout.offset :], layout.shape, bytewise)
        return np.array(view)

    def _elements(self, storage: _Storage) -> NDArray[Any]:
        if storage not in self._read:
            try:
                info = self._archive.getinfo(f"{self._root}data/{storage.key}")
            except KeyError:
                raise ModelError(
                    f"storage {storage.key!r} is missing from the torch file"
                ) from None
            self._spend(info.file_size)
            data = self._archive.read(info)
            if storage.dtype == "bf16":  # the upper half of a float32
                array = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                array = np.frombuffer(data, storage.dtype)
            self._read[storage] = array
        return self._read[storage]

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ModelError(f"the tensors are larger than {self._limit} bytes")
