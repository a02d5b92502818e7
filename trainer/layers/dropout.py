"""Dropout that differs between replicas."""

from typing import Any

import keras
import tensorflow as tf

_SEED_STRIDE = 1_000_003
"""Replica r draws with seed + r * stride; a prime far from the seeds people choose."""


@keras.saving.register_keras_serializable(package="trainer")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` with a mask of its own on every replica.

    The stock layer drops the same positions on all replicas, since each copy of its seed is equal.
    The first replica draws what the stock layer would. The state is the stock layer's seed
    variable, so a checkpoint resumes the sequence of masks.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """Any shape -> the same shape; the identity unless `training`."""
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            return tf.zeros_like(inputs)
        return tf.nn.experimental.stateless_dropout(
            inputs, self.rate, noise_shape=self._concrete_noise_shape(inputs), seed=self._seed()
        )

    def _seed(self) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        number = 0 if context is None else context.replica_id_in_sync_group
        seed = self.seed_generator.next()
        first = tf.cast(number, seed.dtype) * _SEED_STRIDE
        seed = seed + tf.stack([first, tf.zeros_like(first)])
        return tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)

    def _concrete_noise_shape(self, inputs: tf.Tensor) -> Any:
        if self.noise_shape is None:
            return None
        shape = tf.shape(inputs)
        return [shape[i] if size is None else size for i, size in enumerate(self.noise_shape)]
