"""Synapses cost one gate per distinct (source, slope, offset), and linear elements otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_model

from rnn2circuit.flow import compile_model
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations

N, M = 4, 3


def dense(family, *, shared):
    """A model all of whose synapses exist; with `shared`, one gate per presynaptic neuron."""
    model = random_model(family, N, M, seed=5, extras=False)
    rng = np.random.default_rng(5)
    fields = {}
    for suffix, columns in (("", N), ("_in", M)):
        for name in ("slope", "offset"):
            value = rng.uniform(1, 2, (N, columns))
            fields[name + suffix] = np.tile(value[:1], (N, 1)) if shared else value
        fields["g_syn" + suffix] = rng.uniform(0.1, 1, (N, columns))
        other = "e_rev" if family == "ltc" else "k_syn"
        fields[other + suffix] = rng.uniform(0.1, 1, (N, columns))
    if family == "ltc":
        fields["g_gap"] = None
    return replace(model, **fields)


def lines(model, stems):
    text = compile_model(model, duration=1.0, step=0.01).netlist.splitlines()
    return {stem: sum(line.startswith(f"{stem}_") for line in text) for stem in stems}


@pytest.mark.parametrize("family", ["ltc", "stc", "lrc"])
def test_gates_that_depend_on_the_source_alone_are_made_once(family):
    second = "e" if family == "ltc" else "k"
    elements = ["g_g", f"g_{second}", "g_gin", f"g_{second}in"]
    for shared in (True, False):
        found = lines(dense(family, shared=shared), ["b_gate", "b_gatein", *elements])
        assert found["b_gate"] == (N if shared else N * N)
        assert found["b_gatein"] == (M if shared else N * M)
        # Two linear elements per synapse, shared gates or not.
        assert [found[e] for e in elements] == [N * N, N * N, N * M, N * M]


def test_sources_in_an_ltc_are_its_gates_and_one_product_per_neuron():
    text = compile_model(dense("ltc", shared=True), duration=1.0, step=0.01).netlist
    assert sum(line.startswith("b_") for line in text.splitlines()) == N + M + N


def test_equal_gates_of_some_rows_only_are_shared_among_those():
    model = dense("ltc", shared=False)
    slope, offset = model.slope.copy(), model.offset.copy()
    slope[2], offset[2] = slope[0], offset[0]
    model = replace(model, slope=slope, offset=offset)
    assert lines(model, ["b_gate"]) == {"b_gate": N * N - N}
    compiled = compile_model(model, duration=1.0, step=0.01)
    for check in check_equations(compiled.netlist, compiled.record, model, seed=0):
        assert check.verdict is Verdict.PASS, check
