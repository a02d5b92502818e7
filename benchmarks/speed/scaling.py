"""Scaling laws: what number and size of records, boundaries and replicas cost. Ours alone."""

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from benchmarks.harness.many_records import write_many
from benchmarks.harness.measure import Row, seconds
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import SAMPLES, lognormal_lengths
from benchmarks.harness.tables import section_main
from benchmarks.harness.worker import Worker
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.boundaries import optimal_boundaries, padding_share
from pipeline.batches.deal import deal_plan
from pipeline.batches.plan import BatchOptions, plan_epoch
from tfrecords_schema import open_dataset

REPEATS = 3
COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)
RECORD_BYTES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
SET_BYTES = 400_000_000
BOUNDARIES = (1, 2, 4, 8, 16, 32, 64)
REPLICAS = (1, 2, 4, 8)
STEP_REPLICAS = (1, 2, 4)
_STEP_BYTES = 1_000


def run(quick: bool = False) -> list[Row]:
    """Measures; about two minutes."""
    part = 100 if quick else 1
    return [
        *(row for count in COUNTS for row in _records(max(100, count // part))),
        *(_record_size(size // part, SET_BYTES // part) for size in RECORD_BYTES),
        *(row for number in BOUNDARIES for row in _boundaries(number, 1_000_000 // part)),
        *(row for number in REPLICAS for row in _dealing(number, 1_000_000 // part)),
        *_replicas(32 // part or 4),
    ]


def _records(count: int) -> list[Row]:
    """Opening, planning and reading records of 71 bytes."""
    with temporary_folder() as folder:
        path = write_many(folder, np.random.default_rng(0).integers(1, 4, count)).path
        opened = seconds(lambda: open_dataset(path).split("train"))
        dataset = open_dataset(path)
        steps = dataset.split("train").steps
        options = BatchOptions(batch_size=256)
        planned = _least(lambda: plan_epoch(steps, options, seed=0, epoch=0))
        plan = plan_epoch(steps, options, seed=0, epoch=0)
        started = time.perf_counter()
        reader = BatchReader(dataset, "train")
        next(iter(reader.epoch(plan)))
        first = time.perf_counter() - started
        read = _least(lambda: deque(reader.epoch(plan), maxlen=0), 1 if count == COUNTS[-1] else 3)
    name = f"{count:,} small records"
    return [
        Row(f"{name}: open, load the index", opened, "s"),
        Row(f"{name}: plan", planned, "s"),
        Row(f"{name}: first batch, with its tracing", first, "s"),
        Row(f"{name}: read an epoch", 1e6 * read / count, "us/record"),
    ]


def _record_size(size: int, set_bytes: int) -> Row:
    """Reading as many records of one size as fill the set; at most 64 MB of them a batch."""
    count = max(4, min(set_bytes // size, 20_000))
    lengths = np.full(count, max(1, size // _STEP_BYTES))
    with temporary_folder() as folder:
        shape = (min(size, _STEP_BYTES) // 4,)
        dataset = write_many(folder, lengths, shape, num_shards=min(4, count))
        reader = BatchReader(dataset, "train")
        options = BatchOptions(batch_size=max(1, min(256, 64_000_000 // size)))
        plan = plan_epoch(lengths, options, seed=0, epoch=0)
        secs = _least(lambda: deque(reader.epoch(plan), maxlen=0))
    return Row(f"records of {size:,} bytes: read", count * size / secs / 1e6, "MB/s")


def _boundaries(number: int, count: int) -> list[Row]:
    lengths = lognormal_lengths(count)
    secs = _least(lambda: optimal_boundaries(lengths, number))
    share = padding_share(lengths, optimal_boundaries(lengths, number))
    return [
        Row(f"{number} boundaries: find them", secs, f"s for {count:,} lengths"),
        Row(f"{number} boundaries: padding", share, "of all steps"),
    ]


def _dealing(replicas: int, count: int) -> list[Row]:
    lengths = lognormal_lengths(count).astype(np.int32)
    plan = plan_epoch(lengths, BatchOptions(batch_size=32), seed=0, epoch=0)
    secs = _least(lambda: deal_plan(plan, lengths, replicas))
    dealt = deal_plan(plan, lengths, replicas)
    padded = np.where(dealt.records < 0, 0, lengths[dealt.records])
    loads = np.add.reduceat(padded, dealt.starts[:-1]).reshape(-1, replicas)
    wait = loads.max(1).sum() / loads.mean(1).sum() - 1
    return [
        Row(f"{replicas} replicas: deal an epoch out", secs, f"s for {count:,} records"),
        Row(f"{replicas} replicas: busiest over the mean", wait, "more valid steps"),
    ]


def _replicas(batch_size: int) -> list[Row]:
    """A training step with replicas on one CPU: what sharing the work costs, not what it gains."""
    with temporary_folder() as folder:
        dataset = write_many(folder, lognormal_lengths(4 * batch_size), (SAMPLES, 1), per="step")
        rows = []
        for replicas in STEP_REPLICAS:
            arguments = [f"--dataset={dataset.path}", f"--batch_size={batch_size}"]
            arguments += [f"--cpu_replicas={replicas}"]
            with Worker("benchmarks.speed.step_worker", *arguments) as worker:
                reports = [worker.step() for _ in range(REPEATS)]
            secs = [1e3 * report["secs"] / report["valid_steps"] for report in reports]
            name = f"{replicas} replicas on this CPU: train"
            rows.append(Row(name, float(np.median(secs)), "ms/valid step", details={"ours": secs}))
    return rows


def _least(run: Callable[[], object], repeats: int = REPEATS) -> float:
    return min(seconds(run) for _ in range(repeats))


if __name__ == "__main__":
    section_main(run)
