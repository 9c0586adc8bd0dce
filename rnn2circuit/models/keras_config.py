"""What a Keras model's configuration says: its layers in order, each by class and settings.

Only a chain is read: one input, every layer fed by the one before it. Keras names the groups of
its weight file after the classes, counted in the order of the layers, whatever their own names.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnn2circuit.errors import ModelError

_NO_EFFECT = ("InputLayer", "Dropout")  # at inference
_READ = ("SimpleRNN", "GRU", "LSTM", "Dense")
_REASONS = {
    "Bidirectional": "its backward half needs the future; train it without",
    "RNN": "a custom arrangement of cells; use the layers SimpleRNN, GRU or LSTM",
    "TimeDistributed": "a Dense acts on every step by itself; use it without the wrapper",
    "Masking": "masked steps have no counterpart in a circuit; train it on whole sequences",
    "LayerNormalization": "it has no circuit here; train it without",
    "BatchNormalization": "it has no circuit here; train it without",
    "Embedding": "a circuit's inputs are numbers; feed it the embedded vectors",
    "LTC": "an ncps LTC of Keras does not keep its sparsity masks among its weights; train the "
    "torch LTC of the same wiring",
    "CfC": "a CfC of ncps is a discrete map whose time span is an input of every step, with no "
    "unique differential equation; train the torch LTC of the same wiring, or a GRU",
}
_NEAREST = (
    "read are SimpleRNN, GRU and LSTM, any number of them, then at most one linear Dense; Dropout "
    "has no effect once trained"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasLayer:
    """One layer that has weights.

    Attributes
    ----------
    kind : str
        SimpleRNN, GRU, LSTM or Dense.
    name : str
        As the model calls it.
    group : str
        As the weight file calls it.
    settings : dict
        Its configuration.
    """

    kind: str
    name: str
    group: str
    settings: dict[str, Any]

    def setting(self, key: str, default: object) -> Any:
        """A value of the configuration; older versions leave out what is newer."""
        return self.settings.get(key, default)


def layers_of_config(config: object) -> list[KerasLayer]:
    """The layers with weights, from the input upwards.

    Raises
    ------
    ModelError
        If the model is no chain of supported layers.
    """
    top = _mapping(config, "config.json")
    kind = top.get("class_name")
    if kind not in ("Sequential", "Functional") or not _is_kerass_own(top):
        raise ModelError(
            f"the model is of class {kind!r}, whose structure is code and not in the file; "
            "expected a Sequential or functional model"
        )
    inner = _mapping(top.get("config"), "the model's config")
    entries = inner.get("layers")
    if not isinstance(entries, list) or not entries:
        raise ModelError("the configuration lists no layers")
    layers = [_mapping(entry, "a layer's config") for entry in entries]  # pyright: ignore[reportUnknownArgumentType] - JSON is untyped
    found = _layers(layers)
    if kind == "Functional":
        _check_chain(layers, inner)
    return found


def _layers(entries: list[dict[str, Any]]) -> list[KerasLayer]:
    counted: Counter[str] = Counter()
    found: list[KerasLayer] = []
    for entry in entries:
        kind = str(entry.get("class_name"))
        settings = _mapping(entry.get("config"), f"the config of {kind!r}")
        name = str(settings.get("name"))
        known = kind in (*_READ, *_NO_EFFECT) and _is_kerass_own(entry)
        if not known:
            reason = _REASONS.get(kind, "it has no circuit here")
            raise ModelError(f"layer {name!r} is a {kind}: {reason}; {_NEAREST}")
        group = _snake_case(kind) + (f"_{counted[kind]}" if counted[kind] else "")
        counted[kind] += 1
        if kind in _READ:
            found.append(KerasLayer(kind=kind, name=name, group=group, settings=settings))
    return found


def _is_kerass_own(entry: dict[str, Any]) -> bool:
    """Whether a class is Keras's and not a user's of the same name."""
    module = entry.get("module", "keras")
    own = module in ("keras", "keras.layers") or str(module).startswith("keras.src.")
    return own and entry.get("registered_name") in (None, entry.get("class_name"))


def _check_chain(entries: list[dict[str, Any]], config: dict[str, Any]) -> None:
    """Refuse a functional model whose layers are not each fed by the one before alone."""
    previous: str | None = None
    for entry in entries:
        name = str(_mapping(entry.get("config"), "a layer's config").get("name"))
        nodes = entry.get("inbound_nodes")
        calls: list[Any] = nodes if isinstance(nodes, list) else []  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
        sources = [source for call in calls for source in _sources(call)]
        expected = [] if previous is None else [(previous, 0, 0)]
        if len(calls) != len(expected) or sources != expected:
            shown = ", ".join(f"{s[0]!r} (output {s[2]})" for s in sources) or "nothing"
            before = "is the input" if previous is None else f"follows {previous!r}"
            raise ModelError(
                f"layer {name!r} {before} and reads {shown}: only a chain of layers has a circuit, "
                "each called once and reading the sequence of the one before; initial states, "
                "masks and branches are not read"
            )
        previous = name
    ends = list(_sources(config.get("output_layers")))
    if ends != [(previous, 0, 0)]:
        raise ModelError(
            f"the model's outputs are {[e[0] for e in ends]}; expected the output of the last "
            f"layer, {previous!r}, alone"
        )


def _sources(value: object) -> Iterator[tuple[str, int, int]]:
    """The tensors a call reads: (layer, call, output), in Keras 3's notation and the older one."""
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": history}}:
            yield from _sources(history)
        case {"class_name": "__tensor__"} | {"class_name": "__numpy__"}:
            yield "a constant", 0, 0
        case [str(layer), int(call), int(output), *_]:
            yield layer, call, output
        case dict():
            for item in value.values():  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
                yield from _sources(item)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
                yield from _sources(item)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{what} must be a JSON object, got {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON is untyped


def _snake_case(name: str) -> str:
    """``SimpleRNN`` to ``simple_rnn``, as Keras names its groups."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
