"""Kills one of two workers at a random step, again and again; then starts both anew.

    python -m benchmarks.faults.worker_kills --kills=10

Each time: how soon all processes were gone, with which exit status, and whether the run that was
started again ended in the weights of an undisturbed one. Exits with 1 if it did not, or if a
process was there 60 s after the kill. Trains a small model on random records; about 20 s a kill.
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from pipeline.console import quiet

quiet.start(gpu=True)

from tests.datasets import toy_dataset

_LIMIT_SECS = 60
_START_LIMIT_SECS = 120
_WORKERS = 2
_STEPS_PER_EPOCH, _EPOCHS = 5, 6
_FLAGS = (
    "--conv_filters=",
    "--conv_strides=",
    "--nobatch_normalization",
    "--rnn_units=8",
    "--batch_size=4",
    "--num_buckets=1",
    f"--epochs={_EPOCHS}",
    "--checkpoint_every_steps=1",
    "--deterministic",
    "--notensorboard",
    "--noreport",
)


def main() -> int:
    """Runs the trials and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        dataset = toy_dataset(root / "data", sizes={"train": 20, "validation": 4})[0].path
        finish(start(dataset, root / "undisturbed"))
        expected = weights(root / "undisturbed")
        print("kill  worker  after step  all gone, s  exit status  weights", flush=True)
        failed = 0
        for number in range(arguments.kills):
            run_dir = root / f"killed-{number}"
            victim = chance.randrange(_WORKERS)
            step = chance.randrange(1, _STEPS_PER_EPOCH * _EPOCHS - 3)
            secs, status = kill(start(dataset, run_dir), run_dir, victim, step)
            finish(start(dataset, run_dir))
            result = difference(expected, weights(run_dir))
            failed += secs > _LIMIT_SECS or status == 0 or result == "other"
            print(
                f"{number + 1:4}  {victim:6}  {step:10}  {secs:11.1f}  {status:11}  {result}",
                flush=True,
            )
    print(f"{arguments.kills - failed} of {arguments.kills} as they should be")
    return int(failed > 0)


def start(dataset: str, run_dir: pathlib.Path) -> subprocess.Popen[str]:
    """Starts both workers through the launcher."""
    launch = [sys.executable, "-m", "trainer.launch", f"--workers={_WORKERS}", "--"]
    return subprocess.Popen(
        [*launch, f"--dataset={dataset}", f"--run_dir={run_dir}", *_FLAGS],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(launcher: subprocess.Popen[str]) -> None:
    """Waits for a run that nobody disturbs."""
    output, _ = launcher.communicate(timeout=_START_LIMIT_SECS)
    if launcher.returncode:
        raise SystemExit(f"a training failed with exit status {launcher.returncode}:\n{output}")


def kill(
    launcher: subprocess.Popen[str], run_dir: pathlib.Path, victim: int, step: int
) -> tuple[float, int]:
    """Kills a worker once a step is done; seconds until no process is left, and exit status."""
    deadline = time.monotonic() + _START_LIMIT_SECS
    while newest_step(run_dir) < step:
        if launcher.poll() is not None or time.monotonic() > deadline:
            launcher.kill()
            raise SystemExit(f"step {step} was not reached:\n{launcher.communicate()[0]}")
        time.sleep(0.01)
    processes = children(launcher.pid)
    started = time.monotonic()
    os.kill(processes[victim], signal.SIGKILL)
    while any(is_running(process) for process in [*processes, launcher.pid]):
        launcher.poll()
        if time.monotonic() - started > 2 * _LIMIT_SECS:
            launcher.kill()
        time.sleep(0.02)
    secs = time.monotonic() - started
    launcher.communicate()
    return secs, launcher.returncode


def newest_step(run_dir: pathlib.Path) -> int:
    """Steps done, as the newest checkpoint says; -1 before there is one."""
    states = (run_dir / "checkpoints").glob("ckpt-*/state.json")
    return max((int(path.parent.name.removeprefix("ckpt-")) for path in states), default=-1)


def children(process: int) -> list[int]:
    """Processes that a process started, in the order it started them."""
    listed = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text()
    return sorted(int(child) for child in listed.split())


def is_running(process: int) -> bool:
    """Whether a process is there and is more than an entry in the table."""
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def weights(run_dir: pathlib.Path) -> dict[str, np.ndarray]:
    """Variables of the model in the newest checkpoint."""
    (path,) = (run_dir / "checkpoints" / f"ckpt-{newest_step(run_dir)}").glob("model-*.npz")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def difference(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> str:
    """How two sets of weights compare."""
    if all(found[name].tobytes() == value.tobytes() for name, value in expected.items()):
        return "the same bits"
    largest = max(float(np.abs(found[name] - value).max()) for name, value in expected.items())
    return f"within {largest:.0e}" if largest <= 1e-6 else "other"


if __name__ == "__main__":
    sys.exit(main())
