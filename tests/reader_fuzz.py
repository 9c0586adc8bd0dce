"""Damaged files of every kind that the package reads: a typed error, or a value, and nothing else.

A byte mutator works on small valid files: it flips, cuts, repeats and overwrites, splices two files
of a kind, and puts numbers and brackets that parsers dislike into them. Members of archives are
also damaged one by one and packed again with a right checksum, so that the damage gets past the
first check.
"""

import io
import itertools
import json
import re
import resource
import signal
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from random_models import CELLS, FAMILIES, random_cell, random_model
from wrapped import wrapped

from rnn2circuit.errors import Rnn2CircuitError
from rnn2circuit.flow import compile_model
from rnn2circuit.models.io import load, save
from rnn2circuit.report.json_report import report_from_json, report_json
from rnn2circuit.simulate.rawfile import read_plots, read_raw
from rnn2circuit.specification import read_specification
from rnn2circuit.statemap import map_from_json
from rnn2circuit.stimulus import load_stimulus
from rnn2circuit.verify.checks import Check, Provenance, Report, Verdict
from rnn2circuit.verify.expression import parse_shape, split_references
from rnn2circuit.verify.extraction import extract
from rnn2circuit.verify.rules import check_rules
from rnn2circuit.verify.task import load_targets

DATA = Path(__file__).parent / "data"
EXAMPLES = Path(__file__).parent.parent / "examples"
LARGEST = 4 << 30  # bytes of address space: a file must not make a reader ask for more
SLOWEST = 20  # s of CPU for one reading
SLOWEST_CHILD = 90  # s by the clock where a process is started, which has a limit of its own
IN_CHILD = (".nir", ".keras", ".weights.h5")  # each reading starts a process
RARELY = 25  # so these have one turn in so many
DISLIKED = (
    *(b"\0", b"\xff", b"\x80", b"-", b"[", b"{", b'"', b"(", b",", b".", b"=", b"\n", b"\r\n"),
    *(b"nan", b"NaN", b"Infinity", b"-inf", b"1e999", b"-1", b"0", b"1" * 400, b"9" * 5000),
    *(b"null", b"true", b"{}", b"[]", b"[" * 3000, b"(" * 3000, b"-" * 3000, b"\xef\xbb\xbf"),
    *(b"\xed\xb3\xbf", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0" * 8, b"<f8", b"|O", b"c16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reader, valid files of its kind, and how such a file is called."""

    suffix: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]


@dataclass(slots=True)
class Found:
    """What became of the damaged files."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (reader, outcome)
    findings: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # by place in the code

    @property
    def files(self) -> int:
        return self.outcomes.total()


def readers(place: Path) -> dict[str, Reader]:
    """Every reader of the package, with seeds."""
    made: dict[str, Reader] = {}
    for suffix in (".npz", ".safetensors", ".json"):
        made[f"model {suffix}"] = Reader(suffix=suffix, seeds=_models(place, suffix), read=load)
    made["model .mat"] = Reader(suffix=".mat", seeds=(_mat(),), read=load)
    torch = [*DATA.glob("*.pt"), *EXAMPLES.glob("rnn_delay.pt")]
    made["model .pt"] = _files(".pt", torch, lambda p: load(p, dt=0.1))
    made["model .onnx"] = _files(".onnx", [*DATA.glob("*.onnx")], lambda p: load(p, clocked=True))
    keras = [*DATA.glob("*.keras")]
    made["model .keras"] = _files(".keras", keras, lambda p: load(p, clocked=True))
    h5 = [*DATA.glob("*.weights.h5")]
    made["model .weights.h5"] = _files(".weights.h5", h5, lambda p: load(p, clocked=True))
    made["model .nir"] = Reader(suffix=".nir", seeds=(_nir(place),), read=load)
    csv = b"t,u1,u2\n0,0.5,1\n1,-0.25,2e-1\n2.5,1,0\n"
    made["stimulus .csv"] = Reader(
        suffix=".csv", seeds=(csv,), read=lambda p: load_stimulus(p, n_inputs=2, hold="linear")
    )
    made["stimulus .npz"] = Reader(
        suffix=".npz",
        seeds=(_npz(t=np.arange(3.0), u=np.ones((3, 2)), hold=np.array("zoh")),),
        read=lambda p: load_stimulus(p, n_inputs=2),
    )
    made["targets .csv"] = Reader(suffix=".csv", seeds=(csv,), read=load_targets)
    made["targets .npz"] = Reader(
        suffix=".npz", seeds=(_npz(t=np.arange(3.0), y=np.ones((3, 2))),), read=load_targets
    )
    return made | _texts()


def _texts() -> dict[str, Reader]:
    """What is read as text, and the simulator's raw files."""
    compiled = [
        compile_model(random_model("lrc", 2, 1, 0), duration=0.01),
        compile_model(random_model("lem", 2, 1, 0), form="rl", coupling="gyrator", duration=0.01),
        compile_model(random_cell("gru", 2, 1, 0), duration=1),
    ]
    maps = tuple(c.map_json.encode() for c in compiled)
    netlists = tuple(c.netlist.encode() for c in compiled)
    parts = np.random.default_rng(1)
    netlists += tuple(wrapped(c.netlist, parts).encode() for c in compiled)
    netlists += tuple(_folded(text) for text in netlists)
    specification = (
        b'seeds = [1, 2]\n[circuit]\nform = "rc"\n[testbench]\nhold = "linear"\nduration = 2.0\n'
        b'[simulator]\nname = "ngspice"\ntimeout = 60\n[limits]\ntransient = 1e-4\n'
        b'[[stimuli]]\nstimulus = "step.csv"\n'
    )
    header = "Title: x\nDate: y\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\n"
    header += "No. Points: 3\nVariables:\n\t0\ttime\ttime\n\t1\tv(x1)\tvoltage\nBinary:\n"
    raw = header.encode() + np.arange(6.0).tobytes()
    return {
        "map": Reader(suffix=".json", seeds=maps, read=lambda p: map_from_json(_text(p))),
        "report": Reader(
            suffix=".json", seeds=(_report(),), read=lambda p: report_from_json(_text(p))
        ),
        "raw": Reader(suffix=".raw", seeds=(raw,), read=lambda p: read_raw(p.read_bytes())),
        "raw, many plots": Reader(
            suffix=".raw", seeds=(raw + raw,), read=lambda p: read_plots(p.read_bytes())
        ),
        "specification": Reader(suffix=".toml", seeds=(specification,), read=read_specification),
        "netlist, extractor": Reader(suffix=".cir", seeds=netlists, read=_extract),
        "netlist, rules": Reader(
            suffix=".cir",
            seeds=netlists,
            read=lambda p: check_rules(
                _text(p), compiled[0].testbench, included="network.cir", driven=("u1",)
            ),
        ),
        "expression": Reader(
            suffix=".txt",
            seeds=(b"0.5+0.5*tanh(0.5*v(z1))", b"min(v(a,b),i(v1)/2)-sqrt(abs(v(x1)))"),
            read=lambda p: parse_shape(split_references(_text(p))[0]),
        ),
    }


def _folded(text: bytes) -> bytes:
    """The same lines, each going on in the next after its second field, with remarks between."""
    return re.sub(rb"(?m)^([a-z.]\S* \S+) (?=\S)", rb"\1\n* goes on\n+ ", text)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _extract(path: Path) -> object:
    system = extract(_text(path), states=["x1", "x2"], inputs=["u1"], outputs=["y1"])
    return system.rates(np.full((1, 2), 0.3), np.full((1, 1), 0.2))


def _files(suffix: str, paths: list[Path], read: Callable[[Path], object]) -> Reader:
    seeds = tuple(path.read_bytes() for path in sorted(paths))
    return Reader(suffix=suffix, seeds=seeds, read=read)


def _models(place: Path, suffix: str) -> tuple[bytes, ...]:
    path = place / f"seed{suffix}"
    seeds: list[bytes] = []
    for family in ("linear", "ltc", "gated", "stack"):
        assert family in (*FAMILIES, *CELLS)
        make = random_cell if family in CELLS else random_model
        save(make(family, 2, 1, 3), path)
        seeds.append(path.read_bytes())
    return tuple(seeds)


def _mat() -> bytes:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"A": -np.eye(2), "B": np.ones((2, 1)), "C": np.ones((1, 2)), "D": 0.0})
    return buffer.getvalue()


def _nir(place: Path) -> bytes:
    import h5py

    path = place / "seed.nir"
    with h5py.File(path, "w") as file:
        nodes = file.create_group("node/nodes")
        for name, kind, values in (
            ("in", "Input", {"shape": [1]}),
            ("w", "Linear", {"weight": np.ones((2, 1))}),
            ("li", "LI", {key: np.ones(2) for key in ("tau", "r", "v_leak")}),
            ("out", "Output", {"shape": [2]}),
        ):
            group = nodes.create_group(name)
            group["type"] = kind
            for key, value in values.items():
                group[key] = value
        edges = [["in", "w"], ["w", "li"], ["li", "out"]]
        file["node"].create_dataset("edges", data=edges, dtype=h5py.string_dtype())
    return path.read_bytes()


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _report() -> bytes:
    check = Check(id="a.b", title="t", verdict=Verdict.PASS, value=1e-9, limit=1e-3)
    provenance = Provenance(
        subject="n",
        family="ctrnn",
        n_states=2,
        n_inputs=1,
        weights_sha256="0" * 64,
        netlist_sha256="1" * 64,
        tool_version="0",
        simulator="ngspice",
        simulator_version="39",
        options=(("form", "rc"),),
    )
    return report_json(Report(provenance=provenance, checks=(check,), notes=("n",))).encode()


def damaged(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """`content` with one to four faults, or spliced with `other`; of an archive, also inside."""
    if content[:2] == b"PK" and rng.random() < 0.6:
        return _repacked(content, rng)
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        data = _fault(data, other, rng)
    return bytes(data)


def _fault(data: bytearray, other: bytes, rng: np.random.Generator) -> bytearray:
    size = len(data)
    at = int(rng.integers(size + 1))
    end = min(size, at + int(rng.integers(1, 20)))
    match int(rng.integers(7)):
        case 0 if at < size:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            del data[at:end]
        case 2:
            data[at:at] = data[at:end] * int(rng.integers(1, 4))
        case 3:
            del data[at:]
        case 4:
            start = int(rng.integers(len(other) + 1))
            data[at:end] = other[start : start + end - at]
        case 5:
            data[at:end] = DISLIKED[int(rng.integers(len(DISLIKED)))]
        case _:
            data[at:at] = DISLIKED[int(rng.integers(len(DISLIKED)))]
    return data


def _repacked(content: bytes, rng: np.random.Generator) -> bytes:
    """The archive with one member damaged and every checksum right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(buffer, "w") as packed:
        names = archive.namelist()
        chosen = names[int(rng.integers(len(names)))]
        for name in names:
            body = archive.read(name)
            if name == chosen:
                body = bytes(_fault(bytearray(body), content, rng))
            packed.writestr(name, body)
    return buffer.getvalue()


@contextmanager
def bounded():
    """No more address space than `LARGEST`, so that a lying size is a finding and not a crash."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class TooSlow(Exception):  # noqa: N818 - not an error of the package
    """A reading that took longer than `SLOWEST`."""


def _too_slow(number: int, frame: object) -> None:
    raise TooSlow


def try_one(name: str, reader: Reader, path: Path, content: bytes, found: Found) -> None:
    """Read one damaged file and note what became of it."""
    path.write_bytes(content)
    in_child = reader.suffix in IN_CHILD
    timer = signal.ITIMER_REAL if in_child else signal.ITIMER_VIRTUAL
    number = signal.SIGALRM if in_child else signal.SIGVTALRM
    before = signal.signal(number, _too_slow)
    signal.setitimer(timer, SLOWEST_CHILD if in_child else SLOWEST)
    try:
        reader.read(path)
        found.outcomes[name, "read"] += 1
    except Rnn2CircuitError:
        found.outcomes[name, "refused"] += 1
    except Exception as error:  # what this is all about
        found.outcomes[name, "finding"] += 1
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{name}: {type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        found.findings.setdefault(place, (str(error)[:200], content))
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)


def fuzz(place: Path, *, seed: int, keep_on: Callable[[Found], bool], only: str = "") -> Found:
    """Damage files of each reader in turn for as long as `keep_on` says."""
    kinds = {k: r for k, r in readers(place).items() if only in k}
    found, rng = Found(), np.random.default_rng(seed)
    with suppress(KeyboardInterrupt), bounded():
        for turn in itertools.count():
            if not keep_on(found):
                break
            for name, reader in kinds.items():
                if reader.suffix in IN_CHILD and turn % RARELY:
                    continue
                content, other = (
                    reader.seeds[int(k)] for k in rng.integers(len(reader.seeds), size=2)
                )
                path = place / f"damaged{reader.suffix}"
                try_one(name, reader, path, damaged(content, other, rng), found)
    return found


def describe(found: Found) -> str:
    """Files per reader and outcome, and each finding once."""
    names = sorted({name for name, _ in found.outcomes})
    lines = ["| reader | damaged files | refused | read | findings |", "|---|---|---|---|---|"]
    for name in names:
        refused, read, bad = (found.outcomes[name, o] for o in ("refused", "read", "finding"))
        lines.append(f"| {name} | {refused + read + bad} | {refused} | {read} | {bad} |")
    lines.append(f"| **all** | {found.files} | | | {len(found.findings)} |")
    for where, (message, content) in found.findings.items():
        lines.append(f"{where}: {message}\n  {json.dumps(content[:300].decode('latin-1'))}")
    return "\n".join(lines) + "\n"
