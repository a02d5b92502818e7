"""What a person sees while training runs: a bar on a terminal, a row per epoch anywhere.

Rows are 79 characters wide: 80 columns are what a terminal has at least.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pipeline.console.terminal import clear_line, is_terminal, paint, redraw
from pipeline.console.texts import clock
from trainer.metrics.table import LOSS, epoch_figures, headline
from trainer.training.timing import Timing

_BAR_WIDTH = 12
_REFRESH_SECS = 0.2
_HEADER_EVERY = 30  # Rows on a terminal, so that the names of columns stay in sight.
_WIDTHS = (9, 9, 9, 9, 9, 10, 8, 7, 9)


class Progress:
    """Shows one epoch after another."""

    def __init__(self, epochs: int, stream: TextIO | None = None):
        self._epochs = epochs
        self._stream = stream or sys.stderr
        self._shown_at = 0.0
        self._rows = 0

    def step(
        self,
        epoch: int,
        step: int,
        num_steps: int,
        sums: Mapping[str, Sequence[float]],
        timing: Timing,
    ) -> None:
        """Redraws the bar, at most five times a second and on terminals only.

        Args:
          epoch: from 0.
          step: steps that are done in it.
          num_steps: that it has.
          sums: metrics of the epoch so far; see `epoch_figures`.
          timing: of the steps.
        """
        now = time.monotonic()
        is_due = now - self._shown_at >= _REFRESH_SECS or step == num_steps
        if not is_due or not is_terminal(self._stream):
            return
        self._shown_at = now
        filled = _BAR_WIDTH * step // num_steps
        bar = f"[{'=' * filled}{'.' * (_BAR_WIDTH - filled)}] {step}/{num_steps}"
        values = epoch_figures(sums)
        figures = " ".join(f"{name} {_figure(values[name])}" for name in _names(values))
        rate = f"{timing.valid_steps_per_sec:,.0f} steps/s"
        left = clock(timing.left_secs(num_steps - step))
        redraw(f"{epoch + 1}/{self._epochs} {bar} {figures} {rate}, {left} left", self._stream)

    def epoch(self, epoch: int, line: dict[str, Any], left_secs: float | None) -> None:
        """Writes the row of a finished epoch, below the names of the columns.

        Args:
          epoch: from 0.
          line: what `metrics.jsonl` says of it.
          left_secs: what the training steps of all later epochs take; None if not known yet.
        """
        clear_line(self._stream)
        if self._rows == 0 or (is_terminal(self._stream) and self._rows % _HEADER_EVERY == 0):
            self._header(line)
        self._rows += 1
        cells = [f"{epoch + 1}/{self._epochs}", *_figures(line["train"])]
        cells += _figures(line["validation"]) if line["validation"] else ["-", "-"]
        cells += [
            f"{line['valid_steps_per_sec']:,.0f}",
            f"{line['padding_share']:.0%}",
            f"{line['input_wait_share']:.0%}",
            clock(left_secs),
        ]
        self._stream.write(f"{_row(cells)}\n")
        self._stream.flush()

    def _header(self, line: dict[str, Any]) -> None:
        of, _, metric = headline(line["train"]).rpartition("/")  # Of several labels the first.
        names, label = [LOSS, _fitting(metric)], ["", _fitting(of)]
        rows = [
            _row(["", "training", "", "validation", "", "valid", "", "", ""]),
            _row(["", *label, *label, "", "", "", ""]),
            _row(["epoch", *names, *names, "steps/s", "padding", "waited", "left"]),
        ]
        for text in filter(None, rows):
            self._stream.write(f"{paint(text, 'bold', self._stream)}\n")


def _names(values: Mapping[str, float]) -> list[str]:
    """The loss and the metric beside it; the rest is in metrics.jsonl."""
    return [LOSS, headline(values)]


def _figures(values: Mapping[str, float]) -> list[str]:
    return [_figure(values[name]) for name in _names(values)]


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"


def _fitting(name: str) -> str:
    """A name as it fits above its column: without its last words, or cut."""
    while len(name) >= _WIDTHS[1] and "_" in name:
        name = name.rpartition("_")[0]
    return name if len(name) < _WIDTHS[1] else f"{name[: _WIDTHS[1] - 4]}..."


def _row(cells: Sequence[str]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
