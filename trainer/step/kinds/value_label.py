"""Values: squared error, averaged over the values of a label."""

import tensorflow as tf

from tfrecords_schema import DatasetError
from trainer.metrics.mse import squared_error
from trainer.step.step_kind import Scoring, StepKind


class ValueLabel(StepKind):
    """Labels are numbers or vectors."""

    output = "values"

    def require(self, of: Scoring) -> None:
        """See `StepKind`."""
        if of.label_smoothing:
            raise DatasetError(
                f"--label_smoothing={of.label_smoothing:g} needs class labels; leave it at 0 for "
                "values"
            )

    def of_label(self, values: tf.Tensor) -> tf.Tensor:
        """The mean over the units of each label."""
        return tf.reduce_mean(tf.cast(values, tf.float32), axis=-1)

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        return self.of_label(squared_error(self.flat(of, label), outputs))
