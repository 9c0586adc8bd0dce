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
GYRATOR = "r2c_gyrator"
ENDLESS = 1e8  # a beta or an Early voltage from here on is as good as none
LEAST_BIAS = 1e-12  # A, below which the logarithm of a bias current is not followed
INPUT_STAGE = 1e-3  # S, transconductance of an op-amp's input stage


def macro_library(technology: Technology, used: frozenset[str]) -> str:
    """The definitions of the parts in `used`."""
    texts = {
        OPAMP: lambda: opamp(technology.opamp, technology.supply),
        OTA: lambda: ota(technology.ota),
        MULTIPLIER: lambda: multiplier(technology.multiplier),
        GYRATOR: gyrator,
    }
    if GYRATOR in used:
        used |= {OPAMP}
    return "".join(text() for name, text in texts.items() if name in used)


def opamp(part: OpAmp, supply: float) -> str:
    """One pole, finite slew rate, output resistance and swing; one net inside."""
    pole = INPUT_STAGE / (2 * math.pi * part.bandwidth)  # F
    most = part.slew_rate * pole  # A
    swing = num(supply - part.headroom)
    lines = [
        f"* op-amp: gain {num(part.gain)}, {num(part.bandwidth)} Hz, {num(part.slew_rate)} V/s",
        f".subckt {OPAMP} p n out vcc vee vos={num(part.offset)}",
        f"b_in 0 x i={num(most)}*tanh({num(INPUT_STAGE / most)}*(v(p,n)+{{vos}}))",
        f"r_x x 0 {num(part.gain / INPUT_STAGE)}",
        f"c_x x 0 {num(pole)}",
        f"b_out out 0 i=(v(out)-{swing}*tanh(v(x)/{swing}))/{num(part.output_resistance)}",
    ]
    if part.bias_current:
        lines += [f"i_p p 0 {num(part.bias_current)}", f"i_n n 0 {num(part.bias_current)}"]
    return "\n".join([*lines, f".ends {OPAMP}"]) + "\n"


def ota(part: Ota) -> str:
    """Exact tanh of a bipolar pair, with whatever makes it less than ideal."""
    bias = "i(v_bias)"
    slope = "" if part.slope == 1.0 else f"{num(part.slope)}*"
    tanh = f"tanh({slope}(v(p,n)+{{vos}})/(2*{thermal()}))"
    decades = f"ln(max({bias},{num(LEAST_BIAS)})/{num(part.reference_bias)})"

    def drifting(value: str, per_decade: float) -> str:
        return f"({value}+({num(per_decade / math.log(10))})*{decades})" if per_decade else value

    gain = drifting("(1+{ge})", part.gain_per_decade)
    lines = [
        "* OTA: bias current times tanh(v(p,n) / 2 Vt)",
        f".subckt {OTA} p n bias out vcc vee vos={num(part.offset)} ge={num(part.gain_error)}",
    ]
    if part.bias_voltage_per_decade:
        pin = drifting(num(part.bias_voltage), part.bias_voltage_per_decade)
        lines += ["v_bias bias pin 0", f"b_pin pin vee v={pin}"]
    else:
        lines.append(f"v_bias bias vee {num(part.bias_voltage)}")
    lines.append(f"b_out 0 out i={gain}*{bias}*{tanh}")
    if part.early_voltage < ENDLESS:
        skewed = f"*(1+({num(part.early_skew)})*{tanh})" if part.early_skew else ""
        lines.append(f"b_early out 0 i={gain}*{bias}*v(out){skewed}/{num(part.early_voltage)}")
    if part.output_offset or part.output_offset_per_decade:
        offset = drifting(f"({num(part.output_offset)})", part.output_offset_per_decade)
        lines.append(f"b_offset 0 out i={offset}*{gain}*{bias}")
    if part.beta < ENDLESS:
        lines += [
            f"b_{pin} {pin} 0 i={bias}*0.5*(1{sign}{tanh})/{num(part.beta)}"
            for pin, sign in (("p", "+"), ("n", "-"))
        ]
    return "\n".join([*lines, f".ends {OTA}"]) + "\n"


def multiplier(part: Multiplier) -> str:
    """``out = x y / unit + z`` behind one pole; one net inside."""
    errors = {
        "ge": part.gain_error,
        "xos": part.x_offset,
        "yos": part.y_offset,
        "zos": part.output_offset,
    }
    defaults = " ".join(f"{name}={num(value)}" for name, value in errors.items())
    product = f"(v(x1,x2)+{{xos}})*(v(y1,y2)+{{yos}})*(1+{{ge}})/{num(part.unit)}"
    if part.bend:
        relief = f"*(1-({num(part.bend_relief)})*v(x1,x2)*v(x1,x2))" if part.bend_relief else ""
        product += f"*(1+({num(part.bend)})*(v(y1)+v(y2)){relief})"
    summing = f"*{num(1 + part.summing_error)}" if part.summing_error else ""
    conductance = 1 / part.output_resistance
    lines = [
        f"* multiplier: out = x y / {num(part.unit)} V + z",
        f".subckt {MULTIPLIER} x1 x2 y1 y2 out z vcc vee {defaults}",
        f"b_xy 0 a i=1e-3*({product}+v(z){summing}+{{zos}})",
        "r_a a 0 1e3",
        f"c_a a 0 {num(1 / (2e3 * math.pi * part.bandwidth))}",
        f"g_out 0 out a 0 {num(conductance)}",
        f"r_out out 0 {num(part.output_resistance)}",
        f".ends {MULTIPLIER}",
    ]
    return "\n".join(lines) + "\n"


def gyrator() -> str:
    """Two Howland current sources of ``1 / r``, each behind a follower that loads nothing."""
    pairs = "".join(
        f"x_follow_{k} {of} b{k} b{k} vcc vee {OPAMP}\n"
        f"x_howland_{k} {into} n{k} o{k} vcc vee {OPAMP}\n"
        f"r_a_{k} {plus} {into} {{r}}\n"
        f"r_b_{k} {into} o{k} {{r}}\n"
        f"r_c_{k} {minus} n{k} {{r}}\n"
        f"r_d_{k} n{k} o{k} {{r}}\n"
        for k, of, into, plus, minus in ((1, "p2", "p1", "0", "b1"), (2, "p1", "p2", "b2", "0"))
    )
    return f"""\
* gyrator: draws v(p2) / r at p1 and gives v(p1) / r at p2
.subckt {GYRATOR} p1 p2 vcc vee r=1e5
{pairs}.ends {GYRATOR}
"""


def num(value: float) -> str:
    """A number of a macromodel, with no more digits than ngspice keeps in expressions."""
    return f"{value:.10g}"


def thermal() -> str:
    """The thermal voltage at the temperature of the simulation."""
    return f"({num(BOLTZMANN_PER_CHARGE)}*(temper+{num(KELVIN)}))"
