"""Random circuits of every element that the extractor reads, against ngspice's own operating point.

Every capacitor is held by a voltage source and every inductor by a current source, so that one
``.op`` is the right-hand side at that state: the current into each capacitor over C, the voltage
across each inductor over L. The decks are made here and not by `verify.evaluated`, so that a
mistake there is not repeated.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from wrapped import wrapped

from rnn2circuit.errors import SimulationError, UnverifiableError
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.clocked import at_clock
from rnn2circuit.verify.extraction import ExtractedSystem, extract_from
from rnn2circuit.verify.netlist import has_subcircuits, read_netlist

AGREEMENT = 1e-9  # of each rate
CANCELLED = 1e-6  # of the largest rate: a smaller one is what is left of terms that cancel
OPTIONS = ".options reltol=1e-12 abstol=1e-18 vntol=1e-15"
KINDS = "rclviegfhbs"
OUTSIDE = frozenset(
    {"u1", "clk", *(f"shown{k}" for k in range(1, 20))}
)  # nets that keep their names
TIMEOUT = 30.0  # s
SHOWN = 1000.0  # V per A, of inductor currents at their ports
CLOCK = (0.0, 1.0)  # V
INPUT = 0.7  # V


@dataclass(slots=True)
class Comparison:
    """What became of the random circuits."""

    errors: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)  # by the extractor, with its reason
    failed: Counter[str] = field(default_factory=Counter)  # no operating point that is accepted
    kinds: Counter[str] = field(default_factory=Counter)  # circuits that were compared, by element
    disagreements: list[str] = field(default_factory=list)
    wrapped: int = 0  # circuits with subcircuits

    @property
    def count(self) -> int:
        return len(self.errors) + self.refused.total() + self.failed.total()


def compare_circuits(count: int, *, seed: int, parts: int = 0) -> Comparison:
    """Draw `count` circuits and compare extractor and ngspice at one random state of each.

    Where `parts` is given, so many groups of elements are wrapped into subcircuits first, with
    parameters for values.
    """
    done, rng, program = Comparison(), np.random.default_rng(seed), Ngspice()
    for _ in range(count):
        text, clock = random_circuit(rng), CLOCK[int(rng.integers(2))]
        if parts:
            text = wrapped(text, rng, parts=parts, outside=OUTSIDE)
            done.wrapped += has_subcircuits(text)
        try:
            system = extracted(text, clock)
            x = rng.uniform(-1, 1, (1, len(system.storage_elements)))
            wanted = system.rates(x, np.array([[INPUT, clock]])).dv_dt[0]
        except UnverifiableError as error:
            done.refused[_reason(error)] += 1
            continue
        try:
            measured = operating_rates(text, clock, system, system.storage_values(x)[0], program)
        except SimulationError as error:
            done.failed[_reason(error)] += 1
            continue
        found = system.port_rates(measured)
        scale = np.abs(wanted) + CANCELLED * np.abs(wanted).max() + 1e-30
        error = float(np.max(np.abs(found - wanted) / scale))
        done.errors.append(error)
        done.kinds.update({line[0] for line in text.splitlines()} & set(KINDS))
        if not error <= AGREEMENT:
            done.disagreements.append(f"off by {error:.1e}\n{text}")
    return done


def _reason(error: Exception) -> str:
    """The first words of a message, without the names in it."""
    return re.sub(r"'[^']*'|\S*[\d_]\S*", "..", str(error).splitlines()[0])[:70]


def extracted(text: str, clock: float) -> ExtractedSystem:
    """The circuit's equations with its switches as they are at one level of the clock."""
    netlist = read_netlist(text)
    ports = sorted(
        (name for name in netlist.nodes if name.startswith("shown")), key=lambda name: int(name[5:])
    )
    return extract_from(at_clock(netlist, "clk", clock), states=ports, inputs=["u1", "clk"])


def operating_rates(
    text: str, clock: float, system: ExtractedSystem, held: np.ndarray, program: Ngspice
) -> np.ndarray:
    """Rates of the storage elements as ngspice's operating point has them."""
    values = dict(zip((row[0] for row in system.storage_elements), held.tolist(), strict=True))
    written = {name.split(".")[-1]: name for name in values}  # as the element is called in its part
    lines: list[str] = []
    for line in text.splitlines():
        name, *tokens = line.split()
        if name in written:
            p, n, volts = *tokens[:2], values[written[name]]
            line = f"i_held_{name} {p} {n} {volts!r}\ne_look_{name} look_{name} 0 {p} {n} 1"
            if name[0] == "c":
                line = (
                    f"v_held_{name} {p} {n} {volts!r}\nh_look_{name} look_{name} 0 v_held_{name} 1"
                )
        lines.append(line)
    lines += [f"v_drive_u u1 0 {INPUT!r}", f"v_drive_clk clk 0 {clock!r}"]
    # The current into a held capacitor, the voltage across a held inductor, as voltages of nets:
    # those have the same names wherever a subcircuit is defined, elements have not.
    signals = {
        flat: f"v({'.'.join([*flat.split('.')[1:-1], f'look_{name}'])})"
        for name, flat in written.items()
    }
    lines += [OPTIONS, ".op", ".save " + " ".join(signals.values()), ".end", ""]
    deck = Deck(
        files={"op.cir": "\n".join(lines)},
        main="op.cir",
        signals=tuple(signals.values()),
        t_stop=0.0,
    )
    found = program.measure(deck, timeout=TIMEOUT)
    return np.array([found[signals[name]] / value for name, _, _, value in system.storage_elements])


def random_circuit(rng: np.random.Generator) -> str:
    """A deck of 3 to 6 nets with a resistor from each, storage, and 3 to 8 other elements."""
    nets = [f"n{k}" for k in range(int(rng.integers(3, 7)))]
    lines = ["* random circuit", ".model swa sw vt=0.5 vh=0.1 ron=120.0 roff=1e7"]
    lines += [
        f"r_{net} {net} {rng.choice([*nets[:k], '0'])} {_decades(rng, 2, 4)}"
        for k, net in enumerate(nets)
    ]
    lines += [f"r_drive u1 {nets[-1]} {_decades(rng, 2, 4)}", "r_clk clk 0 1000.0"]
    shown = 0
    for k in range(int(rng.integers(1, 4))):
        shown += 1
        other = "0" if rng.random() < 0.6 or k > 0 else nets[-1]
        lines += [
            f"c_{k} {nets[k]} {other} {_decades(rng, -9, -6)}",
            f"e_shown{shown} shown{shown} 0 {nets[k]} {other} 1.0",
        ]
    for k in range(int(rng.integers(3, 9))):
        kind = str(rng.choice(list("lviegfhbs")))
        lines += _element(kind, k, nets, rng)
        if kind == "l":
            shown += 1
            lines.append(f"h_shown{shown} shown{shown} 0 v_sense{k} {SHOWN!r}")
    return "\n".join(lines) + "\n"


def _element(kind: str, k: int, nets: list[str], rng: np.random.Generator) -> list[str]:
    """One element, with what keeps a voltage source or an inductor from closing a loop."""
    a, b, c, d = (str(net) for net in rng.choice([*nets, "0", "u1"], 4))
    free, into = f"x{k}", str(rng.choice(nets))
    series = f"r_x{k} {free} {into} {_decades(rng, 2, 4)}"
    match kind:
        case "l":
            return [
                f"l_{k} {free} y{k} {_decades(rng, -5, -2)}",
                f"v_sense{k} y{k} {b} 0",
                series,
            ]
        case "v":
            return [f"v_{k} {free} {b} {_signed(rng, 2)}", series]
        case "i":
            return [f"i_{k} {b} {into} {_signed(rng, 1e-3)}"]
        case "e":
            return [f"e_{k} {free} {b} {c} {d} {_signed(rng, 0.8)}", series]
        case "g":
            return [f"g_{k} {b} {into} {c} {d} {_signed(rng, 3e-5)}"]
        case "s":
            return [f"s_{k} {a} {into} clk 0 swa"]
        case "b" if rng.random() < 0.5:
            return [f"b_{k} {b} {into} i=1e-5*({_expression(nets, rng)})"]
        case "b":
            return [f"b_{k} {free} 0 v=0.3*({_expression(nets, rng)})", series]
    sense = [f"v_by{k} {free} {into} 0", f"r_by{k} {free} 0 {_decades(rng, 3, 4)}"]
    if kind == "f":
        return [*sense, f"f_{k} {b} {nets[0]} v_by{k} {_signed(rng, 0.5)}"]
    out = f"r_out{k} z{k} {nets[-1]} {_decades(rng, 3, 4)}"
    return [*sense, f"h_{k} z{k} {b} v_by{k} {_signed(rng, 50)}", out]


def _decades(rng: np.random.Generator, low: float, high: float) -> str:
    return repr(float(10 ** rng.uniform(low, high)))


def _signed(rng: np.random.Generator, largest: float) -> str:
    return repr(float(rng.uniform(-largest, largest)))


def _expression(nets: list[str], rng: np.random.Generator, depth: int = 0) -> str:
    """Of the whole grammar; every argument stays where its function is defined."""

    def inner() -> str:
        return _expression(nets, rng, depth + 1)

    first, second = (str(net) for net in rng.choice(nets, 2))
    choices = [
        lambda: f"v({first})",
        lambda: f"v({first},{second})",
        lambda: f"{rng.uniform(0.1, 2):.4g}",
        lambda: f"({inner()}{rng.choice(['+', '-'])}{inner()})",
        lambda: f"{inner()}*tanh({inner()})",
        lambda: f"({inner()})/(2+tanh({inner()}))",
        lambda: f"-{inner()}",
        lambda: f"{rng.choice(['abs', 'tanh', 'uramp', 'sgn'])}({inner()})",
        lambda: f"exp(-abs({inner()}))",
        lambda: f"ln(1.5+abs({inner()}))",
        lambda: f"sqrt(0.5+abs({inner()}))",
        lambda: f"{rng.choice(['min', 'max'])}({inner()},{inner()})",
    ]
    return choices[int(rng.integers(len(choices) if depth < 3 else 3))]()
