"""What is learned: losses and metrics of one batch, as sums beside the weights they rest on.

A mean is formed once, over all replicas and steps: sum of weighted values / sum of weights.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import tensorflow as tf

from pipeline.batches.valid_labels import filled, is_known, places
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from tfrecords_schema import DatasetError, SplitIndex
from trainer.metrics.metric import Mean
from trainer.metrics.table import LOSS, epoch_figures
from trainer.step.kinds import step_kind
from trainer.step.step_kind import Scoring, StepKind, weighted_sum

Batch = dict[str, tf.Tensor]
# Name -> float32 [2]: weighted sum, sum of weights.
Sums = dict[str, tf.Tensor]


def inputs_of(batch: Batch, names: Iterable[str]) -> Batch:
    """What a model reads of a batch; no sample is padding where records do not say so."""
    given = {"padding": tf.zeros_like(batch["lengths"]), **batch}
    return {name: given[name] for name in names}


@dataclasses.dataclass(frozen=True)
class Task(Scoring):
    """Losses, metrics and predictions of a model, whatever its labels are.

    Attributes:
      one_label: name of the one of several labels of the records that it is; else empty.
    """

    one_label: str = ""

    def __post_init__(self) -> None:
        self.kind.require(self)

    @functools.cached_property
    def kind(self) -> StepKind:
        """What is done with labels of this kind."""
        return step_kind(self.label.kind)

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

    @functools.cached_property
    def means(self) -> dict[str, Mean]:
        """What is measured on every batch beside the loss, by the name of its sums."""
        return self.kind.means(self)

    def require_metric(self, name: str, *, validates: bool = True) -> None:
        """Checks `--monitor`.

        Args:
          name: of the metric.
          validates: whether there is a validation split to predict.

        Raises:
          UsageError: if that is not measured.
        """
        names = (LOSS, *self.kind.monitored(self))
        if name not in names:
            raise UsageError(f"--monitor={name}: {not_one_of(name, names)}")
        of_batches = epoch_figures(dict.fromkeys(self.sum_names, (0.0, 1.0)))
        if name not in of_batches and not validates:
            raise UsageError(
                f"--monitor={name} needs predictions of a validation split, and there is none; "
                f"give one, or monitor what batches of the training tell: {', '.join(of_batches)}"
            )

    def losses(self, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Loss of each label, `[batch, (time)]` float32.

        Args:
          label: `[batch, (time), *shape]`.
          outputs: `[batch, (time), units]`, the model's logits or values.
        """
        return self.kind.losses(self, label, tf.cast(outputs, tf.float32))

    @property
    def sum_names(self) -> tuple[str, ...]:
        """Names of the sums of a batch, the loss first."""
        return (LOSS, *self.means)

    def loss_sum(self, batch: Batch, outputs: tf.Tensor) -> tf.Tensor:
        """Weighted loss sum and sum of weights of this replica: float32 `[2]`.

        Where training has mixed records, by the labels of both: `other_label` has `other_share`.
        """
        valid = places(batch, self.label)
        if "other_label" not in batch:
            return self._weighted_loss(batch["label"], outputs, valid)
        own = self._weighted_loss(batch["label"], outputs, valid * (1 - batch["other_share"]))
        other = valid * batch["other_share"]
        return own + self._weighted_loss(batch["other_label"], outputs, other)

    def metric_sums(self, batch: Batch, outputs: tf.Tensor) -> Sums:
        """This replica's share of every metric, by the names of `means`."""
        valid = places(batch, self.label)
        return self.kind.measured(self, batch["label"], tf.cast(outputs, tf.float32), valid)

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """Probabilities of classes, or values, float32 in the shape of `outputs`."""
        return self.kind.predictions(self, tf.cast(outputs, tf.float32))

    def _weighted_loss(self, label: tf.Tensor, outputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        if self.label.has_missing:
            weights *= tf.cast(is_known(label, self.label), tf.float32)
            label = filled(label, self.label)
        weights = self.kind.weights(self, label, weights)
        return weighted_sum(self.losses(label, outputs), weights)


def _trimmed(batch: Batch) -> Batch:
    """Labels padded to this replica's longest, as models do, not to the global batch's."""
    longest = tf.maximum(tf.reduce_max(batch["label_lengths"]), 1)
    label = batch["label"][:, :longest]
    # Models answer one step at least, also where no record of the batch has a label step.
    missing = longest - tf.shape(label)[1]
    paddings = [[0, 0], [0, missing], *([0, 0] for _ in label.shape[2:])]
    return {**batch, "label": tf.pad(label, paddings)}
