"""Sends to nowhere what is printed: by C++ libraries while they start, or when nobody reads it."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_standard_error() -> Iterator[None]:
    """Discards whatever is written to file descriptor 2 inside the block.

    TensorFlow's start-up messages come from C++ before its logging is set up, so
    TF_CPP_MIN_LOG_LEVEL does not hide them (tensorflow 2.21).
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def discard_standard_output() -> None:
    """Discards what is still to be printed: after a `BrokenPipeError` Python would try at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
