"""Calibration: what stages and multipliers really do, as a lowering corrects it.

All numbers come from sweeps of single parts; see `flow.calibrate`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFit:
    """``I = bias gain (T + output_offset - v_out (1 + skew T) / early_voltage)``.

    T is ``tanh(slope (v + input_offset) / 2 Vt)``.

    Attributes
    ----------
    bias : float
        A, into the bias pin.
    swing : float
        V, of the voltage at the output where the stage feeds a load, which its current makes;
        `early_voltage` is infinite then. 0 where it drives a state, which has a voltage of its own.
    slope : float
        Of the argument, with the resistance at the inputs that stages have; 1 ideally.
    input_offset : float
        V.
    output_offset : float
        A per A of the output's amplitude, ``bias gain``.
    early_voltage : float
        V; infinite ideally.
    skew : float
        Of the output conductance: how much more of it the upper mirrors have.
    pin_voltage : float
        V of the bias pin above the negative supply.
    error, residual : float
        Largest deviation of the sweep from an ideal stage, and from the fit, in parts of the
        amplitude: before and after calibration.
    """

    bias: float
    swing: float = 0.0
    gain: float = 1.0
    slope: float = 1.0
    input_offset: float = 0.0
    output_offset: float = 0.0
    early_voltage: float = math.inf
    skew: float = 0.0
    pin_voltage: float
    error: float = 0.0
    residual: float = 0.0

    @property
    def output_conductance(self) -> float:
        """S per A of the output's amplitude."""
        return 1.0 / self.early_voltage


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplierFit:
    """``out = gain (x + x0) (y + y0) B / unit + (1 + summing_error) z + z0``, all in V.

    B is ``1 + bend (y1 + y2) (1 - bend_relief x^2)``, with y1 and y2 the voltages whose difference
    is y: what emitter resistances leave where one half of the multiplier has more current than the
    other. x0, y0 and z0 are the offsets. Calibration corrects the gain and, where a state has a
    leak, the summing; macromodels do all of it.

    Attributes
    ----------
    error, residual, unmodelled : float
        Largest deviations of the sweep from an ideal multiplier, from one whose gain and offsets
        are known, and from the whole fit, in parts of the unit.
    """

    gain: float = 1.0
    x_offset: float = 0.0
    y_offset: float = 0.0
    output_offset: float = 0.0
    bend: float = 0.0  # 1/V
    bend_relief: float = 0.0  # 1/V^2
    summing_error: float = 0.0
    error: float = 0.0
    residual: float = 0.0
    unmodelled: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Fits of the parts.

    Attributes
    ----------
    driving : tuple of StageFit
        Stages that drive states, by bias current, ascending.
    loaded : mapping of str to tuple of StageFit
        Stages with a load, by activation, then by swing, ascending.
    """

    driving: tuple[StageFit, ...]
    loaded: Mapping[str, tuple[StageFit, ...]]
    multiplier: MultiplierFit = MultiplierFit()

    def __post_init__(self) -> None:
        for name, fits in (("bias", self.driving), *(("swing", f) for f in self.loaded.values())):
            order = [getattr(fit, name) for fit in fits]
            if not order or sorted(set(order)) != order:
                raise UsageError(f"a calibration needs stages of ascending {name}, got {order}")

    def driver(self, bias: float) -> StageFit:
        """A stage that drives a state, with a bias current in A.

        Between two fits, linear in the logarithm of the current; beyond them, as the last.
        """
        at = [math.log(fit.bias) for fit in self.driving]
        return replace(_between(self.driving, at, math.log(bias)), bias=bias)

    def load(self, activation: str, swing: float) -> StageFit:
        """A stage whose load makes its output `swing` V at an output of 1."""
        fits = self.loaded[activation]
        return _between(fits, [fit.swing for fit in fits], swing)


def _between(fits: Sequence[StageFit], at: Sequence[float], where: float) -> StageFit:
    """Interpolated linearly, Early voltages by their inverse."""

    def value(name: str) -> float:
        return float(np.interp(where, at, [getattr(fit, name) for fit in fits]))

    names = [f.name for f in fields(StageFit) if f.name != "early_voltage"]
    conductance = value("output_conductance")
    early = 1.0 / conductance if conductance else math.inf
    return StageFit(early_voltage=early, **{name: value(name) for name in names})


def uncalibrated(technology: Technology) -> Calibration:
    """Parts taken to be ideal."""
    fit = StageFit(bias=technology.stage_bias, pin_voltage=technology.ota.bias_voltage)
    return Calibration(driving=(fit,), loaded={"tanh": (fit,), "logistic": (fit,)})
