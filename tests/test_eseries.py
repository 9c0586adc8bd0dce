"""Preferred values against the standard's own tables and against exhaustive search."""

import numpy as np
import pytest

from rnn2circuit.devices.eseries import (
    LARGEST_BESIDE,
    SERIES,
    best_pair,
    decade,
    nearest,
    nearest_on,
    neighbours_on,
    values_between,
    values_on_offer,
)
from rnn2circuit.errors import NotRealizableError, UsageError

SAME = 1e-12  # two ways to the same sum of floats


def test_the_short_series_are_the_historical_ones():
    assert decade("E6").tolist() == [1.0, 1.5, 2.2, 3.3, 4.7, 6.8]
    assert decade("E12").tolist() == [1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2]
    rule = np.round(10 ** (np.arange(24) / 24), 1)
    off = decade("E24")[decade("E24") != rule]
    assert off.tolist() == [2.7, 3.0, 3.3, 3.6, 3.9, 4.3, 4.7, 8.2]


def test_the_long_series_follow_the_rule_with_one_exception_and_nest():
    assert [len(decade(s)) for s in SERIES] == [6, 12, 24, 48, 96, 192]
    assert decade("E48")[:6].tolist() == [1.0, 1.05, 1.1, 1.15, 1.21, 1.27]
    assert decade("E96")[-4:].tolist() == [9.09, 9.31, 9.53, 9.76]
    long = decade("E192")
    assert 9.2 in long
    assert 9.19 not in long
    assert set(decade("E48")) < set(decade("E96")) < set(long)
    rule = np.round(10 ** (np.arange(192) / 192), 2)
    assert int(np.sum(long != rule)) == 1
    for series in SERIES:
        assert np.all(np.diff(decade(series)) > 0)


def test_values_are_the_floats_of_their_decimals():
    grid = values_between("E12", 1e-9, 1e-8)
    assert grid.tolist() == [float(f"{m}e-9") for m in decade("E12")] + [1e-8]


def test_nearest_has_the_least_ratio():
    rng = np.random.default_rng(0)
    values = 10 ** rng.uniform(1, 5, 400)
    for series in SERIES:
        grid = values_between(series, 1.0, 1e7)
        got = nearest(series, values, low=1.0, high=1e7)
        best = np.abs(np.log(grid[:, None] / values)).min(axis=0)
        np.testing.assert_allclose(np.abs(np.log(got / values)), best, rtol=1e-9, atol=SAME)
    assert nearest("E96", np.array([0.1, 1e9]), low=10.0, high=1e6).tolist() == [10.0, 1e6]


def test_neighbours_surround_a_value():
    grid = values_between("E12", 10.0, 1000.0)
    assert neighbours_on(grid, 50.0).tolist() == [39.0, 47.0, 56.0, 68.0]
    assert neighbours_on(grid, 1.0).tolist() == [10.0, 12.0, 15.0]
    assert neighbours_on(grid, 9e9).tolist() == [680.0, 820.0, 1000.0]


@pytest.mark.parametrize("part", ["resistor", "capacitor"])
@pytest.mark.parametrize("arrangements", ["series", "parallel", "either"])
def test_the_best_pair_is_the_best_of_all_pairs(part, arrangements):
    rng = np.random.default_rng(7)
    grid = values_between("E12", 10.0, 1e5)
    total, shared = grid[:, None] + grid, grid[:, None] * grid / (grid[:, None] + grid)
    adds = "series" if part == "resistor" else "parallel"
    for value in 10 ** rng.uniform(2, 4, 60):
        options = [grid.ravel()]
        if arrangements in ("either", adds):
            options.append(total.ravel())
        if arrangements != adds:
            options.append(shared.ravel())
        best = np.abs(np.log(np.concatenate(options) / value)).min()
        pair = best_pair("E12", value, part=part, arrangements=arrangements, low=10.0, high=1e5)
        assert abs(np.log(pair.value / value)) == pytest.approx(best, rel=1e-6, abs=SAME)
        a, b = pair.first, pair.second
        if pair.arrangement == "single":
            assert b is None
            assert pair.value == a
        else:
            together = a + b if pair.arrangement == adds else a * b / (a + b)
            assert pair.value == pytest.approx(together, rel=SAME)


def test_what_is_on_offer_is_what_the_best_pair_is_chosen_from():
    rng = np.random.default_rng(8)
    low, high = 10.0, 1e6
    pairs = values_on_offer("E24", pairs=True, low=low, high=high)
    assert np.all(np.diff(pairs) > 0)
    for value in 10 ** rng.uniform(1.1, 5.9, 100):
        best = best_pair("E24", value, low=low, high=high).value
        assert nearest_on(pairs, np.array([value]))[0] == pytest.approx(best, rel=SAME)
    for value in (4.7031e7, 3.3e9):  # no part of 60 Gohm beside one of 47 Mohm
        found = best_pair("E24", value, low=1.0, high=1e12)
        assert found.arrangement != "parallel" or found.first <= LARGEST_BESIDE
        around = nearest_on(values_on_offer("E24", pairs=True, low=1.0, high=1e12), [value])
        assert around[0] == pytest.approx(found.value, rel=SAME)
    singles = values_on_offer("E24", pairs=False, low=low, high=high)
    assert singles.tolist() == values_between("E24", low, high).tolist()


def test_pairs_of_e96_come_within_a_fiftieth_of_a_percent():
    rng = np.random.default_rng(2)
    values = 10 ** rng.uniform(3, 5, 300)
    worst = max(abs(np.log(best_pair("E96", v).value / v)) for v in values)
    assert worst < 2e-4


def test_what_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="series must be one of"):
        decade("E13")
    with pytest.raises(UsageError, match="low <= high"):
        values_between("E12", 5.0, 1.0)
    with pytest.raises(NotRealizableError, match="no value"):
        values_between("E6", 1.1, 1.2)
    with pytest.raises(UsageError, match="positive"):
        nearest("E12", np.array([-1.0]), low=1.0, high=10.0)
    with pytest.raises(UsageError, match="part must"):
        best_pair("E12", 1.0, part="coil")
    with pytest.raises(UsageError, match="arrangements"):
        best_pair("E12", 1.0, arrangements="star")
