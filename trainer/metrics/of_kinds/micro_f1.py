"""F1 of all classes together: of every class that is stated or there, counted alike."""

import numpy as np

from trainer.metrics.class_counts import FromCounts
from trainer.metrics.metric import Metric, ratio


def _score(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return ratio(2 * right.sum(-1), (true + predicted).sum(-1))


METRIC = Metric(
    "micro_f1", "classes", higher_is_better=True, limits=(0.0, 1.0),
    place=3, evaluation=FromCounts(_score),
)  # fmt: skip
