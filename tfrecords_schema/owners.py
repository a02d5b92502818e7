"""Which process works in a folder, and whether it is still alive.

A kill gives nobody the time to clean up, so what a process leaves carries its owner, and the next
one asks whether that is still there.
"""

import contextlib
import dataclasses
import functools
import math
import os
import socket
import time

_SINCE = "%Y-%m-%d %H:%M:%S UTC"
_STATE, _START = 0, 19  # In /proc/<pid>/stat, behind the name.


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process that owns something.

    Attributes:
      pid: its number.
      host: name of its machine, or container.
      start: when it started, in ticks after boot; empty where the system does not tell.
      since: when it came to own that, for people.
      boot: names the start of the machine.
      space: names the numbers of processes that `pid` is one of: each container has its own.
    """

    pid: int
    host: str
    start: str
    since: str = ""
    boot: str = ""
    space: str = ""


def this_process() -> Owner:
    """This process, as of now."""
    since = time.strftime(_SINCE, time.gmtime())
    host, start = socket.gethostname(), _process_start(os.getpid())
    return Owner(os.getpid(), host, start, since, _boot(), _space())


def seconds_between(one: Owner, other: Owner) -> float:
    """Between the times since when they own something; infinity where that is no time."""
    try:
        times = [time.mktime(time.strptime(owner.since, _SINCE)) for owner in (one, other)]
    except ValueError:
        return math.inf
    return abs(times[0] - times[1])


def can_be_asked(owner: Owner) -> bool:
    """Whether `is_alive` knows of this process: it is, or was, one of this machine.

    A machine that has been started since runs it no more.
    """
    if owner.host != socket.gethostname():
        return False
    if owner.boot and owner.boot != _boot():
        return True
    return not owner.space or owner.space == _space()


def is_alive(owner: Owner) -> bool:
    """Whether the process that `this_process` described still runs; True where nobody can tell."""
    if not can_be_asked(owner):
        return True
    if owner.pid < 1 or (owner.boot and owner.boot != _boot()):  # 0 and less are groups to `kill`.
        return False
    try:
        os.kill(owner.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # It is another user's, of which /proc may not tell.
        if not _process_start(owner.pid):
            return True
    return owner.start == _process_start(owner.pid) and not _has_ended(owner.pid)


@functools.cache
def _boot() -> str:
    """A number that Linux draws at every start."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read(64).strip()
    return ""


@functools.cache
def _space() -> str:
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def _process_start(pid: int) -> str:
    """Start time of a process in clock ticks after boot, where Linux tells; tells reused pids."""
    return _told(pid, _START)


def _has_ended(pid: int) -> bool:
    """Whether nothing is left of a process but what its parent has not asked for yet."""
    return _told(pid, _STATE) in ("Z", "X")


def _told(pid: int, field: int) -> str:
    """What Linux tells of a process, by the place behind its name (proc(5)); else empty."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.readline().rpartition(")")[2].split()[field]
    except (OSError, IndexError):
        return ""
