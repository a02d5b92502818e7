"""What going on costs: bytes of state besides the weights, seconds back to step k of an epoch.

    python -m benchmarks.resume_cost [--records=1000000] [--repeats=3] [--no-state]

Writes a dataset of that many short records, then times what a training does between its start and
the first batch of a step in the middle of the epoch, in a fresh process; importing TensorFlow and
building the model are not part of it. The state is that of a training with every callback.
Exits with 1 above 2 s or 1,000 bytes.
"""

import trainer.quiet  # noqa: F401  # Before TensorFlow.

# isort: split
import argparse
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from benchmarks import training_kills
from benchmarks.killing import fork, print_table, wait
from pipeline.plan import BatchOptions
from tests.datasets import CLASS_PER_RECORD, random_records
from tfrecords_schema import (
    IndexRow,
    InputSpec,
    Manifest,
    RecordSchema,
    ShardEntry,
    SplitEntry,
    finish_dataset,
    hash_file,
    open_dataset,
    write_index,
)
from tfrecords_schema.names import INDEX, REJECTS, atomic_write, join, shard_name
from trainer.data import SplitData

_LIMIT_SECS, _LIMIT_BYTES = 2.0, 1000
_SHARDS = 8
_LENGTHS = 64
_FRAMING_BYTES = 16
_PARTS = ("open the dataset", "load the index", "plan the epoch", "first batch of step k")


def main(argv: list[str]) -> int:
    """Writes, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--state", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        wait(fork(lambda: _write_dataset(str(root), args.records), root / "log"), limit_secs=600)
        secs = []
        for number in range(args.repeats):
            log = root / f"secs{number}"
            if wait(fork(lambda: _measure(str(root)), log)):
                raise SystemExit(log.read_text() + (root / "log").read_text())
            secs.append(json.loads(log.read_text().splitlines()[-1]))
        state_bytes = _state_bytes(root) if args.state else 0
    best = [min(values) for values in zip(*secs, strict=True)]
    rows = [(part, f"{value:.2f}") for part, value in zip(_PARTS, best, strict=True)]
    total = min(map(sum, secs))
    print_table((f"{args.records:,} records", "secs"), [*rows, ("all", f"{total:.2f}")])
    print(f"state besides weights and optimizer: {state_bytes} bytes, limit {_LIMIT_BYTES}")
    return int(total > _LIMIT_SECS or state_bytes > _LIMIT_BYTES)


def _measure(folder: str) -> int:
    """Prints the seconds of each part."""
    tf.constant(0) + 1  # TensorFlow's own start is not part of it.
    times = [time.monotonic()]
    dataset = open_dataset(join(folder, "large", "1.0.0"))
    times.append(time.monotonic())
    split = SplitData(dataset, "train", BatchOptions(batch_size=32, num_buckets=8))
    times.append(time.monotonic())
    plan = split.plan(seed=1, epoch=3)
    times.append(time.monotonic())
    strategy = tf.distribute.get_strategy()
    batches, _ = split.batches(plan, strategy, start_step=plan.num_steps // 2)
    batch = next(batches)
    times.append(time.monotonic())
    expected = plan.rows(plan.num_steps // 2)
    assert sorted(batch["record"].numpy().tolist()) == sorted(expected.tolist())
    print(json.dumps(np.diff(times).tolist()))
    return 0


def _write_dataset(folder: str, count: int) -> int:
    """A dataset of `count` records in which only the lengths differ: the ids are not looked at."""
    path = join(folder, "large", "1.0.0")
    tf.io.gfile.makedirs(path)
    schema = RecordSchema(InputSpec("signal", "float32", (1,)), CLASS_PER_RECORD)
    records = random_records(range(1, _LENGTHS + 1), schema)
    contents = [schema.encode(r.id, r.data, r.label) for r in records]
    numbers = np.random.default_rng(0).integers(0, _LENGTHS, count)
    shards = np.array_split(numbers, _SHARDS)
    write_index(join(path, INDEX), _rows(shards, [len(c) + _FRAMING_BYTES for c in contents]))
    entries = []
    for shard, members in enumerate(shards):
        file = shard_name("large", "train", shard, _SHARDS)
        with tf.io.TFRecordWriter(join(path, file)) as writer:
            for number in members.tolist():
                writer.write(contents[number])
        found = hash_file(join(path, file))
        entries.append(ShardEntry(file, len(members), found.size_bytes, found.sha256))
    lengths, found_counts = np.unique(numbers + 1, return_counts=True)
    split = SplitEntry(
        tuple(entries), count, count, int((numbers + 1).sum()),
        sum(entry.size_bytes for entry in entries), {},
        dict(zip(lengths.tolist(), found_counts.tolist(), strict=True)),
    )  # fmt: skip
    atomic_write(join(path, REJECTS), b"")
    finish_dataset(path, Manifest("large", "1.0.0", schema, {"train": split}, None, {}, {}))
    return 0


def _rows(shards: list[np.ndarray], sizes: list[int]) -> Iterator[IndexRow]:
    row = 0
    for shard, members in enumerate(shards):
        offset = 0
        for number in members.tolist():
            yield IndexRow(
                f"r{row}", f"r{row}", "train", shard, offset, sizes[number], number + 1, 0,
                f"r{row}.npz", "",
            )  # fmt: skip
            offset += sizes[number]
            row += 1


def _state_bytes(root: pathlib.Path) -> int:
    """Size of the largest `state.json` of a training with all callbacks."""
    wait(fork(lambda: training_kills.write_toy(root), root / "log"))
    flags = ["--early_stopping_patience=50", "--reduce_lr_patience=50", "--tensorboard"]
    run_dir, log = root / "run", root / "run.log"
    if wait(training_kills.start(root, run_dir, log=log, flags=flags)):
        raise SystemExit(log.read_text())
    return max(path.stat().st_size for path in run_dir.glob("checkpoints/*/state.json"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
