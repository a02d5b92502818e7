"""Compute on valid steps only: gather them, work on `[valid steps, ...]`, scatter back.

A padded tensor is `[batch, time, ...]` with `lengths: [batch] int32`; steps at or beyond a row's
length are padding. Packed, it is `[valid, ...]`: the valid steps of row 0 in order, then of row 1,
and so on. A row of length 0 has no packed step, and a packed tensor may be empty.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.rows.gaps import records_and_steps

_POOLINGS = ("last", "mean", "max")


def valid_steps(lengths: tf.Tensor, time: tf.Tensor | int | None = None) -> tf.Tensor:
    """Returns `[valid, 2] int64`: (row, step) of every valid step, by row, then by step.

    `time` caps the steps of a row; without it the longest length does.
    """
    return tf.where(tf.sequence_mask(lengths, time))


def pack_steps(inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Gathers the valid steps of `[batch, time, ...]` as `[valid, ...]`."""
    return tf.gather_nd(inputs, valid_steps(lengths, tf.shape(inputs)[1]))


def unpack_steps(packed: tf.Tensor, lengths: tf.Tensor, time: tf.Tensor | int) -> tf.Tensor:
    """Scatters `[valid, ...]` back to `[batch, time, ...]`, zero at padding."""
    shape = tf.concat([[tf.size(lengths), time], tf.shape(packed)[1:]], axis=0)
    padded = tf.scatter_nd(valid_steps(lengths, time), packed, tf.cast(shape, tf.int64))
    return tf.ensure_shape(padded, [lengths.shape[0], tf.get_static_value(time), *packed.shape[1:]])


def longest(lengths: tf.Tensor) -> tf.Tensor:
    """Returns the greatest length, at least 1: loops and stacks need one step to know shapes."""
    return tf.maximum(tf.reduce_max(lengths), 1)


class _Packing(keras.layers.Layer):
    """A layer that keeps the dtype of its input, which its policy would otherwise replace."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)


@keras.saving.register_keras_serializable(package="trainer")
class PackSteps(_Packing):
    """`pack_steps` as a layer."""

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, time, ...]`, `[batch] int32` -> `[valid, ...]`."""
        return pack_steps(inputs, lengths)

    def compute_output_spec(self, inputs: Any, lengths: Any) -> Any:
        """Known without a trace, which takes long."""
        return keras.KerasTensor((None, *inputs.shape[2:]), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackSteps(_Packing):
    """`unpack_steps` as a layer, to the time axis of a padded tensor `like`."""

    def call(self, packed: tf.Tensor, lengths: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """`[valid, ...]`, `[batch] int32`, `[batch, time, ...]` -> `[batch, time, ...]`."""
        return unpack_steps(packed, lengths, tf.shape(like)[1])

    def compute_output_spec(self, packed: Any, lengths: Any, like: Any) -> Any:
        """As many steps as `like`."""
        shape = (lengths.shape[0], like.shape[1], *packed.shape[1:])
        return keras.KerasTensor(shape, dtype=packed.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class PackRecords(_Packing):
    """Drops the rows of length 0 of a tensor with one value per record."""

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, ...]`, `[batch] int32` -> `[records, ...]`."""
        return pack_steps(inputs[:, None], tf.minimum(lengths, 1))

    def compute_output_spec(self, inputs: Any, lengths: Any) -> Any:
        """Any number of records."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackRecords(_Packing):
    """Puts packed records back into their rows; a row of length 0 is zero."""

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[records, ...]`, `[batch] int32` -> `[batch, ...]`."""
        return unpack_steps(packed, tf.minimum(lengths, 1), 1)[:, 0]

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many rows as lengths."""
        return keras.KerasTensor((lengths.shape[0], *packed.shape[1:]), dtype=packed.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class Rows(_Packing):
    """Other rows of the same values, such as a row for each sample of a step.

    Args:
      shape: of a row.
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def call(self, packed: tf.Tensor) -> tf.Tensor:
        """`[rows, ...]` -> `[other rows, *shape]`."""
        return tf.reshape(packed, [-1, *self.shape])

    def compute_output_spec(self, packed: Any) -> Any:
        """Any number of rows."""
        return keras.KerasTensor((None, *self.shape), dtype=packed.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="trainer")
class RecordPooling(keras.layers.Layer):
    """The last, the mean or the maximum of a record's valid steps: one vector for the record."""

    def __init__(self, kind: str = "last", **kwargs: Any):
        super().__init__(**kwargs)
        if kind not in _POOLINGS:
            raise ValueError(f"RecordPooling kind must be one of {_POOLINGS}, got {kind!r}.")
        self.kind = kind

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[batch, features]`; zero for length 0."""
        batch = tf.size(lengths)
        if self.kind == "last":
            return _last_steps(packed, lengths)
        record, _ = records_and_steps(lengths)
        if self.kind == "mean":
            values = tf.cast(packed, keras.backend.result_type(packed.dtype, "float32"))
            sums = tf.math.unsorted_segment_sum(values, record, batch)
            return tf.cast(
                sums / tf.cast(tf.maximum(lengths, 1), sums.dtype)[:, None], packed.dtype
            )
        highest = tf.math.unsorted_segment_max(packed, record, batch)
        return tf.where(lengths[:, None] > 0, highest, tf.zeros_like(highest))

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """A vector for each record."""
        return keras.KerasTensor((lengths.shape[0], *packed.shape[1:]), dtype=self.compute_dtype)


def _last_steps(packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    with_zeros = tf.concat([tf.zeros([1, *packed.shape[1:]], packed.dtype), packed], axis=0)
    return tf.gather(with_zeros, tf.where(lengths > 0, tf.cumsum(lengths), 0))


@keras.saving.register_keras_serializable(package="trainer")
class StepMask(_Packing):
    """Which steps are valid, for layers that take `mask=` or `attention_mask=`.

    Of a row without a record the first step counts as valid: a mean over no step is not finite.
    """

    def call(self, lengths: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """`[batch] int32`, `[batch, time, ...]` -> `[batch, time]` bool."""
        return tf.sequence_mask(tf.maximum(lengths, 1), tf.shape(like)[1])


@keras.saving.register_keras_serializable(package="trainer")
class RepeatRecords(keras.layers.Layer):
    """Repeats each record's vector for every step of a sequence: one vector to many steps."""

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, ...]`, `[batch] int32` -> `[valid, ...]`, packed."""
        return tf.repeat(inputs, lengths, axis=0)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackSequence(_Packing):
    """`unpack_steps` as a layer, to the longest of the lengths, at least 1."""

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, ...]`, `[batch] int32` -> `[batch, longest, ...]`."""
        return unpack_steps(packed, lengths, longest(lengths))
