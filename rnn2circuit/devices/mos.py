"""Model cards of MOS transistors, and the experimental technology that they are for.

In weak inversion a MOS transistor is an exponential, as a bipolar one is, at currents of nA and
without base currents; of the gate's voltage only a part counts. A pair of them is
``tanh(SLOPE v / 2 Vt)`` (E. Vittoz and J. Fellrath, "CMOS analog integrated circuits based on weak
inversion operation", JSSC 1977).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rnn2circuit.devices.cards import Parameters, check_card, in_order

# What a card may hold, of BSIM3v3 (Y. Cheng et al., "BSIM3v3 manual", UC Berkeley 1996), the
# simplest of SPICE's models whose weak inversion is right.
PARAMETERS: dict[str, tuple[float, float]] = {
    "tox": (1e-9, 1e-7),  # m, gate oxide
    "vth0": (-3.0, 3.0),  # V, negative of a PMOS
    "k1": (0.0, 3.0),  # V^0.5, body effect
    "k2": (-1.0, 1.0),
    "nch": (1e14, 1e20),  # 1/cm^3, doping of the channel
    "u0": (1.0, 5e3),  # cm^2/Vs
    "vsat": (1e3, 1e6),  # m/s
    "voff": (-1.0, 1.0),  # V, of weak inversion
    "nfactor": (0.1, 5.0),  # of its slope
    "cit": (-1e-2, 1e-2),  # F/m^2, interface traps
    "cdsc": (-1e-2, 1e-2),  # F/m^2
    "eta0": (0.0, 2.0),
    "dsub": (0.0, 3.0),
    "dvt0": (0.0, 20.0),
    "dvt1": (0.0, 5.0),
    "pclm": (0.01, 10.0),  # output conductance
    "pdiblc1": (0.0, 5.0),
    "pdiblc2": (0.0, 5.0),
    "lint": (-1e-6, 1e-6),  # m
    "wint": (-1e-6, 1e-6),  # m
    "xj": (1e-9, 1e-5),  # m
    "cgso": (0.0, 1e-8),  # F/m
    "cgdo": (0.0, 1e-8),  # F/m
    "cj": (0.0, 1e-1),  # F/m^2
    "cjsw": (0.0, 1e-7),  # F/m
    "kt1": (-2.0, 2.0),  # V, drift of the threshold
    "ute": (-5.0, 5.0),  # drift of the mobility
    "tnom": (-50.0, 150.0),  # degrees Celsius
}
NEEDED = ("tox", "vth0")

SLOPE = 0.8  # of a pair: what of the gate's voltage counts, of the generic transistors
PIN = 0.45  # V of the bias pin above the negative supply, at 20 nA


@dataclass(frozen=True, slots=True)
class Mosfet:
    """A MOS transistor, by the numbers of its model card; what it leaves out is SPICE's."""

    parameters: Parameters

    def __post_init__(self) -> None:
        check_card(self.parameters, PARAMETERS, NEEDED, kind="MOS transistor")


def mosfet(values: Mapping[str, float]) -> Mosfet:
    """A transistor from a mapping, its parameters in the order of `PARAMETERS`."""
    return Mosfet(in_order(values, PARAMETERS))


# Nobody's transistors: of the size of a 0.35 um process.
_SHARED = {
    **{"tox": 7.5e-9, "k1": 0.6, "k2": 0.0, "nch": 1.7e17, "nfactor": 1.2, "voff": -0.1},
    **{"pclm": 1.0, "lint": 2e-8, "cgso": 2e-10, "cgdo": 2e-10, "cj": 1e-3},
}
GENERIC_NMOS = mosfet(_SHARED | {"vth0": 0.6, "u0": 420.0})
GENERIC_PMOS = mosfet(_SHARED | {"vth0": -0.7, "u0": 130.0})
