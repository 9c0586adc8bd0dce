"""Input signals as data: what drives the circuit and, in the same words, the reference.

Times are model time units and values are in units of the model's input u. A stimulus is
only ever a piecewise-linear or a sinusoidal source, because those set the breakpoints
a simulator needs; a behavioural function of time may be stepped over unseen.
"""

import csv
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn2circuit.arrays import Matrix, Vector, readonly
from rnn2circuit.errors import Rnn2CircuitError, StimulusError

Hold: TypeAlias = Literal["zoh", "linear"]

EDGE_FRACTION = 1e-3  # a held sample changes within this part of the shortest sample interval:
# short beside any time constant worth sampling at that rate, and longer than ngspice's
# smallest distance between breakpoints (5e-5 of the largest step)
GOLDEN = 0.6180339887498949  # low-discrepancy spacing of the default frequencies
MAX_FILE_BYTES = 256 << 20  # of a stimulus file, unpacked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PwlStimulus:
    """Piecewise-linear input: ``u(t)`` interpolates `values` over `times`, constant outside.

    Parameters
    ----------
    times : ndarray, shape (k,)
        Strictly increasing, in model time units, starting at 0.
    values : ndarray, shape (k, m)
        Input values, in units of u.
    """

    times: Vector
    values: Matrix

    def __post_init__(self) -> None:
        times = np.asarray(self.times)
        values = np.asarray(self.values)
        if times.ndim != 1 or times.size == 0 or values.ndim != 2:
            raise StimulusError(
                f"a stimulus needs times of shape (k,) and values of shape (k, m) with k >= 1, "
                f"got {times.shape} and {values.shape}"
            )
        times = readonly("t", times, times.shape, error=StimulusError)
        values = readonly("u", values, (times.size, values.shape[1]), error=StimulusError)
        if times[0] != 0.0:
            raise StimulusError(f"stimulus times must start at 0, got t[0] = {float(times[0])!r}")
        late = np.flatnonzero(np.diff(times) <= 0)
        if late.size:
            k = int(late[0]) + 1
            raise StimulusError(
                f"stimulus times must increase strictly, got t[{k - 1}] = {float(times[k - 1])!r} "
                f"and t[{k}] = {float(times[k])!r}"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "values", values)

    @property
    def n_inputs(self) -> int:
        return self.values.shape[1]

    @property
    def duration(self) -> float | None:
        """End of the signal in model time, or None where one sample only is given."""
        return float(self.times[-1]) or None

    def __call__(self, t: ArrayLike) -> NDArray[np.float64]:
        """Input at time(s) `t`, shape (..., m)."""
        at = np.asarray(t, dtype=np.float64)
        out = np.empty((*at.shape, self.n_inputs))
        for k in range(self.n_inputs):
            out[..., k] = np.interp(at, self.times, self.values[:, k])
        return out

    def breakpoints(self) -> Vector:
        """Times at which some derivative of u jumps."""
        return self.times


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SineStimulus:
    """Sinusoidal input: ``u_k(t) = offset_k + amplitude_k sin(2 pi frequency_k t)``.

    Parameters
    ----------
    offset, amplitude : ndarray, shape (m,)
        In units of u.
    frequency : ndarray, shape (m,)
        Cycles per model time unit, positive.
    """

    offset: Vector
    amplitude: Vector
    frequency: Vector

    def __post_init__(self) -> None:
        m = np.asarray(self.offset).shape[0]
        for name in ("offset", "amplitude", "frequency"):
            object.__setattr__(
                self, name, readonly(name, getattr(self, name), (m,), error=StimulusError)
            )
        if np.any(self.frequency <= 0):
            raise StimulusError("every frequency of a sinusoidal stimulus must be positive")

    @property
    def n_inputs(self) -> int:
        return self.offset.size

    @property
    def duration(self) -> float | None:
        return None

    def __call__(self, t: ArrayLike) -> NDArray[np.float64]:
        """Input at time(s) `t`, shape (..., m)."""
        at = np.asarray(t, dtype=np.float64)[..., None]
        return self.offset + self.amplitude * np.sin(2.0 * np.pi * self.frequency * at)

    def breakpoints(self) -> Vector:
        return np.zeros(0)


Stimulus: TypeAlias = PwlStimulus | SineStimulus


def default_stimulus(n_inputs: int, *, duration: float, amplitude: float = 1.0) -> SineStimulus:
    """One sine per input, each of its own frequency, one to four cycles in `duration`.

    Every input moves, no two move together, and the frequencies are spread by the golden
    ratio so that adding an input does not change the others. Sines have no corners: the
    trapezoidal rule keeps its second order from the first step to the last.
    """
    cycles = 1.0 + 3.0 * np.mod(GOLDEN * np.arange(1, n_inputs + 1), 1.0)
    return SineStimulus(
        offset=np.zeros(n_inputs),
        amplitude=np.full(n_inputs, amplitude),
        frequency=cycles / duration,
    )


def hold_samples(times: ArrayLike, values: ArrayLike, *, hold: Hold) -> PwlStimulus:
    """A sampled signal as a piecewise-linear one.

    ``linear`` joins the samples. ``zoh`` keeps each sample until the next, and lets the value
    change within a finite edge after the sample time: a step of zero width is not a waveform.
    The last sample is held for one more (mean) interval.
    """
    base = PwlStimulus(times=np.asarray(times), values=np.asarray(values))
    if hold == "linear" or base.times.size == 1:
        return base
    gaps = np.diff(base.times)
    edge = EDGE_FRACTION * float(gaps.min())
    t, u = base.times, base.values
    end = float(t[-1] + gaps.mean())
    corner_times = np.concatenate([[t[0]], np.column_stack([t[1:], t[1:] + edge]).ravel(), [end]])
    corner_values = np.concatenate(
        [u[:1], np.stack([u[:-1], u[1:]], axis=1).reshape(2 * len(gaps), u.shape[1]), u[-1:]]
    )
    return PwlStimulus(times=corner_times, values=corner_values)


def load_stimulus(path: str | Path, *, n_inputs: int, hold: str | None = None) -> PwlStimulus:
    """Read a stimulus from a ``.csv`` or ``.npz`` file.

    CSV: one row per sample, first column the time in model time units, then one column per
    input; one header line may come first. NPZ: arrays ``t (k,)`` and ``u (k, m)``, and
    optionally ``hold`` as a 0-d string. The hold must be declared, in the file or by `hold`.

    Raises
    ------
    StimulusError
        If the file cannot be read, declares no hold or two different ones, or does not have
        `n_inputs` inputs.
    """
    path = Path(path)
    times, values, declared = read_samples(path, what="stimulus", column="u", text="hold")
    chosen = hold or declared
    if chosen is None:
        raise StimulusError(
            f"stimulus {path.name!r} does not declare how samples are held; "
            "say --hold zoh (stairs) or --hold linear"
        )
    if hold and declared and hold != declared:
        raise StimulusError(
            f"stimulus {path.name!r} declares hold {declared!r} but {hold!r} was asked for"
        )
    if chosen not in ("zoh", "linear"):
        raise StimulusError(f"hold must be 'zoh' or 'linear', got {chosen!r}")
    stimulus = hold_samples(times, values, hold=chosen)
    if stimulus.n_inputs != n_inputs:
        raise StimulusError(
            f"stimulus {path.name!r} has {stimulus.n_inputs} inputs, the model has {n_inputs}"
        )
    return stimulus


def read_samples(
    path: Path,
    *,
    what: str,
    column: str,
    text: str | None = None,
    error: type[Rnn2CircuitError] = StimulusError,
) -> tuple[NDArray[np.float64], NDArray[np.float64], str | None]:
    """Times, values and, where a file has it, a word, from a ``.csv`` or ``.npz`` file.

    Parameters
    ----------
    what : str
        What the file is, for messages.
    column, text : str
        Name of the array of values, and of the 0-d string, in an NPZ.

    Raises
    ------
    StimulusError (or `error`)
        If the file cannot be read or holds something else.
    """
    name = f"{what} {path.name!r}"
    match path.suffix.lower():
        case ".csv":
            times, values = _read_csv(path, name, error)
            return times, values, None
        case ".npz":
            return _read_npz(path, name, (column, text), error)
        case other:
            raise error(f"{what} file {path.name!r} must end in .csv or .npz, got {other!r}")


def _read_csv(
    path: Path, name: str, error: type[Rnn2CircuitError]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise error(f"{name} is larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"cannot read {name}: {fault}") from fault
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    if not rows:
        raise error(f"{name} holds no samples")
    width = len(rows[0])
    table = np.empty((len(rows), width))
    for k, row in enumerate(rows):
        if len(row) != width:
            raise error(f"{name}, sample {k}: expected {width} columns, got {len(row)}")
        for j, cell in enumerate(row):
            if not _is_number(cell):
                raise error(f"{name}, sample {k}, column {j}: {cell[:40]!r} is not a number")
            table[k, j] = float(cell)
    return table[:, 0], table[:, 1:]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(
    path: Path, name: str, keys: tuple[str, str | None], error: type[Rnn2CircuitError]
) -> tuple[NDArray[np.float64], NDArray[np.float64], str | None]:
    column, text = keys
    optional = "" if text is None else f" (and optionally {text})"
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MAX_FILE_BYTES:
            raise error(f"{name} unpacks to more than {MAX_FILE_BYTES} B")
        with np.load(path, allow_pickle=False) as data:
            unknown = sorted(set(data.files) - {"t", column, text})
            if unknown or not {"t", column} <= set(data.files):
                raise error(
                    f"{name} must hold the arrays t and {column}{optional}, "
                    f"got {sorted(data.files)}"
                )
            declared = str(data[text]) if text is not None and text in data.files else None
            return data["t"], data[column], declared
    except Rnn2CircuitError:
        raise
    except Exception as fault:  # archives and headers answer damage with errors of many types
        raise error(f"cannot read {name}: {type(fault).__name__} {fault}") from fault
