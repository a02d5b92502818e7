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

import argparse
import collections
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness.processes import fork, kill_at, print_table, wait
from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tests.trainer.processes import SMALL_MODEL
from tfrecords_schema import InputSpec, RecordSchema
from tfrecords_schema.storage import temporary_path
from trainer import __main__ as command
from trainer.runs import checkpoints

_LENGTHS = [3, 9, 1, 7, 4, 4, 2, 8, 5, 6, 3, 2, 5, 8, 1, 6, 9, 4]
_FLAGS = ("--deterministic", "--seed=3", "--checkpoint_every_steps=1", "--epochs=3")
_CALLS_PER_CHECKPOINT = 7  # Four files are written, three are renamed within its folder.


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; others follow")
    parser.add_argument("--kills", type=int, default=3, help="of one training, at most")
    parser.add_argument("--processes", type=int, default=0, help="trials more, as real commands")
    args = parser.parse_args(argv)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        wait(fork(lambda: write_toy(root), root / "log"))
        started = time.monotonic()
        if wait(start(root, root / "quiet")):
            raise SystemExit((root / "quiet.log").read_text())
        secs = time.monotonic() - started
        expected = outcome(root / "quiet")
        for number in range(args.trials + args.processes):
            rng = np.random.default_rng([args.seed, number])
            run_dir = root / f"{number}"
            if number < args.trials:
                _kill_forks(root, run_dir, rng, secs, int(rng.integers(args.kills)) + 1, counts)
                if number % 5 == 4:
                    _flip(run_dir, rng, counts)
                code = wait(start(root, run_dir))
            else:
                code = _kill_process(root, run_dir, rng, secs, counts)
            _compare(code, run_dir, expected, counts)
    rows = sorted(counts.items(), key=lambda item: (item[0].startswith("VIOLATION"), item[0]))
    print_table(("what", "count"), rows)
    print(f"one undisturbed training takes {secs:.1f} s, {expected['steps']} checkpoints")
    return int(any(count for name, count in rows if name.startswith("VIOLATION")))


def argv_of(root: pathlib.Path, run_dir: pathlib.Path) -> list[str]:
    """The command line of a training, without the program."""
    return [f"--dataset={root / 'toy' / '1.0.0'}", f"--run_dir={run_dir}", *SMALL_MODEL, *_FLAGS]


def start(
    root: pathlib.Path,
    run_dir: pathlib.Path,
    kill_call: int = 0,
    log: pathlib.Path | None = None,
    flags: Sequence[str] = (),
) -> int:
    """Starts a training in a fork; it kills itself at that call of its checkpoints, if not 0."""

    def run() -> int:
        if kill_call:
            _kill_at_call(kill_call)
        return command.main([*argv_of(root, run_dir), *flags])

    return fork(run, log or run_dir.with_suffix(".log"))


def _kill_at_call(number: int) -> None:
    """Kills this process within the writing of a checkpoint."""
    calls = 0
    write, rename = checkpoints.atomic_write, tf.io.gfile.rename

    def is_due() -> bool:
        nonlocal calls
        calls += 1
        return calls == number

    def write_half(path: str, content: bytes) -> None:
        if is_due():
            with tf.io.gfile.GFile(temporary_path(path), "wb") as file:
                file.write(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, content)

    def rename_or_die(src: str, dst: str, overwrite: bool = False) -> None:
        is_checkpoints = "ckpt-" in src or "/best/" in src
        if is_checkpoints and is_due():
            if number % 2:
                rename(src, dst, overwrite=overwrite)
            os.kill(os.getpid(), signal.SIGKILL)
        rename(src, dst, overwrite=overwrite)

    checkpoints.atomic_write = write_half
    tf.io.gfile.rename = rename_or_die


def _kill_forks(
    root: pathlib.Path,
    run_dir: pathlib.Path,
    rng: np.random.Generator,
    secs: float,
    wanted: int,
    counts: collections.Counter[str],
) -> None:
    kills = 0
    while kills < wanted:
        if rng.random() < 0.5:
            pid = start(root, run_dir)
            killed = kill_at(pid, lambda: True, float(rng.uniform(0.2, 1.05) * secs)) is not None
            where = "at any instant" if _steps(run_dir) else "before the first checkpoint"
        else:
            call = int(rng.integers(1, 6 * _CALLS_PER_CHECKPOINT))
            killed = wait(start(root, run_dir, call)) == -signal.SIGKILL
            where = "within a checkpoint's writing"
        if killed:
            kills += 1
            counts[f"killed {where}"] += 1
        elif kills:
            return
        else:  # It was faster than its kill: another one, killed sooner.
            shutil.rmtree(run_dir)
            secs *= 0.7


def _flip(run_dir: pathlib.Path, rng: np.random.Generator, counts: collections.Counter) -> None:
    steps = _steps(run_dir)
    whole = [step for step in steps if (run_dir / "checkpoints" / step / "state.json").exists()]
    if len(whole) < 2:
        return
    path = sorted((run_dir / "checkpoints" / whole[-1]).iterdir())[int(rng.integers(3))]
    content = bytearray(path.read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(content))
    counts["newest checkpoints with a bit flipped"] += 1


def _kill_process(
    root: pathlib.Path,
    run_dir: pathlib.Path,
    rng: np.random.Generator,
    secs: float,
    counts: collections.Counter[str],
) -> int:
    code = 0
    for kill in (True, False):
        argv = [sys.executable, "-m", "trainer", *argv_of(root, run_dir)]
        with run_dir.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        if kill:
            while not _steps(run_dir) and process.poll() is None:
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0, 0.3) * secs))
            process.send_signal(signal.SIGKILL)
            counts["commands killed"] += process.wait() == -signal.SIGKILL
        else:
            code = process.wait()
    return code


def _steps(run_dir: pathlib.Path) -> list[str]:
    names = [path.name for path in (run_dir / "checkpoints").glob("ckpt-*")]
    return sorted(names, key=lambda name: int(name.removeprefix("ckpt-")))


def outcome(run_dir: pathlib.Path) -> dict[str, Any]:
    """Everything that must be the same, bit for bit."""
    newest = _steps(run_dir)[-1]
    lines = map(json.loads, (run_dir / "metrics.jsonl").read_text().splitlines())
    found: dict[str, Any] = {"metrics": [(line["train"], line["validation"]) for line in lines]}
    found["steps"] = int(newest.removeprefix("ckpt-"))
    for name in (f"checkpoints/{newest}/model", f"checkpoints/{newest}/optimizer", "best/model"):
        (path,) = run_dir.glob(f"{name}-*.npz")
        with np.load(path, allow_pickle=False) as arrays:
            found[name] = {key: arrays[key].tobytes() for key in arrays.files}
    return found


def _compare(
    code: int,
    run_dir: pathlib.Path,
    expected: dict[str, Any],
    counts: collections.Counter[str],
) -> None:
    counts["trainings, each killed at least once"] += 1
    log = run_dir.with_suffix(".log").read_text()
    counts["times a training went on from a checkpoint"] += log.count("resuming at epoch")
    counts["times a checkpoint was passed over"] += log.count("trying the checkpoint before it")
    counts["VIOLATION: would not go on"] += code != 0
    differs = code == 0 and outcome(run_dir) != expected
    counts["VIOLATION: other weights or losses"] += differs
    left = [*run_dir.rglob("*.tmp"), *run_dir.rglob("next.json")]
    counts["VIOLATION: files left by kills"] += len(left)
    if code or differs or left:
        print(f"{run_dir.name}: {left} {log[-1500:]}")


def is_whole(checkpoint: pathlib.Path) -> bool:
    """Whether the files of a checkpoint are those that its state says."""
    state = json.loads((checkpoint / "state.json").read_text())
    return all(
        hashlib.sha256((checkpoint / f"{stem}-{found[:12]}.npz").read_bytes()).hexdigest() == found
        for stem, found in state["sha256"].items()
    )


def write_toy(folder: pathlib.Path) -> int:
    """Writes the dataset to train on."""
    schema = RecordSchema(InputSpec("signal", "float32", (12, 1)), CLASS_PER_STEP)
    splits = {
        "train": random_records(_LENGTHS, schema, prefix="a"),
        "validation": random_records([2, 6, 3], schema, prefix="b", seed=1),
        "test": random_records([5, 1], schema, prefix="c", seed=2),
    }
    write_dataset(folder, splits, schema)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
