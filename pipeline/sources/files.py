"""Raw files, wherever they are: what sources need of a file system, and the listing of local ones.

A conversion reads through Beam's file systems (`conversion/beam_files.py`); whoever reads a few raw
files beside it, such as a prediction, through TensorFlow's (`gfiles.py`).
"""

import contextlib
import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, NamedTuple, Protocol, runtime_checkable

from pipeline.console.errors import RejectedInputError, UsageError, printable


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


def require_file(path: str) -> None:
    """Refuses to open what is local and no file: a pipe would never end.

    Raises:
      RejectedInputError: if it is such a thing.
    """
    if "://" not in path and not os.path.isfile(path):
        raise RejectedInputError("it is a pipe, a folder or the like; put a file there")


def local_files(folder: str, left_out: str = "") -> Iterator[FoundFile]:
    """Files under a local folder, one at a time: a listing of millions is never in memory.

    Hidden folders hold no inputs, so they need not be readable. Links to folders are not followed;
    a link to nothing is a file without bytes.

    Args:
      folder: where to look.
      left_out: a folder within that is not looked into.

    Raises:
      UsageError: a folder cannot be read.
    """
    folders = [posixpath.join(folder, "")]
    while folders:
        with _scan(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and entry.path != left_out:
                        folders.append(entry.path)
                elif not _is_link_to_folder(entry):
                    yield _found_file(entry)


def _scan(folder: str) -> AbstractContextManager[Iterable[os.DirEntry[str]]]:
    try:
        return os.scandir(folder)
    except FileNotFoundError:  # It was there a moment ago; whoever needs a file of it will say so.
        return contextlib.nullcontext(())
    except OSError as error:
        raise UsageError(
            f"cannot list {printable(folder)} ({error.strerror}), which may hold inputs; make it "
            "readable, or move it elsewhere"
        ) from error


def _is_link_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself.
        return False


def _found_file(entry: os.DirEntry[str]) -> FoundFile:
    try:
        found = entry.stat()
    except OSError:
        return FoundFile(entry.path, 0, 0.0)
    return FoundFile(entry.path, found.st_size, found.st_mtime)
