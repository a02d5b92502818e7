"""Instants of a process between its writes, renames and removals below a folder, to be killed at.

Each change of a name, each write of a file and each commit of SQLite makes two: before it, or half
way through a write, and behind it. Python's own functions and those of TensorFlow that Python calls
are seen; what TensorFlow writes in C++, such as a SavedModel, is one of the stretches between.
"""

import os
import pathlib
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrecords_schema import storage

_CHANGES = (
    (tf.io.gfile, ("rename", "remove", "copy")),
    (shutil, ("rmtree", "copyfile")),
    (os, ("rmdir",)),
    (storage, ("_exchange",)),
)
_DATABASES = "sqlalchemy.engine.default"  # Which only searches need.


class Instants:
    """Counts the instants of this process from here on.

    Attributes:
      passed: how many there were.
    """

    def __init__(self, root: pathlib.Path, kill_at: int = 0):
        """Begins to count.

        Args:
          root: what is not below it does not count; commits do.
          kill_at: the number of the instant at which this process is killed; 0 for none.
        """
        self.passed = 0
        self._root, self._kill_at = str(root), kill_at
        for place, names in _CHANGES:
            for name in names:
                setattr(place, name, self._around(getattr(place, name)))
        if databases := sys.modules.get(_DATABASES):
            dialect: Any = databases.DefaultDialect
            dialect.do_commit = self._around(dialect.do_commit)
        count = self

        class HalfFile(tf.io.gfile.GFile):
            def write(self, file_content: bytes) -> None:
                if not count._is_below(self.name):
                    return super().write(file_content)
                half = len(file_content) // 2
                super().write(file_content[:half])
                self.flush()
                count._instant()
                super().write(file_content[half:])
                self.flush()
                count._instant()

        tf.io.gfile.GFile = HalfFile

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if not any(map(self._is_below, args)) and call.__name__ != "do_commit":
                return call(*args, **options)
            self._instant()
            done = call(*args, **options)
            self._instant()
            return done

        return wrapped

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and self._root in os.fsdecode(path)

    def _instant(self) -> None:
        self.passed += 1
        if self.passed == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
