"""A file in which several arrays are one, in rows as `rows.py` has them."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.console.texts import listed
from pipeline.sources.arrays import names_in, rate_in, time_first
from pipeline.sources.channels import ChannelName
from pipeline.sources.gaps.closing import close_gaps, said_of
from pipeline.sources.names import normal
from pipeline.sources.npz import ArrayFile, ArrayHeader
from pipeline.sources.options import require_size
from pipeline.sources.recordings.resampling import ratio, resampled, resampled_length
from pipeline.sources.recordings.section_options import SectionOptions
from pipeline.sources.several.rows import Layout, Signal, layout_of
from tfrecords_schema.left_out import LeftOut

_AXES = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class Several:
    """Which arrays are joined, and how.

    Attributes:
      name: what they are called together.
      keys: the array of each signal.
      rates_hz: of each; none where they are not given.
      rate_keys: arrays with the rates: none, one for all, or one for each.
      channel_keys: arrays with the names of channels: none, or one for each.
      counts: channels of each, where recordings may lack some; else none.
      time_axis: of every array with such an axis.
      options: how gaps are closed, and the rate to which all are brought.
    """

    name: str
    keys: tuple[str, ...]
    rates_hz: tuple[float, ...]
    rate_keys: tuple[str, ...]
    channel_keys: tuple[str, ...]
    counts: tuple[int, ...]
    time_axis: int
    options: SectionOptions


class JointFile:
    """Several arrays of a file as one; implements `ArrayFile`.

    Attributes:
      changed: values that were put in the place of gaps, so far.
    """

    def __init__(self, file: ArrayFile, several: Several):
        self._file, self._several = file, several
        self._name = normal(several.name)
        self._given = [*map(normal, several.keys)]
        self.changed = 0

    @property
    def keys(self) -> list[str]:
        """Names of the arrays; those that are joined have one together, which is always there."""
        return [self._name, *(key for key in self._file.keys if key not in self._given)]

    @property
    def checksum(self) -> str:
        """See `ArrayFile`."""
        return self._file.checksum

    def header(self, key: str) -> ArrayHeader:
        """See `ArrayFile`.

        Raises:
          RejectedInputError: also if the signals do not fit together.
        """
        if key != self._name:
            return self._file.header(key)
        shape, limit_mib = self._layout.shape, self._several.options.max_record_mib
        size = int(np.prod(shape)) * self._dtype.itemsize
        require_size("its signals together", size, "max_record_mib", limit_mib)
        # Time stands where every array of the file has it.
        turned = np.moveaxis(np.broadcast_to(False, shape), 0, self._several.time_axis)
        return ArrayHeader(turned.shape, False, self._dtype)

    def array(self, key: str) -> np.ndarray:
        """See `ArrayFile`."""
        if key != self._name:
            return self._file.array(key)
        self.header(key)
        joint = np.concatenate([*self._parts()], axis=2)
        joint = joint if self._layout.is_cut else joint[0]
        return np.moveaxis(joint, 0, self._several.time_axis)

    def is_there(self, key: str) -> bool:
        """Whether the recording has a signal."""
        return normal(key) in self._file.keys

    @property
    def rate_hz(self) -> float:
        """Rows per second; 0 if it is not known."""
        return self._layout.rate_hz

    @functools.cached_property
    def channels(self) -> tuple[ChannelName, ...]:
        """Names of the values of a row, such as `eeg:Fz@0`, `eeg:Fz@1`, `accel:x`."""
        found: list[ChannelName] = []
        for number, key in enumerate(self._given):
            names = self._names(number, self._layout.channels[number])
            found += _row_names(key, tuple(names), self._layout.per_row[number])
        return tuple(found)

    @property
    def label_lengths(self) -> frozenset[int]:
        """Lengths of signals with a sample in each row: their labels are those of the rows."""
        pairs = zip(self._signals, self._layout.per_row, strict=True)
        return frozenset(signal.shape[0] for signal, count in pairs if count == 1 and signal.shape)

    def unused(self) -> Iterator[LeftOut]:
        """What is said of samples behind the last row."""
        if self._layout.dropped:
            why = "at the ends of recordings, where not all of their signals have a whole row"
            yield LeftOut("sample", why, self._layout.dropped)

    def said(self) -> tuple[LeftOut, ...]:
        """What is said of gaps that were closed, after the array was read."""
        return said_of(self.changed, self._several.options)

    def _names(self, number: int, count: int) -> list[str]:
        """Of the channels of a signal; empty where another recording has to say them."""
        key = self._given[number]
        names_key = self._several.channel_keys[number] if self._several.channel_keys else ""
        if names_key and not self.is_there(key):
            wanted = self._several.options.wanted_channels
            known = (name.partition("@")[0] for name in wanted if name.startswith(f"{key}:"))
            found = [*dict.fromkeys(known)]
            return found if len(found) == count else [""] * count
        names = names_in(self._file, names_key, count)
        return [key] if count == 1 and not names_key else [f"{key}:{name}" for name in names]

    def _axis(self, axes: int) -> int:
        """Which axis of an array is time; of one axis there is none to move."""
        return self._several.time_axis if axes > 1 else 0

    @functools.cached_property
    def _dtype(self) -> np.dtype:
        dtypes = [self._file.header(key).dtype for key in self._given if self.is_there(key)]
        # That of a signal that may be missing would not be known.
        return np.result_type(*dtypes, *["float32"] * bool(self._several.counts))

    @functools.cached_property
    def _layout(self) -> Layout:
        are_cut = self._several.options.window is not None
        return layout_of(self._signals, are_windows_cut=are_cut)

    @functools.cached_property
    def _signals(self) -> list[Signal]:
        """The signals, at the rate to which they are brought."""
        to_hz = self._several.options.resample_hz
        if not to_hz:
            return self._given_signals
        found = []
        for signal in self._given_signals:
            if not signal.rate_hz or len(signal.shape) > 2:
                raise RejectedInputError(
                    f"array {signal.key!r} cannot be brought to --resample_hz={to_hz:g}: it is cut "
                    "in steps, or its rate is not known; give --signal_rates_hz, or leave it out"
                )
            shape = signal.shape
            if shape:
                factor = ratio(signal.rate_hz, to_hz)
                shape = (resampled_length(shape[0], factor), *shape[1:])
            found.append(signal._replace(shape=shape, rate_hz=to_hz))
        return found

    @functools.cached_property
    def _given_signals(self) -> list[Signal]:
        """The signals as the file has them."""
        several, rates = self._several, self._rates()
        missing = [key for key in self._given if not self.is_there(key)]
        if missing and (not several.counts or len(missing) == len(self._given)):
            raise RejectedInputError(
                f"no array {missing[0]!r} (--signal_key); the file has "
                f"{listed(self._file.keys) or 'no arrays'}; remove it, or see --missing_signal"
            )
        found = []
        for number, key in enumerate(self._given):
            count = several.counts[number] if several.counts else 0
            shape = () if key in missing else self._shape(key)
            found.append(Signal(key, shape, rates[number], count))
        return found

    def _shape(self, key: str) -> tuple[int, ...]:
        header = self._file.header(key)
        if header.dtype.kind not in "biuf" or len(header.shape) not in _AXES:
            raise RejectedInputError(
                f"array {key!r} (--signal_key) is {header.dtype} {[*header.shape]}; expected "
                "numbers: [samples], [samples, channels] or [steps, samples, channels]"
            )
        return time_first(header.shape, self._axis(len(header.shape)), key)

    def _rates(self) -> list[float]:
        several, count = self._several, len(self._given)
        if several.rates_hz:
            return [*several.rates_hz]
        if several.rate_keys:
            rates = [rate_in(self._file, key) for key in several.rate_keys]
            return rates * (count // len(rates))
        return [several.options.file_rate_hz or 0.0] * count

    def _parts(self) -> Iterator[np.ndarray]:
        """Of each signal `[steps, rows, its values of a row]`."""
        found = self._layout
        for number, (key, per_row) in enumerate(zip(self._given, found.per_row, strict=True)):
            shape = (found.steps, found.rows, found.widths[number])
            if not self.is_there(key):
                yield np.zeros(shape, self._dtype)
                continue
            values = self._values(number)
            values = values if found.is_cut else values[np.newaxis]
            values = values[:, : found.rows * per_row].reshape(shape)
            with np.errstate(over="ignore"):  # What is too large is infinity, and found later.
                yield values.astype(self._dtype, copy=False)

    def _values(self, number: int) -> np.ndarray:
        """A signal with its time first, at the rate to which it is brought."""
        options, signal = self._several.options, self._given_signals[number]
        given = self._file.array(signal.key)
        values = np.moveaxis(given, self._axis(given.ndim), 0)
        if not options.resample_hz:
            return values
        closed = close_gaps(values, "float32", options, signal.rate_hz)
        self.changed += closed.changed
        factor = ratio(signal.rate_hz, options.resample_hz)
        return resampled(closed.values.reshape(len(values), -1), factor)


@functools.lru_cache(maxsize=256)  # The same for every recording, so that they take no memory.
def _row_names(key: str, names: Sequence[str], per_row: int) -> Sequence[ChannelName]:
    """Of each sample in a row each channel, under a name if it has one."""
    return [
        ChannelName(
            name and name + (f"@{sample}" if per_row > 1 else ""),
            signal=key,
            like=f"{key}:{channel}",
        )
        for sample in range(per_row)
        for channel, name in enumerate(names)
    ]
