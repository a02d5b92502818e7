"""Mean F1 of the classes that occur or are predicted."""

import numpy as np

from trainer.metrics.class_counts import ClassCounts, mean_where
from trainer.metrics.metric import Metric, ratio


class _MacroF1(ClassCounts):
    def score(self, sums: np.ndarray) -> np.ndarray:
        right, true, predicted = np.moveaxis(sums, -1, 0)
        return mean_where(ratio(2 * right, true + predicted), true + predicted > 0)


METRIC = Metric("macro_f1", "class", higher_is_better=True, place=2, evaluation=_MacroF1())
