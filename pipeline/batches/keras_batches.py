"""A split as an ordinary `tf.data.Dataset` that goes into anyone's `model.fit`."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.batch_reader import BatchReader, Element
from pipeline.batches.plan import BatchOptions, epochs_are_alike, plan_epoch, plan_lengths
from pipeline.batches.valid_labels import filled, of_head, validity
from tfrecords_schema import Dataset, DatasetError, LabelSpec
from tfrecords_schema.labels import column_spans
from tfrecords_schema.schema import STEPWISE


def keras_batches(
    dataset: Dataset,
    split: str,
    options: BatchOptions | None = None,
    *,
    seed: int = 0,
    shuffle: bool = True,
    class_weights: Sequence[float] | None = None,
) -> tf.data.Dataset:
    """Padded batches of a split as (inputs, label, sample_weight).

    Every iteration is one epoch and, with `shuffle`, has a plan of its own, so that
    `model.fit(batches, epochs=20)` sees 20 different orders. Give losses the reduction
    "mean_with_sample_weight": Keras' default divides by the number of padded steps.

    Where labels are per step, Keras 3.15 weighs metrics of several batches by valid steps over
    padded steps (keras.src.metrics.reduction_metrics), and the loss it reports by rows. To measure
    with it, take `BatchOptions(num_buckets=1)`, so that all are padded to one length, and
    the loss as one of `weighted_metrics`; `python -m trainer` counts valid steps by itself.

    Args:
      dataset: from `open_dataset`; it has labels.
      split: name of the split.
      options: sizes and padded lengths of the batches; None for 32 records and 8 lengths.
      seed: decides the orders, with the number of the iteration.
      shuffle: False sorts records by length, the same in every iteration: to evaluate.
      class_weights: factor of each class in the sample weight; None for 1.

    Returns:
      A dataset of
        inputs: dict of `signal` [batch, time, *step_shape] in the source's dtype (or `frames`
          [batch, time, height, width, 3] uint8) and `lengths` [batch] int32, valid steps; for a
          label per sequence also `label_lengths` [batch] int32; where the dataset has them,
          `padding` [batch] int32, samples of the last valid step that were not recorded, and
          `beside` [batch, time, numbers] float32;
        label: [batch, *shape] per record, [batch, time, *shape] per step or sequence; of one
          value per step [batch, time, 1], as an output has it, for losses weigh no other;
        sample_weight: [batch] or [batch, time] float32, 0 where the label is padding, or not known
          (it is 0 then).
      Of several labels the last two are dicts by the names of their heads, as outputs of a model
      are, each label as it would be alone; one of the record is there at each step beside those of
      steps.

    Raises:
      DatasetError: there is no such split, it has no labels, or no classes to weigh.
    """
    label = dataset.schema.label
    if label is None:
        raise DatasetError(
            f"{dataset.path} has no labels to fit a model to; convert it with --label_key"
        )
    weights = _checked(class_weights, label)
    options = options or BatchOptions()
    index = dataset.split(split)
    reader = BatchReader(dataset, split, index=index)
    steps = plan_lengths(index, label)
    epochs = itertools.count()

    def dealt() -> tuple[np.ndarray, ...]:
        epoch = next(epochs)
        return reader.dealt(plan_epoch(steps, options, seed=seed, epoch=epoch, shuffle=shuffle))

    # Planned anew whenever an iteration begins, like the order of `Dataset.shuffle`.
    planned = tf.data.Dataset.range(1).map(lambda _: _as_vectors(dealt))
    batches = planned.flat_map(reader.read)
    if not shuffle or epochs_are_alike(len(steps), options):
        count = plan_epoch(steps, options, seed=seed, epoch=0, shuffle=shuffle).num_steps
        batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    return batches.map(lambda batch: _fit_element(batch, label, weights)).prefetch(1)


def _as_vectors(function: Callable[[], tuple[np.ndarray, ...]]) -> tuple[tf.Tensor, ...]:
    arrays = tf.numpy_function(function, [], [tf.int32] * 4, stateful=True)
    return tuple(tf.ensure_shape(array, [None]) for array in arrays)


def _fit_element(
    batch: Element, label: LabelSpec, class_weights: tf.Tensor | None
) -> tuple[Element, Any, Any]:
    names = {*STEPWISE, "lengths", "padding"}
    names |= {"label_lengths"} if label.per == "sequence" else set()
    inputs = {name: part for name, part in batch.items() if name in names}
    if not label.heads:
        return inputs, *_weighed(batch, label, class_weights)
    labels, weights = {}, {}
    for head, span in column_spans(label):
        spec = dataclasses.replace(head.label, per=label.per, has_missing=label.has_missing)
        alone = {**batch, "label": of_head(batch["label"][..., span], spec)}
        labels[head.name], weights[head.name] = _weighed(alone, spec, None)
    return inputs, labels, weights


def _weighed(
    batch: Element, label: LabelSpec, class_weights: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    weight, labels = validity(batch, label), filled(batch["label"], label)
    if class_weights is not None:
        weight *= tf.gather(class_weights, labels)
    is_number = label.kind == "value" and not label.shape and label.per != "record"
    return labels[..., None] if is_number else labels, weight


def _checked(class_weights: Sequence[float] | None, label: LabelSpec) -> tf.Tensor | None:
    if class_weights is None:
        return None
    if label.kind in ("classes", "heads"):
        what = "any number of classes" if label.kind == "classes" else "several"
        raise DatasetError(f"class_weights: the labels are {what}; weigh them in the loss instead")
    if label.kind != "class" or len(class_weights) != len(label.class_names):
        raise DatasetError(
            f"class_weights: got {len(class_weights)}, expected one for each of the "
            f"{len(label.class_names)} classes of the label"
        )
    return tf.constant(class_weights, tf.float32)
