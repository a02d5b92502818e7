"""The `.conversion` folder of a conversion that is not finished: lock, progress, outcome, shards.

It is removed once the dataset is committed, so nothing in it needs to be reproducible.
"""

import json
import os
import socket
import time
import uuid
from typing import Any

import tensorflow as tf

from pipeline.errors import UsageError
from tfrecords_schema.names import MANIFEST, WORK_DIR, atomic_write, join

_LOCK = "lock.json"
_PLAN = "plan.json"
_OUTCOME = "outcome.json"
_PROGRESS = "progress-"
_PROGRESS_SECS = 1.0


class WorkDir:
    """The work folder of one dataset folder."""

    def __init__(self, dataset_dir: str):
        self.path = join(dataset_dir, WORK_DIR)
        self._dataset_dir = dataset_dir

    def start(self, *, overwrite: bool) -> None:
        """Takes the folder for this process.

        Raises:
          UsageError: if the dataset is finished, or another process is converting it.
        """
        if tf.io.gfile.exists(join(self._dataset_dir, MANIFEST)) and not overwrite:
            raise UsageError(
                f"{self._dataset_dir} is a finished dataset; use --overwrite to replace it, or "
                "another --dataset_version"
            )
        self._refuse_second_start()
        tf.io.gfile.makedirs(self.path)
        for name in tf.io.gfile.listdir(self.path):
            if name.startswith((_PROGRESS, _OUTCOME, _PLAN)):
                tf.io.gfile.remove(join(self.path, name))
        atomic_write(join(self.path, _LOCK), _json(_this_process()))

    def release(self) -> None:
        """Gives the folder back; what is in it stays for the next start."""
        if tf.io.gfile.exists(join(self.path, _LOCK)):
            tf.io.gfile.remove(join(self.path, _LOCK))

    def remove(self) -> None:
        """Removes the folder and all that is in it."""
        tf.io.gfile.rmtree(self.path)

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Records what is going to be written, for the progress line."""
        atomic_write(join(self.path, _PLAN), _json(plan))

    def write_outcome(self, outcome: dict[str, Any]) -> None:
        """Records how the conversion ended, for the process that started it."""
        atomic_write(join(self.path, _OUTCOME), _json(outcome))

    def read_plan(self) -> dict[str, Any]:
        """What is going to be written; empty if that is not known yet."""
        return _read_json(join(self.path, _PLAN))

    def read_outcome(self) -> dict[str, Any]:
        """How the conversion ended; empty if it did not."""
        return _read_json(join(self.path, _OUTCOME))

    def read_progress(self) -> dict[str, int]:
        """Sum of all workers' counters."""
        total: dict[str, int] = {}
        for path in tf.io.gfile.glob(join(self.path, _PROGRESS + "*.json")):
            for key, value in _read_json(path).items():
                total[key] = total.get(key, 0) + value
        return total

    def _refuse_second_start(self) -> None:
        path = join(self.path, _LOCK)
        owner = _read_json(path)
        if owner and _is_alive(owner):
            raise UsageError(
                f"process {owner['pid']} on {owner['host']} is converting to {self._dataset_dir} "
                f"already; wait for it, or, if it is dead, remove {path}"
            )


class ProgressFile:
    """Counters of one worker, written to the work folder about once a second."""

    def __init__(self, work_dir: str):
        self._path = join(work_dir, f"{_PROGRESS}{uuid.uuid4().hex}.json")
        self._counters: dict[str, int] = {}
        self._written_secs = 0.0

    def add(self, **counters: int) -> None:
        """Adds to the counters."""
        for key, value in counters.items():
            self._counters[key] = self._counters.get(key, 0) + value
        if time.monotonic() - self._written_secs > _PROGRESS_SECS:
            self.flush()

    def flush(self) -> None:
        """Writes the counters now."""
        self._written_secs = time.monotonic()
        if self._counters:
            atomic_write(self._path, _json(self._counters))


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "host": socket.gethostname(), "start": _process_start(pid)}


def _is_alive(owner: dict[str, Any]) -> bool:
    if owner["host"] != socket.gethostname():
        return True  # Nobody here can tell; the message says what to do.
    if owner["pid"] == os.getpid():
        return owner["start"] == _process_start(os.getpid())
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return owner["start"] == _process_start(owner["pid"])


def _process_start(pid: int) -> str:
    """Start time of a process in clock ticks after boot, where Linux tells; tells reused pids."""
    try:
        with tf.io.gfile.GFile(f"/proc/{pid}/stat") as file:
            return file.readline().rpartition(")")[2].split()[19]
    except (tf.errors.OpError, IndexError):
        return ""


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _read_json(path: str) -> dict[str, Any]:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return json.loads(file.read())
    except (tf.errors.NotFoundError, ValueError):
        return {}
