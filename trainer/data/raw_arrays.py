"""Recordings that are there as arrays, in padded batches like those of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.sources.windows import cut_in_windows, recorded_window
from tfrecords_schema import DatasetError, InputSpec
from trainer.data.given_files import frames_given, read_given
from trainer.data.raw_batches import RawBatch, RawRow, in_batches, raw_batch


class RawArrays:
    """Recordings as a model takes them: `[time, *step_shape]`, or continuous where it cuts windows.

    Their rate, channels and units are those of the recordings that it learnt from.
    """

    def __init__(self, recordings: Sequence[Any], spec: InputSpec, options: dict[str, Any]):
        """Prepares them.

        Args:
          recordings: arrays, a recording each; or dicts of all arrays of one, as npz files of the
            conversion have them.
          spec: what the model takes.
          options: the options that a manifest records: whether and how windows are cut.

        Raises:
          DatasetError: there are none, or one is not what the model takes.
        """
        if not len(recordings):
            raise DatasetError("there are no recordings to predict; give at least one array")
        self._spec, self._options = spec, options
        self._pads = options.get("tail") == "pad"
        self._window = spec.step_shape[0] if recorded_window(options)[0] else 0
        self._rows = [self._row(number, given) for number, given in enumerate(recordings)]

    def batches(self, batch_size: int) -> Iterator[RawBatch]:
        """All recordings, in batches of at most `batch_size`, in their order."""
        for rows in in_batches(self._rows, batch_size):
            yield raw_batch(rows, [row.path for row in rows], [""] * len(rows), self._spec)

    def _row(self, number: int, given: Any) -> RawRow:
        shape = self._spec.step_shape
        beside = None
        if self._spec.beside:
            given, beside = frames_given(given, number, self._spec, self._options)
        if isinstance(given, Mapping):
            found, padding = read_given(given, number, self._options)
            data = found
        else:
            found = np.asarray(given)
            data, padding = self._cut(found)
        is_safe = np.can_cast(found.dtype, self._spec.dtype, "same_kind")
        if data.shape[1:] != shape or not len(data) or not is_safe:
            expected = f"{self._spec.dtype} [time, {', '.join(map(str, shape))}]"
            if self._window:
                expected += f", or [samples, ...] of at least one window of {self._window}"
            raise DatasetError(
                f"recording {number} is {found.dtype} {[*found.shape]}, the model takes {expected}"
            )
        with np.errstate(over="ignore"):
            cast = data.astype(self._spec.dtype)
        if cast.dtype.kind == "f" and not np.isfinite(cast).all():
            raise DatasetError(
                f"recording {number} holds NaN, infinity or what {cast.dtype} has no room for; "
                "repair or leave it out"
            )
        if cast.dtype.kind in "iu" and (cast != data).any():
            raise DatasetError(
                f"recording {number} has values outside {cast.dtype}; scale it like the recordings "
                "that the model learnt from"
            )
        return RawRow(number, str(number), cast, padding, beside)

    def _cut(self, found: np.ndarray) -> tuple[np.ndarray, int]:
        """A recording in steps, and the samples that its last step lacks."""
        if not self._window or found.ndim != len(self._spec.step_shape) or not len(found):
            return np.atleast_1d(found), 0
        steps = (len(found) + (self._window - 1) * self._pads) // self._window
        return cut_in_windows(found, steps, self._window), max(0, steps * self._window - len(found))
