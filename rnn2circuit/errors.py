"""Every error the package raises on purpose.

A message says what is wrong, where, what was found, what was expected and, where there is
one, the next step. A bug is never dressed up as one of these: it shows its traceback.
"""


class Rnn2CircuitError(Exception):
    """Base of all errors that a user can cause or meet."""


class ModelError(Rnn2CircuitError, ValueError):
    """Weights, states or options that are not a valid model, or a file that holds none."""


class StimulusError(Rnn2CircuitError, ValueError):
    """An input signal that is malformed or does not fit the model."""


class TargetsError(Rnn2CircuitError, ValueError):
    """Targets of a task that are malformed, or do not fit the network or the run."""


class NotRealizableError(Rnn2CircuitError):
    """No network of this kind, form or level realizes the model."""


class CircuitError(Rnn2CircuitError, ValueError):
    """A malformed circuit."""


class OutputError(Rnn2CircuitError):
    """A file or directory that cannot be written."""


class UsageError(Rnn2CircuitError, ValueError):
    """Options that contradict each other or ask for something that does not exist."""


class SimulationError(Rnn2CircuitError):
    """The simulator failed, or its result does not meet the acceptance rules.

    Attributes
    ----------
    log : str
        What the simulator printed, in full.
    """

    def __init__(self, message: str, *, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class SimulationTimeout(SimulationError):  # noqa: N818 - the field says timeout
    """The simulator did not end within its time limit and was stopped."""


class OutOfScopeError(SimulationError):
    """The deck holds what a simulator does not have, or reads otherwise; it was not run."""


class UnverifiableError(Rnn2CircuitError):
    """The netlist holds something the extractor cannot turn into equations."""
