"""Every continuous family, form, coupling and realization: many random models, all layers.

The campaign runs 50 models of each: ``pytest -m campaign -rP tests/test_campaign.py``. The
ordinary suite runs one of each here, and more of them in test_realize.py and test_flow.py.
"""

import pytest
from random_models import FAMILIES, SMOOTH_BOUNDED, random_model

from rnn2circuit.flow import compile_model, simulate
from rnn2circuit.simulate.ngspice import Ngspice
from rnn2circuit.verify.checks import Verdict
from rnn2circuit.verify.equations import check_equations
from rnn2circuit.verify.evaluated import check_evaluated
from rnn2circuit.verify.invariants import check_invariants
from rnn2circuit.verify.transient import check_steps, check_waveforms

CAMPAIGN = 50
EXTRACTED, EVALUATED = 1e-9, 1e-9
TRANSIENT = 1e-4  # worst state at default settings, parts of range
LIMITS = {
    "extraction.f": EXTRACTED,
    "extraction.jacobian": EXTRACTED,
    "extraction.output": EXTRACTED,
    "simulator.f": EVALUATED,
    "transient.states": TRANSIENT,
}


def variants():
    """Family, what is fixed of it, and options of the compiler."""
    for family in FAMILIES:
        kinds = {"lrc": ("asymmetric", "symmetric"), "gru_ode": ("before", "after")}
        for kind in kinds.get(family, ("",)):
            for form in ("rc", "rl"):
                for coupling in ("vccs", "gyrator"):
                    yield family, kind, {"form": form, "coupling": coupling}
                    if family == "lrc" and form == "rc":
                        yield family, kind, {"coupling": coupling, "capacitance": "variable"}


VARIANTS = list(variants())
NAMES = ["-".join([f, *filter(None, [kind]), *o.values()]) for f, kind, o in VARIANTS]


def models(family, kind, count):
    """`count` models of 1 to 6 states and 0 to 2 inputs, of the wanted kind."""
    seed = 0
    while count:
        model = random_model(family, 1 + seed % 6, seed % 3, seed, activations=SMOOTH_BOUNDED)
        seed += 1
        if kind in ("", getattr(model, "elastance", ""), getattr(model, "reset", "")):
            count -= 1
            yield seed - 1, model


def layers(model, options, seed):
    """All checks of one model: text, the simulator's own evaluation, waveforms, invariants."""
    compiled = compile_model(model, **options)
    text, record = compiled.netlist, compiled.record
    yield from check_equations(text, record, model, seed=seed)
    yield check_evaluated(text, record, model, Ngspice(), seed=seed, timeout=60)
    run = simulate(compiled, simulator="ngspice")
    yield check_waveforms(run.t, run.x, compiled.reference, limit=TRANSIENT)
    yield check_steps(run.t, run.x, model, compiled.reference)
    yield from check_invariants(model, run.t, run.x, compiled.reference.input(run.t))


def worst_figures(family, kind, options, count):
    """Largest figure of each layer; no model may fail a check."""
    worst = dict.fromkeys(LIMITS, 0.0)
    for seed, model in models(family, kind, count):
        for check in layers(model, options, seed):
            assert check.verdict is Verdict.PASS, (seed, check)
            if check.id in worst:
                worst[check.id] = max(worst[check.id], check.value)
    return worst


def judged(family, kind, options, count):
    worst = worst_figures(family, kind, options, count)
    print(f"{family} {kind} {options}: " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    for id, value in worst.items():
        assert value <= LIMITS[id], id


@pytest.mark.spice
@pytest.mark.parametrize(
    ("family", "kind", "options"),
    [v for v in VARIANTS if v[2].get("coupling") == "vccs" and v[0] != "gated"],
)
def test_one_model_of_every_variant(family, kind, options):
    judged(family, kind, options, 1)


@pytest.mark.campaign
@pytest.mark.spice
@pytest.mark.parametrize(("family", "kind", "options"), VARIANTS, ids=NAMES)
def test_fifty_models_of_every_variant(family, kind, options):
    judged(family, kind, options, CAMPAIGN)
