"""Mean recall of the classes that occur."""

import numpy as np

from trainer.metrics.class_counts import FromCounts, mean_where
from trainer.metrics.metric import Metric, ratio


def _score(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return mean_where(ratio(right, true), true > 0)


_RECALL = FromCounts(_score)
METRIC = Metric(
    "balanced_accuracy", "class", higher_is_better=True, limits=(0.0, 1.0),
    place=1, evaluation=_RECALL,
)  # fmt: skip
