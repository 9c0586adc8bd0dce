"""Foreign programs in NumPy, written from their own equations: what importers are held against.

Each has random weights under the program's own names and shapes, and its own step or derivative.
Nothing of the package is used here.
"""

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def lrc_weights(rng, n=3, m=2, *, kind="asymmetric", maps=True, prefix="", suffix=""):
    """Keras names and shapes; m = 0 is the autonomous cell."""
    t = {
        "gleak": rng.uniform(0, 1, n),
        "vleak": rng.normal(size=n),
        "sigma": rng.uniform(1, 4, (n, n)),
        "mu": rng.uniform(-1, 1, (n, n)),
        "w": rng.uniform(0, 1, (n, n)),
        "h": rng.normal(size=(n, n)),
    }
    if m:
        t |= {
            "sensory_sigma": rng.uniform(1, 4, (m, n)),
            "sensory_mu": rng.uniform(-1, 1, (m, n)),
            "sensory_w": rng.uniform(0, 1, (m, n)),
            "sensory_h": rng.normal(size=(m, n)),
        }
    if kind != "none":
        t["elastance_mapping/kernel"] = rng.normal(size=(m + n, n))
        t["elastance_mapping/bias"] = rng.normal(size=n)
    if kind == "symmetric":
        t["distr_shift"] = rng.uniform(0.2, 2, n)
    if maps and m:
        t |= {"input_w": rng.normal(size=m), "input_b": rng.normal(size=m)}
        t |= {"output_w": rng.normal(size=n), "output_b": rng.normal(size=n)}
    return {f"{prefix}{name}{suffix}": value for name, value in t.items()}


def lrc_parts(t, v, u, kind):
    """ε, f, g of the cell; `u` is raw, None for the autonomous cell."""
    syn = sigmoid(t["sigma"] * (v[:, None] - t["mu"]))
    f = t["gleak"] + (t["w"] * syn).sum(0)
    g = t["gleak"] + (t["h"] * syn).sum(0)
    joined = v
    if u is not None:
        u = u * t.get("input_w", 1.0) + t.get("input_b", 0.0)
        syn = sigmoid(t["sensory_sigma"] * (u[:, None] - t["sensory_mu"]))
        f = f + (t["sensory_w"] * syn).sum(0)
        g = g + (t["sensory_h"] * syn).sum(0)
        joined = np.concatenate([u, v])
    if kind == "none":
        return 1.0, f, g
    e = joined @ t["elastance_mapping/kernel"] + t["elastance_mapping/bias"]
    if kind == "asymmetric":
        return sigmoid(e), f, g
    return sigmoid(e + t["distr_shift"]) - sigmoid(e - t["distr_shift"]), f, g


def lrc_derivative(t, v, u, kind):
    eps, f, g = lrc_parts(t, v, u, kind)
    return eps * (-v * sigmoid(f) + t["vleak"] * np.tanh(g))


def lrc_explicit(t, v, u, kind, dt):
    return v + dt * lrc_derivative(t, v, u, kind)


def lrc_hybrid(t, v, u, kind, dt):
    eps, f, g = lrc_parts(t, v, u, kind)
    return (eps * dt * t["vleak"] * np.tanh(g) + v) / (1 + eps * dt * sigmoid(f))


def lrc_output(t, v):
    return v * t.get("output_w", 1.0) + t.get("output_b", 0.0)


LRCSSM_FLAX = {
    "weight_sensory_mu": "mu_in",
    "weight_sensory_sigma": "sigma_in",
    "weight_sensory_w": "w_in",
    "weight_sensory_h": "h_in",
    "weight_mu": "mu",
    "weight_sigma": "sigma",
    "weight_w": "w",
    "weight_h": "h",
    "weight_gleak": "g_l",
    "weight_vleak": "v_l",
    "weight_elastance_kernel": "w_e",
    "weight_elastance_bias": "b_e",
    "weight_elastance_shift": "s_e",
}


def lrcssm_weights(rng, n=4, m=3):
    t = {f"weight_{k}": rng.normal(size=n) for k in ("mu", "sigma", "w", "h", "gleak", "vleak")}
    t |= {f"weight_elastance_{k}": rng.normal(size=n) for k in ("kernel", "bias")}
    t["weight_elastance_shift"] = rng.uniform(0.2, 2, n)
    t |= {f"weight_sensory_{k}": rng.normal(size=m) for k in ("mu", "sigma")}
    return t | {f"weight_sensory_{k}": rng.normal(size=(n, m)) for k in ("w", "h")}


def lrcssm_step(t, h, u, *, symmetric, dt):
    seen = sigmoid(t["weight_sensory_sigma"] * (u - t["weight_sensory_mu"]))
    own = sigmoid(t["weight_sigma"] * (h - t["weight_mu"]))
    f = t["weight_gleak"] + t["weight_sensory_w"] @ seen + t["weight_w"] * own
    g = t["weight_gleak"] + t["weight_sensory_h"] @ seen + t["weight_h"] * own
    a, b = -sigmoid(f), t["weight_vleak"] * np.tanh(g)
    e = t["weight_elastance_kernel"] * h + t["weight_elastance_bias"]
    shift = t["weight_elastance_shift"]
    eps = sigmoid(e + shift) - sigmoid(e - shift) if symmetric else sigmoid(e)
    return h + (eps * dt) * (h * a + b)


def gru_ode_weights(rng, n=3, m=2, *, full, bias=True, prefix=""):
    t = {}
    if full:
        t = {f"lin_{k}.weight": rng.normal(size=(n, n)) for k in ("hh", "hz", "hr")}
        if m:
            t["lin_x.weight"] = rng.normal(size=(3 * n, m))
            t |= {"lin_x.bias": rng.normal(size=3 * n)} if bias else {}
    else:
        t = {f"lin_{k}.weight": rng.normal(size=(n, n)) for k in ("hz", "hn")}
        for k in ("xz", "xn") if m else ():
            t[f"lin_{k}.weight"] = rng.normal(size=(n, m))
            t |= {f"lin_{k}.bias": rng.normal(size=n)} if bias else {}
    return {prefix + name: value for name, value in t.items()}


def gru_ode_derivative(t, h, x):
    """`x` is None for the autonomous cells."""

    def lin(name, value):
        if value is None:
            return 0.0
        return t[f"{name}.weight"] @ value + t.get(f"{name}.bias", 0.0)

    if "lin_hn.weight" in t:  # GRUODECell: z resets too
        z = sigmoid(lin("lin_xz", x) + lin("lin_hz", h))
        n = np.tanh(lin("lin_xn", x) + lin("lin_hn", z * h))
        return (1 - z) * (n - h)
    chunks = np.zeros((3, len(h))) if x is None else np.split(lin("lin_x", x), 3)
    xr, xz, xh = chunks
    r = sigmoid(xr + lin("lin_hr", h))
    z = sigmoid(xz + lin("lin_hz", h))
    u = np.tanh(xh + lin("lin_hh", r * h))
    return (1 - z) * (u - h)


def beer_weights(rng, n=4):
    return {
        "weights": rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6),
        "taus": rng.uniform(0.5, 3, n),
        "biases": rng.normal(size=n),
        "gains": rng.uniform(0.3, 2, n) * rng.choice([-1, 1], n),
        "states": rng.normal(size=n),
    }


def beer_derivative(t, x, external):
    y = sigmoid(t["gains"] * (x + t["biases"]))
    return (1 / t["taus"]) * (external + t["weights"] @ y - x)


def leaky_weights(rng, n=4, m=2, *, prefix="rnn.", read=3, excitatory=None):
    t = {
        f"{prefix}input2h.weight": rng.normal(size=(n, m)),
        f"{prefix}input2h.bias": rng.normal(size=n),
        f"{prefix}h2h.weight": rng.normal(size=(n, n)),
        f"{prefix}h2h.bias": rng.normal(size=n),
    }
    if read:
        t |= {"fc.weight": rng.normal(size=(read, excitatory or n)), "fc.bias": np.ones(read)}
    return t


def leaky_drive(t, u, h, w_hh=None):
    w = t["rnn.h2h.weight"] if w_hh is None else w_hh
    seen = t["rnn.input2h.weight"] @ u + t["rnn.input2h.bias"]
    return seen + w @ h + t["rnn.h2h.bias"]


def nn_brain_step(t, h, u, alpha):
    return np.maximum(h * (1 - alpha) + leaky_drive(t, u, h) * alpha, 0)


def eirnn_step(t, state, u, alpha, excitatory):
    n = len(state)
    mask = np.tile([1] * excitatory + [-1] * (n - excitatory), (n, 1))
    np.fill_diagonal(mask, 0)
    w = np.abs(t["rnn.h2h.weight"]) * mask
    return state * (1 - alpha) + leaky_drive(t, u, np.maximum(state, 0), w) * alpha


def psychrnn_weights(rng, n=5, m=2, p=2, *, dale=None):
    """What get_weights returns: W_* are effective already."""
    masks = {
        "input_connectivity": 1.0 * (rng.random((n, m)) < 0.7),
        "rec_connectivity": 1.0 * (rng.random((n, n)) < 0.7),
        "output_connectivity": 1.0 * (rng.random((p, n)) < 0.7),
    }
    sign = np.ones(n)
    keep = np.ones(n)
    if dale is not None:
        sign[int(dale * n) :] = -1
        keep[int(dale * n) :] = 0
    w_in = rng.normal(size=(n, m)) * masks["input_connectivity"]
    w_rec = rng.normal(size=(n, n)) * masks["rec_connectivity"]
    w_out = rng.normal(size=(p, n)) * masks["output_connectivity"]
    if dale is not None:
        w_in, w_rec, w_out = np.abs(w_in), np.abs(w_rec) @ np.diag(sign), np.abs(w_out) * keep
    return masks | {
        "W_in": w_in,
        "W_rec": w_rec,
        "W_out": w_out,
        "b_rec": rng.normal(size=n),
        "b_out": rng.normal(size=p),
        "init_state": rng.normal(size=(1, n)),
        "Dale_rec": np.diag(sign),
        "Dale_out": np.diag(keep),
        "dale_ratio": np.array(dale),  # None is a pickled object in the file, as the program's is
    }


def psychrnn_step(t, x, u, alpha, f):
    return (1 - alpha) * x + alpha * (t["W_rec"] @ f(x) + t["W_in"] @ u + t["b_rec"])


def lem_weights(rng, d=3, m=2, *, cuda=False):
    t = {
        "inp2hid.weight": rng.normal(size=(4 * d, m)),
        "inp2hid.bias": rng.normal(size=4 * d),
        "hid2hid.weight": rng.normal(size=(3 * d, d)),
        "hid2hid.bias": rng.normal(size=3 * d),
        "transform_z.weight": rng.normal(size=(d, d)),
        "transform_z.bias": rng.normal(size=d),
    }
    if not cuda:
        return {f"cell.{name}": value for name, value in t.items()}
    wi1, wi2, wiz, wiy = np.split(t["inp2hid.weight"], 4)
    bi1, bi2, biz, biy = np.split(t["inp2hid.bias"], 4)
    wh1, wh2, why = np.split(t["hid2hid.weight"], 3)
    bh1, bh2, bhy = np.split(t["hid2hid.bias"], 3)
    return {
        "rnn.weights": np.block([[wh2, wi2], [why, wiy], [wh1, wi1]]),
        "rnn.bias": np.concatenate([bh2 + bi2, bhy + biy, bh1 + bi1]),
        "rnn.weights_lin_z": np.hstack([t["transform_z.weight"], wiz]),
        "rnn.bias_lin_z": t["transform_z.bias"] + biz,
    }


def lem_step(t, y, z, u, dt):
    """LEMCell.forward, both layouts: the new y and z."""
    if "rnn.weights" in t:
        d = len(y)
        zs, zc, ys = np.split(t["rnn.weights"] @ np.concatenate([y, u]) + t["rnn.bias"], 3)
        step_z, step_y = dt * sigmoid(zs), dt * sigmoid(ys)
        z = (1 - step_z) * z + step_z * np.tanh(zc)
        cy = t["rnn.weights_lin_z"] @ np.concatenate([z, u]) + t["rnn.bias_lin_z"]
        assert len(cy) == d
        return (1 - step_y) * y + step_y * np.tanh(cy), z
    i1, i2, iz, iy = np.split(t["cell.inp2hid.weight"] @ u + t["cell.inp2hid.bias"], 4)
    h1, h2, hy = np.split(t["cell.hid2hid.weight"] @ y + t["cell.hid2hid.bias"], 3)
    bar, step = dt * sigmoid(i1 + h1), dt * sigmoid(i2 + h2)
    z = (1 - step) * z + step * np.tanh(iy + hy)
    drawn = np.tanh(t["cell.transform_z.weight"] @ z + t["cell.transform_z.bias"] + iz)
    return (1 - bar) * y + bar * drawn, z
