"""What anyone could guess, to set a model's figures beside."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.valid_labels import flat_labels
from tfrecords_schema import LabelSpec
from trainer.data.split_data import SplitData
from trainer.evaluation.group_sums import one_group


def majority_baseline(
    truth: np.ndarray, train_counts: list[int], kind: str = "class"
) -> dict[str, Any]:
    """Metrics of always answering the training split's commonest class, with how common it is."""
    scores = np.array(train_counts) / max(sum(train_counts), 1)
    answers = np.broadcast_to(scores, (len(truth), len(scores)))
    return {"name": "majority class", **one_group(kind, truth, answers).total()}


def mean_baseline(truth: np.ndarray, train_mean: np.ndarray) -> dict[str, Any]:
    """Errors of always answering the training split's mean label."""
    return _value_baseline("mean predictor", truth, np.broadcast_to(train_mean, truth.shape))


def last_value_baseline(split: SplitData, label: LabelSpec) -> dict[str, Any]:
    """Errors of a forecast that stays at the last step seen."""
    truths, answers = [], []
    for batch in split.in_order():
        last = tf.gather(batch["signal"], tf.maximum(batch["lengths"] - 1, 0), batch_dims=1)
        answer = tf.broadcast_to(tf.cast(last, tf.float32)[:, None], tf.shape(batch["label"]))
        truths.append(flat_labels(batch, label))
        answers.append(flat_labels(batch, label, answer))
    return _value_baseline("last value", np.concatenate(truths), np.concatenate(answers))


@functools.lru_cache(maxsize=1)  # Reads the whole split, and each evaluated split asks for it.
def label_mean(split: SplitData) -> np.ndarray:
    """Mean label of a split with real-valued labels, over its valid steps: `[units]`."""
    assert split.label is not None
    total: Any = 0.0
    count = 0
    for batch in split.in_order(decodes_frames=False):
        values = flat_labels(batch, split.label)
        total, count = total + values.sum(0, dtype=np.float64), count + len(values)
    return total / count


def _value_baseline(name: str, truth: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    sums = one_group("value", truth, answers)
    return {"name": name, **sums.total(), "per_component": sums.per_component()}
