"""Scores as logits, against a minimizer that knows nothing of the problem."""

import numpy as np
import pytest
from scipy.optimize import minimize

from trainer.models.parts.platt import calibrated, fit_logistic
from trainer.models.parts.ridge import with_and_without


def _expected(scores, is_there):
    there, others = is_there.sum(), (~is_there).sum()
    target = np.where(is_there, (there + 1) / (there + 2), 1 / (others + 2))

    def loss(pair):
        logits = pair[0] * scores + pair[1]
        return np.logaddexp(0, logits).sum() - (target * logits).sum()

    return minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("noise", [0.0, 0.5, 3.0])  # Scores that tell all, some, little.
def test_the_fit_is_the_best_there_is(noise):
    rng = np.random.default_rng(0)
    is_there = rng.random(300) < 0.2
    scores = 1e-2 * (np.where(is_there, 1, -1) + noise * rng.normal(size=300)) + 5
    factor, offset = fit_logistic(scores, is_there)
    at = np.array([4.98, 5.0, 5.02])
    best = _expected((scores - 5) * 100, is_there)
    np.testing.assert_allclose(factor * at + offset, best[0] * (at - 5) * 100 + best[1], rtol=1e-4)


def test_a_class_that_is_never_or_not_known_has_a_finite_fit():
    labels = np.stack([np.zeros(20), -np.ones(20), np.arange(20) % 2], 1).astype(np.int8)
    scores = np.stack([np.full(20, -1.0), np.zeros(20), labels[:, 2] - 0.5], 1)
    factor, offset, loss = calibrated(scores, labels)
    assert np.isfinite([*factor, *offset, loss]).all()
    assert (1 / (1 + np.exp(-(factor * scores + offset))))[:, 0].max() < 0.1
    assert (factor[1], offset[1]) == (0.0, 0.0)


def test_targets_of_what_is_not_known_say_nothing():
    targets = with_and_without(np.array([[1, 0], [0, -1], [0, 1], [-1, 0]]))
    np.testing.assert_allclose(targets, [[1, -1], [-1, -1 / 3], [-1, 1], [-1 / 3, -1]])
