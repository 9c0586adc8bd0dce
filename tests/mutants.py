"""Single faults of an emitted netlist, of its map, and of its input map.

A mutant is only worth the name where it is another circuit. `equivalent` says of which draws that
is known not to be so, each with its reason; they are not counted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnn2circuit.statemap import NetlistMap, PortMap

KINDS = (
    "sign",
    "0.1 %",
    "1 %",
    "swapped nodes",
    "wrong node",
    "deleted line",
    "doubled line",
    "unit suffix",
    "initial condition",
)
MAP_KINDS = ("input map", "map file")
SUFFIXES = ("k", "meg", "m", "u", "n", "p", "f", "mil")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.)])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A netlist with one fault, and what the fault is."""

    kind: str
    line: str
    changed: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.line!r} -> {self.changed!r}"


def mutants(
    text: str, count: int, seed: int, kinds: tuple[str, ...] = KINDS
) -> Iterator[tuple[str, str]]:
    """Yield `count` pairs of a description and a netlist with one fault that is one."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        mutant = draw(text, kinds[int(rng.integers(len(kinds)))], rng)
        if mutant is not None and not equivalent(mutant):
            made += 1
            yield str(mutant), mutant.text


def draw(text: str, kind: str, rng: np.random.Generator) -> Mutant | None:
    """A fault of `kind` in a random line; None where the line has no place for it."""
    lines = text.splitlines()
    candidates = [k for k, line in enumerate(lines) if re.match(r"[a-z]_|\.ic ", line)]
    nets = sorted({t for k in candidates for t in lines[k].split()[1:3] if re.match(r"[a-z]", t)})
    if kind == "initial condition":
        candidates = [k for k in candidates if "ic=" in lines[k] or lines[k].startswith(".ic")]
    if not candidates:
        return None
    k = int(rng.choice(candidates))
    changed = _mutate(lines[k], kind, rng, nets)
    if changed is None or changed == [lines[k]]:
        return None
    return Mutant(
        kind=kind,
        line=lines[k],
        changed="; ".join(changed),
        text="\n".join([*lines[:k], *changed, *lines[k + 1 :]]) + "\n",
    )


def _mutate(line: str, kind: str, rng: np.random.Generator, nets: list[str]) -> list[str] | None:
    """What stands in the place of `line`, or None where this fault has no place in it."""
    tokens = line.split()
    match kind:
        case "deleted line":
            return []
        case "doubled line":
            return None if line[0] == "." else [line, " ".join([f"{tokens[0]}_twin", *tokens[1:]])]
        case "sign":
            return _change_value(line, rng, lambda old: repr(-float(old)))
        case "0.1 %" | "1 %":
            step = float(kind.split()[0]) / 100 * (1 if rng.random() < 0.5 else -1)
            return _change_value(line, rng, lambda old: repr((1 + step) * float(old)))
        case "unit suffix":
            suffix = SUFFIXES[int(rng.integers(len(SUFFIXES)))]
            return _change_value(line, rng, lambda old: old + suffix)
        case "initial condition":
            start, value = line.rsplit("=", 1)
            return [f"{start}={float(value) + max(0.1 * abs(float(value)), 1e-3)!r}"]
    if line[0] == ".":
        return None
    if kind == "swapped nodes":
        return [" ".join([tokens[0], tokens[2], tokens[1], *tokens[3:]])]
    position, other = int(rng.integers(1, 3)), nets[int(rng.integers(len(nets)))]
    if other in tokens[1:3]:
        return None
    tokens[position] = other
    return [" ".join(tokens)]


def _change_value(line, rng, change) -> list[str] | None:
    """Any one number of a line that is not zero, changed."""
    numbers = [m for m in NUMBER.finditer(line) if m.start() > 0 and float(m[0]) != 0.0]
    if not numbers:
        return None
    m = numbers[int(rng.integers(len(numbers)))]
    return [line[: m.start()] + change(m[0]) + line[m.end() :]]


def equivalent(mutant: Mutant) -> str:
    """Why a mutant is provably the same circuit at its ports, or empty where it is not."""
    kind, line, after = mutant.kind, mutant.line, mutant.changed.split()
    if kind in ("sign", "swapped nodes") and line.startswith(("e_gn_", "b_nn_")):
        return "only an even power of what the element makes is used"
    if kind == "sign" and _without_signs_in_abs(line) == _without_signs_in_abs(mutant.changed):
        return "the sign of a factor within abs() is lost"
    if kind == "swapped nodes" and line[0] in "rs":
        return "a resistor or a switch has no direction"
    if kind == "swapped nodes" and line[0] in "cl" and float(line.split("ic=")[1]) == 0.0:
        return "a capacitor or an inductor at rest has no direction"
    if line.startswith("r_common_") and after[1:3] == line.split()[1:3]:
        return "no current flows in the reference of a common mode, so its value is free"
    if kind == "wrong node":
        return _equivalent_wiring(line.split(), after)
    if ".model sw_" in mutant.text:
        return _equivalent_under_a_clock(kind, line, after)
    return ""


def _without_signs_in_abs(line: str) -> str:
    """The line with factors directly within abs() made positive."""
    return re.sub(r"\babs\(-(?=[\d.])", "abs(", line)


def _equivalent_wiring(before: list[str], after: list[str]) -> str:
    old, new = next((a, b) for a, b in zip(before, after, strict=True) if a != b)
    if re.fullmatch(r"[pb][a-z]*\d+", new) or re.fullmatch(r"[pb][a-z]*\d+", old):
        return "port p of a sensing n-port and the sum its current goes to are one to a current"
    if old == "0" and before[0][0] in "ehb" and new.startswith("l"):
        return "the end of a current loop is at ground potential, and no current is drawn from it"
    return ""


def _equivalent_under_a_clock(kind: str, line: str, after: list[str]) -> str:
    before = line.split()
    value_only = after[:3] == before[:3] and after[4:] == before[4:]
    if line.startswith("c_") and kind in ("0.1 %", "1 %") and value_only:
        return "a value that is sampled does not depend on the capacitor that keeps it"
    if kind == "doubled line" and line.startswith("s_"):
        return "two switches in parallel only settle faster"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapMutant:
    """A map with one fault, and what the fault is."""

    kind: str
    what: str
    record: NetlistMap

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def input_map_faults(text: str, record: NetlistMap) -> list[MapMutant]:
    """Every input that the circuit reads at all, with its scale or its offset wrong."""
    ports = record.state_map.inputs
    found = [
        (f"{what} of {port.name}", replace(record.state_map, inputs=_put(ports, k, wrong)))
        for k, port in enumerate(ports)
        if re.search(rf"^[a-z]_.*\b{port.port}\b", text, re.M)
        for what, wrong in _wrong_scales(port)
    ]
    if len(ports) > 1:
        swapped = (ports[1], ports[0], *ports[2:])
        found.append(("two inputs exchanged", replace(record.state_map, inputs=swapped)))
    return [
        MapMutant(kind="input map", what=what, record=replace(record, state_map=wrong))
        for what, wrong in found
    ]


def map_file_faults(record: NetlistMap, others: dict[str, NetlistMap]) -> list[MapMutant]:
    """The maps of other circuits, as they are and with a forged fingerprint, and wrong scales."""
    ports = record.state_map
    found = {f"map of {what}": other for what, other in others.items()}
    for what, other in others.items():
        forged = replace(
            other, netlist_sha256=record.netlist_sha256, weights_sha256=record.weights_sha256
        )
        if forged.state_map != record.state_map:  # else it says the same of every port
            found[f"map of {what}, fingerprints forged"] = forged
    for k, port in enumerate(ports.states):
        for what, wrong in _wrong_scales(port):
            states = replace(ports, states=_put(ports.states, k, wrong))
            found[f"{what} of {port.name}"] = replace(record, state_map=states)
    slower = replace(ports, seconds_per_unit=1.01 * ports.seconds_per_unit)
    found["time scale off by 1 %"] = replace(record, state_map=slower)
    return [MapMutant(kind="map file", what=w, record=r) for w, r in found.items()]


def _wrong_scales(port: PortMap) -> list[tuple[str, PortMap]]:
    return [
        ("scale off by 0.1 %", replace(port, volts_per_unit=1.001 * port.volts_per_unit)),
        ("scale off by 1 %", replace(port, volts_per_unit=1.01 * port.volts_per_unit)),
        ("offset of 0.01", replace(port, v_offset=port.v_offset + 0.01 * port.volts_per_unit)),
    ]


def _put(ports: tuple[PortMap, ...], k: int, port: PortMap) -> tuple[PortMap, ...]:
    return (*ports[:k], port, *ports[k + 1 :])
