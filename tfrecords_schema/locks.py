"""One process at a time in a folder, on this machine and others.

Each process writes a lock file of its own and then looks for others: of two at once, one at least
sees both, on any file system. A lock whose process is gone from this machine is nobody's. Another
machine cannot be asked, but it shows that it is alive: a lock is written anew again and again, and
one that was not for some time, by the clock of the file system or while one waits, is nobody's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import posixpath
import random
import threading
import time
import uuid

import tensorflow as tf

from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.errors import DatasetError, UserError
from tfrecords_schema.flushing import local_path
from tfrecords_schema.names import join
from tfrecords_schema.owners import Owner, can_be_asked, is_alive, seconds_between, this_process
from tfrecords_schema.places import gfile
from tfrecords_schema.places.store_error import StoreError
from tfrecords_schema.storage import (
    make_folder,
    names_in,
    read,
    remove,
    remove_if_empty,
    write_passing,
)

_PREFIX, _SUFFIX = "lock-", ".json"
BEAT_SECS = 20.0
SILENT_SECS = 120.0
"""A lock of another machine that is older is taken for that of a process that is gone."""
_TRIES, _WAIT_SECS, _LOOK_SECS = 4, 0.5, 1.0
_WAITS = random.Random()  # Keras draws the seeds of weights from the numbers of `random` itself.


class LockedError(UserError):
    """Another process works in the folder; the message says which, and what to do."""


class Lock:
    """A folder for one process; a context manager.

    Attributes:
      path: of the lock file.
    """

    def __init__(self, folder: str, doing: str):
        """Prepares.

        Args:
          folder: whose lock it is; whoever opens it again waits for nobody.
          doing: what a process does there, after "is": "training in runs/1".
        """
        self._folder, self._doing = folder, doing
        self.path = join(folder, f"{_PREFIX}{uuid.uuid4().hex}{_SUFFIX}")
        self._content, self._is_ours, self._owner = b"", False, this_process()
        self._seen: dict[str, tuple[int | None, float]] = {}  # Others: when written, when looked.
        self._ends = threading.Event()
        self._beats: threading.Thread | None = None

    def __enter__(self) -> Lock:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def take(self) -> None:
        """Writes the lock, and keeps it fresh until `release`.

        Raises:
          LockedError: another process has the folder.
          DatasetError: a lock in it may not be read.
          tf.errors.OpError: it cannot be written.
        """
        self._is_ours = not gfile.exists(self._folder)
        make_folder(self._folder)
        self._owner = this_process()
        self._content = json.dumps(dataclasses.asdict(self._owner), sort_keys=True).encode()
        tries = _TRIES
        while True:
            write_passing(self.path, self._content)
            try:
                other = self._other()
            except DatasetError:
                remove(self.path)
                raise
            if not other:
                break
            remove(self.path)
            if not can_be_asked(other[1]):
                self._outwait(*other)
                continue
            tries -= 1
            if not tries or not self._is_as_new(other[1]):
                raise LockedError(self._text(*other))
            time.sleep(_WAITS.uniform(0, _WAIT_SECS))  # Of two at once, one comes first now.
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()

    def release(self) -> None:
        """Gives the folder back."""
        self.rest()
        remove(self.path)
        if self._is_ours:  # What was refused leaves nothing.
            remove_if_empty(self._folder)

    def rest(self) -> None:
        """Writes the lock no more, for whoever removes the folder."""
        self._ends.set()
        if self._beats:
            self._beats.join()

    def show_life(self) -> None:
        """Writes the lock anew, unless it was removed: whoever did that has the folder now."""
        # The disk may be full for a while, or a store away.
        with contextlib.suppress(tf.errors.OpError, StoreError):
            if gfile.exists(self.path):
                write_passing(self.path, self._content)

    def require(self) -> None:
        """Checks that nobody took the folder over, as from a machine that slept.

        Raises:
          LockedError: somebody did.
        """
        require_lock(self.path)

    def _other(self) -> tuple[str, Owner] | None:
        """A lock of another that is alive, or may be; those of the dead are removed."""
        found = None
        for name in names_in(self._folder):
            path = join(self._folder, name)
            if path == self.path or not _is_lock(name):
                continue
            owner = _owner(path)
            if owner and (is_alive(owner) if can_be_asked(owner) else not self._is_silent(path)):
                self._seen.setdefault(path, (_written(path), time.monotonic()))
                found = found or (path, owner)
                continue
            if owner:
                self._take_over(owner)
            remove(path)
        return found

    def _take_over(self, owner: Owner) -> None:
        logging.warning(
            "process %d on %r was %s since %r and is gone: going on without it",
            owner.pid, owner.host, self._doing, owner.since,
        )  # fmt: skip

    def _outwait(self, path: str, owner: Owner) -> None:
        """Waits until the lock of another machine is gone, or has been silent for long enough.

        Raises:
          LockedError: it is written anew, so its process is alive.
        """
        logging.warning(
            "process %d on %r may be %s since %r: waiting %.0f s at most for a sign of it",
            owner.pid, owner.host, self._doing, owner.since, SILENT_SECS,
        )  # fmt: skip
        before, since = self._seen[path]  # Of several locks none is waited for after another.
        while (now := _written(path)) is not None:
            if now != before:
                raise LockedError(self._text(path, owner))
            if time.monotonic() >= since + SILENT_SECS:
                break
            time.sleep(min(_LOOK_SECS, SILENT_SECS / 10))
        else:
            return
        self._take_over(owner)
        remove(path)

    def _is_silent(self, path: str) -> bool:
        own, other = _written(self.path), _written(path)
        return other is None or (own is not None and own - other > SILENT_SECS * 1e9)

    def _is_as_new(self, other: Owner) -> bool:
        """Whether the other came in this second, and so may have seen this one and gone."""
        return seconds_between(self._owner, other) <= 1

    def _text(self, path: str, owner: Owner) -> str:
        end = "wait for it, or end it"
        if not can_be_asked(owner):
            end = f"it showed that it is alive: wait for it, or end it; or remove {path}"
        return f"process {owner.pid} on {owner.host} is {self._doing} since {owner.since}; {end}"

    def _beat(self) -> None:
        while not self._ends.wait(BEAT_SECS):
            self.show_life()


def remove_dead_locks(folder: str) -> None:
    """Removes those of processes of this machine that are gone, where nothing is left to do."""
    for name in filter(_is_lock, names_in(folder)):
        owner = _owner(path := join(folder, name))
        if owner and can_be_asked(owner) and not is_alive(owner):
            remove(path)


def _is_lock(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def require_lock(path: str) -> None:
    """Checks that a lock is still there, of whatever process; see `Lock.require`.

    Raises:
      LockedError: it is not.
    """
    if not gfile.exists(path):
        raise LockedError(
            f"the lock {path} is gone: another process took {posixpath.dirname(path)} over while "
            "this one was silent, or somebody removed it; nothing more is written here"
        )


def _written(path: str) -> int | None:
    """When a file was written, in ns; None if it is not there."""
    local = local_path(path)
    try:  # TensorFlow tells local times in whole seconds.
        return os.stat(local).st_mtime_ns if local else gfile.stat(path).mtime_nsec
    except (FileNotFoundError, tf.errors.NotFoundError):
        return None


def _owner(path: str) -> Owner | None:
    """Who wrote a lock; None if it is gone, or is none.

    Raises:
      DatasetError: it may not be read.
    """
    content = read(path)
    try:
        found = json_object(content or b"")
        known = {field.name for field in dataclasses.fields(Owner)}  # Later versions may say more.
        return decode(Owner, {name: found[name] for name in known & found.keys()})
    except DatasetError:
        return None
