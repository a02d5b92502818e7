"""Files by their path, wherever they are: what the project asks of `tf.io.gfile`, and more places.

Local paths, and schemes that TensorFlow has itself (`ram://`; `gs://` without gcsfs), are left to
`tf.io.gfile`. All other schemes are object stores of fsspec; see `store.py`. Errors are those of
`tf.io.gfile`, and `StoreError` where a store does not answer.
"""

import contextlib
import functools
import os
import posixpath
import stat as stat_
import tempfile
from collections.abc import Iterator
from typing import Any, Literal

import tensorflow as tf

from tfrecords_schema.places.store import About, Store
from tfrecords_schema.places.store_error import StoreError
from tfrecords_schema.places.store_files import StoreReader, StoreWriter

__all__ = ["About", "StoreError"]


@functools.cache
def _store_of(scheme: str) -> Store | None:
    """The store of a scheme; None for TensorFlow's own file systems.

    Raises:
      StoreError: neither knows the scheme, or what has it is not installed.
    """
    is_tensorflows = scheme in ("", "file") or scheme in tf.io.gfile.get_registered_schemes()
    if is_tensorflows and scheme != "gs":
        return None
    try:
        return Store(scheme)
    except StoreError:
        if is_tensorflows:
            return None
        raise


def _store(path: str) -> Store | None:
    scheme, separator, _ = path.partition("://")
    return _store_of(scheme) if separator else None


def in_store(path: str) -> bool:
    """Whether a path is one that TensorFlow itself cannot read or write."""
    return _store(path) is not None


def exists(path: str) -> bool:
    """Whether there is a file or folder."""
    store = _store(path)
    if store is None:
        return tf.io.gfile.exists(_encoded(path))
    return store.is_folder(path) is not None


def isdir(path: str) -> bool:
    """Whether there is a folder; in a store, anything below."""
    store = _store(path)
    if store is None:
        return tf.io.gfile.isdir(_encoded(path))
    return bool(store.is_folder(path))


def listdir(path: str) -> list[str]:
    """Names of what is in a folder."""
    store = _store(path)
    return tf.io.gfile.listdir(path) if store is None else store.names(path)


def makedirs(path: str) -> None:
    """Makes a folder and those above; in a store there are none to be made."""
    if not in_store(path):
        tf.io.gfile.makedirs(path)


def stat(path: str) -> Any:
    """An object with the `length` of a file in bytes, and `mtime_nsec`, when it was written."""
    store = _store(path)
    return tf.io.gfile.stat(path) if store is None else store.stat(path)


def files_below(folder: str) -> Iterator[About]:
    """All files below a folder, in any depth."""
    if (store := _store(folder)) is not None:
        yield from store.below(folder)
        return
    for parent, _, names in tf.io.gfile.walk(folder):
        for name in names:
            path = posixpath.join(parent, name)
            found = tf.io.gfile.stat(path)
            yield About(path, found.length, found.mtime_nsec)


def rename(source: str, path: str, overwrite: bool = False) -> None:
    """Renames a file or folder; in a store by copies, each of which appears whole.

    Args:
      source: what is renamed.
      path: its new name.
      overwrite: whether a file there is replaced; in a store it is in any case.
    """
    if (store := _store(source)) is None:
        tf.io.gfile.rename(source, path, overwrite)
        return
    found = [*store.below(source)] if store.is_folder(source) else [About(source, 0, 0)]
    for one in found:
        store.copy(one.path, path + one.path.removeprefix(source))
    for one in found:
        store.remove(one.path)


def remove(path: str) -> None:
    """Removes a file."""
    store = _store(path)
    if store is None:
        tf.io.gfile.remove(path)
    else:
        store.remove(path)


def rmtree(path: str) -> None:
    """Removes a folder and all below; not for local ones, as links are followed."""
    if (store := _store(path)) is None:
        tf.io.gfile.rmtree(path)
        return
    for one in store.below(path):
        store.remove(one.path)


def copy(source: str, path: str) -> None:
    """Copies a local file; one that is there is replaced."""
    store = _store(path)
    if store is None:
        tf.io.gfile.copy(source, path, overwrite=True)
    else:
        store.put(source, path)


def open_file(path: str, mode: Literal["rb", "wb", "a"]) -> Any:
    """Opens a file of bytes, with positions as Python's own have them; `a` takes text.

    Raises:
      tf.errors.OpError: it cannot be opened, or is to be read and no file: TensorFlow would wait
        for what comes out of a pipe, and read a device for ever.
    """
    if mode == "rb" and _is_other_than_file(path.removeprefix("file://")):
        raise tf.errors.FailedPreconditionError(None, None, f"{path}; it is no file")
    if (store := _store(path)) is None:
        return _File(path, mode) if mode != "a" else tf.io.gfile.GFile(path, mode)
    if mode == "rb":
        return StoreReader(store, path)
    before = b""
    if mode == "a" and store.is_folder(path) is False:
        before = StoreReader(store, path).read()
    return StoreWriter(store, path, before)


def _is_other_than_file(path: str) -> bool:
    """Whether there is something at a local path that is no file."""
    try:
        return "://" not in path and not stat_.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # TensorFlow says what is wrong.
        return False


def _encoded(path: str) -> str | bytes:
    """A local path as TensorFlow takes it: names need not be UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


class _File:
    """A file of bytes as zipfile and pyarrow need it; all else is `GFile`'s."""

    closed = False  # They ask, and only before the end of a `with` block.

    def __init__(self, path: str, mode: Literal["rb", "wb"]):
        self._file = tf.io.gfile.GFile(_encoded(path), mode)
        self._size_bytes = self._file.size() if mode == "rb" else 0

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position; one before the start is an OSError, one past the end is the end."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self._size_bytes}
        position = starts[whence] + offset
        if position < 0:
            raise OSError(f"position {position} is before the start of the file")
        self._file.seek(min(position, self._size_bytes))
        return position

    def write(self, content: Any) -> None:
        """Appends bytes, or what pyarrow holds them in."""
        self._file.write(bytes(content))


class Written:
    """What TensorFlow itself writes into a folder, which is a local one first if it cannot there.

    Attributes:
      path: where to write.
    """

    def __init__(self, folder: str):
        self._folder, self._sent = folder, dict[str, int]()
        self._local = tempfile.TemporaryDirectory() if in_store(folder) else None
        self.path = self._local.name if self._local else folder

    def send(self) -> None:
        """Copies files that are new, or grew, to where they belong."""
        for file in files_below(self.path) if self._local else ():
            if self._sent.get(file.path) != file.length:
                copy(file.path, self._folder + file.path.removeprefix(self.path))
                self._sent[file.path] = file.length


@contextlib.contextmanager
def written_by_tensorflow(folder: str) -> Iterator[str]:
    """Where TensorFlow writes a folder, which is sent to its place at the end of the block."""
    written = Written(folder)
    yield written.path
    written.send()
