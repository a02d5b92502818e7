"""The lengths that an epoch is planned by."""

import numpy as np

from tfrecords_schema import LabelSpec, SplitIndex


def plan_lengths(index: SplitIndex, label: LabelSpec | None) -> np.ndarray:
    """Steps of each record for `plan_epoch`: those of the input, or of a sequence of labels.

    Where one step is followed by a sequence (an image by its caption), the label decides what a
    record costs; it is then what batches are bucketed and cut by.

    Args:
      index: of the split.
      label: what is predicted.

    Returns:
      [records] int32, all at least 1.
    """
    if not plans_labels(index, label):
        return index.steps
    return np.maximum(index.label_steps(), 1).astype(np.int32)


def plans_labels(index: SplitIndex, label: LabelSpec | None) -> bool:
    """Whether labels are sequences and every input is a single step."""
    return label is not None and label.per == "sequence" and bool((index.steps == 1).all())
