"""Dense networks: how long compiling and verifying takes, part by part."""

import tempfile
import time

import numpy as np

import rnn2circuit as r2c
from rnn2circuit.synthesis.realize import realize
from rnn2circuit.synthesis.scaling import choose_scaling


def dense_ctrnn(n):
    rng = np.random.default_rng(n)
    w = 1.2 / np.sqrt(n) * rng.normal(size=(n, n))
    return r2c.Ctrnn(rate=np.ones(n), w=w, w_in=rng.normal(size=(n, 1)), x0=rng.uniform(-1, 1, n))


def dense_linear(n):
    rng = np.random.default_rng(n)
    a = 0.5 / np.sqrt(n) * rng.normal(size=(n, n)) - np.eye(n)
    return r2c.Linear(a=a, b=rng.normal(size=(n, 1)))


def timed(what, action):
    start = time.perf_counter()
    result = action()
    print(f"{what:<56} {time.perf_counter() - start:8.2f} s")
    return result


def main():
    small, large = dense_ctrnn(100), dense_linear(1000)
    compiled = timed(
        "compile a dense CTRNN, n = 100", lambda: r2c.compile_model(small, duration=10, step=0.02)
    )
    result = timed("  verify it over 500 steps", lambda: r2c.verify_compiled(compiled))
    print(result.verdict, *result.report.checks, sep="\n    ")
    scaling = choose_scaling(large, form="rc")
    timed(
        "direct synthesis of a dense linear network, n = 1000",
        lambda: realize(large, form="rc", coupling="vccs", scaling=scaling),
    )
    with tempfile.TemporaryDirectory() as directory:
        compiled = timed(
            "compile a dense linear network, n = 1000, to files",
            lambda: (c := r2c.compile_model(large), c.write(directory))[0],
        )
    from rnn2circuit.verify.equations import check_equations

    checks = timed(
        "  read its million couplings back",
        lambda: check_equations(compiled.netlist, compiled.record, large, seed=0),
    )
    print(*checks, sep="\n    ")


if __name__ == "__main__":
    main()
