"""Copies of shards that are in an object store: TensorFlow reads records from local files alone.

A split is fetched whole before it is read, as every epoch reads all of it in another order. A copy
is called by its shard's SHA-256 and checked against that as it comes, so it can be of nothing else.
One process of a machine fetches at a time, others wait and then find what it fetched. Where space
is short, datasets that no process uses go, the longest unused first.
"""

import fcntl
import hashlib
import logging
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

from tfrecords_schema.dataset import Dataset
from tfrecords_schema.errors import DatasetError, UserError
from tfrecords_schema.manifest import ShardEntry
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import reading

DIR_VARIABLE, GIB_VARIABLE = "SHARD_CACHE_DIR", "SHARD_CACHE_GIB"
"""What may be set in the environment: the folder, and how much it may hold."""
_AT_ONCE = 8
_PIECE_BYTES = 16 << 20
_MOST_OF_DISK = 0.9
_USED, _COPIES, _PART = ".used", ".shards", ".part"
_OURS = re.compile(rf"[0-9a-f]{{16}}{re.escape(_COPIES)}")

_held: dict[pathlib.Path, IO[bytes]] = {}
"""Locks of the datasets that this process uses, for as long as it lives."""


def local_shards(dataset: Dataset, split: str) -> list[str]:
    """Where TensorFlow reads the shards of a split, in the order of their numbers.

    Raises:
      UserError: there is no room for them, or they cannot be kept.
      DatasetError: one is not what the manifest says, or may not be read.
      StoreError: the store does not answer.
    """
    paths = dataset.shard_paths(split)
    if not gfile.in_store(dataset.shard_folder):
        return paths
    root = _root()
    try:
        return _copies(dataset, dataset.manifest.splits[split].shards, root)
    except OSError as error:
        raise _no_place(root, "written", error) from error


def _copies(dataset: Dataset, entries: Sequence[ShardEntry], root: pathlib.Path) -> list[str]:
    name = hashlib.sha256(dataset.shard_folder.encode()).hexdigest()[:16]
    folder = root / f"{name}{_COPIES}"
    _hold(root / f"{name}{_USED}")
    with _locked(root / "fetching.lock"):
        folder.mkdir(exist_ok=True)
        for abandoned in folder.glob(f"*{_PART}"):  # Only one process fetches, and it is this one.
            abandoned.unlink()
        # Shards without records are alike.
        missing = {e.sha256: e for e in entries if not _is_there(folder / e.sha256, e)}
        if missing:
            _fetch_all(dataset, [*missing.values()], folder)
    return [str(folder / entry.sha256) for entry in entries]


def _root() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    default = pathlib.Path(home, "variable-length-training", "shards")
    root = pathlib.Path(os.environ.get(DIR_VARIABLE) or default)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_place(root, "made", error) from error
    return root


def _no_place(root: pathlib.Path, what: str, error: OSError) -> UserError:
    reason = error.strerror or error
    return UserError(f"{root} for copies of shards cannot be {what} ({reason}); set {DIR_VARIABLE}")


def _hold(path: pathlib.Path) -> None:
    """Keeps others from removing a dataset's copies, and notes that it is used now."""
    if path not in _held:
        _held[path] = path.open("ab")
        fcntl.flock(_held[path], fcntl.LOCK_SH)
    os.utime(path)


@contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_there(path: pathlib.Path, entry: ShardEntry) -> bool:
    return path.exists() and path.stat().st_size == entry.size_bytes


def _fetch_all(dataset: Dataset, entries: list[ShardEntry], folder: pathlib.Path) -> None:
    needed = sum(entry.size_bytes for entry in entries)
    _make_room(folder, needed, dataset.path)
    logging.warning(
        "fetching %d shards, %.3g GiB, of %s to %s",
        len(entries), needed / 2**30, dataset.shard_folder, folder,
    )  # fmt: skip
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(_fetch, dataset.shard_folder, e, folder / e.sha256) for e in entries]
        try:
            for fetched in waiting:
                fetched.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(shard_folder: str, entry: ShardEntry, path: pathlib.Path) -> None:
    source, part = join(shard_folder, entry.file), path.with_name(f"{path.name}{_PART}")
    digest = hashlib.sha256()
    with reading(source), gfile.open_file(source, "rb") as file, part.open("wb") as copy:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != entry.sha256:
        part.unlink()
        raise DatasetError(
            f"{source} is not the one of which the manifest tells; copy it again, or convert again "
            "with --overwrite"
        )
    part.replace(path)


def _make_room(folder: pathlib.Path, needed: int, what: str) -> None:
    """Removes copies of datasets that nobody uses until there is room.

    Raises:
      UserError: there is not enough even so.
    """
    root = folder.parent
    found = [path for path in root.glob(f"*{_COPIES}") if _OURS.fullmatch(path.name)]
    others = {path: _size(path.iterdir()) for path in found if path != folder}
    used = sum(others.values()) + _size(folder.iterdir())
    most = min(_MOST_OF_DISK * (used + shutil.disk_usage(root).free), _limit_bytes())
    for path in sorted(others, key=lambda path: path.with_suffix(_USED).stat().st_mtime):
        if used + needed <= most:
            break
        if _removed(path):
            used -= others[path]
    if used + needed > most:
        raise UserError(
            f"{what} needs {needed / 2**30:.3g} GiB for copies of its shards in {root}, which may "
            f"hold {most / 2**30:.3g} GiB and has {used / 2**30:.3g} in use; set {DIR_VARIABLE} to "
            f"a folder on a larger disk, or {GIB_VARIABLE} to more, or mount the bucket "
            "(docs/object_stores.md)"
        )


def _limit_bytes() -> float:
    given = os.environ.get(GIB_VARIABLE) or "inf"
    try:
        return float(given) * 2**30
    except ValueError:
        raise UserError(f"{GIB_VARIABLE}={given}: expected a number of GiB") from None


def _size(files: Iterable[pathlib.Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _removed(copies: pathlib.Path) -> bool:
    """Removes the copies of a dataset, unless a process uses it."""
    with copies.with_suffix(_USED).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(copies)
    return True
