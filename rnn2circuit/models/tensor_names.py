"""Names of foreign tensors: prefixes of wrapper modules, Keras' suffixes, what is missing or left.

Programs name the same tensor ``gleak``, ``rnn_cell.gleak`` or ``rnn/lrc_cell/gleak:0``. Importers
work with the part that is the program's own, and refuse by full name what is not.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError

Arrays = Mapping[str, NDArray[Any]]
Floats = dict[str, NDArray[np.float64]]


def plain_name(name: str) -> str:
    """`name` with dots between its parts and without the ``:0`` of a Keras variable."""
    return name.removesuffix(":0").replace("/", ".")


def has_parts(arrays: Arrays, *markers: str) -> bool:
    """Whether for each marker some tensor has it as its last part or parts."""
    names = [plain_name(name) for name in arrays]
    return all(any(_ends(name, marker) for name in names) for marker in markers)


def split_prefix(arrays: Arrays, marker: str) -> tuple[Floats, Floats]:
    """The tensors beside the one called `marker`, by their own names, and all others.

    Raises
    ------
    ModelError
        If two tensors have one name, or two modules have the marker.
    """
    named: Floats = {}
    for name, value in arrays.items():
        plain = plain_name(name)
        if plain in named:
            raise ModelError(f"tensor {plain!r} is there twice, once as {name!r}")
        named[plain] = np.asarray(value, dtype=np.float64)
    found = [name for name in named if _ends(name, marker)]
    if len(found) != 1:
        listed = ", ".join(repr(name) for name in found)
        raise ModelError(f"expected one tensor {marker!r}, found {len(found)} ({listed})")
    prefix = found[0].removesuffix(marker)
    own = {n.removeprefix(prefix): v for n, v in named.items() if n.startswith(prefix)}
    return own, {n: v for n, v in named.items() if not n.startswith(prefix)}


def own_tensors(arrays: Arrays, marker: str, program: str) -> Floats:
    """The tensors beside `marker`, by their own names, where there are no others.

    Raises
    ------
    ModelError
        As `split_prefix`, and if there are other tensors.
    """
    own, others = split_prefix(arrays, marker)
    refuse_left(others, program)
    return own


def refuse_left(names: Collection[str], program: str) -> None:
    """Refuse tensors that nothing has used.

    Raises
    ------
    ModelError
        Naming the first of them.
    """
    if names:
        raise ModelError(
            f"tensor {min(names)!r} is not part of {program}; nothing is dropped silently, so save "
            "a file without it"
        )


def check_names(
    own: Arrays, required: Collection[str], optional: Collection[str], program: str
) -> None:
    """Refuse a set of tensors that is not just what the program has.

    Raises
    ------
    ModelError
        Naming the first tensor that is missing or not known.
    """
    missing = [name for name in required if name not in own]
    if missing:
        raise ModelError(f"tensor {missing[0]!r} of {program} is missing")
    refuse_left([n for n in own if n not in required and n not in optional], program)


def check_shapes(own: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse tensors of a wrong shape; those that are absent are passed over.

    Raises
    ------
    ModelError
        Naming the tensor, its shape and the expected one.
    """
    for name, shape in shapes.items():
        if name in own and own[name].shape != shape:
            raise ModelError(f"{name} must have shape {shape}, got {own[name].shape}")


def take_readout(
    rest: Floats, *, width: int, chosen: str | None, program: str
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Take the one linear layer among `rest`, (p, width), that reads the network out.

    Parameters
    ----------
    rest : dict
        What is left beside the network; nothing may be left after this.
    width : int
        Columns of the layer.
    chosen : str, optional
        Its prefix as the user gives it, where several layers are left.

    Raises
    ------
    ModelError
        If there are several layers, none of that name, or anything else.
    """
    layers = [name.removesuffix(".weight") for name in rest if name.endswith(".weight")]
    if chosen is not None:
        if chosen not in layers:
            raise ModelError(f"there is no layer {chosen!r} to read out; there are {layers}")
        layers = [chosen]
    if len(layers) > 1:
        raise ModelError(f"several layers could be the readout ({layers}); give --readout")
    if not layers:
        refuse_left(rest, program)
        return None, None
    w_out, b_out = rest.pop(f"{layers[0]}.weight"), rest.pop(f"{layers[0]}.bias", None)
    refuse_left(rest, program)
    if w_out.ndim != 2 or w_out.shape[1] != width:
        raise ModelError(f"{layers[0]}.weight must have shape (p, {width}), got {w_out.shape}")
    return w_out, b_out


def _ends(name: str, marker: str) -> bool:
    return name == marker or name.endswith(f".{marker}")
