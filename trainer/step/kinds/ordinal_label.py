"""One class out of several that have an order: a miss by two costs more than one by one.

The loss is the ranked ignorance score (Toedter and Ahrens 2012, doi:10.1175/MWR-D-11-00266.1), in
nats: for each threshold between two classes the cross-entropy of the probability, by the softmax,
that the class is above it. It is least for the true probabilities; of two classes it is the
cross-entropy.
"""

import tensorflow as tf

from tfrecords_schema import DatasetError
from trainer.step.kinds.class_label import ClassLabel
from trainer.step.step_kind import Scoring


class OrdinalLabel(ClassLabel):
    """Labels are class indices, in the order of the classes."""

    def require(self, of: Scoring) -> None:
        """See `StepKind`."""
        if of.activation == "sigmoid":
            raise DatasetError(
                "--ordinal adds up the probabilities of classes, and those of "
                "--class_activation=sigmoid do not add up to 1; leave one of the two out"
            )

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        logs, classes = tf.nn.log_softmax(outputs), outputs.shape[-1]
        below = tf.math.cumulative_logsumexp(logs, axis=-1)[..., :-1]
        above = tf.math.cumulative_logsumexp(logs, axis=-1, reverse=True)[..., 1:]
        thresholds = tf.range(classes - 1)
        is_above = tf.cast(tf.cast(label, tf.int32)[..., None] > thresholds, tf.float32)
        uniform = 1 - tf.cast(thresholds + 1, tf.float32) / classes
        share = is_above + of.label_smoothing * (uniform - is_above)
        return -tf.reduce_sum(share * above + (1 - share) * below, axis=-1)
