"""Scores as logits: a factor and an offset for each class, fitted to labels (Platt 1999).

Platt, Probabilistic outputs for support vector machines; with his targets, which keep the fit
finite where scores tell the labels apart, and Newton's method with step halving (Lin, Lin and Weng
2007, doi:10.1007/s10994-007-5018-6).
"""

from __future__ import annotations

import numpy as np

_MOST_STEPS = 100
_PRECISION = 1e-10
_LEAST_BEND = 1e-12


def calibrated(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Fits every class by itself.

    Args:
      scores: `[rows, classes]`, of rows that they were not fitted to.
      labels: `[rows, classes]`: 1 where a class is there, 0 where not, -1 where nobody knows.

    Returns:
      Factors and offsets `[classes]` of the logits, and the mean over rows of the summed losses.
    """
    known = labels >= 0
    fits = [
        fit_logistic(of[at], label[at] > 0)
        for of, label, at in zip(scores.T, labels.T, known.T, strict=True)
    ]
    factor, offset = np.array(fits).T
    logits = factor * scores + offset
    losses = np.logaddexp(0, np.where(labels > 0, -logits, logits))
    return factor, offset, float((losses * known).sum(-1).mean())


def fit_logistic(scores: np.ndarray, is_there: np.ndarray) -> tuple[float, float]:
    """The factor and the offset of scores `[n]` whose sigmoid fits best; 0 of both for none."""
    if not len(scores):
        return 0.0, 0.0
    there, others = int(is_there.sum()), int((~is_there).sum())
    target = np.where(is_there, (there + 1) / (there + 2), 1 / (others + 2))
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    x = np.stack([(scores - centre) / spread, np.ones(len(scores))])
    found = np.array([0.0, np.log((there + 1) / (others + 1))])
    loss = _loss(x, target, found)
    for _ in range(_MOST_STEPS):
        share = 1 / (1 + np.exp(-np.clip(found @ x, -500, 500)))
        slope = x @ (share - target)
        bend = (x * (share * (1 - share))) @ x.T + _LEAST_BEND * len(scores) * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while (new := _loss(x, target, found - step)) > loss and abs(step).max() > _PRECISION:
            step = step / 2
        if new > loss:
            break
        found, loss = found - step, new
        if abs(step).max() <= _PRECISION:
            break
    return float(found[0] / spread), float(found[1] - found[0] * centre / spread)


def _loss(x: np.ndarray, target: np.ndarray, found: np.ndarray) -> float:
    logits = found @ x
    return float((np.logaddexp(0, logits) - target * logits).sum())
