"""Processes that wait for a word before each measured step, so that several run alternately.

A worker loops over `turns()` and calls `report()`; its parent calls `Worker.step()`.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any


class Worker:
    """A started worker process, ended with the `with` statement.

    Attributes:
        first_secs: from the start of the process to the end of its first step.
    """

    def __init__(self, module: str, *arguments: str, python: str = sys.executable):
        """Starts it, by another environment's interpreter if need be; waits for its first step."""
        self._command = [python, "-m", module, *arguments]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.first = self.step()
        self.first_secs = time.perf_counter() - started

    def step(self) -> dict[str, Any]:
        """Lets it make its next step and returns what it reports."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # What is read below says that it ended.
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(
            f"a worker ended with {self._process.wait()}; to see why, run: yes | "
            + " ".join(self._command)
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def turns() -> Iterator[None]:
    """In a worker: one item for each step that the parent asks for."""
    for _ in sys.stdin:
        yield


def work(once: Callable[[], object], times: int, *, valid_steps: int, parameters: int) -> None:
    """In a worker: works at each turn, and reports its seconds.

    Args:
      once: the work.
      times: how often it is done in a turn.
      valid_steps: of the batch that is worked on each time.
      parameters: of the network.
    """
    for _ in turns():
        started = time.perf_counter(), time.process_time()
        for _ in range(times):
            once()
        report(
            secs=time.perf_counter() - started[0],
            cpu_secs=time.process_time() - started[1],
            valid_steps=valid_steps * times,
            calls=times,
            parameters=parameters,
        )


def report(**figures: Any) -> None:
    """In a worker: answers the parent."""
    print("\n" + json.dumps(figures), flush=True)
