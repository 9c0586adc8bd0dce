"""The ngspice dialect: how banks and testbenches are spelled.

Rules of the text, each of which an independent reader checks again:

- lower-case ASCII, LF only; the first line is a comment (SPICE takes it for the title)
- names are positional; numbers are the shortest that read back to the same float, without
  suffix letters
- numbers stand in R, C, L, G, E, F, H and I elements only: ngspice 39 cuts literals inside B
  expressions to 11 digits. The characteristics below hold no model number.
- ``log``, ``limit``, ``^`` and ``**`` are avoided: simulators disagree about each
- logistic as ``0.5+0.5*tanh(0.5*z)``: never overflows, and is faster than exp
- linoid, z / (1 - exp(-z)), as ``h/tanh(h) + h`` with h = z/2. The first term is even in h and
  1 + h*h/3 near 0, so that h may be replaced by 1e-8 where it is smaller: no 0/0, no overflow, and
  exact to double precision
- exp stops growing at e^40: one over it is lost beside 1 in double precision, and larger factors
  would leave no digits to the equations around them
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, assert_never

import numpy as np

from rnn2circuit.arrays import Indices, Vector
from rnn2circuit.circuit.banks import (
    ActiveGyrators,
    Ammeters,
    Bank,
    Capacitors,
    CurrentMirrors,
    CurrentSources,
    DifferenceAmplifiers,
    Gyrators,
    Inductors,
    Multipliers,
    OpAmps,
    Otas,
    Products,
    Resistors,
    SeriesTransresistances,
    SigmoidStages,
    Switches,
    Transconductances,
    Transformers,
    Transresistances,
    VariableCapacitors,
    VoltageAmplifiers,
    net_columns,
)
from rnn2circuit.circuit.circuit import GROUND, Circuit
from rnn2circuit.circuit.testbench import (
    PulseSource,
    PwlSource,
    SineSource,
    Source,
    SupplySource,
    Testbench,
)
from rnn2circuit.devices.macromodels import (
    GYRATOR,
    GYRATOR_OTA,
    MULTIPLIER,
    OPAMP,
    OTA,
    OTA_MOS,
)
from rnn2circuit.units import spice_number as num

Part: TypeAlias = OpAmps | Otas | Multipliers | ActiveGyrators  # of levels other than ideal

# Newton to the last digits, because every accepted step is compared with the step equation;
# trtol loosens the step control by the same factor again, so that the given largest step
# decides and the error keeps its second order in it (charge and truncation control cut steps
# only where they would be off by about 1e-6).
OPTIONS = ".options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 trtol=7000"
# The common voltage of a lattice has rounding errors of 1e-12 V and more: asked for fewer, ngspice
# takes every step for one that did not converge and cuts it, which makes them worse.
FLOATING_OPTIONS = OPTIONS.replace("vntol=1e-12", "vntol=1e-8")

# Real parts are wrong by 1e-4 and more: solving for more digits than that only costs time, and
# tolerances far below what transistors resolve make ngspice cut its steps without end.
FAINT_OPTIONS = ".options reltol=1e-5 abstol=1e-17 vntol=1e-9 gmin=1e-16 itl4=200"
REALISTIC_OPTIONS = ".options reltol=1e-5 abstol=1e-12 vntol=1e-6 itl4=200"

CHARACTERISTICS = {
    "tanh": "tanh(v({0}))",
    "logistic": "0.5+0.5*tanh(0.5*v({0}))",
    "relu": "uramp(v({0}))",
    "softplus": "0.5*(v({0})+abs(v({0})))+ln(1+exp(-abs(v({0}))))",
    "sqrt": "sqrt(abs(v({0})))",
    "exp": "exp(min(v({0}),40))",
    "linoid": ("max(abs(0.5*v({0})),1e-8)/tanh(max(abs(0.5*v({0})),1e-8))+0.5*v({0})"),
}

NOISE_POINTS = 60  # per decade: the integral of a pole is then right to 1e-4
PWL_POINTS_PER_LINE = 8  # keeps lines short enough to read


def write_subcircuit(
    circuit: Circuit, *, name: str, title: Sequence[str], library: str = ""
) -> str:
    """The netlist of a circuit: one flat ``.subckt``.

    Parameters
    ----------
    name : str
        Subcircuit name, positional like all others.
    title : sequence of str
        Comment lines for the head, printable ASCII.
    library : str
        Definitions of the parts that it calls.
    """
    nets = circuit.nets
    lines = [f"* {line}" for line in title]
    ports = " ".join(nets[p] for p in circuit.ports)
    lines += ["*", f".subckt {name} {ports}"]
    for bank in circuit.banks:
        lines.append(f"* {bank.meaning}")
        lines += cards(bank, nets)
    lines += initial_conditions(circuit)
    lines.append(f".ends {name}")
    return "\n".join(lines) + "\n" + library


def initial_conditions(circuit: Circuit) -> list[str]:
    """``.ic`` cards of the capacitors: they hold the state where ``uic`` is not given.

    A floating capacitor starts half above and half below ground.
    """
    lines: list[str] = []
    for bank in circuit.banks:
        if not isinstance(bank, Capacitors | VariableCapacitors):
            continue
        starts = zip(bank.p.tolist(), _bottoms(bank), bank.v_initial.tolist(), strict=True)
        for p, n, v in starts:
            if n == GROUND:
                lines.append(f".ic v({circuit.nets[p]})={v!r}")
            else:
                lines.append(f".ic v({circuit.nets[p]})={v / 2!r} v({circuit.nets[n]})={-v / 2!r}")
    return ["* initial state, for a transient without uic", *lines] if lines else []


def _bottoms(bank: Capacitors | VariableCapacitors) -> list[int]:
    """Nets of the lower plates."""
    if isinstance(bank, VariableCapacitors):
        return [GROUND] * len(bank.index)
    return bank.n.tolist()


def cards(bank: Bank, nets: Sequence[str]) -> list[str]:  # noqa: C901 - one case per bank kind
    """The element lines of a bank."""
    match bank:
        case Resistors():
            slope = bank.temperature_coefficient
            drift = f" tc1={slope!r}" if slope else ""
            return [
                # A real negative resistor adds noise; SPICE would subtract it.
                f"r_{k} {nets[p]} {nets[n]} {v!r}" + ("" if v > 0 else " noisy=0") + drift
                for k, p, n, v in _rows(bank, bank.p, bank.n, bank.resistance)
            ]
        case Capacitors():
            return [
                f"c_{k} {nets[p]} {nets[n]} {c!r} ic={v!r}"
                for k, p, n, c, v in _rows(bank, bank.p, bank.n, bank.capacitance, bank.v_initial)
            ]
        case VariableCapacitors():
            # Spelled out: of c='..' ngspice makes a 1 F branch that carries dv/dt in amperes, and
            # q='..' is d(C v)/dt, another equation.
            return [
                line
                for k, p, s, u, c, v in _rows(
                    bank, bank.p, bank.sense, bank.control, bank.capacitance, bank.v_initial
                )
                for line in (
                    f"c_{k} {nets[p]} {nets[s]} {c!r} ic={v!r}",
                    f"v_{k} {nets[s]} 0 0",
                    f"b_{k} {nets[p]} 0 i=v({nets[u]})*i(v_{k})",
                )
            ]
        case Inductors():
            return [
                f"l_{k} {nets[p]} {nets[n]} {l!r} ic={i!r}"
                for k, p, n, l, i in _rows(bank, bank.p, bank.n, bank.inductance, bank.i_initial)
            ]
        case CurrentSources():
            return [f"i_{k} 0 {nets[o]} {v!r}" for k, o, v in _rows(bank, bank.out, bank.current)]
        case Transconductances():
            return [
                f"g_{k} 0 {nets[o]} {nets[c]} 0 {g!r}"
                for k, o, c, g in _rows(bank, bank.out, bank.control, bank.gm)
            ]
        case VoltageAmplifiers():
            return [
                f"e_{k} {nets[o]} 0 {nets[c]} 0 {g!r}"
                for k, o, c, g in _rows(bank, bank.out, bank.control, bank.gain)
            ]
        case Ammeters():
            return [f"v_{k} {nets[p]} {nets[n]} 0" for k, p, n in _rows(bank, bank.p, bank.n)]
        case Transresistances():
            return [
                f"h_{k} {nets[o]} 0 v_{a} {r!r}"
                for (k, o, r), a in zip(
                    _rows(bank, bank.out, bank.resistance), _names(bank.ammeter), strict=True
                )
            ]
        case CurrentMirrors():
            return [
                f"f_{k} 0 {nets[o]} v_{a} {g!r}"
                for (k, o, g), a in zip(
                    _rows(bank, bank.out, bank.gain), _names(bank.ammeter), strict=True
                )
            ]
        case Gyrators():
            return [line for row in _gyrator_rows(bank) for line in _gyrator(nets, *row)]
        case SigmoidStages():
            shape = CHARACTERISTICS[bank.activation]
            return [
                f"b_{k} {nets[o]} 0 v={shape.format(nets[c])}"
                for k, o, c in _rows(bank, bank.out, bank.control)
            ]
        case Products():
            return [
                f"b_{k} {nets[o]} 0 v=v({nets[a]})*v({nets[c]})"
                for k, o, a, c in _rows(bank, bank.out, bank.a, bank.b)
            ]
        case Switches():
            model = f"sw_{bank.stem}"
            sign = 1.0 if bank.closes == "high" else -1.0
            return [
                f".model {model} sw vt={sign * bank.threshold!r} vh={bank.hysteresis!r} "
                f"ron={bank.on_resistance!r} roff={bank.off_resistance!r}",
                *(
                    f"s_{k} {nets[p]} {nets[n]} "
                    + (f"{nets[c]} 0 {model}" if sign > 0 else f"0 {nets[c]} {model}")
                    for k, p, n, c in _rows(bank, bank.p, bank.n, bank.control)
                ),
            ]
        case DifferenceAmplifiers():
            return [
                f"e_{k} {nets[p]} {nets[n]} {nets[cp]} {nets[cn]} {g!r}"
                for k, p, n, cp, cn, g in _rows(
                    bank, bank.p, bank.n, bank.control_p, bank.control_n, bank.gain
                )
            ]
        case SeriesTransresistances():
            sensed = _names(bank.ammeter)
            return [
                f"h_{k} {nets[p]} {nets[n]} v_{sensed[a]} {r!r}"
                for k, p, n, a, r in _rows(bank, bank.p, bank.n, bank.listens, bank.resistance)
            ]
        case Transformers():
            return _transformers(bank, nets)
        case OpAmps() | Otas() | Multipliers() | ActiveGyrators():
            return _parts(bank, nets)
        case _:
            assert_never(bank)


def _options(bench: Testbench) -> str:
    if bench.faint:
        return FAINT_OPTIONS
    if bench.level != "ideal":
        return REALISTIC_OPTIONS
    return FLOATING_OPTIONS if bench.floating else OPTIONS


def write_testbench(bench: Testbench, *, title: Sequence[str]) -> str:
    """A deck that runs as it stands: ``ngspice -b -n -r out.raw FILE``."""
    lines = [f"* {line}" for line in title]
    lines += [f".include {bench.netlist}", _options(bench)]
    if bench.temperature is not None:
        lines.append(f".options temp={num(bench.temperature)}")
    for port, source in bench.sources:
        lines += source_card(port, source)
    lines.append(f"x_dut {' '.join(bench.ports)} {bench.subckt}")
    lines.append(".save " + " ".join(f"v({port})" for port in bench.recorded))
    transient = bench.transient
    step, stop = num(transient.step), num(transient.stop)
    lines.append(f".tran {step} {stop} 0 {step}" + (" uic" if transient.from_initial else ""))
    lines.append(".end")
    return "\n".join(lines) + "\n"


def write_noise_deck(bench: Testbench, *, output: str, low: float, high: float) -> str:
    """A deck that integrates the noise of one port from `low` to `high`, in Hz.

    ``.noise`` wants a source to refer the noise to: one of its own, that drives nothing else
    than the load it brings, so that networks without inputs are no exception.
    """
    lines = ["* rnn2circuit noise analysis", f".include {bench.netlist}", OPTIONS]
    lines += [f"v_{port} {port} 0 0" for port, _ in bench.sources]
    lines += ["v_reference reference 0 dc 0 ac 1", "r_reference reference 0 1 noisy=0"]
    lines.append(f"x_dut {' '.join(bench.ports)} {bench.subckt}")
    sweep = f"dec {NOISE_POINTS} {num(low)} {num(high)}"
    lines += [f".noise v({output}) v_reference {sweep}", ".end"]
    return "\n".join(lines) + "\n"


def source_card(port: str, source: Source) -> list[str]:
    """The lines of one input source."""
    match source:
        case SineSource():
            values = (source.offset, source.amplitude, source.frequency)
            return [f"v_{port} {port} 0 sin({' '.join(num(v) for v in values)})"]
        case PulseSource():
            edges = (source.edge, source.edge, source.high_for, source.period)
            values = (source.low, source.high, 0.0, *edges)
            return [f"v_{port} {port} 0 pulse({' '.join(num(v) for v in values)})"]
        case SupplySource():
            return [f"v_{port} {port} 0 {num(source.voltage)}"]
        case PwlSource():
            pairs = [
                f"{t!r} {v!r}"
                for t, v in zip(source.times.tolist(), source.volts.tolist(), strict=True)
            ]
            rows = [
                " ".join(pairs[k : k + PWL_POINTS_PER_LINE])
                for k in range(0, len(pairs), PWL_POINTS_PER_LINE)
            ]
            head = f"v_{port} {port} 0 pwl("
            return [head, *(f"+ {row}" for row in rows[:-1]), f"+ {rows[-1]})"]
        case _:
            assert_never(source)


def _names(bank: Bank) -> list[str]:
    """Instance names: the stem and the index row."""
    stem = bank.stem
    if bank.index.shape[1] == 1:
        return [f"{stem}_{k}" for k in bank.index[:, 0].tolist()]
    rows, columns = bank.index[:, 0].tolist(), bank.index[:, 1].tolist()
    return [f"{stem}_{i}_{j}" for i, j in zip(rows, columns, strict=True)]


def _rows(bank: Bank, *columns: Vector | Indices) -> Iterator[tuple[Any, ...]]:
    """Name and column entries of each instance, as plain Python numbers."""
    return zip(_names(bank), *(column.tolist() for column in columns), strict=True)


def _gyrator_rows(bank: Gyrators) -> Iterator[tuple[str, int, int, int, int, float]]:
    return _rows(bank, bank.p1, bank.n1, bank.p2, bank.n2, bank.gyration_conductance)


def _gyrator(
    nets: Sequence[str], name: str, p1: int, n1: int, p2: int, n2: int, g: float
) -> tuple[str, str]:
    """SPICE has no gyrator: two transconductances of opposite sign are one, exactly."""
    port1, port2 = f"{nets[p1]} {nets[n1]}", f"{nets[p2]} {nets[n2]}"
    return f"g_{name}_f {port1} {port2} {g!r}", f"g_{name}_r {port2} {port1} {-g!r}"


# Errors that one instance of a part may have.
PART_ERRORS = {
    OpAmps: {"vos": "offset"},
    Otas: {"vos": "offset", "ge": "gain_error"},
    Multipliers: {
        "ge": "gain_error",
        "xos": "x_offset",
        "yos": "y_offset",
        "zos": "output_offset",
    },
    ActiveGyrators: {"r": "resistance"},
}


def part_called(bank: Part) -> str:
    """The subcircuit that a bank's instances call."""
    match bank:
        case OpAmps():
            return OPAMP
        case Otas():
            return OTA_MOS if bank.kind == "mos" else OTA
        case Multipliers():
            return MULTIPLIER
        case ActiveGyrators():
            return GYRATOR_OTA if bank.kind == "ota" else GYRATOR
        case _:
            assert_never(bank)


def _parts(bank: Part, nets: Sequence[str]) -> list[str]:
    """One call of a subcircuit each; errors where an instance has its own."""
    part, errors = part_called(bank), PART_ERRORS[type(bank)]
    pins: list[list[int]] = [getattr(bank, name).tolist() for name in net_columns(bank)]
    values: list[list[float]] = [getattr(bank, name).tolist() for name in errors.values()]
    lines: list[str] = []
    for k, name in enumerate(_names(bank)):
        own = "".join(
            f" {parameter}={column[k]!r}"
            for parameter, column in zip(errors, values, strict=True)
            if column[k] != 0.0
        )
        lines.append(f"x_{name} {' '.join(nets[pin[k]] for pin in pins)} {part}{own}")
    return lines


def _transformers(bank: Transformers, nets: Sequence[str]) -> list[str]:
    """Secondaries as chains of VCVS, one per winding; CCCS reflect the secondary's current."""
    ends = np.searchsorted(bank.transformer, np.arange(len(bank.index) + 1)).tolist()
    primaries, turns = bank.net.tolist(), bank.turns.tolist()
    lines: list[str] = []
    for name, secondary, start, end in zip(
        _names(bank), bank.secondary.tolist(), ends, ends[1:], strict=False
    ):
        windings = [
            (f"{name}_{k}", nets[primaries[w]], turns[w])
            for k, w in enumerate(range(start, end), start=1)
        ]
        below = "0"
        for tap, net, ratio in windings:
            lines.append(f"e_{tap} {tap} {below} {net} 0 {ratio!r}")
            below = tap
        lines.append(f"v_{name} {below} {nets[secondary]} 0")
        lines += [f"f_{tap} {net} 0 v_{name} {ratio!r}" for tap, net, ratio in windings]
    return lines
