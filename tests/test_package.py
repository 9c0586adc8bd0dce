import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import rnn2circuit

ROOT = Path(__file__).parent.parent
HEAVY = ("control", "sympy", "matplotlib", "lcapy", "PySpice", "neospice", "torch")


def test_importing_the_package_loads_nothing_heavy():
    names = ", ".join(repr(name) for name in HEAVY)
    script = f"import rnn2circuit, sys; print([n for n in ({names}) if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_verbs_are_functions_whatever_was_imported_before():
    script = (
        "import rnn2circuit.linearize.statespace, rnn2circuit.simulate.interface;"
        "import rnn2circuit as r2c;"
        "print(all(callable(getattr(r2c, n)) for n in r2c.__all__))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bake'"):
        _ = rnn2circuit.bake


@pytest.mark.skipif(
    "RNN2CIRCUIT_INSTALLED" not in os.environ, reason="only where the wheel is installed"
)
def test_the_tests_run_against_the_installed_wheel():
    assert "site-packages" in str(rnn2circuit.__file__)
    assert any(e.value == "rnn2circuit.pytest_plugin" for e in entry_points(group="pytest11"))


def test_the_core_never_imports_what_is_under_gpl():
    """One program does, which runs by itself for those who name it; no module imports it."""
    child = "pyspice_child.py"
    for path in (ROOT / "rnn2circuit").rglob("*.py"):
        text = path.read_text()
        within = r"^" if path.name == child else r"^\s*"  # there inside of a function
        assert not re.search(within + r"(import|from) (PySpice|InSpice|spicelib)", text, re.M)
    script = "import sys; from rnn2circuit.simulate.pyspice import PySpice as P;"
    script += "P().is_available(); print('PySpice' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_no_asserts_guard_user_input_in_the_package():
    for path in (ROOT / "rnn2circuit").rglob("*.py"):
        assert not re.search(r"^\s*assert ", path.read_text(), re.M), path


def test_every_family_is_a_public_name():
    from rnn2circuit.models import FAMILIES

    assert all(getattr(rnn2circuit, kind.__name__) is kind for kind in FAMILIES.values())
