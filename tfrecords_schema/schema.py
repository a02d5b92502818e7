"""What one record holds, and how it is written to and read from a `tf.train.Example`.

The layout is the one that tensorflow-datasets gives `Tensor(..., encoding="bytes")`:
an array is one bytes feature of little-endian values. A float list would take 26
times longer to write.
"""

import dataclasses
import math
import reprlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfrecords_schema.channels import ChannelRole, roles_problem
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.example import Feature, encode_example
from tfrecords_schema.names import UNLABELLED, WIDER_KINDS

# What tf.io.decode_raw reads; float64 is stored as float32.
SUPPORTED_DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
)

_SHOWN_CLASSES = 10
_MOST_STEP_BYTES = 2**31 - 1  # Of a record.

LabelPer = Literal["step", "record", "sequence"]
LabelKind = Literal["class", "value", "classes", "ordinal"]
LABEL_SEPARATOR = ";"  # Between the names of classes in a cell.
MISSING_CLASS = -1  # As tensorflow-datasets has it, where a class is not known.


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """The recording itself: `[time, *step_shape]` of one dtype, or encoded frames.

    Attributes:
      kind: `signal` (an array) or `frames` (JPEG or PNG images); also the feature's name.
      dtype: NumPy name of the dtype; `uint8` for frames.
      step_shape: shape of one time step; `(height, width, 3)` for frames.
      has_padding: whether a record says, as `padding`, how many samples of its last step (along the
        first axis of `step_shape`) only fill it up and were not recorded.
      roles: of each channel (the last axis of a step), where they are not alike; else none.
    """

    kind: Literal["signal", "frames"]
    dtype: str
    step_shape: tuple[int, ...]
    # A model of the one takes the other: without `padding` there is none.
    has_padding: bool = dataclasses.field(default=False, compare=False)
    # What a model makes of the values, not which it takes.
    roles: tuple[ChannelRole, ...] = dataclasses.field(default=(), compare=False)

    def __post_init__(self) -> None:
        _require_dtype("input", self.dtype)
        _require_shape("input", self.step_shape, self.dtype)
        if problem := roles_problem(self.roles, (1, *self.step_shape)[-1]):
            raise DatasetError(f"input: {problem}")

    def feature(self) -> tfds.features.FeatureConnector:
        """The tensorflow-datasets feature of this input."""
        if self.kind == "frames":
            return tfds.features.Sequence(tfds.features.Image(shape=self.step_shape))
        return _bytes_tensor((None, *self.step_shape), self.dtype)


@dataclasses.dataclass(frozen=True)
class LabelSpec:
    """What a model learns to predict.

    Attributes:
      per: one label per `step`, one per `record`, or a `sequence` with a time axis of its own.
      kind: `class` (stored as int64 index into `class_names`), `value`, or `classes`, any number of
        them (stored as int8 [classes], 1 for those that are there, 0 for others). A training may
        take classes for `ordinal`, which have an order.
      dtype: NumPy name of the stored dtype.
      shape: shape of one label: `()` for a class, `(2,)` for a velocity.
      class_names: names in the order of their index; empty for values.
      has_missing: whether some labels may not be known: a class is -1 then, a value holds NaN;
        of `classes` each may be.
    """

    per: LabelPer
    kind: LabelKind
    dtype: str = "int64"
    shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    # What is predicted is the same.
    has_missing: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self) -> None:
        _require_dtype("label", self.dtype)
        _require_shape("label", self.shape, self.dtype)
        if len({*self.class_names}) < len(self.class_names):
            raise DatasetError("label: got a class name twice; name each class once")
        if self.is_single and (self.dtype != "int64" or self.shape):
            raise DatasetError(
                f"a class label is a single int64 index, got dtype {self.dtype}, shape {self.shape}"
            )
        expected = ("int8", (len(self.class_names),))
        if self.kind == "classes" and (self.dtype, self.shape) != expected:
            raise DatasetError(
                f"a label of any number of classes is {expected[0]} {[*expected[1]]}, got "
                f"{self.dtype} {[*self.shape]}"
            )

    @property
    def array_shape(self) -> tuple[int | None, ...]:
        """Shape of a whole record's label; None stands for the time axis."""
        return self.shape if self.per == "record" else (None, *self.shape)

    @property
    def is_single(self) -> bool:
        """Whether a label is one class."""
        return "class" in (self.kind, WIDER_KINDS.get(self.kind))

    @property
    def as_stored(self) -> "LabelSpec":
        """The label as the dataset has it, whatever a training takes it for."""
        kind: Any = WIDER_KINDS.get(self.kind, self.kind)
        return dataclasses.replace(self, kind=kind)

    @property
    def is_class_feature(self) -> bool:
        """Whether the label is stored as a plain int64 feature (one class per record)."""
        return self.is_single and self.per == "record"

    def is_known(self, labels: np.ndarray) -> np.ndarray:
        """Which labels are known: `[...]` bool of `[..., *shape]`."""
        if self.is_single:
            return labels >= 0
        if self.kind == "classes":
            return np.any(labels >= 0, axis=-1, keepdims=False)
        units = tuple(range(labels.ndim - len(self.shape), labels.ndim))
        return ~np.isnan(labels).any(axis=units)

    def unknown(self, steps: int) -> np.ndarray:
        """The label of a record of which none is known; a sequence has no step.

        Args:
          steps: of the record.
        """
        lead = {"step": (steps,), "record": (), "sequence": (0,)}[self.per]
        value = MISSING_CLASS if self.class_names else np.nan
        return np.full((*lead, *self.shape), value, self.dtype)

    def class_totals(self, labels: np.ndarray) -> np.ndarray:
        """How many of some known labels, `[..., *shape]`, are of each class: `[classes]` int64."""
        if self.kind == "classes":
            return (labels.reshape(-1, len(self.class_names)) > 0).sum(0)
        return np.bincount(labels.reshape(-1), minlength=len(self.class_names))

    def names_in(self, labels: np.ndarray) -> list[str]:
        """Names of the classes that are among some known labels, `[..., *shape]`."""
        return [self.class_names[at] for at in np.flatnonzero(self.class_totals(labels))]

    def summary(self, label: np.ndarray) -> str:
        """A label in a few words, for people, as the index has it."""
        known = self.is_known(label)
        if not known.all():
            rest = self.summary(label[known]) if known.any() else ""
            return f"{rest} {UNLABELLED}:{known.size - int(known.sum())}".strip()
        if self.kind == "value":
            return f"mean {label.mean(dtype=np.float64):.4g}" if label.size else "empty"
        if self.per == "record":
            return LABEL_SEPARATOR.join(self.names_in(label))
        counts = self.class_totals(label).tolist()
        pairs = [
            f"{one}:{count}" for one, count in zip(self.class_names, counts, strict=True) if count
        ]
        return " ".join(pairs[:_SHOWN_CLASSES]) + (" ..." if len(pairs) > _SHOWN_CLASSES else "")

    def feature(self) -> tfds.features.FeatureConnector:
        """The tensorflow-datasets feature of this label."""
        if self.is_class_feature:
            return tfds.features.ClassLabel(names=list(self.class_names))
        return _bytes_tensor(self.array_shape, self.dtype)


@dataclasses.dataclass(frozen=True)
class RecordSchema:
    """Features of one record: `id`, the input (`signal` or `frames`), `padding` and `label`.

    The last two are there where the specs say so.
    """

    input: InputSpec
    label: LabelSpec | None = None

    def features(self) -> tfds.features.FeaturesDict:
        """The features as tensorflow-datasets knows them."""
        features: dict[str, Any] = {
            "id": tfds.features.Text(),
            self.input.kind: self.input.feature(),
        }
        if self.input.has_padding:
            features["padding"] = tfds.features.Scalar(np.int64)
        if self.label is not None:
            features["label"] = self.label.feature()
        return tfds.features.FeaturesDict(features)

    def encode(
        self,
        record_id: str,
        data: np.ndarray | Sequence[bytes],
        label: Any = None,
        padding: int = 0,
    ) -> bytes:
        """Serializes one record as a `tf.train.Example`.

        Args:
          record_id: id of the record.
          data: signal `[time, *step_shape]` of the schema's dtype, or encoded frames.
          label: array of the label's shape, or a class index; None without labels.
          padding: see `InputSpec.has_padding`.

        Raises:
          DatasetError: if dtype or shape are not the schema's.
        """
        features: dict[str, Feature] = {
            "id": [record_id.encode()],
            self.input.kind: self._encode_input(record_id, data),
        }
        if self.input.has_padding:
            features["padding"] = padding
        if self.label is not None:
            features["label"] = self._encode_label(record_id, label)
        return encode_example(features)

    def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses one serialized record inside tf.data.

        Args:
          serialized: scalar string.

        Returns:
          `id` (string), `signal` `[time, *step_shape]` or `frames` `[time]` (encoded images),
          `padding` (int64) and `label` in the schema's shape.
        """
        raw = tf.io.parse_single_example(serialized, self._parse_spec())
        parsed = {"id": raw["id"], self.input.kind: self._decode_input(raw[self.input.kind])}
        if self.input.has_padding:
            parsed["padding"] = raw["padding"]
        if self.label is not None:
            parsed["label"] = _decode_label(raw["label"], self.label)
        return parsed

    def _encode_input(self, record_id: str, data: np.ndarray | Sequence[bytes]) -> Feature:
        if self.input.kind == "frames":
            return list(data)
        expected = (None, *self.input.step_shape)
        return _array_feature(record_id, "signal", data, self.input.dtype, expected)

    def _encode_label(self, record_id: str, label: Any) -> Feature:
        assert self.label is not None
        if self.label.is_class_feature:
            return int(label)
        return _array_feature(record_id, "label", label, self.label.dtype, self.label.array_shape)

    def _parse_spec(self) -> dict[str, Any]:
        text = tf.io.FixedLenFeature([], tf.string)
        frames = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
        spec = {"id": text, self.input.kind: frames if self.input.kind == "frames" else text}
        if self.input.has_padding:
            spec["padding"] = tf.io.FixedLenFeature([], tf.int64)
        if self.label is not None:
            is_int = self.label.is_class_feature
            spec["label"] = tf.io.FixedLenFeature([], tf.int64) if is_int else text
        return spec

    def _decode_input(self, raw: tf.Tensor) -> tf.Tensor:
        if self.input.kind == "frames":
            return raw
        return _decode_array(raw, self.input.dtype, (None, *self.input.step_shape))


def _require_shape(what: str, shape: tuple[int, ...], dtype: str) -> None:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if min(shape, default=1) < 1 or size > _MOST_STEP_BYTES:
        raise DatasetError(
            f"{what} shape of a step: got {reprlib.repr(list(shape))}, expected sizes of 1 or more "
            f"that take {_MOST_STEP_BYTES} bytes together at most"
        )


def _require_dtype(what: str, dtype: str) -> None:
    if dtype not in SUPPORTED_DTYPES:
        raise DatasetError(
            f"{what} dtype: got {reprlib.repr(dtype)}, expected one of "
            f"{', '.join(SUPPORTED_DTYPES)}; convert the arrays before writing them"
        )


def _decode_label(raw: tf.Tensor, spec: LabelSpec) -> tf.Tensor:
    return raw if spec.is_class_feature else _decode_array(raw, spec.dtype, spec.array_shape)


def _bytes_tensor(shape: tuple[int | None, ...], dtype: str) -> tfds.features.Tensor:
    return tfds.features.Tensor(
        shape=shape, dtype=np.dtype(dtype), encoding=tfds.features.Encoding.BYTES
    )


def _array_feature(
    record_id: str, name: str, value: Any, dtype: str, shape: tuple[int | None, ...]
) -> Feature:
    array = np.asarray(value)
    fits = len(array.shape) == len(shape) and all(
        want in (None, got) for got, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        wanted = ", ".join("time" if size is None else str(size) for size in shape)
        raise DatasetError(
            f"record {record_id!r}, {name}: got {array.dtype} {list(array.shape)}, "
            f"expected {dtype} [{wanted}]"
        )
    return [np.ascontiguousarray(array, array.dtype.newbyteorder("<"))]


def _decode_array(raw: tf.Tensor, dtype: str, shape: tuple[int | None, ...]) -> tf.Tensor:
    values = tf.io.decode_raw(raw, tf.as_dtype(dtype))
    if not shape:
        return values[0]
    return tf.reshape(values, [-1 if size is None else size for size in shape])
