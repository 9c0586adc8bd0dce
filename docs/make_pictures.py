"""Make the pictures of the documentation from circuits compiled and simulated here and now.

python docs/make_pictures.py
"""

from pathlib import Path

import numpy as np

import rnn2circuit as r2c
from rnn2circuit.report.plots import plot_neuron

PICTURES = Path(__file__).parent / "pictures"


def main():
    rng = np.random.default_rng(4)
    model = r2c.Ctrnn(
        rate=np.ones(4),
        w=2.2 * rng.normal(size=(4, 4)) / 2.0,
        w_in=rng.normal(size=(4, 1)),
        bias=0.3 * rng.normal(size=4),
        x0=np.array([0.8, -0.5, 0.3, -0.2]),
    )
    result = r2c.verify_model(model, duration=14.0)
    simulation, compiled = result.simulation, result.compiled
    if simulation is None or not result.passed:
        raise SystemExit(f"the circuit of the picture does not verify: {result.report}")
    seconds = compiled.state_map.seconds_per_unit
    t = np.linspace(0.0, compiled.duration, 1001)
    worst = next(c.value for c in result.report.checks if c.id == "transient.states")
    plot_neuron(
        PICTURES / "neuron.png",
        t=seconds * t,
        x_ode=compiled.reference(t)[:, 0],
        t_spice=seconds * simulation.t,
        x_spice=simulation.x[:, 0],
        caption=f"neuron 1 of 4; worst state off by {worst:.0e} of its range",
    )


if __name__ == "__main__":
    main()
