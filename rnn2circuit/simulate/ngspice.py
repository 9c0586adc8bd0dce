"""The ngspice program, run as ``ngspice -b -n -r out.raw deck``.

Batch mode without control blocks is the only mode whose exit code is worth reading; it is
necessary and not sufficient. See `acceptance`.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from rnn2circuit.arrays import Vector
from rnn2circuit.errors import SimulationError
from rnn2circuit.simulate.acceptance import check_data, check_log, tail
from rnn2circuit.simulate.interface import Deck, Phasors, Waveforms
from rnn2circuit.simulate.process import (
    path_of,
    private_directory,
    run_process,
    scrubbed_environment,
    version_of,
    write_new,
)
from rnn2circuit.simulate.rawfile import Plot, read_plots, read_raw

RAW = "out.raw"
Remarks: TypeAlias = tuple[str, ...]  # lines of the log that no rule explains
INSTALL = "install the package ngspice, or use --simulator neospice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ngspice:
    """The ngspice command line.

    Attributes
    ----------
    executable : str
        A program name on the PATH, or a path.
    """

    name: ClassVar[str] = "ngspice"

    executable: str = "ngspice"

    def is_available(self) -> bool:
        return shutil.which(self.executable) is not None

    def version(self) -> str:
        """Version number, such as ``39``.

        Raises
        ------
        SimulationError
            If the program is not there or does not say.
        """
        return version_of(self.executable, rb"ngspice-(\S+)", what="an ngspice", install=INSTALL)

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        plot, log, warnings = self._execute(deck, timeout, "Transient Analysis")
        columns = dict(zip(plot.variables, plot.data.real.T, strict=True))
        time, signals = check_data(
            columns["time"], columns, wanted=deck.signals, t_stop=deck.t_stop, log=log
        )
        return Waveforms(
            time=time,
            signals=signals,
            simulator=self.name,
            version=self.version(),
            log=log,
            warnings=warnings,
        )

    def measure(self, deck: Deck, *, timeout: float) -> Mapping[str, float]:
        plot, log, _ = self._execute(deck, timeout, "Operating Point")
        values = dict(zip(plot.variables, plot.data.real[-1].tolist(), strict=True))
        _expect_all(deck.signals, values, log)
        if not all(math.isfinite(values[name]) for name in deck.signals):
            raise SimulationError("the operating point holds a value that is not finite", log=log)
        return {name: values[name] for name in deck.signals}

    def sweep(self, deck: Deck, *, timeout: float) -> tuple[Vector, Mapping[str, Phasors]]:
        plot, log, _ = self._execute(deck, timeout, "AC Analysis")
        columns = dict(zip(plot.variables, plot.data.T, strict=True))
        _expect_all(("frequency", *deck.signals), columns, log)
        found = {name: np.asarray(columns[name], dtype=np.complex128) for name in deck.signals}
        if not all(bool(np.isfinite(values).all()) for values in found.values()):
            raise SimulationError("the sweep holds a value that is not finite", log=log)
        return np.asarray(columns["frequency"].real, dtype=np.float64), found

    def integrate_noise(self, deck: Deck, *, timeout: float) -> float:
        content, log, _ = self._run(deck, timeout)
        for plot in read_plots(content):
            if plot.name == "Integrated Noise" and "v(onoise_total)" in plot.variables:
                total = float(plot.data[-1, plot.variables.index("v(onoise_total)")].real)
                if math.isfinite(total):
                    return total
        raise SimulationError("the simulator returned no integrated noise", log=log)

    def _execute(self, deck: Deck, timeout: float, plot_name: str) -> tuple[Plot, str, Remarks]:
        """Run a deck whose analysis writes one plot, of this name."""
        content, log, warnings = self._run(deck, timeout)
        plot = read_raw(content)
        if plot.name != plot_name:
            raise SimulationError(f"expected a plot {plot_name!r}, got {plot.name!r}", log=log)
        return plot, log, warnings

    def _run(self, deck: Deck, timeout: float) -> tuple[bytes, str, Remarks]:
        """Run a deck in a private directory and accept its log, exit code and raw file."""
        path = self._path()
        with private_directory() as directory:
            write_new(directory, deck.files)
            write_new(directory, {"spinit": "* no initialization\n"})
            done = run_process(
                [path, "-b", "-n", "-r", RAW, deck.main],
                directory=directory,
                environment=scrubbed_environment(directory),
                timeout=timeout,
            )
            raw = directory / RAW
            content = raw.read_bytes() if raw.is_file() else None
        # Signatures first: they explain what an exit code only announces.
        warnings = check_log(done.log)
        if done.code != 0:
            raise SimulationError(
                f"ngspice ended with exit code {done.code}:\n  {tail(done.log)}", log=done.log
            )
        if content is None:
            raise SimulationError(f"ngspice wrote no result:\n  {tail(done.log)}", log=done.log)
        return content, done.log, warnings

    def _path(self) -> str:
        return path_of(self.executable, install=INSTALL)


def _expect_all(wanted: Sequence[str], found: Mapping[str, object], log: str) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise SimulationError(
            f"the simulator returned no vector {missing[0]!r} ({len(missing)} missing)", log=log
        )
