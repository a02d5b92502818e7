"""Which entries of a padded batch are labels; others are padding, no record, or not known."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from tfrecords_schema import LabelSpec
from tfrecords_schema.labels import MISSING_CLASS


def label_lengths(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> tf.Tensor:
    """Labels of each row of a batch: `[batch]` int32, 0 in a row that is no record."""
    if label.per == "record":
        return tf.cast(batch["lengths"] > 0, tf.int32)
    return batch["label_lengths" if label.per == "sequence" else "lengths"]


def is_known(labels: tf.Tensor, label: LabelSpec) -> tf.Tensor:
    """Which labels are known: bool, `[batch]` or `[batch, time]` of labels of a batch."""
    if label.is_single:
        return labels >= 0
    if label.kind == "classes":
        return tf.reduce_any(labels >= 0, axis=-1)
    if label.kind == "heads":
        return tf.reduce_any(~tf.math.is_nan(labels), axis=-1)
    units = [*range(len(labels.shape) - len(label.shape), len(labels.shape))]
    return ~tf.reduce_any(tf.math.is_nan(tf.cast(labels, tf.float32)), axis=units)


def filled(labels: tf.Tensor, label: LabelSpec) -> tf.Tensor:
    """Labels with 0 in the place of what is not known, to compute on: it has no weight.

    What is not known in part stays: -1 among any number of classes, NaN among several labels.
    """
    if not label.has_missing:
        return labels
    known = is_known(labels, label)
    known = tf.reshape(known, tf.concat([tf.shape(known), [1] * len(label.shape)], 0))
    return tf.where(known, labels, tf.zeros_like(labels))


def of_head(columns: tf.Tensor, label: LabelSpec) -> tf.Tensor:
    """One of several labels as it is when it stands alone: `[..., *shape]` of its columns."""
    found = tf.reshape(columns, tf.concat([tf.shape(columns)[:-1], [*label.shape]], 0))
    found = tf.ensure_shape(found, [*columns.shape[:-1], *label.shape])
    if label.class_names:
        found = tf.where(tf.math.is_nan(found), float(MISSING_CLASS), found)
    return tf.cast(found, label.dtype)


def validity(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> tf.Tensor:
    """1 where a label counts, 0 elsewhere: `[batch]` or `[batch, time]` float32."""
    valid = places(batch, label)
    if label.has_missing:
        valid *= tf.cast(is_known(batch["label"], label), tf.float32)
    return valid


def places(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> tf.Tensor:
    """Like `validity`, 1 also where the label is not known."""
    lengths = label_lengths(batch, label)
    if label.per == "record":
        return tf.cast(lengths, tf.float32)
    return tf.sequence_mask(lengths, tf.shape(batch["label"])[1], tf.float32)


def unpadded(values: np.ndarray, lengths: Iterable[int], label: LabelSpec) -> list[np.ndarray]:
    """The rows of a batch without padding: `[labels of the row, ...]` each.

    Args:
      values: labels or predictions: `[batch, ...]` per record, else `[batch, time, ...]`.
      lengths: `[batch]` labels of each row; see `label_lengths`.
      label: what the values are.
    """
    rows = values[:, np.newaxis] if label.per == "record" else values
    return [row[:length] for row, length in zip(rows, lengths, strict=True)]


def flat_labels(
    batch: Mapping[str, tf.Tensor], label: LabelSpec, values: tf.Tensor | None = None
) -> np.ndarray:
    """All labels of a batch that are known, one after the other: `[labels, units]`.

    Args:
      batch: a batch.
      label: what it is labelled with.
      values: in the place of the labels, of the same shape.
    """
    rows = _rows(batch, label, batch["label"] if values is None else values)
    return rows[known_rows(batch, label)].reshape(-1, math.prod(label.shape))


def known_rows(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> np.ndarray:
    """`[labels]` bool of all labels of a batch, one after the other: which are known."""
    return label.is_known(_rows(batch, label, batch["label"]))


def _rows(batch: Mapping[str, tf.Tensor], label: LabelSpec, values: tf.Tensor) -> np.ndarray:
    return np.concatenate(unpadded(values.numpy(), label_lengths(batch, label).numpy(), label))
