"""What the importers say about themselves: the rows of the support matrix."""

from dataclasses import dataclass

from rnn2circuit.errors import ModelError

REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportRow:
    """One source of weights: what it becomes, or why it is refused.

    Attributes
    ----------
    source : str
        Program and module, as their user calls them; unique.
    formats : str
        File suffixes.
    becomes : str
        Family names, or "refused".
    options : str
        What the file does not record, so the user says it.
    remarks : str
        What there is to know; of a refusal, the reason and the nearest supported thing.
    """

    source: str
    formats: str
    becomes: str
    options: str = ""
    remarks: str = ""

    @property
    def is_refusal(self) -> bool:
        return self.becomes == REFUSED

    def refusal(self, found: str) -> ModelError:
        """The error of this row: what was found, then the very words of the support matrix."""
        return ModelError(f"{found}: {self.source} is refused; {self.remarks}")
