"""Realistic levels in forms and couplings that are rarer: currents as states, gyrators."""

import re

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow import compile_model, verify_compiled
from rnn2circuit.models import Linear
from rnn2circuit.stimulus import PwlStimulus

BOUNDED = ("tanh", "logistic")

spice = pytest.mark.spice


def stepped():
    """A stimulus with corners, from a value that is not zero."""
    t = np.array([0.0, 2.0, 2.5, 6.0, 9.0])
    return PwlStimulus(times=t, values=np.array([[0.4], [0.4], [-0.7], [0.2], [1.0]]))


@spice
@pytest.mark.parametrize("level", ["macro", "device"])
def test_a_linear_network_of_currents_starts_where_it_should_and_follows_corners(level):
    model = Linear(
        a=np.array([[-1.0, 1.3, 0.0], [-0.9, -0.7, 0.4], [0.3, -0.2, -1.5]]),
        b=np.array([[1.0], [-0.5], [0.2]]),
        x0=np.array([0.5, -0.3, 0.2]),
    )
    compiled = compile_model(model, level=level, form="rl", stimulus=stepped(), duration=9.0)
    assert re.search(r"^\.tran .* uic$", compiled.testbench, re.M)
    coils = [line for line in compiled.netlist.splitlines() if line.startswith("l_coil")]
    assert len(coils) == 3
    assert all(re.search(r" ic=-?\d", line) for line in coils)
    result = verify_compiled(compiled)
    assert result.passed, result.report


@spice
@pytest.mark.parametrize("family", ["stc", "energy"])
def test_gated_networks_of_currents_are_verified_with_parts(family):
    model = random_model(family, 2, 1, 1, activations=BOUNDED)
    result = verify_compiled(compile_model(model, level="macro", form="rl"))
    assert result.passed, result.report


@spice
@pytest.mark.parametrize("family", ["ltc", "stc"])
def test_conductances_between_states_stay_gyrators_with_parts(family):
    model = random_model(family, 2, 1, 1, activations=BOUNDED)
    compiled = compile_model(model, level="macro", coupling="gyrator", duration=6.0)
    result = verify_compiled(compiled)
    assert result.passed, result.report


@pytest.mark.parametrize("family", ["ctrnn", "hopfield", "lem", "gru_ode"])
def test_sums_of_gyrators_have_no_part_and_say_so(family):
    model = random_model(family, 2, 1, 1, activations=BOUNDED)
    with pytest.raises(NotRealizableError, match="no realistic part for CurrentMirrors"):
        compile_model(model, level="macro", coupling="gyrator")
