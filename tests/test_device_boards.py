"""Boards of transistors: offsets, spread, trims, temperature and which part matters."""

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit.flow import compile_model
from rnn2circuit.flow.tolerance import analyze_tolerance
from rnn2circuit.lowering.spread import SPREADS, Spread

# Between shifts of one part at both levels: transistors have 2 % less gain and slope.
SHIFTS_AGREE = 0.1
WITHIN_ONE_RUN = 0.02  # of the largest shift: below, solver noise is as large as the difference
# By which legs that follow the temperature improve a corner, at the least: what is left is the
# drift of bias pins, and that of sums whose weights are nearly all of the conductance.
PTAT_GAIN = 4.0

pytestmark = pytest.mark.spice


def compiled_at(level, family="ctrnn", n=2, **options):
    if family == "elman":
        return compile_model(random_cell(family, n, 1, 1), level=level, duration=6)
    model = random_model(family, n, 1, 1, activations=("tanh", "logistic"))
    return compile_model(model, level=level, duration=4.0, **options)


@pytest.mark.parametrize("family", ["ctrnn"])
def test_a_part_moves_transistors_as_far_as_macromodels(family):
    """Macromodels are the oracle: one formula, against fourteen transistors per stage."""
    spread = Spread(resistor=1e-3, ota_offset=1e-4, ota_gain=1e-3, opamp_offset=1e-4)
    found = {
        level: analyze_tolerance(
            compiled_at(level, family, **options), spread=spread, runs=0, sensitivity=True
        ).sensitivity
        for level, options in (("macro", {}), ("device", {"calibrated": False}))
    }
    shifts = {
        level: {part.name: part.shift for part in ranking.parts} for level, ranking in found.items()
    }
    largest = max(shifts["macro"].values())
    offsets = 0
    for name, shift in shifts["macro"].items():
        assert shifts["device"][name] == pytest.approx(
            shift, rel=SHIFTS_AGREE, abs=WITHIN_ONE_RUN * largest
        ), name
        offsets += name.startswith("x_stage") and name.endswith("offset")
    assert offsets > 0  # transistors have their offsets


@pytest.mark.parametrize("family", ["ctrnn", "elman"])
def test_boards_of_transistors_are_trimmed_and_follow_the_temperature(family):
    found = analyze_tolerance(
        compiled_at("device", family),
        spread=SPREADS["1%"],
        runs=3,
        trims=("offset", "gain", "tau", "legs", "weights"),
        temperatures=(0, 27, 70),
        ptat=True,
    )
    first, *_, last = (np.median(rung.values) for rung in found.rungs)
    assert all(not rung.failures for rung in found.rungs)
    assert last < first / 3
    at = {(corner.celsius, corner.ptat): corner.outcome.nrmse for corner in found.corners}
    assert at[27, False] == pytest.approx(found.nominal.nrmse, rel=1e-6)
    assert found.nominal.nrmse < 1e-2
    for celsius in (0, 70):
        assert at[celsius, True] < at[celsius, False] / PTAT_GAIN
