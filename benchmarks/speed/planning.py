"""The plan of an epoch of a million records, and the boundaries of their lengths."""

import numpy as np

from benchmarks.harness.measure import Row, seconds, within
from benchmarks.harness.recordings import lognormal_lengths
from benchmarks.harness.tables import section_main
from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.plan import BatchOptions, EpochPlan, plan_epoch

COUNT, REPEATS, BUCKETS = 1_000_000, 5, 8
MOST_SECS, MOST_BYTES, MOST_BOUNDARY_SECS = 2.0, 16.0, 1.0


def run(quick: bool = False) -> list[Row]:
    """Measures; half a minute."""
    count = COUNT // 100 if quick else COUNT
    few = lognormal_lengths(count).astype(np.int32)
    # More distinct lengths than the search for boundaries takes as candidates.
    many = np.random.default_rng(0).integers(1, 100_000, count).astype(np.int32)
    rows = []
    for name, lengths in (("up to 200 steps", few), ("up to 100,000 steps", many)):
        rows += _rows(f"{count:,} records {name}", lengths)
    return rows


def _rows(name: str, lengths: np.ndarray) -> list[Row]:
    options = BatchOptions(num_buckets=BUCKETS)
    plan = plan_epoch(lengths, options, seed=0, epoch=0)
    size = plan_bytes(plan) / len(lengths)
    plans = [seconds(lambda: plan_epoch(lengths, options, seed=0, epoch=1)) for _ in range(REPEATS)]
    boundaries = [seconds(lambda: optimal_boundaries(lengths, BUCKETS)) for _ in range(REPEATS)]
    return [
        within(f"plan, {name}", plans, "s", "below", MOST_SECS),
        within(f"plan, {name}", [size], "bytes a record", "at most", MOST_BYTES),
        within(f"boundaries, {name}", boundaries, "s", "below", MOST_BOUNDARY_SECS),
    ]


def plan_bytes(plan: EpochPlan) -> int:
    """Memory that the arrays of a plan take."""
    return plan.records.nbytes + plan.step_starts.nbytes + plan.padded_steps.nbytes


if __name__ == "__main__":
    section_main(run)
