"""Processes that this one starts."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """In a child, before it begins: no orphans, should the parent be killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
