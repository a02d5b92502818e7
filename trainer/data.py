"""From a dataset folder to the batches of each epoch, for all replicas of a strategy."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from pipeline.batches import padded_batches

from pipeline.plan import BatchOptions, EpochPlan, plan_epoch
from tfrecords_schema import Dataset, DatasetError, SplitIndex
from trainer.options import DataOptions


@dataclasses.dataclass
class SplitData:
    """One split of a dataset, ready to be planned and read."""

    dataset: Dataset
    name: str
    index: SplitIndex
    options: BatchOptions

    def plan(self, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> EpochPlan:
        """The batches of one epoch."""
        return plan_epoch(self.index.steps, self.options, seed=seed, epoch=epoch, shuffle=shuffle)

    def batches(
        self, plan: EpochPlan, strategy: tf.distribute.Strategy, start_step: int = 0
    ) -> tuple[Iterator[Any], Any]:
        """Iterator over a plan's global batches, and their element spec.

        Args:
          plan: from `plan`.
          strategy: each element holds one batch per replica of it.
          start_step: first step of the plan to deliver.
        """
        replicas = strategy.num_replicas_in_sync

        def per_replica(_: tf.distribute.InputContext) -> tf.data.Dataset:
            return padded_batches(
                self.dataset, self.name, plan, num_replicas=replicas, start_step=start_step
            )

        if replicas == 1:
            batches = per_replica(tf.distribute.InputContext())
        else:
            batches = strategy.distribute_datasets_from_function(per_replica)
        return iter(batches), batches.element_spec


def load_split(dataset: Dataset, name: str, options: DataOptions) -> SplitData:
    """Loads a split's index and the options for its batches."""
    index = dataset.split(name)
    batch_options = BatchOptions(
        batch_size=None if options.batch_steps else options.batch_size,
        batch_steps=options.batch_steps,
        num_buckets=options.num_buckets,
        boundaries=_covering(options.boundaries, index.steps) or None,
        align=options.boundary_align,
    )
    return SplitData(dataset, name, index, batch_options)


def class_weights(dataset: Dataset, options: DataOptions) -> tuple[float, ...] | None:
    """Weights of the classes in the loss, from `--class_weights`.

    `balanced` gives count / (classes * count of the class), which averages to 1 over the data.

    Raises:
      DatasetError: if there are not as many weights as classes.
    """
    if options.class_weights == ("none",):
        return None
    label = dataset.schema.label
    if label is None or label.kind != "class":
        raise DatasetError("--class_weights needs class labels; leave it at none for values")
    if options.class_weights == ("balanced",):
        counts = dataset.manifest.splits[options.train_split].class_counts
        return _balanced([counts.get(name, 0) for name in label.class_names])
    if len(options.class_weights) != len(label.class_names):
        raise DatasetError(
            f"--class_weights: got {len(options.class_weights)} weights, expected "
            f"{len(label.class_names)}, for {', '.join(label.class_names)}"
        )
    return tuple(float(weight) for weight in options.class_weights)


def _balanced(counts: list[int]) -> tuple[float, ...]:
    present = [count for count in counts if count]
    return tuple(sum(counts) / (len(present) * count) if count else 0.0 for count in counts)


def _covering(boundaries: tuple[int, ...], steps: np.ndarray) -> tuple[int, ...]:
    longest = int(steps.max())
    if boundaries and boundaries[-1] < longest:
        return (*boundaries, longest)
    return boundaries
