"""Which entries of a padded batch are labels; the others are padding, or no record at all."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from tfrecords_schema import LabelSpec


def label_lengths(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> tf.Tensor:
    """Labels of each row of a batch: `[batch]` int32, 0 in a row that is no record."""
    if label.per == "record":
        return tf.cast(batch["lengths"] > 0, tf.int32)
    return batch["label_lengths" if label.per == "sequence" else "lengths"]


def validity(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> tf.Tensor:
    """1 where a label counts, 0 elsewhere: `[batch]` or `[batch, time]` float32."""
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


def flat_labels(batch: Mapping[str, tf.Tensor], label: LabelSpec) -> np.ndarray:
    """All labels of a batch, one after the other: `[labels, units]`."""
    rows = unpadded(batch["label"].numpy(), label_lengths(batch, label).numpy(), label)
    return np.concatenate(rows).reshape(-1, math.prod(label.shape))
