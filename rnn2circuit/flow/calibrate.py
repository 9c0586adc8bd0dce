"""Calibrate the parts of a technology: sweep one stage of each kind, and fit what it does.

Each point of a sweep is a copy of the part in one deck, solved as an operating point: the copies
share nothing but the supplies. Stages have the resistance at their inputs that they have in a
network; their output is held at a voltage.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import least_squares

from rnn2circuit.arrays import Vector
from rnn2circuit.devices.calibration import Calibration, MultiplierFit, StageFit
from rnn2circuit.devices.macromodels import MULTIPLIER, OPAMP, OTA, macro_library
from rnn2circuit.devices.technology import THERMAL, Technology
from rnn2circuit.devices.transistors import BANDWIDTH, device_library
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice

Parts: TypeAlias = Literal["macro", "device"]

SMALLEST_BIAS = 1e-7  # A
FITS_PER_DECADE = 2  # gain, slope and offset change slowly with the logarithm of the current
ARGUMENTS = np.linspace(-4.0, 4.0, 21)  # of tanh, at an output of 0 V
# Arguments at which the output is also held away from 0 V, in parts of the stages' swing.
SWINGS = (0.1, 0.55, 1.0)  # of the largest: of stages that feed a load
HELD_ARGUMENTS, HELD = (-1.0, 0.0, 1.0), (-0.7, 0.7)
# Gates are positive, and most of the first factors are gates: x is swept on one side.
X_VOLTS, Y_VOLTS = np.linspace(0.0, 1.0, 7), np.linspace(-1.0, 1.0, 9)  # of the stages' swing
# Around the usual bias current: what one line is fitted to. Beyond, base currents bend the tanh.
FITTED_DECADES = (-1.8, 0.2)
# Base currents through the resistance at the inputs lower the slope at 0; a least-squares slope
# over all arguments sees this part of it.
BASE_SHARE = 0.82
SILENT = 1e9  # of a current gain or an Early voltage: as good as infinite
OPTIONS = ".options reltol=1e-6 abstol=1e-13 vntol=1e-8 itl1=1000"
TIMEOUT = 120.0  # s, of one deck


def library(technology: Technology, parts: Parts, used: frozenset[str]) -> str:
    """The definitions of the parts in `used`, at a level."""
    make = device_library if parts == "device" else macro_library
    return make(technology, used)


@lru_cache(maxsize=16)
def calibrate(technology: Technology, parts: Parts = "device") -> Calibration:
    """Fits of the stages over their bias currents, and of the multiplier.

    Raises
    ------
    SimulationError, SimulationTimeout
        If ngspice is not there, or finds no operating point.
    """
    most = technology.ota.largest_bias
    count = max(2, 1 + round(FITS_PER_DECADE * np.log10(most / SMALLEST_BIAS)))
    biases = np.geomspace(SMALLEST_BIAS, most, count).tolist()
    swings = (np.array(SWINGS) * technology.swing).tolist()
    return Calibration(
        driving=tuple(_driver(technology, parts, bias) for bias in biases),
        loaded={
            name: tuple(_loaded(technology, parts, lowest, swing) for swing in swings)
            for name, lowest in (("tanh", -1.0), ("logistic", 0.0))
        },
        multiplier=_calibrate_multiplier(technology, parts),
    )


def fitted(technology: Technology, calibration: Calibration) -> Technology:
    """The technology whose macromodels do what the calibrated parts do."""
    stages, multiplier = calibration.driving, calibration.multiplier
    reference = technology.stage_bias
    decades = np.log10([stage.bias / reference for stage in stages])

    def line(name: str) -> tuple[float, float]:
        """A number's value at the usual bias current, and its change per decade of it."""
        values = [getattr(stage, name) for stage in stages]
        usual = (decades >= FITTED_DECADES[0]) & (decades <= FITTED_DECADES[1])
        change, value = np.polyfit(decades[usual], np.array(values)[usual], 1)
        return float(value), float(change)

    usual, slope = calibration.driver(reference), max(stage.slope for stage in stages)
    base = 2 * THERMAL * (slope - usual.slope) / technology.pair_resistance  # A
    gain, output_offset, pin = (line(n) for n in ("gain", "output_offset", "pin_voltage"))
    ota = replace(
        technology.ota,
        gain_error=gain[0] - 1.0,
        gain_per_decade=gain[1],
        slope=slope,
        beta=min(BASE_SHARE * reference / base, SILENT) if base > 0 else SILENT,
        offset=usual.input_offset,
        output_offset=output_offset[0],
        output_offset_per_decade=output_offset[1],
        early_voltage=min(abs(usual.early_voltage), SILENT),
        early_skew=usual.skew,
        bias_voltage=pin[0],
        bias_voltage_per_decade=pin[1],
        reference_bias=reference,
    )
    return replace(
        technology,
        ota=ota,
        multiplier=replace(
            technology.multiplier,
            gain_error=multiplier.gain - 1.0,
            x_offset=multiplier.x_offset,
            y_offset=multiplier.y_offset,
            output_offset=multiplier.output_offset,
            bend=multiplier.bend,
            bend_relief=multiplier.bend_relief,
            summing_error=multiplier.summing_error,
            bandwidth=min(technology.multiplier.bandwidth, BANDWIDTH),
        ),
    )


def _driver(technology: Technology, parts: Parts, bias: float) -> StageFit:
    """A stage that drives a state: its output is held at voltages of its own."""
    points = [(z, 0.0) for z in ARGUMENTS.tolist()]
    held = [part * technology.stage_swing for part in HELD]
    points += list(product(HELD_ARGUMENTS, held))
    z, v_out = np.array(points).T
    current, pin = _sweep_stage(technology, parts, bias, z, v_out)
    return _fit_stage(z, current, v_out, StageFit(bias=bias, pin_voltage=pin))


def _loaded(technology: Technology, parts: Parts, lowest: float, swing: float) -> StageFit:
    """A stage with a load: its output follows its current, from `lowest` times the swing on."""
    z, bias = ARGUMENTS, technology.stage_bias
    v_out = swing * (lowest + (1.0 - lowest) * 0.5 * (1.0 + np.tanh(z)))
    current, pin = _sweep_stage(technology, parts, bias, z, v_out)
    fit = StageFit(bias=bias, swing=swing, pin_voltage=pin)
    return _fit_stage(z, current, np.zeros_like(z), fit)


def _sweep_stage(
    technology: Technology, parts: Parts, bias: float, z: Vector, v_out: Vector
) -> tuple[Vector, float]:
    """Output current in parts of the bias, and the voltage of the bias pin."""
    lines = [f"v_cc vcc 0 {technology.supply!r}", f"v_ee vee 0 {-technology.supply!r}"]
    for k, (argument, out) in enumerate(zip(z.tolist(), v_out.tolist(), strict=True)):
        ohm = technology.pair_resistance
        lines += [
            f"v_i{k} i{k} 0 {2 * THERMAL * argument!r}",
            f"r_p{k} i{k} p{k} {ohm!r}",
            f"r_n{k} n{k} 0 {ohm!r}",
            f"i_b{k} 0 b{k} {bias!r}",
            f"v_o{k} o{k} 0 {out!r}",
            f"x_{k} p{k} n{k} b{k} o{k} vcc vee {OTA}",
        ]
    wanted = [f"i(v_o{k})" for k in range(len(z))] + [f"v(b{k})" for k in range(len(z))]
    text = library(technology, parts, frozenset({OTA}))
    values = _measure(text, lines, wanted)
    current, pin = np.split(values, 2)
    return current / bias, float(pin.mean()) + technology.supply


def _fit_stage(z: Vector, current: Vector, v_out: Vector, fit: StageFit) -> StageFit:
    """Least squares; `current` in parts of the bias."""

    def model(p: Vector) -> Vector:
        gain, slope, offset, output, conductance, skewed = p
        tanh = np.tanh(slope * (z + offset))
        return gain * (tanh + output - (conductance + skewed * tanh) * v_out)

    def off(p: Vector) -> Vector:
        return model(p) - current

    start = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    found = least_squares(off, start, xtol=1e-12, ftol=1e-12).x
    gain, slope, offset, output, conductance, skewed = found.tolist()
    return replace(
        fit,
        gain=gain,
        slope=slope,
        input_offset=offset * 2 * THERMAL,
        output_offset=output,
        early_voltage=1.0 / conductance if conductance else math.inf,
        skew=skewed / conductance if conductance else 0.0,
        error=float(np.abs(np.tanh(z) - current).max()),
        residual=float(np.abs(model(found) - current).max()) / gain,
    )


def _calibrate_multiplier(technology: Technology, parts: Parts) -> MultiplierFit:
    swing, unit = technology.stage_swing, technology.multiplier.unit
    products = product((X_VOLTS * swing).tolist(), (Y_VOLTS * swing).tolist(), (0.0,))
    points = [*products, *((0.0, 0.0, part * swing) for part in HELD)]
    x, y, z = np.array(points).T
    lines = [f"v_cc vcc 0 {technology.supply!r}", f"v_ee vee 0 {-technology.supply!r}"]
    for k, (a, b, c) in enumerate(points):
        lines += [
            f"v_x{k} x{k} 0 {a!r}",
            f"v_y{k} y{k} 0 {b!r}",
            f"v_z{k} z{k} 0 {c!r}",
            f"x_{k} x{k} 0 y{k} 0 o{k} z{k} vcc vee {MULTIPLIER}",
        ]
    text = library(technology, parts, frozenset({MULTIPLIER, OPAMP}))
    out = _measure(text, lines, [f"v(o{k})" for k in range(len(points))])
    # Offsets from the axes: elsewhere a curvature of the product would look like one.
    axis_x, axis_y = (y == 0.0) & (z == 0.0), (x == 0.0) & (z == 0.0)
    constant = float(out[axis_x & axis_y][0])
    summing = float(np.polyfit(z[z != 0.0], out[z != 0.0], 1)[0])
    out = out - summing * z
    by_x = float(np.polyfit(x[axis_x], out[axis_x], 1)[0])
    by_y = float(np.polyfit(y[axis_y], out[axis_y], 1)[0])
    offsets = by_x * x + by_y * y + constant
    # The second input of y is grounded: the sum of both is y.
    terms = np.column_stack([x * y, x * y * y, x**3 * y * y]) / unit
    gain, bent, relief = np.linalg.lstsq(terms, out - offsets, rcond=None)[0].tolist()
    return MultiplierFit(
        gain=gain,
        x_offset=by_y * unit / gain,
        y_offset=by_x * unit / gain,
        output_offset=constant,
        bend=bent / gain,
        bend_relief=-relief / bent if bent else 0.0,
        summing_error=summing - 1.0,
        error=float(np.abs(x * y / unit - out).max() / unit),
        residual=float(np.abs(gain * x * y / unit + offsets - out).max() / unit),
        unmodelled=float(np.abs(terms @ [gain, bent, relief] + offsets - out).max() / unit),
    )


def _measure(text: str, lines: Sequence[str], wanted: Sequence[str]) -> Vector:
    deck = [
        "* rnn2circuit calibration",
        OPTIONS,
        *lines,
        ".save " + " ".join(wanted),
        ".op",
        ".end",
    ]
    main = "calibrate.cir"
    body = "\n".join(deck[:-1]) + "\n" + text + ".end\n"
    run = Deck(files={main: body}, main=main, signals=tuple(wanted), t_stop=0.0)
    values = Ngspice().measure(run, timeout=TIMEOUT)
    return np.array([values[name] for name in wanted])


def describe_calibration(technology: Technology, calibration: Calibration) -> str:
    """The fits, and the macromodels that do the same, as text."""
    lines = ["stages that drive a state, by bias current"]
    lines += _stage_table(calibration.driving)
    for name, fits in calibration.loaded.items():
        lines += ["", f"{name} stages with a load, by the swing of their output"]
        lines += _stage_table(fits)
    m = calibration.multiplier
    lines += [
        "",
        f"multiplier, out = gain (x + x0) (y + y0) B / {technology.multiplier.unit:g} V + (1 + s) z"
        " + z0, B = 1 + bend (y1 + y2) (1 - relief x^2)",
        f"  gain {m.gain:.5f}, x0 {m.x_offset:.1e} V, y0 {m.y_offset:.1e} V, z0 "
        f"{m.output_offset:.1e} V, s {m.summing_error:.1e}, bend {m.bend:.2e} / V, relief "
        f"{m.bend_relief:.2e} / V^2; off by {m.error:.1e} of the unit before, {m.residual:.1e} "
        f"after, and {m.unmodelled:.1e} from its macromodel",
        "",
        "fitted macromodels, as in a technology file",
    ]
    made = fitted(technology, calibration)
    for name, part in (("ota", made.ota), ("multiplier", made.multiplier)):
        lines.append(f"[{name}]")
        lines += [f"{f.name} = {getattr(part, f.name)!r}" for f in fields(part)]
    return "\n".join(lines) + "\n"


def _stage_table(fits: Sequence[StageFit]) -> list[str]:
    head = (
        f"  {'bias/A':<9} {'swing/V':<8} {'gain':<8} {'slope':<8} {'offset/V':<9} "
        f"{'out. offset':<12} {'Early/V':<8} {'pin/V':<6} {'before':<8} after"
    )
    return [head] + [
        f"  {s.bias:<9.3g} {s.swing:<8.3g} {s.gain:<8.5f} {s.slope:<8.5f} {s.input_offset:<9.1e} "
        f"{s.output_offset:<12.6f} {s.early_voltage:<8.4g} {s.pin_voltage:<6.3f} {s.error:<8.1e} "
        f"{s.residual:.1e}"
        for s in fits
    ]


def calibration_notes(calibration: Calibration | None) -> tuple[str, ...]:
    """What a reader of a report should know of it."""
    if calibration is None:
        return ()
    stages = (*calibration.driving, *(fit for fits in calibration.loaded.values() for fit in fits))
    multiplier = calibration.multiplier
    return (
        "values are corrected for what the parts were measured to do: stages are off by up to "
        f"{max(s.error for s in stages):.1e} of their amplitude before and "
        f"{max(s.residual for s in stages):.1e} after, multipliers by {multiplier.error:.1e} and "
        f"{multiplier.residual:.1e} of their unit",
    )
