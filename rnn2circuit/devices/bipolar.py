"""Model cards of bipolar transistors: numbers by the names that SPICE has for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from rnn2circuit.devices.cards import Parameters, check_card, in_order

# What a card may hold, and from where to where: the model of Gummel and Poon as every SPICE has
# it (L. W. Nagel, "SPICE2", memorandum ERL-M520, 1975). 0 of VAF, VAR, IKF, IKR means infinite
# there; cards here leave such parameters out.
PARAMETERS: dict[str, tuple[float, float]] = {
    "is": (1e-20, 1e-9),  # A, transport saturation current
    "bf": (1.0, 1e5),  # forward current gain
    "nf": (0.5, 2.0),
    "vaf": (1.0, 1e6),  # V, forward Early voltage
    "ikf": (1e-6, 1e3),  # A, knee of the forward current gain
    "ise": (0.0, 1e-6),  # A, leakage of the base-emitter junction
    "ne": (0.5, 5.0),
    "br": (1e-3, 1e4),
    "nr": (0.5, 2.0),
    "var": (1.0, 1e6),  # V
    "ikr": (1e-6, 1e3),  # A
    "isc": (0.0, 1e-6),  # A
    "nc": (0.5, 5.0),
    "rb": (0.0, 1e4),  # ohm
    "irb": (1e-9, 1.0),  # A
    "rbm": (0.0, 1e4),  # ohm
    "re": (0.0, 100.0),  # ohm
    "rc": (0.0, 1e4),  # ohm
    "cje": (0.0, 1e-8),  # F
    "vje": (0.1, 2.0),  # V
    "mje": (0.05, 0.9),
    "cjc": (0.0, 1e-8),  # F
    "vjc": (0.1, 2.0),  # V
    "mjc": (0.05, 0.9),
    "xcjc": (0.0, 1.0),
    "cjs": (0.0, 1e-8),  # F
    "vjs": (0.1, 2.0),  # V
    "mjs": (0.0, 0.9),
    "fc": (0.0, 0.99),
    "tf": (0.0, 1e-5),  # s, forward transit time
    "xtf": (0.0, 1e4),
    "vtf": (0.0, 1e4),  # V
    "itf": (0.0, 1e3),  # A
    "ptf": (0.0, 180.0),  # degrees
    "tr": (0.0, 1e-3),  # s
    "eg": (0.1, 3.0),  # eV
    "xti": (0.0, 20.0),
    "xtb": (-5.0, 10.0),
    "kf": (0.0, 1.0),
    "af": (0.1, 5.0),
    "tnom": (-50.0, 150.0),  # degrees Celsius
}
NEEDED = ("is", "bf")


@dataclass(frozen=True, slots=True)
class Bjt:
    """A bipolar transistor, by the numbers of its model card; what it leaves out is SPICE's."""

    parameters: Parameters

    def __post_init__(self) -> None:
        check_card(self.parameters, PARAMETERS, NEEDED, kind="transistor")


def bjt(values: Mapping[str, float]) -> Bjt:
    """A transistor from a mapping, its parameters in the order of `PARAMETERS`."""
    return Bjt(in_order(values, PARAMETERS))


# Nobody's transistors: small-signal ones as they are in arrays, with what makes them less than
# ideal. Without base and emitter resistance and knees, Newton's method does not converge.
_SHARED = {
    **{"is": 2e-15, "ise": 1e-14, "ne": 2.0, "rb": 60.0, "re": 0.5, "rc": 10.0},
    **{"xti": 3.0, "eg": 1.11, "xtb": 1.5},
}
GENERIC_NPN = bjt(
    _SHARED
    | {"bf": 200.0, "vaf": 100.0, "ikf": 50e-3}
    | {"cje": 2e-12, "cjc": 1.5e-12, "tf": 0.4e-9}
)
GENERIC_PNP = bjt(
    _SHARED | {"bf": 100.0, "vaf": 50.0, "ikf": 30e-3} | {"cje": 3e-12, "cjc": 2e-12, "tf": 2e-9}
)
