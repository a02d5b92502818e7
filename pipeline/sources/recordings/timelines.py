"""Files of parts with time between them, on a clock without gaps."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError


class Timeline(NamedTuple):
    """The data records of a file, each at its time.

    Attributes:
      onsets_secs: when each begins, from the first one's beginning on, `[records]`.
      record_secs: how long each is.
    """

    onsets_secs: np.ndarray
    record_secs: float

    @property
    def gaps(self) -> np.ndarray:
        """Indexes of the data records before which is time without samples."""
        late = np.diff(self.onsets_secs) - self.record_secs
        return np.flatnonzero(late > 1e-6 * self.record_secs) + 1

    def samples(self, per_record: int) -> int:
        """Samples from the first to the end of the last, with those that gaps would have."""
        return int(self._places(per_record)[-1]) + per_record

    def read(
        self, start: int, stop: int, per_record: int, load: Callable[[int, int], np.ndarray]
    ) -> np.ndarray:
        """Samples of a channel, NaN in gaps.

        Args:
          start: the first.
          stop: end of them.
          per_record: samples of the channel in a data record.
          load: from first sample and end in the file to values.

        Returns:
          `[stop - start]` float32.
        """
        found = np.full(stop - start, np.nan, np.float32)
        places = self._places(per_record)
        heads = np.flatnonzero(np.diff(places, prepend=-per_record - 1) != per_record)
        for head, end in zip(heads, [*heads[1:], len(places)], strict=True):
            begin, in_file = int(places[head]), int(head) * per_record
            first, last = max(start, begin), min(stop, begin + int(end - head) * per_record)
            if first < last:
                values = load(first - begin + in_file, last - begin + in_file)
                found[first - start : last - start] = values
        return found

    def _places(self, per_record: int) -> np.ndarray:
        """The first sample of each data record, the nearest to its time."""
        return np.rint(self.onsets_secs * (per_record / self.record_secs)).astype(np.int64)


def timeline_of(onsets_secs: np.ndarray, record_secs: float) -> Timeline:
    """The timeline of data records.

    Raises:
      RejectedInputError: if one begins before the end of that before.
    """
    late = np.diff(onsets_secs) - record_secs
    if not record_secs > 0 or not np.isfinite(onsets_secs).all() or late.min(initial=0) < -1e-6:
        raise RejectedInputError(
            "its data records are not one after the other in time; sort and save it again"
        )
    return Timeline(onsets_secs - onsets_secs[:1], record_secs)
