"""The ngspice program, run as ``ngspice -b -n -r out.raw deck``.

Batch mode without control blocks is the only mode whose exit code is worth reading; it is
necessary and not sufficient. See `acceptance`.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import ClassVar

from rnn2circuit.errors import SimulationError
from rnn2circuit.simulate.acceptance import check_data, check_log, tail
from rnn2circuit.simulate.interface import Deck, Waveforms
from rnn2circuit.simulate.process import (
    private_directory,
    run_process,
    scrubbed_environment,
    write_new,
)
from rnn2circuit.simulate.rawfile import read_raw

RAW = "out.raw"
PLOT = "Transient Analysis"
VERSION_TIMEOUT = 20.0  # s


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
        path = self._path()
        try:
            done = subprocess.run(
                [path, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SimulationError(f"{self.executable} --version failed: {error}") from error
        found = re.search(rb"ngspice-(\S+)", done.stdout)
        if found is None:
            raise SimulationError(f"{self.executable} --version does not name an ngspice version")
        return found[1].decode("ascii", errors="replace")

    def run(self, deck: Deck, *, timeout: float) -> Waveforms:
        path, version = self._path(), self.version()
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
        plot = read_raw(content)
        if plot.name != PLOT:
            raise SimulationError(f"expected a plot {PLOT!r}, got {plot.name!r}", log=done.log)
        columns = dict(zip(plot.variables, plot.data.T, strict=True))
        time, signals = check_data(
            columns["time"], columns, wanted=deck.signals, t_stop=deck.t_stop, log=done.log
        )
        return Waveforms(
            time=time,
            signals=signals,
            simulator=self.name,
            version=version,
            log=done.log,
            warnings=warnings,
        )

    def _path(self) -> str:
        path = shutil.which(self.executable)
        if path is None:
            raise SimulationError(
                f"{self.executable} is not installed or not on the PATH; install the package "
                "ngspice, or use --simulator neospice"
            )
        return path
