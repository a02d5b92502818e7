"""Accuracy on unseen subjects: five folds of the watch recordings, two subjects held out in each.

Runs the very commands of `make demo` for each fold, without a validation split, so eight subjects
train. Published best on unseen subjects: 0.873 (arXiv 1802.01489). Takes about four minutes on two
cores.
"""

import argparse
import pathlib
import shutil
import statistics

from benchmarks.harness.processes import run_module
from benchmarks.results.precision_parity import accuracy
from benchmarks.results.watch_recordings import CONVERSION

FOLDS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))


def main() -> None:
    """Converts, trains and evaluates each fold, and prints accuracies and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", default="demo/recordings", help="see watch_recordings.py")
    parser.add_argument("--work_dir", default="demo/folds", help="datasets and runs go here")
    parser.add_argument("--seeds", default="0", help="trains each fold once with each: 0,1,2")
    args, trainer_flags = parser.parse_known_args()
    seeds = args.seeds.split(",")
    print("test subjects  " + "".join(f"  seed {seed}" for seed in seeds))
    folds = []
    for subjects in FOLDS:
        dataset = convert(args.recordings, args.work_dir, subjects)
        folds.append([train(dataset, seed, trainer_flags) for seed in seeds])
        print(_row("{} and {}".format(*subjects), folds[-1]), flush=True)
    print(_row("mean", [statistics.mean(scores) for scores in zip(*folds, strict=True)]))


def convert(recordings: str, work_dir: str, subjects: tuple[int, int]) -> pathlib.Path:
    """Converts the recordings with two subjects held out; returns the dataset's folder."""
    name = "watch_without_{}_{}".format(*subjects)
    flags = [f"--input_dir={recordings}", f"--output_dir={work_dir}", f"--name={name}"]
    flags += ["--split_regex=(?P<test>subject_({:02d}|{:02d}))".format(*subjects), "--overwrite"]
    run_module("pipeline", *CONVERSION, *flags)
    return pathlib.Path(work_dir, name, "1.0.0")


def train(dataset: pathlib.Path, seed: str, trainer_flags: list[str]) -> float:
    """Trains and evaluates; returns the accuracy per recording on the two unseen subjects."""
    run_dir = dataset.with_name(f"{dataset.name}-run-{seed}")
    shutil.rmtree(run_dir, ignore_errors=True)
    flags = ["--flagfile=trainer/configs/watch.flags", f"--dataset={dataset}", f"--seed={seed}"]
    return accuracy(run_dir, *flags, *trainer_flags)


def _row(name: str, scores: list[float]) -> str:
    return f"{name:15}" + "".join(f"  {score:6.3f}" for score in scores)


if __name__ == "__main__":
    main()
