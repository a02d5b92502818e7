"""A network that is never trained, and what takes its features apart again."""

import math
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.convolution import call_never_empty


@keras.saving.register_keras_serializable(package="trainer")
class Frozen(keras.layers.Wrapper):
    """A network in inference mode, always; all its outputs in one vector per row.

    A layer of its own, since `training=False` given to a model inside a functional model is
    overwritten by the outer call's `training=True` (keras `Functional.call`, seen in 3.15).
    """

    def __init__(self, layer: keras.Model, **kwargs: Any):
        # A saved one comes back with both among its arguments.
        super().__init__(layer, **{**kwargs, "dtype": "float32", "trainable": False})

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        """`[rows, ...]` -> `[rows, values]` float32: every output flattened, one after another."""
        return call_never_empty(self._features, rows)

    def _features(self, rows: tf.Tensor) -> tf.Tensor:
        outputs = keras.tree.flatten(self.layer(rows, training=False))
        flat = [
            tf.reshape(tf.cast(x, tf.float32), [-1, math.prod(shape)])
            for x, shape in zip(outputs, self.shapes, strict=True)
        ]
        return tf.concat(flat, axis=-1)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the network's outputs, without rows."""
        return [tuple(output.shape[1:]) for output in self.layer.outputs]

    def compute_output_spec(self, rows: Any, **kwargs: Any) -> keras.KerasTensor:
        """All values of all outputs; Keras would trace the whole network to know it."""
        values = sum(math.prod(shape) for shape in self.shapes)
        return keras.KerasTensor((rows.shape[0], values), dtype="float32")


@keras.saving.register_keras_serializable(package="trainer")
class SplitFeatures(keras.layers.Layer):
    """The inverse of `Frozen`'s flattening: one tensor per shape."""

    def __init__(self, shapes: list[tuple[int, ...]], **kwargs: Any):
        super().__init__(**kwargs)
        self.shapes = [tuple(shape) for shape in shapes]

    def call(self, features: tf.Tensor) -> list[tf.Tensor]:
        """`[rows, values]` -> a tensor `[rows, *shape]` for each shape."""
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = tf.split(features, sizes, axis=-1)
        return [tf.reshape(x, [-1, *shape]) for x, shape in zip(parts, self.shapes, strict=True)]
