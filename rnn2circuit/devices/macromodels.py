"""Macromodels as text: what `x_..` lines of a netlist at level macro refer to.

All limits are smooth (tanh), so that Newton's method never meets a corner.
"""

import math

from rnn2circuit.devices.technology import (
    BOLTZMANN_PER_CHARGE,
    KELVIN,
    Multiplier,
    OpAmp,
    Ota,
    Technology,
)

OPAMP, OTA, MULTIPLIER = "r2c_opamp", "r2c_ota", "r2c_multiplier"
INPUT_STAGE = 1e-3  # S, transconductance of an op-amp's input stage


def macro_library(technology: Technology, used: frozenset[str]) -> str:
    """The definitions of the parts in `used`."""
    texts = {
        OPAMP: lambda: opamp(technology.opamp, technology.supply),
        OTA: lambda: ota(technology.ota),
        MULTIPLIER: lambda: multiplier(technology.multiplier),
    }
    return "".join(text() for name, text in texts.items() if name in used)


def opamp(part: OpAmp, supply: float) -> str:
    """One pole, finite slew rate, output resistance and swing."""
    pole = INPUT_STAGE / (2 * math.pi * part.bandwidth)  # F
    most = part.slew_rate * pole  # A
    swing = supply - part.headroom
    return f"""\
* op-amp: gain {num(part.gain)}, {num(part.bandwidth)} Hz, slew rate {num(part.slew_rate)} V/s
.subckt {OPAMP} p n out vcc vee vos={num(part.offset)}
e_os pp p x_os 0 1
v_os x_os 0 {{vos}}
i_p p 0 {num(part.bias_current)}
i_n n 0 {num(part.bias_current)}
r_in p n 1e12
b_in 0 x i={num(most)}*tanh({num(INPUT_STAGE / most)}*v(pp,n))
r_x x 0 {num(part.gain / INPUT_STAGE)}
c_x x 0 {num(pole)}
b_out y 0 v={num(swing)}*tanh(v(x)/{num(swing)})
r_out y out {num(part.output_resistance)}
r_supply vcc vee 1e9
.ends {OPAMP}
"""


def ota(part: Ota) -> str:
    """Exact tanh of a bipolar pair, with finite beta, Early voltage and offsets."""
    half = "0.5*(1+tanh(v(pp,n)/(2*vt)))".replace("vt", thermal())
    other = half.replace("1+", "1-")
    return f"""\
* OTA: bias current times tanh(v(p,n) / 2 Vt)
.subckt {OTA} p n bias out vcc vee vos={num(part.offset)} ge={num(part.gain_error)}
v_bias bias bb {num(part.bias_voltage)}
v_sense bb vee 0
e_os pp p x_os 0 1
v_os x_os 0 {{vos}}
b_out out 0 i=-(1+{{ge}})*i(v_sense)*tanh(v(pp,n)/(2*{thermal()}))
b_early out 0 i=i(v_sense)*v(out)/{num(part.early_voltage)}
b_offset out 0 i=-({num(part.output_offset)})*i(v_sense)
b_p p 0 i=i(v_sense)*{half}/{num(part.beta)}
b_n n 0 i=i(v_sense)*{other}/{num(part.beta)}
r_supply vcc vee 1e9
.ends {OTA}
"""


def multiplier(part: Multiplier) -> str:
    """``out = x y / unit + z`` behind one pole."""
    return f"""\
* multiplier: out = x y / {num(part.unit)} V + z
.subckt {MULTIPLIER} x1 x2 y1 y2 out z vcc vee ge={num(part.gain_error)} xos={num(part.x_offset)} \
yos={num(part.y_offset)} zos={num(part.output_offset)}
b_xy a 0 v=(v(x1,x2)+{{xos}})*(v(y1,y2)+{{yos}})*(1+{{ge}})/{num(part.unit)}+v(z)+{{zos}}
r_a a b 1e3
c_b b 0 {num(1 / (2e3 * math.pi * part.bandwidth))}
e_out c 0 b 0 1
r_out c out {num(part.output_resistance)}
r_supply vcc vee 1e9
.ends {MULTIPLIER}
"""


def num(value: float) -> str:
    """A number of a macromodel, with no more digits than ngspice keeps in expressions."""
    return f"{value:.10g}"


def thermal() -> str:
    """The thermal voltage at the temperature of the simulation."""
    return f"({num(BOLTZMANN_PER_CHARGE)}*(temper+{num(KELVIN)}))"
