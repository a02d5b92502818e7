"""Whether one model is better than another on the same records.

Records of a group are not independent, so groups are drawn anew, and exchanged between the models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfrecords_schema import LabelSpec
from trainer.evaluation.group_sums import Figures, GroupSums, interval
from trainer.evaluation.kinds import scored_kind
from trainer.metrics.table import headline
from trainer.studies.pooled import mean_of, resampled_mean
from trainer.studies.scored import Scored

# Of so many groups all exchanges are looked at, of more some.
_MOST_EXACT = 13
_MOST_CLASSES = 30
_EXCHANGES = 9999
_MAX_VALUES = 10_000_000  # In memory at once.
_ROUNDING = 1e-12


class Difference(NamedTuple):
    """How far a figure of the second model is from that of the first.

    Attributes:
      first: mean figure of the first model over draws.
      second: of the second.
      interval: of `second - first`, 95%, over groups; None for fewer than four.
      p_value: of a difference as large, where it makes no difference which model answers for a
        group; two-sided.
    """

    first: float
    second: float
    interval: tuple[float, float] | None
    p_value: float | None

    @property
    def value(self) -> float:
        """Second minus first."""
        return self.second - self.first


def differences(
    first: Sequence[GroupSums], second: Sequence[GroupSums], *, seed: int = 0
) -> dict[str, Difference]:
    """Differences of all metrics.

    The test exchanges the predictions of whole groups between the models (a paired permutation
    test; Good 2005, section 3.7): all ways of it for up to 13 groups, else 9,999 by chance.

    Args:
      first: of each draw (division and seed) of the first model.
      second: of the same draws of the second, with the same records.
      seed: of the exchanges.
    """
    one, other = (mean_of([sums.total() for sums in draws]) for draws in (first, second))
    drawn, other_drawn = resampled_mean(first), resampled_mean(second)
    p_values = _p_values(first, second, seed)
    return {
        name: Difference(
            float(one[name]),
            float(other[name]),
            interval(other_drawn[name] - drawn[name]) if drawn else None,
            p_values.get(name),
        )
        for name in one
    }


def _p_values(
    first: Sequence[GroupSums], second: Sequence[GroupSums], seed: int
) -> dict[str, float]:
    pairs = [*zip(first, second, strict=True)]
    observed = _apart([one.total() for one in first], [other.total() for other in second])
    as_large, number = dict.fromkeys(observed, 0), 0
    groups = len(first[0].names)
    for exchanges in _exchanges(groups, seed):
        found = _apart(
            [one.exchanged(other, exchanges) for one, other in pairs],
            [other.exchanged(one, exchanges) for one, other in pairs],
        )
        number += len(exchanges)
        for name, values in found.items():
            as_large[name] += int((np.abs(values) >= abs(observed[name]) - _ROUNDING).sum())
    # What was found is one of those by chance (Phipson and Smyth 2010).
    added = int(groups > _MOST_EXACT)
    return {name: (count + added) / (number + added) for name, count in as_large.items()}


def _apart(first: Sequence[Any], second: Sequence[Any]) -> Figures:
    one, other = mean_of(first), mean_of(second)
    return {name: other[name] - one[name] for name in one}


def _exchanges(groups: int, seed: int) -> Iterator[np.ndarray]:
    """Which groups are exchanged, `[n, groups]` bool: all ways of few groups, some of many."""
    if groups <= _MOST_EXACT:
        # The last group stays: exchanging all others instead gives the same with another sign.
        numbers = np.arange(1 << (groups - 1))
        yield (numbers[:, None] >> np.arange(groups) & 1).astype(bool)
        return
    rng, at_once = np.random.default_rng(seed), max(1, _MAX_VALUES // groups)
    for begin in range(0, _EXCHANGES, at_once):
        yield rng.random((min(at_once, _EXCHANGES - begin), groups)) < 0.5


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """The exact two-sided test of McNemar on single labels, `[labels]` bool each.

    That is the permutation test on the accuracy where every label is a group of its own.
    """
    better = int((second_right & ~first_right).sum())
    worse = int((first_right & ~second_right).sum())
    tail = sum(math.comb(better + worse, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2 ** (better + worse))


class Comparison(NamedTuple):
    """Two models on the same records.

    Attributes:
      groups: how many.
      draws: divisions and seeds that both have.
      metrics: all of them.
      classes: the recall of each class.
      per_group: the metric that people read first, of both, for each group.
      records: id, group and figure of both (share of right labels, or RMSE) of each record on
        which they differ, the largest difference first.
      is_mcnemar: whether the accuracy's test is McNemar's.
      of_record: name of the figure in `records`.
    """

    groups: int
    draws: int
    metrics: dict[str, Difference]
    classes: dict[str, Difference]
    per_group: dict[str, tuple[float, float]]
    records: list[tuple[str, str, float, float]]
    is_mcnemar: bool
    of_record: str


def compare(first: Sequence[Scored], second: Sequence[Scored], label: LabelSpec) -> Comparison:
    """Compares the draws of two models; of each draw both have the same records and labels."""
    one, other = ([scored.sums(label) for scored in draws] for draws in (first, second))
    metrics = differences(one, other)
    is_mcnemar = _is_mcnemar(first, label, len(one[0].names))
    if is_mcnemar:
        right = [draws[0].per_record(label) == 1 for draws in (first, second)]
        metrics["accuracy"] = metrics["accuracy"]._replace(p_value=mcnemar(*right))
    metric = headline(metrics)
    figures = [_of_groups(sums, metric) for sums in (one, other)]
    return Comparison(
        len(one[0].names),
        len(one),
        metrics,
        _recalls(first, second, label),
        {group: (figures[0][group], figures[1][group]) for group in figures[0]},
        _changed(first, second, label),
        is_mcnemar,
        scored_kind(label.kind).of_record,
    )


def _is_mcnemar(draws: Sequence[Scored], label: LabelSpec, groups: int) -> bool:
    labels = len(draws[0].predictions.label)
    is_single = len(draws) == 1 and label.is_single and label.per == "record"
    return is_single and groups == labels > _MOST_EXACT


def _of_groups(draws: Sequence[GroupSums], metric: str) -> dict[str, float]:
    found = [sums.per_group() for sums in draws]
    return {group: float(np.mean([one[group][metric] for one in found])) for group in found[0]}


def _recalls(
    first: Sequence[Scored], second: Sequence[Scored], label: LabelSpec
) -> dict[str, Difference]:
    """Of the commonest classes: each takes as long as the comparison itself."""
    if not label.is_single:
        return {}
    result = {}
    counts = np.bincount(first[0].predictions.label, minlength=len(label.class_names))
    commonest = np.sort(np.argsort(-counts, kind="stable")[:_MOST_CLASSES])
    for number in commonest.tolist():
        name = label.class_names[number]
        of_class = [scored.predictions.label == number for scored in first]
        if of_class[0].any():
            sums = [
                [scored.sums(label, chosen) for scored, chosen in zip(draws, of_class, strict=True)]
                for draws in (first, second)
            ]
            result[name] = differences(*sums)["accuracy"]
    return result


def _changed(
    first: Sequence[Scored], second: Sequence[Scored], label: LabelSpec
) -> list[tuple[str, str, float, float]]:
    one, other = (
        np.mean([scored.per_record(label) for scored in draws], axis=0) for draws in (first, second)
    )
    apart = np.nan_to_num(np.abs(other - one))
    order = np.argsort(-apart, kind="stable")
    found = first[0]
    return [
        (found.ids[at], found.groups[at], float(one[at]), float(other[at]))
        for at in order[apart[order] > 0].tolist()
    ]
