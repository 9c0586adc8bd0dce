"""Keras SimpleRNN, GRU and LSTM from ``.keras`` and ``.weights.h5``.

Keras stores kernels as [input, unit], which is transposed here, with one block of columns per
gate: z, r, h of a GRU and i, f, c, o of an LSTM. A GRU with ``reset_after`` has two rows of
biases, for input and recurrence, and is torch's; without it the reset acts before the matrix.

A ``.keras`` file is a zip of the configuration and the weights. A ``.weights.h5`` file holds
arrays alone: the kind of a layer follows from their shapes, and what Keras takes by default
(tanh, the logistic function in gates, a linear Dense) is taken to be meant.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rnn2circuit.arrays import readonly
from rnn2circuit.errors import ModelError
from rnn2circuit.models import Network, Stack
from rnn2circuit.models.containers import MAX_BYTES, MAX_RATIO
from rnn2circuit.models.hdf5_file import read_hdf5
from rnn2circuit.models.keras_config import KerasLayer, layers_of_config
from rnn2circuit.models.support import SupportRow
from rnn2circuit.models.trained import (
    GRU_GATES,
    LSTM_GATES,
    Layer,
    elman_layer,
    gru_layer,
    lstm_layer,
    network_of,
    read_as,
)

Arrays = Mapping[str, NDArray[Any]]

MAX_CONFIG = 16 << 20  # bytes of a configuration
MOST_DIGITS = 4  # of the count in a layer's name
_ACTIVATIONS = ("tanh", "relu")
_KINDS = {1: "SimpleRNN", 3: "GRU", 4: "LSTM"}  # by blocks of columns
# What a training run leaves in the file: no part of the network.
_NOT_OF_THE_NETWORK = re.compile(r"optimizer/.*|(?:.*/)?seed_generator/.*|metrics/.*")
_VARIABLE = re.compile(r"(?P<group>.+)/vars/(?P<number>\d{1,3})")

SUPPORT: tuple[SupportRow, ...] = (
    SupportRow(
        source="Keras SimpleRNN",
        formats=".keras .weights.h5",
        becomes="elman (--clocked), ctrnn (--dt)",
        options="--clocked or --dt; of .weights.h5 --activation relu where it is not tanh",
        remarks="needs h5py: pip install 'rnn2circuit[keras]'",
    ),
    SupportRow(
        source="Keras GRU, reset_after True and False",
        formats=".keras .weights.h5",
        becomes="gru (--clocked), gru_ode (--dt)",
        options="--clocked or --dt",
        remarks="the reset after or before the matrix; without biases a .weights.h5 does not say "
        "which, so save it as .keras",
    ),
    SupportRow(
        source="Keras LSTM",
        formats=".keras .weights.h5",
        becomes="lstm (--clocked)",
        options="--clocked",
        remarks="--dt is refused: an LSTM's step is no Euler step of a differential equation",
    ),
    SupportRow(
        source="Keras stacked recurrent layers",
        formats=".keras .weights.h5",
        becomes="stack (--clocked)",
        options="--clocked",
        remarks="a .weights.h5 does not record the order of layers of several classes, so save "
        "those as .keras; Dropout has no effect once trained",
    ),
    SupportRow(
        source="Keras Dense after the recurrent layers",
        formats=".keras .weights.h5",
        becomes="readout",
        options="",
        remarks="linear only; of a .weights.h5 taken to be linear",
    ),
    SupportRow(
        source="Keras activations other than tanh, relu (SimpleRNN) and sigmoid (gates)",
        formats=".keras",
        becomes="refused",
        options="",
        remarks="hard_sigmoid and others have no stage in the circuit; train with the defaults",
    ),
    SupportRow(
        source="Keras Bidirectional, TimeDistributed, Masking, Embedding, normalisations, custom "
        "layers and subclassed models",
        formats=".keras",
        becomes="refused",
        options="",
        remarks="no part of the circuit, and nothing is dropped; a chain of SimpleRNN, GRU and "
        "LSTM with one linear Dense is read",
    ),
)


def network_from_keras(
    path: Path,
    *,
    dt: float | None = None,
    clocked: bool | None = None,
    activation: str | None = None,
    readout: str | None = None,
) -> Network:
    """Read a ``.keras`` or ``.weights.h5`` file.

    Parameters
    ----------
    dt : float
        The model time of one step: the differential equation is wanted.
    clocked : bool
        The program's own steps are wanted.
    activation : str, optional
        Of a SimpleRNN in a ``.weights.h5``: tanh, which is its default, or relu.
    readout : str, optional
        Name of the Dense layer that is the readout, where it may stand before the network too.

    Raises
    ------
    ModelError
        If the file is damaged or hostile, h5py is not installed, no reading or both are asked
        for, or the model holds what has no circuit.
    """
    if not path.is_file():
        raise ModelError("there is no such file")
    if path.suffix.lower() == ".keras":
        if activation is not None:
            raise ModelError("--activation does not apply: a .keras file records it")
        config, content = _unpacked(path)
        arrays = _variables(content)
        layers = layers_of_config(config)
    else:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"is larger than {MAX_BYTES} bytes")
        arrays = _variables(path.read_bytes())
        layers = _layers_of_arrays(arrays, activation)
    what, program = _program(layers, arrays, readout)
    return read_as(program, what=what, dt=dt, clocked=clocked)


def _unpacked(path: Path) -> tuple[object, bytes]:
    """The configuration and the weights in a ``.keras`` zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            parts: list[bytes] = []
            for name, limit in (("config.json", MAX_CONFIG), ("model.weights.h5", MAX_BYTES)):
                if names.count(name) != 1:
                    raise ModelError(f"holds {name!r} {names.count(name)} times, expected once")
                info = archive.getinfo(name)
                if info.file_size > min(limit, MAX_RATIO * info.compress_size + 4096):
                    raise ModelError(
                        f"{name!r} unpacks {info.compress_size} bytes to {info.file_size}; the "
                        f"limit is {limit}, and no weights compress like that"
                    )
                parts.append(archive.read(info))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ModelError(f"not a readable .keras archive: {error}") from error
    try:
        return json.loads(parts[0]), parts[1]
    except (ValueError, RecursionError) as error:
        raise ModelError(f"config.json is not JSON: {type(error).__name__}") from error


def _variables(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of the network, by group and number, checked and in float64."""
    found: dict[str, NDArray[Any]] = {}
    for path, array in read_hdf5(content, limit=MAX_BYTES // 2).items():  # float32 doubles
        if _NOT_OF_THE_NETWORK.fullmatch(path):
            continue
        if array.dtype.kind != "f":
            raise ModelError(
                f"{path!r} has dtype {array.dtype}: quantized weights are not read; save the "
                "model as it was trained"
            )
        for root in ("layers/", "_layer_checkpoint_dependencies/"):
            path = path.removeprefix(root)
        found[path] = readonly(path, array, array.shape)
    return found


def _layers_of_arrays(arrays: Arrays, activation: str | None) -> list[KerasLayer]:
    """The layers of a file without configuration, by the shapes of their arrays."""
    if activation not in (None, *_ACTIVATIONS):
        raise ModelError(f"activation of a SimpleRNN is tanh or relu, got {activation!r}")
    groups = {m["group"] for m in map(_VARIABLE.fullmatch, arrays) if m}
    recurrent = sorted(g.removesuffix("/cell") for g in groups if g.endswith("/cell"))
    dense = sorted(g for g in groups if "/" not in g)
    doubled = [g for g in recurrent if g.endswith(("/forward_layer", "/backward_layer"))]
    if doubled:
        raise ModelError(
            f"layer {doubled[0].split('/')[0]!r} is Bidirectional: its backward half needs the "
            "future and has no circuit; train it without"
        )
    if not recurrent:
        raise ModelError(
            "no recurrent layer of Keras 3 is found; weights of Keras 2 and whole models in .h5 "
            "are not read, so load the model with Keras 3 and save it as .keras"
        )
    layers = [_guessed(group, arrays, activation) for group in _in_order(recurrent)]
    linear = {"activation": "linear"}
    return layers + [KerasLayer(kind="Dense", name=g, group=g, settings=linear) for g in dense]


def _in_order(groups: list[str]) -> list[str]:
    """Groups of one class by their count; Keras counts them from the input upwards."""
    counts: dict[str, int] = {}
    stems: set[str] = set()
    for group in groups:
        stem, _, count = group.rpartition("_")
        counted = bool(stem) and count.isascii() and count.isdecimal() and len(count) <= MOST_DIGITS
        counts[group] = int(count) if counted else 0
        stems.add(stem if counted else group)
    if len(stems) > 1:
        raise ModelError(
            f"a .weights.h5 does not record in which order {', '.join(groups)} stand; save the "
            "model as .keras"
        )
    return sorted(groups, key=counts.__getitem__)


def _guessed(group: str, arrays: Arrays, activation: str | None) -> KerasLayer:
    """A recurrent layer with the settings that its shapes and Keras's defaults imply."""
    stem = group.split("/")[-1]
    recurrent = arrays.get(f"{group}/cell/vars/1")
    if f"{group}/cell/vars/3" in arrays or stem.startswith(("ltc", "cf_c")):
        raise ModelError(
            f"layer {group!r} is no SimpleRNN, GRU or LSTM (is it an ncps LTC or CfC? of those the "
            "torch LTC is read)"
        )
    if recurrent is None or recurrent.ndim != 2 or 0 in recurrent.shape:
        raise ModelError(f"layer {group!r} has no recurrent kernel of two dimensions")
    units, columns = recurrent.shape
    kind = _KINDS.get(columns // units) if columns % units == 0 else None
    if kind is None:
        raise ModelError(
            f"layer {group!r} has a recurrent kernel of shape {recurrent.shape}; expected 1, 3 or "
            "4 square blocks beside each other"
        )
    bias = arrays.get(f"{group}/cell/vars/2")
    settings: dict[str, Any] = {"units": units, "use_bias": bias is not None}
    if kind == "SimpleRNN":
        settings["activation"] = activation or "tanh"
    elif activation is not None:
        raise ModelError(f"--activation does not apply: layer {group!r} is a {kind}")
    if kind == "GRU":
        if bias is None:
            raise ModelError(
                f"layer {group!r} is a GRU without biases, whose file does not record reset_after; "
                "save the model as .keras"
            )
        settings["reset_after"] = bias.ndim == 2
    return KerasLayer(kind=kind, name=group, group=group, settings=settings)


def _program(
    layers: list[KerasLayer], arrays: Arrays, readout: str | None
) -> tuple[str, Layer | Stack]:
    """What the model is called in messages, and the cell or stack that it is."""
    rest = dict(arrays)
    cells: list[Layer] = []
    head: tuple[NDArray[Any], NDArray[Any] | None] | None = None
    for layer in layers:
        if layer.kind == "Dense":
            if head is not None or not cells:
                raise ModelError(
                    f"layer {layer.name!r} is a Dense {'before' if not cells else 'after'} "
                    f"{'the recurrent layers' if not cells else 'another one'}; one linear Dense "
                    "after the recurrent layers is read"
                )
            head = _dense(layer, rest, cells[-1].n_handed_on)
        elif head is not None:
            raise ModelError(f"layer {layer.name!r} stands after a Dense; expected it last")
        else:
            cells.append(_cell(layer, rest, cells[-1].n_handed_on if cells else None))
    if not cells:
        raise ModelError("the model has no SimpleRNN, GRU or LSTM")
    _check_readout(layers, cells, readout)
    if rest:
        raise ModelError(f"variable {min(rest)!r} belongs to no layer that is read")
    what = "a Keras " + "-".join(dict.fromkeys(k.kind for k in layers if k.kind != "Dense"))
    w_out, b_out = (None, None) if head is None else head
    return what, network_of(cells, w_out=w_out, b_out=b_out)


def _check_readout(layers: list[KerasLayer], cells: list[Layer], chosen: str | None) -> None:
    """A .weights.h5 does not say whether a Dense stands before or after the network."""
    dense = [layer for layer in layers if layer.kind == "Dense"]
    if chosen is not None and chosen not in [layer.name for layer in dense]:
        raise ModelError(
            f"no Dense layer {chosen!r} to read out; there are {[layer.name for layer in dense]}"
        )
    known = not dense or "units" in dense[0].settings
    if known or chosen is not None or cells[0].n_inputs != cells[-1].n_handed_on:
        return
    raise ModelError(
        f"layer {dense[0].name!r} fits before the recurrent layers as well as after them; if it is "
        f"the readout, give --readout {dense[0].name}"
    )


def _cell(layer: KerasLayer, rest: dict[str, NDArray[Any]], inputs: int | None) -> Layer:
    """Take a recurrent layer's variables out of `rest`."""
    _check_settings(layer)
    units = layer.setting("units", None)
    kernel, recurrent, bias = _take(layer, rest, f"{layer.group}/cell", 2)
    blocks = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[layer.kind]
    known = isinstance(units, int) and units > 0
    columns = blocks * units if known else -1
    m = kernel.shape[0] if kernel.ndim == 2 and inputs is None else inputs
    after = layer.kind == "GRU" and layer.setting("reset_after", False) is True
    for name, value, shape in (
        ("kernel", kernel, (m, columns)),
        ("recurrent_kernel", recurrent, (units, columns)),
        ("bias", bias, (2, columns) if after else (columns,)),
    ):
        if value is not None and value.shape != shape:
            raise ModelError(
                f"{name} of layer {layer.name!r} must have shape {shape}, got {value.shape}"
            )
    w, w_in = recurrent.T, kernel.T
    b_in, b_rec = (bias[0], bias[1]) if after and bias is not None else (bias, None)
    if layer.kind == "SimpleRNN":
        activation = layer.setting("activation", "tanh")
        return elman_layer(w=w, w_in=w_in, b_in=b_in, b_rec=b_rec, activation=activation)
    if layer.kind == "GRU":
        reset = "after" if after else "before"
        return gru_layer(GRU_GATES["keras"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec, reset=reset)
    return lstm_layer(LSTM_GATES["keras"], w=w, w_in=w_in, b_in=b_in, b_rec=b_rec)


def _check_settings(layer: KerasLayer) -> None:
    """Refuse settings under which the layer computes something else."""
    allowed = {"activation": ("tanh", "relu") if layer.kind == "SimpleRNN" else ("tanh",)}
    if layer.kind != "SimpleRNN":
        allowed["recurrent_activation"] = ("sigmoid",)
    for key, values in allowed.items():
        got = layer.setting(key, values[0])
        if got not in values:
            shown = got if isinstance(got, str) else "a function of the user's"
            raise ModelError(
                f"layer {layer.name!r} has {key} {shown!r}, which has no stage in the circuit; "
                f"supported is {' or '.join(values)}"
            )
    if layer.kind == "GRU" and not isinstance(layer.setting("reset_after", None), bool):
        raise ModelError(f"layer {layer.name!r} is a GRU without reset_after in its configuration")
    if layer.setting("go_backwards", False):
        raise ModelError(
            f"layer {layer.name!r} reads its sequence backwards (go_backwards); a circuit cannot"
        )


def _dense(
    layer: KerasLayer, rest: dict[str, NDArray[Any]], hidden: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    activation = layer.setting("activation", "linear")
    if activation not in ("linear", None):
        raise ModelError(
            f"layer {layer.name!r} is a Dense with activation {activation!r}; the readout of a "
            "circuit is linear, so move the activation out of the network"
        )
    kernel, bias = _take(layer, rest, layer.group, 1)
    units = layer.setting("units", kernel.shape[-1] if kernel.ndim else 0)
    for name, value, shape in (("kernel", kernel, (hidden, units)), ("bias", bias, (units,))):
        if value is not None and value.shape != shape:
            raise ModelError(
                f"{name} of layer {layer.name!r} must have shape {shape}, got {value.shape}"
            )
    return kernel.T, bias


def _take(layer: KerasLayer, rest: dict[str, NDArray[Any]], group: str, kernels: int) -> list[Any]:
    """Kernels and bias (None without) of a group: exactly those, or an error that names one."""
    names = [f"{group}/vars/{k}" for k in range(kernels + 1)]
    biased = layer.setting("use_bias", names[-1] in rest)
    wanted = names if biased else names[:-1]
    missing = [name for name in wanted if name not in rest]
    if missing:
        raise ModelError(f"variable {missing[0]!r} of layer {layer.name!r} is missing")
    taken: list[Any] = [rest.pop(name) for name in wanted]
    return taken if biased else [*taken, None]
