"""What is learned: losses and metrics of one batch, as sums beside the weights they rest on.

A mean is formed once, over all replicas and steps: sum of weighted values / sum of weights.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from pipeline.batches.valid_labels import validity
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from tfrecords_schema import DatasetError, LabelSpec, SplitIndex

Batch = dict[str, tf.Tensor]
# Metric name -> float32 [2]: weighted sum, sum of weights.
Sums = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Task:
    """Losses, metrics and predictions for one kind of label.

    Attributes:
      label: the dataset's label.
      class_weights: factor of each class in the loss, or None; metrics do not use it.
      label_smoothing: share of the label that is spread over all classes.
      activation: turns logits into probabilities; `sigmoid` scores each class on its own.
    """

    label: LabelSpec
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    activation: str = "softmax"

    def __post_init__(self) -> None:
        if self.label_smoothing and self.label.kind != "class":
            raise DatasetError(
                f"--label_smoothing={self.label_smoothing:g} needs class labels; leave it at 0 for "
                "values"
            )

    @property
    def preparation(self) -> Callable[[Batch], Batch] | None:
        """Turns a batch of the dataset into one of this task; None where they are the same."""
        return _trimmed if self.label.per == "sequence" else None

    def check_records(self, index: SplitIndex, split: str) -> None:
        """Checks that the records of a split suit the task.

        Raises:
          DatasetError: if not; the message says which split, and what to do.
        """
        if self.label.per == "sequence" and not index.label_steps().any():
            raise DatasetError(
                f"no record of split {split!r} has a label of a step or more, so there is nothing "
                "to learn or to measure; convert again with labels that hold steps"
            )

    @property
    def num_outputs(self) -> int:
        """Units of the model's head: classes, or values in one label."""
        if self.label.kind == "class":
            return len(self.label.class_names)
        return math.prod(self.label.shape)

    @property
    def headline_metric(self) -> str:
        """The metric that people read first."""
        return "accuracy" if self.label.kind == "class" else "rmse"

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What is measured in every epoch."""
        return (
            ("loss", "accuracy") if self.label.kind == "class" else ("loss", "mse", "mae", "rmse")
        )

    def require_metric(self, name: str) -> None:
        """Checks `--monitor`.

        Raises:
          UsageError: if that is not measured.
        """
        if name not in self.metric_names:
            raise UsageError(f"--monitor={name}: {not_one_of(name, self.metric_names)}")

    def loss_weights(self, batch: Batch) -> tf.Tensor:
        """`validity` times the class's weight, in the same shape."""
        valid = validity(batch, self.label)
        if self.class_weights is None:
            return valid
        return valid * tf.gather(tf.constant(self.class_weights, tf.float32), batch["label"])

    def losses(self, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Loss of each label: cross-entropy, or squared error averaged over its values.

        Args:
          label: `[batch, (time)]` int64 classes or `[batch, (time), *shape]` values.
          outputs: `[batch, (time), units]`, the model's logits or values.
        """
        outputs = tf.cast(outputs, tf.float32)
        if self.label.kind == "value":
            return tf.reduce_mean(tf.square(self._flat(label) - outputs), axis=-1)
        logits = outputs if self.activation == "softmax" else tf.math.log_sigmoid(outputs)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
        if not self.label_smoothing:
            return losses
        uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        return (1.0 - self.label_smoothing) * losses + self.label_smoothing * uniform

    def metric_sums(self, batch: Batch, outputs: tf.Tensor) -> Sums:
        """This replica's share of every metric."""
        outputs = tf.cast(outputs, tf.float32)
        valid = validity(batch, self.label)
        if self.label.kind == "class":
            hit = tf.cast(tf.argmax(outputs, -1, tf.int64) == batch["label"], tf.float32)
            return {"accuracy": _pair(hit, valid)}
        error = self._flat(batch["label"]) - outputs
        return {
            "mse": _pair(tf.reduce_mean(tf.square(error), -1), valid),
            "mae": _pair(tf.reduce_mean(tf.abs(error), -1), valid),
        }

    def loss_sum(self, batch: Batch, outputs: tf.Tensor) -> tf.Tensor:
        """Weighted loss sum and sum of weights of this replica: float32 `[2]`."""
        return _pair(self.losses(batch["label"], outputs), self.loss_weights(batch))

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """Probabilities of classes, or values, float32 in the shape of `outputs`."""
        outputs = tf.cast(outputs, tf.float32)
        if self.label.kind == "value":
            return outputs
        return tf.nn.softmax(outputs) if self.activation == "softmax" else tf.sigmoid(outputs)

    def _flat(self, label: tf.Tensor) -> tf.Tensor:
        leading = tf.shape(label)[: 1 if self.label.per == "record" else 2]
        return tf.reshape(tf.cast(label, tf.float32), tf.concat([leading, [self.num_outputs]], 0))


def _trimmed(batch: Batch) -> Batch:
    """Labels padded to this replica's longest, as models do, not to the global batch's."""
    longest = tf.maximum(tf.reduce_max(batch["label_lengths"]), 1)
    label = batch["label"][:, :longest]
    # Models answer one step at least, also where no record of the batch has a label step.
    missing = longest - tf.shape(label)[1]
    paddings = [[0, 0], [0, missing], *([0, 0] for _ in label.shape[2:])]
    return {**batch, "label": tf.pad(label, paddings)}


def means(sums: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Turns sums over an epoch into metrics; the root is taken of the whole mean.

    What has no weight at all is not a number: a loss of 0 would be the best there is.

    Args:
      sums: metric name to (weighted sum, sum of weights).
    """
    values = {name: pair[0] / pair[1] if pair[1] else math.nan for name, pair in sums.items()}
    if "mse" in values:
        values["rmse"] = math.sqrt(values["mse"])
    return values


def _pair(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    # A padded position may hold anything, even what is not finite; it must not enter as 0 * inf.
    counted = tf.where(weights > 0, values * weights, tf.zeros_like(values))
    return tf.stack([tf.reduce_sum(counted), tf.reduce_sum(weights)])
