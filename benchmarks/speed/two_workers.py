"""Training on two workers of one core each, against one worker of one core.

    python -m benchmarks.speed.two_workers --pairs=3

The published signal model, global batches of 32 recordings of lognormal lengths: the same batches
on one worker and on two, alternately. Prints valid steps per second and their ratio.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from benchmarks.harness.signal_set import convert, lognormal_lengths, write_npz

_SAMPLES, _CHANNELS = 3000, 2
_FLAGS = (
    "--batch_size=32",
    "--epochs=2",
    "--validation_split=",
    "--test_split=",
    "--noreport",
    "--notensorboard",
)


def main() -> None:
    """Prints a line for each pair, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--records", type=int, default=128)
    arguments = parser.parse_args()
    ratios, rates = [], {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        write_npz(root, lognormal_lengths(arguments.records), (_SAMPLES, _CHANNELS))
        dataset = convert(root)
        print("valid steps/s: one worker  two workers  ratio", flush=True)
        for _ in range(arguments.pairs):
            for workers, found in rates.items():
                found.append(train(dataset, root / "run", workers))
            ratios.append(rates[2][-1] / rates[1][-1])
            print(f"{rates[1][-1]:25.1f}  {rates[2][-1]:11.1f}  {ratios[-1]:5.2f}", flush=True)
    one, two = (statistics.median(found) for found in rates.values())
    print(f"median {one:18.1f}  {two:11.1f}  {statistics.median(ratios):5.2f}")


def train(dataset: str, run_dir: pathlib.Path, workers: int) -> float:
    """Valid steps per second of the last epoch."""
    command = [sys.executable, "-m", "trainer.launch", f"--workers={workers}"]
    command += ["--cores_per_worker=1", "--", f"--dataset={dataset}", f"--run_dir={run_dir}"]
    done = subprocess.run(
        [*command, *_FLAGS],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    history = run_dir / "metrics.jsonl"
    if not history.exists():
        raise RuntimeError(done.stdout[-2000:])
    last = json.loads(history.read_text().splitlines()[-1])
    shutil.rmtree(run_dir)
    return last["valid_steps_per_sec"]


if __name__ == "__main__":
    main()
