"""Levels: the ideal circuit as it is, or lowered to parts of a technology."""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps, Otas
from rnn2circuit.devices.calibration import Calibration
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow.calibrate import library
from rnn2circuit.flow.parts import place_parts
from rnn2circuit.flow.speed import slowed
from rnn2circuit.flow.values import Values
from rnn2circuit.lowering.bill import BillLine, bill_of_materials
from rnn2circuit.lowering.realistic import SUPPLIES
from rnn2circuit.models.base import AbstractCell, AbstractNetwork
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.statemap import SupplyMap
from rnn2circuit.synthesis.realize import Realization
from rnn2circuit.synthesis.scaling import Scaling
from rnn2circuit.writers.ngspice import part_called

Level: TypeAlias = Literal["ideal", "macro", "device"]

# Of the swing that parts allow: what a state takes of it, so that sums of two fit as well.
STATE_SHARE = 0.45
STEPS = (5.0, 2.0, 1.0)  # volts per unit are 1, 2 or 5 times a power of ten
# A sample and hold of 1 kohm and 2 nF is what op-amps drive with ease.
CELL_IMPEDANCE = 1e6
# What finite bandwidth costs falls with the time constant: in form rl 2 ms instead of 10 us, with
# 2 H (a gyrator and a capacitor, of that size).
SLOWER_RL = 200.0
SAMPLES = 2001  # of the run, among which its largest values are looked for
TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lowered:
    """A realization with parts, their definitions, and what is known of them and to be bought."""

    realization: Realization
    library: str
    technology: Technology
    calibration: Calibration | None = None
    bill: tuple[BillLine, ...] = ()


def at_level(
    realization: Realization,
    level: Level,
    technology: Technology,
    values: Values | None = None,
    *,
    calibration: Calibration | None = None,
) -> Lowered:
    """The realization with parts of `technology`, of the `values` that are asked for.

    Parameters
    ----------
    calibration : Calibration, optional
        What is known of the parts, for which their values are corrected.

    Raises
    ------
    NotRealizableError
        If the form or an element has no parts, or a value does not fit.
    """
    if level == "ideal":
        return Lowered(realization=realization, library="", technology=technology)
    held = [m.port for m in realization.state_map.inputs]
    circuit = place_parts(
        realization.circuit, technology, values, held=held, calibration=calibration
    )
    voltages = (technology.supply, -technology.supply, technology.reference)
    supplies = tuple(
        SupplyMap(name=name, port=name, voltage=voltage)
        for name, voltage in zip(SUPPLIES, voltages, strict=True)
    )
    state_map = replace(realization.state_map, supplies=supplies)
    return Lowered(
        realization=replace(realization, circuit=circuit, state_map=state_map),
        library=library(technology, level, parts_in(circuit)),
        technology=technology,
        calibration=calibration,
        bill=bill_of_materials(circuit, grade=(values and values.grade) or "1%"),
    )


def realistic_scale(
    model: AbstractNetwork,
    reference: ReferenceSolution | Trajectory,
    technology: Technology,
    given: dict[str, Any],
    *,
    usual: Scaling,
) -> dict[str, Any]:
    """`given`, completed: volts with which the run uses the parts' swing well, and a slower time.

    Parameters
    ----------
    usual : Scaling
        What would be chosen at level ideal.

    Raises
    ------
    NotRealizableError
        If the volts per unit that are given drive a state beyond the swing.
    """
    t = np.linspace(0.0, reference.t_end, SAMPLES)
    x, u = reference(t), reference.stimulus(t)
    y = model.readout(x, u)
    states = float(np.abs(np.concatenate([x, u], axis=1)).max(initial=0.0))
    outputs = float(np.abs(y).max(initial=0.0))
    volts = given["volts_per_unit"]
    if volts is None:
        largest = max(states / STATE_SHARE, outputs)
        most = technology.swing / largest if largest > 0 else 1.0
        decade = 10.0 ** np.floor(np.log10(most))
        volts = decade * next(s for s in STEPS if s * decade <= most * (1 + TINY))
    elif volts * max(states, outputs) > technology.swing:
        raise NotRealizableError(
            f"{volts:g} V per unit drive a state, input or output to "
            f"{volts * max(states, outputs):.3g} V, the parts have {technology.swing:g} V; lower "
            "volts_per_unit"
        )
    impedance = given["impedance"]
    if impedance is None and isinstance(model, AbstractCell):
        impedance = CELL_IMPEDANCE
    elif impedance is None:
        impedance = technology.impedance
    seconds = given["seconds_per_unit"]
    if seconds is None and not isinstance(model, AbstractCell):
        slower = SLOWER_RL if given["form"] == "rl" else technology.slower
        seconds = slowed(slower * usual.seconds_per_unit, model, technology)
    chosen = {"volts_per_unit": float(volts), "impedance": impedance, "seconds_per_unit": seconds}
    return given | chosen


def parts_in(circuit: Circuit) -> frozenset[str]:
    """The subcircuits that a circuit calls."""
    return frozenset(
        part_called(bank)
        for bank in circuit.banks
        if isinstance(bank, OpAmps | Otas | Multipliers | ActiveGyrators)
    )
