"""A few records of a dataset, read to be looked at: whole signals, some of the frames."""

import dataclasses
import itertools
import operator
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.frames import decode_frame
from pipeline.console.texts import listed
from pipeline.sources.windows import recorded_window
from tfrecords_schema import Dataset, DatasetError, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import MISSING_CLASS, apart
from tfrecords_schema.places import gfile

_LENGTH_BYTES = 8
_HEADER_BYTES = 12  # The length and its checksum.
MAX_FRAMES = 4
_MAX_VALUES = 4
_TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0))
_LEAST_UNITS = 2  # So long is what is shown in a unit of time, at least.


@dataclasses.dataclass(frozen=True)
class Sample:
    """One record.

    Attributes:
      id: id of the record.
      steps: number of its time steps.
      data: signal `[time, *step_shape]`, or some frames `[frames, height, width, 3]` uint8.
      shown_steps: `[frames]` the time step of each frame; all steps of a signal.
      label: as the schema has it; None without a label, or if it was not asked for.
    """

    id: str
    steps: int
    data: np.ndarray
    shown_steps: np.ndarray
    label: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class TimeAxis:
    """How steps become seconds, and how a signal unrolls into samples.

    Attributes:
      step_secs: duration of a step, None where the conversion was not told the sampling rate.
      has_samples: whether a step is a stretch of signal, not a vector of features.
      steps_name: of the axis where that is not in a unit of time.
      time_name: of the unit of time.
      time_secs: of that, in seconds.
      channels: names of the channels, with units where those are known; empty where no names are.
    """

    step_secs: float | None
    has_samples: bool
    steps_name: str = "steps"
    time_name: str = "seconds"
    time_secs: float = 1.0
    channels: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> "TimeAxis":
        """From the dataset's schema and the options of its conversion."""
        return cls.of_options(dataset.schema.input, dataset.manifest.options)

    @classmethod
    def of_options(cls, spec: InputSpec, options: Mapping[str, Any]) -> "TimeAxis":
        """From what a record holds and the options of a conversion."""
        is_cut, rate_hz = recorded_window(options)
        shape, is_signal = spec.step_shape, spec.kind == "signal"
        has_samples = is_signal and (len(shape) == 2 or (len(shape) == 1 and is_cut))
        step_secs = (shape[0] if has_samples else 1) / rate_hz if rate_hz else None
        return cls(step_secs, has_samples, channels=_channels(options))

    def of_label(self, label: LabelSpec) -> "TimeAxis":
        """The axis of a label with a time axis; that of a sequence is its own."""
        return TimeAxis(None, False, "steps of the label") if label.per == "sequence" else self

    def fitting(self, steps: int) -> "TimeAxis":
        """The same in the largest unit of time of which so many steps are two or more."""
        secs = steps * (self.step_secs or 0.0)
        for name, unit_secs in _TIME_UNITS:
            if secs >= _LEAST_UNITS * unit_secs:
                return dataclasses.replace(self, time_name=name, time_secs=unit_secs)
        return self

    @property
    def name(self) -> str:
        """Name of the axis."""
        return self.time_name if self.step_secs else self.steps_name

    @property
    def unit(self) -> float:
        """Length of a step on the axis."""
        return self.step_secs / self.time_secs if self.step_secs else 1.0

    def unroll(self, signal: np.ndarray) -> np.ndarray:
        """From `[time, *step_shape]` to `[samples, channels]`."""
        if self.has_samples:
            channels = signal.shape[2] if signal.ndim == 3 else 1
            return signal.reshape(-1, channels)
        return signal.reshape(len(signal), -1)


def _channels(options: Mapping[str, Any]) -> tuple[str, ...]:
    names, units = (options.get(name) or () for name in ("channels", "units"))
    if len(units) == 1:
        units = [*units] * len(names)
    pairs = itertools.zip_longest(names, units[: len(names)], fillvalue="")
    return tuple(f"{name}, {unit}" if unit else str(name) for name, unit in pairs)


def read_samples(
    dataset: Dataset, split: str, rows: np.ndarray, *, with_label: bool = True
) -> list[Sample]:
    """Reads some records of a split.

    Args:
      dataset: the dataset.
      split: name of the split.
      rows: `[n]` integer, row numbers of the split's index.
      with_label: False for a dataset that is described with another label than its records hold.
    """
    index, paths = dataset.split(split), dataset.shard_paths(split)
    schema = dataset.schema if with_label else RecordSchema(dataset.schema.input)
    places = zip(index.shard[rows].tolist(), index.offset[rows].tolist(), strict=True)
    return [_sample(schema, paths[shard], offset) for shard, offset in places]


def label_text(label: np.ndarray, spec: LabelSpec) -> str:
    """A record's label, or a prediction of the same kind, in words."""
    if spec.heads:
        heads = apart(spec, np.asarray(label))
        return ", ".join(f"{head.name} {label_text(found, head.label)}" for head, found in heads)
    if not (known := spec.is_known(np.asarray(label))).all():
        rest = label_text(label[known], spec) if known.any() else ""
        return f"{rest}, and some without" if rest else "none"
    if spec.class_names:
        return listed(spec.names_in(np.asarray(label))) or "no class"
    return ", ".join(f"{value:.3g}" for value in np.ravel(label)[:_MAX_VALUES])


def open_records(
    dataset: Dataset, split: str, rows: np.ndarray | slice = slice(None)
) -> Iterator[bytes]:
    """Records of a split, serialized, in the order of its index; each shard is opened once.

    Args:
      dataset: the dataset.
      split: name of the split.
      rows: ascending row numbers; all of them, unless some are given.
    """
    index, paths = dataset.split(split), dataset.shard_paths(split)
    places = zip(index.shard[rows].tolist(), index.offset[rows].tolist(), strict=True)
    for shard, members in itertools.groupby(places, operator.itemgetter(0)):
        with gfile.open_file(paths[shard], "rb") as file:
            for _, offset in members:
                yield _record_at(file, offset)


def _read(path: str, offset: int) -> bytes:
    with gfile.open_file(path, "rb") as file:
        return _record_at(file, offset)


def _record_at(file: Any, offset: int) -> bytes:
    """The content of the TFRecord at a byte offset; its checksums are not looked at.

    Raises:
      DatasetError: the record would end behind the end of the file.
    """
    file.seek(offset)
    header = file.read(_HEADER_BYTES).ljust(_LENGTH_BYTES, b"\xff")
    size_bytes = struct.unpack("<Q", header[:_LENGTH_BYTES])[0]
    if size_bytes > file.size():
        raise _damaged(file.name, offset)
    return file.read(size_bytes)


def _damaged(path: str, offset: int) -> DatasetError:
    return DatasetError(
        f"{path}: the record at byte {offset} is damaged; run python -m pipeline.verify, "
        "then copy the shard again, or convert again"
    )


def _sample(schema: RecordSchema, path: str, offset: int) -> Sample:
    try:
        return _parsed(schema, _read(path, offset))
    except (tf.errors.InvalidArgumentError, ValueError) as error:  # Its checksums may fit.
        raise _damaged(path, offset) from error


def _parsed(schema: RecordSchema, serialized: bytes) -> Sample:
    record = {name: value.numpy() for name, value in schema.parse(tf.constant(serialized)).items()}
    if schema.label is not None and schema.label.kind == "class":
        classes = record["label"]
        if classes.min(initial=0) < MISSING_CLASS or classes.max(initial=0) >= len(
            schema.label.class_names
        ):
            raise ValueError("a label of no class")
    data = record[schema.input.kind]
    shown = np.arange(len(data))
    if schema.input.kind == "frames":
        shown = np.unique(np.linspace(0, len(data) - 1, MAX_FRAMES).astype(int))
        data = np.stack([decode_frame(data[step]).numpy() for step in shown])
    steps = len(record[schema.input.kind])
    return Sample(record["id"].decode(), steps, data, shown, record.get("label"))
