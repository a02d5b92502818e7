"""One line about how far a conversion is, refreshed while it runs."""

import sys
import threading
import time

from pipeline.console.terminal import clear_line, is_terminal, redraw, say
from pipeline.console.texts import bytes_text, clock, counted
from pipeline.conversion.work_dir import WorkDir

_TERMINAL_SECS = 1.0
_LOG_SECS = 10.0


class ProgressLine:
    """Shows a conversion's progress on standard error until it is closed."""

    def __init__(self, work_dir: WorkDir):
        self._work_dir = work_dir
        self._is_terminal = is_terminal(sys.stderr)
        self._first: tuple[float, int] | None = None  # When, and how much was written then.
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ProgressLine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        clear_line(sys.stderr)

    def _run(self) -> None:
        while not self._stopped.wait(_TERMINAL_SECS if self._is_terminal else _LOG_SECS):
            progress, plan = self._work_dir.read_progress(), self._work_dir.read_plan()
            bytes_per_sec = self._rate(progress.get("size_bytes", 0)) if plan else 0.0
            line = progress_text(progress, plan, bytes_per_sec)
            if self._is_terminal:
                redraw(line, sys.stderr)
            else:
                say(line, sys.stderr)
                sys.stderr.flush()

    def _rate(self, size_bytes: int) -> float:
        """Bytes per second since the first look: starting workers, before it, tells nothing."""
        now = time.monotonic()
        self._first = self._first or (now, size_bytes)
        secs = now - self._first[0]
        return (size_bytes - self._first[1]) / secs if secs else 0.0


def progress_text(progress: dict[str, int], plan: dict[str, int], bytes_per_sec: float) -> str:
    """The line: what is done and, where the rate is known, how long the rest will take."""
    if not plan:
        described = progress.get("described", 0)
        return f"described {counted(described, 'input')}" if described else "starting"
    written, size_bytes = progress.get("written", 0), progress.get("size_bytes", 0)
    text = (
        f"wrote {written:,} of {counted(plan['records'], 'record')}, {bytes_text(size_bytes)} of "
        f"{bytes_text(plan['size_bytes'])}"
    )
    if bytes_per_sec <= 0:
        return text
    left = clock((plan["size_bytes"] - size_bytes) / bytes_per_sec)
    return f"{text}, {bytes_text(bytes_per_sec)}/s, {left} left"
