"""Model files in and out: canonical files, and the dispatch to importers of foreign ones.

A file is data. Nothing is ever unpickled, every size is checked before it is allocated, and a
tensor that is not understood is an error that names it, never dropped.
"""

import contextlib
import json
import os
import re
import struct
import threading
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import readonly
from rnn2circuit.errors import ModelError, OutputError, Rnn2CircuitError
from rnn2circuit.models import FAMILIES, Ltc, Network, Stack
from rnn2circuit.models.base import AbstractNetwork, arrays_of, strings_of
from rnn2circuit.models.containers import MAX_BYTES, Tensors, read_tensors
from rnn2circuit.models.import_ltc_csv import refuse_directory
from rnn2circuit.models.importers import (
    FILE_IMPORTERS,
    TENSOR_IMPORTERS,
    FileImporter,
    ImportOptions,
)

SUFFIXES = (".npz", ".safetensors", ".json", ".mat", ".pt", ".pth")
CANONICAL = (".npz", ".safetensors", ".json")  # of files that can be written
MAX_MESSAGE = 800  # characters; a file's own names may be of any length

_LAYER = re.compile(r"layer([1-9]\d{0,3})\.(.+)")


def load(path: str | Path, **options: Any) -> Network:
    """Read a network.

    Parameters
    ----------
    path : str or Path
        ``.npz``, ``.safetensors``, ``.json`` or ``.mat`` with canonical fields, or a file of one of
        the foreign programs that docs/import.md lists.
    **options
        What the file leaves open, by the names of `ImportOptions`: ``dt``, ``clocked``,
        ``activation``, ``ncps_parameters``, ``unfolds``, ``tau``, ``elastance``, ``readout``.

    Raises
    ------
    ModelError
        If the file cannot be read, is not a model, or an option is missing or does not apply.
    """
    path = Path(path)
    given = ImportOptions(**options).given()
    try:
        _check_values(given)
        if path.is_dir():
            refuse_directory(path)
        own = FILE_IMPORTERS.get(path.suffix.lower())
        if own is not None:
            _check_options(given, own.options)
            return _built(own, path, given)
        return _interpret(_read(path), given)
    except Rnn2CircuitError as error:
        raise ModelError(_sentence(f"{path.name}: {error}")) from error


def _built(importer: FileImporter, path: Path, options: Mapping[str, Any]) -> Network:
    try:
        return importer.build(path, **options)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}") from error


def _read(path: Path) -> Tensors:
    try:
        tensors = read_tensors(path)
    except Rnn2CircuitError:
        raise
    except Exception as error:  # decompressors and header parsers raise anything on hostile bytes
        raise ModelError(f"damaged file: {type(error).__name__} {error}") from error
    held = 8 * sum(array.size for array in tensors.arrays.values())
    if held > MAX_BYTES:
        raise ModelError(f"holds {held} bytes as float64, the limit is {MAX_BYTES}")
    return tensors


def _sentence(text: str) -> str:
    """`text` on one line of bounded length, with whatever does not print escaped."""
    if len(text) > MAX_MESSAGE:  # both ends matter: what it is about, and what to do
        text = f"{text[: MAX_MESSAGE // 2]} ... {text[-MAX_MESSAGE // 2 :]}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _check_values(options: Mapping[str, Any]) -> None:
    for name in ("dt", "tau", "unfolds"):
        value = options.get(name, 1.0)
        if not (np.isfinite(value) and value > 0):
            raise ModelError(f"{name} must be positive, got {value!r}")


def _interpret(tensors: Tensors, options: dict[str, Any]) -> Network:
    if "family" in tensors.strings:
        _refuse_sealed(tensors.sealed)
        own = {"dt", "unfolds"} if tensors.strings["family"] == Ltc.family else {"dt"}
        _check_options(options, frozenset(own))
        return model_from_fields(tensors, **options)
    importer = next((i for i in TENSOR_IMPORTERS if i.recognises(tensors.arrays)), None)
    _refuse_sealed(tensors.sealed - (frozenset() if importer is None else importer.sealed))
    if importer is None:
        shown = ", ".join(repr(name) for name in sorted(tensors.arrays)[:6]) or "nothing"
        raise ModelError(
            f"no model is recognised: found {shown}; expected a field 'family' "
            f"({', '.join(FAMILIES)}) or the tensors of a program that docs/import.md lists"
        )
    _check_options(options, importer.options)
    for name in sorted(importer.options & tensors.strings.keys()):
        # Foreign metadata is free text, but what it says about the model must not be passed over.
        said = tensors.strings[name]
        if not _agrees(said, options.get(name)):
            raise ModelError(
                f"the file's metadata says {name} = {said!r}, the option says "
                f"{options.get(name)!r}; metadata of foreign files is not used, so give "
                f"{_option(name)} {said}"
            )
    checked = {k: readonly(k, v, v.shape) for k, v in sorted(tensors.arrays.items())}
    return importer.build(checked, **options)


def _refuse_sealed(names: frozenset[str]) -> None:
    if names:
        raise ModelError(
            f"{min(names)!r} has dtype object; expected real numbers (objects are never unpickled)"
        )


def _agrees(text: str, option: object) -> bool:
    if isinstance(option, int | float):
        with contextlib.suppress(ValueError):
            return float(text) == option
    return text == option


def _check_options(options: Mapping[str, Any], allowed: frozenset[str]) -> None:
    for name in options:
        if name not in allowed:
            raise ModelError(f"option {_option(name)} does not apply to this kind of file")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def model_from_fields(
    tensors: Tensors, *, dt: float | None = None, unfolds: float | None = None
) -> Network:
    """Build a model of the family that the strings name from canonical fields.

    `dt`, and `unfolds` of an LTC, may be given where the fields leave them open.

    Raises
    ------
    ModelError
        If the family is unknown, a field is missing, unknown, of the wrong kind or invalid, or
        an option contradicts the fields.
    """
    strings = dict(tensors.strings)
    name = strings.pop("family")
    if name not in FAMILIES:
        raise ModelError(f"family must be one of {', '.join(FAMILIES)}, got {name!r}")
    family = FAMILIES[name]
    if family is Stack:
        layers, strings, arrays = _layers_of(tensors)
        tensors = Tensors(arrays=arrays, strings=strings)
        strings = {k: v for k, v in strings.items() if k != "family"}
    else:
        layers = {}
    numeric, textual, required = _fields_of(family)
    scalars = _scalar_fields(family)
    given: dict[str, Any] = dict(tensors.arrays)
    for k in sorted(given.keys() & strings.keys()):
        raise ModelError(f"field {k!r} is there twice, as an array and as text")
    given |= {k: _number(k, strings.pop(k)) for k in scalars if k in strings}
    _check_names([*given, *strings], [*numeric, *textual], name)
    for k in sorted(given.keys() & set(textual)):
        raise ModelError(f"field {k!r} must be text, got an array of shape {np.shape(given[k])}")
    for k in sorted(strings.keys() & set(numeric)):
        raise ModelError(f"field {k!r} must be an array of numbers, got the text {strings[k]!r}")
    missing = [k for k in required if k not in given and k not in strings and k not in layers]
    if missing:
        raise ModelError(f"family {name!r} needs the field {missing[0]!r}, which is missing")
    given |= {k: _scalar(k, given[k]) for k in scalars if k in given}
    for option, value in (("dt", dt), ("unfolds", unfolds)):
        if value is None:
            continue
        if given.get(option, value) != value:
            raise ModelError(
                f"the file says {option} = {given[option]!r}, the option says {value!r}"
            )
        given[option] = value
    arguments: dict[str, Any] = given | strings | layers
    return family(**arguments)


def _layers_of(tensors: Tensors) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """The layers of a stack, each a model of its own, and what belongs to the whole."""
    parts: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}
    whole: tuple[dict[str, Any], dict[str, str]] = ({}, {})
    for key in [*tensors.arrays, *tensors.strings]:
        match = _LAYER.fullmatch(key)
        arrays, strings = whole if match is None else parts.setdefault(int(match[1]), ({}, {}))
        name = key if match is None else match[2]
        if key in tensors.arrays:
            arrays[name] = tensors.arrays[key]
        else:
            strings[name] = tensors.strings[key]
    if sorted(parts) != list(range(1, len(parts) + 1)):
        raise ModelError(f"layers of a stack are numbered from 1 without gaps, got {sorted(parts)}")
    layers: list[Network] = []
    for k in sorted(parts):
        try:
            if "family" not in parts[k][1]:
                raise ModelError("the field 'family' is missing")
            layers.append(model_from_fields(Tensors(arrays=parts[k][0], strings=parts[k][1])))
        except ModelError as error:
            raise ModelError(f"layer {k}: {error}") from error
    return ({"layers": tuple(layers)} if layers else {}), whole[1], whole[0]


def _check_names(found: list[str], known: list[str], family: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ModelError(
            f"field {unknown[0]!r} is not one of family {family!r}: {', '.join(known)}"
        )


def save(model: AbstractNetwork, path: str | Path) -> None:
    """Write a canonical file whose format its suffix names; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    ModelError
        If the suffix names no format.
    """
    path = Path(path)
    writers = {".npz": _write_npz, ".safetensors": _write_safetensors, ".json": _write_json}
    if path.suffix.lower() not in writers:
        raise ModelError(
            f"model file {path.name!r} must end in {', '.join(writers)}, got {path.suffix!r}"
        )
    content = writers[path.suffix.lower()](model)
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}-{threading.get_ident()}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _write_npz(model: AbstractNetwork) -> bytes:
    import io  # noqa: PLC0415 - shadows this module's name at the top level
    import zipfile  # noqa: PLC0415 - with it

    buffer = io.BytesIO()
    entries: dict[str, NDArray[Any]] = {k: np.array(v) for k, v in strings_of(model).items()}
    entries |= arrays_of(model)
    # numpy.savez stamps the time of day into the archive; a fixed one makes equal bytes.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in entries.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def _write_safetensors(model: AbstractNetwork) -> bytes:
    arrays = {k: np.ascontiguousarray(v, dtype="<f8") for k, v in arrays_of(model).items()}
    header: dict[str, Any] = {"__metadata__": strings_of(model)}
    at = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": "F64",
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values())


def _write_json(model: AbstractNetwork) -> bytes:
    data: dict[str, Any] = dict(strings_of(model))
    data |= {k: v.tolist() for k, v in arrays_of(model).items()}
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()


def _fields_of(family: type[AbstractNetwork]) -> tuple[list[str], list[str], list[str]]:
    """Names of a family's numeric, textual and required fields, from its annotations."""
    hints = typing.get_type_hints(family)
    numeric: list[str] = []
    textual: list[str] = []
    for field in fields(family):
        kinds = _alternatives(hints[field.name])
        if field.name == "layers":
            continue
        (textual if str in kinds else numeric).append(field.name)
    required = [f.name for f in fields(family) if _is_required(f)]
    return numeric, textual, required


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _scalar_fields(family: type[AbstractNetwork]) -> list[str]:
    hints = typing.get_type_hints(family)
    return [f.name for f in fields(family) if float in _alternatives(hints[f.name])]


def _alternatives(hint: object) -> tuple[object, ...]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return typing.get_args(hint)
    return (hint,)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ModelError(f"{name} must be a number, got {text[:40]!r}") from None


def _scalar(name: str, value: object) -> float:
    array = np.asarray(value)
    if array.size != 1:
        raise ModelError(f"{name} must be one number, got an array of shape {array.shape}")
    return float(readonly(name, array.reshape(1), (1,))[0])
