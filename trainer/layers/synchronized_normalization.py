"""Batch normalization over the rows of several replicas, from the kernels that one replica uses.

Written with separate operations it takes 6 times as long forward and backward: each is a pass
over the activations. Here are two kernels forward, and two and an addition backward.
"""

from collections.abc import Callable

import tensorflow as tf

AddUp = Callable[[tf.Tensor], tf.Tensor]
"""The sum of a tensor over all replicas."""


def normalize_over_replicas(
    rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float, add_up: AddUp
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalizes this replica's rows with the statistics of all.

    Args:
      rows: `[rows, channels]` float32; there may be none.
      gamma: `[channels]` float32.
      beta: `[channels]` float32.
      epsilon: is added to the variance.
      add_up: sums over the replicas, on each of them.

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

        return _affine(rows, gamma, beta, mean, variance, epsilon), gradient

    return normalize(rows, gamma, beta), mean, variance, count


def _statistics(
    rows: tf.Tensor, epsilon: float, add_up: AddUp
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance (divided by the count) of all rows, and the count."""
    channels = rows.shape[-1]
    own = tf.raw_ops.FusedBatchNormV3(
        x=_as_image(rows), scale=tf.ones(channels), offset=tf.zeros(channels),
        mean=[], variance=[], epsilon=epsilon, is_training=True,
    )  # fmt: skip
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
    add_up: AddUp,
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
    of_statistics = _affine(rows, factor * sums[0], factor * sums[1], mean, variance, epsilon)
    of_rows = tf.reshape(fixed.x_backprop, tf.shape(rows)) + of_statistics
    return of_rows, fixed.scale_backprop, fixed.offset_backprop


def _affine(
    rows: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    epsilon: float,
) -> tf.Tensor:
    """`(rows - mean) / sqrt(variance + epsilon) * scale + offset`, in one pass."""
    result = tf.raw_ops.FusedBatchNormV3(
        x=_as_image(rows), scale=scale, offset=offset,
        mean=mean, variance=variance, epsilon=epsilon, is_training=False,
    )  # fmt: skip
    return tf.reshape(result.y, tf.shape(rows))


def _as_image(rows: tf.Tensor) -> tf.Tensor:
    return tf.reshape(rows, [1, -1, 1, rows.shape[-1]])
