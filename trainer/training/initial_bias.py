"""Where a model of values starts: at the mean label, not at 0.

The way there would take most of a training: an update moves a bias by about the learning rate.
"""

import itertools

import keras
import numpy as np

from pipeline.batches.plan import EpochPlan
from pipeline.batches.valid_labels import flat_labels
from tfrecords_schema import LabelSpec
from trainer.data.split_data import NamingBatches, SplitData

# Enough for a mean; a whole split may take hours to read.
_BATCHES = 16


def start_at_mean_label(model: keras.Model, train: SplitData, plan: EpochPlan) -> None:
    """Sets the head's bias to the mean label of an epoch's first batches.

    Models of classes, and the forecaster, whose outputs are in the unit of its normalized input,
    stay as they are.

    Args:
      model: one of `trainer.models`.
      train: the split trained on.
      plan: of the first epoch, so that every replica count and worker finds the same mean.

    Raises:
      DatasetError: for a record that is not what the index says.
    """
    biases = [v for v in model.trainable_variables if f"/{v.path}".endswith("/head/bias")]
    if train.label is None or train.label.kind != "value" or not biases:
        return
    labels = _labels(train, plan, train.label)
    if labels.size and np.isfinite(labels).all():  # Else the loss of a step says which record.
        for bias in biases:
            bias.assign(labels.mean(0, dtype=np.float64))


def _labels(train: SplitData, plan: EpochPlan, label: LabelSpec) -> np.ndarray:
    """`[labels, units]`, those of valid steps or records."""
    batches = NamingBatches(iter(train.read(plan, decodes_frames=False)), train, plan)
    first = itertools.islice(batches, min(_BATCHES, plan.num_steps))
    return np.concatenate([flat_labels(batch, label) for batch in first])
