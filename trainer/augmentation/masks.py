"""Stretches of time, and channels, that are not there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Masks(Augmentation):
    """Augmentation: time and channels left out."""

    input_kind: ClassVar[str] = "signal"
    time_mask: float = option(
        0.0, "Most of a recording that is 0 in training, in one stretch.", low=0, high=1
    )
    channel_mask: float = option(
        0.0, "Share of recordings of which one channel is 0 in training.", low=0, high=1
    )

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Sets one stretch to 0, and one channel of some records."""
        import tensorflow as tf

        steps, ones = tf.cast(lengths, tf.float32), [1] * (len(values.shape) - 2)
        masked = tf.floor(self.time_mask * draws.uniform(0) * steps)
        start = tf.floor(draws.uniform(1) * (steps - masked + 1))
        time = tf.range(tf.cast(tf.shape(values)[1], tf.float32))[None]
        out = (time >= start[:, None]) & (time < (start + masked)[:, None])
        values = tf.where(tf.reshape(out, [-1, tf.shape(values)[1], *ones]), 0.0, values)
        channels = values.shape[-1] if len(values.shape) > 2 else 1
        if not self.channel_mask or channels == 1:
            return values
        channel = tf.floor(draws.uniform(2) * channels)
        is_out = (draws.uniform(3) < self.channel_mask)[:, None] & (
            tf.range(float(channels))[None] == channel[:, None]
        )
        return tf.where(tf.reshape(is_out, [-1, 1, *ones[1:], channels]), 0.0, values)
