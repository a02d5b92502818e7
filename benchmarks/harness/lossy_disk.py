"""What a power cut would leave of a folder, at every instant of some work in this process.

Two disks, at the ends of what file systems promise (POSIX, fsync(2)):

- `names first`: every name is on the disk as soon as it is given, of a file only the bytes that it
  had when it was flushed last. So a rename comes before what it names.
- `names last`: of a folder only the names are there that it had when it was flushed last.

Instants are those before and after every flush, rename and removal; between them nothing but bytes
is written, of which both disks lose all that is not flushed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import tensorflow as tf

from tfrecords_schema import storage

Files = dict[str, bytes]
"""Content by path below the folder; of folders alone there is nothing to say."""


@dataclasses.dataclass
class _Node:
    """A file or folder: an inode.

    Attributes:
      names: of a folder, as it is; None of a file.
      flushed: bytes of a file, or names of a folder, when it was flushed last.
    """

    names: dict[str, _Node] | None = None
    flushed: Any = None


@dataclasses.dataclass(frozen=True)
class Cut:
    """One instant, on one of the two disks.

    Attributes:
      after: what was done last.
      disk: which.
      files: what it holds.
      done: what the work had told by then, see `Recording.told`.
    """

    after: str
    disk: str
    files: Files
    done: int


class Recording:
    """Records what happens below a folder, while `recorded` runs.

    Attributes:
      cuts: every instant, on both disks; of equal ones in a row the first.
      flushes: what was flushed, in order.
      told: to be counted up by the work when it says that something is done.
    """

    def __init__(self, root: pathlib.Path, skipped: Callable[[int, str], bool]):
        self._root, self._skipped, self._fsync = root, skipped, os.fsync
        self._nodes: dict[int, _Node] = {}
        self._lock = threading.RLock()
        self.cuts: list[Cut] = []
        self.flushes: list[str] = []
        self.told = 0
        self._top = self._scan(root)
        for node in self._nodes.values():  # What is there at the start is on the disk.
            if node.names is not None:
                node.flushed = {**node.names}
        for path in root.rglob("*"):
            if path.is_file():
                self._node(path).flushed = path.read_bytes()

    def flush(self, descriptor: int) -> None:
        """Takes the place of `os.fsync`, which may be another recording's."""
        self._fsync(descriptor)
        path = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if self._root not in (path, *path.parents):
            return
        with self._lock:
            said = f"flush {self._named(path)}"
            self.cut(f"before {said}")
            number = len(self.flushes)
            self.flushes.append(self._named(path))
            if self._skipped(number, self._named(path)):
                return
            node = self._node(path)
            node.flushed = path.read_bytes() if node.names is None else {**node.names}
            self.cut(said)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A function that changes names, with the instants before and after it."""

        def wrapped(*args: Any, **options: Any) -> Any:
            with self._lock:
                said = f"{name} {self._named(args[0])}"
                self.cut(f"before {said}")
                try:
                    return call(*args, **options)
                finally:
                    self.cut(said)

        return wrapped

    def _named(self, path: Any) -> str:
        return os.path.relpath(str(path), self._root)

    def cut(self, after: str) -> None:
        """Adds this instant."""
        self._top = self._scan(self._root)
        for disk, is_flushed in (("names first", False), ("names last", True)):
            files = dict(_content(self._top, is_flushed))
            if not any(cut.files == files and cut.done == self.told for cut in self.cuts[-2:]):
                self.cuts.append(Cut(after, disk, files, self.told))

    def _scan(self, root: pathlib.Path) -> _Node:
        """The tree as it is; inodes that are gone are forgotten, as their numbers come again."""
        before, self._nodes = self._nodes, {}
        return self._scanned(root, before)

    def _scanned(self, path: pathlib.Path, before: dict[int, _Node]) -> _Node:
        number = path.stat().st_ino
        node = self._nodes.get(number) or before.get(number) or _Node()
        self._nodes[number] = node
        if path.is_dir():
            inside = sorted(path.iterdir())
            node.names = {one.name: self._scanned(one, before) for one in inside}
        return node

    def _node(self, path: pathlib.Path) -> _Node:
        return self._nodes[path.stat().st_ino]


def _content(node: _Node, is_flushed: bool, path: str = "") -> Iterator[tuple[str, bytes]]:
    if node.names is None:
        yield path, node.flushed or b""
        return
    names = (node.flushed or {}) if is_flushed else node.names
    for name, inside in names.items():
        yield from _content(inside, is_flushed, f"{path}/{name}".lstrip("/"))


@contextlib.contextmanager
def recorded(
    root: pathlib.Path, skipped: Callable[[int, str], bool] = lambda number, path: False
) -> Iterator[Recording]:
    """Records what this process does below a folder, within the block.

    Args:
      root: the folder.
      skipped: from the number of a flush and its path to whether it is left out: what would be, if
        the code did not flush there.
    """
    recording = Recording(root.resolve(), skipped)
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(os, "fsync", recording.flush))
        for place, names in (
            (tf.io.gfile, ("rename", "remove", "rmtree", "makedirs", "copy")),
            (shutil, ("rmtree",)),
            (storage, ("_exchange",)),
        ):
            for name in names:
                wrapped = recording.around(name, getattr(place, name))
                patches.enter_context(mock.patch.object(place, name, wrapped))
        yield recording
        recording.cut("the end")


def write_files(folder: pathlib.Path, files: Files) -> None:
    """Makes a folder what a disk holds after a cut."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
