"""Training on two workers of one core each, against one worker of one core.

    python -m benchmarks.speed.two_workers --pairs=3

The published signal model, global batches of 32 recordings of lognormal lengths: the same batches
on one worker and on two, alternately. Prints valid steps per second and their ratio.
"""

import json
import os
import pathlib
import shutil
import statistics

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.harness.recordings import SAMPLES, lognormal_lengths, signal_dataset

_FLAGS = ["--batch_size=32", "--epochs=2", "--validation_split=", "--test_split="]
_FLAGS += ["--noreport", "--notensorboard"]


def main() -> None:
    """Prints a line for each pair, then the medians."""
    args = parse_flags(__doc__, pairs=3, records=128)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # Also of the workers.
    pairs = []
    with temporary_folder() as folder:
        dataset = signal_dataset(folder, lognormal_lengths(args.records), (SAMPLES, 2))
        print("valid steps/s: one worker  two workers  ratio", flush=True)
        for _ in range(args.pairs):
            one, two = (train(dataset, folder / "run", workers) for workers in (1, 2))
            pairs.append((one, two, two / one))
            print("{:25.1f}  {:11.1f}  {:5.2f}".format(*pairs[-1]), flush=True)
    medians = map(statistics.median, zip(*pairs, strict=True))
    print("median {:18.1f}  {:11.1f}  {:5.2f}".format(*medians))


def train(dataset: str, run_dir: pathlib.Path, workers: int) -> float:
    """Valid steps per second of the last epoch."""
    flags = [f"--workers={workers}", "--cores_per_worker=1", "--"]
    run_module("trainer.launch", *flags, f"--dataset={dataset}", f"--run_dir={run_dir}", *_FLAGS)
    last = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    shutil.rmtree(run_dir)
    return last["valid_steps_per_sec"]


if __name__ == "__main__":
    main()
