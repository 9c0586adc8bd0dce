"""Does the simulator read the netlist as the extractor does? Its own right-hand side, by ``.op``.

Every capacitor of the emitted text is replaced by a voltage source of its voltage and every
inductor by a current source of its current. The operating point of what remains is the right-hand
side at that state: the current into each capacitor over C, the voltage across each inductor over
L. No time step is involved, so there is no discretization error either. The sources stand outside
of the netlist, between the nets that the elements had: subcircuits and parameters stay in the text,
and the simulator unfolds them itself.
"""

import numpy as np
from numpy.typing import NDArray

from rnn2circuit.arrays import Matrix
from rnn2circuit.errors import SimulationError, SimulationTimeout, UnverifiableError
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.simulate.interface import Deck, OperatingPointSimulator
from rnn2circuit.statemap import NetlistMap, scales, to_volts
from rnn2circuit.units import spice_number
from rnn2circuit.verify.checks import Check, Verdict
from rnn2circuit.verify.equations import compare_rates, sample_points
from rnn2circuit.verify.extraction import ExtractedSystem, extract
from rnn2circuit.verify.lines import logical_lines

EVALUATED = 1e-9  # limit; an operating point is solved to about 1e-15
POINTS = (1, 2, 3)  # of the extraction's points: the initial state and two random ones
# Newton to the last digits: the tolerances of a transient would leave 1e-9.
OPTIONS = ".options reltol=1e-12 abstol=1e-18 vntol=1e-15"
INSTANCE = "_dut"  # of the netlist in a deck of its own
MAIN = "op.tb.cir"  # which no netlist is called: their names hold no second dot
TITLE = "right-hand side as the simulator evaluates it"


def check_evaluated(
    text: str,
    record: NetlistMap,
    model: AbstractModel,
    simulator: OperatingPointSimulator,
    *,
    seed: int,
    timeout: float,
    limit: float = EVALUATED,
) -> Check:
    """Compare the simulator's right-hand side with the model's at three states."""
    ports = record.state_map
    x, u = (points[list(POINTS)] for points in sample_points(model, seed=seed))
    try:
        system = extract(
            text,
            states=[m.port for m in ports.states],
            inputs=[m.port for m in ports.inputs],
            outputs=[m.port for m in ports.outputs],
            subckt=record.subckt,
        )
        held = system.storage_values(to_volts(ports.states, x))
        volts = to_volts(ports.inputs, u)
        rates = np.array(
            [
                _measured(text, system, record, held[k], volts[k], simulator, timeout)
                for k in range(len(x))
            ]
        )
    except UnverifiableError as error:
        return _failed(Verdict.UNVERIFIABLE, str(error), limit)
    except SimulationTimeout as error:
        return _failed(Verdict.TIMEOUT, str(error), limit)
    except SimulationError as error:
        return _failed(Verdict.ERROR, str(error), limit)
    found = system.port_rates(rates) / scales(ports.states) * ports.seconds_per_unit
    return compare_rates("simulator.f", TITLE, found, model.rhs(x, u), limit)


def _failed(verdict: Verdict, detail: str, limit: float) -> Check:
    return Check(id="simulator.f", title=TITLE, verdict=verdict, limit=limit, detail=detail)


def _measured(
    text: str,
    system: ExtractedSystem,
    record: NetlistMap,
    held: NDArray[np.float64],
    inputs: NDArray[np.float64],
    simulator: OperatingPointSimulator,
    timeout: float,
) -> Matrix:
    """Rates of the storage elements at one state, by one operating point."""
    values = dict(zip((row[0] for row in system.storage_elements), held.tolist(), strict=True))
    ends = {
        row[0]: tuple(outside(name, record, text) for name in nets)
        for row, nets in zip(system.storage_elements, system.storage_nets, strict=True)
    }
    lines = [
        "* rnn2circuit operating point with states held",
        OPTIONS,
        f".include {record.netlist}",
    ]
    lines.append(f"x{INSTANCE} {' '.join(record.state_map.ports)} {record.subckt}")
    for name, (p, n) in ends.items():
        source = "v" if name[0] == "c" else "i"
        lines.append(f"{source}held_{name} {p} {n} {spice_number(values[name])}")
    lines += [
        f"vin_{m.port} {m.port} 0 {spice_number(v)}"
        for m, v in zip(record.state_map.inputs, inputs.tolist(), strict=True)
    ]
    wanted = [f"i(vheld_{name})" for name in values if name[0] == "c"]
    nets = {net for name in values if name[0] == "l" for net in ends[name]} - {"0"}
    wanted += sorted(f"v({net})" for net in nets)
    lines += [".op", ".save " + " ".join(wanted), ".end", ""]
    deck = Deck(
        files={record.netlist: without_storage(text), MAIN: "\n".join(lines)},
        main=MAIN,
        signals=tuple(wanted),
        t_stop=0.0,
    )
    found = simulator.measure(deck, timeout=timeout)

    def rate(name: str, value: float) -> float:
        if name[0] == "c":
            return found[f"i(vheld_{name})"] / value
        p, n = ends[name]
        return (found.get(f"v({p})", 0.0) - found.get(f"v({n})", 0.0)) / value

    return np.array([rate(name, value) for name, _, _, value in system.storage_elements])


def without_storage(text: str) -> str:
    """The circuit's text without its capacitors, inductors and initial conditions."""
    kept = [line for _, line in logical_lines(text) if not line.startswith(("c", "l", ".ic"))]
    return "\n".join(["* rnn2circuit netlist without what stores", *kept, ""])


def outside(net: str, record: NetlistMap, text: str) -> str:
    """The name that a net of the netlist has where it is the instance `INSTANCE`."""
    everywhere = {"0", *record.state_map.ports}
    if ".global" in text.lower():
        cards = [line.split() for _, line in logical_lines(text) if line.startswith(".global")]
        everywhere |= {name for card in cards for name in card[1:]}
    return net if net in everywhere else f"x{INSTANCE}.{net}"
