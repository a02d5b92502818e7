"""Dropout that differs between replicas, in a third of the stock layer's operations."""

from typing import Any

import keras
import tensorflow as tf

_SEED_STRIDE = 1_000_003
"""Replica r draws with seed + r * stride; a prime far from the seeds people choose."""
_BY_DEVICE = 3
"""Of the generators the one that TensorFlow takes by itself (`tf.random.Algorithm.AUTO_SELECT`)."""


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
        factors = self._factors(inputs)

        @tf.custom_gradient
        def dropped(inputs: tf.Tensor) -> Any:
            return inputs * factors, lambda upstream: upstream * factors

        outputs = dropped(inputs)
        outputs.set_shape(inputs.shape)
        return outputs

    def _factors(self, inputs: tf.Tensor) -> tf.Tensor:
        """0 for what is dropped, else 1 / (1 - rate); drawn as the stock layer draws."""
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=self._seed())
        drawn = tf.raw_ops.StatelessRandomUniformV2(
            shape=self._concrete_noise_shape(inputs), key=key, counter=counter, alg=_BY_DEVICE,
            dtype=inputs.dtype,
        )  # fmt: skip
        kept = tf.constant(1 / (1 - self.rate), inputs.dtype)
        return tf.where(drawn >= tf.constant(self.rate, inputs.dtype), kept, tf.zeros_like(kept))

    def _seed(self) -> tf.Tensor:
        context, state = tf.distribute.get_replica_context(), self.seed_generator.state.value
        seed = tf.convert_to_tensor(state)
        state.assign_add(tf.constant([0, 1], state.dtype))  # As `SeedGenerator.next` counts.
        if context is not None and context.num_replicas_in_sync > 1:
            first = tf.cast(context.replica_id_in_sync_group, seed.dtype) * _SEED_STRIDE
            seed = seed + tf.stack([first, tf.zeros_like(first)])
        return tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)

    def _concrete_noise_shape(self, inputs: tf.Tensor) -> Any:
        shape = tf.shape(inputs)
        if self.noise_shape is None:
            return shape
        return [shape[i] if size is None else size for i, size in enumerate(self.noise_shape)]
