"""Does every amplifier of a realistic circuit stay within its supplies?

States, inputs and outputs are scaled to the parts' swing before there is a circuit. What stands
inside, such as the output of an op-amp that gives a state its weights, is known when there is one:
Kirchhoff's laws of the emitted text, with ideal parts, at states of the network's own solution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.arrays import Matrix
from rnn2circuit.circuit.circuit import Circuit
from rnn2circuit.circuit.parts import ActiveGyrators, Multipliers, OpAmps
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError, UnverifiableError
from rnn2circuit.lowering.bill import part_references
from rnn2circuit.lowering.realistic import ARGUMENT
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.models.trajectory import Trajectory
from rnn2circuit.statemap import NetlistMap, StateMap, to_volts
from rnn2circuit.verify.clocked import ClockedSystem
from rnn2circuit.verify.extraction import ExtractedSystem
from rnn2circuit.verify.netlist import Netlist
from rnn2circuit.verify.reading import read_circuit

POINTS = 101  # of the run
SHARE = 0.9  # of the volts per unit that would just do: what a message proposes


def check_swing(
    circuit: Circuit,
    text: str,
    record: NetlistMap,
    reference: ReferenceSolution | Trajectory,
    technology: Technology,
) -> tuple[str, ...]:
    """Nothing, or a note where the text could not be read.

    Sums in front of stages are left out: a stage is as good as constant where they are cut off.

    Raises
    ------
    NotRealizableError
        If an amplifier would have to leave its supplies; the message names it.
    """
    amplifiers = _amplifiers(circuit)
    if not amplifiers:
        return ()
    nets = list(dict.fromkeys(net for a in amplifiers for net, _ in a.sum))
    try:
        found = _voltages(read_circuit(text, record), record.state_map, reference, nets)
    except UnverifiableError as error:
        return (f"voltages inside were not held against the supplies: {error}",)
    volts = dict(zip(nets, found.T, strict=True))
    largest = [float(np.abs(sum(k * volts[net] for net, k in a.sum)).max()) for a in amplifiers]
    most = technology.supply - technology.opamp.headroom
    worst = int(np.argmax(largest))
    if largest[worst] > most:
        fitting = record.state_map.states[0].volts_per_unit * most / largest[worst] * SHARE
        raise NotRealizableError(
            f"{amplifiers[worst].name} ({amplifiers[worst].meaning}) would have to stand at "
            f"{largest[worst]:.3g} V, between its supplies it reaches {most:g} V; lower "
            f"volts_per_unit, to {fitting:.2g} or less"
        )
    return ()


def _voltages(
    netlist: Netlist,
    ports: StateMap,
    reference: ReferenceSolution | Trajectory,
    nets: Sequence[str],
) -> Matrix:
    """At moments of the run, shape (moments, nets); of a clocked cell in both phases of a step."""
    states, inputs = ([m.port for m in maps] for maps in (ports.states, ports.inputs))
    if isinstance(reference, Trajectory):
        if ports.clock is None:
            raise UnverifiableError("the map names no clock")
        step = np.unique(np.linspace(0, reference.n_steps - 1, POINTS).astype(int))
        clocked = ClockedSystem(
            replace(netlist, subckt=None),
            states=states,
            inputs=inputs,
            outputs=nets,
            clock=ports.clock,
        )
        done = clocked.steps(
            to_volts(ports.states, reference.states[step]),
            to_volts(ports.inputs, reference.inputs[step]),
        )
        return np.vstack([done.outputs, done.outputs_next])
    t = np.linspace(0.0, reference.t_end, POINTS)
    system = ExtractedSystem(netlist, states=states, inputs=inputs, outputs=nets)
    return system.rates(
        to_volts(ports.states, reference(t)), to_volts(ports.inputs, reference.stimulus(t))
    ).outputs


@dataclass(frozen=True, slots=True)
class _Amplifier:
    """One output: a sum of voltages at nets of the circuit."""

    name: str
    meaning: str
    sum: tuple[tuple[str, float], ...]  # net and factor


def _amplifiers(circuit: Circuit) -> list[_Amplifier]:
    found: list[_Amplifier] = []
    for bank in circuit.banks:
        match bank:
            case OpAmps() | Multipliers():
                for name, out in zip(part_references(bank), bank.out, strict=True):
                    net = circuit.nets[int(out)]
                    if not net.endswith(ARGUMENT):
                        found.append(_Amplifier(name, bank.meaning, ((net, 1.0),)))
            case ActiveGyrators() if bank.kind == "howland":
                ends = zip(part_references(bank), bank.p1, bank.p2, strict=True)
                for name, end, other in ends:
                    p1, p2 = circuit.nets[int(end)], circuit.nets[int(other)]
                    # Of equal resistors: the output is twice the load less what is subtracted.
                    first = ((p1, 2.0), (p2, -1.0))
                    found.append(_Amplifier(f"{name}.x_howland_1", bank.meaning, first))
                    found.append(_Amplifier(f"{name}.x_howland_2", bank.meaning, ((p2, 2.0),)))
            case _:
                pass
    return found
