"""Frames moved a little, as by a camera that looks elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Shift(Augmentation):
    """Augmentation: frames moved."""

    input_kind: ClassVar[str] = "frames"
    frame_shift: float = option(
        0.0,
        "Most by which frames are moved in training, of their height and width; edges are "
        "continued.",
        low=0,
        high=1,
    )

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Moves all frames of a record alike, by whole pixels."""
        import tensorflow as tf

        for axis in (2, 3):
            size = values.shape[axis]
            by = tf.round(self.frame_shift * size * (2 * draws.uniform(axis) - 1))
            places = tf.range(size)[None] + tf.cast(by, tf.int32)[:, None]
            places = tf.clip_by_value(places, 0, size - 1)
            values = tf.gather(values, places, axis=axis, batch_dims=1)
        return values
