"""Families written by a user in one file: the six benchmark systems of Farsang et al. (2024).

Appendix A.4.1; the paper's text lost its minus signs in places, here they are those of the
well-known systems.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from rnn2circuit.errors import NotRealizableError, UsageError
from rnn2circuit.flow import compile_model, verify_model
from rnn2circuit.models.base import AbstractModel
from rnn2circuit.synthesis.blocks import inject, products, stages, sum_nodes
from rnn2circuit.synthesis.relaxation import relaxation

DEFAULT = 1e-4  # worst state, parts of its range
EXACT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planar(AbstractModel):
    """``x' = sum of coefficients times monomials`` in two states (x, y), and radius terms.

    `terms` maps a monomial (powers of x, y and r = sqrt(x^2 + y^2)) to its coefficients.
    """

    family: ClassVar[str] = "planar"

    terms: tuple[tuple[tuple[int, int, int], tuple[float, float]], ...]

    n_states = property(lambda self: 2)
    n_inputs = property(lambda self: 0)
    # The radius has no slope at the origin.
    is_smooth = property(lambda self: not any(powers[2] for powers, _ in self.terms))

    def without_input_map(self):
        return self

    def _rhs(self, x, u):
        r = np.hypot(x[..., 0], x[..., 1])
        total = 0.0
        for (i, j, k), coefficient in self.terms:
            value = x[..., 0] ** i * x[..., 1] ** j * r**k
            total = total + value[..., None] * np.array(coefficient)
        return total

    def _jacobian(self, x, u):
        r = np.hypot(*x)
        out = np.zeros((2, 2))
        for (i, j, k), coefficient in self.terms:
            rest = x[0] ** i * x[1] ** j
            by_x = i * x[0] ** max(i - 1, 0) * x[1] ** j * r**k
            by_y = j * x[0] ** i * x[1] ** max(j - 1, 0) * r**k
            if k:
                by_x, by_y = by_x + rest * k * x[0] / r, by_y + rest * k * x[1] / r
            out += np.outer(coefficient, [by_x, by_y])
        return out

    def _input_jacobian(self, x, u):
        return np.zeros((2, 0))


def realize_planar(b, model, *, form, coupling, scaling, inputs):
    """Every monomial by multipliers, the radius by a square-root stage."""
    states = relaxation(
        b,
        form=form,
        rate=np.zeros(2),
        weights=np.ones(2),
        x0=model.initial_state,
        scaling=scaling,
    )
    volt = scaling.volts_per_unit
    base = {"x": states.shown[:1], "y": states.shown[1:]}
    if any(powers[2] for powers, _ in model.terms):
        squares = [products(b, f"q{n}", "a square", a=net, c=net) for n, net in base.items()]
        total = sum_nodes(b, "rr", 1, scaling)
        for n, net in zip("xy", squares, strict=True):
            gm = np.array([[1 / scaling.impedance]])
            inject(b, f"rr{n}", "squares, summed", out=total, control=net, gm=gm)
        base["r"] = stages(
            b, "rad", "radius", control=total, activation="sqrt", used=np.array([True])
        )
    for number, ((i, j, k), coefficient) in enumerate(model.terms):
        factors = (
            [base["x"]] * i + [base["y"]] * j + [base["r"]] * k
            if k
            else ([base["x"]] * i + [base["y"]] * j)
        )
        net, tag = factors[0], "abcdefgh"[number]
        for depth, factor in enumerate(factors[1:]):
            net = products(b, f"m{tag}{'pq'[depth]}", "a monomial", a=net, c=factor)
        gm = states.amperes_per_rate[:, None] * np.array(coefficient)[:, None] / volt ** (i + j + k)
        inject(b, f"t{tag}", "coefficients", out=states.drive, control=net, gm=gm)
    return states


SYSTEMS = {
    "sinusoid": [
        ((1, 0, 0), (1, 1)),
        ((0, 1, 0), (-1, 1)),
        ((1, 0, 1), (-1, 0)),
        ((0, 1, 1), (0, -1)),
    ],
    "spiral": [((1, 0, 0), (-0.1, -3)), ((0, 1, 0), (3, -0.1))],
    "duffing": [((0, 1, 0), (1, 0)), ((1, 0, 0), (0, 1)), ((3, 0, 0), (0, -1))],
    "lotka_periodic": [((1, 0, 0), (1.5, 0)), ((1, 1, 0), (-1, 1)), ((0, 1, 0), (0, -3))],
    "lotka_asymptotic": [
        ((1, 0, 0), (1, 0)),
        ((2, 0, 0), (-1, 0)),
        ((1, 1, 0), (-1, 2)),
        ((0, 1, 0), (0, -1)),
    ],
    "lotka_nonlinear": [
        ((1, 0, 0), (1, 0)),
        ((2, 0, 0), (-1, 0)),
        ((1, 1, 0), (-0.33, 1)),
        ((0, 1, 0), (0, 1)),
        ((0, 2, 0), (0, -1)),
    ],
}


def system(name):
    terms = tuple((powers, tuple(map(float, c))) for powers, c in SYSTEMS[name])
    return Planar(terms=terms, x0=np.array([1.2, 0.6]))


@pytest.mark.spice
@pytest.mark.parametrize("form", ["rc", "rl"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_benchmark_systems_verify_as_circuits(name, form):
    result = verify_model(system(name), form=form, duration=6.0, realizer=realize_planar)
    assert result.passed, result.report
    figures = {c.id: c.value for c in result.report.checks}
    assert figures["transient.states"] <= DEFAULT
    assert figures["extraction.f"] <= EXACT
    assert figures["simulator.f"] <= EXACT


@pytest.mark.spice
def test_a_term_forgotten_in_the_circuit_is_found():
    whole = system("duffing")

    def forgetful(b, model, **options):
        from dataclasses import replace

        return realize_planar(b, replace(model, terms=model.terms[:2]), **options)

    result = verify_model(whole, duration=6.0, realizer=forgetful)
    assert result.verdict.exit_code == 1
    fault = next(c for c in result.report.checks if c.id == "extraction.jacobian")
    assert "x2'/d x1" in fault.detail


def test_an_own_family_needs_a_realizer_and_a_plain_name():
    model = system("spiral")
    with pytest.raises(NotRealizableError, match="family 'planar' is not one of linear"):
        compile_model(model)

    class Evil(Planar):
        family = "x\n.control"

    with pytest.raises(UsageError, match="must be lower-case letters"):
        compile_model(Evil(terms=model.terms), realizer=realize_planar)
