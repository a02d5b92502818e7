"""The counts that metrics of classes are formed from."""

import dataclasses
from collections.abc import Callable

import numpy as np

from trainer.metrics.metric import SparseSums, chosen, group_sums, ratio

_MOST_CELLS = 1_000_000  # Groups times classes, beyond which most counts are 0.


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
    ) -> np.ndarray | SparseSums:
        """The counts of each group, `[groups, classes, 3]`; see `FromSums`."""
        if label.ndim == 2:
            stated = (prediction > 0) & (label >= 0)
            columns = [stated & (label > 0), label > 0, stated]
            return group_sums([column.astype(np.float64) for column in columns], group, groups)
        answer, classes = chosen(prediction), prediction.shape[-1]
        group = group.astype(np.int64)
        true, predicted = group * classes + label, group * classes + answer
        kinds = (true[label == answer], true, predicted)
        if groups * classes <= _MOST_CELLS:
            counts = [np.bincount(cells, minlength=groups * classes) for cells in kinds]
            return np.stack(counts, -1).reshape(groups, classes, 3).astype(np.float64)
        cells = np.concatenate([3 * kind + number for number, kind in enumerate(kinds)])
        found, number = np.unique(cells, return_counts=True)
        of_group, place = np.divmod(found, 3 * classes)
        return SparseSums((groups, classes, 3), of_group, place, number.astype(np.float64))

    def score(self, sums: np.ndarray) -> np.ndarray:
        """The figure."""
        return self.of(*np.moveaxis(sums, -1, 0))


def mean_where(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that count; 0 where none does."""
    return ratio((values * counted).sum(-1), counted.sum(-1))
