"""Passivity verdicts, each proved again here with fractions by other means than the package's."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import rnn2circuit as r2c
from rnn2circuit.errors import ModelError
from rnn2circuit.synthesis.exact import as_integers, inertia, is_semidefinite, product
from rnn2circuit.synthesis.passivity import (
    count_negative_resistors,
    passivate,
    proves_impossible,
    proves_passive,
)

DATA = Path(__file__).parent / "data"
LAST_BIT = 1e-14  # of entries near 1: what floating-point products may be off
HAIR = 1e-6  # of the largest eigenvalue: far above the rounding of a 6 x 6 matrix
PASSIVE = ("passive", "scalable")
REFUSED = ("impossible", "unstable")


def fractions(matrix):
    return [[Fraction(float(v)) for v in row] for row in matrix]


def exact_negative_pivots(m):
    """Signs of the pivots of LDL^T in fractions; None at a zero pivot, which needs another test."""
    m, count = [row[:] for row in m], 0
    for k in range(len(m)):
        if m[k][k] == 0:
            return None
        count += m[k][k] < 0
        for i in range(k + 1, len(m)):
            ratio = m[i][k] / m[k][k]
            for j in range(k, len(m)):
                m[i][j] -= ratio * m[k][j]
    return count


def exactly_dissipative(a, d):
    """-(DA + A^T D) positive definite, and d positive: by elimination in fractions."""
    a, d = fractions(a), [Fraction(float(v)) for v in d]
    n = len(d)
    m = [[-(d[i] * a[i][j] + d[j] * a[j][i]) for j in range(n)] for i in range(n)]
    return min(d) > 0 and exact_negative_pivots(m) == 0


def exactly_refuted(a, g):
    """(A G G^T)_kk never negative and somewhere positive, in fractions."""
    a, g = fractions(a), fractions(g)
    n, r = len(a), len(g[0])
    diagonal = []
    for k in range(n):
        row = [sum(a[k][j] * g[j][c] for j in range(n)) for c in range(r)]
        diagonal.append(sum(row[c] * g[k][c] for c in range(r)))
    return min(diagonal) >= 0 and max(diagonal) > 0


def gaussian(n, gain, seed):
    rng = np.random.default_rng(seed)
    return -np.eye(n) + gain * rng.standard_normal((n, n)) / np.sqrt(n)


def dale(n, gain, seed):
    """Excitatory and inhibitory columns, four to one, of spectral radius `gain`."""
    rng = np.random.default_rng(seed)
    w = np.abs(rng.standard_normal((n, n)))
    w[:, int(0.8 * n) :] *= -4
    return -np.eye(n) + gain * w / np.abs(np.linalg.eigvals(w)).max()


def cyclic(gains):
    """x1' = -x1 - g1 xn, xk' = -xk + gk x(k-1): the secant criterion knows its answer."""
    n = len(gains)
    a = -np.eye(n)
    a[0, -1] = -gains[0]
    a[np.arange(1, n), np.arange(n - 1)] = gains[1:]
    return a


def check(a):
    """The verdict on `a`, its proof checked in fractions."""
    verdict = passivate(a)
    if verdict.status in PASSIVE:
        assert verdict.proved
        assert verdict.is_passive
        assert exactly_dissipative(a, verdict.d)
        assert verdict.certificate is None
        assert verdict.scaled_negative_resistors == 0
    elif verdict.status in REFUSED:
        assert verdict.proved
        assert not verdict.is_passive
        assert exactly_refuted(a, verdict.certificate)
        x = verdict.x
        np.testing.assert_array_equal(x, x.T)
        assert np.linalg.eigvalsh(x)[0] >= -LAST_BIT * np.linalg.eigvalsh(x)[-1]
    return verdict


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_the_secant_criterion_divides_cyclic_networks_into_scalable_and_impossible(n):
    """M. Arcak & E. Sontag, Automatica 42, 2006: scalable iff prod gains < sec(pi / n)^n."""
    rng = np.random.default_rng(n)
    gains = np.exp(rng.uniform(-1, 1, n))
    threshold = 1 / np.cos(np.pi / n) ** n
    for factor, expected in ((0.98, "scalable"), (1.02, REFUSED)):
        scaled = gains * (factor * threshold / np.prod(gains)) ** (1 / n)
        verdict = check(cyclic(scaled))
        assert verdict.status in expected, factor
        if factor < 1:
            assert verdict.capacitor_spread > 1


def test_random_networks_are_decided_one_way_or_the_other_and_proved():
    seen = {}
    for seed in range(60):
        n = (2, 3, 5, 8, 12)[seed % 5]
        verdict = check(gaussian(n, (0.5, 0.8, 0.95, 1.3)[seed % 4], seed))
        seen[verdict.status] = seen.get(verdict.status, 0) + 1
    assert "marginal" not in seen
    assert all(seen.get(status, 0) >= 3 for status in (*PASSIVE, "unstable"))
    assert seen.get("impossible", 0) >= 1


def test_a_network_under_dales_law_is_stable_and_cannot_be_passive():
    verdict = check(dale(20, 0.8, 1))
    assert verdict.status == "impossible"
    assert verdict.spectral_abscissa < 0
    assert verdict.negative_resistors >= verdict.scaled_negative_resistors >= 1


def test_the_trained_flip_flop_cannot_be_passive_at_its_memories_and_the_delay_can():
    flip_flop = r2c.load(DATA / "flipflop_rnn.npz")
    assert passivate(r2c.linearize(flip_flop, at="origin").model.a).status == "unstable"
    stable = [e for e in r2c.find_equilibria(flip_flop) if e.stability == "stable"]
    assert stable
    a = flip_flop.jacobian(stable[0].x, np.zeros(2))
    verdict = check(a)
    assert verdict.status == "impossible"
    assert verdict.spectral_abscissa < 0
    delay = r2c.load(DATA / "delay_rnn.npz")
    assert check(r2c.linearize(delay, at="origin").model.a).status == "passive"


def test_a_chain_needs_a_large_spread_of_capacitors_and_gets_it():
    a = -np.eye(8) + np.diag(np.full(7, 3.0), -1)
    verdict = check(a)
    assert verdict.status == "scalable"
    # Two states already need (w / 2)^2 between neighbours: Sylvester on the 2 x 2 block.
    ratio = verdict.d[:-1] / verdict.d[1:]
    assert np.all(ratio > (3.0 / 2) ** 2)


def test_two_states_are_scalable_exactly_where_the_formula_says():
    """[[-1, p], [-q, -1]]: d exists iff the matrix is Hurwitz; pq > 0 always. With same signs
    pq < 1."""
    for product_pq, status in ((0.9, PASSIVE), (1.1, ("unstable",))):
        a = np.array([[-1.0, 10.0], [product_pq / 10.0, -1.0]])
        assert check(a).status in status
    assert check(np.array([[-1.0, 10.0], [-0.4, -1.0]])).status == "scalable"


@pytest.mark.parametrize(
    ("a", "status"),
    [
        ([[0.0]], "passive"),  # an integrator: nothing dissipates, nothing is fed in
        ([[0.0, 1.0], [-1.0, 0.0]], "passive"),  # an LC tank
        ([[0.0, 2.0], [-1.0, 0.0]], "scalable"),  # an LC tank with L unlike C
        ([[-1.0, -1.0], [-1.0, -1.0]], "passive"),  # singular: one common resistor
        ([[1.0]], "unstable"),
        ([[-1.0, 0.0], [0.0, 1.0]], "unstable"),  # a part that grows beside one that does not
        ([[-1.0, 5.0, 0.0], [0.0, -1.0, 0.0], [7.0, 0.0, 1e-3]], "unstable"),
    ],
)
def test_boundary_cases_are_decided_exactly(a, status):
    assert passivate(a).status == status


def test_a_part_that_cannot_be_passive_condemns_the_whole_that_it_drives():
    bad = dale(8, 0.9, 4)
    a = -np.eye(11)
    a[:8, :8] = bad
    a[8:, 0] = 3.0
    assert passivate(bad).status == "impossible"
    assert check(a).status == "impossible"


def test_voltage_scaling_and_units_do_not_change_the_verdict():
    rng = np.random.default_rng(5)
    for seed, gain in ((1, 0.7), (2, 0.95), (3, 1.4)):
        a = gaussian(6, gain, seed)
        s = np.exp2(rng.integers(-20, 20, 6))  # exact similarity
        scaled = a * s / s[:, None]
        same, fast = check(scaled), check(a * 2.0**40)
        plain = check(a)
        proper = PASSIVE if plain.status in PASSIVE else (plain.status,)
        assert same.status in proper
        assert fast.status == plain.status


def test_a_hair_on_either_side_of_the_boundary_is_told_apart():
    """-(A + A^T) has the smallest eigenvalue 2 h."""
    rng = np.random.default_rng(8)
    q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    for h, passive in ((HAIR, True), (-HAIR, False)):
        a = -(q * np.array([h, 1, 2, 3, 4, 5])) @ q.T
        a = (a + a.T) / 2
        assert proves_passive(a, np.ones(6)) is passive
        assert count_negative_resistors(a, np.ones(6)) == (0 if passive else 1)


def test_a_wrong_scaling_or_certificate_is_not_accepted():
    a = np.array([[-1.0, 10.0], [-0.4, -1.0]])
    assert not proves_passive(a, np.ones(2))
    assert not proves_passive(a, np.array([1.0, -1.0]))
    assert not proves_passive(a, np.array([1.0, 0.0]))
    rng = np.random.default_rng(0)
    for _ in range(20):  # a passive network has no certificate
        assert not proves_impossible(a, rng.standard_normal((2, 2)))
    assert not proves_impossible(a, np.zeros((2, 1)))


def test_256_states_are_decided_and_proved():
    """How long it takes is in docs/passivity.md."""
    verdict = passivate(gaussian(256, 0.72, 1))
    assert verdict.status == "scalable"
    assert verdict.negative_resistors >= 1


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(3), [[np.nan]], np.zeros((0, 0))])
def test_what_is_no_square_matrix_is_refused(bad):
    with pytest.raises(ModelError, match=r"square|finite"):
        passivate(bad)


def test_integers_of_floats_are_exact_over_the_whole_range():
    values = np.array([[1.0, -0.1, 5e-324], [1.7976931348623157e308, 0.0, -3.0]])
    whole, exponent = as_integers(values)
    for got, want in zip(whole.ravel(), values.ravel(), strict=True):
        assert Fraction(got) * Fraction(2) ** exponent == Fraction(float(want))
    assert as_integers(np.zeros((2, 2)))[0].tolist() == [[0, 0], [0, 0]]


def test_products_of_integers_are_exact_whatever_their_length():
    rng = np.random.default_rng(1)
    for bits in (3, 30, 200):
        left = np.array([[int(rng.integers(-9, 9)) << int(rng.integers(bits)) for _ in range(5)]])
        right = np.array([[int(rng.integers(-99, 99)) ** 5] for _ in range(5)], dtype=object)
        left = left.astype(object)
        assert product(left, right)[0, 0] == sum(
            a * b for a, b in zip(left[0], right[:, 0], strict=True)
        )


def test_inertia_agrees_with_elimination_in_fractions_and_never_guesses_the_singular():
    rng = np.random.default_rng(3)
    for n in (1, 2, 5, 9):
        for _ in range(8):
            m = rng.integers(-50, 50, (n, n))
            m = (m + m.T).astype(object)
            wanted = exact_negative_pivots([[Fraction(int(v)) for v in row] for row in m])
            if wanted is not None:
                assert inertia(m) == (n - wanted, wanted)
            ones = rng.integers(-9, 9, (n, max(1, n - 1))).astype(object)
            gram = ones @ ones.T  # singular for n > 1
            if n > 1:
                assert inertia(gram) is None
            assert is_semidefinite(gram)
            gram[0, 0] -= int(sum(v * v for v in ones[0])) + 1
            assert not is_semidefinite(gram)
