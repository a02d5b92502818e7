"""The `.conversion` folder of a conversion that is not finished: lock, progress, outcome, shards.

It is removed once the dataset is committed, so nothing in it needs to be reproducible.
"""

import collections
import contextlib
import dataclasses
import json
import time
import uuid
from typing import Any

import tensorflow as tf

from pipeline.console.errors import UsageError
from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.locks import Lock
from tfrecords_schema.names import MANIFEST, OUTCOME, WORK_DIR, join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import (
    atomic_write,
    make_folder,
    names_in,
    read,
    remove,
    write_passing,
)

_PLAN = "plan.json"
_PROGRESS = "progress-"
_TEMPORARY = ".tmp"
_PROGRESS_SECS = 1.0


@dataclasses.dataclass(frozen=True)
class _Group:
    """Rejects for one reason; see `group_rejects`."""

    count: int
    stage: str
    reason: str
    examples: list[str]


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """How a conversion ended: what is in the file; `manifest` is the hash of that."""

    rejects: list[_Group]
    total: int
    left_out: list[LeftOut]
    why: str
    refusal: str
    manifest: str = ""


class WorkDir:
    """The work folder of one dataset folder.

    Attributes:
      path: of the folder.
      lock_path: of the lock that `start` writes; workers ask whether it is still there.
    """

    def __init__(self, dataset_dir: str):
        self.path = join(dataset_dir, WORK_DIR)
        self._dataset_dir = dataset_dir
        self._lock = Lock(self.path, f"converting to {dataset_dir}")
        self.lock_path = self._lock.path

    def start(self, *, overwrite: bool) -> None:
        """Takes the folder for this process.

        Raises:
          UsageError: if the dataset is finished, or the folder cannot be written to.
          LockedError: another process is converting it.
          LinkError: if it, or one that it is in, is a link.
        """
        try:
            if self.has_dataset and not overwrite and not self.is_committed:
                if gfile.exists(self.path) and not self._names():
                    self.remove()  # A kill came when the last file was gone.
                raise UsageError(finished_text(self._dataset_dir))
            # Of the dataset folder, only what is above its name and version need not be its own.
            make_folder(*self._dataset_dir.rsplit("/", 2), WORK_DIR)
            self._lock.take()
        except tf.errors.OpError as error:
            raise UsageError(
                f"cannot write to {self._dataset_dir} ({error.message}); give an --output_dir that "
                "can be written to, or make space there"
            ) from error

    def clear(self) -> None:
        """Removes what an earlier conversion left here and no later one can use."""
        for name in self._names():
            if name in (OUTCOME, _PLAN) or _is_progress(name) or name.endswith(_TEMPORARY):
                remove(join(self.path, name))

    def release(self) -> None:
        """Gives the folder back; what is in it stays for the next start."""
        self._lock.release()

    def remove(self) -> None:
        """Removes the folder and all that is in it.

        The outcome comes last but for the lock: after a kill in here the next start knows what to
        clean up, and nobody else starts before.
        """
        self._lock.rest()
        names = [*filter(lambda name: join(self.path, name) != self._lock.path, self._names())]
        for name in sorted(names, key=lambda name: name == OUTCOME):
            remove(join(self.path, name))
        self._lock.release()
        if not self._names():
            remove(self.path)

    @property
    def has_dataset(self) -> bool:
        """Whether the dataset folder holds a finished dataset: this conversion's, or an older."""
        return gfile.exists(join(self._dataset_dir, MANIFEST))

    @property
    def is_committed(self) -> bool:
        """Whether the finished dataset is the one that was converted in this work folder.

        The outcome has the hash of the manifest that is put there next. So whoever finds that
        manifest goes on after a kill that came between the manifest and the end.
        """
        sha256 = self.read_outcome().get("manifest")
        if not sha256 or not self.has_dataset:
            return False
        return hash_file(join(self._dataset_dir, MANIFEST)).sha256 == sha256

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Records what is going to be written, for the progress line."""
        atomic_write(join(self.path, _PLAN), _json(plan))

    def write_outcome(self, outcome: dict[str, Any]) -> None:
        """Records how the conversion ended, for the process that started it."""
        atomic_write(join(self.path, OUTCOME), _json(outcome))

    def read_plan(self) -> dict[str, Any]:
        """What is going to be written; empty if that is not known yet."""
        return _read_json(join(self.path, _PLAN))

    def read_outcome(self) -> dict[str, Any]:
        """How the conversion ended; empty if it did not, or that is not what one wrote."""
        found = _read_json(join(self.path, OUTCOME))
        with contextlib.suppress(DatasetError):
            decode(_Outcome, found)
            return found
        return {}

    def read_progress(self) -> dict[str, int]:
        """Sum of all workers' counters."""
        total: collections.Counter[str] = collections.Counter()
        for name in self._names():
            if _is_progress(name):
                total.update(_read_json(join(self.path, name)))
        return total

    def _names(self) -> list[str]:
        return names_in(self.path)


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
            write_passing(self._path, _json(self._counters))


def finished_text(dataset_dir: str) -> str:
    """Why a finished dataset is not converted again."""
    return (
        f"{dataset_dir} is a finished dataset; use --overwrite to replace it, or another "
        "--dataset_version"
    )


def _is_progress(name: str) -> bool:
    """Whether a name is a `ProgressFile`'s: a dataset or a split may be called progress, too."""
    return name.startswith(_PROGRESS) and name.endswith(".json")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _read_json(path: str) -> dict[str, Any]:
    try:
        return json_object(read(path) or b"")
    except DatasetError:
        return {}
