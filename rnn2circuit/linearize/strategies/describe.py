"""What a change of coordinates did, for the report and for whoever reads the netlist."""

from rnn2circuit.linearize.strategies.realization import StateRealization
from rnn2circuit.linearize.strategies.truncation import Truncation


def describe_states(states: StateRealization) -> tuple[str, ...]:
    """A few sentences on a realization; ASCII, none for strategy ``direct``."""
    if states.strategy == "direct":
        return ()
    lines = [
        f"strategy {states.strategy}: {states.order} states for {states.n_original}, x = T z with "
        f"condition {states.condition:.3g}"
    ]
    if states.blocks:
        lines.append(f"modal blocks of {', '.join(map(str, states.blocks))} states")
    if states.treatment == "split":
        lines.append("growing modes were split off and realized backwards in time")
    if states.treatment == "shifted":
        lines.append(
            f"modes on the imaginary axis or near it: realized with a decay of {states.shift:.6g} "
            "per time unit that is put back"
        )
    if states.truncation is not None:
        lines += _left_out(states, states.truncation)
    return tuple(lines)


def _left_out(states: StateRealization, truncation: Truncation) -> list[str]:
    if states.order == states.n_original:
        return ["no state was left out"]
    asked = truncation.asked
    if asked is None:
        why = "which inputs and outputs do not see"
    elif isinstance(asked, int):
        why = f"for the order {asked} asked for"
    else:
        why = f"for the tolerance {asked:g} asked for"
    return [
        f"{states.n_original - states.order} states were left out {why}: by the Hankel singular "
        f"values the transfer function errs by at most {truncation.relative:.3g} of its peak"
    ]
