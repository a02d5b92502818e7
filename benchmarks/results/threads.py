"""Threads of an operation: an epoch of several networks, as the trainer decides and divided.

    python -m benchmarks.results.threads [--models=inception_time,conformer] [--samples=40,200]

Trains three networks on 200 recordings of two to so many samples, one command after the other, in
turn, and compares the last epochs; 13 minutes. With more than three cores there is no difference.
"""

import functools
import json
import os
import pathlib
import shutil
import statistics
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row, against, alternately
from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.harness.recordings import conversion_flags, record_id
from benchmarks.harness.tables import show

_RECORDS, _EPOCHS, _FIRST = 200, 6, 2
_SWITCH = "TF_NUM_INTRAOP_THREADS"


def main() -> None:
    """Prints rows; exits with 1 where a target is missed."""
    args = parse_flags(__doc__, models="inception_time,conformer", samples="40,200", repeats=3)
    rows = []
    with temporary_folder() as folder:
        for samples in map(int, args.samples.split(",")):
            dataset = _dataset(folder / str(samples), samples)
            for model in args.models.split(","):
                rows += show(_rows(model, samples, dataset, folder, args.repeats))
    sys.exit(any(row.holds is False for row in rows))


def _rows(
    model: str, samples: int, dataset: str, folder: pathlib.Path, repeats: int
) -> Iterator[Row]:
    runs = {
        name: functools.partial(_epoch_secs, model, dataset, folder / f"{model}{samples}", setting)
        for name, setting in (("ours", None), ("divided", "0"))
    }
    secs = alternately(runs, repeats)
    what = f"{model}, 2 to {samples} samples, an epoch / divided"
    yield against(what, secs["ours"], secs["divided"], "s", 1)


def _dataset(folder: pathlib.Path, samples: int) -> str:
    random = np.random.default_rng(0)
    (folder / "npz").mkdir(parents=True)
    for number, count in enumerate(random.integers(2, samples + 1, _RECORDS)):
        signal = random.standard_normal((count, 1), np.float32)
        np.savez(folder / "npz" / record_id(number), signal=signal, label=number % 4)
    flags = [f"--input_dir={folder / 'npz'}", *conversion_flags(folder / "datasets")]
    run_module("pipeline", *flags)
    return str(folder / "datasets" / "bench" / "1.0.0")


def _epoch_secs(model: str, dataset: str, run_dir: pathlib.Path, threads: str | None) -> float:
    """Trains anew; the median of an epoch's seconds, after the first ones."""
    shutil.rmtree(run_dir, ignore_errors=True)
    os.environ.pop(_SWITCH, None)
    if threads is not None:
        os.environ[_SWITCH] = threads
    run_module(
        "trainer", f"--dataset={dataset}", f"--run_dir={run_dir}", f"--model={model}",
        "--ensemble=3", f"--epochs={_EPOCHS}", "--max_minutes=0", "--normalization=record",
        "--norandom_convolutions", "--noreport",
    )  # fmt: skip
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()[_FIRST:]
    return statistics.median(json.loads(line)["seconds"] for line in lines)


if __name__ == "__main__":
    main()
