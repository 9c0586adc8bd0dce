"""Linear systems: random ones, seeded, and the committed trained networks linearized."""

import json
from pathlib import Path

import numpy as np

import rnn2circuit as r2c
from rnn2circuit.models import Linear

ROOT = Path(__file__).parent.parent
KINDS = ("stable", "sparse", "symmetric", "skew")
FIELDS = ("gauss", "normal", "unstable", "repeated", "chain", "legs")
# Trained networks that are no examples: a delay, and a flip-flop that grows at the origin.
TRAINED_DATA = ("delay_rnn.npz", "flipflop_rnn.npz")


def stable_system(k: int, coupling: str = "vccs") -> Linear:
    """The k-th stable system of 1 to 10 states, of low rank where the coupling asks for it."""
    rng = np.random.default_rng([k, 7])
    n, m = 1 + k % 10, (k // 4) % 4
    if coupling == "lowrank":
        n = max(3, n)  # a smaller one has no rank to save
    w = rng.normal(size=(n, n)) / np.sqrt(n)
    match KINDS[k % 4]:
        case "sparse":
            w = w * (rng.random((n, n)) < 0.3)
        case "symmetric":
            w = (w + w.T) / 2
        case "skew":
            w = w - w.T
    if coupling == "lowrank":
        r = max(1, n // 3)
        w = rng.normal(size=(n, r)) @ rng.normal(size=(r, n)) / n
    rate = rng.uniform(0.5, 2.0, n) if k % 2 else np.ones(n)
    a = w - np.diag(rate)
    a -= max(0.0, float(np.linalg.eigvals(a).real.max()) + 0.1) * np.eye(n)
    return Linear(
        a=a,
        b=rng.normal(size=(n, m)) if m else None,
        bias=rng.normal(size=n) if k % 3 == 0 else None,
        x0=rng.normal(size=n),
        w_out=rng.normal(size=(2, n)) if k % 5 == 0 else None,
        d=rng.normal(size=(2, m)) if k % 5 == 0 and m else None,
    )


def hard_system(seed: int) -> Linear:
    """One of six kinds: n from 2 to 12, m and p from 1 to 3, with optional parts or without."""
    rng = np.random.default_rng(seed)
    n, m, p = int(rng.integers(2, 13)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    return Linear(
        a=state_matrix(FIELDS[seed % len(FIELDS)], n, rng),
        b=rng.normal(size=(n, m)),
        w_out=rng.normal(size=(p, n)) if seed % 7 else None,
        d=rng.normal(size=(p, m)) if seed % 7 and seed % 2 else None,
        x0=rng.normal(size=n) if seed % 3 else None,
        bias=rng.normal(size=n) if seed % 4 == 1 else None,
        b_out=rng.normal(size=p) if seed % 7 and seed % 5 == 0 else None,
        in_scale=rng.uniform(0.5, 2.0, m) if seed % 6 == 0 else None,
    )


def state_matrix(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    w = rng.normal(size=(n, n)) / np.sqrt(n)
    match kind:
        case "gauss":
            shift = max(0.0, float(np.linalg.eigvals(0.8 * w).real.max()) - 0.9)
            return 0.8 * w - (1 + shift) * np.eye(n)
        case "normal":
            return (w - w.T) / 2 - rng.uniform(0.1, 1.0) * np.eye(n)
        case "unstable":
            return 1.4 * w - 0.8 * np.eye(n)
        case "repeated":
            q, _ = np.linalg.qr(w)
            return q @ np.diag(rng.choice([-1.0, -2.0, -0.5], n)) @ q.T
        case "chain":  # defective: one Jordan block
            return 2.0 * np.diag(np.ones(n - 1), -1) - np.eye(n)
        case _:  # HiPPO-LegS
            k = np.arange(n)
            below = np.tril(np.sqrt(np.outer(2 * k + 1, 2 * k + 1)), -1)
            return -below - np.diag(k + 1.0)


def trained_networks() -> dict[str, object]:
    """Every committed trained network in continuous time."""
    entries = json.loads((ROOT / "examples" / "networks.json").read_text())
    found = {
        entry["name"]: r2c.load(ROOT / "examples" / entry["file"], **entry["options"])
        for entry in entries
        if not entry["options"].get("clocked")
    }
    data = ROOT / "tests" / "data"
    return found | {name.split(".")[0]: r2c.load(data / name) for name in TRAINED_DATA}


def trained_systems() -> dict[str, Linear]:
    """The same, linearized where they rest."""
    return {
        name: model if isinstance(model, Linear) else r2c.linearize(model, at="equilibrium").model
        for name, model in trained_networks().items()
    }
