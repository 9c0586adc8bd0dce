"""Options of the command line that several verbs share."""

import argparse
from typing import get_args

from rnn2circuit.devices.eseries import SERIES
from rnn2circuit.flow import SEED, Level, Limits
from rnn2circuit.flow.tolerance import LIMIT, RUNS
from rnn2circuit.flow.tolerance import SEED as BOARD_SEED
from rnn2circuit.linearize.strategies import KAPPA, STRATEGIES
from rnn2circuit.linearize.validity import WITHIN
from rnn2circuit.lowering.bill import Grade
from rnn2circuit.lowering.spread import SPREADS, TRIMS
from rnn2circuit.simulate.registry import CROSS_SIMULATORS, SIMULATORS
from rnn2circuit.synthesis.proportions import CapacitorChoice, SwingChoice
from rnn2circuit.synthesis.rounding import METHODS
from rnn2circuit.synthesis.scaling import CAPACITANCES, FORMS
from rnn2circuit.synthesis.topology import COUPLINGS, INPUT_COUPLINGS, LINEAR
from rnn2circuit.verify.task import STRENGTH, Metric


def add_judgement(verb: argparse.ArgumentParser) -> None:
    """Add the options on: limits, reports and the simulator of a verification."""
    add_simulator(verb)
    add_cross(verb)
    verb.add_argument("-o", "--output", metavar="DIR", help="also write netlist and reports here")
    verb.add_argument("--json", metavar="FILE", help="write the report as JSON")
    verb.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML")
    verb.add_argument("--plot", metavar="FILE", help="draw waveforms and errors (.png or .svg)")
    verb.add_argument("--html", metavar="FILE", help="write the report as one page of HTML")
    verb.add_argument("--markdown", metavar="FILE", help="write the report as Markdown")
    add_limits(verb)
    add_task(verb)
    verb.add_argument(
        "--quick",
        action="store_true",
        help="no second run with half the step, no operating point, no frequency response",
    )
    verb.add_argument("--seed", type=int, default=SEED, help="of the extraction's random states")


def add_limits(verb: argparse.ArgumentParser) -> None:
    """Add the options on: what each layer of a verification must hold."""
    limits = Limits()
    for name, default in (
        ("extraction", f"{limits.extraction:g}"),
        ("transient", f"{limits.transient:g}, of clocked cells {limits.held:g}"),
        ("steps", f"{limits.steps:g}"),
        ("extrapolated", f"{limits.extrapolated:g}"),
        ("windows", f"{limits.windows:g}"),
        ("operating", f"{limits.operating:g}"),
        ("response", f"{limits.response:g}"),
    ):
        verb.add_argument(f"--limit-{name}", type=float, metavar="E", help=f"default {default}")
    verb.add_argument(
        "--limit-program",
        type=float,
        metavar="E",
        help="also judge program against ODE (parts of range; only reported where not given)",
    )


def add_task(verb: argparse.ArgumentParser) -> None:
    """Add the options on: targets, metric and refit of the readout."""
    group = verb.add_argument_group("task (a test set with targets for the stimulus)")
    group.add_argument("--targets", metavar="FILE", help=".csv or .npz: times and wanted outputs")
    group.add_argument(
        "--metric", choices=get_args(Metric), help="rmse (default), or accuracy of class numbers"
    )
    group.add_argument(
        "--refit-readout",
        action="store_true",
        help="refit the readout on the circuit's states; before and after are reported",
    )
    group.add_argument(
        "--refit-strength",
        type=float,
        metavar="S",
        help=f"of the ridge, parts of the states' variance (default {STRENGTH:g})",
    )
    group.add_argument(
        "--refit-output", metavar="FILE", help="write the refitted network: .npz .safetensors .json"
    )


def add_model(verb: argparse.ArgumentParser, *, flag: str = "model") -> None:
    """Add the options on: the model file, and what foreign files do not record."""
    what = "weights: .npz .safetensors .json .mat .pt .pth .nir .keras .weights.h5 .onnx"
    if flag.startswith("-"):
        verb.add_argument(flag, metavar="MODEL", help=what, required=True)
    else:
        verb.add_argument(flag, metavar="MODEL", help=what)
    group = verb.add_argument_group("what a foreign weight file does not record")
    group.add_argument(
        "--dt", type=float, help="time step the weights were trained with: read them as an ODE"
    )
    group.add_argument(
        "--clocked",
        action="store_const",
        const=True,
        help="read the weights as the discrete program they are: a clocked circuit",
    )
    group.add_argument("--activation", help="of an nn.RNN or SimpleRNN: tanh (default) or relu")
    group.add_argument(
        "--ncps-parameters",
        choices=["softplus", "raw"],
        help="whether the LTC file was trained with implicit_param_constraints (softplus)",
    )
    group.add_argument("--unfolds", type=int, help="ode_unfolds of an ncps LTC, to compare with it")
    group.add_argument("--tau", type=float, help="time constant of a leaky network")
    group.add_argument("--elastance", choices=["asymmetric", "symmetric", "none"], help="of an LRC")
    group.add_argument("--readout", metavar="PREFIX", help="which layer is the readout, or none")


def add_circuit(verb: argparse.ArgumentParser) -> None:
    """Add the options on: form, coupling, level and scaling."""
    verb.add_argument("--name", help="stem of the files (default: of the model file)")
    verb.add_argument("--linearize", choices=["origin", "equilibrium"], help="linearize first")
    verb.add_argument("--form", choices=FORMS, default="rc", help="voltages (rc) or currents (rl)")
    verb.add_argument(
        "--coupling", choices=COUPLINGS, default="vccs", help="see docs/topologies.md"
    )
    verb.add_argument("--inputs", choices=INPUT_COUPLINGS, default="vccs", help="how they couple")
    verb.add_argument("--rank", type=int, metavar="R", help="of coupling lowrank: keep R terms")
    verb.add_argument(
        "--rank-tolerance", type=float, metavar="E", help="of coupling lowrank: relative error"
    )
    verb.add_argument("--no-negative", action="store_true", help="refuse negative resistors")
    verb.add_argument(
        "--capacitance",
        choices=CAPACITANCES,
        default="fixed",
        help="of an LRC: elastance times current into a fixed capacitor, or a variable capacitor",
    )
    verb.add_argument("--level", choices=get_args(Level), default="ideal")
    add_technology(verb)
    add_gyrator(verb)
    verb.add_argument(
        "--calibration",
        action=argparse.BooleanOptionalAction,
        help="measure the parts first and correct values for them (default at level device)",
    )
    group = verb.add_argument_group("coordinates of a linear network's states")
    group.add_argument("--strategy", choices=(*STRATEGIES, "auto"), default="direct")
    group.add_argument(
        "--kappa", type=float, help=f"largest condition number of strategy modal, default {KAPPA:g}"
    )
    group.add_argument("--order", type=int, metavar="R", help="keep this many states")
    group.add_argument(
        "--tolerance", type=float, metavar="E", help="keep the states that this error needs"
    )
    group = verb.add_argument_group("scaling (automatic where not given)")
    group.add_argument("--seconds-per-unit", type=float, metavar="S")
    group.add_argument("--volts-per-unit", type=float, metavar="V")
    group.add_argument("--amperes-per-unit", type=float, metavar="A", help="form rl only")
    group.add_argument("--impedance", type=float, metavar="OHM", help="level of resistances")
    add_values(verb)


def add_analysis(verb: argparse.ArgumentParser) -> None:
    """Add the options on: where to linearize, and with which coupling figures are computed."""
    verb.add_argument(
        "--linearize",
        choices=["origin", "equilibrium"],
        help="of a network that is not linear; default equilibrium",
    )
    verb.add_argument(
        "--coupling", choices=LINEAR["rc"], default="vccs", help="of tolerance, noise and spread"
    )
    verb.add_argument(
        "--duration", type=float, metavar="T", help="of the error bound, in model time units"
    )
    verb.add_argument(
        "--within",
        type=float,
        default=WITHIN,
        metavar="E",
        help=f"error that the radius allows, parts of the largest deviation (default {WITHIN:g})",
    )
    verb.add_argument(
        "--amplitude", type=float, metavar="U", help="bound the error for inputs of this size too"
    )
    _add_stimulus(verb)
    verb.add_argument("--json", metavar="FILE", help="write the page as JSON")


def add_technology(verb: argparse.ArgumentParser) -> None:
    """Add the option on: the parts of levels other than ideal."""
    verb.add_argument(
        "--technology",
        metavar="FILE",
        help="parts and supplies in a TOML file, or subthreshold (experimental); docs/levels.md",
    )


def add_gyrator(verb: argparse.ArgumentParser) -> None:
    """Add the option on: what gyrators are made of."""
    verb.add_argument(
        "--gyrator",
        choices=("howland", "ota"),
        help="of levels, in coupling gyrator: op-amps (default) or pairs of OTAs",
    )


def add_values(verb: argparse.ArgumentParser) -> None:
    """Add the options on: component values."""
    group = verb.add_argument_group(
        "component values, of linear networks (docs/values.md) and of levels (docs/parts.md)"
    )
    group.add_argument("--round", choices=SERIES, help="round to this E series")
    group.add_argument(
        "--round-capacitors", choices=SERIES, help="theirs (default E12; of levels, E6)"
    )
    group.add_argument("--rounding", choices=METHODS, help="default joint; of levels, nearest")
    group.add_argument(
        "--pairs",
        action=argparse.BooleanOptionalAction,
        help="make each value of one or two parts (default: of levels, up to E24)",
    )
    group.add_argument(
        "--grade", choices=get_args(Grade), help="tolerance of parts, of levels (default 1%%)"
    )
    group.add_argument(
        "--ptat-legs",
        action="store_true",
        help="of levels: resistors at the inputs of stages that grow with absolute temperature",
    )
    choices = get_args(CapacitorChoice)
    group.add_argument("--capacitors", choices=choices, help="their proportions")
    group.add_argument("--swing", choices=get_args(SwingChoice), default="none")
    group.add_argument("--input-range", type=float, default=1.0, metavar="U", help="largest |u|")
    for flag, unit in (("r", "ohm"), ("c", "F"), ("gm", "S")):
        group.add_argument(f"--{flag}-range", metavar="LOW,HIGH", help=f"allowed values, {unit}")


def add_tolerance(verb: argparse.ArgumentParser) -> None:
    """Add the options on: boards, trims, temperatures and where they are simulated."""
    group = verb.add_argument_group("boards (see docs/parts.md)")
    group.add_argument(
        "--spread",
        metavar="NAME",
        help=", ".join(SPREADS).replace("%", "%%")
        + ", or resistor=0.01,ota_offset=1e-3 and so on (default: the grade)",
    )
    group.add_argument("--runs", type=int, default=RUNS, help=f"boards (default {RUNS})")
    group.add_argument("--seed", type=int, default=BOARD_SEED, help="of the boards")
    group.add_argument(
        "--limit", type=float, default=LIMIT, metavar="E", help=f"nrmse of a good board ({LIMIT:g})"
    )
    group.add_argument("--trim", metavar="A,B,..", help=f"ladder of trims: {', '.join(TRIMS)}")
    group.add_argument("--temperature", metavar="C,..", help="also the exact circuit, at these")
    group.add_argument("--ptat", action="store_true", help="and with legs proportional to T")
    group.add_argument("--sensitivity", action="store_true", help="also one part at a time")
    group.add_argument("--targets", metavar="FILE", help=".csv or .npz: times and wanted outputs")
    group.add_argument("--metric", choices=get_args(Metric), help="rmse (default) or accuracy")
    group.add_argument("--task-limit", type=float, metavar="M", help="metric of a good board")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    group.add_argument("--dask", metavar="ADDRESS", help="simulate on this dask cluster instead")
    group.add_argument("--json", metavar="FILE", help="write all figures as JSON")


def add_testbench(verb: argparse.ArgumentParser) -> None:
    """Add the options on: stimulus, duration and accuracy."""
    group = verb.add_argument_group("testbench")
    _add_stimulus(group)
    group.add_argument("--duration", type=float, metavar="T", help="in model time units")
    group.add_argument("--step", type=float, metavar="H", help="largest step, model time units")
    group.add_argument("--accuracy", choices=["default", "high"], default="default")


# argparse has no public name for what parsers and their groups are both.
def _add_stimulus(group: "argparse._ActionsContainer") -> None:  # pyright: ignore[reportPrivateUsage]
    group.add_argument("--stimulus", metavar="FILE", help=".csv or .npz, times in model units")
    group.add_argument("--hold", choices=["zoh", "linear"], help="between samples of the stimulus")


def add_cross(verb: argparse.ArgumentParser) -> None:
    """Add the option on: which second simulator must agree."""
    verb.add_argument(
        "--cross",
        choices=[*CROSS_SIMULATORS, "none"],
        help="a second simulator that must agree with the ODE (gnucap: linear networks only)",
    )


def add_simulator(verb: argparse.ArgumentParser) -> None:
    """Add the options on: which simulator, and for how long."""
    verb.add_argument("--simulator", choices=list(SIMULATORS))
    verb.add_argument("--timeout", type=float, metavar="S", help="time limit of the simulator")
