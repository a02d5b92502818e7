"""Squared distance of the probabilities from 1 for the true class and 0 for the others, 0 to 2.

Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2: summed over classes, so for two of
them it is twice the score that looks at one alone.
"""

import numpy as np

from trainer.metrics.metric import Mean, Metric
from trainer.metrics.probabilities import of_label, totals


def _squared(label: np.ndarray, scores: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", scores, scores, dtype=np.float64)
    return squares / totals(scores) ** 2 - 2 * of_label(label, scores) + 1


METRIC = Metric(
    "brier", "class", higher_is_better=False, limits=(0.0, 2.0), place=5,
    evaluation=Mean("brier", _squared), of_probabilities=True,
)  # fmt: skip
