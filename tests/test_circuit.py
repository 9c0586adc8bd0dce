import numpy as np
import pytest

from rnn2circuit.circuit.banks import (
    Ammeters,
    Capacitors,
    CurrentMirrors,
    Gyrators,
    Inductors,
    Resistors,
    SigmoidStages,
    Transconductances,
)
from rnn2circuit.circuit.circuit import Circuit, CircuitBuilder, counting
from rnn2circuit.circuit.testbench import PwlSource, Transient
from rnn2circuit.errors import CircuitError
from rnn2circuit.statemap import (
    NetlistMap,
    PortMap,
    StateMap,
    map_from_json,
    map_to_json,
    to_units,
    to_volts,
)

ONE = np.array([1])
ZERO = np.array([0])


def resistors(**changes):
    columns = {
        "stem": "r",
        "index": counting(1),
        "meaning": "a resistor",
        "p": ONE,
        "n": ZERO,
        "resistance": np.array([1e3]),
    }
    return Resistors(**(columns | changes))


def port(**changes):
    return PortMap(**({"name": "x1", "port": "x1", "volts_per_unit": 1.0} | changes))


def circuit(nets=("0", "x1"), banks=None, ports=(1,)):
    return Circuit(nets=nets, banks=(resistors(),) if banks is None else banks, ports=ports)


def mirrors_without_ammeters():
    ammeters = Ammeters(stem="am", index=counting(1), meaning="a", p=ONE, n=ZERO)
    mirror = CurrentMirrors(
        stem="m", index=counting(1), meaning="m", out=ONE, ammeter=ammeters, gain=np.ones(1)
    )
    return circuit(banks=(resistors(), mirror))


def mismatched_mirror():
    ammeters = Ammeters(
        stem="am", index=counting(2), meaning="a", p=np.array([1, 1]), n=np.array([0, 0])
    )
    return CurrentMirrors(
        stem="m", index=counting(1), meaning="m", out=ONE, ammeter=ammeters, gain=np.ones(1)
    )


def reactive(kind, value):
    name = {Capacitors: "capacitance", Inductors: "inductance"}[kind]
    initial = {Capacitors: "v_initial", Inductors: "i_initial"}[kind]
    columns = {name: np.array([value]), initial: np.zeros(1)}
    return kind(stem="s", index=counting(1), meaning="s", p=ONE, n=ZERO, **columns)


FAULTS = [
    (lambda: resistors(stem="R1"), "stem must match"),
    (lambda: resistors(meaning="two\nlines"), "one line of printable ASCII"),
    (lambda: resistors(index=np.zeros((0, 1))), "k >= 1"),
    (lambda: resistors(index=np.array([[0]])), "counts from 1"),
    (lambda: resistors(p=np.array([1, 2])), r"column p of bank 'r' must have shape \(1,\)"),
    (lambda: resistors(resistance=np.array([0.0])), "resistance of 'r' must be different from"),
    (lambda: resistors(resistance=np.array([np.nan])), "must be finite"),
    (lambda: reactive(Capacitors, -1e-9), "capacitance of 's' must be positive"),
    (lambda: reactive(Inductors, 0.0), "inductance of 's' must be positive"),
    (
        lambda: resistors(
            index=np.array([[1], [1]]),
            p=np.array([1, 1]),
            n=np.array([0, 0]),
            resistance=np.ones(2),
        ),
        "two instances of one index",
    ),
    (
        lambda: Gyrators(
            stem="g",
            index=counting(1),
            meaning="g",
            p1=ONE,
            n1=ZERO,
            p2=ONE,
            n2=ZERO,
            gyration_conductance=np.zeros(1),
        ),
        "gyration conductance of 'g' must be different from zero",
    ),
    (
        lambda: SigmoidStages(
            stem="a", index=counting(1), meaning="a", out=ONE, control=ONE, activation="cosh"
        ),
        "no amplifier has the characteristic 'cosh'",
    ),
    (mismatched_mirror, "has 1 instances but its ammeter bank 'am' has 2"),
    (mirrors_without_ammeters, "not part of the circuit"),
    (lambda: circuit(nets=("gnd", "x1")), "net 0 must be ground"),
    (lambda: circuit(nets=("0", "X1")), "not a legal lower-case identifier"),
    (lambda: circuit(nets=("0", "time")), "not a legal lower-case identifier"),
    (lambda: circuit(nets=("0", "x1", "x1")), "two nets are called 'x1'"),
    (lambda: circuit(ports=(0,)), "ports must be distinct nets"),
    (lambda: circuit(banks=(resistors(p=np.array([7])),)), "names net 7"),
    (lambda: circuit(banks=(resistors(), resistors())), "two banks are called 'r'"),
    (lambda: circuit(nets=("0", "x1", "z1"), ports=(1,)), "fewer than two element terminals"),
    (lambda: PwlSource(times=np.array([0.0, 0.0]), volts=np.zeros(2)), "increase strictly"),
    (lambda: Transient(step=2.0, stop=1.0, from_initial=False), "0 < step < stop"),
    (lambda: port(volts_per_unit=0.0), "volts_per_unit of x1 must be positive"),
    (lambda: port(v_offset=np.inf), "v_offset of x1 must be finite"),
    (
        lambda: StateMap(inputs=(), states=(port(),), outputs=(), seconds_per_unit=-1.0),
        "seconds_per_unit must be positive",
    ),
]


@pytest.mark.parametrize(("make", "message"), FAULTS)
def test_a_malformed_circuit_is_refused_with_its_reason(make, message):
    with pytest.raises(CircuitError, match=message):
        make()


def test_banks_are_read_only_copies():
    values = np.array([1e3])
    bank = resistors(resistance=values)
    values[0] = 5.0
    assert bank.resistance[0] == 1e3
    with pytest.raises(ValueError, match="read-only"):
        bank.resistance[0] = 1.0


def test_element_counts_add_up_banks_of_one_kind():
    b = CircuitBuilder()
    x = b.nets("x", 2)
    ground = np.zeros(2, dtype=int)
    for stem in ("first", "second"):
        b.add(
            Resistors(
                stem=stem, index=counting(2), meaning="r", p=x, n=ground, resistance=np.ones(2)
            )
        )
    b.add(
        Transconductances(
            stem="g", index=counting(1), meaning="g", out=x[:1], control=x[1:], gm=np.ones(1)
        )
    )
    assert b.build(ports=x).element_counts() == {"Resistors": 4, "Transconductances": 1}


def netlist_map():
    return NetlistMap(
        netlist="a.cir",
        subckt="linear_1",
        state_map=StateMap(
            inputs=(port(name="u1", port="u1"),),
            states=(port(volts_per_unit=0.25, v_offset=1.5),),
            outputs=(),
            seconds_per_unit=1e-3,
        ),
        family="linear",
        level="ideal",
        form="rc",
        coupling="vccs",
        weights_sha256="0" * 64,
        netlist_sha256="1" * 64,
        tool_version="0",
        element_counts=(("Resistors", 2),),
    )


def test_a_map_reads_back_to_itself():
    record = netlist_map()
    assert map_from_json(map_to_json(record)) == record


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[:-5], "not JSON"),
        (lambda text: "[]", "must be a JSON object"),
        (lambda text: text.replace('"subckt"', '"subcircuit"'), "'subckt' must be text"),
        (lambda text: text.replace("0.001", '"soon"'), "must be a number"),
        (lambda text: text.replace('"states": [', '"states": 3, "other": ['), "list of ports"),
        (lambda text: text.replace('"volts_per_unit": 0.25', '"volts": 0.25'), "must hold name"),
        (lambda text: text.replace('"Resistors": 2', '"Resistors": "two"'), "whole numbers"),
        (
            lambda text: text.replace('"port": "u1"', '"port": "u7"'),
            "inputs, clock, states, outputs",
        ),
    ],
)
def test_a_damaged_map_is_refused_with_its_reason(edit, message):
    with pytest.raises(CircuitError, match=message):
        map_from_json(edit(map_to_json(netlist_map())))


def test_volts_and_units_are_inverse():
    ports = netlist_map().state_map.states
    x = np.array([[0.3], [-2.0]])
    np.testing.assert_allclose(to_volts(ports, x), [[1.575], [1.0]], rtol=1e-15)
    np.testing.assert_allclose(to_units(ports, to_volts(ports, x)), x, rtol=1e-15)
