"""Options and fixtures that every test file may use."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

NETLISTS = Path(__file__).parent.parent / "netlists"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--spice",
        choices=["required", "if-available", "off"],
        default=os.environ.get("RNN2CIRCUIT_SPICE", "if-available"),
        help="what tests do that need ngspice: fail without it, skip without it, or skip",
    )
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the committed netlists of netlists/"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mode = config.getoption("--spice")
    if mode == "required" or (mode == "if-available" and shutil.which("ngspice")):
        return
    reason = "--spice=off" if mode == "off" else "ngspice is not installed (--spice=required fails)"
    for item in items:
        if "spice" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a file of netlists/, byte for byte."""

    def check(name: str, text: str) -> None:
        path = NETLISTS / name
        if request.config.getoption("--update-golden"):
            path.write_bytes(text.encode())
        stale = f"{path.name} is stale; if the change is meant, run pytest --update-golden"
        assert path.read_bytes() == text.encode(), stale

    return check
