"""The counts that metrics of classes are formed from."""

import numpy as np

from trainer.metrics.metric import chosen, ratio


class ClassCounts:
    """Sums of a metric: how often each class is right, how often it occurs, is predicted."""

    @staticmethod
    def sums(
        label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray:
        """`[groups, classes, 3]`: right, true, predicted; see `FromSums`."""
        answer, classes = chosen(prediction), prediction.shape[-1]
        true, predicted = group * classes + label, group * classes + answer
        counts = [
            np.bincount(cells, minlength=groups * classes).reshape(groups, classes)
            for cells in (true[label == answer], true, predicted)
        ]
        return np.stack(counts, axis=-1).astype(np.float64)


def mean_where(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that count; 0 where none does."""
    return ratio((values * counted).sum(-1), counted.sum(-1))
