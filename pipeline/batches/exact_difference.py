"""Differences of values that may lie far from 0, rounded once; for eager tensors and in graphs."""

from typing import Any

import tensorflow as tf


def as_exact(values: tf.Tensor, dtype: Any) -> tf.Tensor:
    """Values in a dtype that holds all of them: int64 for wide integers, else the float `dtype`."""
    return tf.cast(values, tf.int64 if values.dtype in (tf.int32, tf.int64) else dtype)


def exact_difference(values: tf.Tensor, origin: tf.Tensor, dtype: Any) -> tf.Tensor:
    """`values - origin` in the float `dtype`; both are of a dtype of `as_exact`."""
    if values.dtype != tf.int64:
        return tf.cast(values, dtype) - tf.cast(origin, dtype)
    # By halves and their remainders: the whole difference may need 65 bits.
    halves = tf.bitwise.right_shift(values, 1) - tf.bitwise.right_shift(origin, 1)
    odd = tf.bitwise.bitwise_and(values, 1) - tf.bitwise.bitwise_and(origin, 1)
    return 2 * tf.cast(halves, dtype) + tf.cast(odd, dtype)
