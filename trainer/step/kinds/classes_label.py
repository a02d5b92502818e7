"""Any number of classes at once: a sigmoid for each, and the sum of their cross-entropies.

The loss is the negative log likelihood of the whole label, its classes taken as independent; the
gradients are those of a model of each class, added up. A class of a label that is not known, -1,
weighs nothing.
"""

import tensorflow as tf

from tfrecords_schema import DatasetError
from tfrecords_schema.labels import MISSING_CLASS
from trainer.step.step_kind import Scoring, StepKind


class ClassesLabel(StepKind):
    """Labels are `[batch, (time), classes]`: 1 where a class is there, 0 where not, else -1."""

    stated = "present"

    def require(self, of: Scoring) -> None:
        """See `StepKind`."""
        if of.activation == "sigmoid":
            raise DatasetError(
                "--class_activation=sigmoid is for one class out of several; labels of any number "
                "of classes have a sigmoid for each already, leave it out"
            )

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`; `class_weights` are those of a class where it is there."""
        share = of.label_smoothing / 2
        truth = tf.cast(label > 0, tf.float32) * (1 - 2 * share) + share
        positive = 1.0 if of.class_weights is None else tf.constant(of.class_weights, tf.float32)
        there = positive * truth * tf.math.log_sigmoid(outputs)
        losses = -there - (1 - truth) * tf.math.log_sigmoid(-outputs)
        return tf.reduce_sum(tf.where(label < 0, 0.0, losses), axis=-1)

    def predictions(self, of: Scoring, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        return outputs if of.activation == "none" else tf.sigmoid(outputs)

    def answers(
        self, of: Scoring, predictions: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """`probabilities`, and `present` `[batch, (time), classes]` int32; see `Serving.answer`."""
        known = valid & tf.reduce_all(tf.math.is_finite(predictions), -1)
        present = tf.cast(of.reading.present(predictions), tf.int32)
        stated = tf.where(known[..., None], present, MISSING_CLASS)
        return {**super().answers(of, predictions, valid), self.stated: stated}
