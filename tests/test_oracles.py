"""A second opinion: python-control on the extracted state space, lcapy on the emitted elements."""

from collections.abc import Callable

import control
import lcapy
import numpy as np
import pytest
import sympy
from random_linear import hard_system, stable_system, trained_systems

from rnn2circuit.flow import Compiled, compile_model
from rnn2circuit.models import Linear
from rnn2circuit.models.reference import solve
from rnn2circuit.stimulus import PwlStimulus
from rnn2circuit.verify.transfer import read_linear

ALGEBRA = 1e-9  # of the peak: two ways to evaluate one rational function, n <= 12
POLES = 1e-9  # of the largest; no pole of these systems is defective
INTEGRATED = 1e-7  # of the peak: control steps with matrix exponentials, ours to 1e-10
OMEGA = np.geomspace(1e-2, 1e2, 41)
PORTS = {"gyrator": "gyrator", "rails": "resistor"}  # coupling and inputs without one-way sources


def driven_systems() -> dict[str, Linear]:
    """Random and trained ones with inputs, whose poles are simple."""
    random = {f"stable {k}": stable_system(k) for k in (9, 13, 14)}
    grows = {"grows": hard_system(2)}
    return random | grows | {"filter": trained_systems()["linear_filter"]}


SYSTEMS = driven_systems()


def read_back(model: Linear, **options: str) -> Linear:
    """The state space of a compiled network, from its text alone."""
    compiled = compile_model(model, **options)
    return read_linear(compiled.netlist, compiled.record)


def as_control(model: Linear) -> control.StateSpace:
    n, m = model.n_states, model.n_inputs
    c = np.eye(n) if model.w_out is None else model.w_out
    d = np.zeros((len(c), m)) if model.d is None else model.d
    return control.ss(model.a, model.b, c, d)


def response(model: Linear, s: np.ndarray) -> np.ndarray:
    """``C (sI - A)^-1 B + D``, shape (points, p, m)."""
    model = model.without_input_map()
    c = np.eye(model.n_states) if model.w_out is None else model.w_out
    d = 0.0 if model.d is None else model.d
    eye = np.eye(model.n_states)
    return np.array([c @ np.linalg.solve(p * eye - model.a, model.b + 0j) + d for p in s])


@pytest.mark.parametrize("coupling", ["vccs", "gyrator", "transformer"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_control_finds_the_poles_and_the_frequency_response_in_the_netlist(name, coupling):
    model = SYSTEMS[name]
    system = as_control(read_back(model, coupling=coupling))
    poles = np.sort_complex(np.linalg.eigvals(model.a))
    found = np.sort_complex(control.poles(system))
    assert np.abs(found - poles).max() <= POLES * np.abs(poles).max()
    wanted = response(model, 1j * OMEGA)
    gains = np.moveaxis(control.frequency_response(system, OMEGA).complex, -1, 0)
    assert np.abs(gains.reshape(wanted.shape) - wanted).max() <= ALGEBRA * np.abs(wanted).max()


@pytest.mark.parametrize("name", SYSTEMS)
def test_controls_step_response_is_the_networks_own(name):
    model = SYSTEMS[name]
    system = as_control(read_back(model, coupling="gyrator"))
    t = np.linspace(0.0, 4.0, 81)
    for j in range(model.n_inputs):
        stepped = control.step_response(system, t, input=j).outputs.reshape(-1, t.size).T
        resting = Linear(
            a=model.a, b=model.b, w_out=model.w_out, d=model.d, in_scale=model.in_scale
        )
        held = PwlStimulus(times=np.zeros(1), values=np.eye(model.n_inputs)[[j]])
        wanted = solve(resting, held, t_end=4.0).outputs(t)
        assert np.abs(stepped - wanted).max() <= INTEGRATED * np.abs(wanted).max()


def test_a_wrong_element_is_seen_by_control():
    model = SYSTEMS["stable 9"]
    compiled = compile_model(model)
    card = next(line for line in compiled.netlist.splitlines() if line.startswith("g_a_"))
    *words, value = card.split()
    wrong = compiled.netlist.replace(card, " ".join([*words, repr(1.001 * float(value))]))
    system = as_control(read_linear(wrong, compiled.record))
    wanted = response(model, 1j * OMEGA)
    gains = np.moveaxis(control.frequency_response(system, OMEGA).complex, -1, 0)
    assert np.abs(gains.reshape(wanted.shape) - wanted).max() > 1e3 * ALGEBRA * np.abs(wanted).max()


def lcapy_netlist(compiled: Compiled, value: Callable[[str, str], str]) -> str:
    """The emitted cards as lcapy's: both halves of a gyrator are one GY, values as `value` says."""
    cards = [line.split() for line in compiled.netlist.splitlines() if line[:1] in "rcge"]
    lines = []
    for name, *words in cards:
        plain = name.replace("_", "")
        match name[0]:
            case "r" | "c":
                lines.append(f"{plain.upper()} {words[0]} {words[1]} {{{value(name, words[2])}}}")
            case "e":
                control = " ".join(words[:4])
                lines.append(f"E{plain[1:]} {control} {{{value(name, words[4])}}}")
            case _ if name.endswith("_f"):
                nets, gyration = " ".join(words[:4]), value(name, words[4])
                lines.append(f"GY{plain[1:-1]} {nets} {{1/({gyration})}}")
            case _:
                assert name.endswith("_r"), name  # the other half: nothing new
    return "\n".join(lines)


def exact(name: str, text: str) -> str:
    return str(sympy.Rational(float(text)))


@pytest.mark.parametrize("coupling", PORTS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_lcapys_transfer_function_of_the_elements_is_that_of_the_network(n, coupling):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, n)) - 2.0 * np.eye(n)
    model = Linear(a=a, b=rng.normal(size=(n, 1)))
    compiled = compile_model(model, coupling=coupling, inputs_as=PORTS[coupling])
    circuit = lcapy.Circuit(lcapy_netlist(compiled, exact))
    ports = compiled.state_map
    s = 1j * np.geomspace(0.1, 10.0, 7)
    wanted = response(model, s)[:, :, 0]
    for k, port in enumerate(ports.states):
        h = circuit.transfer("u1", "0", port.port, "0").sympy
        (free,) = h.free_symbols
        unit = ports.inputs[0].volts_per_unit / port.volts_per_unit
        found = [unit * complex(h.subs(free, p / ports.seconds_per_unit).evalf(30)) for p in s]
        assert np.abs(np.array(found) - wanted[:, k]).max() <= ALGEBRA * np.abs(wanted).max()


def test_a_gyrator_that_ends_in_a_capacitor_is_an_inductor_in_symbols():
    """The one-port at x1: R, C and behind the gyrator C / g^2, which is a lossless inductor."""
    model = Linear(a=np.array([[-1.0, 2.0], [-2.0, 0.0]]))
    compiled = compile_model(model, coupling="gyrator")
    text = lcapy_netlist(compiled, lambda name, _: name.replace("_", ""))
    z = lcapy.Circuit(text).impedance("x1", "0").sympy
    symbols = {str(v): v for v in z.free_symbols}
    r, c1, c2, g, s = (symbols[k] for k in ("rshunt1", "cstate1", "cstate2", "gskew12f", "s"))
    wanted = 1 / (1 / r + s * c1 + 1 / (s * c2 / g**2))
    assert sympy.simplify(z - wanted) == 0
    assert len(symbols) == 5


def test_a_chain_of_gyrators_is_a_ladder_of_one_ports_in_symbols():
    a = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 2.0], [0.0, -2.0, -3.0]])
    compiled = compile_model(Linear(a=a), coupling="gyrator")
    text = lcapy_netlist(compiled, lambda name, _: name.replace("_", ""))
    z = lcapy.Circuit(text).impedance("x1", "0").sympy
    at = {str(v): v for v in z.free_symbols}
    s, g, h = at["s"], at["gskew12f"], at["gskew23f"]
    end = s * at["cstate3"] + 1 / at["rshunt3"]
    middle = s * at["cstate2"] + h**2 / end
    wanted = 1 / (s * at["cstate1"] + g**2 / middle)
    assert sympy.simplify(z - wanted) == 0
