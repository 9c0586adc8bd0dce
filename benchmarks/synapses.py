"""An LTC whose gates depend on the presynaptic neuron alone: factored, and as it is often drawn."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import rnn2circuit as r2c

STEPS = 500
REPEATS = 3
R, C = 1e5, 1e-8  # ohm, F: what automatic scaling chooses for a unit conductance
APART = 1e-9  # relative difference that keeps two gates from being one


def network(n, *, shared):
    """A dense LTC; with `shared`, one slope and one offset per column."""
    rng = np.random.default_rng(n)
    slope, offset = np.tile(rng.uniform(2, 4, n), (n, 1)), np.tile(rng.normal(size=n), (n, 1))
    if not shared:
        slope = slope * (1 + APART * np.arange(n)[:, None])
    return r2c.Ltc(
        c_m=np.ones(n),
        g_leak=np.ones(n),
        e_leak=np.zeros(n),
        g_syn=rng.uniform(0.1, 1, (n, n)) / n,
        slope=slope,
        offset=offset,
        e_rev=rng.choice([-1.0, 1.0], (n, n)),
        x0=rng.uniform(-1, 1, n),
    )


def factored(n):
    return compiled(network(n, shared=True))


def one_gate_each(n):
    return compiled(network(n, shared=False))


def compiled(model):
    made = r2c.compile_model(model, duration=10.0, step=10.0 / STEPS, seconds_per_unit=R * C)
    return made.testbench.replace(".include network.cir\n", made.netlist)


def one_source_each(n):
    """Every synapse a behavioural source in two voltages, with its numbers in the expression."""
    model = network(n, shared=True)
    lines = ["* one source per synapse"]
    for i in range(n):
        x0 = float(model.x0[i])
        lines += [f"c{i} x{i} 0 {C} ic={x0!r}", f"r{i} x{i} 0 {R}", f".ic v(x{i})={x0!r}"]
        for j in range(n):
            g, s, o, e = (
                float(a[i, j]) for a in (model.g_syn, model.slope, model.offset, model.e_rev)
            )
            gate = f"(0.5+0.5*tanh(0.5*({s!r}*v(x{j})+{o!r})))"
            lines.append(f"b{i}_{j} 0 x{i} i={g / R!r}*{gate}*({e!r}-v(x{i}))")
    stop = 10 * R * C
    lines.append(".options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 trtol=7000")
    lines += [f".tran {stop / STEPS} {stop} 0 {stop / STEPS}", ".end", ""]
    return "\n".join(lines)


def seconds(text):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "deck.cir").write_text(text)
        start = time.perf_counter()
        done = subprocess.run(
            ["ngspice", "-b", "-n", "-r", "out.raw", "deck.cir"], cwd=directory, capture_output=True
        )
        taken = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stderr.decode())
    return taken


def main():
    print(f"{'n':>5} {'':>16} {'gates':>7} {'run s':>8} {'times factored':>15}")
    for n in [int(arg) for arg in sys.argv[1:]] or [8, 32]:
        decks = {make: make(n) for make in (factored, one_gate_each, one_source_each)}
        times = {make: [] for make in decks}
        for _ in range(REPEATS):
            for make, text in decks.items():
                times[make].append(seconds(text))
        for make, text in decks.items():
            median = statistics.median(times[make])
            ratio = median / statistics.median(times[factored])
            count = sum("tanh(" in line for line in text.splitlines())
            print(f"{n:>5} {make.__name__:>16} {count:>7} {median:8.3f} {ratio:15.1f}")


if __name__ == "__main__":
    main()
