"""Sums of packed rows, of which a replica may have none."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class Add(keras.layers.Add):
    """`keras.layers.Add` of equal shapes that takes no rows, called eagerly as well.

    Keras (3.15) takes a second summand `[0, features]` for a bias of `[features]`, and fails.
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """A list of `[rows, ...]` -> the same shape."""
        return tf.add_n(inputs)
