"""Train LRC networks of 16 neurons to follow planar dynamical systems: neural-ODE benchmarks.

The systems are those of Farsang, Neubauer & Grosu (2024), appendix A.4.1. The network is
autonomous: after its initial state nothing is put in, and its readout must go on along the
trajectory by itself.

    x' = eps(w) (-logistic(f) x + tanh(k) e_leak)

A point y of the plane, in units of the trajectory's spread about its centre, is laid into the 16
states as x = E y, where the rows of E point in 16 directions. Each neuron learns alone, by least
squares, the rate that its own state should have: E times the system's field, and beside the plane
a pull back onto it, because only a plane that attracts is kept to. Derivatives are matched, so no
trajectory is unrolled in training; the error that is printed is that of the trajectory.

    python examples/lrc_dynamics.py            (needs no torch; half a minute for each network)
    python examples/lrc_dynamics.py spiral     (that one alone)
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from example_tasks import PLANAR, PLANAR_STEP, logistic
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import rnn2circuit as r2c

HERE = Path(__file__).parent
N, SIZE = 16, 0.8  # neurons, and the length of the rows of E
SAMPLES = 1200
ALONG, BESIDE = 0.1, 0.1  # rms of the noise about the trajectory: within the plane, off it
PULL = 0.5  # rate of the return to the plane
DECAY = 3e-3  # weight of the parameters in the least squares
TRIES, GOOD = 4, 0.1  # a neuron whose error is above GOOD of its rate's rms starts again
ROWS = ("g_syn", "k_syn", "slope", "offset", "w_elast")  # 16 parameters each
ONES = ("g_leak", "e_leak", "b_elast", "k_elast")  # one each; the last of the symmetric kind


@dataclass(frozen=True, kw_only=True)
class Training:
    """Where a task of `PLANAR` is saved, and how it begins."""

    seed: int
    file: str
    symmetric: bool = False


TASKS = {
    "spiral": Training(seed=1, file="lrc_spiral.npz"),
    "duffing": Training(seed=1, file="lrc_duffing.npz"),
    "predators": Training(seed=1, file="lrc_predators.safetensors"),
    "sinusoid": Training(seed=1, file="lrc_sinusoid.npz", symmetric=True),
}


def fields_of(p):
    """The parameters of one neuron by name."""
    rows = dict(zip(ROWS, p[: 5 * N].reshape(5, N), strict=True))
    ones = dict(zip(ONES, p[5 * N :], strict=False))
    if "k_elast" in ones:
        ones["k_elast"] = np.exp(ones["k_elast"])  # learned as a logarithm: it is positive
    return rows | ones


def rate_of(p, x, own):
    """A neuron's rate at the states x (count, N), of which `own` is its own, and the derivatives.

    The derivatives, (count, parameters), are by p.
    """
    q = fields_of(p)
    s = logistic(q["slope"] * x + q["offset"])
    leak = logistic(s @ q["g_syn"] + q["g_leak"])
    pull = np.tanh(s @ q["k_syn"] + q["g_leak"])
    w = x @ q["w_elast"] + q["b_elast"]
    half = q.get("k_elast")
    up, down = (logistic(w), 0.0 * w) if half is None else (logistic(w + half), logistic(w - half))
    elastance, bare = up - down, pull * q["e_leak"] - leak * own
    by_up, by_down = up * (1 - up), down * (1 - down)
    by_leak = -elastance * own * leak * (1 - leak)
    by_pull = elastance * q["e_leak"] * (1 - pull**2)
    bent = (np.outer(by_leak, q["g_syn"]) + np.outer(by_pull, q["k_syn"])) * s * (1 - s)
    by_w = bare * (by_up - by_down)
    columns = [by_leak[:, None] * s, by_pull[:, None] * s, bent * x, bent, by_w[:, None] * x]
    columns += [by_leak + by_pull, elastance * pull, by_w]
    columns += [] if half is None else [bare * (by_up + by_down) * half]
    return elastance * bare, np.column_stack(columns)


def fit_neuron(rng, x, own, wanted, symmetric):
    """Parameters of the neuron whose rates at the states x are nearest to `wanted`."""
    best, size = None, wanted.std()

    def residual(p):
        return np.concatenate([rate_of(p, x, own)[0] - wanted, DECAY * p])

    def jacobian(p):
        return np.vstack([rate_of(p, x, own)[1], DECAY * np.eye(p.size)])

    for _ in range(TRIES):
        start = np.concatenate(
            [
                0.5 * rng.normal(size=2 * N),
                rng.normal(size=2 * N),
                0.05 * rng.normal(size=N),
                [0.0, 1.5 * np.abs(wanted).max(), 0.0 if symmetric else 1.0],
                [0.7] if symmetric else [],
            ]
        )
        found = least_squares(residual, start, jac=jacobian, max_nfev=60)
        if best is None or found.cost < best.cost:
            best = found
        if np.sqrt(np.mean(best.fun[: len(x)] ** 2)) < GOOD * size:
            break
    return best.x


def train(task, training):
    rng = np.random.default_rng(training.seed)
    path = task.path()
    spread, centre = path.std(axis=0), path.mean(axis=0)
    angle = np.pi * np.arange(N) / N
    lay = SIZE * np.column_stack([np.cos(angle), np.sin(angle)])
    back = np.linalg.pinv(lay)
    y = (path[rng.integers(0, len(path), SAMPLES)] - centre) / spread
    y = y + ALONG * rng.normal(size=y.shape)
    off = BESIDE * rng.normal(size=(SAMPLES, N))
    off = off - off @ back.T @ lay.T
    x = y @ lay.T + off
    wanted = (task.field(y * spread + centre) / spread) @ lay.T - PULL * off
    neurons = [
        fields_of(fit_neuron(rng, x, x[:, i], wanted[:, i], training.symmetric)) for i in range(N)
    ]
    names = ROWS + (ONES if training.symmetric else ONES[:-1])
    fields = {name: np.array([neuron[name] for neuron in neurons]) for name in names}
    return r2c.Lrc(
        **fields,
        elastance="symmetric" if training.symmetric else "asymmetric",
        x0=lay @ ((path[0] - centre) / spread),
        w_out=spread[:, None] * back,
        b_out=centre,
    )


def error_of(net, task):
    """rms distance from the trajectory, in parts of its rms spread."""
    path = task.path()
    t = PLANAR_STEP * np.arange(len(path))
    run = solve_ivp(
        lambda _, x: net.rhs(x, []), (0, t[-1]), net.initial_state, t_eval=t, rtol=1e-8, atol=1e-10
    )
    error = net.readout(run.y.T, []) - path
    return np.sqrt(np.mean(error**2) / np.mean(path.var(axis=0)))


def main():
    for name in sys.argv[1:] or TASKS:
        net = train(PLANAR[name], TASKS[name])
        print(f"{name}: rms error {error_of(net, PLANAR[name]):.4f} of the rms spread", flush=True)
        r2c.save(net, HERE / TASKS[name].file)


if __name__ == "__main__":
    main()
