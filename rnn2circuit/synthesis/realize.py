"""Realization: the ideal circuit of a model, and the map back to its states."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, get_args

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.circuit import Circuit, CircuitBuilder
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.models import (
    MODELS,
    AbstractCell,
    AbstractModel,
    AbstractNetwork,
    Ctrnn,
    Energy,
    GruOde,
    HodgkinHuxley,
    Hopfield,
    Lem,
    LemTwoScale,
    Linear,
    Lrc,
    Ltc,
    Model,
    Stc,
)
from rnn2circuit.statemap import PortMap, StateMap
from rnn2circuit.synthesis.blocks import Signal, bias, inject, sum_nodes
from rnn2circuit.synthesis.cells import Layer, next_state
from rnn2circuit.synthesis.clocked import clock_map, sample_and_hold
from rnn2circuit.synthesis.ctrnn import realize_ctrnn
from rnn2circuit.synthesis.energy import realize_energy
from rnn2circuit.synthesis.gated import realize_gru_ode, realize_lem
from rnn2circuit.synthesis.hodgkin_huxley import realize_hodgkin_huxley
from rnn2circuit.synthesis.hopfield import realize_hopfield
from rnn2circuit.synthesis.linear import realize_linear
from rnn2circuit.synthesis.liquid import realize_liquid
from rnn2circuit.synthesis.ltc import realize_ltc
from rnn2circuit.synthesis.relaxation import Relaxation
from rnn2circuit.synthesis.saturated import realize_saturated
from rnn2circuit.synthesis.scaling import Capacitance, Form, Scaling
from rnn2circuit.synthesis.topology import Coupling, InputCoupling, Topology, require_offered


class Realizer(Protocol):
    """What turns the equation of a family into elements: all of `synthesis` has this shape.

    A family of one's own is a model class and one such function, handed to `compile_model`.
    """

    def __call__(
        self,
        b: CircuitBuilder,
        model: Any,
        *,
        form: Form,
        coupling: Topology,
        scaling: Scaling,
        inputs: Indices,
    ) -> Relaxation: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Realization:
    """A circuit and what its ports mean."""

    circuit: Circuit
    state_map: StateMap
    scaling: Scaling
    form: Form


def realize(
    model: AbstractNetwork,
    *,
    form: Form,
    coupling: Coupling,
    scaling: Scaling,
    inputs_as: InputCoupling = "vccs",
    rank: int | None = None,
    rank_tolerance: float | None = None,
    realizer: Realizer | None = None,
    capacitance: Capacitance = "fixed",
) -> Realization:
    """Build the ideal circuit of `model`: of a cell, a clocked one.

    Parameters
    ----------
    form : {"rc", "rl"}
        ``rc``: states are port voltages of R∥C one-ports. ``rl``: the dual, states are currents
        of series R-L one-ports, sensed as voltages. Both have the same equations.
    coupling : str
        ``vccs``: one transconductance per nonzero coupling. ``gyrator``: the symmetric part of
        the coupling matrix as resistors (of an LTC, the gap junctions) and its skew part as
        gyrators. The others, and which of them exists where, are in docs/topologies.md.
    inputs_as : {"vccs", "resistor", "gyrator"}
        How inputs are coupled.
    rank, rank_tolerance : int, float, optional
        Of coupling ``lowrank``, see `Topology`.
    realizer : callable, optional
        Of a family that is not part of the package.
    capacitance : {"fixed", "variable"}
        Of an LRC. ``fixed``: the elastance multiplies the current into a fixed capacitor.
        ``variable``: the current flows into a capacitor of value 1 / elastance. Both have the same
        equations.

    Raises
    ------
    NotRealizableError
        If the family is not part of the package and no realizer is given, or if the family has
        no such coupling in this form or no variable capacitance.
    UsageError
        If an option of the coupling does not exist or contradicts another.
    CircuitError
        If a component value does not fit a float64.
    """
    model = _in_swing(model.without_input_map(), scaling)
    topology = Topology(kind=coupling, inputs=inputs_as, rank=rank, rank_tolerance=rank_tolerance)
    if realizer is None:
        clocked = isinstance(model, AbstractCell)
        require_offered(model.family, form, topology, clocked=clocked)
    b = CircuitBuilder()
    inputs = b.nets("u", model.n_inputs)
    clock: tuple[int, ...] = ()
    swing = np.ones(model.n_states)
    if isinstance(model, AbstractCell):
        if capacitance != "fixed":
            raise NotRealizableError(
                f"a {model.family} cell holds its states on fixed capacitors; a variable "
                "capacitance belongs to the family 'lrc'"
            )
        clock = (b.net("clk"),)
        shown = _clocked(b, model, clock[0], form, topology, scaling, inputs)
    elif isinstance(model, AbstractModel):
        make = _realizer(realizer, capacitance)
        states = make(b, model, form=form, coupling=topology, scaling=scaling, inputs=inputs)
        shown = states.shown
        swing = swing if states.swing is None else states.swing
    else:
        raise NotRealizableError(f"{type(model).__name__} is neither a model nor a cell")
    outputs = _readout(b, model, shown, swing, inputs, scaling)
    circuit = b.build(ports=[*inputs, *clock, *shown, *outputs])
    port_swing = swing if scaling.swing is None else swing / np.array(scaling.swing)
    return Realization(
        circuit=circuit,
        state_map=StateMap(
            inputs=_port_maps(circuit, inputs, scaling),
            states=_port_maps(circuit, shown, scaling, port_swing),
            outputs=_port_maps(circuit, outputs, scaling),
            seconds_per_unit=scaling.seconds_per_unit,
            clock=clock_map(scaling) if clock else None,
        ),
        scaling=scaling,
        form=form,
    )


def _realizer(own: Realizer | None, capacitance: Capacitance) -> Realizer:
    if capacitance == "variable":
        if own is not None:
            raise NotRealizableError("capacitance 'variable' is no option of one's own realizer")
        return realize_liquid
    return _realize_known if own is None else own


def _clocked(
    b: CircuitBuilder,
    cell: AbstractCell,
    clock: int,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Indices:
    """State nets of a sample-and-hold circuit."""
    if form != "rc":
        raise NotRealizableError(
            f"a {cell.family} cell has the form 'rc' only: its dual would hold a current in a "
            "shorted inductor, which needs one without loss"
        )
    held = sample_and_hold(b, clock=clock, x0=cell.initial_state, scaling=scaling)
    volts = scaling.volts_per_unit
    layer = Layer(b, "n", Signal(nets=inputs, volts_per_unit=volts), coupling, scaling)
    target = next_state(layer, cell, Signal(nets=held.shown, volts_per_unit=volts))
    held.close(b, target.nets, scaling)
    return held.shown


def _realize_known(
    b: CircuitBuilder,
    model: AbstractModel,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    if not isinstance(model, get_args(Model)):
        raise NotRealizableError(
            f"family {model.family!r} is not one of {', '.join(MODELS)}; hand compile_model a "
            "realizer for it"
        )
    known = cast(Model, model)
    return _realize_family(b, known, form=form, coupling=coupling, scaling=scaling, inputs=inputs)


def _realize_family(
    b: CircuitBuilder,
    model: Model,
    *,
    form: Form,
    coupling: Topology,
    scaling: Scaling,
    inputs: Indices,
) -> Relaxation:
    match model:
        case Linear():
            return realize_linear(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Ctrnn():
            return realize_ctrnn(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Hopfield():
            return realize_hopfield(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Ltc():
            return realize_ltc(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Stc() | Lrc():
            return realize_saturated(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case GruOde():
            return realize_gru_ode(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Lem() | LemTwoScale():
            return realize_lem(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case Energy():
            return realize_energy(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )
        case HodgkinHuxley():
            return realize_hodgkin_huxley(
                b, model, form=form, coupling=coupling, scaling=scaling, inputs=inputs
            )


def _readout(
    b: CircuitBuilder,
    model: AbstractNetwork,
    shown: Indices,
    swing: Vector,
    inputs: Indices,
    scaling: Scaling,
) -> Indices:
    """Output nets ``y = w_out x + b_out + d u``, or none where the outputs are all states."""
    if model.w_out is None and model.b_out is None and model.feedthrough is None:
        return np.zeros(0, dtype=np.int64)
    y = sum_nodes(b, "y", model.n_outputs, scaling)
    w_out = np.eye(model.n_states) if model.w_out is None else model.w_out
    inject(
        b,
        "ro",
        "readout weights w_out[output, state]: gm = w_out / impedance",
        out=y,
        control=shown,
        gm=w_out / swing / scaling.impedance,
    )
    if model.feedthrough is not None:
        inject(
            b,
            "ft",
            "feedthrough d[output, input]: gm = d / impedance",
            out=y,
            control=inputs,
            gm=model.feedthrough / scaling.impedance,
        )
    if model.b_out is not None:
        bias(
            b,
            "robias",
            "readout biases",
            out=y,
            current=model.b_out * scaling.volts_per_unit / scaling.impedance,
        )
    return y


def _in_swing(model: AbstractNetwork, scaling: Scaling) -> AbstractNetwork:
    """A linear model whose states count in units of their swing: ``z = x / s``."""
    if scaling.swing is None:
        return model
    if not isinstance(model, Linear):
        raise NotRealizableError("only the states of a linear model have a swing of their own")
    s = np.array(scaling.swing)
    w_out = model.w_out
    if w_out is None and (model.b_out is not None or model.d is not None):
        w_out = np.eye(model.n_states)
    return replace(
        model,
        a=model.a * s / s[:, None],
        b=None if model.b is None else model.b / s[:, None],
        bias=None if model.bias is None else model.bias / s,
        x0=model.initial_state / s,
        w_out=None if w_out is None else w_out * s,
    )


def _port_maps(
    circuit: Circuit, nets: Indices, scaling: Scaling, swing: Vector | None = None
) -> tuple[PortMap, ...]:
    each = np.ones(len(nets)) if swing is None else swing
    return tuple(
        PortMap(
            name=circuit.nets[int(k)],
            port=circuit.nets[int(k)],
            volts_per_unit=scaling.volts_per_unit * float(part),
        )
        for k, part in zip(nets, each, strict=True)
    )
