import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.cli import main
from rnn2circuit.models.io import save

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "net.npz"
    save(random_model("ctrnn", 3, 1, seed=2, extras=False, activations=("tanh",)), path)
    return path


def test_compile_writes_a_runnable_testbench_and_says_what_it_made(model_file, tmp_path, capsys):
    assert main(["compile", str(model_file), "-o", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "net.cir",
        "net.json",
        "net.tb.cir",
    ]
    record = json.loads((tmp_path / "out/net.json").read_text())
    assert record["ports"] == ["u1", "x1", "x2", "x3"]
    assert record["states"][0] == {
        "name": "x1",
        "port": "x1",
        "volts_per_unit": 1.0,
        "v_offset": 0.0,
    }
    assert {"family", "level", "form", "coupling", "weights_sha256", "netlist_sha256"} <= set(
        record
    )
    assert "3 Capacitors" in capsys.readouterr().out


@pytest.mark.spice
def test_the_testbench_runs_as_it_stands(model_file, tmp_path):
    import subprocess

    assert main(["compile", str(model_file), "-o", str(tmp_path / "out")]) == 0
    run = subprocess.run(
        ["ngspice", "-b", "-n", "-r", "out.raw", "net.tb.cir"],
        cwd=tmp_path / "out",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0
    assert (tmp_path / "out/out.raw").stat().st_size > 1000


@pytest.mark.spice
def test_verify_passes_and_writes_every_report(model_file, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml")]
    arguments += ["--plot", str(tmp_path / "w.png"), "-o", str(out), "--simulator", "ngspice"]
    assert main(["verify", str(model_file), *arguments]) == 0
    assert "PASS" in capsys.readouterr().out
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["verdict"] == "PASS"
    assert report["provenance"]["simulator"] == "ngspice"
    assert ET.parse(tmp_path / "r.xml").getroot().tag == "testsuites"
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "net.report.txt").read_text().strip()


@pytest.mark.parametrize("limit", ["inf", "nan", "-1"])
def test_a_limit_that_nothing_exceeds_is_refused(limit, model_file, capsys):
    assert main(["verify", str(model_file), f"--limit-transient={limit}"]) == 2
    assert "limit transient must be finite and not negative" in capsys.readouterr().err


@pytest.mark.spice
def test_verify_fails_with_exit_code_one_when_a_limit_is_not_met(model_file):
    assert main(["verify", str(model_file), "--limit-transient", "1e-12"]) == 1


@pytest.mark.spice
def test_simulate_writes_waveforms_in_model_units(model_file, tmp_path):
    assert main(["simulate", str(model_file), "-o", str(tmp_path)]) == 0
    with np.load(tmp_path / "net.waves.npz") as data:
        assert data["x"].shape == (data["t"].size, 3)
        assert data["u"].shape == (data["t"].size, 1)


def test_linearize_prints_and_writes_the_state_space(model_file, tmp_path, capsys):
    path = tmp_path / "lin.json"
    assert main(["linearize", str(model_file), "-o", str(path)]) == 0
    out = capsys.readouterr().out
    assert "eigenvalues" in out
    assert len(json.loads(path.read_text())["a"]) == 3
    assert main(["linearize", str(model_file), "--at", "equilibrium"]) == 0
    assert main(["linearize", str(model_file), "--point", "0.1,0,0", "--input", "1"]) == 0


def test_a_linearized_network_compiles_as_a_linear_one(model_file, tmp_path):
    for at in ("origin", "equilibrium"):
        assert main(["compile", str(model_file), "--linearize", at, "-o", str(tmp_path)]) == 0
        assert json.loads((tmp_path / "net.json").read_text())["family"] == "linear"


def test_show_says_what_is_in_a_file(model_file, capsys):
    assert main(["show", str(model_file)]) == 0
    out = capsys.readouterr().out
    for word in ("ctrnn", "states      3", "time const", "sha256", "w_in"):
        assert word in out


@pytest.mark.spice
def test_doctor_examines_what_is_installed(capsys):
    assert main(["doctor"]) == 0
    assert "ngspice" in capsys.readouterr().out


@pytest.mark.spice
def test_demo_verifies_the_shipped_networks(tmp_path, capsys, monkeypatch):
    # Three of them, one of them clocked: test_examples verifies each.
    entries = json.loads((EXAMPLES / "networks.json").read_text())
    few = [e for e in entries if e["name"] in ("rnn_delay", "hopfield_memory", "gru_xor")]
    monkeypatch.setattr("rnn2circuit.demo.list_examples", lambda place: few)
    assert main(["demo", "-o", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    for name in (e["name"] for e in few):
        assert name in out
        for suffix in (".cir", ".tb.cir", ".json", ".report.txt", ".png"):
            assert (tmp_path / "demo" / f"{name}{suffix}").is_file()


BAD = [
    (["verify", "missing.npz"], "missing.npz"),
    (["compile", "net.npz", "--name", "a/b"], "name must be"),
    (["compile", "net.npz", "--hold", "zoh"], "--hold belongs to --stimulus"),
    (["compile", "net.npz", "--stimulus", "none.csv", "--hold", "zoh"], "none.csv"),
    (["compile", "net.npz", "--impedance", "-5"], "impedance must be positive"),
    (["compile", "net.npz", "--seconds-per-unit", "nan"], "seconds_per_unit must be positive"),
    (["linearize", "net.npz", "--point", "1,2"], "--point takes 3 numbers, got 2"),
    (["linearize", "net.npz", "--point", "a,b,c"], "--point takes numbers"),
    (["compile", "net.npz", "--dt", "0.1", "--ncps-parameters", "raw"], "ncps"),
    (["compile", "rnn.pt"], "dt"),
    (["compile", "ltc.pt"], "softplus"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_sentence_exit_code_two_and_nothing_written(
    arguments, message, model_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "rnn_delay.pt", "rnn.pt")
    shutil.copy(EXAMPLES / "ltc_signal.pt", "ltc.pt")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("rnn2circuit: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments", [[], ["fly"], ["verify"], ["compile", "x", "--form", "lc"]])
def test_bad_usage_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_no_simulator_is_an_error_of_its_own(model_file, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert main(["verify", str(model_file), "--simulator", "ngspice"]) == 4
    assert "ngspice" in capsys.readouterr().err


def test_a_long_stage_is_announced(monkeypatch, capsys):
    import time

    from rnn2circuit import cli

    monkeypatch.setattr(cli, "SILENCE", 0.05)
    with cli.progress("thinking") as tell:
        time.sleep(0.5)
        tell("writing")
        time.sleep(0.5)
    err = capsys.readouterr().err
    assert "thinking ..." in err
    assert "writing ..." in err


@pytest.mark.spice
def test_a_netlist_edited_by_hand_is_judged_as_it_stands(model_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compile", str(model_file), "-o", str(out), "--form", "rl"]) == 0
    arguments = ["verify-netlist", str(out / "net.cir"), "--model", str(model_file)]
    assert main(arguments) == 0
    text = (out / "net.cir").read_text()
    (out / "net.cir").write_text(text.replace("ends", "ends") + "* a remark\n")
    capsys.readouterr()
    assert main(arguments) == 0
    assert "was changed after its map" in capsys.readouterr().out
    line = next(x for x in text.splitlines() if x.startswith("g_w_2_1 "))
    broken = line.rsplit(" ", 1)[0] + " " + repr(1.001 * float(line.rsplit(" ", 1)[1]))
    (out / "net.cir").write_text(text.replace(line, broken))
    assert main(arguments) == 1
    assert "_2_1" in capsys.readouterr().out


def test_a_netlist_that_cannot_be_read_is_bad_input(model_file, tmp_path, capsys):
    main(["compile", str(model_file), "-o", str(tmp_path)])
    netlist = tmp_path / "net.cir"
    arguments = ["verify-netlist", str(netlist), "--model", str(model_file)]
    netlist.write_bytes("* é".encode())
    assert main(arguments) == 2
    assert "outside ASCII" in capsys.readouterr().err
    netlist.unlink()
    assert main(arguments) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["compile", "simulate", "verify"])
def test_no_output_overwrites_the_model_it_was_made_from(verb, tmp_path, capsys, monkeypatch):
    model = tmp_path / "net.json"
    save(random_model("ctrnn", 2, 1, seed=2, activations=("tanh",)), model)
    content = model.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main([verb, "net.json", "-o", "."]) == 2
    said = capsys.readouterr().err
    assert "'net.json' would overwrite the model 'net.json'" in said
    assert model.read_bytes() == content
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize("option", ["--stimulus", "--spec", "--targets"])
def test_no_report_overwrites_a_file_that_was_read(option, model_file, tmp_path, capsys):
    read = tmp_path / "read.toml" if option == "--spec" else tmp_path / "read.csv"
    read.write_text("[testbench]\nduration = 1.0\n" if option == "--spec" else "0,0\n1,1\n")
    hold = ["--hold", "linear"] if option == "--stimulus" else []
    arguments = ["verify", str(model_file), option, str(read), "--json", str(read), *hold]
    content = read.read_bytes()
    assert main(arguments) == 2
    assert f"would overwrite the {option[2:]}" in capsys.readouterr().err
    assert read.read_bytes() == content


def test_a_linearization_does_not_overwrite_its_model(tmp_path, capsys):
    model = tmp_path / "net.json"
    save(random_model("ctrnn", 2, 1, seed=2, activations=("tanh",)), model)
    assert main(["linearize", str(model), "-o", str(model)]) == 2
    assert "would overwrite the model" in capsys.readouterr().err


@pytest.mark.spice
def test_a_netlist_that_was_edited_is_not_overwritten(model_file, tmp_path, capsys):
    assert main(["compile", str(model_file), "-o", str(tmp_path)]) == 0
    netlist = str(tmp_path / "net.cir")
    arguments = ["verify-netlist", netlist, "--model", str(model_file), "-o", str(tmp_path)]
    assert main(arguments) == 2
    assert "would overwrite the netlist" in capsys.readouterr().err


@pytest.mark.spice
def test_waveforms_are_written_whole_or_not_at_all(model_file, tmp_path, monkeypatch, capsys):
    def full(descriptor, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rnn2circuit.report.files._write", full)
    assert main(["simulate", str(model_file), "-o", str(tmp_path / "out")]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_a_run_that_is_killed_leaves_whole_files_or_none(delay, model_file, tmp_path):
    out = tmp_path / "out"
    arguments = [sys.executable, "-m", "rnn2circuit", "compile", str(model_file), "-o", str(out)]
    run = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    run.kill()
    run.wait()
    whole = {".cir": ".ends ctrnn_3\n", ".tb.cir": ".end\n", ".json": "}\n"}
    for suffix, end in whole.items():
        file = out / f"net{suffix}"
        assert not file.exists() or file.read_text().endswith(end)


# ngspice, but for transients, which take long.
SLOW = """#!{python}
import os, sys, time
if "--version" in sys.argv or ".tran" not in open(sys.argv[-1]).read():
    os.execv({real!r}, sys.argv)
open(os.path.join({pids!r}, str(os.getpid())), "w").close()
time.sleep(120)
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # What nobody has waited for yet is dead all the same.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# A shell starts what runs in its background deaf to interrupts, and its children after it.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from rnn2circuit.cli import main
sys.exit(main())
"""


@pytest.mark.spice
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at the processes of Linux")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_no_simulator_outlives_a_run_that_is_stopped(number, code, model_file, tmp_path):
    pids, temporary, programs = (tmp_path / name for name in ("pids", "tmp", "bin"))
    for directory in (pids, temporary, programs):
        directory.mkdir()
    slow = programs / "ngspice"
    real = shutil.which("ngspice")
    slow.write_text(SLOW.format(python=sys.executable, pids=str(pids), real=real))
    slow.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "verify", str(model_file)],
        env=os.environ | {"PATH": path, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: len(list(pids.iterdir())) == 2)  # with the step, and with half of it
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()  # nothing, where it has ended
        run.wait()
    assert run.returncode == code
    assert "Traceback" not in said
    wait_until(lambda: not any(is_running(int(p.name)) for p in pids.iterdir()))
    if number != signal.SIGKILL:
        assert not list(temporary.iterdir())


def test_two_runs_in_one_directory_leave_the_files_of_one(model_file, tmp_path):
    out = tmp_path / "out"
    arguments = [sys.executable, "-m", "rnn2circuit", "compile", str(model_file), "-o", str(out)]
    runs = [
        subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(p.name for p in out.iterdir()) == ["net.cir", "net.json", "net.tb.cir"]
    netlist = (out / "net.cir").read_bytes()
    recorded = json.loads((out / "net.json").read_text())["netlist_sha256"]
    assert hashlib.sha256(netlist).hexdigest() == recorded
