"""A circuit with states of its own, held against the network that it was made from."""

from dataclasses import replace

from rnn2circuit.flow.compile import Compiled
from rnn2circuit.flow.run import Simulation
from rnn2circuit.linearize.strategies import Truncation, truncation_at
from rnn2circuit.models import Linear
from rnn2circuit.models.reference import ReferenceSolution
from rnn2circuit.verify.checks import Check
from rnn2circuit.verify.equations import EXACT
from rnn2circuit.verify.rounded import check_rounding
from rnn2circuit.verify.transfer import check_transfer
from rnn2circuit.verify.transient import check_outputs, deviation


def check_behaviour(compiled: Compiled, *, limit: float) -> tuple[Check, ...]:
    """Transfer function and free motion of the text; nothing where the states are the model's."""
    model = compiled.model
    if compiled.realized is None or not isinstance(model, Linear):
        return ()
    if compiled.record.rounding:
        return (check_rounding(compiled.netlist, compiled.record, model),)
    truncation = _truncation(compiled, model)
    return check_transfer(compiled.netlist, compiled.record, model, truncation, limit=limit)


def check_original(
    simulation: Simulation, original: ReferenceSolution, limit: float, *, until: float
) -> Check:
    """Outputs against the ODE of the network itself.

    A truncation or rounding that was asked for is not the circuit's error: what it makes under
    this stimulus by the two ODEs is added to the limit, and bounded by `transfer.input` and
    `transfer.free`, or `rounding.h2`.
    """
    compiled, t = simulation.compiled, simulation.t
    reference, model = compiled.reference, compiled.model
    detail = ""
    if isinstance(reference, ReferenceSolution) and isinstance(model, Linear):
        truncation = _truncation(compiled, model)
        rounded = bool(compiled.record.rounding)
        if rounded or (truncation is not None and truncation.relative > EXACT):
            at = t[t <= until]
            apart, i, _ = deviation(reference.outputs(at), original.outputs(at))
            limit += float(apart[i])
            cause = "rounded values" if rounded else "the states left out"
            detail = f"; the limit has {apart[i]:.3g} for {cause}"
    check = check_outputs(t, simulation.y, original, limit=limit, until=until)
    return replace(check, detail=check.detail + detail)


def _truncation(compiled: Compiled, model: Linear) -> Truncation | None:
    """What the states left out can cost: as compiled, or by the order that the map states."""
    if compiled.states is not None:
        return compiled.states.truncation
    order = compiled.record.order
    return None if order is None else truncation_at(model, order)
