"""Runs `python -m trainer` in a process of its own and reads what it left."""

import json
import pathlib
import socket
from collections.abc import Sequence

import numpy as np

from tests.forks.process import Process

# Small enough to train in a second, with every kind of layer.
SMALL_MODEL = (
    "--conv_filters=3",
    "--conv_kernel_samples=3",
    "--conv_strides=2",
    "--rnn_units=4",
    "--batch_size=4",
    "--num_buckets=3",
    "--epochs=2",
    "--learning_rate=0.01",
    "--notensorboard",
    "--noreport",
)


def start(
    dataset: str, run_dir: pathlib.Path, *flags: str, model: Sequence[str] = SMALL_MODEL
) -> Process:
    """Starts a training, of the small model if no flags of another are given.

    Bits are compared between such processes: what a test computed before may decide which of
    oneDNN's convolutions TensorFlow takes in its own.
    """
    places = (f"--dataset={dataset}", f"--run_dir={run_dir}")
    log = run_dir.parent / f"{run_dir.name}.log"
    return Process("trainer.__main__", *places, *model, *flags, log=log)


def train_and_kill(
    dataset: str,
    run_dir: pathlib.Path,
    checkpoint: str,
    *flags: str,
    model: Sequence[str] = SMALL_MODEL,
) -> None:
    """Trains until a checkpoint is there, then kills the process at once."""
    process = start(dataset, run_dir, *flags, model=model)
    process.kill_at(run_dir, f"checkpoints/{checkpoint}/state.json")


def clusters(workers: int) -> list[dict[str, str]]:
    """The environment of each worker of a training; nothing where there is one."""
    if workers == 1:
        return [{}]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    tasks = [{"type": "worker", "index": number} for number in range(workers)]
    cluster = {"worker": addresses}
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def last_checkpoint(run_dir: pathlib.Path) -> pathlib.Path:
    """The newest checkpoint folder of a run."""
    folders = (run_dir / "checkpoints").glob("ckpt-*")
    return max(folders, key=lambda path: int(path.name.removeprefix("ckpt-")))


def last_step(run_dir: pathlib.Path) -> int:
    """Global step of the newest whole checkpoint; -1 where there is none."""
    states = (run_dir / "checkpoints").glob("ckpt-*/state.json")
    return max((int(path.parent.name.removeprefix("ckpt-")) for path in states), default=-1)


def arrays(run_dir: pathlib.Path, stem: str = "model") -> dict[str, np.ndarray]:
    """Variables in the newest checkpoint of a run."""
    (path,) = last_checkpoint(run_dir).glob(f"{stem}-*.npz")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
