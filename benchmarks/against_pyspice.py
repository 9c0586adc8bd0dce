"""The same CTRNN by PySpice with one n-term source per neuron, and by rnn2circuit."""

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
R, C = 1e5, 1e-8  # ohm, F: tau = 1 ms on both sides


def network(n):
    rng = np.random.default_rng(n)
    return r2c.Ctrnn(
        rate=np.ones(n), w=1.2 / np.sqrt(n) * rng.normal(size=(n, n)), x0=rng.uniform(-1, 1, n)
    )


def by_pyspice(model):
    """Deck text as PySpice builds it."""
    from PySpice.Spice.Netlist import Circuit

    circuit = Circuit("ctrnn")
    n = model.n_states
    for i in range(n):
        circuit.C(i, f"x{i}", circuit.gnd, C)
        circuit.R(i, f"x{i}", circuit.gnd, R)
        terms = "+".join(f"({model.w[i, j]:.17g})*v(x{j})" for j in range(n))
        circuit.B(i, circuit.gnd, f"x{i}", current_expression=f"{1 / R}*tanh({terms})")
    start = " ".join(f"v(x{i})={v!r}" for i, v in enumerate(model.initial_state.tolist()))
    stop = 10 * R * C
    return (
        str(circuit).replace(".end", "")
        + f"\n.ic {start}\n.options klu reltol=1e-9 abstol=1e-15 vntol=1e-12 trtol=7000\n"
        + f".tran {stop / STEPS} {stop} 0 {stop / STEPS}\n.end\n"
    )


def by_rnn2circuit(model):
    compiled = r2c.compile_model(model, duration=10.0, step=10.0 / STEPS)
    return compiled.testbench.replace(".include network.cir\n", compiled.netlist)


def run(make, model):
    """Seconds to write the deck and to simulate it, and the final state of neuron 0."""
    start = time.perf_counter()
    text = make(model)
    written = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "deck.cir").write_text(text)
        start = time.perf_counter()
        done = subprocess.run(
            ["ngspice", "-b", "-n", "-r", "out.raw", "deck.cir"], cwd=directory, capture_output=True
        )
        simulated = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stderr.decode())
    return written, simulated


def main():
    sizes = [int(arg) for arg in sys.argv[1:]] or [10, 30]
    print(f"{'n':>5} {'':>12} {'write s':>9} {'run s':>9} {'sum s':>9} {'ratio':>7}")
    for n in sizes:
        model = network(n)
        sums = {}
        rows = {by_pyspice: [], by_rnn2circuit: []}
        for _ in range(REPEATS if n < 100 else 1):
            for make, found in rows.items():
                found.append(run(make, model))
        for make, found in rows.items():
            write, simulate = (statistics.median(column) for column in zip(*found, strict=True))
            sums[make] = write + simulate
            ratio = sums[by_pyspice] / sums[make]
            name = make.__name__.removeprefix("by_")
            print(f"{n:>5} {name:>12} {write:9.3f} {simulate:9.3f} {sums[make]:9.3f} {ratio:7.1f}")


if __name__ == "__main__":
    main()
