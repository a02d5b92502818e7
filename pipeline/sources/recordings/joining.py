"""From what was read of each channel to one signal: gaps closed, one rate, one array."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gaps.closing import Closed, close_gaps, said_of, stretches_of
from pipeline.sources.narrowing import cast
from pipeline.sources.recordings.resampling import resampled
from pipeline.sources.recordings.section_options import SectionOptions
from pipeline.sources.recordings.sections import (
    Channel,
    Part,
    Section,
    find_section,
    source_places,
)
from pipeline.sources.source import Stretch, Stretches
from tfrecords_schema.left_out import LeftOut

Read = Sequence[np.ndarray] | np.ndarray  # Of each part `[samples]`, or `[samples, parts]` of all.


class Joined(NamedTuple):
    """A signal `[samples, channels]`, and what is said of gaps in it."""

    signal: np.ndarray
    left_out: tuple[LeftOut, ...] = ()


def join(section: Section, read: Read, dtype: str, options: SectionOptions) -> Joined:
    """The result of a section.

    Args:
      section: what was read.
      read: for each of its parts that is not None its samples.
      dtype: of the result.
      options: what becomes of gaps, before anything is resampled.

    Raises:
      RejectedInputError: if there is a gap that cannot be filled.
    """
    if not options.closes_gaps:
        return Joined(_columns(section, read, dtype))
    parts = [part for part in section.parts if part]
    if isinstance(read, np.ndarray) and len({part[1:] for part in parts}) == 1:
        channels = [part.channel for part in parts]
        closed = [close_gaps(read, dtype, options, _own_rate(section, parts[0]), channels)]
        signal = _columns(section, closed[0].values, dtype)
    else:
        columns = [*read.T] if isinstance(read, np.ndarray) else read
        closed = [
            close_gaps(values, dtype, options, _own_rate(section, part), [part.channel])
            for values, part in zip(columns, parts, strict=True)
        ]
        signal = _columns(section, [one.values for one in closed], dtype)
    left_out = said_of(sum(one.changed for one in closed), options)
    if options.adds_mask:
        mask = _mask(section, closed, parts).astype(signal.dtype)
        signal = np.concatenate([signal, mask[:, np.newaxis]], axis=1)
    return Joined(signal, left_out)


def stretches(section: Section, read: Read, dtype: str) -> Sequence[Stretch]:
    """The stretches of a section in which all channels have values, on the fastest one's clock."""
    parts = [part for part in section.parts if part]
    slowest = min(part.factor for part in parts)
    fastest = next(part for part in parts if part.factor == slowest)
    are_gaps = np.zeros(fastest.stop - fastest.start, bool)
    columns = [*read.T] if isinstance(read, np.ndarray) else read
    for values, part in zip(columns, parts, strict=True):
        relative = part._replace(factor=part.factor / fastest.factor)
        places = source_places(relative, len(are_gaps))
        are_gaps |= ~np.isfinite(cast(values, dtype))[places]
    return stretches_of(are_gaps, fastest.start)


def long_enough(
    found: Sequence[Stretch], channels: Sequence[Channel], options: SectionOptions
) -> Stretches:
    """Those of a recording's stretches that fill a step, and how many do not."""
    needed = options.window if options.window and options.tail == "drop" else 1

    def is_long(stretch: Stretch) -> bool:
        try:
            return find_section(channels, options, stretch).samples >= needed
        except RejectedInputError:  # It has no sample of a channel with a low rate.
            return False

    kept = [*filter(is_long, found)]
    return Stretches(kept, len(found) - len(kept))


def _columns(section: Section, read: Read, dtype: str) -> np.ndarray:
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


def _mask(section: Section, closed: Sequence[Closed], parts: Sequence[Part]) -> np.ndarray:
    """Whether all channels were recorded, `[samples]` bool."""
    found = np.ones(section.samples, bool)
    for one, part in zip(closed, parts, strict=False):  # One alone is for all.
        if one.are_gaps is not None:
            found &= ~one.are_gaps[source_places(part, section.samples)]
    return found


def _own_rate(section: Section, part: Part) -> float:
    return float(section.rate_hz / part.factor)
