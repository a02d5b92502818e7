"""A part of each record."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws, Times

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Crop(Augmentation):
    """Augmentation: a part of the recording."""

    crop: float = option(
        0.0, "Most of a recording that is left out in training, at its ends.", low=0, high=0.95
    )
    crop_steps: int = option(
        0, "Longer recordings are cut to a part of so many steps in training; 0: not.", low=0
    )

    def times(self, lengths: tf.Tensor, draws: Draws) -> Times:
        """A part of a random length, from a random step on."""
        import tensorflow as tf

        most = tf.cast(lengths, tf.float32)
        kept = tf.math.ceil(most * (1 - self.crop * draws.uniform(0)))
        if self.crop_steps:
            kept = tf.minimum(kept, float(self.crop_steps))
        start = tf.floor(draws.uniform(1) * (most - kept + 1))
        return Times(start, tf.ones_like(start), tf.cast(kept, tf.int32))
