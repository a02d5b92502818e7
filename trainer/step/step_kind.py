"""What a step has to know of one kind of labels; each file of `kinds/` is one."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from tfrecords_schema import LabelSpec
from trainer.step.reading import AS_THEY_ARE, Reading


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What labels are, and how outputs are held to them.

    Attributes:
      label: the dataset's label.
      class_weights: factor of each class in the loss, or None; metrics do not use it.
      label_smoothing: share of the label that is spread over what it might have been.
      activation: turns logits into probabilities. Those of `sigmoid` do not add up to 1; the loss
        is the cross-entropy of them divided by their sum. `none` leaves predictions logits.
      reading: how predictions are made of logits, and classes of those.
    """

    label: LabelSpec
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    activation: str = "softmax"
    reading: Reading = AS_THEY_ARE


class StepKind:
    """One kind of labels: `[batch, (time), *shape]` of `[batch, (time), units]` outputs.

    The defaults are those of labels that are vectors of numbers.

    Attributes:
      output: name of the predictions in an answer.
      stated: name of what is stated of them; empty where nothing is.
    """

    output: ClassVar[str] = "probabilities"
    stated: ClassVar[str] = ""

    def require(self, of: Scoring) -> None:
        """Refuses what has no effect on such labels.

        Raises:
          DatasetError: something is asked for that has none; the message says what to do.
        """

    def flat(self, of: Scoring, label: tf.Tensor) -> tf.Tensor:
        """Labels as metrics take them: `[batch, (time), units]` float32."""
        leading = tf.shape(label)[: 1 if of.label.per == "record" else 2]
        units = [math.prod(of.label.shape)]
        return tf.reshape(tf.cast(label, tf.float32), tf.concat([leading, units], 0))

    def of_label(self, values: tf.Tensor) -> tf.Tensor:
        """What a metric measures of each label, float32 `[batch, (time)]`."""
        return tf.cast(values, tf.float32)

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Loss of each label: `[batch, (time)]` of float32 outputs."""
        raise NotImplementedError

    def weights(self, of: Scoring, label: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Weights `[batch, (time)]` of labels in the loss, with those of their classes."""
        return weights

    def predictions(self, of: Scoring, outputs: tf.Tensor) -> tf.Tensor:
        """Probabilities or values, float32 in the shape of float32 outputs."""
        return outputs

    def answers(
        self, of: Scoring, predictions: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What a trained model answers, by name.

        Args:
          of: how outputs are read.
          predictions: `[batch, (time), units]`, see `predictions`.
          valid: `[batch, (time)]` bool; all else is padding, and 0 or -1 in the answers.
        """
        return {self.output: tf.where(valid[..., None], predictions, tf.zeros_like(predictions))}
