"""Calibration: how a stage differs from its ideal, as a lowering corrects it."""

from dataclasses import dataclass

from rnn2circuit.devices.technology import Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a stage really does: ``I = bias (gain tanh(slope (v + input_offset) / 2 Vt) + ..)``.

    Attributes
    ----------
    gain : float
        Output current over bias current.
    slope : float
        Of the argument; 1 for an ideal pair.
    input_offset : float
        V that must be added at the input.
    output_offset : float
        A per A of output amplitude that flows at a balanced input.
    product : float
        What a multiplier makes of a product: 1 ideally.
    """

    gain: float = 1.0
    slope: float = 1.0
    input_offset: float = 0.0
    output_offset: float = 0.0
    product: float = 1.0
    pin_voltage: float | None = None  # V of the bias pin above the negative supply

    def bias_voltage(self, technology: Technology) -> float:
        return technology.ota.bias_voltage if self.pin_voltage is None else self.pin_voltage
