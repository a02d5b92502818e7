"""What a kind of continuous recordings derives from: it says how a file is opened, no more."""

import abc
import dataclasses
import functools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError
from pipeline.sources.annotations import describe_labels, label_array
from pipeline.sources.channels import ChannelName, Constant
from pipeline.sources.gaps.options import MASK
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.options import require_size
from pipeline.sources.recordings.annotations import Annotation, labels_of_steps
from pipeline.sources.recordings.joining import Joined, Read, join, long_enough, stretches
from pipeline.sources.recordings.libraries import fingerprint
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import (
    Channel,
    Part,
    Section,
    find_section,
    source_samples,
)
from pipeline.sources.recordings.units import factor
from pipeline.sources.several.options import value_channel
from pipeline.sources.source import Description, Grid, RawRecord, Source, Stretches
from pipeline.sources.windows import cut_in_windows
from tfrecords_schema.left_out import LeftOut


class Recording(abc.ABC):
    """One open file. What is asked of it first comes from its header.

    Attributes:
      channels: in the file's order.
      dtype: NumPy name of the dtype of what `read` gives.
    """

    channels: Sequence[Channel]
    dtype: str = "float32"

    @abc.abstractmethod
    def read(self, parts: Sequence[Part]) -> Sequence[np.ndarray] | np.ndarray:
        """Samples `start` to `stop` of each part, in the file's physical unit.

        Returns:
          `[samples]` for each part; or, if all have the same, `[samples, parts]` of them together.

        Raises:
          RejectedInputError: if the file is damaged.
        """

    def beside(self) -> Sequence[str]:
        """Full paths of other files that belong to it."""
        return ()

    def fields(self) -> dict[str, str | int | float]:
        """What the header says beside the signals, for `--label_key` and `--group_key`."""
        return {}

    def unused(self) -> Sequence[LeftOut]:
        """What of it is no channel, and is said to be left out."""
        return ()

    def annotations(self, key: str) -> Sequence[Annotation] | None:
        """The annotations under a key, or None if it is the key of a field."""
        del key
        return None

    def labels(self, asked: AskedLabel) -> np.ndarray | None:
        """A label for every sample of the file, or None if there is none."""
        del asked
        return None


@dataclasses.dataclass(frozen=True)
class RecordingSource(Source):
    """Continuous recordings: channels, a rate, a section of time, cut in windows.

    A kind defines `open`, `suffix` and `input_name`. Without `--label_key` there is no label in
    its files.
    """

    options: RecordingOptions
    no_label: ClassVar[str] = (
        "no label, others have one; name it with --label_key, --labels or --label_regex"
    )

    def open(self, path: str) -> AbstractContextManager[Recording]:
        """Opens the recording at a relative path.

        Raises:
          RejectedInputError: if it is damaged.
        """
        raise NotImplementedError

    def describe(self, path: str) -> Description:
        """See `Source`."""
        with self.open(path) as recording:
            section = self._section(recording)
            steps, step_shape = self._steps(section)
            self._require_size(section, steps, step_shape)
            labels = self._labels(recording, section)
            checksum, unused = self._checksum(path, recording), recording.unused()
            group, split = self.group_and_split(
                path, lambda *key: str(_field(recording.fields(), *key))
            )
        return Description(
            self.record_id(path), path, group, split, checksum, recording.dtype,
            steps, step_shape, describe_labels(labels, self.options.described_labels),
            samples=section.samples if self.options.window else 0, rate_hz=section.rate_hz,
            left_out=(*self.options.dropped(section.samples, steps), *unused),
            channels=self._names(recording, section),
        )  # fmt: skip

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        with self.open(path) as recording:
            section = self._section(recording)
            labels = self._labels(recording, section)
            data, changed = self._joined(recording, section)
            checksum = self._checksum(path, recording)
        return RawRecord(data, labels, checksum, changed, self.options.padding(section.samples))

    def padding(self, path: str) -> int:
        """See `Source`."""
        if self.options.tail != "pad":
            return 0
        with self.open(path) as recording:
            return self.options.padding(self._section(recording).samples)

    def read_data(self, path: str) -> np.ndarray:
        """See `Source`."""
        with self.open(path) as recording:
            section = self._section(recording)
            steps, step_shape = self._steps(section)
            self._require_size(section, steps, step_shape)
            return self._joined(recording, section).signal

    def constants(self, path: str, names: Sequence[str]) -> list[Constant]:
        """See `Source`."""
        with self.open(path) as recording:
            fields = recording.fields()
            return [Constant(value_channel(n), _field(fields, n, "input_values")) for n in names]

    def grid(self, path: str) -> Grid:
        """See `Source`."""
        with self.open(path) as recording:
            return self._grid(self._section(recording))

    def stretches(self, path: str) -> Stretches:
        """See `Source`."""
        with self.open(path) as recording:
            section = self._section(recording)
            self._require_read(section)
            read = self._read(recording, section)
            found = stretches(section, read, recording.dtype)
            return long_enough(found, recording.channels, self.options)

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        is_other = found.step_shape != step_shape
        cure = "choose channels that all have, with --channels"
        return cure if is_other else super().make_alike(found, step_shape)

    def _checksum(self, path: str, recording: Recording) -> str:
        places = [self.full_path(path), *recording.beside()]
        return ";".join(fingerprint(self.files, place) for place in places)

    def _section(self, recording: Recording) -> Section:
        return find_section(recording.channels, self.options, self.stretch)

    def _steps(self, section: Section) -> tuple[int, tuple[int, ...]]:
        window, channels = self.options.window, len(section.parts) + self.options.adds_mask
        if window is None:
            return section.samples, (channels,)
        return self.options.steps(section.samples), (window, channels)

    def _require_size(self, section: Section, steps: int, step_shape: tuple[int, ...]) -> None:
        self._require_read(section)
        size, limit_mib = steps * math.prod(step_shape) * 4, self.options.max_record_mib
        require_size("the signal, cut and resampled,", size, "max_record_mib", limit_mib)

    def _require_read(self, section: Section) -> None:
        read = sum(part.stop - part.start for part in section.parts if part)
        limit_mib = self.options.max_record_mib
        require_size("the signal, in float32,", read * 4, "max_record_mib", limit_mib)

    def _read(self, recording: Recording, section: Section) -> Read:
        parts = [part for part in section.parts if part]
        read = recording.read(parts)
        found = [len(read)] * len(parts) if isinstance(read, np.ndarray) else [*map(len, read)]
        if found != [part.stop - part.start for part in parts]:
            raise RejectedInputError(
                "it has fewer samples than its header says, so it is cut short; copy it again"
            )
        return read

    def _joined(self, recording: Recording, section: Section) -> Joined:
        """`[steps, *step_shape]`, and what is said of gaps in it."""
        read = self._read(recording, section)
        data, said = join(section, read, recording.dtype, self.options)
        factors = [scale for _, scale in self._units(recording, section)]
        if any(scale != 1 for scale in factors):
            data = data * np.array([*factors, *[1] * self.options.adds_mask], data.dtype)
        if self.options.window:
            data = cut_in_windows(data, *self._grid_steps(section))
        return Joined(np.ascontiguousarray(data), said)

    def _units(self, recording: Recording, section: Section) -> list[tuple[str, float]]:
        """For each channel its unit in the end, and what makes the file's values that.

        Raises:
          RejectedInputError: if there are fewer or more channels than units.
        """
        wanted, count = self.options.units, len(section.parts)
        found = [recording.channels[part.channel].unit if part else "" for part in section.parts]
        if not wanted:
            return [(unit, 1.0) for unit in found]
        if not any(wanted[count:]):
            wanted = wanted[:count]  # Those of channels that are added are empty.
        if len(wanted) not in (1, count):
            raise RejectedInputError(
                f"it has {count} channels, --units has {len(wanted)}; give one for each, or one "
                "for all"
            )
        asked = wanted if len(wanted) == count else wanted * count
        scales = map(factor, found, asked)
        return [
            (other if scale != 1 else unit, scale)
            for unit, other, scale in zip(found, asked, scales, strict=True)
        ]

    def _names(self, recording: Recording, section: Section) -> tuple[ChannelName, ...]:
        names = [recording.channels[part.channel].name if part else "" for part in section.parts]
        units = [unit for unit, _ in self._units(recording, section)]
        mask = (ChannelName(MASK, kind="flag"),) * self.options.adds_mask
        return (
            *(
                ChannelName("" if name.isdigit() else name, unit)
                for name, unit in zip(names, units, strict=True)
            ),
            *mask,
        )

    def _grid_steps(self, section: Section) -> tuple[int, int]:
        steps, step_shape = self._steps(section)
        return (steps, step_shape[0]) if self.options.window else (steps, 1)

    def _labels(self, recording: Recording, section: Section) -> tuple[np.ndarray | None, ...]:
        read = functools.partial(self._label, recording, section)
        return self.options.each_label(self.options.file_labels, read)

    def _label(
        self, recording: Recording, section: Section, asked: AskedLabel
    ) -> np.ndarray | None:
        key = asked.key
        if not key:
            return None
        labels = recording.labels(asked)
        if labels is not None:
            return labels[source_samples(section)]
        annotations = recording.annotations(key)
        if annotations is None:
            value = _field(recording.fields(), key, "label_key")
            return label_array(value, key, asked.kind, f"the {self.input_name}")
        if not section.rate_hz:
            raise RejectedInputError(
                "its rate is not known, which annotations need; give --sample_rate_hz"
            )
        return labels_of_steps(annotations, self._grid(section), self.options)

    def _grid(self, section: Section) -> Grid:
        steps, window = self._grid_steps(section)
        return Grid(section.from_secs, section.rate_hz, section.samples, window, steps)


def _field(fields: dict[str, str | int | float], key: str, flag: str) -> str | int | float:
    if key not in fields:
        kind = MissingLabelError if flag == "label_key" else RejectedInputError
        raise kind(f"no field {key!r} (--{flag}); it has {', '.join(fields) or 'none'}")
    return fields[key]
