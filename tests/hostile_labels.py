"""Every text a user can hand over, made hostile: no circuit may change and nothing may happen.

One set of labels goes through the command line as a user's files would: names of tensors,
metadata, file names, directories, ``--name``, stimulus headers, names of reports. What comes out
is either a typed refusal in one sentence, or the circuit that clean labels give, byte for byte.
A canary file that any executed text would make must never appear, and what stands in a secret file
that some of the texts include must never be printed or written.
"""

import io
import re
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from rnn2circuit.cli import main

SECRET = "4f6e6c79-54686520-53656372-65744b6579"
LONGEST_NAME = 200  # bytes of a file name that leave room for suffixes
TOO_LONG = 5000
REFUSED, RIGHT = "refused in one sentence", "the circuit of clean labels"


def fragments(place: Path) -> tuple[str, ...]:
    """Texts that run, read or break something where they reach a deck, a shell or a report."""
    canary, secret = place / "canary", place / "secret"
    return (
        f"*#shell touch {canary}",
        f"\n*#shell touch {canary}\n",
        f"\n.control\nshell touch {canary}\n.endc\n",
        f"\r\n.control\r\nshell touch {canary}\r\n.endc\r\n",
        f"`touch {canary}`",
        f"$(touch {canary})",
        f"; touch {canary};",
        f"| touch {canary}",
        f"&& touch {canary} #",
        f"'; touch {canary}; '",
        f'"; touch {canary}; "',
        f"*ng_script\nshell touch {canary}\n",
        f"\n.include {secret}\n",
        f"\n.lib {secret} x\n",
        f".inc '{secret}'",
        f"{{{secret}}}",
        "\n.end\n",
        "\n.ends\n",
        "\nr_extra x1 0 1\n",
        "\n+ 1e9",
        "\n.ic v(x1)=5\n",
        "\n.options reltol=1\n",
        "\x00",
        "a\x00b",
        "\x1b[2J\x1b]0;title\x07",
        "\r\x0b\x0c\x85\u2028\u2029",
        "\u202etxet",
        "\udcff",
        "naïve-Ω-名前-🤖",
        "\\\n",
        "\\",
        "'\"`",
        "<script>alert(1)</script>",
        "]]><x/>&lt;&amp;",
        "%s%n{0}{x}",
        "../../../../etc/passwd",
        "-o",
        "--name",
        ".",
        "..",
        " ",
        "\t",
        "a b",
        "CON",
        "~",
        "$HOME",
        "x1",
        "gnd",
        "0",
        "1e5meg",
        "weight_hh",
        "x" * TOO_LONG,
    )


def label(rng: np.random.Generator, place: Path) -> str:
    """One to three fragments in a row, sometimes with plain letters around them."""
    found = fragments(place)
    parts = [found[int(k)] for k in rng.integers(len(found), size=int(rng.integers(1, 4)))]
    if rng.random() < 0.4:
        parts = ["net", *parts]
    if rng.random() < 0.3:
        parts = [*parts, "end"]
    return "".join(parts)


def file_name(text: str) -> str:
    """The label as the file system takes it: no separator, no NUL, and not too long."""
    name = text.replace("/", "∕").replace("\0", "")
    raw = name.encode("utf-8", "surrogateescape" if "\udcff" in name else "strict")
    cut = raw[:LONGEST_NAME].decode("utf-8", "ignore")
    return "file" if cut in ("", ".", "..") else cut


@dataclass(slots=True)
class Findings:
    """What became of the label sets."""

    sets: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)  # of commands
    problems: list[str] = field(default_factory=list)


def tensors(prefix: str) -> dict[str, np.ndarray]:
    """An nn.RNN of two neurons under any prefix."""
    rng = np.random.default_rng(5)
    return {
        f"{prefix}weight_ih_l0": rng.normal(size=(2, 1)),
        f"{prefix}weight_hh_l0": 0.5 * rng.normal(size=(2, 2)),
        f"{prefix}bias_ih_l0": rng.normal(size=2),
        f"{prefix}bias_hh_l0": rng.normal(size=2),
    }


def run_labels(place: Path, count: int, *, seed: int, simulate_every: int = 1) -> Findings:
    """Take `count` sets of hostile labels through load, compile, write and verify."""
    findings = Findings()
    (place / "secret").write_text(f"{SECRET}\n")
    clean = _Run(place / "clean", "net", "net", "u", "net", "net")
    clean.prepare()
    assert clean.compile()[0] == 0
    wanted = clean.circuit()
    rng = np.random.default_rng(seed)
    for k in range(count):
        words = [label(rng, place) for _ in range(5)]
        # One refusal hides what the other labels would do, so each set has clean ones as well.
        kept = rng.random(5) < 0.6
        kept[k % 5] = False
        words = [w if not keep else "net" for w, keep in zip(words, kept, strict=True)]
        run = _Run(place / f"set{k}", *words)
        _judge(run, wanted, findings, verify=k % simulate_every == 0)
        findings.sets += 1
    if (place / "canary").exists():
        findings.problems.append("something was executed: the canary is there")
    return findings


def _judge(run: "_Run", wanted: tuple[str, str], findings: Findings, *, verify: bool) -> None:
    try:
        run.prepare()
        steps = [run.compile, run.verify] if verify else [run.compile]
        for step in steps:
            code, said = step()
            if SECRET in said:
                findings.problems.append(f"{run.words}: the secret was printed")
            if code == 0:
                findings.outcomes[RIGHT] += 1
                if run.circuit() != wanted:
                    findings.problems.append(f"{run.words}: another circuit")
            elif code == 2 and re.search(r"^(rnn2circuit|usage): ", said, re.M):
                findings.outcomes[REFUSED] += 1
            else:
                findings.problems.append(f"{run.words}: exit code {code}, {said[-300:]!r}")
        findings.problems += [f"{run.words}: leak in {p.name!r}" for p in run.leaks()]
    except Exception as error:  # anything that is no exit code is a finding
        findings.problems.append(f"{run.words}: {type(error).__name__} {error}")


class _Run:
    """The files and arguments of one set of labels."""

    def __init__(
        self, home: Path, prefix: str, stem: str, header: str, name: str, report: str
    ) -> None:
        self.words = (prefix, stem, header, name, report)
        self.home, self.prefix, self.header, self.name = home, prefix, header, name
        self.model = home / f"{file_name(stem)}.safetensors"
        self.stimulus = home / f"{file_name(header)}.csv"
        self.out = home / f"out {file_name(report)}"
        self.reports = home / f"reports {file_name(report)}"

    def prepare(self) -> None:
        self.home.mkdir()
        text = self.prefix.encode("utf-8", "replace").decode()
        save_file(tensors(f"{text}."), self.model, metadata={text or "x": text, "note": text})
        header = self.header.replace("\n", " ").replace("\r", " ")
        rows = f"t,{header}\n0,0\n1,1\n2,0.5\n"
        self.stimulus.write_bytes(rows.encode("utf-8", "surrogateescape"))

    def _main(self, verb: str, *more: str) -> tuple[int, str]:
        said = io.StringIO()
        arguments = [verb, str(self.model), "--dt", "0.5", "--stimulus", str(self.stimulus)]
        arguments += ["--hold", "linear", f"--name={self.name}", *more]
        with redirect_stdout(said), redirect_stderr(said):
            try:
                code = main(arguments)
            except SystemExit as stop:  # argparse on what it takes for an option
                code = int(stop.code or 0)
        return code, said.getvalue()

    def compile(self) -> tuple[int, str]:
        return self._main("compile", "-o", str(self.out))

    def verify(self) -> tuple[int, str]:
        reports = [
            word
            for kind in ("json", "junit", "html", "markdown")
            for word in (f"--{kind}", str(self.reports / f"r.{kind}"))
        ]
        return self._main("verify", "--quick", *reports, "-o", str(self.out))

    def circuit(self) -> tuple[str, str]:
        """Netlist and testbench, the latter without the name of the file it includes."""
        (bench,) = self.out.glob("*.tb.cir")
        stem = bench.name.removesuffix(".tb.cir")
        netlist = (self.out / f"{stem}.cir").read_bytes().decode("ascii")
        lines = bench.read_bytes().decode("ascii").replace(f"{stem}.cir", "NAME.cir")
        return netlist, lines

    def leaks(self) -> list[Path]:
        files = [p for p in self.home.rglob("*") if p.is_file()]
        return [p for p in files if SECRET.encode() in p.read_bytes()]
