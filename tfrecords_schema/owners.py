"""Which process works in a folder, and whether it is still alive.

A kill gives nobody the time to clean up, so what a process leaves carries its owner, and the next
one asks whether that is still there.
"""

import dataclasses
import os
import socket
import time

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process: its number, host and start, and since when it owns something, for people."""

    pid: int
    host: str
    start: str
    since: str = ""


def this_process() -> Owner:
    """This process, as of now."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return Owner(os.getpid(), socket.gethostname(), _process_start(os.getpid()), since)


def is_alive(owner: Owner) -> bool:
    """Whether the process that `this_process` described still runs; True for another host's.

    Nobody here can tell of another host; whoever asks has to say what to do.
    """
    if owner.host != socket.gethostname():
        return True
    try:
        os.kill(owner.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return owner.start == _process_start(owner.pid)


def _process_start(pid: int) -> str:
    """Start time of a process in clock ticks after boot, where Linux tells; tells reused pids."""
    try:
        with tf.io.gfile.GFile(f"/proc/{pid}/stat") as file:
            return file.readline().rpartition(")")[2].split()[19]
    except (tf.errors.OpError, IndexError):
        return ""
