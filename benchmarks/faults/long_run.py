"""A long training: memory, open files, threads and the time of a step stay what they were.

    python -m benchmarks.faults.long_run [--steps=100000] [--steps_per_epoch=100]

Trains a tiny model in this process, with validation, checkpoints, best weights and TensorBoard in
every epoch. A thread looks at the process ten times a second. The last thousand steps are compared
with the second thousand, when all is traced; SIGTERM ends it early, with the table of the steps
until then. Exits with 1 if memory grew by more than 5%, if files
or event files are more, or four threads, or if a step, with its share of all that an epoch ends in,
takes more than 1.3 times as many seconds of the processor: those of a clock, which are shown too,
are as the machine has other work.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import collections
import json
import math
import os
import pathlib
import statistics
import sys
import threading
import time
from typing import NamedTuple

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.tables import print_table
from benchmarks.harness.tiny_model import TINY_MODEL
from pipeline.console import exit_codes
from tests.datasets import CLASS_PER_RECORD, random_records, write_dataset
from tfrecords_schema import InputSpec, RecordSchema
from trainer.__main__ import main as train

_THOUSAND = 1000
_MOST_MEMORY, _MOST_SECS = 1.05, 1.3
_MORE_THREADS = 4  # TensorFlow starts some of its pools late.
_BATCH = 4
_LOOK_SECS = 0.1
_TAIL_BYTES = 4096  # More than the last line has.


class _Look(NamedTuple):
    """What the process has at a moment."""

    memory_mb: float
    open_files: int
    threads: int
    event_files: int
    processor_secs: float


def main(argv: list[str]) -> int:
    """Trains, and prints the table."""
    args = parse_flags(__doc__, argv, steps=100_000, steps_per_epoch=100)
    with temporary_folder() as root:
        dataset, run_dir = _dataset(root, args.steps_per_epoch), root / "run"
        looks: dict[int, list[_Look]] = collections.defaultdict(list)
        ends = threading.Event()
        watcher = threading.Thread(target=_watch, args=(run_dir, looks, ends))
        watcher.start()
        every = ("--validate_every_epochs=1", "--checkpoint_every_epochs=1", "--max_minutes=0")
        try:
            status = train([
                f"--dataset={dataset}", f"--run_dir={run_dir}", *TINY_MODEL, *every,
                f"--batch_size={_BATCH}", "--num_buckets=2", "--noreport",
                f"--epochs={args.steps // args.steps_per_epoch}",
            ])  # fmt: skip
        finally:
            ends.set()
            watcher.join()
        if status not in (0, exit_codes.STOPPED):
            return status
        secs = {line["step"]: line["seconds"] / args.steps_per_epoch for line in _lines(run_dir)}
    steps = max(secs)
    early = range(_THOUSAND, 2 * _THOUSAND + 1)
    late = range(steps - _THOUSAND, steps + 1)
    rows = [
        (name, *(statistics.median(getattr(x, name) for s in span for x in looks[s])
                 for span in (early, late)))
        for name in _Look._fields[:-1]
    ]  # fmt: skip
    rows += [("processor ms a step", *(_processor_ms(looks, span) for span in (early, late)))]
    rows += [("ms a step", *(_milliseconds(secs, span) for span in (early, late)))]
    print_table((f"{steps:,} steps", "second 1,000", "last 1,000"), [_shown(r) for r in rows])
    return int(not all(map(_is_flat, rows)))


def _dataset(root: pathlib.Path, steps: int) -> str:
    schema = RecordSchema(InputSpec("signal", "float32", (20, 1)), CLASS_PER_RECORD)
    lengths = np.random.default_rng(0).integers(1, 9, _BATCH * steps).tolist()
    records = random_records(lengths, schema)
    return write_dataset(root, {"train": records, "validation": records[:16]}, schema).path


def _watch(run_dir: pathlib.Path, looks: dict[int, list[_Look]], ends: threading.Event) -> None:
    """Looks again and again; what is seen belongs to the last step of the epoch before."""
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6
    while not ends.wait(_LOOK_SECS):
        if lines := _lines(run_dir, _TAIL_BYTES):
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            counts = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
            events = sum(1 for _ in run_dir.glob("tensorboard/*/events*"))
            look = _Look(pages * page_mb, *counts, events, time.process_time())
            looks[lines[-1]["step"]].append(look)


def _lines(run_dir: pathlib.Path, tail_bytes: int = sys.maxsize) -> list[dict]:
    """The epochs that are written down, or the last of them."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return []
    with path.open("rb") as file:
        begin = max(0, path.stat().st_size - tail_bytes)
        file.seek(begin)
        lines = file.readlines()
    # The first may have begun before, at an object within a line; the last may not be whole.
    whole = [line for line in lines[begin > 0 :] if line.endswith(b"}\n")]
    return [json.loads(line) for line in whole]


def _processor_ms(looks: dict[int, list[_Look]], span: range) -> float:
    """Of all threads, from the first epoch's end within some steps to the last's."""
    steps = [step for step in looks if step in span]
    first, last = min(steps), max(steps)
    spent = looks[last][0].processor_secs - looks[first][0].processor_secs
    return 1000 * spent / (last - first)


def _milliseconds(secs: dict[int, float], span: range) -> float:
    return 1000 * statistics.median(value for step, value in secs.items() if step in span)


def _shown(row: tuple[str, float, float]) -> tuple[str, ...]:
    return row[0].replace("_", " "), *(f"{value:.4g}" for value in row[1:])


def _is_flat(row: tuple[str, float, float]) -> bool:
    most = {"memory_mb": _MOST_MEMORY, "processor ms a step": _MOST_SECS, "ms a step": math.inf}
    more = _MORE_THREADS if row[0] == "threads" else 0
    return row[2] <= most.get(row[0], 1.0) * row[1] + more


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
