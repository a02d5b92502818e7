"""Accuracy in bfloat16 beside float32: several seeds of one flagfile on one dataset.

python -m benchmarks.results.precision_parity --flagfile=trainer/configs/japanese_vowels.flags \
  --dataset=DATASET --work_dir=RUNS [--seeds=5]

Each training is `python -m trainer` in a process of its own, evaluated on the test split. The
difference of the two means is compared with the deviation between seeds: it holds where the
difference is no more than twice its own standard error, or nothing differs at all.
"""

import argparse
import json
import pathlib
import statistics
import sys

from benchmarks.harness.processes import run_module

PRECISIONS = ("float32", "bfloat16")


def main() -> int:
    """Trains all, alternately, and prints the table; returns 1 where the precisions differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flagfile", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--work_dir", required=True, help="runs go here; finished ones are kept")
    parser.add_argument("--seeds", type=int, default=5)
    args, more_flags = parser.parse_known_args()
    flags = [f"--flagfile={args.flagfile}", f"--dataset={args.dataset}", *more_flags]
    scores: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    print("seed" + "".join(f"{precision:>10}" for precision in PRECISIONS))
    for seed in range(args.seeds):
        for precision, figures in scores.items():
            run_dir = pathlib.Path(args.work_dir, f"{precision}-{seed}")
            figures.append(accuracy(run_dir, f"--seed={seed}", f"--precision={precision}", *flags))
        print(f"{seed:<4}" + "".join(f"{scores[p][-1]:10.4f}" for p in PRECISIONS), flush=True)
    result = compare(scores["float32"], scores["bfloat16"])
    print("mean" + "".join(f"{statistics.mean(scores[p]):10.4f}" for p in PRECISIONS))
    print(
        f"difference of the means {result['difference']:+.4f}, its standard error "
        f"{result['standard_error']:.4f}, deviation between seeds {result['deviation']:.4f}: "
        + ("no more than noise" if result["holds"] else "MORE THAN NOISE")
    )
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


def accuracy(run_dir: pathlib.Path, *flags: str) -> float:
    """Trains and evaluates, unless that was done before; returns the test accuracy."""
    result = run_dir / "evaluation-test.json"
    if not result.exists():
        run_module("trainer", f"--run_dir={run_dir}", "--noreport", "--notensorboard", *flags)
    return json.loads(result.read_text())["metrics"]["accuracy"]


if __name__ == "__main__":
    sys.exit(main())
