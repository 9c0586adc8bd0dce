"""Parts made of transistors, as text: what netlists at level device refer to.

The pins are those of the macromodels, so that a netlist does not change with its level. Op-amps
stay macromodels: nobody builds those from single transistors.
"""

from rnn2circuit.devices.bipolar import Bjt
from rnn2circuit.devices.macromodels import (
    GYRATOR,
    GYRATOR_OTA,
    MULTIPLIER,
    OPAMP,
    OTA,
    OTA_MOS,
    gyrator,
    gyrator_ota,
    opamp,
    with_what_they_need,
)
from rnn2circuit.devices.mos import Mosfet
from rnn2circuit.devices.technology import Technology

NPN, PNP = "r2c_npn", "r2c_pnp"
NMOS, PMOS = "r2c_nmos", "r2c_pmos"
MOS_LEVEL = "level=8 version=3.3.0"  # BSIM3v3
# um, width and length. The pair is wide, which is what keeps it in weak inversion; mirrors are
# long, because what a drain's voltage does to a current falls with the length, and no longer,
# because their gates are what makes an OTA slow.
MOS_PAIR, MOS_SINK, MOS_SOURCE = (200, 2), (10, 10), (20, 10)
DRAIN = 0.6  # um, length of drains and sources
JUNCTION = 0.65  # V, base to emitter, for which the bias of the multiplier is laid out

# Currents of the multiplier: enough to be fast, too little for emitter resistances to matter.
TAIL = 1e-4  # A, of each half of the x side
# Largest part of the tails that x steers, at an x of one unit.
STEERED = 0.8
# Of the room above the swing: across the emitter resistors of the tails, and across the
# transistors behind them. The rest is for the Darlington pairs that shield those from x.
DROP, SHIELDED = 1 / 3, 1 / 6
COLLECTOR = 1 / 3  # of the y resistors: loads of the quad, which keep its collectors high
BANDWIDTH = 2.7e5  # Hz, of the multiplier, from the rise of a step
LAG = 2e-12  # F across the output resistors: takes out the lag of their node


def device_library(technology: Technology, used: frozenset[str]) -> str:
    """The definitions of the parts in `used`, and of what they are made of.

    Model cards stand inside of the parts that use them, where no other netlist's can meet them.
    """
    used = with_what_they_need(used)
    cards = card(NPN, "npn", technology.npn) + card(PNP, "pnp", technology.pnp)
    texts: list[str] = []
    if used & {OPAMP, MULTIPLIER}:
        texts.append(opamp(technology.opamp, technology.supply))
    if OTA in used:
        texts.append(ota(cards))
    if OTA_MOS in used and technology.nmos is not None and technology.pmos is not None:
        texts.append(mos_ota(technology.nmos, technology.pmos))
    if GYRATOR in used:
        texts.append(gyrator())
    if GYRATOR_OTA in used:
        texts.append(gyrator_ota())
    if MULTIPLIER in used:
        texts.append(multiplier(technology, cards))
    return "".join(texts)


def card(name: str, kind: str, transistor: Bjt | Mosfet) -> str:
    """A model card."""
    values = " ".join(f"{parameter}={value!r}" for parameter, value in transistor.parameters)
    level = f"{MOS_LEVEL} " if isinstance(transistor, Mosfet) else ""
    return f".model {name} {kind}({level}{values})\n"


def ota(cards: str) -> str:
    """A pair, its tail and the mirrors that turn its currents around: the topology of LM13700.

    Each mirror is one of three transistors, of which the third holds the collector of the second
    (G. R. Wilson, 1968): its copy is right to the square of the inverse current gain.
    """
    return f"""\
* OTA of transistors: tail mirror, pair, two mirrors to the positive supply, one back
.subckt {OTA} p n bias out vcc vee vos=0.0 ge=0.0
{cards}v_os pp p {{vos}}
v_bias bias inner 0
f_ge 0 inner v_bias {{ge}}
q_1 inner t1 vee {NPN}
q_2 t1 t1 vee {NPN}
q_3 tail inner t1 {NPN}
q_4 c4 n tail {NPN}
q_5 c5 pp tail {NPN}
q_6 c5 m1 vcc {PNP}
q_7 m1 m1 vcc {PNP}
q_8 out c5 m1 {PNP}
q_9 c4 m2 vcc {PNP}
q_10 m2 m2 vcc {PNP}
q_11 back c4 m2 {PNP}
q_12 back m3 vee {NPN}
q_13 m3 m3 vee {NPN}
q_14 out back m3 {NPN}
.ends {OTA}
"""


def mos_ota(nmos: Mosfet, pmos: Mosfet) -> str:
    """Ten MOS transistors in weak inversion: a pair, its tail, and three plain mirrors."""
    n, p = (f"{kind} {_size(size)}" for kind, size in ((NMOS, MOS_SINK), (PMOS, MOS_SOURCE)))
    pair = f"{NMOS} {_size(MOS_PAIR)}"
    return f"""\
* OTA of MOS transistors in weak inversion: bias current times tanh(v(p,n) / 2 Vt n)
.subckt {OTA_MOS} p n bias out vcc vee vos=0.0 ge=0.0
{card(NMOS, "nmos", nmos)}{card(PMOS, "pmos", pmos)}v_os pp p {{vos}}
v_bias bias inner 0
f_ge 0 inner v_bias {{ge}}
m_1 inner inner vee vee {n}
m_2 tail inner vee vee {n}
m_3 a pp tail vee {pair}
m_4 b n tail vee {pair}
m_5 a a vcc vcc {p}
m_6 out a vcc vcc {p}
m_7 b b vcc vcc {p}
m_8 back b vcc vcc {p}
m_9 back back vee vee {n}
m_10 out back vee vee {n}
.ends {OTA_MOS}
"""


def _size(size: tuple[int, int]) -> str:
    """Width and length, and what drains and sources have of area and circumference."""
    width, length = size
    area, around = width * DRAIN, 2 * (width + DRAIN)
    values = {"w": width, "l": length, "pd": around, "ps": around}
    return " ".join(
        [f"{name}={um * 1e-6:.6g}" for name, um in values.items()]
        + [f"{name}={area * 1e-12:.6g}" for name in ("ad", "as")]
    )


def multiplier(technology: Technology, cards: str) -> str:
    """Four quadrants: both inputs become currents, and a quad of transistors multiplies them.

    Op-amps hold the emitters of Darlington pairs at the inputs. Of x, the resistor between both
    emitters steers two equal tails; the diode-like transistors they end in predistort what the
    quad does to them again, so that it divides the y currents in the ratio of the tails
    (B. Gilbert, "A precise four-quadrant multiplier with subnanosecond response", JSSC 1968). Of
    y, resistors from the positive supply make two currents, and two mirrors the tails of the
    quad. The op-amp behind it turns the difference of the quad's currents into a voltage on top
    of z: ``out = x y / unit + z``.
    """
    supply, unit = technology.supply, technology.multiplier.unit
    room = supply - technology.swing
    drop, shield = DROP * room, SHIELDED * room + JUNCTION
    r_tail = drop / TAIL
    r_shield = shield / TAIL
    r_bias = (supply - drop - JUNCTION - shield) / TAIL
    r_x = unit / (STEERED * TAIL)
    r_y = supply / TAIL
    r_out = r_x * TAIL * r_y / unit
    r_c = COLLECTOR * r_y
    follow = "".join(
        f"x_{k} {pin} {emitter} {base} vcc vee {OPAMP}\n"
        f"q_{k}a {collector} {base}d {emitter} {PNP}\n"
        f"q_{k}b {collector} {base} {base}d {PNP}\n"
        for k, pin, emitter, base, collector in (
            ("x1", "px1", "ex1", "bx1", "a"),
            ("x2", "x2", "ex2", "bx2", "b"),
            ("y1", "py1", "ey1", "by1", "m1"),
            ("y2", "y2", "ey2", "by2", "m2"),
        )
    )
    tails = "".join(
        f"q_t{k} t{k}c bias t{k}e {PNP}\n"
        f"r_t{k} vcc t{k}e {r_tail!r}\n"
        f"q_s{k}a ex{k} s{k} t{k}c {PNP}\n"
        f"q_s{k}b ex{k} shield s{k} {PNP}\n"
        for k in (1, 2)
    )
    return f"""\
* multiplier of transistors: out = x y / {unit!r} V + z
.subckt {MULTIPLIER} x1 x2 y1 y2 out z vcc vee ge=0.0 xos=0.0 yos=0.0 zos=0.0
{cards}v_x px1 x1 {{xos}}
v_y py1 y1 {{yos}}
v_z pz z {{zos}}
* tails of x
q_b bias bias eb {PNP}
r_b vcc eb {r_tail!r}
r_s bias shield {r_shield!r}
r_bias shield 0 {r_bias!r}
{tails}* both inputs to currents
{follow}r_x ex1 ex2 {r_x!r}
r_y1 vcc ey1 {r_y!r}
r_y2 vcc ey2 {r_y!r}
* predistortion
q_p1 a pa low {NPN}
q_h1 0 a pa {NPN}
r_h1 pa vee 33e3
q_p2 b pb low {NPN}
q_h2 0 b pb {NPN}
r_h2 pb vee 33e3
q_low low low vee {NPN}
* mirrors of the y currents, and the quad
q_m1 m1 m1 vee {NPN}
q_n1 t1 m1 vee {NPN}
q_m2 m2 m2 vee {NPN}
q_n2 t2 m2 vee {NPN}
q_q1 d pa t1 {NPN}
q_q2 c pb t1 {NPN}
q_q3 c pa t2 {NPN}
q_q4 d pb t2 {NPN}
* difference of its currents to a voltage on z
r_c vcc c {r_c!r}
r_d vcc d {r_c!r}
r_z pz c {{{r_out!r}*(1+ge)}}
r_o out d {{{r_out!r}*(1+ge)}}
c_z pz c {LAG!r}
c_o out d {LAG!r}
x_out c d out vcc vee {OPAMP}
.ends {MULTIPLIER}
"""
