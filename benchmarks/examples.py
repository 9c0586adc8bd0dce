"""Verify every shipped network: ``python benchmarks/examples.py``.

Prints verdict, seconds by the clock and CPU seconds of each (this process and its simulators), and
the sums; the exit code is 1 where one does not pass.
"""

import os
import sys
import time

from rnn2circuit.demo import examples_directory, list_examples, load_example
from rnn2circuit.flow import verify_compiled


def cpu_seconds() -> float:
    """Of this process and of all children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> int:
    start, begin, passed = cpu_seconds(), time.monotonic(), True
    for entry in list_examples(examples_directory()):
        before, since = cpu_seconds(), time.monotonic()
        result = verify_compiled(load_example(entry["name"]), simulator="ngspice")
        passed = passed and result.passed
        figure = next(c.value for c in result.report.checks if c.id == "transient.states")
        clock, cpu = time.monotonic() - since, cpu_seconds() - before
        print(
            f"{entry['name']:<16} {result.verdict:<5} {len(result.report.checks):>3} checks "
            f"{clock:6.1f} s, {cpu:6.1f} s CPU, worst state {figure:.1e} of its range",
            flush=True,
        )
    print(f"all {time.monotonic() - begin:.1f} s, {cpu_seconds() - start:.1f} s CPU")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
