"""Expected calibration error: how far the probability of the likeliest class is from how often
that class is right, over 15 bins of equal width, each weighted by its labels.

Guo and others 2017, arXiv 1706.04599, equation 3, with their number of bins and their edges: a bin
has its upper edge and not its lower one.
"""

import numpy as np

from trainer.metrics.metric import Metric, SparseSums, ratio
from trainer.metrics.probabilities import totals

BINS = 15
EDGES = np.linspace(0, 1, BINS + 1)
_MOST_CELLS = 1_000_000  # Groups times bins, beyond which most sums are 0.


def bins_of(label: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin of each label, the probability of its likeliest class, and whether that is right."""
    likeliest = scores.argmax(-1)
    probability = np.take_along_axis(scores, likeliest[:, np.newaxis], -1)[:, 0] / totals(scores)
    number = np.searchsorted(EDGES[1:-1], probability)
    return number, probability, likeliest == label


class _CalibrationError:
    def sums(
        self, label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray | SparseSums:
        """Of each bin the sum of probability - right, and in a row behind them the labels."""
        number, probability, right = bins_of(label, prediction)
        gap, rows = probability - right, BINS + 1
        group = group.astype(np.int64)
        cells = np.concatenate([group * rows + number, group * rows + BINS])
        values = np.concatenate([gap, np.ones_like(gap)])
        if groups * rows <= _MOST_CELLS:
            sums = np.bincount(cells, values, groups * rows)
            return sums.reshape(groups, rows, 1)
        found, place = np.unique(cells, return_inverse=True)
        return SparseSums((groups, rows, 1), *np.divmod(found, rows), np.bincount(place, values))

    def score(self, sums: np.ndarray) -> np.ndarray:
        return ratio(abs(sums[..., :BINS, 0]).sum(-1), sums[..., BINS, 0])


METRIC = Metric(
    "calibration_error", "class", higher_is_better=False, limits=(0.0, 1.0), place=6,
    evaluation=_CalibrationError(), of_probabilities=True,
)  # fmt: skip
