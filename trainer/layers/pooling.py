"""From the packed steps of a record to one vector for it."""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.packing import longest, unpack_steps

KINDS = ("last", "mean", "max")


@keras.saving.register_keras_serializable(package="trainer")
class RecordPooling(keras.layers.Layer):
    """The last, the mean or the maximum of a record's valid steps."""

    def __init__(self, kind: str = "last", **kwargs: Any):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"RecordPooling kind must be one of {KINDS}, got {kind!r}.")
        self.kind = kind

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[batch, features]`; zero for length 0."""
        time = longest(lengths)
        padded = unpack_steps(packed, lengths, time)
        if self.kind == "mean":
            sums = tf.reduce_sum(padded, axis=1)
            return sums / tf.cast(tf.maximum(lengths, 1), sums.dtype)[:, None]
        if self.kind == "last":
            return tf.gather(padded, tf.maximum(lengths - 1, 0), batch_dims=1)
        valid = tf.sequence_mask(lengths, time)[..., None]
        highest = tf.reduce_max(tf.where(valid, padded, padded.dtype.min), axis=1)
        return tf.where(lengths[:, None] > 0, highest, tf.zeros_like(highest))
