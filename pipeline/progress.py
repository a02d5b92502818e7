"""One line about how far a conversion is, refreshed while it runs."""

import sys
import threading
import time

from pipeline.console import clear_line, is_terminal, redraw
from pipeline.work_dir import WorkDir

_TERMINAL_SECS = 1.0
_LOG_SECS = 10.0
_MB = 1e6


class ProgressLine:
    """Shows a conversion's progress on standard error until it is closed."""

    def __init__(self, work_dir: WorkDir):
        self._work_dir = work_dir
        self._is_terminal = is_terminal(sys.stderr)
        self._stopped = threading.Event()
        self._started_secs = time.monotonic()
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
            line = progress_text(
                self._work_dir.read_progress(),
                self._work_dir.read_plan(),
                time.monotonic() - self._started_secs,
            )
            if self._is_terminal:
                redraw(line, sys.stderr)
            else:
                print(line, file=sys.stderr, flush=True)


def progress_text(progress: dict[str, int], plan: dict[str, int], elapsed_secs: float) -> str:
    """The line: what is done, how fast, and how long it will take."""
    if not plan:
        described = progress.get("described", 0)
        return f"described {described:,} inputs" if described else "starting"
    written, size_bytes = progress.get("written", 0), progress.get("size_bytes", 0)
    rate = size_bytes / elapsed_secs
    left = (plan["size_bytes"] - size_bytes) / rate if rate else 0.0
    return (
        f"wrote {written:,} of {plan['records']:,} records, {size_bytes / _MB:,.0f} of "
        f"{plan['size_bytes'] / _MB:,.0f} MB, {rate / _MB:,.0f} MB/s, {_duration(left)} left"
    )


def _duration(secs: float) -> str:
    minutes, seconds = divmod(round(secs), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
