"""What of an array is a recording: all of it, or channels, a section and a rate of it."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.console.options import option
from pipeline.console.texts import listed
from pipeline.sources.arrays import names_in, rate_in
from pipeline.sources.channels import ChannelName
from pipeline.sources.gaps.closing import close_gaps, said_of
from pipeline.sources.gaps.options import MASK
from pipeline.sources.npz import ArrayFile
from pipeline.sources.recordings.event_options import EventOptions
from pipeline.sources.recordings.joining import Joined, Read, join
from pipeline.sources.recordings.section_options import SectionOptions
from pipeline.sources.recordings.sections import Channel, Section, find_section, source_samples
from pipeline.sources.several.joint import JointFile
from pipeline.sources.source import Stretch


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
        return any((self.channels, self.rate_key, self.channel_key)) or self.changes_time

    @property
    def changes_time(self) -> bool:
        """Whether that is so for another reason than its channels and its rate."""
        given = (self.resample_hz, self.from_secs, self.to_secs is not None)
        return any(given) or any((self.adds_mask, self.splits_at_gaps, self.has_events))


class Extent(NamedTuple):
    """What is a recording of an array whose first axis is time.

    Attributes:
      given: shape of the array.
      shape: shape of the recording.
      section: what it is of the array; None if it is all of it as it is.
      own: the channels of the array; none without a section.
      channels: names of the recording's channels, where the file has some.
      rate_hz: of the recording; 0 if the file does not say it.
      label_lengths: labels of so many samples, of one of several signals, are those of the array.
    """

    given: tuple[int, ...]
    shape: tuple[int, ...]
    section: Section | None = None
    own: Sequence[Channel] = ()
    channels: tuple[ChannelName, ...] = ()
    rate_hz: float = 0.0
    label_lengths: frozenset[int] = frozenset()

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
        if {*label.shape[:1]} & self.label_lengths:
            label = label[: self.given[0]]
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
    joint = file if isinstance(file, JointFile) else None
    if joint and (not options.selects or (len(shape) > 2 and not options.changes_time)):
        return _as_it_is(joint, shape, options)
    if not options.selects:
        return Extent(shape, shape)
    if len(shape) not in (1, 2):
        raise RejectedInputError(
            f"signal {key!r} has shape {[*shape]}; channels, rates, sections and gaps are those of "
            "[samples] or [samples, channels]; leave out their flags, or repair the recording"
        )
    count = shape[1] if len(shape) == 2 else 1
    if joint:
        names, rate_hz = [*joint.channels], joint.rate_hz
    else:
        names = [*map(ChannelName, names_in(file, options.channel_key, count))]
        rate_hz = rate_in(file, options.rate_key)
    own = [Channel(channel.name, rate_hz, shape[0]) for channel in names]
    section = find_section(own, options, stretch)
    chosen = [names[part.channel] if part else ChannelName("") for part in section.parts]
    channels = [one._replace(name="") if one.name.isdigit() else one for one in chosen]
    channels += [ChannelName(MASK, kind="flag")] * options.adds_mask
    found_hz = section.rate_hz if options.rate_key or options.resample_hz else 0.0
    found = Extent(shape, (section.samples, len(channels)), section, own, tuple(channels), found_hz)
    return found._replace(label_lengths=joint.label_lengths) if joint else found


def _as_it_is(joint: JointFile, shape: tuple[int, ...], options: ExtentOptions) -> Extent:
    """Signals of which no part is chosen, whether they are continuous or cut in steps."""
    names = tuple(channel.name for channel in joint.channels)
    wanted = options.wanted_channels
    if wanted and names != wanted:
        raise RejectedInputError(
            f"it has the channels {listed(names)}, --channels are {listed(wanted)}; of signals "
            "that are cut in steps none can be chosen"
        )
    rate_hz = joint.rate_hz if options.rate_key else 0.0
    if rate_hz and options.sample_rate_hz not in (None, rate_hz):
        raise RejectedInputError(
            f"it has {rate_hz:g} rows per second, not --sample_rate_hz={options.sample_rate_hz:g}; "
            "remove it"
        )
    lengths = joint.label_lengths
    return Extent(shape, shape, None, (), joint.channels, rate_hz, lengths)


def _is_timed(shape: tuple[int, ...], given: tuple[int, ...]) -> bool:
    return shape[:1] == given[:1] or (shape == (1, *given[:1]) and given[0] > 1)
