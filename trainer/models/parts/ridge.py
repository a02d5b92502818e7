"""Ridge regression, its penalty chosen by leaving each group out in turn, exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_PENALTIES = np.logspace(-1, 6, 15)
_SHARPNESSES = np.logspace(-1, 2, 31)


class Ridge(NamedTuple):
    """A fitted regression.

    Attributes:
      kernel: `[features, outputs]`.
      bias: `[outputs]`.
      left_out: `[rows, outputs]`, each row predicted from all other groups.
    """

    kernel: np.ndarray
    bias: np.ndarray
    left_out: np.ndarray


def fit_ridge(features: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Ridge:
    """Fits features `[rows, features]` to targets `[rows, outputs]`.

    The squared errors on groups left out choose the penalty. Their closed form takes one
    eigendecomposition of `[rows, rows]` (Rifkin and Lippert 2007, for single rows): with the
    inverse A of the penalized Gram matrix, the errors of rows g that are left out are those of
    A_gg e = (A y)_g.

    Args:
      features: of each row.
      targets: of each row.
      groups: `[rows]`, rows of the same number are left out together; of one group alone, each row
        is left out by itself.
    """
    centre, offset = features.mean(0), targets.mean(0)
    centred = (features - centre).astype(np.float32)
    gram = (centred @ centred.T).astype(np.float64)
    # The offset takes the mean out. Made the greatest, its direction is one of the vectors by
    # itself, also where there are fewer features than rows and others have the value 0, too.
    values, vectors = np.linalg.eigh(gram + (np.trace(gram) + 1) / len(gram))
    turned = vectors.T @ (targets - offset)
    together = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    is_single = len(together) in (1, len(groups))
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for penalty in _PENALTIES:
        inverse = 1 / (np.maximum(values, 0) + penalty)
        inverse[-1] = 0
        dual = vectors @ (turned * inverse[:, None])
        if is_single:
            errors = dual / np.maximum(vectors**2 @ inverse, 1e-12)[:, None]
        else:
            errors = np.empty_like(dual)
            for rows in together:
                of_group = (vectors[rows] * inverse) @ vectors[rows].T
                errors[rows] = np.linalg.solve(of_group, dual[rows])
        score = float(np.mean(errors**2))
        if best is None or score < best[0]:
            best = score, dual, errors
    assert best is not None
    _, dual, errors = best
    kernel = centred.T @ dual
    return Ridge(kernel, offset - centre @ kernel, targets - errors)


def one_against_others(classes: np.ndarray, count: int) -> np.ndarray:
    """Targets of a classification: 1 for the class, -1 for the others."""
    return 2.0 * (classes[:, None] == np.arange(count)) - 1


def with_and_without(labels: np.ndarray) -> np.ndarray:
    """Targets of any number of classes, `[rows, classes]`: 1 for one that is there, else -1.

    Where one is not known (-1) it is the mean of the known, which the offset takes out.
    """
    known = labels >= 0
    targets = np.where(labels > 0, 1.0, -1.0)
    means = (targets * known).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, targets, means)


def sharpness(scores: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """The factor of scores `[rows, classes]` whose softmax fits best, and its mean loss."""
    losses = []
    for factor in _SHARPNESSES:
        logits = factor * scores
        logits = logits - logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        losses.append(float(-logs[np.arange(len(classes)), classes].mean()))
    best = int(np.argmin(losses))
    return float(_SHARPNESSES[best]), losses[best]
