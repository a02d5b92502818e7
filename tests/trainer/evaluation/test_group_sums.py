"""Bootstrap intervals over groups, against plain loops over resampled labels."""

import numpy as np
import pytest

from trainer.evaluation import group_sums
from trainer.evaluation.group_sums import GroupSums


def _of_classes(truth, answers, groups):
    return GroupSums("class", truth, np.eye(3)[answers], groups)


def test_bootstrap_draws_groups_not_labels():
    """Ten groups, each all right or all wrong: the interval is that of ten draws."""
    groups = np.repeat([f"g{i}" for i in range(10)], 100)
    truth = np.zeros(1000, int)
    prediction = (np.arange(1000) // 100 >= 6).astype(int)
    low, high = _of_classes(truth, prediction, groups).intervals()["accuracy"]
    # Binomial(10, .6) / 10: 2.5% and 97.5% quantiles.
    assert (low, high) == pytest.approx((0.3, 0.9), abs=0.01)


def test_bootstrap_is_that_of_a_plain_loop_over_resampled_labels():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 6, 90)
    truth, prediction = rng.integers(0, 3, (2, 90))
    found = _of_classes(truth, prediction, groups).intervals(resamples=50, seed=7)
    counts = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), 50)
    drawn = []
    for row in counts:
        rows = np.concatenate([np.flatnonzero(groups == g) for g in np.repeat(range(6), row)])
        one = _of_classes(truth[rows], prediction[rows], np.zeros(len(rows)))
        drawn.append(one.total()["macro_f1"])
    assert found["macro_f1"] == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_resamples_in_parts_are_those_at_once(monkeypatch):
    rng = np.random.default_rng(2)
    truth, prediction = rng.normal(size=(2, 80, 2))
    sums = GroupSums("value", truth, prediction, rng.integers(0, 9, 80))
    whole = sums.intervals(resamples=100)
    monkeypatch.setattr(group_sums, "_MAX_VALUES", 300)
    parts = sums.intervals(resamples=100)
    for name, ends in whole.items():
        assert parts[name] == pytest.approx(ends), name


@pytest.mark.parametrize("number", range(1, 6))
def test_an_interval_lies_within_the_worst_and_the_best_group_or_is_not_given(number):
    truth = np.zeros(number * number, int)
    prediction = np.repeat(np.arange(number), number) > np.tile(np.arange(number), number)
    groups = np.repeat(np.arange(number), number)  # Accuracy 1, 1 - 1 / number, ...
    found = _of_classes(truth, prediction.astype(int), groups).intervals()
    assert bool(found) == (number >= 4)
    if found:
        low, high = found["accuracy"]
        assert 1 / number < low < high < 1
