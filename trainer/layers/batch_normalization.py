"""BatchNormalization whose batch is the packed rows of all replicas."""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.synchronized_normalization import AddUp, normalize_over_replicas


@keras.saving.register_keras_serializable(package="trainer")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over `[rows, ..., channels]`, rows being packed steps.

    Same variables and defaults. Statistics are taken over the rows of all replicas, each row
    counted once, however many a replica has; a replica may have none. The moving averages are
    updated once per call, to the same values everywhere; without any row they stay.
    """

    def build(self, input_shape: Any) -> None:
        """Creates gamma, beta and the moving averages; the last axis must be the channels."""
        renorm = getattr(self, "renorm", False)  # Not in Keras 3.12, the last for Python 3.10.
        if self.axis not in (-1, len(input_shape) - 1) or renorm:
            raise ValueError(
                f"{self.name}: needs axis=-1 and renorm=False, got axis={self.axis}, "
                f"renorm={renorm}."
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`[rows, ..., channels]` -> the same shape, computed in float32 at least."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
        replicas = tf.distribute.get_replica_context()
        alone = replicas is None or replicas.num_replicas_in_sync == 1
        add_up = (lambda x: x) if alone else (lambda x: replicas.all_reduce("SUM", x))
        if dtype != "float32":
            rows = tf.cast(rows, dtype)
            outputs, mean, variance, count = self._normalize_in_two_passes(rows, add_up)
        elif alone:
            outputs, mean, variance, count = self._normalize_fused(rows)
        else:
            # Half precision would round the two terms that the gradient is the sum of.
            gamma, beta = self._scale_and_offset(rows.shape[-1], tf.float32)
            outputs, mean, variance, count = normalize_over_replicas(
                tf.cast(rows, tf.float32), gamma, beta, epsilon=self.epsilon, add_up=add_up
            )
        self._update(self.moving_mean, mean, count)
        self._update(self.moving_variance, variance, count)
        return tf.cast(tf.reshape(outputs, tf.shape(inputs)), self.compute_dtype)

    def _normalize_fused(self, rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """One kernel: 6 times faster than separate operations, forward and backward.

        It reads and writes half-precision rows as they are, and computes in float32.
        """
        gamma, beta = self._scale_and_offset(rows.shape[-1], tf.float32)
        result = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(rows, [1, -1, 1, rows.shape[-1]]),
            scale=gamma,
            offset=beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.shape(rows)[0], tf.float32)
        # The kernel divides by count - 1; Keras' moving variance is divided by the count.
        variance = result.batch_variance * (tf.maximum(count, 2.0) - 1) / tf.maximum(count, 2.0)
        return tf.reshape(result.y, tf.shape(rows)), result.batch_mean, variance, count

    def _normalize_in_two_passes(self, rows: tf.Tensor, add_up: AddUp) -> tuple[tf.Tensor, ...]:
        """In float64, for which there is no kernel.

        The mean first: E[x^2] - E[x]^2 cancels where the mean is large.
        """
        own_count = tf.cast(tf.shape(rows)[:1], rows.dtype)
        sums = tf.concat([tf.reduce_sum(rows, axis=0), own_count], axis=0)
        sums = add_up(sums)
        count = tf.maximum(sums[-1], 1)
        mean = sums[:-1] / count
        squares = tf.reduce_sum(tf.math.squared_difference(rows, mean), axis=0)
        variance = add_up(squares) / count
        gamma, beta = self._scale_and_offset(rows.shape[-1], rows.dtype)
        outputs = tf.nn.batch_normalization(rows, mean, variance, beta, gamma, self.epsilon)
        return outputs, mean, variance, sums[-1]

    def _scale_and_offset(self, channels: int, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        gamma = tf.cast(self.gamma, dtype) if self.scale else tf.ones(channels, dtype)
        beta = tf.cast(self.beta, dtype) if self.center else tf.zeros(channels, dtype)
        return gamma, beta

    def _update(self, variable: keras.Variable, batch: tf.Tensor, count: tf.Tensor) -> None:
        """Every replica assigns its own copy; the values are equal, having been reduced."""
        old = tf.cast(variable, batch.dtype)
        new = old * self.momentum + batch * (1 - self.momentum)
        variable.assign(tf.where(count > 0, new, old))
