"""Resident size in training, from ten thousand to a million records (Linux: /proc)."""

import numpy as np

from benchmarks.harness.many_records import write_many
from benchmarks.harness.measure import Row
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.tables import section_main
from benchmarks.harness.worker import Worker

COUNTS = (10_000, 100_000, 1_000_000)
STEPS = 300
# The pipeline holds the records of the plan once more, 4 MB a million, and allocators keep some of
# what planning took.
KEPT_MB = 16


def run(quick: bool = False) -> list[Row]:
    """Measures; about a minute and a half."""
    counts = [count // 100 if quick else count for count in COUNTS]
    reports = [_report(count) for count in counts]
    rows = [
        Row(f"training, {count:,} records", r["resident_mb"], "MB resident", details=r)
        for count, r in zip(counts, reports, strict=True)
    ]
    smallest, largest = reports[0], reports[-1]
    grown = largest["resident_mb"] - smallest["resident_mb"]
    index = largest["index_and_plan_mb"] - smallest["index_and_plan_mb"]
    return [
        *rows,
        Row(
            f"grown by, where index and plan take {index:.0f} MB", grown, "MB resident",
            target=f"at most {index:.0f} + {KEPT_MB}", holds=grown <= index + KEPT_MB,
            details={"index_and_plan_mb": index},
        ),
    ]  # fmt: skip


def _report(count: int) -> dict[str, float]:
    """What a process reports after 300 steps of a tiny model, or as many as an epoch has."""
    with temporary_folder() as folder:
        dataset = write_many(folder, np.random.default_rng(0).integers(1, 4, count))
        arguments = [f"--dataset={dataset.path}", "--tiny"]
        with Worker("benchmarks.speed.step_worker", *arguments) as worker:
            report = worker.first
            for _ in range(min(STEPS, report["steps_per_epoch"]) - 1):
                report = worker.step()
    return report


if __name__ == "__main__":
    section_main(run)
