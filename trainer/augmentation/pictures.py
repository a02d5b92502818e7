"""Mirrored, brighter, darker frames."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Pictures(Augmentation):
    """Augmentation: frames."""

    input_kind: ClassVar[str] = "frames"
    flip: bool = option(
        False,
        "Whether half of the frame recordings are mirrored in training, left to right; only where "
        "that leaves labels right.",
    )
    brightness: float = option(
        0.0, "Most by which frames are brighter or darker in training, of white.", low=0, high=1
    )
    contrast: float = option(
        0.0, "Most by which the contrast of frames is changed in training.", low=0, high=1
    )

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Changes all frames of a record alike."""
        import tensorflow as tf

        def of_record(numbers: tf.Tensor) -> tf.Tensor:
            return tf.reshape(numbers, [-1, 1, 1, 1, 1])

        if self.flip:
            values = tf.where(of_record(draws.uniform(0) < 0.5), values[..., ::-1, :], values)
        scale = tf.pow(1.0 + self.contrast, 2 * draws.uniform(1) - 1)
        added = 255 * self.brightness * (2 * draws.uniform(2) - 1)
        changed = (values - 127.5) * of_record(scale) + 127.5 + of_record(added)
        return tf.clip_by_value(changed, 0.0, 255.0)
