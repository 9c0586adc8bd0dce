"""The command line: the same verbs as the Python API, and no engineering.

Exit codes: 0 pass, 1 the circuit disagrees with the model, 2 bad usage or bad input,
3 unverifiable, 4 error of a simulator, 5 timeout.
"""

import argparse
import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rnn2circuit.arguments import (
    add_analysis,
    add_circuit,
    add_judgement,
    add_model,
    add_simulator,
    add_technology,
    add_testbench,
    add_tolerance,
)
from rnn2circuit.demo import run_demo
from rnn2circuit.devices.technology import Technology
from rnn2circuit.devices.technology_file import read_technology
from rnn2circuit.errors import (
    Rnn2CircuitError,
    SimulationError,
    SimulationTimeout,
    UnverifiableError,
    UsageError,
)
from rnn2circuit.flow import (
    TOOL_VERSION,
    Compiled,
    Limits,
    Values,
    Verification,
    adopt_netlist,
    analyze_model,
    compile_model,
    simulate,
    usual_limits,
    verify_compiled,
)
from rnn2circuit.flow.boards import cluster
from rnn2circuit.flow.calibrate import calibrate, describe_calibration
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.flow.values import describe_rounding
from rnn2circuit.linearize import describe_linearization, linearize, write_linearization
from rnn2circuit.linearize.strategies import describe_states
from rnn2circuit.lowering.spread import read_spread
from rnn2circuit.models import Linear, Network
from rnn2circuit.models.describe import describe_model
from rnn2circuit.models.importers import ImportOptions
from rnn2circuit.models.io import CANONICAL, load, save
from rnn2circuit.report.analysis import analysis_json, analysis_text
from rnn2circuit.report.files import write_one
from rnn2circuit.report.lines import plain
from rnn2circuit.report.netlist_summary import describe_circuit
from rnn2circuit.report.text import report_text
from rnn2circuit.report.tolerance import tolerance_json, tolerance_text
from rnn2circuit.results import Destinations, write_results
from rnn2circuit.simulate.known_decks import describe_examination, examine
from rnn2circuit.simulate.registry import CROSS_SIMULATORS, SIMULATORS, simulator_named
from rnn2circuit.specification import Run, read_specification
from rnn2circuit.statemap import map_from_json
from rnn2circuit.stimulus import Stimulus, load_stimulus
from rnn2circuit.verify.checks import Verdict, worst
from rnn2circuit.verify.task import STRENGTH, Task, load_targets

EXIT_BAD_INPUT = 2
SIGNALLED = 128  # and the number of the signal, as shells have it
EXIT_INTERRUPTED = SIGNALLED + signal.SIGINT
BAR = 30  # characters of a progress bar
SILENCE = 1.0  # s: a stage that takes longer says so


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(given)
    args.given = given[given.index(args.verb) + 1 :]
    run: Callable[[argparse.Namespace], int] = args.run
    try:
        with _orderly_end():
            return run(args)
    except KeyboardInterrupt:
        print("rnn2circuit: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except SimulationTimeout as error:
        return _complain(error, Verdict.TIMEOUT.exit_code)
    except SimulationError as error:
        return _complain(error, Verdict.ERROR.exit_code)
    except UnverifiableError as error:
        return _complain(error, Verdict.UNVERIFIABLE.exit_code)
    except Rnn2CircuitError as error:  # ours only: a bug must still show its traceback
        return _complain(error, EXIT_BAD_INPUT)


@contextmanager
def _orderly_end() -> Generator[None]:
    """SIGTERM ends the body as an interrupt does: simulators stopped, private directories gone."""

    def end(number: int, _: object) -> None:
        raise SystemExit(SIGNALLED + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(error: Rnn2CircuitError, code: int) -> int:
    print(f"rnn2circuit: {error}", file=sys.stderr)
    return code


def run_compile(args: argparse.Namespace) -> int:
    """``rnn2circuit compile MODEL -o DIR``."""
    with progress("compiling"):
        compiled = _compile(args)
    _keep_inputs(args, [Path(args.output) / name for name in compiled.files()])
    for path in compiled.write(args.output):
        print(path)
    if compiled.realization is not None:
        print(describe_circuit(compiled.record, compiled.realization.circuit), end="")
    if compiled.rounded is not None:
        print("\n".join(f"  {line}" for line in describe_rounding(compiled.rounded)))
    if compiled.states is not None:
        print("\n".join(f"  {line}" for line in describe_states(compiled.states)))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """``rnn2circuit verify MODEL``."""
    runs = [Run(label="", arguments=())]
    if args.spec is not None:
        runs = read_specification(Path(args.spec))
    results: list[Verification] = []
    for run in runs:
        # What stands on the command line comes last, and so goes before the file.
        own = _parser().parse_args([args.verb, *run.arguments, *args.given])
        with progress(f"{run.label or 'compiling'}") as tell:
            compiled = _compile(own)
            own.spec = args.spec
            _keep_inputs(own, _results_of(own, compiled))
            results.append(_verify(compiled, own, tell))
    return _report(results, [run.label for run in runs], args)


def run_verify_netlist(args: argparse.Namespace) -> int:
    """``rnn2circuit verify-netlist FILE.cir --model MODEL``."""
    path = Path(args.netlist)
    with progress("reading") as tell:
        model = _load(args)
        if args.linearize is not None:
            model = _linear_model(model, args.linearize)
        compiled = adopt_netlist(
            _read_text(path),
            map_from_json(_read_text(Path(args.map or path.with_suffix(".json")))),
            model,
            name=_stem(path.name),
            stimulus=_stimulus(args, model),
            duration=args.duration,
            step=args.step,
            accuracy=args.accuracy,
        )
        _keep_inputs(args, _results_of(args, compiled))
        result = _verify(compiled, args, tell)
    return _report([result], [""], args)


def _verify(
    compiled: Compiled, args: argparse.Namespace, tell: Callable[[str], None]
) -> Verification:
    names = [f.name for f in fields(Limits) if f.name not in ("held", "outputs")]
    given = {name: getattr(args, f"limit_{name}") for name in names}
    given["held"] = given["outputs"] = args.limit_transient
    chosen = {name: value for name, value in given.items() if value is not None}
    limits = usual_limits(compiled, chosen)
    return verify_compiled(
        compiled,
        simulator=args.simulator,
        cross=args.cross,
        timeout=args.timeout,
        limits=limits,
        seed=args.seed,
        quick=args.quick,
        task=_task(args),
        progress=tell,
    )


def _report(
    results: Sequence[Verification], labels: Sequence[str], args: argparse.Namespace
) -> int:
    """Write what was asked for, print every report, and end with the worst verdict."""
    where = {f.name: getattr(args, f.name) for f in fields(Destinations) if f.name != "directory"}
    where["directory"] = args.output
    given = {name: None if path is None else Path(path) for name, path in where.items()}
    _save_refitted(results, args.refit_output)
    for remark in write_results(results, Destinations(**given)):
        print(f"rnn2circuit: {remark}", file=sys.stderr)
    for label, result in zip(labels, results, strict=True):
        if label:
            print(f"== {plain(label)}")
        print(report_text(result.report), end="")
    verdict = worst([result.verdict for result in results])
    if len(results) > 1:
        passed = sum(result.passed for result in results)
        print(f"\n{verdict}  {passed} of {len(results)} runs passed")
    return verdict.exit_code


def _save_refitted(results: Sequence[Verification], path: str | None) -> None:
    """Write the network with its readout refitted, of the last run that has one."""
    refitted = [result.refitted for result in results if result.refitted is not None]
    if path is None:
        return
    if refitted:
        save(refitted[-1], path)
    else:
        print("rnn2circuit: no accepted simulation to refit from", file=sys.stderr)


def _results_of(args: argparse.Namespace, compiled: Compiled) -> list[Path]:
    """Every file that a verification may write."""
    options = ("json", "junit", "html", "markdown", "plot", "refit_output")
    single = [getattr(args, name) for name in options]
    paths = [Path(path) for path in single if path is not None]
    if args.output is not None:
        reports = (f"{compiled.name}.report.{kind}" for kind in ("txt", "json", "xml", "html"))
        paths += [Path(args.output) / name for name in (*compiled.files(), *reports)]
    return paths


def _keep_inputs(args: argparse.Namespace, outputs: Sequence[Path]) -> None:
    """Refuse to write over a file that is read: a map is called as its model in JSON may be."""
    for option in ("model", "stimulus", "spec", "targets", "netlist", "map", "technology"):
        given = getattr(args, option, None)
        for path in outputs:
            if given is not None and _same_file(Path(given), path):
                raise UsageError(
                    f"the output {str(path)!r} would overwrite the {option} {given!r}; give "
                    "another output directory or name"
                )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there, or cannot be
        return False


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise UsageError(
            f"{path.name} holds characters outside ASCII; a netlist has none"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def run_simulate(args: argparse.Namespace) -> int:
    """``rnn2circuit simulate MODEL -o DIR``: waveforms in model units as NPZ."""
    with progress("compiling") as tell:
        compiled = _compile(args)
        waves = Path(args.output) / f"{compiled.name}.waves.npz"
        _keep_inputs(args, [waves, *(waves.with_name(name) for name in compiled.files())])
        program = simulator_named(args.simulator)
        tell(f"simulating with {program.name}")
        result = simulate(compiled, simulator=program, timeout=args.timeout)
    paths = list(compiled.write(args.output))
    archive = io.BytesIO()
    np.savez(archive, t=result.t, x=result.x, y=result.y, u=compiled.stimulus(result.t))
    write_one(waves, archive.getvalue())
    for path in [*paths, waves]:
        print(path)
    print(
        f"{len(result.t)} accepted time points with {result.waveforms.simulator} "
        f"{result.waveforms.version}"
    )
    return 0


def run_tolerance(args: argparse.Namespace) -> int:
    """``rnn2circuit tolerance MODEL --level macro``."""
    with progress("compiling"):
        compiled = _compile(args)
        if args.json is not None:
            _keep_inputs(args, [Path(args.json)])
        task = None
        if args.targets is not None:
            task = load_targets(args.targets, metric=args.metric or "rmse")
        elif args.metric is not None:
            raise UsageError("--metric belongs to --targets, which is not given")
        temperatures = (
            [] if args.temperature is None else _number_list("--temperature", args.temperature)
        )
        spread = read_spread(args.spread or args.grade or "1%")
    with cluster(args.dask) as executor:
        found = analyze_tolerance(
            compiled,
            spread=spread,
            runs=args.runs,
            seed=args.seed,
            limit=args.limit,
            trims=[] if args.trim is None else args.trim.split(","),
            temperatures=temperatures,
            ptat=args.ptat,
            sensitivity=args.sensitivity,
            task=task,
            task_limit=args.task_limit,
            workers=args.workers,
            executor=executor,
            simulator=args.simulator,
            timeout=args.timeout,
            progress=count_runs,
        )
    if args.json is not None:
        write_one(Path(args.json), tolerance_json(found))
    print(tolerance_text(found), end="")
    return EXIT_INTERRUPTED if found.interrupted else 0


def run_linearize(args: argparse.Namespace) -> int:
    """``rnn2circuit linearize MODEL``."""
    model = _load(args)
    at = args.at if args.point is None else _numbers("--point", args.point, model.n_states)
    u = None if args.input is None else _numbers("--input", args.input, model.n_inputs)
    result = linearize(model, at=at, u=u)
    if args.output is not None:
        _keep_inputs(args, [Path(args.output)])
        write_linearization(result, args.output)
    print(describe_linearization(result), end="")
    return 0


def run_analyze(args: argparse.Namespace) -> int:
    """``rnn2circuit analyze MODEL``."""
    if args.json is not None:
        _keep_inputs(args, [Path(args.json)])
    model = _load(args)
    with progress("analyzing") as tell:
        result = analyze_model(
            model,
            name=Path(args.model).name,
            at=args.linearize,
            coupling=args.coupling,
            duration=args.duration,
            within=args.within,
            amplitude=args.amplitude,
            stimulus=_stimulus(args, model),
            progress=tell,
        )
    if args.json is not None:
        write_one(Path(args.json), analysis_json(result))
    print(analysis_text(result), end="")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """``rnn2circuit show MODEL``."""
    print(describe_model(_load(args), title=Path(args.model).name), end="")
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """``rnn2circuit calibrate``: what the parts of a level do, and macromodels that do the same."""
    technology = Technology() if args.technology is None else read_technology(args.technology)
    with progress(f"calibrating level {args.level}"):
        calibration = calibrate(technology, args.level)
    text = describe_calibration(technology, calibration)
    if args.output is not None:
        _keep_inputs(args, [Path(args.output)])
        write_one(Path(args.output), text.encode())
    print(text, end="")
    return 0


def run_doctor(args: argparse.Namespace) -> int:
    """``rnn2circuit doctor``: which simulators are here, and do they behave as known."""
    every = {**SIMULATORS, **CROSS_SIMULATORS}
    names = list(every) if args.simulator is None else [args.simulator]
    code, found = 0, False
    for name in names:
        program = every[name]()
        if not program.is_available():
            print(f"{name}: not installed")
            continue
        found = found or name in SIMULATORS or args.simulator is not None
        with progress(f"examining {name}"):
            # A second simulator sees only what the rules of the text have let pass.
            results = examine(program, answers_only=name not in SIMULATORS)
        print(describe_examination(program, results), end="")
        if not all(r.as_known for r in results):
            code = Verdict.FAIL.exit_code
    if not found:
        return _complain(
            SimulationError("no simulator is installed; get ngspice, or pip install neospice"),
            Verdict.ERROR.exit_code,
        )
    return code


def run_demo_verb(args: argparse.Namespace) -> int:
    """``rnn2circuit demo``: the shipped trained networks, compiled, simulated and verified."""
    with progress("demo") as tell:
        results = run_demo(Path(args.output), simulator=args.simulator, progress=tell)
    print(results.table, end="")
    print(f"netlists, reports and pictures are in {results.directory}")
    return results.verdict.exit_code


def _load(args: argparse.Namespace) -> Network:
    return load(args.model, **{f.name: getattr(args, f.name) for f in fields(ImportOptions)})


def _compile(args: argparse.Namespace) -> Compiled:
    model = _load(args)
    if args.linearize is not None:
        model = _linear_model(model, args.linearize)
    stimulus = _stimulus(args, model)
    return compile_model(
        model,
        name=_stem(args.model) if args.name is None else args.name,
        form=args.form,
        coupling=args.coupling,
        level=args.level,
        strategy=args.strategy,
        kappa=args.kappa,
        order=args.order,
        tolerance=args.tolerance,
        capacitance=args.capacitance,
        seconds_per_unit=args.seconds_per_unit,
        volts_per_unit=args.volts_per_unit,
        amperes_per_unit=args.amperes_per_unit,
        impedance=args.impedance,
        inputs_as=args.inputs,
        rank=args.rank,
        rank_tolerance=args.rank_tolerance,
        allow_negative=not args.no_negative,
        stimulus=stimulus,
        duration=args.duration,
        step=args.step,
        accuracy=args.accuracy,
        values=_values(args),
        technology=_technology(args),
        calibrated=args.calibration,
    )


def _technology(args: argparse.Namespace) -> Technology | None:
    """The parts that options name, or None where none of them is given."""
    found = None if args.technology is None else read_technology(args.technology)
    if args.gyrator is None:
        return found
    if args.coupling != "gyrator":
        raise UsageError(f"--gyrator belongs to --coupling gyrator, not to {args.coupling}")
    return replace(found or Technology(), gyrator=args.gyrator)


def _values(args: argparse.Namespace) -> Values | None:
    """Options on component values, or None where none of them is given."""
    given = {f.name: getattr(args, f.name) for f in fields(Values)}
    for name in ("r_range", "c_range", "gm_range"):
        if given[name] is not None:
            low, high = _numbers(f"--{name.replace('_', '-')}", given[name], 2)
            given[name] = (low, high)
    values = Values(**given)
    return None if values == Values() else values


def _stimulus(args: argparse.Namespace, model: Network) -> Stimulus | None:
    if args.stimulus is not None:
        return load_stimulus(args.stimulus, n_inputs=model.n_inputs, hold=args.hold)
    if args.hold is not None:
        raise UsageError("--hold belongs to --stimulus, which is not given")
    return None


def _task(args: argparse.Namespace) -> Task | None:
    """The targets and what to do with them; options that would do nothing are refused."""
    refit = args.refit_readout or args.refit_output is not None
    given = {"--metric": args.metric, "--refit-readout": refit or None}
    given["--refit-strength"] = args.refit_strength
    if args.targets is None:
        idle = [option for option, value in given.items() if value is not None]
        if idle:
            raise UsageError(f"{idle[0]} belongs to --targets, which is not given")
        return None
    if args.refit_strength is not None and not refit:
        raise UsageError("--refit-strength belongs to --refit-readout, which is not given")
    if args.refit_output is not None and Path(args.refit_output).suffix.lower() not in CANONICAL:
        raise UsageError(
            f"--refit-output must end in {', '.join(CANONICAL)}, got {args.refit_output!r}"
        )
    return load_targets(
        args.targets,
        metric=args.metric or "rmse",
        refit=refit,
        strength=STRENGTH if args.refit_strength is None else args.refit_strength,
    )


def _linear_model(model: Network, at: str) -> Linear:
    return linearize(model, at="equilibrium" if at == "equilibrium" else "origin").model


def _stem(path: str) -> str:
    """File stem made a legal name: other characters become ``_``."""
    stem = Path(path).name.split(".")[0]
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in stem)
    return name.lstrip("_-")[:64] or "network"


def _numbers(option: str, text: str, count: int) -> list[float]:
    values = _number_list(option, text)
    if len(values) != count:
        raise UsageError(f"{option} takes {count} numbers, got {len(values)}")
    return values


def _number_list(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes numbers separated by commas, got {text!r}") from None


def count_runs(stage: str, done: int, of: int) -> None:
    """A progress bar on a terminal's stderr; elsewhere a line for every tenth of the runs."""
    full = done == of
    if sys.stderr.isatty():
        bar = "#" * (BAR * done // of)
        line = f"\r{stage} [{bar:<{BAR}}] {done} of {of}\033[K"
        print(line, end="\n" if full else "", file=sys.stderr, flush=True)
    elif full or done * 10 // of > (done - 1) * 10 // of:
        print(f"{stage}: {done} of {of}", file=sys.stderr, flush=True)


@contextmanager
def progress(first: str) -> Generator[Callable[[str], None]]:
    """Say on stderr what is going on, once a stage takes longer than a second.

    On a terminal the line counts the seconds; elsewhere each long stage gets one line.
    """
    stage = [first, time.monotonic()]
    done = threading.Event()

    def tell(text: str) -> None:
        stage[:] = [text, time.monotonic()]

    def watch() -> None:
        said = ""
        while not done.wait(0.2):
            text, since = str(stage[0]), float(stage[1])
            elapsed = time.monotonic() - since
            if elapsed < SILENCE:
                continue
            if sys.stderr.isatty():
                print(f"\r{text}: {elapsed:.0f} s\033[K", end="", file=sys.stderr, flush=True)
            elif said != text:
                print(f"{text} ...", file=sys.stderr, flush=True)
            said = text
        if said and sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        done.set()
        thread.join()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rnn2circuit",
        description="Compile trained recurrent networks to analog circuits, and verify them.",
        epilog="Exit codes: 0 pass, 1 disagrees, 2 bad usage or input, 3 unverifiable, "
        "4 simulator error, 5 timeout.",
    )
    parser.add_argument("--version", action="version", version=f"rnn2circuit {TOOL_VERSION}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_compile(verbs)
    _add_verify(verbs)
    _add_verify_netlist(verbs)
    _add_simulate(verbs)
    _add_tolerance(verbs)
    _add_linearize(verbs)
    _add_analyze(verbs)
    show = verbs.add_parser("show", help="what is in a model file")
    add_model(show)
    show.set_defaults(run=run_show)
    parts = verbs.add_parser("calibrate", help="measure the parts of a technology")
    add_technology(parts)
    parts.add_argument("--level", choices=("macro", "device"), default="device")
    parts.add_argument("-o", "--output", metavar="FILE", help="also write it here")
    parts.set_defaults(run=run_calibrate)
    doctor = verbs.add_parser("doctor", help="which simulators are here, and do they behave")
    doctor.add_argument("--simulator", choices=list({**SIMULATORS, **CROSS_SIMULATORS}))
    doctor.set_defaults(run=run_doctor)
    demo = verbs.add_parser("demo", help="compile, simulate and verify shipped trained networks")
    demo.add_argument("-o", "--output", default="rnn2circuit-demo", metavar="DIR")
    demo.add_argument("--simulator", choices=list(SIMULATORS))
    demo.set_defaults(run=run_demo_verb)
    return parser


# argparse has no public name for what add_subparsers returns.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]


def _add_compile(verbs: Verbs) -> None:
    verb = verbs.add_parser("compile", help="write netlist, testbench and map")
    add_model(verb)
    add_circuit(verb)
    add_testbench(verb)
    verb.add_argument("-o", "--output", default=".", metavar="DIR", help="directory to write into")
    verb.set_defaults(run=run_compile)


def _add_verify(verbs: Verbs) -> None:
    verb = verbs.add_parser("verify", help="compile, and check the emitted text against the model")
    add_model(verb)
    add_circuit(verb)
    add_testbench(verb)
    add_judgement(verb)
    verb.add_argument("--spec", metavar="FILE", help="options, stimuli and seeds in a TOML file")
    verb.set_defaults(run=run_verify)


def _add_verify_netlist(verbs: Verbs) -> None:
    verb = verbs.add_parser("verify-netlist", help="check a netlist that was edited by hand")
    verb.add_argument("netlist", metavar="FILE.cir")
    add_model(verb, flag="--model")
    verb.add_argument("--map", metavar="FILE", help="the map (default: FILE.json beside it)")
    verb.add_argument("--linearize", choices=["origin", "equilibrium"], help="linearize first")
    add_testbench(verb)
    add_judgement(verb)
    verb.set_defaults(run=run_verify_netlist)


def _add_simulate(verbs: Verbs) -> None:
    verb = verbs.add_parser("simulate", help="compile, run, and write waveforms in model units")
    add_model(verb)
    add_circuit(verb)
    add_testbench(verb)
    add_simulator(verb)
    verb.add_argument("-o", "--output", default=".", metavar="DIR", help="directory to write into")
    verb.set_defaults(run=run_simulate)


def _add_tolerance(verbs: Verbs) -> None:
    verb = verbs.add_parser("tolerance", help="boards whose parts are off by chance")
    add_model(verb)
    add_circuit(verb)
    add_testbench(verb)
    add_simulator(verb)
    add_tolerance(verb)
    verb.set_defaults(run=run_tolerance)


def _add_linearize(verbs: Verbs) -> None:
    verb = verbs.add_parser("linearize", help="x' = A x + B u + offset at a point")
    add_model(verb)
    verb.add_argument("--at", choices=["origin", "equilibrium"], default="origin")
    verb.add_argument("--point", metavar="X1,X2,..", help="linearize at this state instead")
    verb.add_argument("--input", metavar="U1,U2,..", help="input at the point (default 0)")
    verb.add_argument("-o", "--output", metavar="FILE", help="write A, B .. as .json or .npz")
    verb.set_defaults(run=run_linearize)


def _add_analyze(verbs: Verbs) -> None:
    verb = verbs.add_parser("analyze", help="what a network asks of a circuit, on one page")
    add_model(verb)
    add_analysis(verb)
    verb.set_defaults(run=run_analyze)


if __name__ == "__main__":
    sys.exit(main())
