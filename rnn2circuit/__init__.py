"""Compile trained recurrent networks to analog circuits, and prove the netlists.

The stages, in order::

    import rnn2circuit as r2c

    model = r2c.load("ctrnn.npz")
    compiled = r2c.compile_model(model, form="rc", coupling="vccs")
    compiled.write("out")
    result = r2c.verify_model(model)
    print(result.verdict)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnn2circuit.flow import (
        Compiled,
        Limits,
        Simulation,
        Values,
        Verification,
        adopt_netlist,
        analyze_model,
        analyze_tolerance,
        compile_model,
        simulate,
        verify_compiled,
        verify_model,
    )
    from rnn2circuit.linearize import (
        continue_equilibrium,
        error_bound,
        find_equilibria,
        find_equilibrium,
        linearize,
        simulated_error,
        to_control,
        validity_radius,
    )
    from rnn2circuit.models import (
        Ctrnn,
        Elman,
        Energy,
        EnergyMap,
        Gru,
        GruOde,
        HodgkinHuxley,
        Hopfield,
        Lem,
        LemCell,
        LemTwoScale,
        Linear,
        Lrc,
        Lrcu,
        Lstm,
        Ltc,
        Stack,
        Stc,
    )
    from rnn2circuit.models.io import load, save
    from rnn2circuit.stimulus import PwlStimulus, SineStimulus, hold_samples, load_stimulus
    from rnn2circuit.synthesis.passivity import passivate
    from rnn2circuit.verify.budget import ErrorBudget
    from rnn2circuit.verify.checks import Check, Report, Verdict
    from rnn2circuit.verify.task import Task, load_targets

# Where each public name lives. They load when first used, so that importing the package costs
# nothing and a user of the models alone never loads a simulator.
_HOMES = {
    "Check": "verify.checks",
    "Compiled": "flow",
    "Ctrnn": "models",
    "Elman": "models",
    "Energy": "models",
    "EnergyMap": "models",
    "ErrorBudget": "verify.budget",
    "Gru": "models",
    "GruOde": "models",
    "HodgkinHuxley": "models",
    "Hopfield": "models",
    "Lem": "models",
    "LemCell": "models",
    "LemTwoScale": "models",
    "Limits": "flow",
    "Linear": "models",
    "Lrc": "models",
    "Lrcu": "models",
    "Lstm": "models",
    "Ltc": "models",
    "PwlStimulus": "stimulus",
    "Report": "verify.checks",
    "Simulation": "flow",
    "SineStimulus": "stimulus",
    "Stack": "models",
    "Stc": "models",
    "Task": "verify.task",
    "Values": "flow",
    "Verdict": "verify.checks",
    "Verification": "flow",
    "adopt_netlist": "flow",
    "analyze_model": "flow",
    "analyze_tolerance": "flow",
    "compile_model": "flow",
    "continue_equilibrium": "linearize",
    "error_bound": "linearize",
    "find_equilibria": "linearize",
    "find_equilibrium": "linearize",
    "hold_samples": "stimulus",
    "linearize": "linearize",
    "load": "models.io",
    "load_stimulus": "stimulus",
    "load_targets": "verify.task",
    "passivate": "synthesis.passivity",
    "save": "models.io",
    "simulate": "flow",
    "simulated_error": "linearize",
    "to_control": "linearize",
    "validity_radius": "linearize",
    "verify_compiled": "flow",
    "verify_model": "flow",
}

__all__ = [
    "Check",
    "Compiled",
    "Ctrnn",
    "Elman",
    "Energy",
    "EnergyMap",
    "ErrorBudget",
    "Gru",
    "GruOde",
    "HodgkinHuxley",
    "Hopfield",
    "Lem",
    "LemCell",
    "LemTwoScale",
    "Limits",
    "Linear",
    "Lrc",
    "Lrcu",
    "Lstm",
    "Ltc",
    "PwlStimulus",
    "Report",
    "Simulation",
    "SineStimulus",
    "Stack",
    "Stc",
    "Task",
    "Values",
    "Verdict",
    "Verification",
    "adopt_netlist",
    "analyze_model",
    "analyze_tolerance",
    "compile_model",
    "continue_equilibrium",
    "error_bound",
    "find_equilibria",
    "find_equilibrium",
    "hold_samples",
    "linearize",
    "load",
    "load_stimulus",
    "load_targets",
    "passivate",
    "save",
    "simulate",
    "simulated_error",
    "to_control",
    "validity_radius",
    "verify_compiled",
    "verify_model",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rnn2circuit' has no attribute {name!r}")
    return getattr(import_module(f"rnn2circuit.{home}"), name)


class _Package(ModuleType):
    """The package itself, whose verbs `linearize` and `simulate` are also names of subpackages.

    The import system binds a subpackage to its name in the parent when it is first imported;
    here those names stay functions. ``from rnn2circuit.linearize import ..`` is not affected.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
