"""BatchNormalization whose batch is the packed rows of all replicas.

Written with separate operations it takes 6 times as long, forward and backward: each is a pass over
the activations. Here one replica has one kernel, and several have two kernels forward, and two and
an addition backward.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_AddUp = Callable[[tf.Tensor], tf.Tensor]
"""The sum of a tensor over all replicas, on each of them."""

# Half-precision channels that oneDNN's kernel takes at once.
_VECTOR = 16


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
        is_last = self.axis in (-1, len(input_shape) - 1)
        if not is_last or renorm or self.compute_dtype == "float64":
            raise ValueError(
                f"{self.name}: needs axis=-1, renorm=False and a dtype other than float64, got "
                f"axis={self.axis}, renorm={renorm}, {self.compute_dtype}."
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`[rows, ..., channels]` -> the same shape, computed in float32."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        rows = inputs if len(inputs.shape) == 2 else tf.reshape(inputs, [-1, inputs.shape[-1]])
        gamma = tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(rows.shape[-1])
        beta = tf.cast(self.beta, tf.float32) if self.center else tf.zeros(rows.shape[-1])
        replicas = tf.distribute.get_replica_context()
        if replicas is None or replicas.num_replicas_in_sync == 1:
            outputs, mean, variance, count = _normalize(rows, gamma, beta, self.epsilon)
        else:
            # Half precision would round the two terms that the gradient is the sum of.
            outputs, mean, variance, count = _normalize_over_replicas(
                tf.cast(rows, tf.float32), gamma, beta, self.epsilon,
                lambda x: replicas.all_reduce("SUM", x),
            )  # fmt: skip
        any_rows = count > 0
        self._update(self.moving_mean, mean, any_rows)
        self._update(self.moving_variance, variance, any_rows)
        if len(inputs.shape) > 2:
            outputs = tf.reshape(outputs, tf.shape(inputs))
        return tf.cast(outputs, self.compute_dtype)

    def _update(self, variable: keras.Variable, batch: tf.Tensor, any_rows: tf.Tensor) -> None:
        """Every replica assigns its own copy; the values are equal, having been reduced."""
        old = tf.cast(variable, batch.dtype)
        new = old * self.momentum + batch * (1 - self.momentum)
        variable.assign(tf.where(any_rows, new, old))


def _normalize(
    rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalizes rows with their own statistics; see `_normalize_over_replicas`.

    The kernel reads and writes half-precision rows as they are, and computes in float32; where the
    channels do not fill its vectors, it takes six times as long as with a cast before and after.
    """
    if rows.shape[-1] % _VECTOR:
        rows = tf.cast(rows, tf.float32)
    result = _fused(rows, gamma, beta, epsilon)
    count = tf.cast(tf.shape(rows)[0], tf.float32)
    # The kernel divides by count - 1; Keras' moving variance is divided by the count.
    at_least_two = tf.maximum(count, 2.0)
    variance = result.batch_variance * (at_least_two - 1) / at_least_two
    return result.y, result.batch_mean, variance, count


def _normalize_over_replicas(
    rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float, add_up: _AddUp
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalizes this replica's rows with the statistics of all.

    Args:
      rows: `[rows, channels]` float32; there may be none.
      gamma: `[channels]` float32.
      beta: `[channels]` float32.
      epsilon: is added to the variance.
      add_up: sums over the replicas.

    Returns:
      `[rows, channels]` like `rows`; mean and variance of all rows, `[channels]` float32, which
      pass no gradient on; and how many rows that is, float32.
    """
    mean, variance, count = _statistics(tf.stop_gradient(rows), epsilon, add_up)

    @tf.custom_gradient
    def normalize(
        rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return _gradient(upstream, rows, gamma, mean, variance, count, epsilon, add_up)

        return _fused(rows, gamma, beta, epsilon, (mean, variance)).y, gradient

    return normalize(rows, gamma, beta), mean, variance, count


def _statistics(
    rows: tf.Tensor, epsilon: float, add_up: _AddUp
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance (divided by the count) of all rows, and the count."""
    channels = rows.shape[-1]
    own = _fused(rows, tf.ones(channels), tf.zeros(channels), epsilon)
    own_count = tf.cast(tf.shape(rows)[0], tf.float32)
    # Of no rows the kernel says what it likes.
    own_mean = tf.where(own_count > 0, own.batch_mean, 0.0)
    # The kernel divides by count - 1; of one row it says 0 either way.
    own_squares = tf.where(own_count > 0, own.batch_variance, 0.0) * tf.maximum(own_count - 1, 0)
    sums = add_up(tf.concat([own_mean * own_count, [own_count]], axis=0))
    count = sums[-1]
    mean = sums[:-1] / tf.maximum(count, 1)
    # In two steps: with E[x^2] - E[x]^2 in one, digits are lost where the mean is large.
    squares = add_up(own_squares + own_count * tf.math.squared_difference(own_mean, mean))
    return mean, squares / tf.maximum(count, 1), count


def _gradient(
    upstream: tf.Tensor,
    rows: tf.Tensor,
    gamma: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    count: tf.Tensor,
    epsilon: float,
    add_up: _AddUp,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Of rows, gamma and beta; those of gamma and beta are this replica's share.

    With x^ the normalized rows and s = gamma / sqrt(variance + epsilon), Ioffe and Szegedy (2015,
    arXiv 1502.03167) give s * (upstream - mean(upstream) - x^ * mean(upstream * x^)).
    """
    fixed = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=_as_image(upstream), x=_as_image(rows), scale=gamma, reserve_space_1=mean,
        reserve_space_2=variance, reserve_space_3=[], epsilon=epsilon, is_training=False,
    )  # fmt: skip
    sums = add_up(tf.stack([fixed.scale_backprop, fixed.offset_backprop]))
    factor = -gamma * tf.math.rsqrt(variance + epsilon) / tf.maximum(count, 1)
    of_statistics = _fused(rows, factor * sums[0], factor * sums[1], epsilon, (mean, variance)).y
    of_rows = tf.reshape(fixed.x_backprop, [-1, rows.shape[-1]]) + of_statistics
    return of_rows, fixed.scale_backprop, fixed.offset_backprop


def _fused(
    rows: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    epsilon: float,
    statistics: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> Any:
    """`y`: `(rows - mean) / sqrt(variance + epsilon) * scale + offset`, in one pass.

    Without `statistics`, mean and variance are those of the rows: `batch_mean`, `batch_variance`.
    """
    mean, variance = statistics or ([], [])
    result = tf.raw_ops.FusedBatchNormV3(
        x=_as_image(rows), scale=scale, offset=offset,
        mean=mean, variance=variance, epsilon=epsilon, is_training=statistics is None,
    )  # fmt: skip
    return result._replace(y=tf.reshape(result.y, [-1, rows.shape[-1]]))


def _as_image(rows: tf.Tensor) -> tf.Tensor:
    return tf.reshape(rows, [1, -1, 1, rows.shape[-1]])
