"""Faster or slower records."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws, Times

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class TimeStretch(Augmentation):
    """Augmentation: faster or slower."""

    time_stretch: float = option(
        0.0, "Most by which a recording is slower or faster in training: 0.1 is a tenth.",
        low=0, high=1,
    )  # fmt: skip

    def times(self, lengths: tf.Tensor, draws: Draws) -> Times:
        """All of it at another rate."""
        import tensorflow as tf

        rate = tf.pow(1.0 + self.time_stretch, 2 * draws.uniform(0) - 1)
        steps = tf.cast(lengths, tf.float32)
        kept = tf.maximum(tf.floor((steps - 1) / rate) + 1, 1.0)
        return Times(tf.zeros_like(rate), rate, tf.cast(kept, tf.int32))
