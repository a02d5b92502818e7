"""Which errors of a conversion are the output folder's, and what to say of them."""

import errno
import re

import tensorflow as tf

_CODES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_KINDS = (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError)
# Beam passes on what a worker raised as text alone.
_NOISE = re.compile(r"^[\w.]+Error: | \[while running .*")
_TEXTS = ("No space left on device", "Disk quota exceeded", "Read-only file system")


def output_problem(error: BaseException | None) -> str:
    """One line on a disk that is full or read-only, if that is what an error comes from."""
    while error is not None:
        if isinstance(error, _KINDS) or (isinstance(error, OSError) and error.errno in _CODES):
            return _NOISE.sub("", str(error).splitlines()[0]).strip()
        found = [line for line in str(error).splitlines() if any(text in line for text in _TEXTS)]
        if found:
            return _NOISE.sub("", found[-1]).strip()
        error = error.__cause__ or error.__context__
    return ""


def problem_text(problem: str, folder: str) -> str:
    """The message: what it is, what it leaves, and what to do."""
    return (
        f"cannot write to {folder} ({problem}); what is written stays, so make space, or make it "
        "writable, and run the same command again: it goes on where it was"
    )
