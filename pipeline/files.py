"""Raw files, wherever they are: what sources need of a file system, and one without Beam.

A conversion reads through Beam's file systems (`beam_files.py`); whoever reads a few raw files
beside it, such as a prediction, through TensorFlow's.
"""

import contextlib
import io
import os
import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

import tensorflow as tf

from pipeline.errors import UsageError, printable


class FoundFile(NamedTuple):
    """A listed file."""

    path: str
    size_in_bytes: int
    last_updated_in_seconds: float


@runtime_checkable
class Files(Protocol):
    """A file system. Implementations are picklable."""

    def list(self, folder: str) -> Iterator[FoundFile]:
        """All files in a folder, in any depth and order; paths start with the folder's."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Opens a file to read its bytes as they are; seekable.

        Raises:
          OSError: if it is missing or cannot be read.
        """


class GFiles:
    """Every file system that `tf.io.gfile` knows."""

    def list(self, folder: str) -> Iterator[FoundFile]:
        """See `Files`.

        Links to folders are not followed; a link to nothing is a file without bytes.

        Raises:
          UsageError: a name is not UTF-8, which `tf.io.gfile` cannot open.
        """
        for path in _walk(folder.rstrip("/") or "/"):
            try:
                found = tf.io.gfile.stat(path)
                yield FoundFile(path, found.length, found.mtime_nsec / 1e9)
            except tf.errors.NotFoundError:
                yield FoundFile(path, 0, 0.0)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Files`."""
        try:
            size_bytes = tf.io.gfile.stat(path).length
            with tf.io.gfile.GFile(path, "rb") as file:
                yield io.BufferedReader(_SeekableFile(file, size_bytes))
        except tf.errors.OpError as error:
            raise OSError(error.message) from error


def _walk(folder: str) -> Iterator[str]:
    """Every file under a folder."""
    # tf.io.gfile follows links to folders, also round in circles: it cannot tell what is a link.
    walk = tf.io.gfile.walk if "://" in folder else os.walk
    for parent, _, names in walk(folder):
        for name in names:
            path = posixpath.join(parent, name)
            if printable(path) != path:
                raise UsageError(f"the name {printable(path)} is not UTF-8; rename it")
            yield path


class _SeekableFile(io.RawIOBase):
    """A `GFile` that takes and refuses positions as Python's own files do, which zipfile needs."""

    def __init__(self, file: Any, size_bytes: int):
        self._file = file
        self._size_bytes = size_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size_bytes}
        position = starts[whence] + offset
        if position < 0:
            raise OSError(f"position {position} is before the start of the file")
        self._file.seek(min(position, self._size_bytes))
        return position

    def tell(self) -> int:
        return self._file.tell()
