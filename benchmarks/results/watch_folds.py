"""Accuracy on unseen subjects: five folds of the watch recordings, two subjects held out in each.

Runs the very commands of `make demo` for each fold, without a validation split, so eight subjects
train. Published best on unseen subjects: 0.873 (arXiv 1802.01489). Takes about four minutes on two
cores.
"""

import argparse
import json
import subprocess
import sys

from pipeline.console import quiet

quiet.start(gpu=False)

import tensorflow as tf

from tfrecords_schema.names import join

FOLDS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))


def main() -> None:
    """Converts, trains and evaluates each fold, and prints accuracies and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", default="demo/recordings", help="see watch_recordings.py")
    parser.add_argument("--work_dir", default="demo/folds", help="datasets and runs go here")
    parser.add_argument("--seeds", default="0", help="trains each fold once with each: 0,1,2")
    args, trainer_flags = parser.parse_known_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    print("test subjects  " + "".join(f"  seed {seed}" for seed in seeds))
    totals = [0.0] * len(seeds)
    for subjects in FOLDS:
        dataset = convert(args.recordings, args.work_dir, subjects)
        scores = [train(dataset, seed, trainer_flags) for seed in seeds]
        totals = [total + score for total, score in zip(totals, scores, strict=True)]
        print(_row(f"{subjects[0]} and {subjects[1]}", scores), flush=True)
    print(_row("mean", [total / len(FOLDS) for total in totals]))


def convert(recordings: str, work_dir: str, subjects: tuple[int, int]) -> str:
    """Converts the recordings with two subjects held out; returns the dataset's folder."""
    name = "watch_without_{}_{}".format(*subjects)
    _run(
        "pipeline",
        "--source=signals",
        f"--input_dir={recordings}",
        f"--output_dir={work_dir}",
        f"--name={name}",
        "--overwrite",
        "--sample_rate_hz=50",
        "--window_secs=2",
        r"--group_regex=subject_\d+",
        "--split_regex=(?P<test>subject_({:02d}|{:02d}))".format(*subjects),
    )
    return join(work_dir, name, "1.0.0")


def train(dataset: str, seed: int, trainer_flags: list[str]) -> float:
    """Trains and evaluates; returns the accuracy per recording on the two unseen subjects."""
    run_dir = f"{dataset}-run-{seed}"
    if tf.io.gfile.exists(run_dir):
        tf.io.gfile.rmtree(run_dir)
    _run(
        "trainer",
        "--flagfile=trainer/configs/watch.flags",
        f"--dataset={dataset}",
        f"--run_dir={run_dir}",
        f"--seed={seed}",
        "--noreport",
        "--notensorboard",
        *trainer_flags,
    )
    with tf.io.gfile.GFile(join(run_dir, "evaluation-test.json")) as file:
        return json.load(file)["metrics"]["accuracy"]


def _row(name: str, scores: list[float]) -> str:
    return f"{name:15}" + "".join(f"  {score:6.3f}" for score in scores)


def _run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
