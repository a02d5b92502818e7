"""`ram://`, TensorFlow's file system in memory, for Beam too: stands for gs:// and the like.

Whoever imports this module has it registered: Beam looks at all subclasses of `FileSystem`.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from apache_beam.io.filesystem import FileMetadata, FileSystem

from tfrecords_schema.names import join


class RamFileSystem(FileSystem):
    """What Beam asks of a file system, for reading."""

    @classmethod
    def scheme(cls) -> str:
        return "ram"

    def join(self, basepath: str, *paths: str) -> str:
        return join(basepath, *paths)

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def has_dirs(self) -> bool:
        return True

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for folder, _, names in tf.io.gfile.walk(dir_or_prefix.rstrip("/")):
            for name in names:
                path = join(folder, name)
                found = tf.io.gfile.stat(path)
                yield FileMetadata(path, found.length, found.mtime_nsec / 1e9)

    def open(self, path: str, *_: Any, **__: Any) -> io.BytesIO:
        with tf.io.gfile.GFile(path, "rb") as file:
            return io.BytesIO(file.read())

    def exists(self, path: str) -> bool:
        return tf.io.gfile.exists(path)

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("a conversion writes through tf.io.gfile")

    mkdirs = create = copy = rename = delete = _unused
    size = last_updated = checksum = metadata = _unused


def files_under(folder: str) -> dict[str, bytes]:
    """Content of every file under a `tf.io.gfile` folder, by relative path."""
    found = {}
    for parent, _, names in tf.io.gfile.walk(folder):
        for name in names:
            with tf.io.gfile.GFile(join(parent, name), "rb") as file:
                found[join(parent, name).removeprefix(folder).lstrip("/")] = file.read()
    return found


def hashes_under(folder: str) -> dict[str, str]:
    """SHA-256 of every file under a `tf.io.gfile` folder, by relative path."""
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in sorted(files_under(folder).items())
    }


def copy_to_ram(folder: str, ram_folder: str) -> None:
    """Copies a local folder's files."""
    for name, content in files_under(folder).items():
        path = join(ram_folder, name)
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(content)
