"""Accuracy in bfloat16 beside float32: several seeds of one flagfile on one dataset.

python -m benchmarks.results.precision_parity --flagfile=trainer/configs/japanese_vowels.flags \
  --dataset=DATASET --work_dir=RUNS [--seeds=5] [--json=FILE]

Each training is `python -m trainer` in a process of its own, evaluated on the test split. The
difference of the two means is compared with the deviation between seeds: it holds where the
difference is no more than twice its own standard error, or nothing differs at all.
"""

import argparse
import json
import statistics
import subprocess
import sys

from pipeline.console import quiet

quiet.start(gpu=True)

import tensorflow as tf

from tfrecords_schema.names import join

PRECISIONS = ("float32", "bfloat16")


def main() -> int:
    """Trains all, alternately, and prints the table; returns 1 where the precisions differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flagfile", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--work_dir", required=True, help="runs go here; finished ones are kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", help="file for the figures")
    args, trainer_flags = parser.parse_known_args()
    scores: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    print("seed" + "".join(f"{precision:>10}" for precision in PRECISIONS))
    for seed in range(args.seeds):
        for precision, figures in scores.items():
            figures.append(train(args, seed, precision, trainer_flags))
        print(f"{seed:<4}" + "".join(f"{scores[p][-1]:10.4f}" for p in PRECISIONS), flush=True)
    result = compare(scores["float32"], scores["bfloat16"])
    print("mean" + "".join(f"{statistics.mean(scores[p]):10.4f}" for p in PRECISIONS))
    print(
        f"difference of the means {result['difference']:+.4f}, its standard error "
        f"{result['standard_error']:.4f}, deviation between seeds {result['deviation']:.4f}: "
        + ("no more than noise" if result["holds"] else "MORE THAN NOISE")
    )
    if args.json:
        with tf.io.gfile.GFile(args.json, "w") as file:
            file.write(json.dumps({**scores, **result}, indent=1))
    return int(not result["holds"])


def compare(first: list[float], second: list[float]) -> dict[str, float | bool]:
    """Difference of the means beside what seeds alone make of it."""
    difference = statistics.mean(second) - statistics.mean(first)
    variances = [statistics.variance(first), statistics.variance(second)]
    error = (sum(variances) / len(first)) ** 0.5
    return {
        "difference": difference,
        "standard_error": error,
        "deviation": (sum(variances) / 2) ** 0.5,
        "holds": abs(difference) <= 2 * error,
    }


def train(args: argparse.Namespace, seed: int, precision: str, trainer_flags: list[str]) -> float:
    """Trains and evaluates once, unless it was done before; returns the test accuracy."""
    run_dir = join(args.work_dir, f"{precision}-{seed}")
    result = join(run_dir, "evaluation-test.json")
    if not tf.io.gfile.exists(result):
        command = [sys.executable, "-m", "trainer", f"--flagfile={args.flagfile}"]
        command += [f"--dataset={args.dataset}", f"--run_dir={run_dir}", f"--seed={seed}"]
        command += [f"--precision={precision}", "--noreport", "--notensorboard", *trainer_flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    with tf.io.gfile.GFile(result) as file:
        return json.load(file)["metrics"]["accuracy"]


if __name__ == "__main__":
    sys.exit(main())
