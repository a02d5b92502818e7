"""How far figures of several runs lie apart, and intervals of their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_SHARE = 0.95


def spread(
    values: Sequence[float],
    tests_per_training: float = 0.0,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> dict[str, Any]:
    """Mean, deviation, ends, and the interval of Student's t.

    Folds share most of their training records, so their figures are not independent: the variance
    of their mean is corrected by the ratio of test to training records (Nadeau and Bengio 2003;
    Bouckaert and Frank 2004 for repeats).

    Args:
      values: some figures.
      tests_per_training: that ratio; 0 for figures that are independent.
      limits: the least and the greatest figure that there can be, where the interval ends as well.
    """
    found = np.array(values, np.float64)
    result: dict[str, Any] = {
        "number": len(found),
        "mean": float(found.mean()),
        "least": float(found.min()),
        "greatest": float(found.max()),
    }
    if len(found) > 1:
        deviation = float(found.std(ddof=1))
        half = (
            student_t(len(found) - 1) * deviation * math.sqrt(1 / len(found) + tests_per_training)
        )
        result["deviation"] = deviation
        result["interval"] = np.clip(result["mean"] + np.array([-half, half]), *limits).tolist()
    return result


def student_t(freedom: int, share: float = _SHARE) -> float:
    """The t between minus and plus which a share of Student's distribution lies, by bisection."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < share:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """Share of Student's distribution in [-t, t]; Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = freedom % 2
    term = total = cosine if is_odd else 1.0
    for number in range(2 + is_odd, freedom - 1, 2):
        term *= cosine**2 * (number - 1) / number
        total += term
    if not is_odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
