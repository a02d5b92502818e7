"""The files of a dataset must stay what they were while something reads them.

A record that is not whole is found when it is read; another whole one in its place is not. So size,
times and inode of each file are looked at again and again, which costs a hundredth of the time, and
a file that has others is hashed: a copy put back is no change.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable

import tensorflow as tf

from tfrecords_schema import Dataset, DatasetError, hash_file
from tfrecords_schema.flushing import local_path
from tfrecords_schema.names import INDEX, MANIFEST, join
from tfrecords_schema.places import gfile
from tfrecords_schema.places.store_error import StoreError

_EVERY_SECS, _SHARE = 5.0, 0.01
_LATER_NSECS = 2_000_000_000  # Some file systems tell times to 2 s.


class Unchanged:
    """The manifest and index of a dataset, and the shards of some of its splits."""

    def __init__(self, dataset: Dataset, splits: Iterable[str]):
        """Looks at all files.

        Args:
          dataset: the dataset.
          splits: those that are read.
        """
        manifest, self._dataset = dataset.manifest, dataset
        self._sha256 = {
            join(dataset.shard_folder, shard.file): shard.sha256
            for split in splits
            for shard in manifest.splits[split].shards
            if not gfile.in_store(dataset.shard_folder)  # Copies are read that cannot change.
        }
        self._shards = [*self._sha256]
        for name in (INDEX, MANIFEST):
            path = join(dataset.path, name)
            self._sha256[path] = hash_file(path).sha256
        self._seen = {path: _looks(path) for path in self._sha256}
        self._next = time.monotonic() + _EVERY_SECS
        self._others: list[Callable[[], None]] = []

    def also(self, check: Callable[[], None]) -> None:
        """Asks this, too, whenever the files are looked at."""
        self._others.append(check)

    def require_written(self) -> None:
        """Hashes every shard that is newer than the manifest, which was written last.

        A copy that does not keep times (`cp` without `-a`) is hashed for nothing.

        Raises:
          DatasetError: it is not what the manifest says.
        """
        manifest = _looks(join(self._dataset.shard_folder, MANIFEST))
        for path in self._shards:
            found = self._seen[path]
            is_local = local_path(path) is not None
            if is_local and found and manifest and found[1] > manifest[1] + _LATER_NSECS:
                self._require_content(path, "is not the one of which the manifest tells")

    def __call__(self, *, now: bool = False) -> None:
        """Looks at the files, if it is time to.

        Args:
          now: whether it is in any case.

        Raises:
          DatasetError: one has changed.
        """
        started = time.monotonic()
        if not now and started < self._next:
            return
        for check in self._others:
            check()
        for path, before in self._seen.items():
            with contextlib.suppress(StoreError):  # Copies are read, so it can wait for the store.
                if (found := _looks(path)) != before:
                    self._require_content(path, "changed since this command began")
                    self._seen[path] = found
        ended = time.monotonic()
        self._next = ended + max(_EVERY_SECS, (ended - started) / _SHARE)

    def _require_content(self, path: str, what: str) -> None:
        try:
            is_same = hash_file(path).sha256 == self._sha256[path]
        except tf.errors.OpError:
            is_same = False
        if not is_same:
            raise DatasetError(
                f"{path} {what}, so figures would be of no dataset that there is; nothing is kept "
                "of what was read since the last checkpoint. Put the file back and give the same "
                "command again, or give another --run_dir for the dataset as it is now"
            )


def _looks(path: str) -> tuple[int, int, int, int] | None:
    """Size, when it was written, inode, when that changed; None where there is no file.

    Times are in ns. The second is the system's alone to set; elsewhere it is 0, as inodes are.
    """
    local = local_path(path)
    try:
        if local is None:
            found = gfile.stat(path)
            return found.length, found.mtime_nsec, 0, 0
        about = os.stat(local)
        return about.st_size, about.st_mtime_ns, about.st_ino, about.st_ctime_ns
    except (tf.errors.NotFoundError, OSError):
        return None
