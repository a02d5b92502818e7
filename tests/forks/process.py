"""Processes of their own that start at once: forks of one that has imported TensorFlow.

Importing it takes a new interpreter longer than most tests. The process that is forked is started
once, by the first test that needs it; it has imported and begun nothing.
"""

import contextlib
import importlib
import multiprocessing
import os
import pathlib
import signal
import sys
import time
import traceback
from collections.abc import Mapping

TIMEOUT_SECS = 240
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.forks.preloaded"])


class Process:
    """A module's `main` in a process of its own, as `python -m` would run it."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: pathlib.Path,
        environment: Mapping[str, str] | None = None,
        unread: bool = False,
    ):
        """Starts it.

        Args:
          module: has `main`, which takes the arguments and returns the exit status.
          *arguments: for `main`.
          log: takes what is printed.
          environment: variables to set besides those that this process had at the first start.
          unread: whether nobody reads its output; the log takes errors alone.
        """
        self._log = log
        given = (module, [*map(str, arguments)], str(log), dict(environment or {}), unread)
        self._process = _FORKS.Process(target=_run, args=given, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        """The exit status, or minus the number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Waits for the end; the exit status."""
        self._process.join(TIMEOUT_SECS)
        if (code := self._process.exitcode) is None:
            self.kill()
            raise AssertionError(f"no end in {TIMEOUT_SECS} s: {self.output()}")
        return code

    def send_signal(self, number: int) -> None:
        """Sends it a signal."""
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kills it at once."""
        self._process.kill()
        self._process.join(TIMEOUT_SECS)

    def output(self) -> str:
        """What was printed up to now."""
        return self._log.read_text() if self._log.exists() else ""

    def succeed(self) -> str:
        """Waits for the end, which must be a good one; what was printed."""
        assert self.wait() == 0, self.output()
        return self.output()

    def kill_at(self, folder: pathlib.Path, pattern: str) -> None:
        """Kills it as soon as a file of a pattern is in a folder."""
        deadline = time.monotonic() + TIMEOUT_SECS
        while not [*folder.glob(pattern)]:
            assert self.poll() is None, self.output()
            assert time.monotonic() < deadline, f"no {pattern} in {TIMEOUT_SECS} s"
            time.sleep(0.005)
        self.kill()


def _run(
    module: str, arguments: list[str], log: str, environment: dict[str, str], unread: bool
) -> None:
    importlib.import_module("tests.forks.preloaded")  # What cannot be preloaded is passed over.
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if unread:
        read, write = os.pipe()
        os.dup2(write, 1)
        os.close(read)
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: object = 70
    try:
        code = importlib.import_module(module).main(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
