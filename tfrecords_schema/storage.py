"""The one place that makes folders, replaces files and removes what is there.

Folders are handed on, and any name in them may be a link that somebody put there. So nothing here
follows a link below the folder that the user named: a link in the place of a file or a tree is
removed or replaced itself, and a link on the way to one is refused. A name that comes from a file
is one name: no separators, no `..`. What is read whole is a file, and no larger than it may be.

What is replaced is the old or the new, whole, also after a power cut; see `flushing.py`.

All paths are those of `places/gfile.py`; only local file systems have links.
"""

import contextlib
import ctypes
import functools
import os
import posixpath
import re
import shutil
import stat
import unicodedata
import uuid
from collections.abc import Iterator

import tensorflow as tf

from tfrecords_schema.errors import DatasetError, LinkError
from tfrecords_schema.flushing import flush, flush_tree, local_path
from tfrecords_schema.owners import Owner, is_alive, this_process
from tfrecords_schema.places import gfile

MOST_BYTES = 64 << 20
"""Of a file that is read whole: its content takes some ten times as much once it is understood."""
# Linux, include/uapi/linux/fs.h and fcntl.h.
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100

_TEMPORARY = re.compile(r"\.(\d+)-(\d*)-([^/]+)-[0-9a-f]{32}\.tmp/?$")


def require_plain(name: str, what: str) -> str:
    """Returns a name that is one part of a path, and nothing that leads out of its folder.

    Args:
      name: a name of a dataset, version, split, file or the like, from a file or a flag.
      what: what it names, for the message.

    Raises:
      DatasetError: if it is empty, begins with a dot, or has separators or control characters.
    """
    is_text = isinstance(name, str)
    if is_text and name and not name.startswith(".") and not any(map(_is_unfit, name)):
        return name
    raise DatasetError(
        f"{what} {name!r} is no plain name: expected one without separators and control "
        "characters that does not begin with a dot; do not use this folder if you do not know why"
    )


def below(root: str, *names: str) -> str:
    """The path of a folder below one that the user named, whether it is there yet or not.

    Args:
      root: the folder that the user named; it may be a link.
      *names: of the folders below it, one within the other.

    Raises:
      LinkError: if one of them is a link, which may lead anywhere.
      DatasetError: if one of them is no plain name; `.conversion` is one of ours.
    """
    path = root
    for name in names:
        require_plain(name.removeprefix("."), "folder")
        path = posixpath.join(path, name)
        _refuse_link(path, root)
    return path


def make_folder(root: str, *names: str) -> str:
    """Makes a folder, and returns its path; takes and raises what `below` does."""
    path = below(root, *names)
    missing, above = [], path if local_path(path) is not None else ""
    while above and not gfile.exists(above):
        above = posixpath.dirname(above)
        missing.append(above)
    gfile.makedirs(path or ".")
    for above in missing:
        flush(above)
    return path


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Tells of something that may not be read, which otherwise would pass for what is written.

    Raises:
      DatasetError: the block was denied permission.
    """
    try:
        yield
    except tf.errors.PermissionDeniedError as error:
        raise DatasetError(
            f"{what} cannot be read ({error.message}); make it readable, or copy it again"
        ) from error


def read(path: str, most_bytes: int | None = MOST_BYTES) -> bytes | None:
    """What a file holds; None if there is none.

    Args:
      path: of the file.
      most_bytes: it may have; None for any number.

    Raises:
      DatasetError: it may not be read, is too large, or is no file: what comes out of a pipe, or
        of a device, may never end.
    """
    local, what = local_path(path), ""
    try:
        with reading(path):
            if local is not None and not stat.S_ISREG(os.stat(local).st_mode):
                what = "is a folder, a pipe or a device"
            elif most_bytes is not None and gfile.stat(path).length > most_bytes:
                what = f"has more than {most_bytes:,} bytes"
            else:
                with gfile.open_file(path, "rb") as file:
                    return file.read()
    except (tf.errors.NotFoundError, FileNotFoundError):
        return None
    except NotADirectoryError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    raise DatasetError(f"{path} {what}, so it is not what belongs there; copy it again")


def temporary_path(path: str) -> str:
    """A new name beside `path` that says which process writes it."""
    owner = this_process()
    host = f"{owner.host}@{re.sub('[^0-9]', '', owner.space)}"
    return f"{path}.{owner.pid}-{owner.start}-{host}-{uuid.uuid4().hex}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a name is one of `temporary_path`."""
    return _TEMPORARY.search(name) is not None


def remove_abandoned(folder: str) -> None:
    """Removes what dead processes of this host left in a folder under a `temporary_path`."""
    for name in names_in(folder):
        if not (found := _TEMPORARY.search(name)):
            continue
        host, _, number = found[3].partition("@")
        owner = Owner(int(found[1]), host, found[2], space=number and f"pid:[{number}]")
        if not is_alive(owner):
            remove(posixpath.join(folder, name))


@functools.lru_cache(maxsize=1000)
def _remove_abandoned_once(folder: str, process: int) -> None:
    """What a kill left goes once the next process writes in its folder, where that may remove."""
    with contextlib.suppress(tf.errors.OpError, OSError):
        remove_abandoned(folder)


@contextlib.contextmanager
def replacing(path: str, *, lasts: bool = True) -> Iterator[str]:
    """A temporary name beside `path` for what is renamed over it once it is written.

    It is flushed, unless no power cut needs to be survived (`lasts=False`). After an error it is
    removed: on a disk that is full its space is needed. In a store it is `path` itself: an object
    appears whole, in the place of the one that was there.
    """
    if gfile.in_store(path):
        yield path
        return
    _remove_abandoned_once(posixpath.dirname(path), os.getpid())
    temporary = temporary_path(path)
    try:
        yield temporary
        if lasts:
            flush(temporary)
        replace(temporary, path)
        if lasts:
            flush(posixpath.dirname(path))
    except Exception:
        with contextlib.suppress(tf.errors.OpError, OSError):  # What went wrong first is said.
            remove(temporary)
        raise


def atomic_write(path: str, content: bytes) -> None:
    """Writes a file under a temporary name beside `path`, then renames it over `path`."""
    with replacing(path) as temporary:
        _write(temporary, content)


def replace_together(files: dict[str, bytes]) -> None:
    """Replaces files of which the last tells what is in the others.

    All are written before one is replaced, so a full disk leaves what was there. While they are
    replaced there is no last one: whenever it is there, it is that of the others.

    Args:
      files: content by path.
    """
    *others, last = files
    with contextlib.ExitStack() as replaced:  # In the order of `files`, which is from its end.
        places = {path: replaced.enter_context(replacing(path)) for path in reversed(files)}
        if others and gfile.in_store(last):  # Where they are in their places as they are written.
            remove(last)
        for path, content in files.items():
            _write(places[path], content)
        if others and not gfile.in_store(last):
            remove(last)


def write_passing(path: str, content: bytes) -> None:
    """Like `atomic_write`, of what no power cut needs to survive: it is not flushed."""
    with replacing(path, lasts=False) as temporary:
        _write(temporary, content)


def _write(path: str, content: bytes) -> None:
    with gfile.open_file(path, "wb") as file:
        file.write(content)


def append(path: str, text: str) -> None:
    """Appends text to a file, and flushes it; what else has the file by a hard link keeps its own.

    Raises:
      LinkError: if it is a link.
    """
    folder = posixpath.dirname(path)
    _refuse_link(path, folder)
    is_new = not gfile.exists(path)
    detach(path)
    with gfile.open_file(path, "a") as file:
        file.write(text)
    flush(path)
    if is_new:
        flush(folder)


def detach(path: str) -> None:
    """Copies a file that has other names, too (`cp -al`), before it is written in its place."""
    local = local_path(path)
    if local is not None and os.path.isfile(local) and os.stat(local).st_nlink > 1:
        with replacing(path) as temporary:
            shutil.copyfile(local, temporary)


def replace(source: str, path: str) -> None:
    """Renames a file over `path`; a link there is replaced, not what it leads to.

    It lasts once the folder is flushed.
    """
    gfile.rename(source, path, overwrite=True)


def replace_tree(source: str, path: str) -> None:
    """Puts a folder in the place of `path`, which is the old or the new, whole, at any instant.

    Where the file system cannot exchange two names there is nothing at `path` for a moment.
    """
    flush_tree(source)
    aside = source
    if not _exchange(source, path):
        aside = temporary_path(path)
        with contextlib.suppress(tf.errors.NotFoundError):
            gfile.rename(path, aside)
        gfile.rename(source, path)
    flush(posixpath.dirname(path))
    remove(aside)


def _exchange(one: str, other: str) -> bool:
    """Exchanges two names in one step; False if one is not there, or nobody can do that here."""
    paths, call = [local_path(one), local_path(other)], getattr(_libc(), "renameat2", None)
    if call is None or not all(path and os.path.lexists(path) for path in paths):
        return False
    first, second = (os.fsencode(path or "") for path in paths)
    return call(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) == 0


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Not on every system.
        return None


def remove(path: str) -> None:
    """Removes the file, link or tree at `path`, if there is one; links are not followed.

    Raises:
      tf.errors.OpError: if it cannot be removed.
    """
    local = local_path(path)
    with contextlib.suppress(FileNotFoundError, tf.errors.NotFoundError):
        if local is not None and stat.S_ISDIR(os.lstat(local).st_mode):
            shutil.rmtree(local)  # `tf.io.gfile.rmtree` goes through links.
        elif gfile.isdir(path) and not is_link(path):
            gfile.rmtree(path)
        else:
            gfile.remove(path)


def free_bytes(folder: str) -> int | None:
    """What the disk of a local folder has free, whether it is there yet or not; None elsewhere."""
    local = local_path(folder)
    if local is None:
        return None
    while local and not os.path.exists(local):
        local = os.path.dirname(local)
    return shutil.disk_usage(local or ".").free


def remove_if_empty(folder: str) -> None:
    """Removes a local folder with nothing in it; elsewhere there are none."""
    if (local := local_path(folder)) is not None:
        with contextlib.suppress(OSError):
            os.rmdir(local)


def names_in(folder: str) -> list[str]:
    """Names of what is in a folder of ours; none if it is not there, or is a link.

    A glob would take a `[` in its path for a pattern.
    """
    if is_link(folder) or not gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in gfile.listdir(folder)]


def is_own_file(path: str) -> bool:
    """Whether a file stands at a path, and no link, pipe, device or folder."""
    local = local_path(path)
    if local is None:
        return gfile.exists(path) and not gfile.isdir(path)
    return os.path.isfile(local) and not os.path.islink(local)


def is_link(path: str) -> bool:
    """Whether a link stands at a local path, to whatever it leads."""
    local = local_path(path)
    return local is not None and os.path.islink(local)


def _is_unfit(character: str) -> bool:
    return character in "/\\" or unicodedata.category(character) in ("Cc", "Cs")


def _refuse_link(path: str, root: str) -> None:
    if is_link(path):
        raise LinkError(
            f"{path} is a link, and what is written below {root or '.'} must stay there; remove "
            "the link, or name the folder that it leads to"
        )
