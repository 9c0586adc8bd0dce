"""Random stable models of every family, seeded: what the property tests draw from."""

import numpy as np

from rnn2circuit.models import Ctrnn, Hopfield, Linear, Ltc, Model

FAMILIES = ("linear", "ctrnn", "hopfield", "ltc")
ACTIVATIONS = ("tanh", "logistic", "identity", "relu", "softplus")
SMOOTH_BOUNDED = ("tanh", "logistic")


def random_model(
    family: str,
    n: int,
    m: int,
    seed: int,
    *,
    extras: bool = True,
    activations: tuple[str, ...] = ACTIVATIONS,
) -> Model:
    """A model of `family` with n states and m inputs whose free motion stays bounded.

    With `extras` it also has an input map, a readout and an initial state; sparse weights and
    zero rows occur.
    """
    rng = np.random.default_rng([seed, n, m, FAMILIES.index(family)])
    common: dict[str, object] = {}
    if extras:
        p = int(rng.integers(1, 4))
        common = {
            "x0": rng.normal(size=n),
            "w_out": rng.normal(size=(p, n)),
            "b_out": rng.normal(size=p),
        }
        if m:
            common |= {"in_scale": rng.uniform(0.5, 2, m), "in_bias": rng.normal(size=m)}
    else:
        common = {"x0": 0.5 * rng.normal(size=n)}
    activation = activations[int(rng.integers(len(activations)))]
    make = {"linear": _linear, "ctrnn": _ctrnn, "hopfield": _hopfield, "ltc": _ltc}[family]
    return make(rng, n, m, activation, common, extras)


def _coupling(rng: np.random.Generator, n: int) -> np.ndarray:
    """Weights of spectral norm below 0.9, so that leaks of rate 1 dominate, with zeros."""
    w = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.8)
    return 0.9 * w / max(1.0, float(np.linalg.norm(w, 2)))


def _linear(rng, n, m, activation, common, extras) -> Linear:
    p = len(common["b_out"]) if extras else n
    return Linear(
        a=rng.uniform(0.5, 2.0, n)[:, None] * (_coupling(rng, n) - np.eye(n)),
        b=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n) if rng.random() < 0.5 else None,
        d=rng.normal(size=(p, m)) if m and extras and rng.random() < 0.5 else None,
        **common,
    )


def _ctrnn(rng, n, m, activation, common, extras) -> Ctrnn:
    rate = rng.uniform(0.5, 3.0, n)
    return Ctrnn(
        rate=rate,
        gain=rate * rng.uniform(0.3, 1.0, n) if extras and rng.random() < 0.5 else rate,
        w=_coupling(rng, n),
        w_in=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n) if rng.random() < 0.5 else None,
        activation=activation,
        **common,
    )


def _hopfield(rng, n, m, activation, common, extras) -> Hopfield:
    return Hopfield(
        tau=rng.uniform(0.3, 2.0, n),
        w=_coupling(rng, n),
        w_in=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n) if rng.random() < 0.5 else None,
        activation=activation,
        **common,
    )


def _ltc(rng, n, m, activation, common, extras) -> Ltc:
    gap = rng.uniform(0, 0.5, (n, n)) * (rng.random((n, n)) < 0.3)
    inputs = {}
    if m:
        inputs = {
            "g_syn_in": rng.uniform(0.1, 1, (n, m)) * (rng.random((n, m)) < 0.8),
            "slope_in": rng.uniform(-4, 4, (n, m)),
            "offset_in": rng.normal(size=(n, m)),
            "e_rev_in": rng.choice([-1.0, 0.0, 1.0, 0.7], (n, m)),
        }
    slope, offset = rng.uniform(2, 6, (n, n)), rng.normal(size=(n, n))
    if rng.random() < 0.3:  # gates of the presynaptic neuron alone
        slope, offset = np.tile(slope[:1], (n, 1)), np.tile(offset[:1], (n, 1))
    return Ltc(
        c_m=rng.uniform(0.4, 0.8, n),
        g_leak=rng.uniform(0.3, 1.0, n),
        e_leak=rng.uniform(-0.3, 0.3, n),
        g_syn=rng.uniform(0.05, 1, (n, n)) * (rng.random((n, n)) < 0.7),
        slope=slope,
        offset=offset,
        e_rev=rng.choice([-1.0, 1.0, 0.3], (n, n)),
        g_gap=gap + gap.T if rng.random() < 0.6 else None,
        **inputs,
        **common,
    )
