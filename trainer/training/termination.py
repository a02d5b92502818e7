"""SIGTERM while training: finish the step, write a checkpoint, exit."""

import signal
from types import FrameType, TracebackType


class StoppedError(Exception):
    """Training ended early because a worker was asked to stop; the checkpoint is written."""


class Termination:
    """Notes a SIGTERM instead of dying of it, as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Termination":
        self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
