"""Is a circuit of preferred values as near to its model as was promised when it was rounded?

The equations of such a netlist are not the model's; they are compared exactly with those of
the rounded values, and how far those are from the model is a figure of its own. It is computed
here from the netlist's text, by other means than the compiler's.
"""

from rnn2circuit.linearize.impulse import relative_h2
from rnn2circuit.models import Linear
from rnn2circuit.statemap import NetlistMap
from rnn2circuit.verify.checks import Check, measured
from rnn2circuit.verify.transfer import read_linear

# The promise is an integral by quadrature or an exact number; both agree to well within this.
AGREES = 0.01


def check_rounding(text: str, record: NetlistMap, model: Linear) -> Check:
    """The H2 distance of a rounded netlist from its model, against the promised one."""
    promised = 0.0 if record.rounding_error is None else record.rounding_error
    found = read_linear(text, record)
    return measured(
        "rounding.h2",
        f"impulse response with values of {record.rounding} against the model's, relative",
        relative_h2(found, model),
        (1.0 + AGREES) * promised + AGREES * 1e-6,
        detail=f"{promised:.3g} was promised when the values were rounded",
    )
