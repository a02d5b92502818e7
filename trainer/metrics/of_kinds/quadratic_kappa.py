"""Cohen's kappa of classes with an order: a miss weighs as the square of its ranks.

Cohen 1968, doi:10.1037/h0026256. 0 where a guesser with the same class frequencies is never wrong.
"""

import numpy as np

from trainer.metrics.metric import Metric, chosen, group_sums, ratio


class _QuadraticKappa:
    def sums(
        self, label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray:
        true, stated = (of.astype(np.float64)[:, None] for of in (label, chosen(prediction)))
        columns = [np.ones_like(true), true, stated, true**2 + stated**2, (true - stated) ** 2]
        return group_sums(columns, group, groups)

    def score(self, sums: np.ndarray) -> np.ndarray:
        number, true, stated, squares, missed = np.moveaxis(sums[..., 0, :], -1, 0)
        chance = squares - ratio(2 * true * stated, number)
        return np.where(chance > 0, 1 - ratio(missed, chance), 0.0)


METRIC = Metric(
    "quadratic_kappa", "ordinal", higher_is_better=True, limits=(-1.0, 1.0),
    place=10, evaluation=_QuadraticKappa(),
)  # fmt: skip
