"""What of an array is a recording: all of it, or channels, a section and a rate of it."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.console.options import option
from pipeline.sources.arrays import required_key
from pipeline.sources.gaps.closing import close_gaps, said_of
from pipeline.sources.gaps.options import MASK
from pipeline.sources.names import class_of
from pipeline.sources.npz import ArrayFile
from pipeline.sources.recordings.event_options import EventOptions
from pipeline.sources.recordings.joining import Joined, Read, join
from pipeline.sources.recordings.section_options import SectionOptions
from pipeline.sources.recordings.sections import Channel, Section, find_section, source_samples
from pipeline.sources.source import ChannelName, Stretch


@dataclasses.dataclass(frozen=True)
class ExtentOptions(EventOptions):
    """Channels and rate of arrays."""

    rate_key: str = option(
        "", "Array with the samples per second of a recording; see --resample_hz."
    )
    channel_key: str = option(
        "", "Array with the names of the channels; else they are 0, 1, ..., for --channels."
    )

    @property
    def selects(self) -> bool:
        """Whether a recording is more, or less, than its array as it is."""
        given = (self.channels, self.resample_hz, self.from_secs, self.rate_key, self.channel_key)
        others = (self.adds_mask, self.splits_at_gaps, self.has_events)
        return any(given) or self.to_secs is not None or any(others)


class Extent(NamedTuple):
    """What is a recording of an array whose first axis is time.

    Attributes:
      given: shape of the array.
      shape: shape of the recording.
      section: what it is of the array; None if it is all of it as it is.
      own: the channels of the array; none without a section.
      channels: names of the recording's channels, where the file has some.
      rate_hz: of the recording; 0 if the file does not say it.
    """

    given: tuple[int, ...]
    shape: tuple[int, ...]
    section: Section | None = None
    own: Sequence[Channel] = ()
    channels: tuple[ChannelName, ...] = ()
    rate_hz: float = 0.0

    def read(self, given: np.ndarray) -> Read:
        """The parts of the section, not yet joined; like `Recording.read`."""
        assert self.section is not None
        parts = [part for part in self.section.parts if part]
        columns = [part.channel for part in parts]
        table = given.reshape(len(given), -1)
        return table[parts[0].start : parts[0].stop][:, columns]  # All have one rate.

    def of(self, given: np.ndarray, dtype: str, options: SectionOptions) -> Joined:
        """The recording, in the array's own dtype if it is not resampled.

        Args:
          given: the array.
          dtype: in which it will be stored.
          options: of gaps.

        Raises:
          RejectedInputError: if there is a gap that cannot be filled.
        """
        if self.section is None:
            closed = close_gaps(given, dtype, options, options.rate_hz or 0.0)
            return Joined(closed.values, said_of(closed.changed, options))
        own = "float32" if options.resample_hz else given.dtype.name
        return join(self.section, self.read(given), own, options)

    def of_label(self, label: np.ndarray) -> np.ndarray:
        """A label whose first axis is time, if the recording's is: that of the recording."""
        if self.section is None or not _is_timed(label.shape, self.given):
            return label
        label = label[0] if label.shape[:1] != self.given[:1] else label
        return label[source_samples(self.section)]


def find_extent(
    file: ArrayFile,
    key: str,
    shape: tuple[int, ...],
    options: ExtentOptions,
    stretch: Stretch | None,
) -> Extent:
    """What options, and a stretch, leave of an array.

    Args:
      file: has it.
      key: its name.
      shape: with time first.
      options: what to choose.
      stretch: see `Source`.

    Raises:
      RejectedInputError: if it has no channels, or not those.
    """
    if not options.selects:
        return Extent(shape, shape)
    if len(shape) not in (1, 2):
        raise RejectedInputError(
            f"signal {key!r} has shape {[*shape]}; channels, rates, sections and gaps are those of "
            "[samples] or [samples, channels]; leave out their flags, or repair the recording"
        )
    count = shape[1] if len(shape) == 2 else 1
    names = _names(file, options.channel_key, count)
    rate_hz = _rate(file, options.rate_key)
    own = [Channel(name, rate_hz, shape[0]) for name in names]
    section = find_section(own, options, stretch)
    chosen = [names[part.channel] if part else "" for part in section.parts]
    channels = [ChannelName("" if name.isdigit() else name) for name in chosen]
    channels += [ChannelName(MASK)] * options.adds_mask
    found_hz = section.rate_hz if options.rate_key or options.resample_hz else 0.0
    return Extent(shape, (section.samples, len(channels)), section, own, tuple(channels), found_hz)


def _rate(file: ArrayFile, key: str) -> float:
    if not key:
        return 0.0
    found = file.array(required_key(file, key, "rate_key"))
    rate_hz = float(found.item()) if found.size == 1 and found.dtype.kind in "iuf" else 0.0
    if not 0 < rate_hz < math.inf:
        raise RejectedInputError(
            f"array {key!r} (--rate_key) is no rate; expected one number above 0"
        )
    return rate_hz


def _names(file: ArrayFile, key: str, count: int) -> list[str]:
    if not key:
        return [*map(str, range(count))]
    found = file.array(required_key(file, key, "channel_key")).reshape(-1)
    if len(found) != count or found.dtype.kind not in "US":
        raise RejectedInputError(
            f"array {key!r} (--channel_key) has {len(found)} values of {found.dtype}, the signal "
            f"has {count} channels; expected a text for each"
        )
    return [str(class_of(name)).strip() for name in found.tolist()]


def _is_timed(shape: tuple[int, ...], given: tuple[int, ...]) -> bool:
    return shape[:1] == given[:1] or (shape == (1, *given[:1]) and given[0] > 1)
