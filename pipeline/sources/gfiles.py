"""Raw files on any file system of `gfile`."""

import contextlib
from collections.abc import Iterator
from typing import IO

import tensorflow as tf

from pipeline.sources.files import FoundFile, local_files, open_local
from tfrecords_schema.places import gfile
from tfrecords_schema.places.store_files import StoreReader
from tfrecords_schema.storage import reading


class GFiles:
    """Local folders, TensorFlow's file systems and object stores; implements `Files`."""

    def list(self, folder: str, *, follow_links: bool = False) -> Iterator[FoundFile]:
        """See `Files`."""
        if "://" not in folder:
            yield from local_files(folder, follow_links=follow_links)
            return
        with reading(folder):
            for found in gfile.files_below(folder):
                yield FoundFile(found.path, found.length, found.mtime_nsec / 1e9)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return gfile.exists(path) and not gfile.isdir(path)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Files`.

        Raises:
          StoreError: an object store did not answer; what was read of the file says nothing then.
        """
        if "://" not in path:
            with open_local(path) as local:
                yield local
            return
        try:
            with gfile.open_file(path, "rb") as file:
                try:
                    yield file
                finally:
                    if isinstance(file, StoreReader):
                        file.require_answers()
        except tf.errors.OpError as error:
            is_missing = isinstance(error, tf.errors.NotFoundError)
            raise (FileNotFoundError if is_missing else OSError)(error.message) from error
