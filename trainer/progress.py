"""What a person sees while training runs: a bar on a terminal, one line per epoch anywhere."""

import sys
import time
from typing import TextIO

_BAR_WIDTH = 20
_REFRESH_SECS = 0.2


class Progress:
    """Shows one epoch after another."""

    def __init__(self, epochs: int, stream: TextIO | None = None):
        self._epochs = epochs
        self._stream = stream or sys.stderr
        self._shown_at = 0.0
        self._step_secs: float | None = None

    def step(self, epoch: int, step: int, num_steps: int, loss: float, elapsed_secs: float) -> None:
        """Redraws the bar, at most five times a second and on terminals only."""
        now = time.monotonic()
        if not self._stream.isatty() or (now - self._shown_at < _REFRESH_SECS and step < num_steps):
            return
        self._shown_at = now
        filled = _BAR_WIDTH * step // num_steps
        left = elapsed_secs / step * (num_steps - step)
        self._stream.write(
            f"\r\x1b[Kepoch {epoch + 1}/{self._epochs} "
            f"[{'=' * filled}{'.' * (_BAR_WIDTH - filled)}] {step}/{num_steps} "
            f"loss {loss:.4f}, {clock(left)} left"
        )
        self._stream.flush()

    def epoch(self, epoch: int, line: dict, epochs_left_secs: float) -> None:
        """Writes the line of a finished epoch."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K")
        parts = [f"epoch {epoch + 1}/{self._epochs}", _metrics("train", line["train"])]
        if line["validation"]:
            parts.append(_metrics("validation", line["validation"]))
        parts.append(f"{line['valid_steps_per_sec']:,.0f} steps/s")
        parts.append(f"padding {line['padding_share']:.0%}")
        parts.append(f"waited {line['input_wait_share']:.0%}")
        parts.append(f"{clock(epochs_left_secs)} left")
        self._stream.write(" | ".join(parts) + "\n")
        self._stream.flush()


def clock(secs: float) -> str:
    """`1:05`, or `2:00:09` from an hour on."""
    minutes, seconds = divmod(max(0, round(secs)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _metrics(name: str, values: dict[str, float]) -> str:
    shown = [key for key in ("loss", "accuracy", "rmse", "mae") if key in values]
    return f"{name} " + " ".join(f"{key} {values[key]:.4f}" for key in shown)
