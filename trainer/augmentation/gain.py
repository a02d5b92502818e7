"""Louder or softer signals."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Gain(Augmentation):
    """Augmentation: louder or softer."""

    input_kind: ClassVar[str] = "signal"
    gain: float = option(
        0.0, "Most by which signals are scaled in training: 0.1 is a tenth, up or down.", low=0
    )

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Multiplies a record by one number."""
        import tensorflow as tf

        factor = tf.pow(1.0 + self.gain, 2 * draws.uniform(0) - 1)
        return values * tf.reshape(factor, [-1, *[1] * (len(values.shape) - 1)])
