"""Mean F1 of the classes that occur or are predicted."""

import numpy as np

from trainer.metrics.class_counts import FromCounts, mean_where
from trainer.metrics.metric import Metric, ratio


def _score(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return mean_where(ratio(2 * right, true + predicted), true + predicted > 0)


METRIC = Metric(
    "macro_f1", "class", higher_is_better=True, limits=(0.0, 1.0),
    place=2, evaluation=FromCounts(_score), also_for=("classes",),
)  # fmt: skip
