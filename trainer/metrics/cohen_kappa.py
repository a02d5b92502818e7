"""How far the accuracy is above that of a guesser with the same class frequencies, 1 at best.

0 where such a guesser is always right (Cohen 1960, doi:10.1177/001316446002000104).
"""

import numpy as np

from trainer.metrics.class_counts import FromCounts
from trainer.metrics.metric import Metric, ratio


def _score(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    total = true.sum(-1)
    chance = ratio((true * predicted).sum(-1), total**2)
    return ratio(ratio(right.sum(-1), total) - chance, 1 - chance)


_KAPPA = FromCounts(_score)
METRIC = Metric(
    "cohen_kappa", "class", higher_is_better=True, limits=(-1.0, 1.0), place=3, evaluation=_KAPPA
)
