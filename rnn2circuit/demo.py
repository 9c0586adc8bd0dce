"""The shipped trained networks, taken all the way: netlist, simulation, report, picture."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from rnn2circuit.errors import UsageError
from rnn2circuit.flow import Accuracy, Compiled, Level, Verification, compile_model, verify_compiled
from rnn2circuit.models.io import load
from rnn2circuit.report.files import write_all, write_one
from rnn2circuit.report.json_report import report_json
from rnn2circuit.report.junit import report_junit
from rnn2circuit.report.plots import draw_waveforms, is_drawable
from rnn2circuit.report.text import report_text
from rnn2circuit.simulate.registry import simulator_named
from rnn2circuit.stimulus import load_stimulus
from rnn2circuit.verify.checks import SEVERITY, Verdict
from rnn2circuit.verify.transient import parts_of_range

PLOT_POINTS = 1001  # of the reference curve: smooth at any width a page has


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo did: one verification per network, and where the files are."""

    directory: Path
    verifications: tuple[Verification, ...]
    pictures: bool  # False where matplotlib is not installed
    skipped: tuple[str, ...] = ()  # networks for which this simulator finds no operating point

    @property
    def verdict(self) -> Verdict:
        return min((v.verdict for v in self.verifications), key=SEVERITY.index)

    @property
    def table(self) -> str:
        """One line per network; ends in a newline."""
        head = f"{'network':<18} {'family':<9} {'n':>3} {'m':>3}  {'equations':>10} "
        lines = [head + f"{'waveforms':>10} {'steps':>10}  verdict"]
        for v in self.verifications:
            figures = {c.id: c.value for c in v.report.checks}
            columns = [
                _figure(figures.get(name))
                for name in ("extraction.f", "transient.states", "transient.steps")
            ]
            p = v.report.provenance
            lines.append(
                f"{p.subject:<18} {p.family:<9} {p.n_states:>3} {p.n_inputs:>3}  "
                f"{columns[0]:>10} {columns[1]:>10} {columns[2]:>10}  {v.verdict}"
            )
        program = self.verifications[0].report.provenance
        lines.append(f"simulator: {program.simulator} {program.simulator_version}")
        if self.skipped:
            lines.append(
                f"not run: {', '.join(self.skipped)}; {program.simulator} finds no operating point "
                "of it, ngspice does"
            )
        if not self.pictures:
            lines.append('no pictures: they need matplotlib (pip install "rnn2circuit[plot]")')
        return "\n".join(lines) + "\n"


def examples_directory() -> Path:
    """Where the shipped networks are: in the installed package, or in the checkout beside it.

    Raises
    ------
    UsageError
        If neither place has them.
    """
    package = Path(str(files("rnn2circuit")))
    places = (package / "examples", package.parent / "examples")
    for place in places:
        if (place / "networks.json").is_file():
            return place
    raise UsageError(
        f"the shipped networks are missing: no networks.json in {places[0]} or {places[1]}; "
        "install rnn2circuit again"
    )


def load_example(
    name: str,
    *,
    accuracy: Accuracy = "default",
    level: Level = "ideal",
    calibrated: bool | None = None,
    duration: float | None = None,
    impedance: float | None = None,
) -> Compiled:
    """Compile one of the shipped networks with its own stimulus, and duration if none is given.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists them.
    """
    place = examples_directory()
    entries = {entry["name"]: entry for entry in list_examples(place)}
    if name not in entries:
        raise UsageError(f"no shipped network is called {name!r}; there are {', '.join(entries)}")
    entry = entries[name]
    model = load(place / entry["file"], **entry.get("options", {}))
    stimulus = None
    if entry.get("stimulus"):
        stimulus = load_stimulus(
            place / entry["stimulus"], n_inputs=model.n_inputs, hold=entry["hold"]
        )
    return compile_model(
        model,
        name=name,
        stimulus=stimulus,
        duration=entry.get("duration") if duration is None else duration,
        accuracy=accuracy,
        level=level,
        impedance=impedance,
        calibrated=calibrated,
    )


def list_examples(directory: Path) -> list[dict[str, Any]]:
    """Entries of ``networks.json``: name, file, load options, stimulus and title of each."""
    entries: list[dict[str, Any]] = json.loads((directory / "networks.json").read_text())
    return entries


def run_demo(
    directory: Path,
    *,
    simulator: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> DemoResult:
    """Verify every shipped network and leave netlists, reports and pictures in `directory`.

    Raises
    ------
    OutputError
        If the directory cannot be written.
    SimulationError
        If no simulator is installed.
    """
    program = simulator_named(simulator)
    pictures = is_drawable()
    results: list[Verification] = []
    skipped: list[str] = []
    for entry in list_examples(examples_directory()):
        name = str(entry["name"])
        if program.name not in entry.get("simulators", [program.name]):
            skipped.append(name)
            continue
        tell = None if progress is None else _prefixed(progress, name)
        compiled = load_example(name)
        result = verify_compiled(compiled, simulator=program, progress=tell)
        compiled.write(directory)
        report = result.report
        write_all(
            directory,
            {
                f"{name}.report.txt": report_text(report),
                f"{name}.report.json": report_json(report),
                f"{name}.report.xml": report_junit([report]),
            },
        )
        if pictures:
            plot_verification(result, directory / f"{name}.png", title=str(entry["title"]))
        results.append(result)
    return DemoResult(
        directory=directory,
        verifications=tuple(results),
        pictures=pictures,
        skipped=tuple(skipped),
    )


def plot_verification(result: Verification, path: Path, *, title: str) -> bool:
    """Draw circuit against ODE; False where there is no accepted simulation to draw."""
    picture = draw_verification(result, kind=path.suffix, title=title)
    if picture is not None:
        write_one(path, picture)
    return picture is not None


def draw_verification(result: Verification, *, kind: str, title: str) -> bytes | None:
    """Circuit against ODE as a picture of `kind`, or None without an accepted simulation."""
    simulation, compiled = result.simulation, result.compiled
    if simulation is None:
        return None
    t = np.linspace(0.0, compiled.duration, PLOT_POINTS)
    seconds = compiled.state_map.seconds_per_unit
    limits = {c.id: c.limit for c in result.report.checks}
    return draw_waveforms(
        kind=kind,
        title=title,
        t_ref=t * seconds,
        x_ref=compiled.reference(t),
        t_sim=simulation.t * seconds,
        x_sim=simulation.x,
        error=parts_of_range(simulation.x, compiled.reference(simulation.t)),
        state_names=[m.name for m in compiled.state_map.states],
        limit=limits.get("transient.states"),
    )


def _prefixed(progress: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda text: progress(f"{name}: {text}")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
