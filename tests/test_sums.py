"""Resistors that meet in one sum are rounded together."""

import numpy as np
import pytest
from random_models import random_cell, random_model

from rnn2circuit.circuit.banks import Capacitors, Resistors
from rnn2circuit.circuit.parts import Otas
from rnn2circuit.devices.eseries import nearest_on, values_on_offer
from rnn2circuit.devices.technology import Technology
from rnn2circuit.errors import NotRealizableError
from rnn2circuit.flow import Values, compile_model, simulate
from rnn2circuit.lowering.purchase import CapacitorChoice
from rnn2circuit.lowering.sums import better_capacitors, rounded_together
from rnn2circuit.models import Ctrnn
from rnn2circuit.models.trajectory import Trajectory

TECHNOLOGY = Technology()
OFFER = values_on_offer("E24", pairs=True, low=1.0, high=1e9)
FINE = np.geomspace(1.0, 1e12, 30_000_000)  # every value there is, to a millionth
SAME = 3e-6  # relative: what FINE does not resolve
LOADED = 3e-4  # relative, of a ratio of two or three resistors; one by one they are off by more
HARDLY = 1.5e-3  # rms error in parts of range: half of what pairs of E24 may cost
SETTLED = 0.99  # of a clock period
CELL_STEPS = 20.0


def macro(model, **options):
    return compile_model(model, level="macro", **options).realization.circuit


def resistors(circuit):
    """Ends and conductance of every resistor, by the stem of its bank."""
    return {
        bank.stem: (bank.p, bank.n, 1.0 / bank.resistance)
        for bank in circuit.banks
        if isinstance(bank, Resistors)
    }


def shares(circuit):
    """Of each weight in front of a stage: its part of the total conductance there."""
    found = resistors(circuit)
    total = np.zeros(len(circuit.nets))
    for stem in ("pair", "leg"):
        p, n, siemens = found[stem]
        np.add.at(total, n if stem == "pair" else p, siemens)
    _, ends, siemens = found["pair"]
    return siemens / total[ends]


def rounded(circuit):
    """Every resistor at the nearest value on offer, by itself."""
    banks = {}
    for stem, (p, n, siemens) in resistors(circuit).items():
        banks[stem] = (p, n, 1.0 / nearest_on(OFFER, 1.0 / siemens))
    return banks


def neuron(n=4, seed=3):
    return random_model("ctrnn", n, 1, seed, activations=("tanh",))


def test_a_common_factor_changes_no_share_of_a_sum():
    circuit = macro(neuron())
    same = rounded_together(circuit, FINE, TECHNOLOGY)
    np.testing.assert_allclose(shares(same), shares(circuit), rtol=SAME)


def test_shares_are_nearer_than_those_of_resistors_rounded_one_by_one():
    circuit = macro(neuron(6))

    def off(of):
        (_, ends, siemens), (legs, _, rest) = of["pair"], of["leg"]
        total = np.zeros(len(circuit.nets))
        np.add.at(total, ends, siemens)
        np.add.at(total, legs, rest)
        return np.sqrt(np.mean((siemens / total[ends] / shares(circuit) - 1.0) ** 2))

    together = off(rounded(rounded_together(circuit, OFFER, TECHNOLOGY)))
    assert together < 0.6 * off(rounded(circuit))


def test_a_load_follows_its_bias_current():
    circuit = macro(random_model("ltc", 2, 1, 0))
    (otas,) = (bank for bank in circuit.banks if isinstance(bank, Otas))

    def swings(found):
        """Of each stage with a load: bias current over conductance, up to a common factor."""
        total = np.zeros(len(circuit.nets))
        np.add.at(total, found["load"][0], found["load"][2])
        np.add.at(total, found["lift"][1], found["lift"][2])
        bias = np.zeros(len(circuit.nets))
        bias[found["bias"][1]] = found["bias"][2]
        return bias[otas.bias] / total[otas.out]

    changed = rounded_together(circuit, OFFER, TECHNOLOGY)
    factor = resistors(changed)["bias"][2] / resistors(circuit)["bias"][2]
    assert np.abs(factor - 1.0).max() > 1e-3
    wanted = swings(resistors(circuit))
    together, alone = (swings(rounded(c)) / wanted - 1.0 for c in (changed, circuit))
    assert np.abs(together).max() < 0.5 * np.abs(alone).max()


def test_of_an_op_amp_that_drives_a_state_the_second_resistor_follows_the_first():
    circuit = macro(random_model("linear", 3, 1, 1))
    plates = set(next(b for b in circuit.banks if isinstance(b, Capacitors)).p.tolist())

    def negative(found):
        """Conductance into the states of the weights at the inverting inputs."""
        out, ends, turns = found["turn"]
        into = {int(o): g for o, e, g in zip(out, ends, turns, strict=True) if int(e) in plates}
        back = {int(e): (int(o), g) for o, e, g in zip(out, ends, turns, strict=True)}
        return np.array(
            [
                g * into[back[int(e)][0]] / back[int(e)][1]
                for e, g in zip(*found["w"][1:], strict=True)
                if int(e) not in plates
            ]
        )

    wanted = negative(resistors(circuit))
    assert len(wanted) > 1
    together = negative(rounded(rounded_together(circuit, OFFER, TECHNOLOGY)))
    np.testing.assert_allclose(together, wanted, rtol=LOADED)
    assert np.abs(negative(rounded(circuit)) / wanted - 1.0).max() > LOADED


@pytest.mark.spice
@pytest.mark.parametrize(
    ("family", "seed"),
    [("linear", 1), ("hopfield", 1), ("lem_cell", 1), ("lem_cell", 5), ("lrc", 0), ("gru", 0)],
)
def test_pairs_of_e24_add_little_even_where_a_network_is_sensitive(family, seed):
    cell = family in ("lem_cell", "gru")
    model = (random_cell if cell else random_model)(family, 3, 1, seed)
    options = {"level": "macro", "duration": CELL_STEPS if cell else None}
    assert error(simulate(compile_model(model, values=Values(round="E24"), **options))) < HARDLY


def error(simulation):
    """Rms error of the worst state, in parts of its range; of clocked cells where they settled."""
    reference, t, x = simulation.compiled.reference, simulation.t, simulation.x
    spread = np.maximum(reference.range, 1e-3 * reference.range.max())
    if isinstance(reference, Trajectory):
        at = np.arange(reference.n_steps) + SETTLED
        off = np.stack([np.interp(at, t, column) for column in x.T], axis=1) - reference.states[1:]
    else:
        off = x - reference(np.minimum(t, reference.t_end))
    return float(np.sqrt(((off / spread) ** 2).mean(axis=0)).max())


def test_capacitors_are_those_whose_resistors_come_closest():
    circuit = macro(neuron(3))
    choice = CapacitorChoice(series="E6", low=1e-12, high=1e-4)
    picked = better_capacitors(circuit, OFFER, TECHNOLOGY, choice)
    (states,) = (b for b in circuit.banks if isinstance(b, Capacitors))
    ratio = np.array(picked) / states.capacitance
    assert np.all((ratio >= 0.2) & (ratio <= 1.0))
    mantissas = {float(f"{c:.1e}".split("e")[0]) for c in picked}
    assert mantissas <= {1.0, 1.5, 2.2, 3.3, 4.7, 6.8}
    found = resistors(circuit)
    order = {int(net): k for k, net in enumerate(states.p.tolist())}
    for p, _, g in zip(*found["leak"], strict=True):  # R C of what is bought is what it was
        k = order[int(p)]
        factors = np.array([c * 10.0**e for c in sorted(mantissas) for e in range(-9, -5)])
        factors = factors[(factors >= 0.2 * states.capacitance[k])] / states.capacitance[k]
        factors = factors[factors <= 1.0]
        off = np.abs(nearest_on(OFFER, 1.0 / (g * factors)) * (g * factors) - 1.0)
        own = np.abs(nearest_on(OFFER, 1.0 / (g * ratio[k])) * (g * ratio[k]) - 1.0)
        assert own <= np.median(off)


def test_states_that_are_tied_keep_their_capacitors():
    model = random_model("linear", 3, 1, 0)
    circuit = macro(model, coupling="gyrator")
    choice = CapacitorChoice(series="E6", low=1e-12, high=1e-4)
    assert better_capacitors(circuit, OFFER, TECHNOLOGY, choice) == ()
    any_value = CapacitorChoice(series=None, low=1e-12, high=1e-4)
    assert better_capacitors(macro(neuron()), OFFER, TECHNOLOGY, any_value) == ()


def test_ranges_hold_for_what_is_rounded_together():
    model = Ctrnn(rate=np.ones(1), gain=np.ones(1), w=[[0.5]], bias=[0.25], x0=[0.1])
    low, high = 490.0, 1e7
    compiled = compile_model(
        model, level="macro", values=Values(round="E24", pairs=False, r_range=(low, high))
    )
    for bank in compiled.realization.circuit.banks:
        if isinstance(bank, Resistors):
            assert np.all((bank.resistance >= low) & (bank.resistance <= high))
    with pytest.raises(NotRealizableError, match="outside 1000 to"):
        compile_model(model, level="macro", values=Values(round="E24", r_range=(1e3, high)))
