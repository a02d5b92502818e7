"""Which errors come from a disk that is full, or takes no file so large or so called, or none."""

import errno
import re

import tensorflow as tf

_CODES = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM,
    errno.ENAMETOOLONG,
}  # fmt: skip
# Beam passes on what a worker raised as text alone; and TensorFlow's ResourceExhaustedError may be
# the memory of a GPU, too.
_NOISE = re.compile(r"^\s*(?:[\w.]+Error: |\([\w.]+Error\) )+| \[while running .*")
_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "File name too long",
    "Is a directory",  # In the place of a file that is replaced.
    "database or disk is full",  # SQLite's, as the next two.
    "attempt to write a readonly database",
    "unable to open database file",
)
MAKE_SPACE = "make space"
"""What all that is said of a disk that is full has, and nothing else."""


def cannot_write(error: BaseException, then: str) -> str:
    """What is said where an error comes from the disk; empty where it does not.

    Args:
      error: of a command.
      then: what to do once there is space.
    """
    if problem := output_problem(error):
        return (
            f"cannot write ({problem}); what is written stays, so {MAKE_SPACE}, or make it "
            f"writable, and {then}"
        )
    return ""


def output_problem(error: BaseException | None) -> str:
    """One line on a disk that is full or read-only, if that is what an error comes from."""
    while error is not None:
        is_denied = isinstance(error, tf.errors.PermissionDeniedError)
        if is_denied or (isinstance(error, OSError) and error.errno in _CODES):
            return _NOISE.sub("", str(error).splitlines()[0]).strip()
        found = [line for line in str(error).splitlines() if any(text in line for text in _TEXTS)]
        if found:
            return _NOISE.sub("", found[-1]).strip()
        error = error.__cause__ or error.__context__
    return ""
