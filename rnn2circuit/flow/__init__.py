"""The stages in order, for Python users: compile, simulate, verify. Nothing else lives here."""

from rnn2circuit.flow.analyze import analyze_model
from rnn2circuit.flow.compile import (
    TOOL_VERSION,
    Accuracy,
    Compiled,
    Level,
    adopt_netlist,
    compile_model,
)
from rnn2circuit.flow.layers import SEED, Limits, limits_for, usual_limits
from rnn2circuit.flow.noise import simulate_noise
from rnn2circuit.flow.run import Simulation, simulate
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.flow.values import Values
from rnn2circuit.flow.verify import Verification, verify_compiled, verify_model

__all__ = [
    "SEED",
    "TOOL_VERSION",
    "Accuracy",
    "Compiled",
    "Level",
    "Limits",
    "Simulation",
    "Values",
    "Verification",
    "adopt_netlist",
    "analyze_model",
    "analyze_tolerance",
    "compile_model",
    "limits_for",
    "simulate",
    "simulate_noise",
    "usual_limits",
    "verify_compiled",
    "verify_model",
]
