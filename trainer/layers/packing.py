"""Compute on valid steps only: gather them, work on `[valid steps, ...]`, scatter back.

A padded tensor is `[batch, time, ...]` with `lengths: [batch] int32`; steps at or beyond a row's
length are padding. Packed, it is `[valid, ...]`: the valid steps of row 0 in order, then of row 1,
and so on. A row of length 0 has no packed step, and a packed tensor may be empty.
"""

from typing import Any

import keras
import tensorflow as tf


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


@keras.saving.register_keras_serializable(package="trainer")
class PackSteps(keras.layers.Layer):
    """`pack_steps` as a layer; the dtype stays the input's."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, time, ...]`, `[batch] int32` -> `[valid, ...]`."""
        return pack_steps(inputs, lengths)

    def compute_output_shape(self, inputs_shape: Any, lengths_shape: Any = None) -> tuple:
        """Returns `(None, ...)`: how many steps are valid is not known before."""
        return (None, *inputs_shape[2:])

    def compute_output_spec(self, inputs: Any, lengths: Any) -> keras.KerasTensor:
        """Keeps the source's dtype, which a layer's policy would replace."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackSteps(keras.layers.Layer):
    """`unpack_steps` as a layer, to the time axis of a padded tensor `like`."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, packed: tf.Tensor, lengths: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """`[valid, ...]`, `[batch] int32`, `[batch, time, ...]` -> `[batch, time, ...]`."""
        return unpack_steps(packed, lengths, tf.shape(like)[1])

    def compute_output_spec(self, packed: Any, lengths: Any, like: Any) -> keras.KerasTensor:
        """Takes batch and time of `like`, the rest of `packed`."""
        return keras.KerasTensor((*like.shape[:2], *packed.shape[1:]), dtype=packed.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class PackRecords(keras.layers.Layer):
    """Drops the rows of length 0 of a tensor with one value per record."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, ...]`, `[batch] int32` -> `[records, ...]`."""
        return pack_steps(inputs[:, None], tf.minimum(lengths, 1))

    def compute_output_spec(self, inputs: Any, lengths: Any) -> keras.KerasTensor:
        """Returns `(None, ...)` in the input's dtype."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackRecords(keras.layers.Layer):
    """Puts packed records back into their rows; a row of length 0 is zero."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[records, ...]`, `[batch] int32` -> `[batch, ...]`."""
        return unpack_steps(packed, tf.minimum(lengths, 1), 1)[:, 0]

    def compute_output_spec(self, packed: Any, lengths: Any) -> keras.KerasTensor:
        """Takes the batch of `lengths`, the rest of `packed`."""
        return keras.KerasTensor((lengths.shape[0], *packed.shape[1:]), dtype=packed.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class PackedTimeDistributed(keras.layers.Wrapper):
    """Applies one layer, with one set of weights, to every valid step, in a single call.

    Unlike `keras.layers.TimeDistributed` it never computes on padding, updates batch statistics
    once per batch, and takes lengths explicitly. Padding of the result is zero.
    """

    def build(self, inputs_shape: Any, lengths_shape: Any = None) -> None:
        """Builds the wrapped layer for one step."""
        if not self.layer.built:
            self.layer.build((None, *inputs_shape[2:]))
        self.built = True

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, time, ...]`, `[batch] int32` -> `[batch, time, ...]`, zero at padding."""
        outputs = self.layer(pack_steps(inputs, lengths))
        padded = unpack_steps(outputs, lengths, tf.shape(inputs)[1])
        return tf.ensure_shape(padded, [*inputs.shape[:2], *outputs.shape[1:]])

    def compute_output_shape(self, inputs_shape: Any, lengths_shape: Any = None) -> tuple:
        """Returns the wrapped layer's output shape with batch and time in front."""
        step_shape = self.layer.compute_output_shape((None, *inputs_shape[2:]))
        return (*inputs_shape[:2], *step_shape[1:])

    def compute_output_spec(self, inputs: Any, lengths: Any, **kwargs: Any) -> keras.KerasTensor:
        """Free batch and time axes stay free; fixed ones stay fixed."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.layer.compute_dtype)


@keras.saving.register_keras_serializable(package="trainer")
class RepeatRecords(keras.layers.Layer):
    """Repeats each record's vector for every step of a sequence: one vector to many steps."""

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch, ...]`, `[batch] int32` -> `[valid, ...]`, packed."""
        return tf.repeat(inputs, lengths, axis=0)

    def compute_output_spec(self, inputs: Any, lengths: Any) -> keras.KerasTensor:
        """Returns `(None, ...)` in the input's dtype."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class UnpackSequence(keras.layers.Layer):
    """`unpack_steps` as a layer, to the longest of the lengths, at least 1."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, ...]`, `[batch] int32` -> `[batch, longest, ...]`."""
        return unpack_steps(packed, lengths, longest(lengths))

    def compute_output_spec(self, packed: Any, lengths: Any) -> keras.KerasTensor:
        """The longest length is not known before."""
        shape = (lengths.shape[0], None, *packed.shape[1:])
        return keras.KerasTensor(shape, dtype=packed.dtype)
