"""Figures of predictions from sums over each group, and their bootstrap intervals; NumPy alone.

Every metric follows from a few sums per group, so a resample of the groups is a weighted sum of
those, not another pass over the labels.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from trainer.evaluation.kinds import scored_kind
from trainer.metrics.metric import SparseSums
from trainer.metrics.table import evaluated, headline, of_kind

RESAMPLES = 1000
# Of three groups more than 2.5% of the resamples have one alone: the ends would be the worst and
# the best group.
_MIN_GROUPS = 4
_SHARE = 0.95
# Values in memory at once, of resampled sums and of the counts that weigh them.
_MAX_VALUES = 10_000_000
_GROUPS_AT_ONCE = 100

Figures = dict[str, np.ndarray]
# As in `FromSums`.
SumsOf = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray | SparseSums]


class GroupSums:
    """Sums over the labels of each group, from which every metric and its interval follow."""

    def __init__(
        self,
        label_kind: str,
        label: np.ndarray,
        prediction: np.ndarray,
        groups: np.ndarray,
        answer: np.ndarray | None = None,
    ):
        """Sums up.

        Args:
          label_kind: see `LabelSpec.kind`.
          label: `[n, ...]`.
          prediction: `[n, units]`, probabilities of classes or values.
          groups: `[n]` text, group of each label.
          answer: `[n, ...]` what is stated, where that is not what is likeliest.
        """
        self._names, group = np.unique(groups, return_inverse=True)
        self._labels = np.bincount(group)
        self._metrics = evaluated(label_kind)
        label, scores = scored_kind(label_kind).read(label, prediction, answer)
        # `[groups, rows, k]`; some metrics share one.
        self._sums: dict[SumsOf, np.ndarray | SparseSums] = {}
        for metric in of_kind(label_kind):
            of = metric.evaluation and metric.evaluation.sums
            if of and of not in self._sums:
                read = prediction if metric.of_probabilities else scores
                self._sums[of] = of(label, read, group, len(self._names))

    @property
    def names(self) -> np.ndarray:
        """`[groups]`: their names, sorted."""
        return self._names

    def total(self) -> dict[str, float]:
        """The metrics of all groups together."""
        figures = self._scored(self._added_up())
        return {name: float(value) for name, value in figures.items()}

    def per_component(self) -> list[dict[str, float]]:
        """The metrics of each component of values, of all groups together."""
        sums = {of: values[:, np.newaxis] for of, values in self._added_up().items()}
        return rows(self._scored(sums))

    def per_group(self, chosen: np.ndarray | None = None) -> dict[str, dict[str, float]]:
        """Number of labels and metrics of each group, or of some, by their numbers."""
        chosen = np.arange(len(self._names)) if chosen is None else chosen
        sums = {
            of: values.of(chosen) if isinstance(values, SparseSums) else values[chosen]
            for of, values in self._sums.items()
        }
        figures = rows({"labels": self._labels[chosen], **self._scored(sums)})
        return dict(zip(self._names[chosen].tolist(), figures, strict=True))

    def headlines(self) -> tuple[str, dict[str, np.ndarray]]:
        """The metric that people read first; it and the number of labels, of every group."""
        name = headline(self._metrics)
        values = self._sums[self._metrics[name].sums]
        number = len(self._names)
        parts = [
            self._metrics[name].score(
                values.of(part) if isinstance(values, SparseSums) else values[part]
            )
            for part in np.array_split(np.arange(number), -(-number // _GROUPS_AT_ONCE))
        ]
        return name, {"labels": self._labels, name: np.concatenate(parts)}

    def intervals(
        self, *, resamples: int = RESAMPLES, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """95% intervals of each metric: percentiles over resamples of the groups, with replacement.

        Labels of one group are not independent, so groups are drawn and not labels (a cluster
        bootstrap; Davison and Hinkley 1997, section 3.8). Empty for fewer than four groups.

        Args:
          resamples: how many.
          seed: of the draws.
        """
        drawn = self.resampled(resamples=resamples, seed=seed)
        return {name: interval(values) for name, values in drawn.items()}

    def resampled(self, *, resamples: int = RESAMPLES, seed: int = 0) -> Figures:
        """The metrics of each resample of the groups, `[resamples]`; see `intervals`.

        Those of other predictions of the same groups, with the same seed, are of the same draws.
        """
        number = len(self._names)
        if number < _MIN_GROUPS:
            return {}
        rng = np.random.default_rng(seed)
        parts = []
        for size in self._sizes(resamples):
            counts = rng.multinomial(number, np.full(number, 1 / number), size)
            parts.append(self._scored(self._added_up(counts.astype(np.float64))))
        return _joined(parts)

    def exchanged(self, other: "GroupSums", is_other: np.ndarray) -> Figures:
        """The metrics of mixed predictions, `[n]`: some groups are taken from `other`.

        Args:
          other: of other predictions of the same labels.
          is_other: `[n, groups]` bool, which groups.
        """
        parts, begin = [], 0
        for size in self._sizes(len(is_other)):
            chosen = is_other[begin : begin + size]
            own, others = self._added_up(~chosen), other._added_up(chosen)
            parts.append(self._scored({of: own[of] + others[of] for of in own}))
            begin += size
        return _joined(parts)

    def _sizes(self, number: int) -> list[int]:
        """How many weightings of all groups to look at together, so that memory is bounded."""
        widest = max(math.prod(values.shape[1:]) for values in self._sums.values())
        at_once = max(1, _MAX_VALUES // max(len(self._names), widest))
        return [min(at_once, number - begin) for begin in range(0, number, at_once)]

    def _added_up(self, weights: np.ndarray | None = None) -> dict[SumsOf, np.ndarray]:
        """The sums of all groups together, with weights `[..., groups]` of each, or with 1."""
        given = np.ones(len(self._names)) if weights is None else weights
        return {
            of: values.weighted(given)
            if isinstance(values, SparseSums)
            else (values.sum(0) if weights is None else np.tensordot(weights, values, 1))
            for of, values in self._sums.items()
        }

    def _scored(self, sums: Mapping[SumsOf, np.ndarray]) -> Figures:
        return {name: of.score(sums[of.sums]) for name, of in self._metrics.items()}


def one_group(label_kind: str, label: np.ndarray, prediction: np.ndarray) -> GroupSums:
    """The sums of all labels as those of one group; see `GroupSums`."""
    return GroupSums(label_kind, label, prediction, np.zeros(len(label), np.int8))


def interval(values: np.ndarray) -> tuple[float, float]:
    """The percentiles between which 95% of resampled figures lie."""
    low, high = np.quantile(values, [(1 - _SHARE) / 2, (1 + _SHARE) / 2]).tolist()
    return low, high


def _joined(parts: list[Figures]) -> Figures:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rows(table: Figures) -> list[dict[str, float]]:
    """Columns of a table as its rows."""
    columns = [values.tolist() for values in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]
