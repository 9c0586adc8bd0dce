"""What ngspice takes without a complaint, or with exit code 0, and what the tool says to each."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn2circuit.errors import SimulationError, UnverifiableError
from rnn2circuit.simulate.interface import Deck
from rnn2circuit.simulate.known_decks import STOP, TRAN
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.extraction import extract
from rnn2circuit.verify.netlist import read_netlist
from rnn2circuit.verify.rules import bench_findings, netlist_findings

# Judged as a part of the testbench, where such lines stand.
IN_TESTBENCH = ("pwl", "pwl-twice", "option", "reltol", "save", "measure", "print")
INPUT = "v1 u1 0 1"
RC = "r1 u1 x1 100000.0\nc1 x1 0 1e-08 ic=0.0\n.ic v(x1)=0.0"
GOOD = f"{INPUT}\n{RC}"
STATES = np.linspace(-1.0, 1.0, 5)[:, None]  # V of x1 and u1 at which the extractor is asked
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
    _deck("paren", "net h(0)", "net h(0", "r2 x1 h(0) 1e3\nr3 h(0) 0 1e3", "N2"),
    _deck("brace", "net {1+1}", "net 2.000000000000000e+00", "r2 x1 {1+1} 1e3", "N2"),
    _deck("letters", "nets nöde and näde", "one net", "r2 x1 nöde 1e3\nr3 näde 0 1e3", "N1"),
    _deck("semicolon", "a semicolon in a line", "cut there: 1 mΩ", "r2 x1 0 ;1e3", "N5"),
    _deck("dollar", "a dollar after a blank", "cut there: 1 mΩ", "r2 x1 0 $ 1e3", "N5"),
    _deck(
        "net-time",
        "net time in an expression",
        "the time",
        "v2 time 0 3\nb2 z1 0 v=v(time)\nr2 z1 0 1e3",
        "N2",
    ),
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
    _deck(
        "loop",
        "an inductor across a voltage source",
        "any current",
        "v2 z1 0 1\nl2 z1 0 1e-3 ic=0",
        "singular",
    ),
    _deck(
        "follower",
        "a source that follows itself",
        "any voltage",
        "e2 z1 0 z1 0 1\nr2 z1 0 1e3",
        "extractor: the algebraic part",
    ),
    _deck(
        "followers",
        "two sources that follow each other",
        "any voltage",
        "e2 z1 0 z2 0 1\ne3 z2 0 z1 0 1\nr2 z1 0 1e3\nr3 z2 0 1e3",
        "extractor: the algebraic part",
    ),
    _deck("zero-l", "inductor of 0 H", "a wire", "l2 x1 z1 0 ic=0\nr2 z1 0 1e3", "N4"),
    _deck(
        "quotient",
        "1/0",
        "1e32",
        "b2 0 x1 i=1e-9/(v(u1)-v(u1))",
        "extractor: b2: its expression is not finite",
    ),
    _deck(
        "nothing",
        "0/0",
        "0",
        "b2 0 x1 i=1e-9*(v(u1)-v(u1))/(v(u1)-v(u1))",
        "extractor: b2: its expression is not finite",
    ),
    _deck(
        "overflow",
        "exp(800)",
        "1e99",
        "b2 z1 0 v=exp(800*v(u1)*v(u1))\nr2 z1 0 1e3",
        "extractor: b2: its expression is not finite",
    ),
    _deck("cube", "v(x1)^3", "its magnitude's cube", "b2 z1 0 v=v(x1)^3\nr2 z1 0 1e3", "N11"),
    _deck("initial", ".ic of a net that does not exist", "ignored", ".ic v(x7)=1.0", "N5|x7"),
    _deck(
        "model-twice",
        "two .model of one name",
        "the first one",
        ".model s sw vt=0.5 vh=0.1 ron=1 roff=1e9\n.model s sw vt=0.5 vh=0.1 ron=2 roff=1e9",
        "twice|there already",
    ),
    _deck(
        "subckt-twice",
        "two .subckt of one name",
        "the first one",
        ".subckt s a\nr1 a 0 1e3\n.ends\n.subckt s a\nr1 a 0 2e3\n.ends\nx2 x1 s",
        "N5",
    ),
    _deck(
        "pwl-twice",
        "PWL with one time twice",
        "a jump",
        "v2 z1 0 pwl(0 0 0.001 1 0.001 2)\nr2 z1 0 1e3",
        "N8",
    ),
    _deck(
        "pwl",
        "PWL with an odd number of values",
        "the last is dropped",
        "v2 z1 0 pwl(0 0 0.001 1 0.002)\nr2 z1 0 1e3",
        "N8",
    ),
    _deck("option", "misspelt option", "ignored", ".options reltoll=1e-9", "option 'reltoll'"),
    _deck("reltol", "reltol=0", "steps of any size", ".options reltol=0", "N10: reltol"),
    _deck("save", ".save of a net that does not exist", "dropped", ".save v(x9)", "N10: .save"),
    _deck(
        "measure",
        ".meas with a raw file",
        "not done",
        ".meas tran m find v(x1) at=1e-3",
        "N1: card",
    ),
    _deck("print", ".print with a raw file", "ignored", ".print tran v(x9)", "run: .*ignored"),
    _deck("comment", "a comment *#shell ..", "the command is run", "*#shell true", "N1"),
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
        part = f"* title\n.subckt rc u1 x1\n{RC}\n{deck.line}\n.ends\n"
        extract(part, states=["x1"], inputs=["u1"]).rates(STATES, STATES)
    except UnverifiableError as error:
        said.append(f"extractor: {re.sub(r'^line [0-9]+: ', '', str(error))}")
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
