"""Flushing to the disk: after a power cut, what was renamed into place is there whole, or not.

A rename alone promises nothing: the new name may be on the disk before the bytes are. So a file is
flushed before it gets its name, and its folder after that, before anything says that it is there.

File systems elsewhere (`gs://`, `s3://`, ...) keep what was closed; they need no flush.
"""

import errno
import os

import tensorflow as tf

_UNKNOWN_OF_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}
_is_wanted = True


def want(is_durable: bool) -> None:
    """Says whether this process flushes from here on; without, a power cut may take files."""
    global _is_wanted
    _is_wanted = is_durable


def local_path(path: str) -> str | None:
    """The path for Python's own functions; None on file systems elsewhere."""
    local = path.removeprefix("file://")
    return None if "://" in local else local


def flush(path: str) -> None:
    """Flushes a file, or the names in a folder.

    Raises:
      tf.errors.OpError: the disk does not take it.
    """
    local = local_path(path or ".")
    if local is None or not _is_wanted:
        return
    try:
        place = os.open(local, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except OSError as error:
        if os.path.isdir(local) and error.errno in _UNKNOWN_OF_FOLDERS:
            return  # Some network file systems have no such call for folders.
        raise tf.errors.UnknownError(None, None, f"{path}; {error.strerror}") from error


def flush_tree(path: str) -> None:
    """Flushes all files and folders below a folder, and the folder."""
    local = local_path(path)
    if local is None or not _is_wanted:
        return
    for folder, _, names in os.walk(local):  # Not through links.
        for name in names:
            file = os.path.join(folder, name)
            if not os.path.islink(file):
                flush(file)
        flush(folder)
