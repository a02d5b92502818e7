"""Commands and children: started, waited for, killed at an instant; the files that they leave."""

import contextlib
import hashlib
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator

_LIMIT_SECS = 180.0


def run_module(module: str, *flags: str) -> None:
    """Runs `python -m module` to its end.

    Raises:
      SystemExit: with the command and the end of its output, if it fails.
    """
    command = [sys.executable, "-m", module, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def fork(work: Callable[[], int], log: pathlib.Path) -> int:
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
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start_module(module: str, *flags: str, log: pathlib.Path) -> int:
    """Starts `python -m module` as a child, its output in a file; returns the child's number."""
    command = [sys.executable, "-m", module, *flags]
    return fork(lambda: os.execv(sys.executable, command), log)


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


def finish(pid: int, log: pathlib.Path, limit_secs: float = _LIMIT_SECS) -> float:
    """Waits for a child that nobody disturbs, and that must succeed; returns its seconds."""
    started = time.monotonic()
    if wait(pid, limit_secs):
        raise SystemExit(log.read_text())
    return time.monotonic() - started


def peak_mb(pid: int, limit_secs: float = math.inf) -> tuple[int, float]:
    """Exit status of a child, and the most memory that it took; it is killed after a limit."""
    deadline = time.monotonic() + limit_secs
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1000
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = math.inf
        time.sleep(0.02)


def poll(pid: int) -> int | None:
    """The exit status of a child; None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def reaches(pid: int, is_time: Callable[[], bool], limit_secs: float = _LIMIT_SECS) -> bool:
    """Waits until something is so; False if a child ended before that."""
    deadline = time.monotonic() + limit_secs
    while not is_time():
        if poll(pid) is not None:
            return False
        if time.monotonic() > deadline:
            raise SystemExit(f"process {pid} did not come to where it is to be killed")
        time.sleep(0.001)
    return True


def kill_at(pid: int, is_time: Callable[[], bool], then_secs: float) -> bool:
    """Kills a child some seconds after something is so, and waits for its end.

    Returns:
      False if it ended before that.
    """
    if not reaches(pid, is_time):
        return False
    time.sleep(then_secs)
    os.kill(pid, signal.SIGKILL)
    return wait(pid) == -signal.SIGKILL


def children(pid: int) -> list[int]:
    """Processes that a process started and that are there still, in order of number (Linux)."""
    found: list[int] = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # The thread ended meanwhile.
            found += map(int, path.read_text().split())
    return sorted(found)


def processor_secs() -> float:
    """Of this process and all below it, those that ended and were waited for included (Linux)."""
    waiting, ticks = [os.getpid()], 0
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):  # It ended meanwhile.
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # In user and kernel mode, and so of children.
            waiting += children(pid)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def temporary_folder() -> Iterator[pathlib.Path]:
    """A folder for as long as it is needed; what killed children leave elsewhere goes with it."""
    before = tempfile.gettempdir()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as left:
        os.environ["TMPDIR"] = tempfile.tempdir = left
        try:
            yield pathlib.Path(name)
        finally:
            os.environ["TMPDIR"] = tempfile.tempdir = before


def hashes(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file under a folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
