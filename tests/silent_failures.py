"""What ngspice takes without a complaint, or with exit code 0, and what the tool says to each."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnn2circuit.errors import SimulationError, UnverifiableError
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.known_decks import STOP, TRAN
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.netlist import read_netlist
from rnn2circuit.verify.rules import bench_findings, netlist_findings

IN_TESTBENCH = ("pwl", "option")  # judged as a part of the testbench, where such lines stand
GOOD = "v1 u1 0 1\nr1 u1 x1 100000.0\nc1 x1 0 1e-08 ic=0.0\n.ic v(x1)=0.0"
TIMEOUT = 20  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentDeck:
    """A deck, what ngspice makes of it, and a part of what the tool must say."""

    id: str
    condition: str
    becomes: str  # in ngspice 39
    line: str
    says: str  # regular expression
    exit_code: int = 0

    @property
    def body(self) -> str:
        return f"{GOOD}\n{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """ngspice's exit code and the tool's sentences: rule, extractor, simulator."""

    exit_code: int
    sentences: tuple[str, ...]

    @property
    def said(self) -> str:
        return "; ".join(self.sentences)


def _deck(id: str, condition: str, becomes: str, line: str, says: str) -> SilentDeck:
    return SilentDeck(id=id, condition=condition, becomes=becomes, line=line, says=says)


DECKS = (
    _deck("no-value", "resistor without a value", "1 mΩ", "r2 x1 0", "N5"),
    _deck("zero-r", "resistor of 0 Ω", "1 mΩ", "r2 z1 0 0\ni2 0 z1 1e-3", "N4"),
    _deck("negative-r", "negative resistor", "simulated", "r2 x1 0 -1e6", "N4"),
    _deck("negative-c", "negative capacitor", "simulated", "c2 x1 0 -1e-9 ic=0", "N4"),
    _deck("zero-c", "capacitor of 0 F", "open", "c2 x1 0 0 ic=0", "N4"),
    _deck("no-c", "capacitor without a value", "open", "c2 x1 0", "N5"),
    _deck("huge", "1e400", "open circuit", "r2 x1 0 1e400", "N3"),
    _deck("tiny", "capacitor of 1e-320 F", "open", "c2 x1 0 1e-320 ic=0", "N3"),
    _deck("comma", "decimal comma: 1,5", "1", "r2 x1 0 1,5", "N[35]"),
    _deck("mega", "1M meant as a million", "0.001", "r2 x1 0 1M", "N3"),
    _deck("farad", "1F meant as one farad", "1e-15", "c2 x1 0 1F ic=0", "N3"),
    _deck("case", "nets h1 and H1", "one net", "r2 h1 0 1e5\nr3 H1 x1 1e5", "N2"),
    _deck("zeros", "net 00 meant as ground", "another net", "r2 x1 00 1e5\nr3 00 0 1", "N2"),
    _deck("gnd", "net gnd", "ground", "r2 x1 gnd 1e5", "N2"),
    _deck("power", "v=(-2)**0.5", "1.414", "b2 z1 0 v=(-2)**0.5\nr2 z1 0 1e3", "N11"),
    _deck(
        "floating",
        "net between capacitors",
        "any voltage",
        "i2 0 z1 1e-06\nc2 z1 z2 1e-09\nc3 z2 0 1e-09",
        "N6",
    ),
    _deck(
        "cutset", "two current sources in series", "any voltage", "i2 0 z1 1e-6\ni3 z1 0 2e-6", "N6"
    ),
    _deck(
        "island", "a part without ground", "any voltage", "r2 z1 z2 1e3\nc2 z1 z2 1e-9 ic=0", "N6"
    ),
    _deck("initial", ".ic of a net that does not exist", "ignored", ".ic v(x7)=1.0", "N5|x7"),
    _deck(
        "model-twice",
        "two .model of one name",
        "the first one",
        ".model s sw vt=0.5 vh=0.1 ron=1 roff=1e9\n.model s sw vt=0.5 vh=0.1 ron=2 roff=1e9",
        "twice|there already",
    ),
    _deck(
        "pwl",
        "PWL with an odd number of values",
        "the last is dropped",
        "v2 z1 0 pwl(0 0 0.001 1 0.002)\nr2 z1 0 1e3",
        "N8",
    ),
    _deck("option", "misspelt option", "ignored", ".options reltoll=1e-9", "option 'reltoll'"),
    _deck(
        "analyses", "a second analysis", "which one counts is not said", ".tran 1e-5 0.02", "N10"
    ),
    _deck(
        "time",
        "v=sin(time)",
        "steps over what is fast",
        "b2 z1 0 v=sin(1e6*time)\nr2 z1 0 1e3",
        "N9",
    ),
)


def run_deck(deck: SilentDeck, place: Path) -> Outcome:
    """Run a deck as a user does, and ask the three parts of the tool that read it."""
    text = f"* silent failure\n{deck.body}\n{TRAN}\n.save v(x1)\n.end\n"
    (place / "deck.cir").write_text(text)
    done = subprocess.run(
        [shutil.which("ngspice") or "ngspice", "-b", "-n", "-r", "out.raw", "deck.cir"],
        cwd=place,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Outcome(exit_code=done.returncode, sentences=_said(deck, text))


def _said(deck: SilentDeck, text: str) -> tuple[str, ...]:
    found = netlist_findings(f"* title\n{deck.body}\n")
    if deck.id in IN_TESTBENCH:
        bench = text.replace(".tran", ".include net.cir\n.tran")
        found = bench_findings(bench, included="net.cir")
    said = [f"{f.rule}: {f.reason}" for f in found]
    try:
        read_netlist(f"* title\n{deck.body}\n")
    except UnverifiableError as error:
        said.append(f"extractor: {str(error).partition(': ')[2]}")
    try:
        waves = Deck(files={"deck.cir": text}, main="deck.cir", signals=("v(x1)",), t_stop=STOP)
        Ngspice().run(waves, timeout=TIMEOUT)
    except SimulationError as error:
        said.append(f"run: {str(error).splitlines()[0]}")
    return tuple(said)


def table(place: Path) -> str:
    """Condition, what becomes of it in ngspice, and the first sentence of the tool."""
    lines = ["| condition | what ngspice makes of it | what rnn2circuit says |", "|---|---|---|"]
    for deck in DECKS:
        outcome = run_deck(deck, place)
        said = next(x for x in outcome.sentences if re.search(deck.says, x))
        said = said.replace("|", "\\|")
        lines.append(
            f"| {deck.condition} | exit code {outcome.exit_code}, {deck.becomes} | {said} |"
        )
    return "\n".join(lines) + "\n"
