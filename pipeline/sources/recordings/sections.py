"""What is read of a recording: which channels, from which sample to which, at which rate."""

import fnmatch
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import normal
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.resampling import ratio, resampled, resampled_length

_TOLERANCE = 1e-6  # Of a sample: times are decimal fractions, rates may be none.


class Channel(NamedTuple):
    """A channel as a file's header has it; `rate_hz` is 0 if the file does not say it."""

    name: str
    rate_hz: float
    samples: int
    unit: str = ""


class Part(NamedTuple):
    """What is read of one channel: samples `start` to `stop` of channel `channel`, then resampled.

    Of a channel that is missing, and replaced by zeros, there is nothing to read.
    """

    channel: int
    start: int
    stop: int
    factor: Fraction


class Section(NamedTuple):
    """What is read of a recording.

    Attributes:
      parts: each channel of the result in its order; None for zeros.
      samples: of each in the end.
      rate_hz: in the end; 0 if unknown.
    """

    parts: tuple[Part | None, ...]
    samples: int
    rate_hz: float


def find_section(channels: Sequence[Channel], options: RecordingOptions) -> Section:
    """What options choose of a recording.

    Raises:
      RejectedInputError: if a channel is missing, rates are unlike and not resampled, or nothing
        is left.
    """
    chosen = _choose(channels, options)
    found = [channels[index] for index in chosen if index is not None]
    rate_hz = options.rate_hz or _one_rate(found)
    parts = [None if i is None else _part(i, channels[i], rate_hz, options) for i in chosen]
    lengths = [resampled_length(p.stop - p.start, p.factor) for p in parts if p]
    if max(lengths) - min(lengths) > 1:
        raise RejectedInputError(
            f"its channels have {min(lengths)} to {max(lengths)} samples; choose those of one "
            "length with --channels"
        )
    if min(lengths) < 1:
        raise RejectedInputError(
            f"it has no sample from {options.from_secs:g} s on"
            f"{'' if options.to_secs is None else f' to {options.to_secs:g} s'}; check "
            "--from_secs and --to_secs, or remove it"
        )
    return Section(tuple(parts), min(lengths), rate_hz)


def join_parts(section: Section, read: Sequence[np.ndarray] | np.ndarray, dtype: str) -> np.ndarray:
    """The result of a section.

    Args:
      section: what was read.
      read: for each of its parts that is not None its samples, `[samples]`; or `[samples, parts]`.
      dtype: of the result.

    Returns:
      `[samples, channels]`.
    """
    if isinstance(read, np.ndarray):
        if all(part and part.factor == 1 for part in section.parts):
            return read[: section.samples].astype(dtype, copy=False)
        read = [*read.T]
    joined = np.zeros((section.samples, len(section.parts)), dtype)
    columns = [column for column, part in enumerate(section.parts) if part]
    for column, values in zip(columns, read, strict=True):
        part = section.parts[column]
        assert part is not None
        if part.factor != 1:
            values = resampled(values[:, np.newaxis], part.factor)[:, 0]
        with np.errstate(over="ignore"):  # What float32 cannot hold is found as infinity later.
            joined[:, column] = values[: section.samples]
    return joined


def source_samples(section: Section) -> np.ndarray:
    """For each sample of the result the file's that it begins in, `[samples]`, of its labels."""
    part = next(part for part in section.parts if part)
    after = np.arange(section.samples) * part.factor.denominator // part.factor.numerator
    return part.start + np.minimum(after, part.stop - part.start - 1)


def _choose(channels: Sequence[Channel], options: RecordingOptions) -> list[int | None]:
    if not channels:
        raise RejectedInputError("it has no channel with a signal; remove it")
    if not options.channels:
        return [*range(len(channels))]
    names = [normal(channel.name) for channel in channels]
    chosen: list[int | None] = []
    for pattern in map(normal, options.channels):
        found = [i for i, name in enumerate(names) if name == pattern] or [
            i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)
        ]
        if not found and options.missing_channels == "reject":
            raise RejectedInputError(
                f"no channel {pattern!r} (--channels); it has {', '.join(names[:50])}; remove it, "
                "or use --missing_channels=zero"
            )
        chosen += [i for i in found if i not in chosen] or ([] if found else [None])
    if all(index is None for index in chosen):
        raise RejectedInputError("it has none of the channels in --channels; remove it")
    return chosen


def _one_rate(channels: Sequence[Channel]) -> float:
    rates = {channel.rate_hz for channel in channels}
    if len(rates) > 1:
        some = ", ".join(f"{channel.name} {channel.rate_hz:g}" for channel in channels[:20])
        raise RejectedInputError(
            f"its channels have unlike rates ({some} Hz); choose those of one rate with "
            "--channels, or make them one with --resample_hz"
        )
    return rates.pop()


def _part(index: int, channel: Channel, rate_hz: float, options: RecordingOptions) -> Part:
    own_hz = channel.rate_hz or rate_hz  # A file that does not say it has what the flag says.
    if own_hz != rate_hz and not options.resample_hz:
        raise RejectedInputError(
            f"channel {channel.name} has {own_hz:g} samples per second, not --sample_rate_hz="
            f"{rate_hz:g}; bring all to one rate with --resample_hz, or remove it"
        )
    if options.resample_hz and not channel.rate_hz:
        raise RejectedInputError("its rate is not known, so that it cannot be resampled; remove it")
    if not own_hz and (options.from_secs or options.to_secs is not None):
        raise RejectedInputError(
            "its rate is not known, which --from_secs and --to_secs need; give --sample_rate_hz"
        )
    start = min(first_sample(options.from_secs, own_hz), channel.samples)
    stop = channel.samples
    if options.to_secs is not None:
        stop = min(stop, first_sample(options.to_secs, own_hz))
    return Part(index, start, stop, ratio(own_hz, rate_hz) if own_hz else Fraction(1))


def first_sample(secs: float, rate_hz: float) -> int:
    """The first sample at or after a time."""
    return math.ceil(secs * rate_hz - _TOLERANCE)
