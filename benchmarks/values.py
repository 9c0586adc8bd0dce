"""The measured tables of docs/passivity.md and docs/values.md, printed again.

Run it from the repository: ``python benchmarks/values.py``. It takes about a minute.
"""

import time
from pathlib import Path

import numpy as np

import rnn2circuit as r2c
from rnn2circuit.devices.eseries import best_pair, nearest
from rnn2circuit.flow import Values, compile_model, simulate_noise
from rnn2circuit.models import Linear
from rnn2circuit.synthesis.noise import predict_noise
from rnn2circuit.synthesis.passivity import passivate
from rnn2circuit.synthesis.sizing import size_linear
from rnn2circuit.synthesis.tolerance import predict_tolerance

DATA = Path(__file__).parent.parent / "tests" / "data"


def gaussian(n: int, gain: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return -np.eye(n) + gain * rng.standard_normal((n, n)) / np.sqrt(n)


def passivity() -> None:
    print("passivity: network, verdict, capacitor spread, negative resistors, seconds")
    flip_flop = r2c.load(DATA / "flipflop_rnn.npz")
    memory = next(e for e in r2c.find_equilibria(flip_flop) if e.stability == "stable")
    delay = r2c.linearize(r2c.load(DATA / "delay_rnn.npz"), at="origin").model
    cases = {
        "trained delay, 24": delay.a,
        "trained flip-flop at a memory, 24": flip_flop.jacobian(memory.x, np.zeros(2)),
        "trained flip-flop at the origin, 24": flip_flop.jacobian(np.zeros(24), np.zeros(2)),
        "chain, weight 3, 10": -np.eye(10) + np.diag(np.full(9, 3.0), -1),
        "random, gain 0.72, 256": gaussian(256, 0.72, 1),
        "random, gain 0.85, 256": gaussian(256, 0.85, 1),
    }
    for name, a in cases.items():
        start = time.perf_counter()
        v = passivate(a)
        seconds = time.perf_counter() - start
        counts = f"{v.negative_resistors}/{v.scaled_negative_resistors}"
        print(f"  {name:36} {v.status:11} {v.capacitor_spread:8.3g} {counts:6} {seconds:.2f}")


def rounding(model: Linear) -> None:
    print("rounding of the trained delay network: series, one by one, together, seconds")
    for series in ("E24", "E96", "E192"):
        start = time.perf_counter()
        rounded = compile_model(model, values=Values(round=series)).rounded.rounded
        seconds = time.perf_counter() - start
        print(f"  {series:5} {rounded.nearest_error:8.2%} {rounded.error:8.3%} {seconds:5.1f}")
    pairs = compile_model(model, values=Values(round="E24", pairs=True)).rounded
    print(f"  E24, pairs of parts {pairs.error:.3%}")


def pairs() -> None:
    print("largest error of the best value: series, single, pair")
    values = 10 ** np.random.default_rng(0).uniform(3, 4, 2000)
    for series in ("E12", "E24", "E96", "E192"):
        one = np.abs(np.log(nearest(series, values, low=1.0, high=1e7) / values)).max()
        two = max(abs(np.log(best_pair(series, v).value / v)) for v in values)
        print(f"  {series:5} {one:8.2%} {two:8.3%}")


def tolerance(model: Linear) -> None:
    made = compile_model(model)
    circuit, ports = made.realization.circuit, made.state_map
    for percent in (1, 5):
        p = predict_tolerance(circuit, ports, resistor=percent / 100)
        print(
            f"tolerance {percent} %: rms {p.rms:.2%}, worst case {p.worst_reached:.1%} to "
            f"{p.worst_bound:.1%}, yield within {p.limit:.2%}: {p.yield_fraction:.0%}"
        )


def sizes(model: Linear) -> None:
    for name, options in (
        ("equal capacitors", {"capacitors": "equal"}),
        ("free capacitors", {}),
        ("free capacitors, swing l2", {"swing": "l2"}),
    ):
        print(f"spread of conductances, {name}: {size_linear(model, **options).spread:.4g}")


def noise() -> None:
    rng = np.random.default_rng(0)
    model = Linear(a=gaussian(6, 0.5, 3), b=rng.standard_normal((6, 2)))
    for form, coupling in (("rc", "vccs"), ("rc", "gyrator"), ("rl", "vccs")):
        compiled = compile_model(model, form=form, coupling=coupling)
        predicted = predict_noise(compiled.realization.circuit, compiled.state_map).states
        worst = np.abs(simulate_noise(compiled) / predicted - 1).max()
        print(f"noise, {form} {coupling}: largest deviation of ngspice from Lyapunov {worst:.1e}")


def kept(model: Linear) -> Linear:
    """Without the weights that training let decay to nothing."""
    parts = {k: np.where(np.abs(v) > 1e-3, v, 0) for k, v in (("a", model.a), ("b", model.b))}
    return Linear(w_out=np.where(np.abs(model.w_out) > 1e-3, model.w_out, 0), **parts)


if __name__ == "__main__":
    delay = r2c.linearize(r2c.load(DATA / "delay_rnn.npz"), at="origin").model
    passivity()
    pairs()
    rounding(delay)
    tolerance(delay)
    sizes(kept(delay))
    noise()
