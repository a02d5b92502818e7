"""What going on costs: bytes of state besides the weights, seconds back to step k of an epoch.

    python -m benchmarks.faults.resume_cost [--records=1000000] [--repeats=3] [--no-state]

Writes a dataset of that many short records, then times what a training does between its start and
the first batch of a step in the middle of the epoch, in a fresh process; importing TensorFlow and
building the model are not part of it. The state is that of a training with every callback.
Exits with 1 above 2 s or 1,000 bytes.
"""

from pipeline.console import quiet

quiet.start(gpu=True)

import json
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf

from benchmarks.faults.training_kills import Training, write_toy
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.many_records import NAME, SPLIT, write_many
from benchmarks.harness.processes import finish, fork, temporary_folder
from benchmarks.harness.tables import print_table
from pipeline.batches.plan import BatchOptions
from tfrecords_schema import open_dataset
from trainer.data.split_data import SplitData

_LIMIT_SECS, _LIMIT_BYTES = 2.0, 1000
_SHARDS = 8
_LONGEST_STEPS = 64
_PARTS = ("open the dataset", "load the index", "plan the epoch", "first batch of step k")


def main(argv: list[str]) -> int:
    """Writes, measures, prints the table."""
    args = parse_flags(__doc__, argv, records=1_000_000, repeats=3, state=True)
    with temporary_folder() as root:
        log = root / "log"
        finish(fork(lambda: _write_dataset(root, args.records), log), log, limit_secs=600)
        secs = []
        for number in range(args.repeats):
            log = root / f"secs{number}"
            finish(fork(lambda: _measure(str(root / NAME / "1.0.0")), log), log)
            secs.append(json.loads(log.read_text().splitlines()[-1]))
        state_bytes = _state_bytes(root) if args.state else 0
    best = [min(values) for values in zip(*secs, strict=True)]
    rows = [(part, f"{value:.2f}") for part, value in zip(_PARTS, best, strict=True)]
    total = min(map(sum, secs))
    print_table((f"{args.records:,} records", "secs"), [*rows, ("all", f"{total:.2f}")])
    print(f"state besides weights and optimizer: {state_bytes} bytes, limit {_LIMIT_BYTES}")
    return int(total > _LIMIT_SECS or state_bytes > _LIMIT_BYTES)


def _measure(path: str) -> int:
    """Prints the seconds of each part."""
    tf.constant(0) + 1  # TensorFlow's own start is not part of it.
    times = [time.monotonic()]
    dataset = open_dataset(path)
    times.append(time.monotonic())
    split = SplitData(dataset, SPLIT, BatchOptions(batch_size=32, num_buckets=8))
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


def _write_dataset(folder: pathlib.Path, count: int) -> int:
    lengths = np.random.default_rng(0).integers(1, _LONGEST_STEPS, count, endpoint=True)
    write_many(folder, lengths, (1,), num_shards=_SHARDS)
    return 0


def _state_bytes(root: pathlib.Path) -> int:
    """Size of the largest `state.json` of a training with all callbacks."""
    write_toy(root)
    training = Training(root, root / "run")
    flags = ["--early_stopping_patience=50", "--reduce_lr_patience=50", "--tensorboard"]
    finish(training.start(*flags), training.log)
    return max(path.stat().st_size for path in training.run_dir.glob("checkpoints/*/state.json"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
