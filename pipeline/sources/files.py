"""Raw files, wherever they are: what sources need of a file system, and the listing of local ones.

A conversion reads through Beam's file systems (`conversion/beam_files.py`); whoever reads a few raw
files beside it, such as a prediction, through TensorFlow's (`gfiles.py`).
"""

import contextlib
import heapq
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, NamedTuple, Protocol, runtime_checkable

from pipeline.console.errors import RejectedInputError, UsageError, printable
from tfrecords_schema.left_out import LeftOut

_NO_FILE = "it is a pipe, a folder or the like; put a file there"
_HIDDEN = LeftOut("folder", "its name begins with a dot")
_LINK = LeftOut(
    "link",
    "to a folder; --follow_links (of the conversion) takes what is in it, or name that folder",
)
_LISTED_LINK = LeftOut("link", "to a folder that is listed already, or is within that folder")


class FoundFile(NamedTuple):
    """A listed file; a folder with nothing in it is one without bytes whose path ends in `/`.

    `passed_over` says of what is not looked into, such as a link to a folder, why that is.
    """

    path: str
    size_in_bytes: int
    last_updated_in_seconds: float
    passed_over: LeftOut | None = None


@runtime_checkable
class Files(Protocol):
    """A file system. Implementations are picklable, and keys of caches."""

    def __hash__(self) -> int: ...

    def list(self, folder: str, *, follow_links: bool = False) -> Iterator[FoundFile]:
        """All files in a folder, in any depth and order; paths start with the folder's.

        With `follow_links` also those in folders that links lead to, where there are links.
        """

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Opens a file to read its bytes as they are; seekable.

        Raises:
          OSError: if it is missing or cannot be read.
        """


def require_file(path: str) -> None:
    """Refuses to have a library open what is local and no file: a pipe would never end.

    Raises:
      RejectedInputError: if it is such a thing.
    """
    if "://" not in path and not os.path.isfile(path):
        raise RejectedInputError(_NO_FILE)


@contextlib.contextmanager
def open_local(path: str, buffering: int = -1) -> Iterator[IO[bytes]]:
    """Opens a local file to read its bytes; a pipe is not waited for.

    Args:
      path: of the file.
      buffering: as Python's own `open` takes it.

    Raises:
      OSError: it is missing, cannot be read, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(_NO_FILE)
    except OSError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb", buffering) as file:
        yield file


def local_files(
    folder: str, left_out: str = "", *, follow_links: bool = False
) -> Iterator[FoundFile]:
    """Files under a local folder, one at a time: a listing of millions is never in memory.

    Hidden folders hold no inputs, so they need not be readable. A link to nothing is a file without
    bytes. A link to a folder is passed over. If links are followed, each folder is listed once, by
    its own path if that is below `folder`, or else by the first link by name: links cannot lead in
    circles, nor one recording into two splits.

    Args:
      folder: where to look.
      left_out: a folder within that is not looked into.
      follow_links: whether links to folders are.

    Raises:
      UsageError: a folder cannot be read.
    """
    root = posixpath.join(folder, "")
    folders, links = [root], list[str]()
    known = {_identity(path) for path in (folder, left_out) if path and follow_links}
    while folders or links:
        if not folders:  # Only then links, the first by name: what they lead to may be among these.
            link = heapq.heappop(links)
            if not _is_new(link, known):
                yield FoundFile(link, 0, 0.0, _LISTED_LINK)
                continue
            folders.append(posixpath.join(link, ""))
        inside, is_empty = folders.pop(), True
        with _scan(inside) as entries:
            if entries is None:
                continue
            for entry in _each(entries, inside):
                is_folder, is_hidden = _is_folder(entry), entry.name.startswith(".")
                is_link = is_folder and entry.is_symlink()
                is_empty = is_empty and is_hidden
                if entry.path == left_out:
                    continue
                if not is_folder:
                    yield _found_file(entry)
                elif is_hidden:
                    yield FoundFile(entry.path, 0, 0.0, _HIDDEN)
                elif is_link and not follow_links:
                    yield FoundFile(entry.path, 0, 0.0, _LINK)
                elif is_link:
                    heapq.heappush(links, entry.path)
                elif follow_links and not _is_new(entry.path, known):
                    yield FoundFile(entry.path, 0, 0.0, _LISTED_LINK)
                else:
                    folders.append(entry.path)
        if is_empty and inside != root:
            yield FoundFile(posixpath.join(inside, ""), 0, 0.0)


def _scan(folder: str) -> AbstractContextManager[Iterable[os.DirEntry[str]] | None]:
    """The entries of a folder; None if it is no longer there."""
    try:
        return os.scandir(folder)
    except FileNotFoundError:  # It was there a moment ago; whoever needs a file of it will say so.
        return contextlib.nullcontext(None)
    except OSError as error:
        raise _not_listed(folder, error) from error


def _each(entries: Iterable[os.DirEntry[str]], folder: str) -> Iterator[os.DirEntry[str]]:
    """The entries, which a disk or a network may fail to tell to the end."""
    try:
        yield from entries
    except OSError as error:
        raise _not_listed(folder, error) from error


def _not_listed(folder: str, error: OSError) -> UsageError:
    return UsageError(
        f"cannot list {printable(folder)} ({error.strerror}), which may hold inputs; make it "
        "readable, or move it elsewhere"
    )


def _is_new(folder: str, known: set[tuple[int, int]]) -> bool:
    """Whether a folder is none of those that are known; then it is one of them from now on."""
    identity = _identity(folder)
    is_new = identity not in known
    known.add(identity)
    return is_new


def _identity(folder: str) -> tuple[int, int]:
    """What a folder has, by whatever path; of one that vanished that of none."""
    try:
        found = os.stat(folder)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
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
