"""Mean, deviation and range per channel, gathered record by record in float64.

Chan, Golub and LeVeque's pairwise update (1979): sums of squares would cancel where the mean is
large against the deviation. The same records in the same order give the same bits.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from tfrecords_schema.channels import ChannelRole, absent
from tfrecords_schema.manifest import Statistics

_CHUNK_VALUES = 1 << 16  # A float64 copy of this size stays in the processor's cache.


@dataclasses.dataclass(frozen=True)
class ChannelSums:
    """Moments of all values seen so far; every list has one entry per channel (last axis).

    Attributes:
      count: number of values of each.
      mean: means.
      squares: sums of squared distances from the mean.
      minimum: least values.
      maximum: greatest values.
    """

    count: tuple[int, ...]
    mean: tuple[float, ...]
    squares: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]

    @classmethod
    def empty(cls, channels: int) -> "ChannelSums":
        """No values yet."""
        zero, infinite = (0.0,) * channels, (math.inf,) * channels
        below = tuple(-value for value in infinite)
        return cls((0,) * channels, zero, zero, infinite, below)

    @classmethod
    def of(cls, values: np.ndarray) -> "ChannelSums":
        """Moments of an array `[..., channels]` of any numeric dtype."""
        rows = values.reshape(-1, values.shape[-1])
        step = max(1, _CHUNK_VALUES // rows.shape[1])
        total = cls.empty(rows.shape[1])
        with np.errstate(invalid="ignore"):  # What is not finite shows in minimum and maximum.
            for start in range(0, len(rows), step * step):  # So what is kept of chunks is small.
                total = total.merge(_moments(rows[start : start + step * step], step))
        return total

    @classmethod
    def of_record(
        cls, signal: np.ndarray, padding: int = 0, roles: Sequence[ChannelRole] = ()
    ) -> "ChannelSums":
        """Moments of what was recorded.

        Args:
          signal: `[time, *step_shape]`.
          padding: samples at its end that only fill the last step.
          roles: of its channels; those that the recording lacks have no values.
        """
        channels = signal.shape[-1] if signal.ndim > 1 else 1
        found = cls.of(signal.reshape(-1, channels)[: -padding or None])
        lacks = absent(signal, roles) if roles and found.is_finite else np.zeros(0, bool)
        if not lacks.any():
            return found
        pairs = zip(
            dataclasses.astuple(cls.empty(channels)), dataclasses.astuple(found), strict=True
        )
        return cls(*(tuple(np.where(lacks, none, own).tolist()) for none, own in pairs))

    @property
    def is_finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        ranges = zip(self.count, self.minimum, self.maximum, strict=True)
        return all(math.isfinite(low + high) for count, low, high in ranges if count)

    def merge(self, other: "ChannelSums") -> "ChannelSums":
        """Moments of both; the order of merging decides the last bits."""
        if not any(self.count) or not any(other.count):
            return self if any(self.count) else other
        mean, other_mean = np.array(self.mean), np.array(other.mean)
        apart = other_mean - mean
        squares = np.array(self.squares) + np.array(other.squares)
        # Whole numbers of any size; few pairs are unlike.
        pairs = [*zip(self.count, other.count, strict=True)]
        shares = {(n, m): (m / (n + m), n * m / (n + m)) if m else (0.0, 0.0) for n, m in {*pairs}}
        share, weight = np.array([shares[pair] for pair in pairs]).reshape(-1, 2).T
        return ChannelSums(
            tuple(n + m for n, m in pairs),
            tuple((mean + apart * share).tolist()),
            tuple((squares + apart**2 * weight).tolist()),
            tuple(np.minimum(self.minimum, other.minimum).tolist()),
            tuple(np.maximum(self.maximum, other.maximum).tolist()),
        )

    def statistics(self) -> Statistics:
        """The manifest's form; a channel without any value is all 0 there."""
        columns = [self.mean, self.squares, self.minimum, self.maximum]
        mean, squares, minimum, maximum = (
            tuple(value if n else 0.0 for value, n in zip(column, self.count, strict=True))
            for column in columns
        )
        ranges = zip(self.count, minimum, maximum, squares, strict=True)
        # Equal values have a rounded mean, and a deviation of nothing but that.
        deviation = tuple(
            math.sqrt(square / count) if low < high else 0.0 for count, low, high, square in ranges
        )
        return Statistics(mean, deviation, minimum, maximum, max(self.count))


def merged(parts: Iterable[ChannelSums | None]) -> ChannelSums | None:
    """Moments of all parts that there are, in their order: another would change the last bits."""
    total = None
    for part in filter(None, parts):
        total = part if total is None else total.merge(part)
    return total


def _moments(rows: np.ndarray, step: int) -> ChannelSums:
    """Moments of rows `[rows, channels]`, `step` of which fit in the cache."""
    starts = range(0, len(rows), step)
    moments = np.empty((4, len(starts), rows.shape[1]))
    copy = np.empty((rows.shape[1], min(step, len(rows))))
    for number, start in enumerate(starts):
        chunk = rows[start : start + step]
        _add_moments(chunk, copy[:, : len(chunk)], moments[:, number])
    counts = np.diff([*starts, len(rows)])[:, None]
    found = _combine(counts, *moments)
    return ChannelSums((len(rows),) * rows.shape[1], *(tuple(part.tolist()) for part in found))


def _add_moments(rows: np.ndarray, copy: np.ndarray, moments: np.ndarray) -> None:
    """Writes mean, squares, minimum and maximum per channel to `moments`, `[4, channels]`."""
    mean, squares, minimum, maximum = moments
    copy[...] = rows.T  # One channel after the other: NumPy is 10 times slower on a strided axis.
    copy.min(axis=1, out=minimum)
    copy.max(axis=1, out=maximum)
    copy.mean(axis=1, out=mean)
    copy -= mean[:, None]
    # Not `dot`: BLAS adds up in an order that depends on the processor and the number of threads.
    np.square(copy, out=copy)
    copy.sum(axis=1, out=squares)


def _combine(
    counts: np.ndarray, mean: np.ndarray, squares: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Moments `[channels]` of all chunks from those `[chunks, channels]` of each."""
    total = (mean * counts).sum(axis=0) / counts.sum()
    apart = ((mean - total) ** 2 * counts).sum(axis=0)
    return total, squares.sum(axis=0) + apart, low.min(axis=0), high.max(axis=0)
