"""Random stable models of every family, seeded: what the property tests draw from."""

from dataclasses import replace

import numpy as np

from rnn2circuit.models import (
    Cell,
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
    Model,
    Stack,
    Stc,
)

FAMILIES = (
    "linear",
    "ctrnn",
    "hopfield",
    "ltc",
    "stc",
    "lrc",
    "gru_ode",
    "lem",
    "lem_two_scale",
    "energy",
    "gated",
)
CELLS = ("elman", "gru", "lstm", "lrcu", "lem_cell", "energy_map", "stack")
# Families whose number of states or inputs is not free: sizes are brought to the nearest.
PAIRED = ("lem", "lem_two_scale", "lstm", "lem_cell")
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
    n, m = fitting_size(family, n, m)
    common = _common(rng, n, m, extras=extras)
    activation = activations[int(rng.integers(len(activations)))]
    make = {
        "linear": _linear,
        "ctrnn": _ctrnn,
        "hopfield": _hopfield,
        "ltc": _ltc,
        "stc": _stc,
        "lrc": _lrc,
        "gru_ode": _gru_ode,
        "lem": _lem,
        "lem_two_scale": _lem_two_scale,
        "energy": _energy,
        "gated": _gated,
    }[family]
    return make(rng, n, m, activation, common, extras)


def _common(rng: np.random.Generator, n: int, m: int, *, extras: bool) -> dict[str, object]:
    """Initial state, readout and input map."""
    if not extras:
        return {"x0": 0.5 * rng.normal(size=n)}
    p = int(rng.integers(1, 4))
    common: dict[str, object] = {
        "x0": rng.normal(size=n),
        "w_out": rng.normal(size=(p, n)),
        "b_out": rng.normal(size=p),
    }
    if m:
        common |= {"in_scale": rng.uniform(0.5, 2, m), "in_bias": rng.normal(size=m)}
    return common


def random_cell(family: str, n: int, m: int, seed: int, *, extras: bool = True) -> Cell:
    """A discrete-time cell of `family` with n states and m inputs, as `random_model`."""
    rng = np.random.default_rng([seed, n, m, 1000 + CELLS.index(family)])
    n, m = fitting_size(family, n, m)
    return _cell(family, rng, n, m, _common(rng, n, m, extras=extras))


def _cell(family: str, rng: np.random.Generator, n: int, m: int, common: dict[str, object]) -> Cell:
    match family:
        case "elman":
            return Elman(
                w=_coupling(rng, n) * rng.uniform(0.5, 1.5),
                w_in=rng.normal(size=(n, m)) if m else None,
                bias=rng.normal(size=n) if rng.random() < 0.7 else None,
                activation="relu" if rng.random() < 0.3 else "tanh",
                **common,
            )
        case "gru":
            fields = _gates(rng, n, m, "rzn")
            if rng.random() < 0.4:
                return Gru(**fields, reset="before", **common)
            return Gru(**fields, b_hn=rng.normal(size=n), **common)
        case "lstm":
            return Lstm(**_gates(rng, n // 2, m, "ifgo"), **common)
        case "lrcu":
            symmetric = rng.random() < 0.5
            return Lrcu(
                **_saturated(rng, n, m),
                w_elast=0.5 * rng.normal(size=(n, n)),
                w_elast_in=rng.normal(size=(n, m)) if m else None,
                b_elast=rng.normal(size=n),
                elastance="symmetric" if symmetric else "asymmetric",
                k_elast=rng.uniform(0.5, 2, n) if symmetric else None,
                dt=0.5 if rng.random() < 0.5 else None,
                **common,
            )
        case "lem_cell":
            return LemCell(**_pairs(rng, n, m, "yz12"), dt=float(rng.uniform(0.3, 1.0)), **common)
        case "energy_map":
            k = max(1, n // 2)
            return EnergyMap(
                xi=rng.normal(size=(n, k)) / np.sqrt(n),
                phi=0.5 * rng.normal(size=(k, k)),
                sigma_f=("tanh", "logistic")[int(rng.integers(2))],
                form=("inner", "outer")[int(rng.integers(2))],
                **common,
            )
        case _:
            top = max(1, n // 2)
            below = _cell("gru", rng, n - top, m, {}) if n > top else None
            kind = "elman" if rng.random() < 0.5 or top % 2 else "lstm"
            above = _cell(kind, rng, top, m if below is None else below.n_handed_on, {})
            return Stack(layers=(above,) if below is None else (below, above), **common)


def _gates(rng: np.random.Generator, n: int, m: int, gates: str) -> dict[str, object]:
    fields: dict[str, object] = {f"w_{g}": rng.normal(size=(n, n)) for g in gates}
    fields |= {f"w_{g}_in": rng.normal(size=(n, m)) if m else None for g in gates}
    return fields | {f"b_{g}": rng.normal(size=n) if rng.random() < 0.7 else None for g in gates}


def fitting_size(family: str, n: int, m: int) -> tuple[int, int]:
    """The number of states and inputs that a random model of `family` really has."""
    if family in PAIRED:
        return n + n % 2, m
    if family == "energy":
        return max(3, n), 0
    if family == "gated":
        return 4 * -(-n // 4), m
    if family == "energy_map":
        return n, 0
    return n, m


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


def _saturated(rng, n, m) -> dict[str, object]:
    def weights(k):
        return rng.normal(size=(n, k)) * (rng.random((n, k)) < 0.8)

    fields = {
        "g_leak": rng.uniform(-0.5, 1, n),
        "e_leak": rng.uniform(-1, 1, n),
        "g_syn": weights(n),
        "k_syn": weights(n),
        "slope": rng.uniform(1, 4, (n, n)),
        "offset": rng.normal(size=(n, n)),
    }
    if m:
        fields |= {
            "g_syn_in": weights(m),
            "k_syn_in": weights(m),
            "slope_in": rng.uniform(-4, 4, (n, m)),
            "offset_in": rng.normal(size=(n, m)),
        }
    return fields


def _stc(rng, n, m, activation, common, extras) -> Stc:
    return Stc(**_saturated(rng, n, m), **common)


def _lrc(rng, n, m, activation, common, extras) -> Lrc:
    symmetric = rng.random() < 0.5
    return Lrc(
        **_saturated(rng, n, m),
        w_elast=0.5 * rng.normal(size=(n, n)),
        w_elast_in=rng.normal(size=(n, m)) if m else None,
        b_elast=rng.normal(size=n),
        elastance="symmetric" if symmetric else "asymmetric",
        k_elast=rng.uniform(0.5, 2, n) if symmetric else None,
        **common,
    )


def _gru_ode(rng, n, m, activation, common, extras) -> GruOde:
    after = rng.random() < 0.5
    fields = {f"w_{g}": rng.normal(size=(n, n)) for g in "fru"}
    fields |= {f"w_{g}_in": rng.normal(size=(n, m)) if m else None for g in "fru"}
    fields |= {f"b_{g}": rng.normal(size=n) if rng.random() < 0.7 else None for g in "fru"}
    return GruOde(
        **fields,
        reset="after" if after else "before",
        b_hu=rng.normal(size=n) if after else None,
        rate=rng.uniform(0.5, 3.0, n) if rng.random() < 0.4 else None,
        **common,
    )


def _pairs(rng, n, m, suffixes) -> dict[str, object]:
    d = n // 2
    fields = {f"w{s}": rng.normal(size=(d, d)) for s in suffixes}
    fields |= {f"v{s}": rng.normal(size=(d, m)) if m else None for s in suffixes}
    return fields | {f"b{s}": rng.normal(size=d) for s in suffixes}


def _lem(rng, n, m, activation, common, extras) -> Lem:
    return Lem(**_pairs(rng, n, m, "yz12"), **common)


def _lem_two_scale(rng, n, m, activation, common, extras) -> LemTwoScale:
    return LemTwoScale(**_pairs(rng, n, m, "yz"), tau_y=0.2, tau_z=0.9, **common)


def _energy(rng, n, m, activation, common, extras) -> Energy:
    n_f = max(1, (n - 1) // 2)
    n_h = n - 2 * n_f
    names = ("tanh", "logistic", "identity")
    return Energy(
        xi=rng.normal(size=(n_f, n_h)) / np.sqrt(n_f),
        phi=0.5 * rng.normal(size=(n_h, n_h)),
        alpha_s=0.4,
        alpha_c=0.3,
        tau_f=1.0,
        tau_h=0.5,
        tau_d=3.0,
        sigma_f=names[int(rng.integers(2))],
        sigma_h=names[int(rng.integers(3))],
        **common,
    )


def _gated(rng, n, m, activation, common, extras) -> HodgkinHuxley:
    """Neurons near the published one, near rest, with currents that make some of them fire."""
    count = n // 4

    def near(*values):
        return (values * rng.uniform(0.9, 1.1, (count, len(values)))).T

    c_m, g_na, g_k, g_leak = near(1.0, 120.0, 36.0, 0.3)
    e_na, e_k, e_leak = near(50.0, -77.0, -54.387)
    gap = rng.uniform(0, 0.3, (count, count)) * (rng.random((count, count)) < 0.5)
    model = HodgkinHuxley(
        c_m=c_m,
        g_na=g_na,
        g_k=g_k,
        g_leak=g_leak,
        e_na=e_na,
        e_k=e_k,
        e_leak=e_leak,
        w_in=rng.uniform(3, 10, (count, m)) if m else None,
        bias=rng.uniform(0, 10, count) if rng.random() < 0.7 else None,
        g_gap=gap + gap.T if rng.random() < 0.6 else None,
    )
    if not extras:
        common = {}
    return replace(model, **common | {"x0": model.settled(rng.uniform(-75, -55, count))})
