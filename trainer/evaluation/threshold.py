"""The threshold on the probability of one class that is best by a stated aim."""

import numpy as np

from trainer.metrics.ranking import Ranking

_ROUNDING = 1e-9


def choose_threshold(aim: str, ranking: Ranking) -> tuple[float, dict[str, float]]:
    """The least probability at which the class is stated, one that occurs, and its figures there.

    Args:
      aim: `f1`, the greatest; `specificity:S`, the greatest sensitivity with a specificity of S at
        least; `sensitivity:S`, the greatest specificity with that sensitivity. Of several equal
        ones the highest threshold for F1 and sensitivity, the lowest for specificity.
      ranking: of the class above all others.

    Raises:
      ValueError: no threshold does; the message says why.
    """
    right, wrong = ranking.right, ranking.wrong
    if not (right[-1] and wrong[-1]):
        raise ValueError("it has no label of the class, or no other")
    name, _, least = aim.partition(":")
    if name == "f1":
        at = int(np.argmax(2 * right / (right + wrong + right[-1])))
    elif name == "sensitivity":
        at = int(np.flatnonzero(right / right[-1] >= float(least) - _ROUNDING)[0])
    else:
        fitting = np.flatnonzero(1 - wrong / wrong[-1] >= float(least) - _ROUNDING)
        if not len(fitting) or not right[fitting[-1]]:
            raise ValueError(f"no threshold finds any of the class at a specificity of {least}")
        at = int(fitting[-1])
    counts = right[at], wrong[at], right[-1], wrong[-1]
    return float(ranking.least[at]), decision_figures(*map(int, counts))


def decision_figures(right: int, wrong: int, of_class: int, of_others: int) -> dict[str, float]:
    """Figures of one class from how often it was stated rightly and wrongly; 0 of nothing."""
    stated = right + wrong
    return {
        "sensitivity": right / max(of_class, 1),
        "specificity": 1 - wrong / max(of_others, 1),
        "precision": right / max(stated, 1),
        "f1": 2 * right / max(stated + of_class, 1),
    }


def figures_of(label: np.ndarray, answer: np.ndarray, number: int) -> dict[str, float]:
    """The same of labels and stated classes, `[n]` both, for the class with that number."""
    is_class, is_stated = label == number, answer == number
    right = int((is_class & is_stated).sum())
    of_class = int(is_class.sum())
    wrong = int(is_stated.sum()) - right
    return decision_figures(right, wrong, of_class, len(label) - of_class)
