"""Recordings that are there as arrays, in padded batches like those of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.sources.windows import cut_in_windows, recorded_window
from tfrecords_schema import DatasetError, InputSpec
from trainer.data.raw_batches import RawBatch, RawRow, in_batches, raw_batch


class RawArrays:
    """Recordings as a model takes them: `[time, *step_shape]`, or continuous where it cuts windows.

    Their rate, channels and units are those of the recordings that it learnt from.
    """

    def __init__(self, recordings: Sequence[Any], spec: InputSpec, options: dict[str, Any]):
        """Prepares them.

        Args:
          recordings: arrays, a recording each.
          spec: what the model takes.
          options: the options that a manifest records: whether and how windows are cut.

        Raises:
          DatasetError: there are none, or one is not what the model takes.
        """
        if not len(recordings):
            raise DatasetError("there are no recordings to predict; give at least one array")
        self._spec = spec
        self._pads = options.get("tail") == "pad"
        self._window = spec.step_shape[0] if recorded_window(options)[0] else 0
        self._rows = [self._row(number, given) for number, given in enumerate(recordings)]

    def batches(self, batch_size: int) -> Iterator[RawBatch]:
        """All recordings, in batches of at most `batch_size`, in their order."""
        for rows in in_batches(self._rows, batch_size):
            yield raw_batch(rows, [row.path for row in rows], [""] * len(rows), self._spec)

    def _row(self, number: int, given: Any) -> RawRow:
        found, shape = np.asarray(given), self._spec.step_shape
        data, padding = self._cut(found)
        is_safe = np.can_cast(found.dtype, self._spec.dtype, "same_kind")
        if data.shape[1:] != shape or not len(data) or not is_safe:
            expected = f"{self._spec.dtype} [time, {', '.join(map(str, shape))}]"
            if self._window:
                expected += f", or [samples, ...] of at least one window of {self._window}"
            raise DatasetError(
                f"recording {number} is {found.dtype} {[*found.shape]}, the model takes {expected}"
            )
        if found.dtype.kind == "f" and not np.isfinite(data).all():
            raise DatasetError(f"recording {number} holds NaN or infinity; repair or leave it out")
        return RawRow(number, str(number), data.astype(self._spec.dtype), padding)

    def _cut(self, found: np.ndarray) -> tuple[np.ndarray, int]:
        """A recording in steps, and the samples that its last step lacks."""
        if not self._window or found.ndim != len(self._spec.step_shape) or not len(found):
            return np.atleast_1d(found), 0
        whole, rest = divmod(len(found), self._window)
        steps = whole + bool(rest and self._pads)
        padding = -len(found) % self._window if self._pads else 0
        return cut_in_windows(found, steps, self._window), padding
