"""What the benchmarks of kills share: children that are killed, hashes of folders, a table."""

import hashlib
import os
import pathlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence

_LIMIT_SECS = 120.0


def fork(run: Callable[[], int], log: pathlib.Path) -> int:
    """Runs a function in a child process, its output in a file; returns the child's number.

    A child starts with everything that is imported here, which takes a new interpreter seconds.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int, limit_secs: float = _LIMIT_SECS) -> int:
    """Waits for a child; its exit status, or minus the number of the signal that ended it."""
    deadline = time.monotonic() + limit_secs
    while time.monotonic() < deadline:
        code = poll(pid)
        if code is not None:
            return code
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise SystemExit(f"process {pid} did not end in {limit_secs:.0f} s")


def poll(pid: int) -> int | None:
    """The exit status of a child; None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def kill_at(pid: int, is_time: Callable[[], bool], then_secs: float) -> int | None:
    """Kills a child some seconds after something is so; None if it ended before that.

    Returns:
      Minus 9, or None, with the child's end waited for in both cases.
    """
    deadline = time.monotonic() + _LIMIT_SECS
    while not is_time():
        if poll(pid) is not None:
            return None
        if time.monotonic() > deadline:
            raise SystemExit(f"process {pid} did not come to where it is to be killed")
        time.sleep(0.001)
    time.sleep(then_secs)
    os.kill(pid, signal.SIGKILL)
    code = wait(pid)
    return code if code == -signal.SIGKILL else None


def hashes(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file under a folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Names to the left, numbers to the right."""
    cells = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        first, *rest = (text for text in row)
        numbers = [text.rjust(width) for text, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *numbers]), flush=True)
