"""Operations of ONNX that move axes, as what they do to the meaning of each axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import ModelError
from rnn2circuit.models.onnx_graph import Node

FEATURE = "features"
ONE = "one"  # an axis of length 1
MERGED = "merged"  # several axes in one

Axes = tuple[str, ...]


def transposed(
    node: Node, axes: Axes, _argument: object, _width: int | None, _time: str | None
) -> Axes:
    """Transpose: the axes in the order of ``perm``, or backwards without it."""
    order = list(node.attributes.get("perm", range(len(axes) - 1, -1, -1)))
    if sorted(order) != list(range(len(axes))):
        raise ModelError(f"{node.label} permutes {order}, the signal has {len(axes)} axes")
    return tuple(axes[k] for k in order)


def squeezed(
    node: Node, axes: Axes, argument: NDArray[Any] | None, _width: int | None, time: str | None
) -> Axes:
    """Squeeze and Unsqueeze: axes of length 1 taken away or put in."""
    given = node.attributes.get("axes", argument)
    if given is None:
        raise ModelError(f"{node.label} does not say which axes; export it with axes")
    if np.ndim(given) != 1:
        raise ModelError(f"{node.label} names axes in an array of {np.ndim(given)} dimensions")
    added = node.op == "Unsqueeze"
    rank = len(axes) + (len(given) if added else 0)
    places = sorted(int(k) % rank if -rank <= k < rank else -1 for k in given)
    if places[:1] == [-1] or len(set(places)) < len(places):
        raise ModelError(f"{node.label} names axes {list(given)} of a signal with {rank}")
    if added:
        rest = iter(axes)
        return tuple(ONE if k in places else next(rest) for k in range(rank))
    for k in places:
        if axes[k] in (FEATURE, MERGED, time):
            raise ModelError(f"{node.label} takes away the axis of the {axes[k]}")
    return tuple(axis for k, axis in enumerate(axes) if k not in places)


def reshaped(
    node: Node, axes: Axes, argument: NDArray[Any] | None, width: int | None, _time: str | None
) -> Axes:
    """Reshape, where its shape shows that no number changes its feature, time or batch.

    An entry 0 keeps an axis, 1 makes one of length 1, the last entry may name the features'
    length, and one entry -1 takes all axes that are left.
    """
    shape = [] if argument is None else [int(k) for k in argument.ravel()]
    found: list[str | None] = []
    for k, length in enumerate(shape):
        if k == len(shape) - 1 and length == width:
            found.append(FEATURE)
        elif length == 0 and k < len(axes) and not node.attributes.get("allowzero", 0):
            found.append(axes[k])
        elif length in (1, -1):
            found.append(ONE if length == 1 else None)
        else:
            raise _unknown(node, shape, axes)
    core = [axis for axis in axes if axis != ONE]
    left = [axis for axis in core if axis not in found]
    whole: list[str] = []
    for axis in found:
        whole += left if axis is None else [axis] if axis != ONE else []
    if whole != core or found.count(None) > 1:
        raise _unknown(node, shape, axes)
    merged = left[0] if len(left) == 1 else MERGED if left else ONE
    if merged == MERGED and FEATURE in left:
        raise _unknown(node, shape, axes)
    return tuple(merged if axis is None else axis for axis in found)


def _unknown(node: Node, shape: list[int], axes: Axes) -> ModelError:
    return ModelError(
        f"{node.label} reshapes axes {axes} to {shape}, which may mix time, batch and features; "
        "supported are shapes of 0, 1, one -1 and the number of features at the end"
    )


def gathered(
    node: Node, axes: Axes, argument: NDArray[Any] | None, _width: int | None, time: str | None
) -> Axes:
    """Gather of the last step, or of the only entry of an axis of length 1."""
    k = int(node.attributes.get("axis", 0))
    if not -len(axes) <= k < len(axes) or argument is None or argument.size != 1:
        raise ModelError(f"{node.label} picks more than one entry of an axis")
    index, axis = int(argument.ravel()[0]), axes[k]
    last = axis == time and index == -1
    only = axis == ONE and index in (0, -1)
    if argument.ndim or not (last or only):
        raise ModelError(
            f"{node.label} picks entry {index} of the axis of {axis}; of a sequence only its last "
            "step (-1) can be picked"
        )
    k %= len(axes)
    return axes[:k] + axes[k + 1 :]
