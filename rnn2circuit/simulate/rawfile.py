"""ngspice's binary raw files: bytes to named columns, strictly. Knows nothing of circuits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.errors import SimulationError

_BODY = b"Binary:\n"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plot:
    """One plot of a raw file, shape (points, variables): complex after a frequency sweep."""

    name: str
    variables: tuple[str, ...]
    data: NDArray[np.float64] | NDArray[np.complex128]


def read_raw(content: bytes) -> Plot:
    """Read the one plot of a raw file with double-precision data.

    Raises
    ------
    SimulationError
        If the header is malformed, announces no points, or not exactly the bytes that follow.
    """
    plot, rest = _read_plot(content)
    if rest:
        raise _surplus(plot, len(rest))
    return plot


def read_plots(content: bytes) -> tuple[Plot, ...]:
    """Read all plots of a raw file: an analysis such as ``.noise`` writes several.

    Raises
    ------
    SimulationError
        As `read_raw`.
    """
    plots: list[Plot] = []
    while content or not plots:
        plot, content = _read_plot(content)
        if content and not content.startswith(b"Title:"):
            raise _surplus(plot, len(content))
        plots.append(plot)
    return tuple(plots)


def _surplus(plot: Plot, surplus: int) -> SimulationError:
    points, columns = plot.data.shape
    expected = plot.data.nbytes
    return SimulationError(
        f"the raw file announces {points} points of {columns} variables ({expected} bytes), "
        f"{expected + surplus} bytes follow; the disk may be full"
    )


def _read_plot(content: bytes) -> tuple[Plot, bytes]:
    """The first plot, and what follows it."""
    start = content.find(_BODY)
    if start < 0:
        raise SimulationError("the raw file has no binary part; the run wrote nothing")
    header = content[:start].decode("ascii", errors="replace")
    fields: dict[str, str] = {}
    for line in header.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith("\t"):
            fields[key.strip().lower()] = value.strip()
    try:
        points = int(fields["no. points"])
        columns = int(fields["no. variables"])
    except (KeyError, ValueError):
        raise SimulationError(f"the raw file's header is malformed: {header[:200]!r}") from None
    flags = fields.get("flags", "")
    if flags not in ("real", "complex"):
        raise SimulationError(f"expected a raw file of real or complex numbers, got {flags!r}")
    width = 8 if flags == "real" else 16
    if points < 1:
        raise SimulationError("the raw file announces no points; the run was cut off")
    rows = [line.split("\t") for line in header.splitlines() if line.startswith("\t")]
    names = [row[2] for row in rows if len(row) > 2]
    if len(names) != columns:
        raise SimulationError(f"the raw file names {len(names)} of its {columns} variables")
    body = content[start + len(_BODY) :]
    expected = width * points * columns
    if len(body) < expected:
        raise SimulationError(
            f"the raw file announces {points} points of {columns} variables ({expected} bytes), "
            f"{len(body)} bytes follow; the disk may be full"
        )
    data = np.frombuffer(body[:expected], dtype="<f8" if flags == "real" else "<c16")
    plot = Plot(
        name=fields.get("plotname", ""), variables=tuple(names), data=data.reshape(points, columns)
    )
    return plot, body[expected:]
