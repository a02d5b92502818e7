"""What training and evaluation start from: the data, the model, the step on all replicas."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import keras
import tensorflow as tf

from pipeline.console.terminal import say
from tfrecords_schema import Dataset, DatasetError, LabelSpec, open_dataset
from trainer.augmentation.augmentation import Draws, require_suited
from trainer.data.heads import described
from trainer.data.split_data import SplitData, class_weights, load_split
from trainer.distribution import cluster
from trainer.layers import drawing
from trainer.models.family import BuiltModel
from trainer.models.parts.freezing import freeze
from trainer.options.options import DataOptions
from trainer.runs import identity, init_from, run_folder
from trainer.runs.asked import Asked
from trainer.step.steps import Steps
from trainer.step.task import Batch, Task
from trainer.training.feature_cache import FeatureCache, open_cache
from trainer.training.initial_bias import label_weights
from trainer.training.optimizers import make_optimizer, slow_down


@dataclasses.dataclass(frozen=True)
class Data:
    """The data of one command.

    Attributes:
      dataset: the dataset.
      task: what its records are for.
      learnt: what the model learns, or learnt, from.
      train: the training split; None where an evaluation does without.
      validation: the validation split, if there is one.
      test: the test split, if there is one.
    """

    dataset: Dataset
    task: Task
    learnt: run_folder.LearntFrom
    train: SplitData | None
    validation: SplitData | None
    test: SplitData | None

    @property
    def splits(self) -> set[str]:
        """Names of the splits that are read."""
        return {split.name for split in (self.train, self.validation, self.test) if split}

    @property
    def label(self) -> LabelSpec:
        """What is predicted."""
        return self.task.label


@dataclasses.dataclass(frozen=True)
class Session:
    """Data and model of one command, ready to train or evaluate.

    Attributes:
      data: the data.
      strategy: over whose replicas batches are dealt out.
      model: the whole model, which checkpoints hold, with its optimizer.
      cache: features of its frozen part; None without.
      train: the training split as the step reads it: features, where there is a cache.
      validation: likewise.
      steps: of the model, or of its part behind the features.
      fit: see `BuiltModel`.
    """

    data: Data
    strategy: tf.distribute.Strategy
    model: keras.Model
    cache: FeatureCache | None
    train: SplitData | None
    validation: SplitData | None
    steps: Steps
    fit: Callable[[Iterable[Batch], int], float] | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes what a run leaves."""
        return cluster.this_worker(self.strategy).is_chief


def open_data(asked: Asked) -> Data:
    """Opens the dataset, and refuses what does not suit the model, the run or each other.

    Raises:
      UserError: something does not; the message says what to do.
    """
    run, data, training = asked.run, asked.data, asked.training
    dataset = open_dataset(run.dataset)
    label = asked.model.label(dataset.schema.input, dataset.schema.label)
    if label is None:
        raise DatasetError(f"{run.dataset} has no labels; convert it with --label_key")
    asked.reading.require_suitable(label, training.class_activation)
    is_training = run.mode == "train"
    if is_training:
        require_suited(asked.augmentations, dataset.schema.input, label.per)
        _mention_tails(dataset)
    task = asked.model.task(
        label,
        class_weights=class_weights(described(dataset, training.label), label, data)
        if is_training
        else None,
        label_smoothing=training.label_smoothing,
        activation=training.class_activation,
    )
    learnt = run_folder.LearntFrom.of(dataset)
    if is_training:
        own = learnt.statistics
        if data.train_split != DataOptions.train_split:  # The only one that a conversion measures.
            own = None
        if source := asked.start.init_from:
            own = init_from.statistics(run.run_dir, source, own)
        learnt = dataclasses.replace(learnt, statistics=own)
    else:
        learnt = run_folder.LearntFrom.read(run.run_dir)
        run_folder.require_same_task(learnt, dataset)
        if said := run_folder.other_reading(learnt, dataset.path, dataset.manifest.options):
            say(said)
    if is_training:
        train_split = load_split(dataset, data.train_split, data, task)
        train_split.has_partners = any(one.needs_partner for one in asked.augmentations)
        weights = label_weights(train_split, train_split.plan(seed=run.seed), data.label_weights)
        task = dataclasses.replace(task, label_weights=weights)
        train: SplitData | None = train_split
    else:
        train = _split_of_baseline(dataset, data, task)
    validation = _optional_split(dataset, data.validation_split, data, task)
    task.require_metric(training.monitor, validates=validation is not None or not is_training)
    test = _optional_split(dataset, data.test_split, data, task)  # Not measured before the end.
    if is_training and not run.dry_run:
        identity.require_same_run(run, identity.identity(asked.recorded, dataset))
    return Data(dataset, task, learnt, train, validation, test)


def build(asked: Asked, data: Data, strategy: tf.distribute.Strategy) -> BuiltModel:
    """Makes the model, compiled with its optimizer."""
    with strategy.scope():
        chosen = asked.model.restored() if asked.start.init_from else asked.model
        built = chosen.build(data.learnt.spec(data.label))
        freeze(built.full, asked.start.freeze)
        num_steps = data.train.plan(seed=asked.run.seed).num_steps if data.train else 1
        optimizer = make_optimizer(asked.training, num_steps)
        optimizer.build(built.full.trainable_variables)
        built.full.compile(optimizer=optimizer)
    return built


def start_from(asked: Asked, data: Data, built: BuiltModel) -> init_from.Start | None:
    """Loads what another run has of the model, where that is asked for, and slows its rate."""
    if not asked.start.init_from:
        return None
    found = init_from.load(asked.run.run_dir, asked.start.init_from, built, data.learnt)
    if (factor := asked.start.init_rate_factor) != 1:
        slow_down(built.full.optimizer, found.of(built.full), factor)
    return found


def open_session(
    asked: Asked, data: Data, strategy: tf.distribute.Strategy, built: BuiltModel
) -> Session:
    """Computes the features of frozen layers where they are not there yet, and makes the steps."""
    train, validation, computed = data.train, data.validation, built.full
    with cluster.chief_first(strategy):
        cache = open_cache(asked, built, data.dataset)
        if cache:
            computed = built.from_features
            if asked.run.mode == "train":
                train, validation = (
                    split
                    and load_split(cache.dataset(split.name), split.name, asked.data, data.task)
                    for split in (train, validation)
                )
    steps = Steps(
        strategy, computed, built.full.optimizer, data.task,
        members=built.members, augment=asked.augment(data.label, data.dataset.schema.input.roles),
        drawing=_drawing(asked.run.seed),
        clip_norm=asked.training.clip_norm, accumulate=asked.training.accumulate_batches > 1,
        jit_compile=asked.run.jit_compile,
    )  # fmt: skip
    return Session(data, strategy, built.full, cache, train, validation, steps, built.fit)


def _drawing(seed: int) -> Callable[[Batch, tf.Tensor], AbstractContextManager[None]]:
    """What layers draw in training depends on seed, epoch and record alone, as augmentations do."""
    return lambda batch, epoch: drawing(functools.partial(Draws, seed, epoch, batch["record"]))


def _mention_tails(dataset: Dataset) -> None:
    """Says so where records do not tell padding from zeros, as earlier versions wrote them."""
    if dataset.manifest.options.get("tail") == "pad" and not dataset.schema.input.has_padding:
        say(
            f"{dataset.path} was converted with --tail=pad by an earlier version: the zeros that "
            "fill up recordings count as recorded in normalization; convert again with --overwrite"
        )


def _split_of_baseline(dataset: Dataset, data: DataOptions, task: Task) -> SplitData | None:
    """The training split of an evaluation, which can do without it."""
    if not _has_records(dataset, data.train_split):
        return None
    try:
        return load_split(dataset, data.train_split, data, task)
    except DatasetError as error:
        say(f"no baseline of split {data.train_split!r}: {error}")
        return None


def _optional_split(
    dataset: Dataset, name: str | None, data: DataOptions, task: Task
) -> SplitData | None:
    if not name:
        return None
    is_named = name not in (DataOptions.validation_split, DataOptions.test_split)
    if is_named and name not in dataset.manifest.splits:
        dataset.split(name)  # It was named, so it should be there; says which there are.
    return load_split(dataset, name, data, task) if _has_records(dataset, name) else None


def _has_records(dataset: Dataset, split: str) -> bool:
    entry = dataset.manifest.splits.get(split)
    return entry is not None and entry.records > 0
