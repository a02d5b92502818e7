"""Seconds and memory that the plan of an epoch takes, for very many simulated records.

    python -m benchmarks.speed.planning_growth [--records=1000000,10000000,100000000]

Memory is what planning adds at its most to a process that holds the lengths; the plan itself and
the index are 4 and 16 bytes a record besides. Least of two plans.
"""

import pathlib

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import kernel_kb, seconds
from benchmarks.harness.recordings import lognormal_lengths
from benchmarks.harness.tables import print_table
from pipeline.batches.plan import BatchOptions, plan_epoch

PLANS = {
    "by length, 32 records": BatchOptions(32),
    "by length, 4,000 steps": BatchOptions(None, 4000),
    "random, 32 records": BatchOptions(32, by_length=False),
}
_AT_ONCE = 1_000_000


def main() -> None:
    """Prints a row for each number of records and kind of plan."""
    args = parse_flags(__doc__, records="1000000,10000000,100000000")
    rows = []
    for count in map(int, args.records.split(",")):
        lengths = np.empty(count, np.int32)
        for start in range(0, count, _AT_ONCE):
            drawn = lognormal_lengths(min(_AT_ONCE, count - start), seed=start)
            lengths[start : start + len(drawn)] = drawn
        for name, options in PLANS.items():
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
            before = kernel_kb("/proc/self/status", "VmRSS")
            secs = [
                seconds(lambda: plan_epoch(lengths, options, seed=0, epoch=epoch))  # noqa: B023
                for epoch in range(2)
            ]
            added = (kernel_kb("/proc/self/status", "VmHWM") - before) / 1e3
            rows.append([f"{count:,} records, {name}", f"{min(secs):.2f}", f"{added:,.0f}"])
    print_table(("plan", "seconds", "MB"), rows)


if __name__ == "__main__":
    main()
