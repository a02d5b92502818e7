"""Mean recall of the classes that occur."""

import numpy as np

from trainer.metrics.class_counts import ClassCounts, mean_where
from trainer.metrics.metric import Metric, ratio


class _BalancedAccuracy(ClassCounts):
    def score(self, sums: np.ndarray) -> np.ndarray:
        right, true, _ = np.moveaxis(sums, -1, 0)
        return mean_where(ratio(right, true), true > 0)


METRIC = Metric(
    "balanced_accuracy", "class", higher_is_better=True, place=1, evaluation=_BalancedAccuracy()
)
