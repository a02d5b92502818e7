"""The ridge against solving its equations again without each group."""

import numpy as np
import pytest

from trainer.models.parts.ridge import _PENALTIES, fit_ridge, one_against_others, sharpness


def _solved(features, targets, penalty):
    """Kernel and bias by the normal equations; the bias is not penalized."""
    centre, offset = features.mean(0), targets.mean(0)
    centred = features - centre
    of_features = centred.T @ centred + penalty * np.eye(features.shape[1])
    kernel = np.linalg.solve(of_features, centred.T @ (targets - offset))
    return kernel, offset - centre @ kernel


def _left_out(features, targets, groups, penalty):
    found = np.empty_like(targets)
    for group in set(groups):
        others = groups != group
        kernel, bias = _solved(features[others], targets[others], penalty)
        found[~others] = features[~others] @ kernel + bias
    return found


@pytest.mark.parametrize(("records", "features"), [(12, 40), (30, 4), (20, 19), (20, 20), (3, 1)])
@pytest.mark.parametrize("noise", [0.1, 10.0])
@pytest.mark.parametrize("share", [1, 2, 5])
def test_equals_fitting_again_without_each_group(records, features, noise, share):
    rng = np.random.default_rng(records)
    groups = rng.permutation(np.arange(records) // min(share, records - 1))
    x = rng.normal(size=(records, features)) + 3
    y = x[:, :1] * [1, -2] + noise * rng.normal(size=(records, 2)) + 5
    by_penalty = {p: _left_out(x, y, groups, p) for p in _PENALTIES}
    best = min(by_penalty, key=lambda p: np.mean((by_penalty[p] - y) ** 2))
    found = fit_ridge(x.astype(np.float32), y, groups)
    np.testing.assert_allclose(found.left_out, by_penalty[best], rtol=1e-3, atol=1e-3)
    kernel, bias = _solved(x, y, best)
    np.testing.assert_allclose(found.kernel, kernel, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.bias, bias, rtol=1e-3, atol=1e-2)


def test_equal_features_predict_the_mean():
    targets = np.array([[1.0], [2.0], [6.0]])
    found = fit_ridge(np.ones((3, 2), np.float32), targets, np.arange(3))
    np.testing.assert_allclose(found.bias, [3])
    np.testing.assert_allclose(found.left_out, [[4], [3.5], [1.5]])


def test_of_one_group_each_row_is_left_out():
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    one, each = (fit_ridge(x, y, groups).left_out for groups in (np.zeros(8), np.arange(8)))
    np.testing.assert_array_equal(one, each)


def test_targets_and_sharpness_of_classes():
    classes = np.array([0, 2, 1, 1])
    targets = one_against_others(classes, 3)
    np.testing.assert_array_equal(targets[1], [-1, -1, 1])
    factor, loss = sharpness(targets, classes)
    assert factor > 10  # Never wrong: the sharper, the better.
    assert loss == pytest.approx(0, abs=1e-9)
    factor, loss = sharpness(-targets, classes)
    assert factor == pytest.approx(0.1)
    assert loss > np.log(3)
