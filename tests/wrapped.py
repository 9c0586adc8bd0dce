"""Parts of a flat netlist wrapped into subcircuits, as a user might do: the circuit is the same.

Elements that name one another stay together; nets that are used elsewhere become ports. Values
become parameters in the ways there are: arguments with a wrong default that the instance sets
right, a subcircuit's own ``.param``, the file's, and expressions of them. Only operations that are
exact in binary are used, so that the values must come back bit by bit.
"""

import re
from dataclasses import dataclass, field

import numpy as np

NETS = {**dict.fromkeys("rclvib", 2), **dict.fromkeys("ges", 4), **dict.fromkeys("fh", 2)}
REFERENCE = re.compile(r"\b([vi])\(([^()]*)\)")
RESISTOR = ".subckt res a b params: r=1\nr1 a b {r}\n.ends res"


@dataclass(slots=True)
class Wrapping:
    """What is collected while parts are wrapped."""

    rng: np.random.Generator
    definitions: list[str] = field(default_factory=list)  # at file level
    parameters: list[str] = field(default_factory=list)  # of the file
    count: int = 0

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"


def wrapped(
    text: str, rng: np.random.Generator, *, parts: int = 2, outside: frozenset[str] = frozenset()
) -> str:
    """The text with `parts` groups of its elements in subcircuits, some within others.

    `text` is a flat deck, or one subcircuit; comments and cards stay where they are. The nets
    `outside` keep their names, as ports do.
    """
    lines = text.splitlines()
    ports = set(outside)
    for line in lines:
        if line.startswith(".subckt"):
            ports |= set(line.split()[2:])
    state = Wrapping(rng)
    body = [line for line in lines if line[:1].isalpha()]
    for _ in range(parts):
        body = _with_a_part(body, ports | _initial(lines), state, depth=0)
    # A model within a subcircuit is not seen by definitions beside it.
    state.definitions += [line for line in lines if line.startswith(".model")]
    kept = [line for line in lines if not (line[:1].isalpha() or line.startswith(".model"))]
    last = next((k for k, line in enumerate(kept) if line.startswith(".ends")), len(kept))
    title, rest = kept[0], [*kept[1:last], *body, *kept[last:]]
    files = state.definitions + [f".param {line}" for line in state.parameters]
    before = [] if rng.random() < 0.5 else files
    after = files if not before else []
    return "\n".join([title, *before, *rest, *after]) + "\n"


def _initial(lines: list[str]) -> set[str]:
    """Nets of .ic cards, which stay where they are."""
    cards = [line for line in lines if line.startswith(".ic")]
    return {net for line in cards for _, net in REFERENCE.findall(line)}


def nets_of(line: str) -> set[str]:
    """Nets that an element touches or listens to."""
    tokens = line.split()
    found = set(tokens[1 : 1 + NETS[line[0]]])
    if line[0] == "b":
        for kind, names in REFERENCE.findall(line.partition("=")[2]):
            found |= set(names.split(",")) if kind == "v" else set()
    return found - {"0"}


def _sources_of(line: str) -> set[str]:
    if line[0] in "fh":
        return {line.split()[3]}
    return (
        {name for kind, name in REFERENCE.findall(line) if kind == "i"} if line[0] == "b" else set()
    )


def _with_a_part(body: list[str], outside: set[str], state: Wrapping, *, depth: int) -> list[str]:
    """The elements with some of them moved into a new subcircuit and an instance of it."""
    rng = state.rng
    listened = set().union(*(_sources_of(line) for line in body)) if body else set()
    free = [k for k, line in enumerate(body) if line[0] != "x"]
    # Sources and who listens to them move together or not at all.
    related = [k for k in free if body[k].split()[0] in listened or _sources_of(body[k])]
    chosen = {k for k in free if k not in related and rng.random() < 0.5}
    if rng.random() < 0.5:
        chosen |= set(related)
    if len(chosen) < 2:
        return body
    part = [body[k] for k in sorted(chosen)]
    rest = [line for k, line in enumerate(body) if k not in chosen]
    used = set(outside).union(*(_all_nets(line) for line in rest))
    inner = set().union(*(nets_of(line) for line in part))
    shared = sorted(inner & used)
    if not shared:
        return body
    names = {net: f"p{k}" for k, net in enumerate(shared)}
    part = [_renamed(line, names) for line in part]
    if depth == 0 and rng.random() < 0.6:
        part = _with_a_part(part, set(names.values()), state, depth=1)
    name = state.fresh("part")
    inside, given, own = _parametrized(part, state)
    given_text = " ".join(f"{key}={value}" for key, (_, value) in given.items())
    word = "params: " if given and rng.random() < 0.5 else ""
    defaults = word + " ".join(f"{key} = {value}" for key, (value, _) in given.items())
    definition = [
        f".SUBCKT {name} {' '.join(names.values())} {defaults}".rstrip(),
        *inside,
        *(f".param {line}" for line in own),
        f".ends {name}",
    ]
    instance = f"x_{name} {' '.join(shared)} {name} {given_text}".rstrip()
    if depth == 0 or rng.random() < 0.5:
        state.definitions += definition
        return [*rest, instance]
    return [*definition, *rest, instance]


def _all_nets(line: str) -> set[str]:
    if line[0] == ".":
        return set()
    if line[0] != "x":
        return nets_of(line)
    return {token for token in line.split()[1:] if "=" not in token}


def _renamed(line: str, names: dict[str, str]) -> str:
    count = NETS[line[0]]
    name, *tokens = line.split(" ", count + 1) if line[0] == "b" else line.split()
    nets = [names.get(net, net) for net in tokens[:count]]
    rest = " ".join(tokens[count:])

    def other(match: re.Match[str]) -> str:
        parts = [names.get(net, net) for net in match[2].split(",")]
        return f"{match[1]}({','.join(parts)})" if match[1] == "v" else match[0]

    return " ".join([name, *nets, REFERENCE.sub(other, rest) if line[0] == "b" else rest])


def _parametrized(
    part: list[str], state: Wrapping
) -> tuple[list[str], dict[str, tuple[str, str]], list[str]]:
    """Lines with parameters, arguments (default, given) and own ``.param`` entries."""
    rng, lines = state.rng, []
    given: dict[str, tuple[str, str]] = {}
    own: list[str] = []
    within = False
    for line in part:
        if line[0] == ".":  # a definition within keeps what it has
            within = line.startswith(".SUBCKT")
        tokens = line.split()
        after = NETS.get(line[0], len(tokens))
        at = next((k for k, t in enumerate(tokens) if _is_number(t) and k > after), None)
        if within or line[0] not in "rclgefhvi" or at is None or rng.random() < 0.3:
            lines.append(line)
            continue
        key, value = state.fresh("k_"), float(tokens[at])
        match int(rng.integers(5)):
            case 0:  # an argument that the instance sets
                given[key] = ("{1e3/7}", repr(value))
                shown = f"{{{key}}}"
            case 1:  # of its own, defined after its use, by another one
                own += [f"{key}='-2*h{key}'", f"h{key} = {value / -2!r}"]
                shown = f"'{key}'"
            case 2:  # of the file
                state.parameters.append(f"{key}={value / 4!r}")
                shown = f"{{ 4 * {key} }}"
            case 3:  # the default holds, and stands on another argument
                given[key] = (repr(value * 2), repr(value * 2))
                own.append(f"h{key}={{max({key},-1e300)/2}}")
                shown = f"{{h{key}}}"
            case _ if line[0] == "r" and value > 0 and at == len(tokens) - 1:
                if RESISTOR not in state.definitions:
                    state.definitions.append(RESISTOR)
                lines.append(f"x_{tokens[0]} {tokens[1]} {tokens[2]} res r={value!r}")
                continue
            case _:
                shown = f"{{-(-{value!r})}}" if value >= 0 else f"{{-{-value!r}}}"
        lines.append(" ".join([*tokens[:at], shown, *tokens[at + 1 :]]))
    return lines, given, own


def _is_number(token: str) -> bool:
    return re.fullmatch(r"-?\d+\.?\d*(?:e[+-]?\d+)?", token) is not None
