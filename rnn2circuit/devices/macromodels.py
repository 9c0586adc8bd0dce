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
* op-amp: gain {part.gain!r}, {part.bandwidth!r} Hz, slew rate {part.slew_rate!r} V/s
.subckt {OPAMP} p n out vcc vee vos={part.offset!r}
e_os pp p x_os 0 1
v_os x_os 0 {{vos}}
i_p p 0 {part.bias_current!r}
i_n n 0 {part.bias_current!r}
r_in p n 1e12
b_in 0 x i={most!r}*tanh({INPUT_STAGE / most!r}*v(pp,n))
r_x x 0 {part.gain / INPUT_STAGE!r}
c_x x 0 {pole!r}
b_out y 0 v={swing!r}*tanh(v(x)/{swing!r})
r_out y out {part.output_resistance!r}
r_supply vcc vee 1e9
.ends {OPAMP}
"""


def ota(part: Ota) -> str:
    """Exact tanh of a bipolar pair, with finite beta, Early voltage and offsets."""
    half = "0.5*(1+tanh(v(pp,n)/(2*vt)))".replace("vt", thermal())
    other = half.replace("1+", "1-")
    return f"""\
* OTA: bias current times tanh(v(p,n) / 2 Vt)
.subckt {OTA} p n bias out vcc vee vos={part.offset!r} ge={part.gain_error!r}
v_bias bias bb {part.bias_voltage!r}
v_sense bb vee 0
e_os pp p x_os 0 1
v_os x_os 0 {{vos}}
b_out out 0 i=-(1+{{ge}})*i(v_sense)*tanh(v(pp,n)/(2*{thermal()}))
b_early out 0 i=i(v_sense)*v(out)/{part.early_voltage!r}
b_offset out 0 i=-{part.output_offset!r}*i(v_sense)
b_p p 0 i=i(v_sense)*{half}/{part.beta!r}
b_n n 0 i=i(v_sense)*{other}/{part.beta!r}
r_supply vcc vee 1e9
.ends {OTA}
"""


def multiplier(part: Multiplier) -> str:
    """``out = x y / unit + z`` behind one pole."""
    return f"""\
* multiplier: out = x y / {part.unit!r} V + z
.subckt {MULTIPLIER} x1 x2 y1 y2 out z vcc vee ge={part.gain_error!r} xos={part.x_offset!r} \
yos={part.y_offset!r} zos={part.output_offset!r}
b_xy a 0 v=(v(x1,x2)+{{xos}})*(v(y1,y2)+{{yos}})*(1+{{ge}})/{part.unit!r}+v(z)+{{zos}}
r_a a b 1e3
c_b b 0 {1 / (2e3 * math.pi * part.bandwidth)!r}
e_out c 0 b 0 1
r_out c out {part.output_resistance!r}
r_supply vcc vee 1e9
.ends {MULTIPLIER}
"""


def thermal() -> str:
    """The thermal voltage at the temperature of the simulation."""
    return f"({BOLTZMANN_PER_CHARGE!r}*(temper+{KELVIN!r}))"
