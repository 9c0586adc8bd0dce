"""Numbers as text: exact for machines, engineering notation for people."""

import math

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def spice_number(value: float) -> str:
    """Shortest text that reads back as exactly `value` in every SPICE dialect.

    Never a suffix letter: SPICE reads ``1M`` as 1e-3 and ``1F`` as 1e-15.

    Raises
    ------
    ValueError
        If the value is not finite; banks refuse such values before a writer sees them.
    """
    value = float(value)  # np.float64 would print as "np.float64(...)"
    if not math.isfinite(value):
        raise ValueError(f"a netlist cannot hold the value {value!r}")
    return repr(value)


def si(value: float, unit: str, digits: int = 4) -> str:
    """Engineering notation for reports and messages only: ``si(4.7e-9, "F") == "4.7 nF"``."""
    value = float(value)
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    exponent = 3 * math.floor(math.log10(abs(value)) / 3)
    exponent = min(max(exponent, -15), 12)
    scaled = float(f"{value / 10.0**exponent:.{digits}g}")
    if abs(scaled) >= 1000 and exponent < 12:
        scaled, exponent = scaled / 1000, exponent + 3
    return f"{scaled:.{digits}g} {_PREFIXES[exponent]}{unit}".rstrip()
