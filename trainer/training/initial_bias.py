"""Where a model of values starts: at the mean label, not at 0; and what their losses count.

The way there would take most of a training: an update moves a bias by about the learning rate.
"""

import itertools
from collections.abc import Collection

import keras
import numpy as np

from pipeline.batches.plan import EpochPlan
from pipeline.batches.valid_labels import flat_labels
from tfrecords_schema import DatasetError
from tfrecords_schema.labels import column_spans, output_spans
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
    stay as they are; so do the outputs for classes among several labels.

    Args:
      model: one of `trainer.models`.
      train: the split trained on.
      plan: of the first epoch, so that every replica count and worker finds the same mean.
      loaded: variables that have their values already, and keep them.

    Raises:
      DatasetError: for a record that is not what the index says.
    """
    if train.label is None or not train.label.has_values:
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
    mean, deviation = _moments(train, plan)
    for variable in means or biases:
        variable.assign(mean)
    for variable in deviations:
        variable.assign(deviation)


def label_weights(
    train: SplitData, plan: EpochPlan, given: tuple[float, ...]
) -> tuple[float, ...] | None:
    """Factors of several labels in the loss; None where there is one.

    An error of values counts in their deviation, as numbers of any unit stand beside classes.

    Args:
      train: the split trained on.
      plan: of the first epoch.
      given: `--label_weights`; 1 each where it is empty.

    Raises:
      DatasetError: there are not as many as labels.
    """
    label = train.label
    assert label is not None
    if given and len(given) != len(label.heads):
        names = ", ".join(head.name for head in label.heads)
        cure = f"{names}; give one for each" if names else "is one; leave it out"
        raise DatasetError(
            f"--label_weights has {len(given)} numbers and is for several labels, here {cure}"
        )
    if not label.heads:
        return None
    _, deviation = _moments(train, plan)
    given = given or (1.0,) * len(label.heads)
    places = zip(given, output_spans(label), strict=True)
    return tuple(weight / float(np.mean(deviation[at] ** 2)) for weight, (_, at) in places)


def _moments(train: SplitData, plan: EpochPlan) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each output for values, `[units]`; 0 and 1 of others."""
    label = train.label
    assert label is not None
    batches = NamingBatches(iter(train.read(plan, decodes_frames=False)), train, plan)
    first = itertools.islice(batches, min(_BATCHES, plan.num_steps))
    found = np.concatenate([flat_labels(batch, label) for batch in first]).astype(np.float64)
    mean, deviation = np.zeros(label.outputs), np.ones(label.outputs)
    places = [
        (at, columns)
        for (head, at), (_, columns) in zip(output_spans(label), column_spans(label), strict=True)
        if head.label.has_values
    ]
    for at, columns in places or [(slice(None), slice(None))]:
        values = found[:, columns]
        values = values[~np.isnan(values).any(1)]
        if values.size and np.isfinite(values).all():  # Else the loss of a step says which record.
            mean[at] = values.mean(0)
            deviation[at] = np.where(values.std(0) > 0, values.std(0), 1)
    return mean, deviation
