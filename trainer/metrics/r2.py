"""1 - squared errors / squared deviations of the labels from their own mean.

Of labels that are all equal it is 0, or 1 where every prediction is exact; of several components it
is the mean of theirs.
"""

import math

import numpy as np

from trainer.metrics.metric import Metric, group_sums, ratio


class _R2:
    def sums(
        self, label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray:
        # From the mean of all, which R2 does not depend on: digits would be lost far from 0.
        error, centred = label - prediction, label - label.mean(0)
        columns = [error**2, centred, centred**2, np.ones_like(label)]
        return group_sums(columns, group, groups)

    def score(self, sums: np.ndarray) -> np.ndarray:
        squared, label, label_squared, number = np.moveaxis(sums, -1, 0)
        spread = label_squared - ratio(label**2, number)
        varies = spread > 1e-12 * label_squared
        constant = np.where(squared == 0, 1.0, 0.0)
        shares = np.where(varies, 1 - ratio(squared, np.where(varies, spread, 1.0)), constant)
        return shares.mean(-1)


METRIC = Metric(
    "r2", "value", higher_is_better=True, limits=(-math.inf, 1.0),
    place=2, evaluation=_R2(), title="R2",
)  # fmt: skip
