"""Where a model of values starts: at the mean label, not at 0.

The way there would take most of a training: an update moves a bias by about the learning rate.
"""

import itertools
from collections.abc import Collection

import keras
import numpy as np

from pipeline.batches.plan import EpochPlan
from pipeline.batches.valid_labels import flat_labels
from tfrecords_schema import LabelSpec
from trainer.data.split_data import NamingBatches, SplitData

# Enough for a mean; a whole split may take hours to read.
_BATCHES = 16


def start_at_mean_label(
    model: keras.Model,
    train: SplitData,
    plan: EpochPlan,
    loaded: Collection[keras.Variable] = (),
) -> None:
    """Sets the head's bias, or its `LabelScale`, by the labels of an epoch's first batches.

    Models of classes, and the forecaster, whose outputs are in the unit of its normalized input,
    stay as they are.

    Args:
      model: one of `trainer.models`.
      train: the split trained on.
      plan: of the first epoch, so that every replica count and worker finds the same mean.
      loaded: variables that have their values already, and keep them.

    Raises:
      DatasetError: for a record that is not what the index says.
    """
    if train.label is None or train.label.kind != "value":
        return
    known = {id(variable) for variable in loaded}
    variables = [v for v in model.variables if id(v) not in known]
    biases = [v for v in variables if v.path == "head/bias"]
    means, deviations = (
        [v for v in variables if v.path.endswith(f"label_scale/{name}")]
        for name in ("mean", "deviation")
    )
    if not (biases or means):
        return
    labels = _labels(train, plan, train.label)
    if not labels.size or not np.isfinite(labels).all():
        return  # The loss of a step says which record.
    mean, deviation = labels.mean(0, dtype=np.float64), labels.std(0, dtype=np.float64)
    for variable in means or biases:
        variable.assign(mean)
    for variable in deviations:
        variable.assign(np.where(deviation > 0, deviation, 1))


def _labels(train: SplitData, plan: EpochPlan, label: LabelSpec) -> np.ndarray:
    """`[labels, units]`, those of valid steps or records."""
    batches = NamingBatches(iter(train.read(plan, decodes_frames=False)), train, plan)
    first = itertools.islice(batches, min(_BATCHES, plan.num_steps))
    return np.concatenate([flat_labels(batch, label) for batch in first])
