"""Figures of each class, and which classes are taken for which; of any number of classes."""

from typing import Any

import numpy as np

from trainer.evaluation.group_sums import rows
from trainer.metrics.metric import ratio

# Up to so many classes all are listed, with the whole table of confusions.
MOST_CLASSES = 100
_WORST = _COMMONEST = 50
_CONFUSIONS = 100


def class_figures(
    label: np.ndarray, answer: np.ndarray, names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What an evaluation says of classes, and what it leaves out of that.

    A figure is 0 where there is nothing to divide by: a class that is never predicted has
    precision 0.

    Args:
      label: `[n]` true classes.
      answer: `[n]` predicted classes.
      names: of the classes.

    Returns:
      Of up to `MOST_CLASSES` classes `per_class`, `class_names` and `confusion`, rows of true
      classes, and no arrays. Of more, `per_class` of those with the least F1 and of the commonest,
      `confusions`, the commonest ones, and `class_count`; then the arrays have all classes, and
      `true`, `predicted` and `count`, `[pairs]`, every pair that occurs.
    """
    classes = len(names)
    pairs, count = np.unique(label.astype(np.int64) * classes + answer, return_counts=True)
    true, predicted = np.divmod(pairs, classes)
    right = np.zeros(classes, np.int64)
    right[true[true == predicted]] = count[true == predicted]
    support, answers = (np.bincount(of, count, classes) for of in (true, predicted))
    figures = {
        "precision": ratio(right, answers),
        "recall": ratio(right, support),
        "f1": ratio(2 * right, support + answers),
        "support": support.astype(np.int64),
    }
    if classes <= MOST_CLASSES:
        confusion = np.zeros((classes, classes), np.int64)
        confusion[true, predicted] = count
        listed = dict(zip(names, rows(figures), strict=True))
        every = {"class_names": list(names), "confusion": confusion.tolist()}
        return {"per_class": listed, **every}, {}
    chosen = _chosen(figures["f1"], figures["support"])
    few = rows({name: values[chosen] for name, values in figures.items()})
    wrong = np.flatnonzero(true != predicted)
    wrong = wrong[np.argsort(-count[wrong], kind="stable")][:_CONFUSIONS]
    confusions = [
        {"true": names[t], "predicted": names[p], "count": int(number)}
        for t, p, number in zip(true[wrong], predicted[wrong], count[wrong], strict=True)
    ]
    return {
        "per_class": {names[at]: row for at, row in zip(chosen, few, strict=True)},
        "class_count": classes,
        "confusions": confusions,
    }, {
        "class_names": np.array(names, np.str_),
        **figures,
        **{"true": true, "predicted": predicted, "count": count},
    }


def _chosen(f1: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Classes with the least F1 of those that occur, of equal ones the commonest; the commonest."""
    occurring = np.flatnonzero(support)
    worst = occurring[np.lexsort((-support[occurring], f1[occurring]))][:_WORST]
    commonest = np.argsort(-support, kind="stable")[:_COMMONEST]
    return np.concatenate([worst, commonest[~np.isin(commonest, worst)]])
