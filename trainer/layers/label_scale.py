"""Outputs in the unit of the labels, so that a network need not learn what that is."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class LabelScale(keras.layers.Layer):
    """Multiplies by the labels' deviation and adds their mean, which a training sets at its start.

    The last layer of a network that predicts values: an update moves a weight by about the learning
    rate, and the way to labels of hundreds would take most of a training.
    """

    def build(self, input_shape: Any) -> None:
        """Creates both numbers for each value, 0 and 1."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=shape, trainable=False)
        self.deviation = self.add_weight(
            name="deviation", shape=shape, initializer="ones", trainable=False
        )

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """`[rows, values]` -> the same shape."""
        return values * self.deviation + self.mean
