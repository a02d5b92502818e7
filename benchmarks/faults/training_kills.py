"""Trainings killed at random instants and started again: the weights must be those of a quiet one.

    python -m benchmarks.faults.training_kills [--trials=50] [--seed=0] [--processes=2]

Each training is killed (SIGKILL) one to three times, half of them at an instant of its usual
duration and half within the writing of a checkpoint: in the middle of a file, or before or after
one of the renames. In every fifth trial a bit of the newest checkpoint is flipped besides. Then it
runs to its end. Counted as violations: a bit of weights, optimizer, best weights or losses that
differs from the undisturbed training's, and a training that would not go on.

Trainings are forked from this process, which has imported TensorFlow and not started it;
`--processes` of them are real commands instead. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=True)

import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import processes
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import Counts
from tests.datasets import toy_dataset
from tests.trainer.processes import SMALL_MODEL, arrays, last_step
from trainer import __main__ as command

_FLAGS = ("--deterministic", "--seed=3", "--checkpoint_every_steps=1", "--epochs=3")
_CALLS_PER_CHECKPOINT = 6  # Three files are written and renamed.


class Training:
    """One training, its run folder and what is in it."""

    def __init__(self, root: pathlib.Path, run_dir: pathlib.Path):
        self.run_dir = run_dir
        self.log = root / f"{run_dir.name}.log"
        self.argv = [f"--dataset={root / 'toy' / '1.0.0'}", f"--run_dir={run_dir}"]
        self.argv += [*SMALL_MODEL, *_FLAGS]
        self.is_fork = True

    def start(self, *flags: str, kill_call: int = 0) -> int:
        """Starts it in a fork of this process, or as a command.

        In a fork it kills itself at that call of its checkpoints, if not 0.
        """
        if not self.is_fork:
            return processes.start_module("trainer", *self.argv, *flags, log=self.log)

        def run() -> int:
            if kill_call:
                _kill_at_call(kill_call)
            return command.main([*self.argv, *flags])

        return processes.fork(run, self.log)

    def checkpoints(self) -> list[pathlib.Path]:
        """Folders of checkpoints that are whole."""
        states = self.run_dir.glob("checkpoints/ckpt-*/state.json")
        return [path.parent for path in states if is_whole(path.parent)]

    def outcome(self) -> dict[str, Any]:
        """Everything that must be the same, bit for bit."""
        lines = map(json.loads, (self.run_dir / "metrics.jsonl").read_text().splitlines())
        found: dict[str, Any] = {"metrics": [(line["train"], line["validation"]) for line in lines]}
        found["steps"] = last_step(self.run_dir)
        groups = {stem: arrays(self.run_dir, stem) for stem in ("model", "optimizer")}
        (best,) = self.run_dir.glob("best/model-*.npz")
        with np.load(best, allow_pickle=False) as stored:
            groups["best"] = dict(stored)
        for name, group in groups.items():
            found[name] = {key: value.tobytes() for key, value in group.items()}
        return found


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    args = parse_flags(__doc__, argv, trials=50, seed=0, kills=3, processes=0)
    counts = Counts()
    with processes.temporary_folder() as root:
        write_toy(root)
        quiet = Training(root, root / "quiet")
        secs = processes.finish(quiet.start(), quiet.log)
        expected = quiet.outcome()
        for number in range(args.trials + args.processes):
            rng = np.random.default_rng([args.seed, number])
            training = Training(root, root / f"{number}")
            training.is_fork = number < args.trials
            kills = int(rng.integers(args.kills)) + 1 if training.is_fork else 1
            _kill_often(training, rng, secs, kills, counts)
            if number % 5 == 4:
                _flip(training.run_dir, rng, counts)
            _compare(processes.wait(training.start()), training, expected, counts)
    status = counts.report()
    print(f"one undisturbed training takes {secs:.1f} s, {expected['steps']} checkpoints")
    return status


def _kill_at_call(number: int) -> None:
    """Kills this process within the writing of a checkpoint."""
    calls = 0
    rename = tf.io.gfile.rename

    def is_due(path: str) -> bool:
        nonlocal calls
        calls += "/ckpt-" in path or "/best/" in path
        return calls == number

    class HalfFile(tf.io.gfile.GFile):
        def write(self, file_content: bytes) -> None:
            if is_due(self.name):
                super().write(file_content[: len(file_content) // 2])
                self.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            super().write(file_content)

    def rename_or_die(src: str, dst: str, overwrite: bool = False) -> None:
        if is_due(dst):
            if number % 2:
                rename(src, dst, overwrite=overwrite)
            os.kill(os.getpid(), signal.SIGKILL)
        rename(src, dst, overwrite=overwrite)

    tf.io.gfile.GFile, tf.io.gfile.rename = HalfFile, rename_or_die


def _kill_often(
    training: Training, rng: np.random.Generator, secs: float, wanted: int, counts: Counts
) -> None:
    """Kills a training and lets it go on, until it was killed often enough or ends."""
    kills = 0
    while kills < wanted:
        if where := _kill(training, rng, secs):
            counts[f"{'' if training.is_fork else 'command '}killed {where}"] += 1
            kills += 1
        elif kills:
            return
        else:  # It was faster than its kill: another one, killed sooner.
            shutil.rmtree(training.run_dir)
            secs *= 0.7


def _kill(training: Training, rng: np.random.Generator, secs: float) -> str:
    """Starts a training and kills it; where it was, or nothing if it ended before that."""
    if training.is_fork and rng.random() >= 0.5:
        call = int(rng.integers(1, 6 * _CALLS_PER_CHECKPOINT))
        code = processes.wait(training.start(kill_call=call))
        if code not in (0, -signal.SIGKILL):
            raise SystemExit(training.log.read_text())
        return "within a checkpoint's writing" if code else ""
    # A command takes long to start.
    is_time = (lambda: True) if training.is_fork else (training.run_dir / "checkpoints").exists
    if not processes.kill_at(training.start(), is_time, float(rng.uniform(0.2, 1.05) * secs)):
        return ""
    has_begun = any(training.run_dir.glob("checkpoints/ckpt-*"))
    return "at any instant" if has_begun else "before the first checkpoint"


def _flip(run_dir: pathlib.Path, rng: np.random.Generator, counts: Counts) -> None:
    whole = [path.parent for path in run_dir.glob("checkpoints/ckpt-*/state.json")]
    if len(whole) < 2:
        return
    newest = max(whole, key=lambda path: int(path.name.removeprefix("ckpt-")))
    path = sorted(newest.iterdir())[int(rng.integers(3))]
    content = bytearray(path.read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(content))
    counts["newest checkpoints with a bit flipped"] += 1


def _compare(code: int, training: Training, expected: dict[str, Any], counts: Counts) -> None:
    counts["trainings, each killed at least once"] += 1
    log = training.log.read_text()
    counts["times a training went on from a checkpoint"] += log.count("resuming at epoch")
    counts["times a checkpoint was passed over"] += log.count("trying the checkpoint before it")
    counts.violation("would not go on", code != 0, training.log)
    differs = code == 0 and training.outcome() != expected
    counts.violation("other weights or losses", differs, training.log)
    left = [*training.run_dir.rglob("*.tmp"), *training.run_dir.rglob("next.json")]
    counts.violation("files left by kills", len(left), training.log)


def is_whole(checkpoint: pathlib.Path) -> bool:
    """Whether the files of a checkpoint are those that its state says."""
    state = json.loads((checkpoint / "state.json").read_text())
    return all(
        hashlib.sha256((checkpoint / f"{stem}-{found[:12]}.npz").read_bytes()).hexdigest() == found
        for stem, found in state["sha256"].items()
    )


def write_toy(root: pathlib.Path) -> None:
    """Writes the dataset to train on, in a process of its own: TensorFlow must not start here."""

    def write() -> int:
        sizes = {"train": 18, "validation": 3, "test": 2}
        toy_dataset(root, step_shape=(12, 1), sizes=sizes, max_steps=9)
        return 0

    processes.finish(processes.fork(write, root / "log"), root / "log")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
