"""Metrics of probabilities against scikit-learn, and the calibration error against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from trainer.evaluation.group_sums import GroupSums
from trainer.evaluation.probability_figures import (
    curve_figures,
    precision_recall_points,
    ranked_figures,
    reliability,
    roc_points,
)
from trainer.metrics import calibration_error
from trainer.metrics.ranking import Ranking, Rankings

_EXACT = {"rtol": 1e-12, "atol": 1e-12}


def _drawn(seed, labels, classes, levels):
    """Labels with probabilities that tell something; of few levels, so that many are equal."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, labels)
    scores = rng.random((labels, classes)) + 0.01
    scores[np.arange(labels), label] += rng.random(labels)
    if levels:
        scores = np.ceil(scores * levels)
    return label, scores / scores.sum(1, keepdims=True)


def _figures(label, probability):
    one_group = np.zeros(len(label), int)
    sums = GroupSums("class", label, probability, one_group).total()
    return sums | ranked_figures(Rankings(label, probability))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.integers(30, 200), st.integers(2, 5), st.sampled_from([0, 3, 20]))
def test_figures_are_those_of_scikit_learn(seed, labels, classes, levels):
    label, probability = _drawn(seed, labels, classes, levels)
    label[:classes] = np.arange(classes)  # It refuses curves of a class that is missing.
    found, every = _figures(label, probability), np.arange(classes)
    is_class = np.eye(classes)[label]
    expected = {
        "nll": reference.log_loss(label, probability, labels=every),
        "brier": np.mean(((is_class - probability) ** 2).sum(1)),
        "roc_auc": reference.roc_auc_score(is_class, probability, average="macro"),
        "average_precision": reference.average_precision_score(is_class, probability),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, **_EXACT, err_msg=name)
    if classes == 2:
        half = reference.brier_score_loss(label, probability[:, 1])
        np.testing.assert_allclose(found["brier"], 2 * half, **_EXACT)
    ranking = Ranking.of(label == 1, probability[:, 1])
    false_alarms, sensitivity, least = reference.roc_curve(
        label == 1, probability[:, 1], drop_intermediate=False
    )
    np.testing.assert_allclose(ranking.false_alarms, false_alarms, **_EXACT)
    np.testing.assert_allclose(ranking.sensitivity, sensitivity, **_EXACT)
    np.testing.assert_array_equal(ranking.least, least[1:])
    precision, recall, _ = reference.precision_recall_curve(label == 1, probability[:, 1])
    np.testing.assert_allclose(ranking.precision, precision[::-1], **_EXACT)
    np.testing.assert_allclose(ranking.sensitivity, recall[::-1], **_EXACT)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_calibration_error_is_that_of_a_plain_loop(classes):
    label, probability = _drawn(0, 300, classes, 30)
    bins = [[] for _ in range(15)]
    surest = probability.max(1) / probability.sum(1)  # Exactly 1 it need not be.
    for true, p, row in zip(label, surest, probability, strict=True):
        at = max(number for number in range(15) if p > np.linspace(0, 1, 16)[number])
        bins[at].append((p, row.argmax() == true))
    gaps = [abs(sum(p - right for p, right in rows)) for rows in bins]
    np.testing.assert_allclose(
        _figures(label, probability)["calibration_error"], sum(gaps) / 300, **_EXACT
    )
    listed = reliability(label, probability)
    assert [row["labels"] for row in listed] == [len(rows) for rows in bins if rows]
    for row, rows in zip(listed, filter(None, bins), strict=True):
        assert row["low"] < np.mean([p for p, _ in rows]) <= row["high"]
        assert row["probability"] == pytest.approx(np.mean([p for p, _ in rows]))
        assert row["right"] == pytest.approx(np.mean([right for _, right in rows]))


def test_the_bins_are_those_of_scikit_learns_calibration_curve():
    from sklearn.calibration import calibration_curve

    label, probability = _drawn(3, 500, 3, 0)
    right = probability.argmax(1) == label
    share, mean = calibration_curve(right, probability.max(1), n_bins=15)
    listed = reliability(label, probability)
    np.testing.assert_allclose([row["right"] for row in listed], share, **_EXACT)
    np.testing.assert_allclose([row["probability"] for row in listed], mean, **_EXACT)


def test_sparse_sums_of_bins_are_the_dense_ones(monkeypatch):
    label, probability = _drawn(1, 300, 3, 0)
    groups = np.random.default_rng(2).integers(0, 40, 300)
    dense = GroupSums("class", label, probability, groups)
    monkeypatch.setattr(calibration_error, "_MOST_CELLS", 0)
    sparse = GroupSums("class", label, probability, groups)
    assert sparse.total() == pytest.approx(dense.total(), rel=1e-12)
    ends = dense.intervals(resamples=50)["calibration_error"]
    assert sparse.intervals(resamples=50)["calibration_error"] == pytest.approx(ends, rel=1e-12)


def test_probabilities_of_a_sigmoid_are_taken_by_their_shares():
    label, probability = _drawn(5, 200, 3, 0)
    factors = np.random.default_rng(0).uniform(0.2, 0.9, (200, 1))
    names = ("nll", "brier", "calibration_error")
    expected, found = _figures(label, probability), _figures(label, probability * factors)
    assert [found[name] for name in names] == pytest.approx([expected[name] for name in names])


def test_a_class_that_does_not_occur_or_is_alone_is_no_figure():
    label, probability = _drawn(7, 50, 3, 0)
    label[label == 2] = 0
    listed, rest = curve_figures(Rankings(label, probability), ("a", "b", "c"))
    assert listed["c"] == {"roc_auc": None, "average_precision": None}
    assert rest == {}
    mean = np.mean([listed[name]["roc_auc"] for name in "ab"])
    assert _figures(label, probability)["roc_auc"] == pytest.approx(mean)
    assert ranked_figures(Rankings(np.zeros(50, int), probability)) == {}


def test_a_probability_of_0_is_the_least_there_is():
    found = _figures(np.array([0, 1]), np.float32([[0, 1], [0, 1]]))
    assert found["nll"] == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)


def test_drawn_points_are_few_and_near_the_curve():
    label, probability = _drawn(11, 30_000, 2, 0)
    ranking = Ranking.of(label == 1, probability[:, 1])
    x, y = roc_points(ranking)
    assert len(x) <= 202
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    whole = np.interp(ranking.false_alarms, x, y)
    assert abs(whole - ranking.sensitivity).max() < 2 / 199 + 1e-3
    recall, precision = precision_recall_points(ranking)
    assert len(recall) <= 202
    assert (recall[0], precision[0], recall[-1]) == (0, 1, 1)
    assert precision[-1] == pytest.approx(np.mean(label))
