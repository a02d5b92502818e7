"""Raw files through TensorFlow's file systems."""

import contextlib
import os
import posixpath
from collections.abc import Iterator
from typing import IO

import tensorflow as tf

from pipeline.sources.files import FoundFile, local_files
from tfrecords_schema.storage import File


class GFiles:
    """Every file system that `tf.io.gfile` knows; implements `Files`."""

    def list(self, folder: str, *, follow_links: bool = False) -> Iterator[FoundFile]:
        """See `Files`."""
        if "://" in folder:
            return _remote_files(folder)
        return local_files(folder, follow_links=follow_links)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        name = os.fsencode(path)
        return tf.io.gfile.exists(name) and not tf.io.gfile.isdir(name)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Files`."""
        try:
            with File(os.fsencode(path), "rb") as file:  # Names need not be UTF-8.
                yield file
        except tf.errors.OpError as error:
            raise OSError(error.message) from error


def _remote_files(folder: str) -> Iterator[FoundFile]:
    for parent, _, names in tf.io.gfile.walk(folder):
        for name in names:
            path = posixpath.join(parent, name)
            found = tf.io.gfile.stat(path)
            yield FoundFile(path, found.length, found.mtime_nsec / 1e9)
