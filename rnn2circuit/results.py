"""The files that a verification leaves: for people, for scripts, for CI servers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnn2circuit.demo import draw_verification
from rnn2circuit.flow import Verification
from rnn2circuit.report.files import write_all, write_one
from rnn2circuit.report.html import report_html
from rnn2circuit.report.json_report import report_json, reports_json
from rnn2circuit.report.junit import report_junit
from rnn2circuit.report.markdown import report_markdown
from rnn2circuit.report.plots import is_drawable
from rnn2circuit.report.text import report_text
from rnn2circuit.verify.checks import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where results go; None where they are not wanted.

    Attributes
    ----------
    directory : Path
        Netlists and all reports of each run.
    plot : Path
        A picture; with several runs, one each, numbered before the suffix.
    """

    directory: Path | None = None
    json: Path | None = None
    junit: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    plot: Path | None = None


def write_results(results: Sequence[Verification], where: Destinations) -> tuple[str, ...]:
    """Write what is wanted of one or several runs; returns remarks on what there was none of.

    Raises
    ------
    OutputError
        If a file cannot be written.
    UsageError
        If a picture is wanted and matplotlib is missing.
    """
    reports = [result.report for result in results]
    documents: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (where.json, lambda: _json(reports)),
        (where.junit, lambda: report_junit(reports)),
        (where.html, lambda: report_html([(r.report, _pictures(r)) for r in results])),
        (where.markdown, lambda: "\n".join(report_markdown(report) for report in reports)),
    )
    for path, document in documents:
        if path is not None:
            write_one(path, document())
    remarks: list[str] = []
    for k, result in enumerate(results, start=1):
        if where.directory is not None:
            _write_directory(result, where.directory, f".{k}" if len(results) > 1 else "")
        if where.plot is not None:
            name = f"{where.plot.stem}.{k}" if len(results) > 1 else where.plot.stem
            picture = draw_verification(result, kind=where.plot.suffix, title=result.compiled.name)
            if picture is None:
                remarks.append("no accepted simulation to plot")
            else:
                write_one(where.plot.with_name(name + where.plot.suffix), picture)
    return tuple(remarks)


def _json(reports: Sequence[Report]) -> str:
    return report_json(reports[0]) if len(reports) == 1 else reports_json(reports)


def _pictures(result: Verification) -> dict[str, bytes]:
    """Waveforms as SVG, where there are any and something can draw them."""
    if not is_drawable():
        return {}
    picture = draw_verification(result, kind=".svg", title=result.compiled.name)
    return {} if picture is None else {"Waveforms and errors": picture}


def _write_directory(result: Verification, directory: Path, run: str) -> None:
    name, report = result.compiled.name, result.report
    result.compiled.write(directory)
    write_all(
        directory,
        {
            f"{name}.report{run}.txt": report_text(report),
            f"{name}.report{run}.json": report_json(report),
            f"{name}.report{run}.xml": report_junit([report]),
            f"{name}.report{run}.html": report_html([(report, _pictures(result))]),
        },
    )
