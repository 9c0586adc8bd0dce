"""The rules on a netlist with subcircuits and parameters.

What concerns the text (characters, cards, names) is judged where it is written, each subcircuit's
names for themselves. What concerns the circuit (values, paths to ground, loops) is judged on the
unfolded circuit, and found at the line that says so, with the instance.
"""

import re

from rnn2circuit.errors import UnverifiableError
from rnn2circuit.verify.definitions import ExpansionError
from rnn2circuit.verify.netlist import flat_lines
from rnn2circuit.verify.rule_lines import (
    CARDS,
    LAYOUT,
    OTHERS,
    Deck,
    check_characters,
    check_expression,
    check_value,
    connect,
    is_silent,
    take_name,
    take_node,
    written_lines,
)

_QUOTED = re.compile(r"\{[^{}]*\}|'[^']*'")


def read_scopes(text: str, subckt: str | None) -> Deck:
    """Findings on the lines as written, and the unfolded circuit for the rules that look at all."""
    deck = Deck()
    _read_written(deck, text)
    try:
        _read_unfolded(deck, text, subckt)
    except ExpansionError as error:
        if error.is_fault:
            deck.report("N5", error.line, str(error))
    except UnverifiableError:
        pass  # what the extraction cannot read either, and says so
    return deck


def _read_written(deck: Deck, text: str) -> None:
    check_characters(deck, text)
    scopes = [Deck(findings=deck.findings)]
    for number, line in written_lines(text):
        if is_silent(deck, number, line):
            continue
        if not line.startswith("."):
            _take_element(scopes[-1], number, line)
            continue
        tokens = line.split()
        card = tokens[0].lower()
        if card not in CARDS:
            deck.report("N1", number, f"card {tokens[0][:40]!r} is not one that a netlist needs")
        if card == ".subckt":
            scopes.append(Deck(findings=deck.findings))
            for port in _before_assignments(line)[2:]:
                take_node(scopes[-1], number, port)
        elif card == ".ends" and len(scopes) > 1:
            scopes.pop()
        if card not in (".model", ".ic"):  # those come from the unfolded circuit
            deck.cards.append((number, card, tokens))


def _before_assignments(line: str) -> list[str]:
    """Fields up to the first ``name=value``."""
    head = re.split(r"\s\S+\s*=|\sparams:", line, maxsplit=1, flags=re.IGNORECASE)[0]
    return head.split()


def _take_element(scope: Deck, number: int, line: str) -> None:
    written = line.split()
    letter = written[0][0].lower()
    if letter not in LAYOUT and letter not in OTHERS:
        scope.report("N1", number, f"element {written[0][:40]!r} is of a kind that is not allowed")
        return
    take_name(scope, number, written[0])
    nets = written[1 : 1 + LAYOUT.get(letter, (0, 0))[0]]
    for net in _before_assignments(line)[1:-1] if letter == "x" else nets:
        take_node(scope, number, net)
    if letter == "b":
        # A parameter keeps its digits, and so does what stands in braces.
        bare = _QUOTED.sub(" ", line.partition("=")[2]).lower()
        check_expression(scope, number, written[0].lower(), f"v={bare}")


def _read_unfolded(deck: Deck, text: str, subckt: str | None) -> None:
    _, ports, lines = flat_lines(text, subckt)
    for net in ports:
        deck.nodes[net] = (net, 1)
    for line in lines:
        tokens = line.text.split()
        if tokens[0][0] == ".":
            deck.cards.append((line.number, tokens[0], tokens))
        else:
            _take_unfolded(deck, line.number, tokens)


def _take_unfolded(deck: Deck, number: int, tokens: list[str]) -> None:
    name = tokens[0]
    own = Deck(paths=deck.paths, held=deck.held, ports=deck.ports, sizes=deck.sizes)
    nets = tokens[1 : 1 + LAYOUT.get(name[0], (0, 0))[0]]
    if name[0] != "b":
        check_value(own, number, name, tokens)
    if len(tokens) > len(nets) >= 2:
        connect(own, number, name, tokens)
    for net in nets:
        if net != "0":
            deck.nodes.setdefault(net, (net, number))
    deck.names.setdefault(name, name)
    if name[0] in "fhsb":
        deck.waiting.append((number, name, tokens))
    # Of one line once, however many instances there are; a line breaks each rule only once.
    known = {f.rule for f in deck.findings if f.line == number} if own.findings else set[str]()
    deck.findings += [finding for finding in own.findings if finding.rule not in known]
