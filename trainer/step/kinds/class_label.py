"""One class out of several: a softmax, or sigmoids divided by their sum, and cross-entropy."""

import tensorflow as tf

from tfrecords_schema.labels import MISSING_CLASS
from trainer.step.step_kind import Scoring, StepKind


class ClassLabel(StepKind):
    """Labels are class indices, `[batch, (time)]` int64."""

    stated = "class_index"

    def flat(self, of: Scoring, label: tf.Tensor) -> tf.Tensor:
        """Classes as they are."""
        return label

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        logits = outputs if of.activation == "softmax" else tf.math.log_sigmoid(outputs)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
        if not of.label_smoothing:
            return losses
        uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        return (1.0 - of.label_smoothing) * losses + of.label_smoothing * uniform

    def weights(self, of: Scoring, label: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        if of.class_weights is None:
            return weights
        return weights * tf.gather(tf.constant(of.class_weights, tf.float32), label)

    def predictions(self, of: Scoring, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        if of.activation == "none":
            return outputs
        return of.reading.softmax(outputs) if of.activation == "softmax" else tf.sigmoid(outputs)

    def answers(
        self, of: Scoring, predictions: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """`probabilities`, and `class_index` `[batch, (time)]` int32; see `Serving.answer`."""
        chosen = of.reading.answer(predictions)
        has_class = valid & tf.reduce_all(tf.math.is_finite(predictions), -1)
        stated = tf.where(has_class, chosen, MISSING_CLASS)
        return {**super().answers(of, predictions, valid), self.stated: stated}
