"""Directories instead of files: the CSV export of the original LTC program, which is incomplete."""

from pathlib import Path
from typing import NoReturn

from rnn2circuit.errors import ModelError
from rnn2circuit.models.support import REFUSED, SupportRow

_LTC = SupportRow(
    source="Original LTC program, CSV export of an LTC",
    formats="directory",
    becomes=REFUSED,
    remarks="the export is incomplete: the affine input map (input_w, input_b) is not written, and "
    "cm.csv is C/dt of one unfold. Write a canonical ltc file with them from the checkpoint",
)
_CTRNN = SupportRow(
    source="Original LTC program, CSV export of a CTRNN",
    formats="directory",
    becomes=REFUSED,
    remarks="tau.csv holds the bias vector, not time constants, and the program integrates with "
    "tau = 1 whatever it trained. Write a canonical ctrnn file with rate 1 from the checkpoint",
)
SUPPORT = (_LTC, _CTRNN)


def refuse_directory(path: Path) -> NoReturn:
    """Say why the directory is not a model.

    Raises
    ------
    ModelError
        Always.
    """
    found = {entry.name for entry in path.iterdir()}
    if {"w.csv", "erev.csv", "cm.csv"} <= found:
        raise _LTC.refusal("there is erev.csv and cm.csv, and no input_w.csv")
    if "tau.csv" in found:
        raise _CTRNN.refusal("there is tau.csv")
    raise ModelError("is a directory; a model is a file")
