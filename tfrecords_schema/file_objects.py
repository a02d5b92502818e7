"""Files at any `tf.io.gfile` path as the file objects that zipfile and pyarrow need."""

import io
import os
from typing import Any, Literal

import tensorflow as tf

from tfrecords_schema.storage import remove


def open_to_read(path: str) -> io.BufferedReader:
    """Opens a file to read its bytes; seekable.

    Raises:
      tf.errors.OpError: if it is missing or cannot be read.
    """
    return io.BufferedReader(_File(path, "rb"))


def open_to_write(path: str) -> io.RawIOBase:
    """Opens a file to write its bytes in order, in the place of what is there."""
    remove(path)
    return _File(path, "wb")


class _File(io.RawIOBase):
    """A `GFile` that takes and refuses positions as Python's own files do."""

    def __init__(self, path: str, mode: Literal["rb", "wb"]):
        self._reads = mode == "rb"
        self._size_bytes = tf.io.gfile.stat(path).length if self._reads else 0
        self._file = tf.io.gfile.GFile(path, mode)

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return not self._reads

    def seekable(self) -> bool:
        return self._reads

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def write(self, content: Any) -> int:
        self._file.write(bytes(content))
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

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
