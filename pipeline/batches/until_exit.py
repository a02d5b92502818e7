"""Calls of Python from threads of TensorFlow: none is under way when the interpreter ends.

A thread that asks for Python's lock then is ended on the spot, and in C++ with it the process.
"""

import atexit
import contextlib
import threading
from collections.abc import Iterator

_LONGEST_SECS = 10.0


class Calls:
    """Those that are under way."""

    def __init__(self) -> None:
        self._under_way, self._ended = 0, False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A call.

        Raises:
          RuntimeError: the process is about to end.
        """
        with self._changed:
            if self._ended:
                raise RuntimeError("the process is about to end")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def end(self) -> bool:
        """Waits for those under way, and refuses others from now on; whether none is left."""
        with self._changed:
            self._ended = True
            return self._changed.wait_for(lambda: not self._under_way, _LONGEST_SECS)


calls = Calls()
atexit.register(calls.end)
