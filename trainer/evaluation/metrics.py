"""Metrics of predictions, and their bootstrap intervals over groups; NumPy alone.

Every metric here follows from a few sums per group (`Sums`), so a resample of the groups is a
weighted sum of those, not another pass over the labels.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
# Of three groups more than 2.5% of the resamples have one alone: the ends would be the worst and
# the best group.
MIN_GROUPS = 4
_SHARE = 0.95
# Values in memory at once, of resampled sums and of the counts that weigh them.
_MAX_VALUES = 10_000_000

Figures = dict[str, np.ndarray]
# Sums `[..., columns, k]` to metrics `[...]`.
Score = Callable[[np.ndarray], Figures]


@dataclasses.dataclass(frozen=True)
class Sums:
    """What metrics are formed from, per group.

    Attributes:
      groups: names of the groups, sorted.
      labels: `[groups]` int64, number of labels in each.
      values: `[groups, columns, k]` float64; see `class_sums` and `value_sums`.
    """

    groups: list[str]
    labels: np.ndarray
    values: np.ndarray


def class_sums(label: np.ndarray, prediction: np.ndarray, classes: int, groups: np.ndarray) -> Sums:
    """Per group and class: how often it is right, how often it occurs, how often it is predicted.

    Args:
      label: `[n]` integer, true classes.
      prediction: `[n]` integer, predicted classes.
      classes: number of classes.
      groups: `[n]` text, group of each label.

    Returns:
      Sums of `[groups, classes, 3]`: right, true, predicted.
    """
    names, group = np.unique(groups, return_inverse=True)
    true, predicted = group * classes + label, group * classes + prediction
    counts = (
        np.bincount(cells, minlength=len(names) * classes).reshape(len(names), classes)
        for cells in (true[label == prediction], true, predicted)
    )
    values = np.stack(list(counts), axis=-1).astype(np.float64)
    return Sums(names.tolist(), np.bincount(group, minlength=len(names)), values)


def value_sums(label: np.ndarray, prediction: np.ndarray, groups: np.ndarray) -> Sums:
    """Per group and component: sums of squared and absolute errors, and of the labels.

    Args:
      label: `[n, components]` true values.
      prediction: `[n, components]` predicted values.
      groups: `[n]` text, group of each label.

    Returns:
      Sums of `[groups, components, 5]`: squared errors, absolute errors, labels, squared labels,
      number. The labels are taken from their mean, which R2 does not depend on.
    """
    names, group = np.unique(groups, return_inverse=True)
    label = label.astype(np.float64)
    error, centred = label - prediction, label - label.mean(0)
    columns = [error**2, np.abs(error), centred, centred**2, np.ones_like(label)]
    values = np.zeros((len(names), label.shape[1], len(columns)))
    np.add.at(values, group, np.stack(columns, axis=-1))
    return Sums(names.tolist(), np.bincount(group, minlength=len(names)), values)


def class_scores(sums: np.ndarray) -> Figures:
    """Metrics from `[..., classes, 3]` right, true and predicted counts.

    accuracy: share of right labels. balanced_accuracy: mean recall of the classes that occur.
    macro_f1: mean F1 of the classes that occur or are predicted. cohen_kappa: how far the accuracy
    is above that of a guesser with the same class frequencies, 1 at best (Cohen 1960,
    doi:10.1177/001316446002000104); 0 where such a guesser is always right.
    """
    right, true, predicted = np.moveaxis(sums, -1, 0)
    total = true.sum(-1)
    accuracy = _ratio(right.sum(-1), total)
    chance = _ratio((true * predicted).sum(-1), total**2)
    f1 = _ratio(2 * right, true + predicted)
    return {
        "accuracy": accuracy,
        "balanced_accuracy": _mean_where(_ratio(right, true), true > 0),
        "macro_f1": _mean_where(f1, true + predicted > 0),
        "cohen_kappa": _ratio(accuracy - chance, 1 - chance),
    }


def class_table(sums: np.ndarray) -> Figures:
    """Precision, recall, F1 and support of each class, `[classes]`, from `[classes, 3]` counts.

    0 where there is nothing to divide by: a class that is never predicted has precision 0.
    """
    right, true, predicted = sums.T
    return {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, true),
        "f1": _ratio(2 * right, true + predicted),
        "support": true.astype(np.int64),
    }


def value_scores(sums: np.ndarray) -> Figures:
    """Errors over all components, from `[..., components, 5]` sums; R2 is the components' mean."""
    squared, absolute, *_, number = np.moveaxis(sums, -1, 0)
    count = number.sum(-1)
    return {
        "rmse": np.sqrt(_ratio(squared.sum(-1), count)),
        "mae": _ratio(absolute.sum(-1), count),
        "r2": component_scores(sums)["r2"].mean(-1),
    }


def component_scores(sums: np.ndarray) -> Figures:
    """RMSE, MAE and R2 of each component: `[..., components]` from `[..., components, 5]` sums.

    R2 is 1 - squared errors / squared deviations of the labels from their own mean. Of labels that
    are all equal it is 0, or 1 where every prediction is exact.
    """
    squared, absolute, label, label_squared, number = np.moveaxis(sums, -1, 0)
    spread = label_squared - _ratio(label**2, number)
    varies = spread > 1e-12 * label_squared
    constant = np.where(squared == 0, 1.0, 0.0)
    return {
        "rmse": np.sqrt(_ratio(squared, number)),
        "mae": _ratio(absolute, number),
        "r2": np.where(varies, 1 - _ratio(squared, np.where(varies, spread, 1.0)), constant),
    }


def bootstrap_intervals(
    sums: Sums, score: Score, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% intervals of each metric: percentiles over resamples of the groups, with replacement.

    Labels of one group are not independent, so groups are drawn and not labels (a cluster
    bootstrap; Davison and Hinkley 1997, section 3.8). Empty for fewer than `MIN_GROUPS`.

    Args:
      sums: of the groups.
      score: turns sums into metrics.
      resamples: how many.
      seed: of the draws.
    """
    number = len(sums.groups)
    if number < MIN_GROUPS:
        return {}
    rng = np.random.default_rng(seed)
    flat = sums.values.reshape(number, -1)
    at_once = max(1, _MAX_VALUES // max(flat.shape))
    parts = []
    for begin in range(0, resamples, at_once):
        size = min(at_once, resamples - begin)
        counts = rng.multinomial(number, np.full(number, 1 / number), size)
        parts.append(score((counts @ flat).reshape(size, *sums.values.shape[1:])))
    ends = [(1 - _SHARE) / 2, (1 + _SHARE) / 2]
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _pair(np.quantile(values, ends)) for name, values in drawn.items()}


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above / below`, 0 where `below` is 0."""
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) != 0)


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return _ratio((values * chosen).sum(-1), chosen.sum(-1))
