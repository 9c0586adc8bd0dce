"""The simulators there are, by name."""

from collections.abc import Callable, Mapping

from rnn2circuit.errors import SimulationError, UsageError
from rnn2circuit.simulate.gnucap import Gnucap
from rnn2circuit.simulate.interface import Simulator
from rnn2circuit.simulate.neospice import Neospice
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.simulate.pyspice import PySpice

# In order of preference: a separate program with its own release cycle before the embedded engine.
PREFERRED: Mapping[str, Callable[[], Simulator]] = {"ngspice": Ngspice, "neospice": Neospice}

# PySpice is under GPL-3: it runs for those who name it.
SIMULATORS: Mapping[str, Callable[[], Simulator]] = {**PREFERRED, "pyspice": PySpice}

# Those that may look at the same netlist besides: gnucap reads linear ones only.
CROSS_SIMULATORS: Mapping[str, Callable[[], Simulator]] = {"gnucap": Gnucap, "neospice": Neospice}


def simulator_named(name: str | None) -> Simulator:
    """The simulator of that name, or the first that is installed.

    Raises
    ------
    UsageError
        If there is none of that name.
    SimulationError
        If it, or without a name any, is not installed.
    """
    if name is not None:
        if name not in SIMULATORS:
            raise UsageError(f"simulator must be one of {', '.join(SIMULATORS)}, got {name!r}")
        program = SIMULATORS[name]()
        program.version()  # says what to do where it is missing
        return program
    for make in PREFERRED.values():
        program = make()
        if program.is_available():
            return program
    raise SimulationError(
        "no simulator is installed: install the package ngspice, or pip install neospice"
    )
