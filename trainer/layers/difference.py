"""What changed from one step of a record to the next."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class StepDifference(keras.layers.Layer):
    """Each step minus the one before it in its record; the first step of a record gives zeros."""

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, ...]`, `[batch] int32` -> the same shape."""
        first_steps = tf.repeat(tf.cumsum(lengths, exclusive=True), lengths)
        is_first = first_steps == tf.range(tf.size(first_steps))
        before = tf.concat([packed[:1], packed[:-1]], axis=0)
        is_first = tf.reshape(is_first, [-1, *[1] * (len(packed.shape) - 1)])
        return tf.where(is_first, tf.zeros_like(packed), packed - before)
