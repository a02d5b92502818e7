"""What is read of a recording: which channels, from which sample to which, at which rate."""

import fnmatch
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import normal
from pipeline.sources.recordings.resampling import ratio, resampled_length
from pipeline.sources.recordings.section_options import SectionOptions
from pipeline.sources.source import Stretch

_FAR = 2.0**62
_TOLERANCE = 1e-6  # Of a sample: times are decimal fractions, rates may be none.


class Channel(NamedTuple):
    """A channel as a file's header has it; `rate_hz` is 0 if the file does not say it."""

    name: str
    rate_hz: float
    samples: int
    unit: str = ""

    @property
    def clock(self) -> tuple[float, int]:
        """Rate and length; channels of one clock are read in one extent."""
        return self.rate_hz, self.samples


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
      from_secs: time in the file of what is read first; of unknown rate, a sample is a second.
    """

    parts: tuple[Part | None, ...]
    samples: int
    rate_hz: float
    from_secs: float = 0.0


def find_section(
    channels: Sequence[Channel], options: SectionOptions, stretch: Stretch | None = None
) -> Section:
    """What options choose of a recording, or of a stretch of it.

    Raises:
      RejectedInputError: if a channel is missing, rates are unlike and not resampled, or nothing
        is left.
    """
    chosen = _choose(channels, options)
    found = [channels[index] for index in chosen if index is not None]
    rate_hz = options.rate_hz or _one_rate(found)
    span = (options.from_secs, math.inf if options.to_secs is None else options.to_secs)
    if stretch is not None:
        fastest_hz = max(_own_rate(channel, rate_hz, options) for channel in found) or 1.0
        span = (stretch.start / fastest_hz, stretch.stop / fastest_hz)
    extents: dict[tuple[float, int], tuple[int, int, Fraction]] = {}
    for channel in found:  # Mostly all have one rate and length.
        if channel.clock not in extents:
            extents[channel.clock] = _extent(channel, rate_hz, span, options)
    parts = [None if i is None else Part(i, *extents[channels[i].clock]) for i in chosen]
    lengths = [resampled_length(stop - start, by) for start, stop, by in extents.values()]
    shortest, longest = min(lengths), max(lengths)
    if longest - shortest > 1:
        raise RejectedInputError(
            f"its channels have {shortest} to {longest} samples; choose those of one length with "
            "--channels"
        )
    if not any(samples for _, samples in extents):
        raise RejectedInputError("it has no samples; remove it")
    if shortest < 1:
        raise RejectedInputError(
            f"it has no sample from {options.from_secs:g} s on"
            f"{'' if options.to_secs is None else f' to {options.to_secs:g} s'}; check "
            "--from_secs and --to_secs, or remove it"
        )
    return Section(tuple(parts), shortest, rate_hz, span[0])


def source_samples(section: Section) -> np.ndarray:
    """For each sample of the result the file's that it begins in, `[samples]`, of its labels."""
    part = next(part for part in section.parts if part)
    return part.start + source_places(part, section.samples)


def source_places(part: Part, samples: int) -> np.ndarray:
    """For each of so many samples of the result that of the part which it begins in."""
    after = np.arange(samples) * part.factor.denominator // part.factor.numerator
    return np.minimum(after, part.stop - part.start - 1)


def _choose(channels: Sequence[Channel], options: SectionOptions) -> list[int | None]:
    if not channels:
        raise RejectedInputError("it has no channel with a signal; remove it")
    wanted = options.wanted_channels
    if not wanted:
        return [*range(len(channels))]
    names = [normal(channel.name) for channel in channels]
    chosen: list[int | None] = []
    for pattern in map(normal, wanted):
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


def _own_rate(channel: Channel, rate_hz: float, options: SectionOptions) -> float:
    """The rate of a channel; a file that does not say it has what a flag says."""
    return channel.rate_hz or options.file_rate_hz or rate_hz


def _extent(
    channel: Channel, rate_hz: float, span_secs: tuple[float, float], options: SectionOptions
) -> tuple[int, int, Fraction]:
    """First sample and end of what is read of a channel, and how it is resampled."""
    own_hz = _own_rate(channel, rate_hz, options)
    if own_hz != rate_hz and not options.resample_hz:
        raise RejectedInputError(
            f"channel {channel.name} has {own_hz:g} samples per second, not --sample_rate_hz="
            f"{rate_hz:g}; bring all to one rate with --resample_hz, or remove it"
        )
    if options.resample_hz and not (channel.rate_hz or options.file_rate_hz):
        raise RejectedInputError(
            "its rate is not known, so that it cannot be resampled; give --file_rate_hz, or "
            "remove it"
        )
    if not own_hz and (options.from_secs or options.to_secs is not None):
        raise RejectedInputError(
            "its rate is not known, which --from_secs and --to_secs need; give --sample_rate_hz"
        )
    start, stop = (_place(secs, own_hz or 1.0, channel.samples) for secs in span_secs)
    return start, stop, ratio(own_hz, rate_hz) if own_hz else Fraction(1)


def _place(secs: float, rate_hz: float, samples: int) -> int:
    return samples if secs == math.inf else min(first_sample(secs, rate_hz), samples)


def first_sample(secs: float, rate_hz: float) -> int:
    """The first sample at or after a time; of one that no recording reaches some far sample."""
    return math.ceil(min(max(secs * rate_hz, -_FAR), _FAR) - _TOLERANCE)
