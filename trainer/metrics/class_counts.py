"""The counts that metrics of classes are formed from."""

import dataclasses
from collections.abc import Callable

import numpy as np

from trainer.metrics.metric import chosen, ratio


@dataclasses.dataclass(frozen=True)
class FromCounts:
    """A figure that follows from how often each class is right, occurs, and is predicted.

    Attributes:
      of: these three counts, each `[..., classes]`, to the figure `[...]`.
    """

    of: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    @staticmethod
    def sums(
        label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray:
        """The counts of each group, `[groups, classes, 3]`; see `FromSums`."""
        answer, classes = chosen(prediction), prediction.shape[-1]
        true, predicted = group * classes + label, group * classes + answer
        counts = [
            np.bincount(cells, minlength=groups * classes).reshape(groups, classes)
            for cells in (true[label == answer], true, predicted)
        ]
        return np.stack(counts, axis=-1).astype(np.float64)

    def score(self, sums: np.ndarray) -> np.ndarray:
        """The figure."""
        return self.of(*np.moveaxis(sums, -1, 0))


def mean_where(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that count; 0 where none does."""
    return ratio((values * counted).sum(-1), counted.sum(-1))
