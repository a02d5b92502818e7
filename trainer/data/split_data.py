"""From a dataset folder to the batches of each epoch, for all replicas of a strategy."""

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import (
    BatchOptions,
    EpochPlan,
    covering,
    plan_epoch,
    plan_lengths,
    require_plannable,
)
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import nearest
from pipeline.console.texts import listed
from tfrecords_schema import Dataset, DatasetError, Head, LabelSpec, SplitEntry
from tfrecords_schema.errors import UserError
from tfrecords_schema.labels import views
from tfrecords_schema.places import gfile
from tfrecords_schema.shared_arrays import shared_tensor
from tfrecords_schema.storage import reading
from trainer.data.heads import of_one_label, with_one_label
from trainer.distribution.cluster import this_worker
from trainer.options.options import DataOptions
from trainer.step.task import Batch, Task

_CORRUPT = (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.OutOfRangeError)


class SplitData:
    """One split of a dataset, ready to be planned and read.

    Attributes:
      dataset: the dataset.
      name: name of the split.
      options: how records are put into batches.
      index: the records' lengths and places.
      lengths: `[records]` int32, steps that a record is planned by and costs.
      label: what is predicted; the dataset's own label, unless another is given.
      has_partners: whether a training reads each record with another one; see `with_partners`.
    """

    def __init__(
        self,
        dataset: Dataset,
        name: str,
        options: BatchOptions,
        *,
        label: LabelSpec | None = None,
        preparation: Callable[[Batch], Batch] | None = None,
        has_partners: bool = False,
    ):
        self.dataset = dataset
        self._records = dataset
        self.name = name
        self.options = options
        self.index = dataset.split(name)
        self.lengths = plan_lengths(self.index, dataset.schema.label)
        self.label = label or dataset.schema.label
        self.has_partners = has_partners
        self._preparation = preparation
        self._readers: dict[tuple[Any, ...], BatchReader] = {}
        self._planned: dict[tuple[Any, ...], EpochPlan] = {}

    @property
    def known_label(self) -> LabelSpec:
        """What its records are labelled with, where they are."""
        assert self.label is not None
        return self.label

    def of_head(self, head: Head) -> "SplitData":
        """The same records, of which one of several labels is all that is labelled."""
        found, several = copy.copy(self), self.known_label
        found.dataset, found.label = of_one_label(self.dataset, head), head.label
        found._preparation = lambda batch: with_one_label(batch, several, head)
        return found

    def known_labels(self) -> int:
        """How many labels it has that are known, of one per record or step."""
        entry = self.dataset.manifest.splits[self.name]
        return entry.labels(self.known_label.per) - entry.missing_labels

    def plan(self, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> EpochPlan:
        """The batches of one epoch; not to be changed, as the last plan is kept."""
        key = (self.options, seed, epoch, shuffle)
        if key not in self._planned:
            self._planned.clear()
            self._planned[key] = plan_epoch(
                self.lengths, self.options, seed=seed, epoch=epoch, shuffle=shuffle
            )
        return self._planned[key]

    def read(
        self,
        plan: EpochPlan,
        *,
        num_replicas: int = 1,
        replicas: range | None = None,
        start_step: int = 0,
        decodes_frames: bool = True,
    ) -> tf.data.Dataset:
        """A plan's batches, prepared, dealt out to replicas; see `BatchReader`."""
        has_partners = plan.partners is not None
        replicas = replicas or range(num_replicas)
        key = (num_replicas, replicas, decodes_frames, has_partners)
        if key not in self._readers:
            self._readers[key] = BatchReader(
                self._records, self.name, num_replicas=num_replicas, replicas=replicas,
                index=self.index, decodes_frames=decodes_frames, has_partners=has_partners,
            )  # fmt: skip
        batches = self._readers[key].epoch(plan, start_step=start_step)
        if self._preparation is None:
            return batches
        return batches.map(self._preparation, num_parallel_calls=tf.data.AUTOTUNE)

    def in_order(self, *, decodes_frames: bool = True) -> Iterator[Batch]:
        """All records once, in batches of a plan that is not shuffled, for one replica.

        Args:
          decodes_frames: False leaves frames out, where the labels alone are of interest.

        Raises:
          DatasetError: on reading, for a record that is not what the index says.
        """
        plan = self.plan(shuffle=False)
        batches = self.read(plan, decodes_frames=decodes_frames)
        return NamingBatches(iter(batches), self, plan)

    def grouped(self, plan: EpochPlan) -> Iterator[Batch]:
        """A plan's batches for one replica, each with `group: [batch]`, a number for each group.

        Raises:
          DatasetError: like `in_order`.
        """
        groups = shared_tensor(self.index.group_numbers())
        for batch in NamingBatches(iter(self.read(plan)), self, plan):
            yield {**batch, "group": tf.gather(groups, tf.maximum(batch["record"], 0))}

    def batches(
        self, plan: EpochPlan, strategy: tf.distribute.Strategy, start_step: int = 0
    ) -> tuple[Iterator[Any], Any]:
        """Iterator over this worker's rows of a plan's global batches, and their element spec.

        Args:
          plan: from `plan`.
          strategy: each element holds one batch per replica of it.
          start_step: first step of the plan to deliver.

        Raises:
          DatasetError: on reading, for a record that is not what the index says.
        """
        replicas = strategy.num_replicas_in_sync
        own = this_worker(strategy).replicas
        batches = self.read(plan, num_replicas=replicas, replicas=own, start_step=start_step)
        has_gpus = bool(tf.config.list_logical_devices("GPU"))
        if replicas == 1 or (len(own) == 1 and not has_gpus):
            return NamingBatches(iter(batches), self, plan, start_step), batches.element_spec
        dealt = strategy.distribute_datasets_from_function(lambda _: batches)
        found = iter(dealt) if has_gpus else _dealt(iter(batches), strategy, own)
        return NamingBatches(found, self, plan, start_step), dealt.element_spec


def _dealt(batches: Iterator[Batch], strategy: tf.distribute.Strategy, own: range) -> Iterator[Any]:
    """A batch for each replica of this worker at a time.

    As `iter` of the distributed dataset does, which fetches ahead to GPUs, and whose end waits for
    threads that tune it, up to a minute.
    """
    for first in batches:
        of_replicas = [first, *itertools.islice(batches, len(own) - 1)]
        yield strategy.experimental_distribute_values_from_function(
            lambda context, found=of_replicas: found[context.replica_id_in_sync_group - own.start]
        )


class NamingBatches:
    """Iterates over a plan's batches; names the record where one cannot be read."""

    def __init__(
        self, batches: Iterator[Any], split: SplitData, plan: EpochPlan, start_step: int = 0
    ):
        self._batches, self._split, self._plan, self._step = batches, split, plan, start_step

    def __iter__(self) -> "NamingBatches":
        return self

    def __next__(self) -> Any:
        """The next batch.

        Raises:
          DatasetError: a record of it cannot be read, or is not what the index says.
        """
        try:
            with reading(f"split {self._split.name!r} of {self._split.dataset.path}"):
                batch = next(self._batches)
        except _CORRUPT as error:
            if self._step < self._plan.num_steps:
                raise_named(self._split, self._plan, self._step)
            raise error
        self._step += 1
        return batch


def raise_named(split: SplitData, plan: EpochPlan, step: int) -> None:
    """Raises an error with the place of the first record of a batch that cannot be read, if any.

    Raises:
      DatasetError: there is one.
    """
    for row in plan.rows_read(step).tolist():
        try:
            for _ in split.read(plan_of_one(split, row)):
                pass
        except _CORRUPT as error:
            raise DatasetError(_message(split, row)) from error


def plan_of_one(split: SplitData, row: int) -> EpochPlan:
    """A plan of one batch with one record."""
    steps = split.lengths[row : row + 1].astype(np.int32)
    starts = np.array([0, 1], np.int32)
    return EpochPlan(np.array([row], np.int32), starts, steps, int(steps[0]))


def _message(split: SplitData, row: int) -> str:
    index, path = split.index, split.dataset.path
    shard = split.dataset.shard_paths(split.name)[index.shard[row]]
    is_there = gfile.exists(shard)
    what = "is damaged, or not what the index says" if is_there else "is gone with its shard"
    return (
        f"{shard}: record {index.ids([row])[0]!r} at byte {index.offset[row]} (row {row} of split "
        f"{split.name!r}, from {index.sources([row])[0]}) {what}; run "
        f"`python -m pipeline.verify {path}`, then copy the shard again, or convert again"
    )


def load_split(dataset: Dataset, name: str, options: DataOptions, task: Task | None) -> SplitData:
    """Loads a split's index and the options for its batches, prepared as the task needs them.

    Args:
      dataset: the dataset.
      name: of the split.
      options: of the batches.
      task: what its records are for; None takes them as they are, as predicting does.

    Raises:
      DatasetError: if there is no such split, its records do not suit the task, or the options do
        not suit its lengths.
    """
    batch_options = BatchOptions(
        batch_size=None if options.most_steps else options.batch_size,
        batch_steps=options.most_steps,
        num_buckets=options.num_buckets,
        boundaries=options.boundaries or None,
        align=options.boundary_align,
        by_length=options.batching == "length",
    )
    split = SplitData(
        dataset, name, batch_options,
        label=task.label if task and not task.one_label else None,
        preparation=task.preparation if task else None,
    )  # fmt: skip
    if task and task.one_label:
        split = split.of_head(split.known_label.head(task.one_label))
        split.label = task.label
    split.options = covering(batch_options, int(split.lengths.max()))
    if task:
        _require_labels(split)
        task.check_records(split.index, name)
    try:
        require_plannable(split.lengths, split.options)
    except UserError as error:
        raise DatasetError(f"split {name!r} of {dataset.path}: {error}") from error
    return split


def _require_labels(split: SplitData) -> None:
    label, entry = split.label, split.dataset.manifest.splits[split.name]
    if label is None or not label.has_missing:
        return
    is_sequence = label.per == "sequence"
    labels = int(split.index.label_steps().sum()) if is_sequence else entry.labels(label.per)
    if entry.missing_labels >= labels:
        raise DatasetError(
            f"no label of split {split.name!r} is known, so there is nothing to learn or to "
            f"measure; predict it with --mode=predict --predict_split={split.name}"
        )


def class_weights(
    dataset: Dataset, label: LabelSpec, options: DataOptions
) -> tuple[float, ...] | None:
    """Weights of the classes in the loss, from `--class_weights`.

    `balanced` gives count / (classes * count of the class), which averages to 1 over the data.
    Where a label is any number of classes, weights are those of a class where it is there, and
    `balanced` gives labels without it / labels with it; what is not known counts as without.

    Raises:
      DatasetError: if there are not as many weights as classes, or no training split.
      UsageError: if they are no weights.
    """
    if options.class_weights == ("none",):
        return None
    if not label.class_names:
        raise DatasetError("--class_weights needs class labels; leave it at none for values")
    if options.class_weights == ("balanced",):
        if options.train_split not in dataset.manifest.splits:
            dataset.split(options.train_split)  # Says which there are.
        entry = dataset.manifest.splits[options.train_split]
        parts = (_balanced(entry.of_head(head), head.label) for head in views(label))
        return tuple(itertools.chain.from_iterable(parts))
    given = ",".join(options.class_weights)
    if len(options.class_weights) != len(label.class_names):
        near = nearest(given, ("none", "balanced"))
        raise DatasetError(
            f"--class_weights={given}: got {len(options.class_weights)} weights, expected none, "
            f"balanced or {len(label.class_names)} numbers, for {listed(label.class_names)}"
            + (f"; did you mean {near}?" if near else "")
        )
    try:
        weights = tuple(float(weight) for weight in options.class_weights)
    except ValueError:
        weights = ()
    if not weights or not min(weights) >= 0 or not 0 < sum(weights) < math.inf:
        raise UsageError(
            f"--class_weights={given}: expected none, balanced, or numbers of at least 0, not all 0"
        )
    return weights


def _balanced(entry: SplitEntry, label: LabelSpec) -> tuple[float, ...]:
    """Of the classes of one label, of which an entry has the counts."""
    counts = [entry.class_counts[name] for name in label.class_names]
    if label.kind == "classes":
        labels = entry.labels(label.per) - entry.missing_labels
        return tuple((labels - count) / count if count else 1.0 for count in counts)
    present = [count for count in counts if count]
    return tuple(sum(counts) / (len(present) * count) if count else 0.0 for count in counts)
