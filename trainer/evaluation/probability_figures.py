"""What an evaluation of classes says of their probabilities: bins, and areas below curves."""

import math

import numpy as np

from trainer.evaluation.class_figures import MOST_CLASSES
from trainer.evaluation.group_sums import rows
from trainer.metrics.calibration_error import BINS, EDGES, bins_of
from trainer.metrics.metric import ratio
from trainer.metrics.ranking import Ranking, Rankings
from trainer.metrics.table import of_kind

_MOST_POINTS = 200


def reliability(label: np.ndarray, prediction: np.ndarray) -> list[dict[str, float]]:
    """The bins of the calibration error that hold any labels.

    Args:
      label: `[n]` classes.
      prediction: `[n, classes]` probabilities.

    Returns:
      Of each bin `low`, `high`, its edges; `labels`, how many; `probability`, the mean one of the
      likeliest class; `right`, the share of labels of which that is the true class.
    """
    number, probability, right = bins_of(label, prediction)
    labels = np.bincount(number, minlength=BINS)
    figures = {
        "low": EDGES[:-1],
        "high": EDGES[1:],
        "labels": labels,
        "probability": ratio(np.bincount(number, probability, BINS), labels),
        "right": ratio(np.bincount(number, right, BINS), labels),
    }
    return rows({name: values[labels > 0] for name, values in figures.items()})


def ranked_figures(rankings: Rankings, label_kind: str = "class") -> dict[str, float]:
    """The metrics that follow from how classes are ranked, where they can be told."""
    measured = {
        metric.name: metric.ranked(rankings) for metric in of_kind(label_kind) if metric.ranked
    }
    return {name: value for name, value in measured.items() if math.isfinite(value)}


def curve_figures(
    rankings: Rankings, names: tuple[str, ...]
) -> tuple[dict[str, dict[str, float | None]], dict[str, np.ndarray]]:
    """The areas of each class against the rest; of many classes as arrays.

    Returns:
      By class `roc_auc` and `average_precision`, None where they need labels that are not there;
      of more than `MOST_CLASSES` classes nothing. Then arrays `[classes]`, NaN for None, of those.
    """
    if len(names) > MOST_CLASSES:
        return {}, rankings.areas
    found = [
        {name: area if math.isfinite(area) else None for name, area in row.items()}
        for row in rows(rankings.areas)
    ]
    return dict(zip(names, found, strict=True)), {}


def roc_points(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """False alarms and sensitivity, thinned to be drawn."""
    return _thinned(ranking.false_alarms, ranking.sensitivity)


def precision_recall_points(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision, thinned to be drawn."""
    return _thinned(ranking.sensitivity, ranking.precision)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most 202 points: the ends, and those that follow each 200th of the way, |dx| + |dy|."""
    way = np.append(0, np.cumsum(abs(np.diff(x)) + abs(np.diff(y))))
    at = np.searchsorted(way, np.linspace(0, way[-1], _MOST_POINTS))
    chosen = np.unique(np.append(at.clip(max=len(x) - 1), [0, len(x) - 1]))
    return x[chosen], y[chosen]
