"""What a step has to know of one kind of labels; each file of `kinds/` is one."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from pipeline.batches.valid_labels import filled, is_known
from tfrecords_schema import LabelSpec
from trainer.metrics.metric import Mean
from trainer.metrics.table import epoch_means, monitored
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
      label_weights: factor of each of several labels in the loss, or None.
    """

    label: LabelSpec
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    activation: str = "softmax"
    reading: Reading = AS_THEY_ARE
    label_weights: tuple[float, ...] | None = None


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

    def means(self, of: Scoring) -> dict[str, Mean]:
        """What is measured on every batch beside the loss, by the name of its sums."""
        return {mean.pair: mean for mean in epoch_means(of.label.kind).values()}

    def monitored(self, of: Scoring) -> tuple[str, ...]:
        """What is measured of a split, also by predicting it."""
        return monitored(of.label.kind)

    def measured(
        self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """A replica's share of every mean, by the names of `means`: float32 `[2]`.

        Args:
          of: what labels are.
          label: `[batch, (time), *shape]`.
          outputs: `[batch, (time), units]` float32.
          valid: `[batch, (time)]` float32, 1 where a label counts, known or not.
        """
        if of.label.has_missing:
            valid *= tf.cast(is_known(label, of.label), tf.float32)
        label = self.flat(of, filled(label, of.label))
        return {
            name: weighted_sum(self.of_label(mean.of(label, outputs)), valid)
            for name, mean in self.means(of).items()
        }

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


def weighted_sum(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """`[sum of weighted values, sum of weights]` float32, of two of one shape."""
    # A padded position may hold anything, even what is not finite; it must not enter as 0 * inf.
    counted = tf.where(weights > 0, values * weights, tf.zeros_like(values))
    return tf.stack([tf.reduce_sum(counted), tf.reduce_sum(weights)])
