"""For each shipped network: what its program answers to the shipped stimulus, and what was wanted.

Pictures draw this beside the circuit's readout, and tests judge both by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import example_tasks as tasks
import numpy as np
from numpy.typing import NDArray

from rnn2circuit.models import Lem, LemCell

Array = NDArray[np.float64]
HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Story:
    """What to compare a readout with: times in model units, values (k, p), or None.

    Attributes
    ----------
    readout : str
        What the readout is.
    program_t, program : ndarray
        When the trained program has answered, and what.
    wanted_t, wanted : ndarray
        What the network was trained to answer.
    """

    readout: str
    program_t: Array | None = None
    program: Array | None = None
    wanted_t: Array | None = None
    wanted: Array | None = None


def samples(name: str) -> tuple[Array, Array]:
    """Times and values of the one input in an example's stimulus file."""
    table = np.loadtxt(HERE / f"{name}_stimulus.csv", delimiter=",", skiprows=1)
    return table[:, 0], table[:, 1]


def rnn_story(net) -> Story:
    t, u = samples("rnn_delay")
    inside = t + net.dt <= t[-1]  # a step's answer is there at the end of the step
    return Story(
        readout="filtered signal",
        program_t=(t + net.dt)[inside],
        program=tasks.euler_outputs(net, u[None])[0][inside, None],
        wanted_t=(t + net.dt)[inside],
        wanted=tasks.filtered(t, u[None])[0][inside, None],
    )


def ltc_story(net) -> Story:
    t, u = samples("ltc_signal")
    settled = slice(3, None)
    return Story(
        readout="signal, one unit late",
        program_t=t[settled] + 1.0,
        program=tasks.fused_outputs(net, u[None], 6)[0][settled, None],
        wanted_t=t[settled] + 1.0,
        wanted=u[2:-1, None],
    )


def lem_story(net) -> Story:
    t, u = samples("lem_fitzhugh")
    program = tasks.cell_outputs(cell_of(net), u[None])[0]
    return Story(
        readout="membrane voltage v, foreseen",
        program_t=t[1:],  # the answer to sample k is to be sample k + 1
        program=program[:-1, None],
        wanted_t=t[1:],
        wanted=u[1:, None],
    )


def cell_of(net: Lem) -> LemCell:
    """The program of a LEM file, of which the network is the limit of small steps."""
    fields = {f"{kind}{pair}": getattr(net, f"{kind}{pair}") for kind in "wvb" for pair in "12yz"}
    return LemCell(**fields, dt=net.dt, w_out=net.w_out, b_out=net.b_out)


def gru_story(net) -> Story:
    t, u = samples("gru_xor")
    late = tasks.XOR_LATE
    program = tasks.cell_outputs(net, u[None])[0]
    return Story(
        readout="exclusive or: +1 or -1",
        program_t=t[late:] + 1.0,
        program=program[late:, None],
        wanted_t=t[late:] + 1.0,
        wanted=-(u[late:] * u[:-late])[:, None],
    )


def lstm_story(net) -> Story:
    t, u = samples("lstm_denoise")
    settled = slice(tasks.NOISY_SETTLED, None)
    clean = tasks.noisy_sines(np.random.default_rng(1), 64)[1][0]
    return Story(
        readout="signal without its noise",
        program_t=t[settled] + 1.0,
        program=tasks.cell_outputs(net, u[None])[0][settled, None],
        wanted_t=t[settled] + 1.0,
        wanted=clean[settled, None],
    )


def planar_story(name: str) -> Callable[[object], Story]:
    """Of a network that was trained as an equation: it has no other program."""

    def story(net) -> Story:
        task = tasks.PLANAR[name]
        t = tasks.PLANAR_STEP * np.arange(task.steps + 1)
        return Story(readout="coordinates", wanted_t=t, wanted=task.path())

    return story


STORIES: dict[str, Callable[..., Story]] = {
    "rnn_delay": rnn_story,
    "ltc_signal": ltc_story,
    "ctrnn_cycle": lambda net: Story(readout="coordinates on the cycle"),
    "hopfield_memory": lambda net: Story(readout="sums over either pattern"),
    "linear_filter": lambda net: Story(readout="position of the last mass"),
    "energy_recall": lambda net: Story(readout="overlap with each pattern"),
    "energy_sequence": lambda net: Story(readout="overlap with each pattern"),
    "delay_line": lambda net: Story(readout="inputs, one unit late"),
    "lem_fitzhugh": lem_story,
    "lrc_spiral": planar_story("spiral"),
    "lrc_duffing": planar_story("duffing"),
    "lrc_predators": planar_story("predators"),
    "lrc_sinusoid": planar_story("sinusoid"),
    "gru_xor": gru_story,
    "lstm_denoise": lstm_story,
}
