"""A linearization for others: python-control, files, and text for people."""

import io
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix, Vector
from rnn2circuit.errors import OutputError, UsageError
from rnn2circuit.linearize.linearization import Linearization
from rnn2circuit.models import Linear
from rnn2circuit.models.base import arrays_of

if TYPE_CHECKING:
    from control import StateSpace

Value: TypeAlias = str | bool | int | float | NDArray[np.float64]

PRINTED_SIZE = 12  # matrices with more rows or columns than this are abbreviated in text


def to_control(  # pyright: ignore[reportUnknownParameterType] - control may be absent
    system: Linearization | Linear,
) -> "StateSpace":
    """The system as a python-control ``StateSpace`` with states x1.., inputs u1.., outputs y1...

    A ``StateSpace`` holds A, B, C, D and no constants. It therefore describes *deviations*:
    the difference of any two solutions, in particular from the equilibrium, for which it is
    exact whatever offset or readout bias there is. Where both are zero these are the states
    themselves. Inputs are raw inputs.

    Raises
    ------
    UsageError
        If python-control is not installed, or the system has one state and no inputs.
    """
    try:
        import control  # noqa: PLC0415 - an optional extra that takes seconds to import
    except ImportError as error:
        raise UsageError(
            'python-control is not installed; pip install "rnn2circuit[control]"'
        ) from error
    model = system.model if isinstance(system, Linearization) else system.without_input_map()
    n, m, p = model.n_states, model.n_inputs, model.n_outputs
    if (n, m) == (1, 0):
        raise UsageError(
            "python-control cannot hold a system of one state without inputs (it takes its input "
            "matrix for one of no rows); read the eigenvalue from the linearization"
        )
    return control.StateSpace(
        model.a,
        np.zeros((n, 0)) if model.b is None else model.b,
        np.eye(n) if model.w_out is None else model.w_out,
        np.zeros((p, m)) if model.d is None else model.d,
        states=[f"x{k + 1}" for k in range(n)],
        inputs=[f"u{k + 1}" for k in range(m)],
        outputs=[f"y{k + 1}" for k in range(p)],
    )


def write_linearization(linearization: Linearization, path: str | Path) -> None:
    """Write a linearization to a ``.json`` or ``.npz`` file, whole or not at all.

    Keys: ``family`` (of the network), ``a``, ``b``, ``offset``, ``x``, ``u``, ``residual``,
    ``is_equilibrium``, ``eigenvalues_real``, ``eigenvalues_imag``, ``time_constants``,
    ``stability``, ``controllability_rank``, ``eigenvector_condition``, and where the network
    has them ``x0``, ``w_out``, ``b_out``, ``d``, ``dt``. JSON has no infinity and no NaN: a
    time constant that is either, and an infinite condition number, is null there.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If the name ends in neither.
    """
    path = Path(path)
    values = _values(linearization)
    match path.suffix.lower():
        case ".json":
            lines = (f'  "{key}": {json.dumps(_plain(v))}' for key, v in values.items())
            data = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
        case ".npz":
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **{k: np.asarray(v) for k, v in values.items()})
            data = buffer.getvalue()
        case other:
            raise UsageError(f"a linearization is written to .json or .npz, got {other!r}")
    _write_whole(path, data)


def describe_linearization(linearization: Linearization) -> str:
    """The linearization as text for people, ending in a newline.

    Matrices and vectors are printed to six digits up to 12 rows and columns and by their
    shape and norm beyond.
    """
    lin = linearization
    rest = "an equilibrium" if lin.is_equilibrium else "not an equilibrium"
    lines = [
        f"Linearization of a {lin.source_family} network: x' = A x + B u + offset",
        f"{lin.a.shape[0]} states, {lin.b.shape[1]} inputs; time in model time units",
        *_shown("expanded at x", lin.x),
        *_shown("with input u", lin.u),
        f"the point is {rest}: largest |f(x, u)| = {np.abs(lin.residual).max():.6g}",
        *_shown("A", lin.a),
        *_shown("B", lin.b),
        *_shown("offset", lin.offset),
        *_modes(lin),
        f"stability: {lin.stability}",
        f"controllability rank: {lin.controllability_rank} of {lin.a.shape[0]}",
        f"eigenvector condition number: {lin.eigenvector_condition:.6g}",
    ]
    return "\n".join(lines) + "\n"


def _values(lin: Linearization) -> dict[str, Value]:
    model = arrays_of(lin.model)
    return {
        "family": lin.source_family,
        "a": lin.a,
        "b": lin.b,
        "offset": lin.offset,
        "x": lin.x,
        "u": lin.u,
        "residual": lin.residual,
        "is_equilibrium": lin.is_equilibrium,
        "eigenvalues_real": lin.eigenvalues.real,
        "eigenvalues_imag": lin.eigenvalues.imag,
        "time_constants": lin.time_constants,
        "stability": lin.stability,
        "controllability_rank": lin.controllability_rank,
        "eigenvector_condition": lin.eigenvector_condition,
        **{key: model[key] for key in ("x0", "w_out", "b_out", "d", "dt") if key in model},
    }


def _plain(value: Value) -> object:
    """`value` as JSON can hold it: nested lists, and null for what is not finite."""
    if isinstance(value, np.ndarray | float):
        return _nulled(np.asarray(value, dtype=np.float64).tolist())
    return value


def _nulled(value: object) -> object:
    if isinstance(value, list):
        return [_nulled(entry) for entry in value]
    return value if isinstance(value, float) and math.isfinite(value) else None


def _write_whole(path: Path, data: bytes) -> None:
    """Replace `path` in one step, so that a reader never meets half a file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {str(path)!r}: {error}") from error


def _shown(name: str, array: Vector | Matrix) -> list[str]:
    shape = " x ".join(str(size) for size in array.shape)
    if array.size == 0:
        return [f"{name}: none"]
    if max(array.shape) > PRINTED_SIZE:
        norm = float(np.linalg.norm(array))
        return [f"{name}: {shape}, too large to print, Frobenius norm {norm:.6g}"]
    if array.ndim == 1:
        return [f"{name}: " + "  ".join(f"{v:.6g}" for v in array)]
    return [f"{name} ({shape}):", *("  " + " ".join(f"{v:>12.6g}" for v in row) for row in array)]


def _modes(lin: Linearization) -> list[str]:
    """One line per mode, slowest first; beyond `PRINTED_SIZE` only the slowest ones."""
    count = lin.eigenvalues.size
    shown = min(count, PRINTED_SIZE)
    title = "eigenvalues and time constants, slowest first"
    if shown < count:
        title += f" ({shown} of {count} shown)"
    lines = [f"{title}:"]
    for value, tau in zip(lin.eigenvalues[:shown], lin.time_constants[:shown], strict=True):
        number = f"{value.real:>12.6g}" + (f" {value.imag:+.6g}j" if value.imag else "")
        lines.append(f"  {number:<28} {'grows' if np.isnan(tau) else f'{tau:.6g}'}")
    return lines
