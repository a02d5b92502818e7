"""Features of steps: products of them, each as a record of its own, and how they change."""

from typing import Any

import keras
import tensorflow as tf


def with_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """`[..., features]` plus `[features]`, in a precision whose gradient can be summed up.

    TensorFlow (2.21) sums the gradient of `bias_add` in the precision of the outputs: of 1,020 rows
    of ones in bfloat16 it makes 256. The gradient of a sum it sums in float32.
    """
    return outputs + bias if outputs.dtype.size < 4 else tf.nn.bias_add(outputs, bias)


@keras.saving.register_keras_serializable(package="trainer")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, whose bias learns from all rows in half precision, too."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`[..., features]` -> `[..., units]`."""
        outputs = keras.ops.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = with_bias(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable(package="trainer")
class FeaturesApart(keras.layers.Layer):
    """`[batch, time, features]` -> `[batch * features, time, 1]`, a row's features in order."""

    def call(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the rows, and the length of each."""
        rows = tf.reshape(tf.transpose(inputs, [0, 2, 1]), [-1, tf.shape(inputs)[1], 1])
        return rows, tf.repeat(lengths, inputs.shape[2])


@keras.saving.register_keras_serializable(package="trainer")
class FeaturesTogether(keras.layers.Layer):
    """`[batch * features, time, 1]` -> `[batch, time, features]`: undoes `FeaturesApart`."""

    def __init__(self, features: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.features = features

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """See the class."""
        rows = tf.reshape(inputs, [-1, self.features, tf.shape(inputs)[1]])
        return tf.transpose(rows, [0, 2, 1])


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
