"""The measured tables of docs/parts.md, printed again.

Run it from the repository: ``python benchmarks/parts.py [speed] [rounding] [families] [boards]
[devices] [lag]``; all where none is named, in about an hour on two cores.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from levels import errors, random_network
from random_models import CELLS, FAMILIES, random_cell, random_model

import rnn2circuit as r2c
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError, Rnn2CircuitError
from rnn2circuit.flow import Values, compile_model, simulate
from rnn2circuit.flow.boards import nrmse
from rnn2circuit.flow.speed import predicted_error
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.lowering.spread import SPREADS, TRIMS
from rnn2circuit.report.tolerance import quantile, tolerance_text
from rnn2circuit.simulate.registry import SIMULATORS

EXAMPLES = Path(__file__).parent.parent / "examples"
TRAINED = {  # and how long they run: their own stimuli are long
    "linear_filter.safetensors": None,
    "ctrnn_cycle.npz": 10.0,
    "hopfield_memory.json": None,
    "ltc_signal.pt": None,
    "lrc_spiral.npz": 10.0,
    "lrc_predators.safetensors": 10.0,
    "energy_recall.json": None,
}
LARGE = ("ltc_signal", "lrc_spiral", "lrc_predators")  # hundreds of their boards take hours
OPTIONS = {"ltc_signal.pt": {"ncps_parameters": "softplus"}}
RUNS = 60
ALONE = 20  # runs of one circuit, whose time is taken
SEEDS = 6


def networks():
    for name, duration in TRAINED.items():
        yield name.split(".")[0], r2c.load(EXAMPLES / name, **OPTIONS.get(name, {})), duration


def eight_states() -> r2c.Ctrnn:
    rng = np.random.default_rng(1)
    return r2c.Ctrnn(
        w=rng.standard_normal((8, 8)) * 1.2 / np.sqrt(8),
        w_in=rng.standard_normal((8, 1)),
        rate=1.0 / rng.uniform(0.5, 2.0, 8),
        x0=rng.uniform(-0.5, 0.5, 8),
    )


def speed() -> None:
    compiled = compile_model(eight_states(), level="macro")
    for simulator in ("ngspice", "pyspice"):
        if not SIMULATORS[simulator]().is_available():
            print(f"{simulator} is not installed")
            continue
        start = time.monotonic()
        found = analyze_tolerance(compiled, runs=200, workers=2, simulator=simulator)
        seconds = time.monotonic() - start
        print(tolerance_text(found) + f"{simulator}, 200 boards, two workers: {seconds:.1f} s")
        start = time.monotonic()
        for _ in range(ALONE):
            simulate(compiled, simulator=simulator)
        each = (time.monotonic() - start) / ALONE
        print(f"{simulator}, one board after the other: {1e3 * each:.0f} ms each")


def rounding() -> None:
    print("network: exact, E96, E24, E24 pairs, E12 pairs")
    choices = [None, Values(round="E96"), Values(round="E24", pairs=False)]
    choices += [Values(round="E24"), Values(round="E12")]
    for name, model, duration in networks():
        figures = []
        for values in choices:
            try:
                compiled = compile_model(model, level="macro", values=values, duration=duration)
                figures.append(f"{nrmse(simulate(compiled)):.1e}")
            except Rnn2CircuitError as error:
                figures.append(str(error)[:120])
        print(f"  {name}: {', '.join(figures)}", flush=True)


def families() -> None:
    print("family: worst of some random models exact, median and worst with E24 pairs")
    for family in (f for f in (*FAMILIES, *CELLS) if f not in ("gated", "stack")):
        rows: list[list[float]] = []
        for seed in range(SEEDS):
            model, steps = random_network(family, seed)
            try:
                compiled = [
                    compile_model(model, level="macro", values=values, duration=steps)
                    for values in (None, Values(round="E24"))
                ]
            except NotRealizableError as error:
                print(f"  {family} {seed}: {error}", file=sys.stderr)
                continue
            rows.append([errors(simulate(c))[0] for c in compiled])
        exact, bought = np.transpose(rows)
        print(f"| {family} | {exact.max():.1e} | {np.median(bought):.1e} | {bought.max():.1e} |")


def boards() -> None:
    print("network, spread: median, 90 % of boards with intervals; by temperature, PTAT legs")
    for name, model, duration in networks():
        if name in LARGE:
            continue
        compiled = compile_model(model, level="macro", duration=duration)
        for spread in ("1%", "0.1%"):
            first = spread == "1%"
            found = analyze_tolerance(
                compiled,
                spread=SPREADS[spread],
                runs=RUNS,
                workers=2,
                trims=tuple(TRIMS) if first else (),
                temperatures=(0, 27, 70) if first else (),
                ptat=first,
            )
            for rung in found.rungs:
                figures = [
                    "{:.1e} ({:.1e} to {:.1e})".format(*quantile(rung.values, q))
                    for q in (0.5, 0.9)
                ]
                what = " + ".join(rung.trims) or "untrimmed"
                print(f"  {name}, {spread}, {what}: {', '.join(figures)}", flush=True)
            for c in found.corners:
                legs = "PTAT" if c.ptat else "plain"
                print(f"  {name}, {c.celsius:g} C, {legs}: {c.outcome.nrmse:.1e}", flush=True)


def devices() -> None:
    print("network, level, spread: median with its interval; by temperature, PTAT legs")
    for family in ("ctrnn", "lem_two_scale", "ltc", "elman"):
        make = random_cell if family == "elman" else random_model
        options = {} if family == "elman" else {"activations": ("tanh", "logistic")}
        model = make(family, 3, 1, 1, **options)
        for level in ("macro", "device"):
            compiled = compile_model(model, level=level)
            for spread in ("1%", "0.1%"):
                found = analyze_tolerance(
                    compiled,
                    spread=SPREADS[spread],
                    runs=20,
                    workers=2,
                    temperatures=(0, 27, 70) if spread == "1%" else (),
                    ptat=True,
                )
                figures = "{:.1e} ({:.1e} to {:.1e})".format(*quantile(found.rungs[0].values, 0.5))
                corners = [
                    f"{c.celsius:g} C{' PTAT' if c.ptat else ''} {c.outcome.nrmse:.1e}"
                    for c in found.corners
                ]
                print(f"  {family}, {level}, {spread}: {figures}; {', '.join(corners)}", flush=True)


def lag() -> None:
    print("network: nrmse and prediction at a tenth of the usual time unit")
    for name, model, duration in networks():
        usual = compile_model(model, level="macro", duration=duration)
        try:
            fast = compile_model(
                model,
                level="macro",
                duration=duration,
                seconds_per_unit=usual.state_map.seconds_per_unit / 10,
            )
        except Rnn2CircuitError as error:
            print(f"  {name}: {error}")
            continue
        scaling = fast.realization.scaling
        tau = scaling.impedance * min(
            float(bank.capacitance.min())
            for bank in fast.realization.circuit.banks
            if bank.stem == "state"
        )
        print(f"  {name}: {nrmse(simulate(fast)):.1e}, {predicted_error(tau, Technology()):.1e}")


if __name__ == "__main__":
    parts = {
        "speed": speed,
        "rounding": rounding,
        "families": families,
        "boards": boards,
        "devices": devices,
        "lag": lag,
    }
    for chosen in sys.argv[1:] or parts:
        parts[chosen]()
