"""Comparisons of two models: intervals and tests against plain loops and exact formulas."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, CLASSES_PER_STEP, VALUE_PER_STEP
from tests.trainer.studies.random_runs import random_runs
from trainer.evaluation.group_sums import GroupSums
from trainer.evaluation.predictions import Predictions
from trainer.studies import paired
from trainer.studies.paired import compare, differences, mcnemar
from trainer.studies.paired_tables import comparison_text
from trainer.studies.pooled import draws_of
from trainer.studies.scored import Scored


def _scored(label, prediction, groups, lengths=None):
    number = len(groups)
    lengths = np.ones(number, np.int32) if lengths is None else np.int32(lengths)
    return Scored(
        [f"r{i:03}" for i in range(number)],
        [*groups],
        [f"r{i}.npz" for i in range(number)],
        lengths,
        Predictions(np.arange(number, dtype=np.int32), lengths, label, prediction),
    )


def _classes(answers):
    return np.eye(3, dtype=np.float32)[answers]


def _right(right, groups):
    """One class alone, predicted right or not."""
    answers = _classes((~right).astype(int))
    return GroupSums("class", np.zeros(len(right), int), answers, groups)


def _random_pair(seed, groups, labels_of_group, metric_kind="class"):
    rng = np.random.default_rng(seed)
    group = np.repeat([f"g{i}" for i in range(groups)], labels_of_group)
    if metric_kind == "class":
        truth = rng.integers(0, 3, len(group))
        answers = (np.where(rng.random(len(group)) < p, truth, 0) for p in (0.5, 0.7))
        return group, truth, *map(_classes, answers)
    truth = rng.normal(size=(len(group), 2))
    return group, truth, truth + rng.normal(size=truth.shape), truth + 0.5


@pytest.mark.parametrize("kind", ["class", "value"])
def test_p_values_are_those_of_a_plain_loop_over_all_exchanges(kind):
    group, truth, one, other = _random_pair(3, 5, 4, kind)
    first, second = (GroupSums(kind, truth, p, group) for p in (one, other))
    found = differences([first], [second])
    names = np.unique(group)
    for metric, difference in found.items():
        observed, drawn = second.total()[metric] - first.total()[metric], []
        for flips in itertools.product([False, True], repeat=len(names)):
            flipped = np.isin(group, names[[*flips]])[:, None]
            mixed = (np.where(flipped, other, one), np.where(flipped, one, other))
            totals = [GroupSums(kind, truth, p, group).total()[metric] for p in mixed]
            drawn.append(totals[1] - totals[0])
        expected = np.mean(np.abs(drawn) >= abs(observed) - 1e-9)
        assert difference.p_value == pytest.approx(expected), metric
        assert difference.value == pytest.approx(observed)


def test_intervals_are_those_of_a_plain_loop_over_the_same_draws():
    group, truth, one, other = _random_pair(5, 6, 5)
    first, second = (GroupSums("class", truth, p, group) for p in (one, other))
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 1000)
    right = [(p.argmax(-1) == truth).reshape(6, 5).sum(1) for p in (one, other)]
    drawn = (counts @ (right[1] - right[0])) / (counts.sum(1) * 5)
    found = differences([first], [second])["accuracy"].interval
    assert found == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_chance_exchanges_come_near_the_exact_test(monkeypatch):
    group, truth, one, other = _random_pair(7, 10, 3)
    sums = [GroupSums("class", truth, p, group) for p in (one, other)]
    exact = differences([sums[0]], [sums[1]])["accuracy"].p_value
    monkeypatch.setattr(paired, "_MOST_EXACT", 9)
    monkeypatch.setattr(paired, "_MAX_VALUES", 1000)
    assert differences([sums[0]], [sums[1]])["accuracy"].p_value == pytest.approx(exact, abs=0.02)


def test_mcnemar_is_the_binomial_test_and_the_exact_permutation_test():
    assert mcnemar(np.array([1, 1, 1], bool), np.array([0, 0, 0], bool)) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 12)) < [[0.4], [0.8]]
    better, worse = int((other & ~one).sum()), int((one & ~other).sum())
    both = sum(math.comb(better + worse, k) for k in range(min(better, worse) + 1))
    assert mcnemar(one, other) == pytest.approx(min(1, both / 2 ** (better + worse - 1)))
    truth = np.zeros(12, int)
    names = np.array([f"g{i:02}" for i in range(12)])
    sums = [
        GroupSums("class", truth, _classes((~right).astype(int)), names) for right in (one, other)
    ]
    exact = differences([sums[0]], [sums[1]])["accuracy"].p_value
    assert mcnemar(one, other) == pytest.approx(exact)


def test_mcnemar_is_that_of_statsmodels_or_scipy():
    rng = np.random.default_rng(1)
    for _ in range(20):
        one, other = rng.random((2, 40)) < [[0.5], [0.7]]
        better, worse = int((other & ~one).sum()), int((one & ~other).sum())
        expected = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
        assert mcnemar(one, other) == pytest.approx(expected, rel=1e-12)


def test_the_test_keeps_its_level():
    """Two models as good as each other: p is below .1 in a tenth of the draws, no more."""
    rng = np.random.default_rng(2)
    below = 0
    for _ in range(300):
        group = np.repeat(np.arange(8), 6)
        ease = np.repeat(rng.random(8), 6)  # Labels of a group are alike.
        right = rng.random((2, 48)) < ease
        sums = [
            GroupSums("class", np.zeros(48, int), _classes((~r).astype(int)), group) for r in right
        ]
        below += differences([sums[0]], [sums[1]])["accuracy"].p_value <= 0.1
    assert below / 300 < 0.14


def test_a_comparison_names_classes_groups_and_changed_records():
    truth = np.array([0, 1, 2, 0, 1, 2])
    one = _scored(truth, _classes([0, 1, 2, 1, 1, 2]), "aabbcc")
    other = _scored(truth, _classes([0, 1, 2, 0, 1, 0]), "aabbcc")
    found = compare([one], [other], CLASS_PER_RECORD)
    assert found.metrics["accuracy"].value == pytest.approx(0)
    assert (found.classes["rest"].first, found.classes["rest"].second) == (0.5, 1.0)
    assert found.per_group == {"a": (1, 1), "b": (0.5, 1), "c": (1, 0.5)}
    assert found.records == [("r003", "b", 0.0, 1.0), ("r005", "c", 1.0, 0.0)]
    text = comparison_text("runs/a", "runs/b", found)
    assert max(map(len, text.splitlines())) <= 80
    assert "of the records 1 better with the second, 1 worse" in text
    assert "so few groups can give no p below 0.25" in " ".join(text.split())


def test_every_record_its_own_group_takes_mcnemar():
    truth = np.zeros(20, int)
    one = _scored(truth, _classes([1] * 8 + [0] * 12), [f"g{i:02}" for i in range(20)])
    other = _scored(truth, _classes([0] * 20), [f"g{i:02}" for i in range(20)])
    found = compare([one], [other], CLASS_PER_RECORD)
    assert found.is_mcnemar
    assert found.metrics["accuracy"].p_value == pytest.approx(2 / 2**8)


def test_labels_per_step_and_values_are_compared_by_record():
    lengths = [2, 3]
    truth = np.array([0, 1, 0, 0, 0])
    one = _scored(truth, _classes([0, 0, 0, 0, 0]), "ab", lengths)
    other = _scored(truth, _classes([0, 1, 0, 0, 0]), "ab", lengths)
    found = compare([one], [other], CLASS_PER_STEP)
    assert found.records == [("r000", "a", 0.5, 1.0)]
    values = np.zeros((5, 2), np.float32)
    one, other = (_scored(values, values + by, "ab", lengths) for by in (np.float32(1), 0))
    found = compare([one], [other], VALUE_PER_STEP)
    assert found.metrics["rmse"].value == pytest.approx(-1)
    assert [record[0] for record in found.records] == ["r000", "r001"]
    assert not found.classes
    text = comparison_text("a", "b", found)
    assert "of the records 2 better with the second, 0 worse" in text


def test_seeds_are_averaged_before_groups_are_drawn():
    truth, groups = np.array([0, 0, 0, 0]), "abcd"
    draws = [_scored(truth, _classes(answers), groups) for answers in ([0, 0, 1, 1], [1, 1, 1, 1])]
    found = compare(draws, draws[::-1], CLASS_PER_RECORD).metrics["accuracy"]
    assert (found.first, found.second, found.p_value) == (0.25, 0.25, 1.0)
    assert found.interval == (0, 0)


def test_any_number_of_classes_is_compared_by_records_of_which_all_is_right():
    runs = random_runs(CLASSES_PER_STEP, folds=4, seeds=(0, 1))
    first, second = draws_of(runs).values()
    found = compare([first], [second], CLASSES_PER_STEP)
    assert (found.classes, found.of_record) == ({}, "right_share")
    both = [one.per_record(CLASSES_PER_STEP) for one in (first, second)]
    right = [(of.predictions.answers == of.predictions.label).all(-1) for of in (first, second)]
    record = np.repeat(np.arange(len(first.ids)), first.predictions.lengths)
    for figures, of_label in zip(both, right, strict=True):
        shares = np.bincount(record, of_label) / np.bincount(record)
        np.testing.assert_allclose(figures, shares, rtol=1e-12)
    assert len(found.records) == (both[0] != both[1]).sum() > 0
    assert "first right" in comparison_text("a", "b", found)
    difference = right[1].mean() - right[0].mean()
    assert found.metrics["subset_accuracy"].value == pytest.approx(difference, abs=1e-12)
