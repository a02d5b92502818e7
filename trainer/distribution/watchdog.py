"""Ends a worker whose training stands still, and says which other worker it waits for.

A worker that dies is noticed by TensorFlow. One that hangs is not: its connections stay, and the
others would wait in the reduction of a step forever.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import context

from pipeline.console.exit_codes import LOST_WORKER
from trainer.distribution.cluster import Worker

# The first step compiles; it may take this many times as long.
_FIRST_STEP_FACTOR = 5
_LOOKS_PER_TIMEOUT = 20
# How long the workers that stand still give each other to say so.
_ASKING_SECS = 3.0
_ASKING_LIMIT_SECS = 10.0


class Watchdog:
    """Watches the steps of one of several workers; does nothing where there is only one."""

    def __init__(self, worker: Worker, timeout_secs: float):
        self._worker = worker
        self._timeout_secs = timeout_secs
        self._number, self._in_step, self._is_first = 0, False, True
        self._deadline = time.monotonic() + _FIRST_STEP_FACTOR * timeout_secs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watchdog":
        if self._worker.count > 1:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """The time in which this worker takes part in a step of all of them."""
        self._extend(number, in_step=True)
        yield
        self._is_first = False
        self._extend(number, in_step=False)

    def _extend(self, number: int, *, in_step: bool) -> None:
        self._number, self._in_step = number, in_step
        factor = _FIRST_STEP_FACTOR if self._is_first else 1
        self._deadline = time.monotonic() + factor * self._timeout_secs

    def _watch(self) -> None:
        while not self._ended.wait(self._timeout_secs / _LOOKS_PER_TIMEOUT):
            if time.monotonic() > self._deadline:
                self._give_up()

    def _give_up(self) -> None:
        where = f"in step {self._number}, waiting for {self._names_of_missing()}"
        if not self._in_step:
            where = f"itself after step {self._number}, in its input, a callback or a checkpoint"
        sys.stderr.write(
            f"error: worker {self._worker.number} stands still for {self._timeout_secs:g} s "
            f"(--worker_timeout_secs) {where}. Start all workers again: they go on from the last "
            "checkpoint\n"
        )
        sys.stderr.flush()
        time.sleep(_ASKING_LIMIT_SECS)  # The others may still be asking; they would get no answer.
        os._exit(LOST_WORKER)  # The main thread is inside TensorFlow and does not come back.

    def _names_of_missing(self) -> str:
        missing: list[int] = []
        asking = threading.Thread(target=lambda: missing.extend(self._missing()), daemon=True)
        asking.start()
        asking.join(_ASKING_LIMIT_SECS)
        if asking.is_alive():
            return "worker 0, which answers no questions either"
        if not missing or self._worker.number in missing:
            return "the others"
        return ", ".join(f"worker {number}" for number in missing)

    def _missing(self) -> list[int]:
        """Workers that do not say that they, too, came to this step and wait."""
        context.context().set_config_key_value(self._key(self._worker.number), "waits")
        time.sleep(_ASKING_SECS)
        return [number for number in range(self._worker.count) if not self._waits(number)]

    def _waits(self, number: int) -> bool:
        try:
            return bool(context.context().get_config_key_value(self._key(number), 500))
        except tf.errors.OpError:
            return False

    def _key(self, number: int) -> str:
        return f"trainer/waits/{self._number}/{number}"
