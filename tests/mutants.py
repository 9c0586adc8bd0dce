"""Single-fault mutations of an emitted netlist, none of which is the same circuit."""

import re
from collections.abc import Iterator

import numpy as np

KINDS = ("sign", "percent", "swap", "delete", "wrong_node")


def mutants(text: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield `count` pairs of a description and a netlist with one fault."""
    rng = np.random.default_rng(seed)
    lines = text.splitlines()
    candidates = [k for k, line in enumerate(lines) if re.match(r"[a-z]_|\.ic ", line)]
    nets = sorted({t for k in candidates for t in lines[k].split()[1:3] if re.match(r"[a-z]", t)})
    made = 0
    while made < count:
        kind = KINDS[int(rng.integers(len(KINDS)))]
        k = int(rng.choice(candidates))
        changed = _mutate(lines[k], kind, rng, nets)
        if changed is None or changed == lines[k]:
            continue
        made += 1
        rest = [changed] if changed else []
        yield (
            f"{kind}: {lines[k]!r} -> {changed!r}",
            "\n".join([*lines[:k], *rest, *lines[k + 1 :]]) + "\n",
        )


def _mutate(line: str, kind: str, rng: np.random.Generator, nets: list[str]) -> str | None:
    """The faulty line, "" to delete it, or None where this fault would change nothing."""
    tokens = line.split()
    if kind == "delete":
        return ""
    if kind in ("sign", "swap") and _is_even(line):
        return None
    if kind in ("sign", "percent"):
        return _change_value(line, -1.0 if kind == "sign" else 1.01)
    if line.startswith("."):
        return None
    if kind == "swap":
        # Turning a resistor or switch round changes nothing; a state at rest has no sign either.
        if line[0] in "rs" or (line[0] in "cl" and float(line.split("ic=")[1]) == 0.0):
            return None
        tokens[1], tokens[2] = tokens[2], tokens[1]
        return " ".join(tokens)
    return _rewired(line, tokens, rng, nets)


def _rewired(line: str, tokens: list[str], rng: np.random.Generator, nets: list[str]) -> str | None:
    position = int(rng.integers(1, 3))
    other = nets[int(rng.integers(len(nets)))]
    if other in tokens[1:3]:
        return None
    # Port p of a sensing n-port and the sum its current is mirrored into are one to a current.
    if re.fullmatch(r"[pb][a-z]*\d+", other) or re.fullmatch(r"[pb][a-z]*\d+", tokens[position]):
        return None
    # The end of a current loop is at ground potential, and a source that only controls others
    # draws nothing from it.
    if tokens[position] == "0" and line[0] in "ehb" and other.startswith("l"):
        return None
    tokens[position] = other
    return " ".join(tokens)


def _change_value(line: str, factor: float) -> str | None:
    numbers = list(re.finditer(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.)])", line))
    numbers = [m for m in numbers if m.start() > 0 and float(m[0]) != 0.0]
    if not numbers or line.startswith("b_"):
        return None
    last = numbers[-1]
    return line[: last.start()] + repr(factor * float(last[0])) + line[last.end() :]


def _is_even(line: str) -> bool:
    """Whether only an even power of what the line makes is used: the n of n to the fourth."""
    return line.startswith(("e_gn_", "b_nn_"))
