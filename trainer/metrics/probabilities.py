"""Probabilities as metrics of them read them: they add up to 1, whatever the activation."""

import numpy as np

LEAST = float(np.finfo(np.float32).tiny)
"""What a probability is at least in a logarithm: a softmax in float32 comes to 0 below it."""


def totals(scores: np.ndarray) -> np.ndarray:
    """What the probabilities `[n, classes]` of each label add up to: 1, but of a sigmoid."""
    return scores.sum(-1, dtype=np.float64)


def of_label(label: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The probability of each label's true class: `[n]` float64."""
    true = np.take_along_axis(scores, label.astype(np.int64)[:, np.newaxis], -1)[:, 0]
    return true.astype(np.float64) / totals(scores)
