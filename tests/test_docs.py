"""Every code block of the README and the docs runs."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from rnn2circuit.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- ci: \w+ -->\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
# What a reader calls their own files, and the shipped ones that stand for them.
STAND_INS = {
    "model.npz": "ctrnn_cycle.npz",
    "rnn.pt": "rnn_delay.pt",
    "ltc.pt": "ltc_signal.pt",
    "gru.pt": "../tests/data/torch_gru.pt",
    "lstm.weights.h5": "../tests/data/keras_lstm_2.weights.h5",
    "lstm.onnx": "../tests/data/onnx_lstm_2.onnx",
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A directory as a reader has it: the examples, and files of their own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name, source in STAND_INS.items():
        shutil.copy(ROOT / "examples" / source, tmp_path / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "step.csv").write_text("0,0\n1,1\n")
    monkeypatch.chdir(tmp_path)


def blocks(page, language):
    # Blocks with a ci marker are whole installations: the CI script runs those.
    found = BLOCK.findall(page.read_text())
    return [text for marker, kind, text in found if kind == language and not marker]


def test_every_block_is_of_a_kind_that_is_run():
    known = {"python", "sh", "toml", "{toctree}", "{eval-rst}"}
    for page in PAGES:
        for fence in re.findall(r"^```(\S+)$", page.read_text(), re.M):
            assert fence in known, (page.name, fence)


@pytest.mark.spice
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_python_blocks_of_a_page_run_in_order(page, reader):
    namespace: dict[str, object] = {}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), namespace)


@pytest.mark.spice
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_commands_of_a_page_run(page, reader, capsys):
    for text in blocks(page, "toml"):
        Path("spec.toml").write_text(text)
    for text in blocks(page, "sh"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "rnn2circuit", line
                assert main(words[1:]) == 0, (line, capsys.readouterr())


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.spice
def test_the_commands_of_the_workflow_run(reader, capsys):
    Path("spec.toml").write_text("[testbench]\nduration = 1.0\n")
    commands = re.findall(r"run: (rnn2circuit .*)", (ROOT / "docs" / "workflow.yml").read_text())
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr()
    assert Path("summary.md").read_text().startswith("### PASS")
