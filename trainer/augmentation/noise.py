"""Noise on signals."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Noise(Augmentation):
    """Augmentation: noise."""

    input_kind: ClassVar[str] = "signal"
    noise: float = option(
        0.0, "Normal noise on signals in training, in deviations of the recording.", low=0
    )

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Adds noise to every value."""
        import tensorflow as tf

        valid = tf.cast(tf.sequence_mask(lengths, tf.shape(values)[1]), values.dtype)
        valid = tf.reshape(valid, tf.concat([tf.shape(valid), [1] * (len(values.shape) - 2)], 0))
        axes = [*range(1, max(2, len(values.shape) - 1))]
        share = tf.reduce_sum(valid * tf.ones_like(values), axes, keepdims=True)
        mean = tf.reduce_sum(values * valid, axes, keepdims=True) / tf.maximum(share, 1)
        squares = tf.reduce_sum(tf.square(values - mean) * valid, axes, keepdims=True)
        deviation = tf.sqrt(squares / tf.maximum(share, 1))
        return values + self.noise * deviation * draws.normal(tf.shape(values)[1:])
