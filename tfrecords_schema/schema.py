"""What one record holds, and how it is written to and read from a `tf.train.Example`.

The layout is the one that tensorflow-datasets gives `Tensor(..., encoding="bytes")`:
an array is one bytes feature of little-endian values. A float list would take 26
times longer to write.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

from tfrecords_schema.channels import ChannelRole, roles_problem
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.example import Feature, encode_example
from tfrecords_schema.labels import LabelSpec, bytes_tensor, require_dtype, require_shape

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

STEPWISE = ("signal", "frames", "beside")
"""Parts of a record with a row for each of its time steps, whatever its label is."""


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
      beside: names of the numbers that a record has beside each of its steps, as `beside`
        `[time, numbers]` float32; none where it has none.
    """

    kind: Literal["signal", "frames"]
    dtype: str
    step_shape: tuple[int, ...]
    # A model of the one takes the other: without `padding` there is none.
    has_padding: bool = dataclasses.field(default=False, compare=False)
    # What a model makes of the values, not which it takes.
    roles: tuple[ChannelRole, ...] = dataclasses.field(default=(), compare=False)
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_dtype("input", self.dtype)
        require_shape("input", self.step_shape, self.dtype)
        if problem := roles_problem(self.roles, (1, *self.step_shape)[-1]):
            raise DatasetError(f"input: {problem}")
        if len({*self.beside}) < len(self.beside) or "" in self.beside:
            raise DatasetError("input: a number beside the steps has no name, or that of another")

    @property
    def measured(self) -> int:
        """How many channels the statistics are of: of the numbers beside, where there are some."""
        return len(self.beside) or (1, *self.step_shape)[-1]

    @property
    def beside_shape(self) -> tuple[int | None, int]:
        """Shape of what stands beside the steps."""
        return None, len(self.beside)

    def feature(self) -> "tfds.features.FeatureConnector":
        """The tensorflow-datasets feature of this input."""
        import tensorflow_datasets as tfds  # Which takes long, and only a conversion needs.

        if self.kind == "frames":
            return tfds.features.Sequence(tfds.features.Image(shape=self.step_shape))
        return bytes_tensor((None, *self.step_shape), self.dtype)


@dataclasses.dataclass(frozen=True)
class RecordSchema:
    """Features of one record: `id`, the input (`signal` or `frames`) and what belongs to it.

    That is `padding`, `beside` and `label`, where the specs say so.
    """

    input: InputSpec
    label: LabelSpec | None = None

    def features(self) -> "tfds.features.FeaturesDict":
        """The features as tensorflow-datasets knows them."""
        import tensorflow_datasets as tfds

        features: dict[str, Any] = {
            "id": tfds.features.Text(),
            self.input.kind: self.input.feature(),
        }
        if self.input.has_padding:
            features["padding"] = tfds.features.Scalar(np.int64)
        if self.input.beside:
            features["beside"] = bytes_tensor(self.input.beside_shape, "float32")
        if self.label is not None:
            features["label"] = self.label.feature()
        return tfds.features.FeaturesDict(features)

    def encode(
        self,
        record_id: str,
        data: np.ndarray | Sequence[bytes],
        label: Any = None,
        padding: int = 0,
        beside: np.ndarray | None = None,
    ) -> bytes:
        """Serializes one record as a `tf.train.Example`.

        Args:
          record_id: id of the record.
          data: signal `[time, *step_shape]` of the schema's dtype, or encoded frames.
          label: array of the label's shape, or a class index; None without labels.
          padding: see `InputSpec.has_padding`.
          beside: see `InputSpec.beside`.

        Raises:
          DatasetError: if dtype or shape are not the schema's.
        """
        features: dict[str, Feature] = {
            "id": [record_id.encode()],
            self.input.kind: self._encode_input(record_id, data),
        }
        if self.input.has_padding:
            features["padding"] = padding
        if self.input.beside:
            shape = (len(data), len(self.input.beside))
            features["beside"] = _array_feature(record_id, "beside", beside, "float32", shape)
        if self.label is not None:
            features["label"] = self._encode_label(record_id, label)
        return encode_example(features)

    def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses one serialized record inside tf.data.

        Args:
          serialized: scalar string.

        Returns:
          `id` (string), `signal` `[time, *step_shape]` or `frames` `[time]` (encoded images),
          `padding` (int64), `beside` `[time, numbers]` and `label` in the schema's shape.
        """
        raw = tf.io.parse_single_example(serialized, self._parse_spec())
        parsed = {"id": raw["id"], self.input.kind: self._decode_input(raw[self.input.kind])}
        if self.input.has_padding:
            parsed["padding"] = raw["padding"]
        if self.input.beside:
            parsed["beside"] = _decode_array(raw["beside"], "float32", self.input.beside_shape)
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
        if self.input.beside:
            spec["beside"] = text
        if self.label is not None:
            is_int = self.label.is_class_feature
            spec["label"] = tf.io.FixedLenFeature([], tf.int64) if is_int else text
        return spec

    def _decode_input(self, raw: tf.Tensor) -> tf.Tensor:
        if self.input.kind == "frames":
            return raw
        return _decode_array(raw, self.input.dtype, (None, *self.input.step_shape))


def _decode_label(raw: tf.Tensor, spec: LabelSpec) -> tf.Tensor:
    return raw if spec.is_class_feature else _decode_array(raw, spec.dtype, spec.array_shape)


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
