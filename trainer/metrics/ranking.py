"""How well the probabilities of a class put its labels before the others: curves and areas.

All of it is exact: over every distinct probability, equal ones at once.
"""

import functools
from typing import NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """Labels that have at least so high a probability of a class, the highest first.

    Attributes:
      least: `[points]`, every distinct probability.
      right: `[points]` int64, labels of the class that have at least that.
      wrong: `[points]` int64, other labels that have.
    """

    least: np.ndarray
    right: np.ndarray
    wrong: np.ndarray

    @classmethod
    def of(cls, is_class: np.ndarray, probability: np.ndarray) -> "Ranking":
        """Of labels `[n]`: whether each is of the class, and its probability of it."""
        if not len(is_class):
            return cls(probability, np.zeros(1, np.int64), np.zeros(1, np.int64))
        order = np.argsort(probability)[::-1]
        sorted_ = probability[order]
        ends = np.append(np.flatnonzero(sorted_[1:] != sorted_[:-1]), len(sorted_) - 1)
        right = np.cumsum(is_class[order], dtype=np.int64)[ends]
        return cls(sorted_[ends], right, ends + 1 - right)

    @property
    def sensitivity(self) -> np.ndarray:
        """Share of the class that is found at each point, also called recall; from 0 on."""
        return np.append(0, self.right) / self.right[-1]

    @property
    def false_alarms(self) -> np.ndarray:
        """Share of the others that pass for it, 1 - specificity; from 0 on."""
        return np.append(0, self.wrong) / self.wrong[-1]

    @property
    def precision(self) -> np.ndarray:
        """Share of the class among those found; 1 at the beginning, where none is."""
        return np.append(1, self.right / (self.right + self.wrong))

    @property
    def roc_auc(self) -> float:
        """Area below sensitivity over false alarms, by trapezoids; NaN without either kind."""
        if not (self.right[-1] and self.wrong[-1]):
            return float("nan")
        right, wrong = np.append(0, self.right), np.append(0, self.wrong)
        doubled = int((np.diff(wrong) * (right[1:] + right[:-1])).sum())
        return doubled / (2 * int(right[-1]) * int(wrong[-1]))

    @property
    def average_precision(self) -> float:
        """Mean precision over the labels of the class, without interpolation; NaN without them."""
        if not self.right[-1]:
            return float("nan")
        return float((np.diff(self.right, prepend=0) * self.precision[1:]).sum() / self.right[-1])


class Rankings:
    """The rankings of all classes, each against the rest; one is in memory at a time."""

    def __init__(self, label: np.ndarray, probability: np.ndarray):
        """Takes labels and probabilities `[n, classes]`.

        Args:
          label: `[n]` classes, or `[n, classes]` of any number of them, -1 where one is not known.
          probability: of each class.
        """
        self._label, self._probability = label, probability

    def of(self, number: int) -> Ranking:
        """That of one class."""
        probability = self._probability[:, number]
        if self._label.ndim == 1:
            return Ranking.of(self._label == number, probability)
        of_class = self._label[:, number]
        return Ranking.of(of_class[of_class >= 0] > 0, probability[of_class >= 0])

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """`[classes]`: labels of each class."""
        if self._label.ndim == 1:
            return np.bincount(self._label, minlength=self._probability.shape[1])
        return (self._label > 0).sum(0)

    @functools.cached_property
    def areas(self) -> dict[str, np.ndarray]:
        """`roc_auc` and `average_precision` of each class, `[classes]`; NaN where there is none."""
        classes = self._probability.shape[1]
        areas = np.full((2, classes), np.nan)
        for number in np.flatnonzero(self.counts).tolist():
            ranking = self.of(number)
            areas[:, number] = ranking.roc_auc, ranking.average_precision
        return {"roc_auc": areas[0], "average_precision": areas[1]}

    def mean(self, name: str) -> float:
        """The mean area over the classes that occur and are not alone; NaN where none does."""
        areas = self.areas[name]
        counted = areas[np.isfinite(self.areas["roc_auc"])]
        return float(counted.mean()) if len(counted) else float("nan")
