"""Damage files for SECONDS and read them: ``python benchmarks/fuzz_readers.py SECONDS [SEED]``.

Whatever is not one of the package's own errors is a finding; the exit code is 1 where there is one.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from reader_fuzz import describe, fuzz


def main(seconds: float, seed: int, only: str) -> int:
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        found = fuzz(Path(place), seed=seed, keep_on=lambda _: time.monotonic() < end, only=only)
    print(describe(found), end="")
    return 1 if found.findings else 0


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "", "", ""]
    sys.exit(main(float(arguments[0] or 60), int(arguments[1] or 0), arguments[2]))
