"""What the networks of this directory are asked to do: their test signals and right answers.

Needs no torch, so that training scripts, tests and pictures draw the same ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]

FITZHUGH_STEP, FITZHUGH_SAMPLES = 0.4, 1000  # 1000 samples in [0, 400]
XOR_LATE, XOR_STEPS = 2, 40
NOISE, NOISY_STEPS, NOISY_SETTLED = 0.35, 60, 15  # rms of the noise; that of the signal is 0.71
PLANAR_STEP = 0.05
FINE = 10  # Runge-Kutta steps of a true solution between two of its samples


def runge_kutta(field, y, h):
    """One step of the classical method; works on arrays and on tensors."""
    a = field(y)
    b = field(y + h / 2 * a)
    c = field(y + h / 2 * b)
    return y + h / 6 * (a + 2 * b + 2 * c + field(y + h * c))


def trajectories(field: Callable[[Array], Array], starts: Array, *, steps: int, step: float):
    """True solutions of ``y' = field(y)`` from `starts` (count, 2), shape (steps + 1, count, 2)."""
    rows, y = [starts], starts
    for _ in range(steps):
        for _ in range(FINE):
            y = runge_kutta(field, y, step / FINE)
        rows.append(y)
    return np.array(rows)


def filtered(t: Array, u: Array) -> Array:
    """What ``y'' = w^2 (u - y) - 2 z w y'`` answers to u (count, k) joined by lines, from rest."""
    omega, zeta, count = 1.5, 0.6, len(u)

    def spring(at, x):
        y, v = x.reshape(2, count)
        drive = np.array([np.interp(at, t, row) for row in u])
        return np.concatenate([v, omega**2 * (drive - y) - 2 * zeta * omega * v])

    start = np.zeros(2 * count)
    run = solve_ivp(spring, (0, t[-1]), start, t_eval=t, max_step=0.1, rtol=1e-8, atol=1e-10)
    return run.y[:count]


def fitzhugh(y: Array) -> Array:
    """``v' = v - v^3/3 - w + 0.5``, ``w' = 0.02 (v + 0.7 - 0.8 w)``."""
    v, w = y[..., 0], y[..., 1]
    return np.stack([v - v**3 / 3 - w + 0.5, 0.02 * (v + 0.7 - 0.8 * w)], axis=-1)


def spikes(rng: np.random.Generator, count: int, samples: int = FITZHUGH_SAMPLES) -> Array:
    """The v of FitzHugh-Nagumo, (count, samples), from w = 0 and v uniform in [-1, 1]."""
    starts = np.stack([rng.uniform(-1, 1, count), np.zeros(count)], axis=-1)
    path = trajectories(fitzhugh, starts, steps=samples - 1, step=FITZHUGH_STEP)
    return path[..., 0].T


def signs(rng: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Random signs and the exclusive or of each with that XOR_LATE before: (count, XOR_STEPS)."""
    u = rng.choice([-1.0, 1.0], (count, XOR_STEPS))
    return u, -u * np.roll(u, XOR_LATE, axis=1)  # the first XOR_LATE answers mean nothing


def noisy_sines(rng: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Slow sines with noise, and without it: (count, NOISY_STEPS) each."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    rate = rng.uniform(0.15, 0.35, (count, 1))
    clean = np.sin(rate * np.arange(NOISY_STEPS) + phase)
    return clean + NOISE * rng.normal(size=clean.shape), clean


@dataclass(frozen=True, kw_only=True)
class Planar:
    """A system ``y' = field(y)`` of the LRC paper, and the trajectory of it that is learned."""

    field: Callable[[Array], Array]
    start: tuple[float, float]
    end: float  # model time units

    @property
    def steps(self) -> int:
        return round(self.end / PLANAR_STEP)

    def path(self) -> Array:
        """Samples at multiples of PLANAR_STEP, (steps + 1, 2)."""
        start = np.array([self.start])
        return trajectories(self.field, start, steps=self.steps, step=PLANAR_STEP)[:, 0]


def spiral(y: Array) -> Array:
    return y @ np.array([[-0.1, 3.0], [-3.0, -0.1]]).T


def duffing(y: Array) -> Array:
    return np.stack([y[..., 1], y[..., 0] - y[..., 0] ** 3], axis=-1)


def predators(y: Array) -> Array:
    """Lotka and Volterra's prey and predator, with the rates 1.5, 1, 3 and 1: periodic."""
    prey, hunters = y[..., 0], y[..., 1]
    return np.stack([1.5 * prey - prey * hunters, prey * hunters - 3 * hunters], axis=-1)


def sinusoid(y: Array) -> Array:
    x, z = y[..., 0], y[..., 1]
    room = 1.0 - np.hypot(x, z)
    return np.stack([x * room - z, x + z * room], axis=-1)


PLANAR = {
    "spiral": Planar(field=spiral, start=(2.0, 0.0), end=10.0),
    "duffing": Planar(field=duffing, start=(-1.0, 1.0), end=15.0),
    "predators": Planar(field=predators, start=(1.0, 1.0), end=10.0),
    "sinusoid": Planar(field=sinusoid, start=(2.0, 0.0), end=15.0),
}


def write_stimulus(path, *, step: float, u: Array) -> None:
    """A stimulus file with the samples `u` (count,) of one input, `step` model time units apart."""
    rows = np.column_stack([step * np.arange(u.size), u])
    np.savetxt(path, rows, delimiter=",", header="t,u1", comments="", fmt="%.9g")


def cell_outputs(cell, u: Array) -> Array:
    """Outputs (count, steps) of a cell's own program, each run from its initial state.

    The inputs `u` are (count, steps); output k is read after step k.
    """
    x, rows = np.tile(cell.initial_state, (len(u), 1)), []
    for k in range(u.shape[1]):
        x = cell.step(x, u[:, k, None])
        rows.append(cell.readout(x, u[:, k, None])[:, 0])
    return np.array(rows).T


def euler_outputs(net, u: Array) -> Array:
    """The same of a program whose steps are Euler steps `dt` of a network's equation."""
    x, rows = np.tile(net.initial_state, (len(u), 1)), []
    for k in range(u.shape[1]):
        x = x + net.dt * net.rhs(x, u[:, k, None])
        rows.append(net.readout(x, u[:, k, None])[:, 0])
    return np.array(rows).T


def fused_outputs(net, u: Array, unfolds: int) -> Array:
    """The same of the ncps program of an LTC: semi-implicit steps, each sample held for a unit."""
    v, rows = np.tile(net.initial_state, (len(u), 1)), []
    for k in range(u.shape[1]):
        z = net.in_scale * u[:, k, None] + net.in_bias
        g_in = net.g_syn_in * logistic(net.slope_in * z[:, None, :] + net.offset_in)
        for _ in range(unfolds):
            g = net.g_syn * logistic(net.slope * v[:, None, :] + net.offset)
            drive = (g * net.e_rev).sum(-1) + (g_in * net.e_rev_in).sum(-1)
            inertia = net.c_m * unfolds
            v = (inertia * v + net.g_leak * net.e_leak + drive) / (
                inertia + net.g_leak + g.sum(-1) + g_in.sum(-1)
            )
        rows.append(net.readout(v, u[:, k, None])[:, 0])
    return np.array(rows).T


def logistic(z: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * z)
