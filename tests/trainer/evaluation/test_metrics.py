"""Metrics against plain loops over the labels, written from their definitions."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import CLASS_PER_STEP, VALUE_PER_STEP
from trainer.evaluation import metrics
from trainer.evaluation.evaluation import Predictions, evaluate, majority_baseline, mean_baseline
from trainer.evaluation.evaluation_table import evaluation_table

_CLASSES = 4
_PAIRS = st.lists(
    st.tuples(st.integers(0, _CLASSES - 1), st.integers(0, _CLASSES - 1)), min_size=1, max_size=40
)
_NUMBERS = st.integers(-99, 99).map(float)


def _one_group(values):
    return np.zeros(len(values), np.int8)


def _plain_class_table(pairs):
    table = []
    for wanted in range(_CLASSES):
        right = sum(t == p == wanted for t, p in pairs)
        true, predicted = (sum(pair[i] == wanted for pair in pairs) for i in (0, 1))
        precision = right / predicted if predicted else 0
        recall = right / true if true else 0
        f1 = 2 * precision * recall / (precision + recall) if right else 0
        table.append((precision, recall, f1, true, predicted))
    return table


@settings(deadline=None, max_examples=80)
@given(_PAIRS)
def test_class_metrics_are_those_of_their_definitions(pairs):
    truth, prediction = np.array(pairs).T
    sums = metrics.class_sums(truth, prediction, _CLASSES, _one_group(pairs)).values[0]
    scores, rows = metrics.class_scores(sums), _plain_class_table(pairs)
    total = len(pairs)
    accuracy = sum(t == p for t, p in pairs) / total
    chance = sum(row[3] * row[4] for row in rows) / total**2
    assert scores["accuracy"] == pytest.approx(accuracy)
    recalls = [row[1] for row in rows if row[3]]
    assert scores["balanced_accuracy"] == pytest.approx(sum(recalls) / len(recalls))
    f1s = [row[2] for row in rows if row[3] or row[4]]
    assert scores["macro_f1"] == pytest.approx(sum(f1s) / len(f1s))
    kappa = (accuracy - chance) / (1 - chance) if chance < 1 else 0
    assert scores["cohen_kappa"] == pytest.approx(kappa)
    found = metrics.class_table(sums)
    for column, name in enumerate(("precision", "recall", "f1", "support")):
        np.testing.assert_allclose(found[name], [row[column] for row in rows], err_msg=name)


def test_kappa_of_a_published_table():
    # Cohen's kappa worked example: 20 and 15 agreements, 5 and 10 disagreements; kappa is .4.
    cells = [((0, 0), 20), ((0, 1), 5), ((1, 0), 10), ((1, 1), 15)]
    truth, prediction = np.array([cell for cell, count in cells for _ in range(count)]).T
    sums = metrics.class_sums(truth, prediction, 2, _one_group(truth)).values[0]
    assert metrics.class_scores(sums)["cohen_kappa"] == pytest.approx(0.4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS), min_size=2, max_size=30))
def test_value_metrics_are_those_of_their_definitions(rows):
    rows = np.array(rows)
    truth, prediction = rows[:, :2], rows[:, 2:]
    sums = metrics.value_sums(truth, prediction, _one_group(rows)).values[0]
    scores, columns = metrics.value_scores(sums), metrics.component_scores(sums)
    error = truth - prediction
    assert scores["rmse"] == pytest.approx(float(np.sqrt(np.mean(error**2))))
    assert scores["mae"] == pytest.approx(float(np.mean(np.abs(error))))
    r2 = []
    for column in range(2):
        spread = sum((y - np.mean(truth[:, column])) ** 2 for y in truth[:, column])
        squared = sum(error[:, column] ** 2)
        r2.append(1 - squared / spread if spread > 1e-9 else float(squared == 0))
        assert columns["rmse"][column] == pytest.approx(np.sqrt(squared / len(rows)))
    np.testing.assert_allclose(columns["r2"], r2, rtol=1e-6, atol=1e-6)
    assert scores["r2"] == pytest.approx(np.mean(r2), rel=1e-6, abs=1e-6)


def test_r2_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 1)) + 1e7
    prediction = truth + rng.normal(size=(200, 1)) * 0.5
    found = metrics.component_scores(
        metrics.value_sums(truth, prediction, _one_group(truth)).values[0]
    )
    expected = 1 - np.sum((truth - prediction) ** 2) / np.sum((truth - truth.mean()) ** 2)
    assert found["r2"][0] == pytest.approx(expected, rel=1e-6)


def test_bootstrap_draws_groups_not_labels():
    """Ten groups, each all right or all wrong: the interval is that of ten draws."""
    groups = np.repeat([f"g{i}" for i in range(10)], 100)
    truth = np.zeros(1000, int)
    prediction = (np.arange(1000) // 100 >= 6).astype(int)
    sums = metrics.class_sums(truth, prediction, 2, groups)
    low, high = metrics.bootstrap_intervals(sums, metrics.class_scores)["accuracy"]
    # Binomial(10, .6) / 10: 2.5% and 97.5% quantiles.
    assert (low, high) == pytest.approx((0.3, 0.9), abs=0.01)


def test_bootstrap_is_that_of_a_plain_loop_over_resampled_labels():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 6, 90)
    truth, prediction = rng.integers(0, 3, (2, 90))
    sums = metrics.class_sums(truth, prediction, 3, groups)
    found = metrics.bootstrap_intervals(sums, metrics.class_scores, resamples=50, seed=7)
    counts = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), 50)
    drawn = []
    for row in counts:
        rows = np.concatenate([np.flatnonzero(groups == g) for g in np.repeat(range(6), row)])
        one = metrics.class_sums(truth[rows], prediction[rows], 3, _one_group(rows))
        drawn.append(metrics.class_scores(one.values[0])["macro_f1"])
    assert found["macro_f1"] == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_resamples_in_parts_are_those_at_once(monkeypatch):
    rng = np.random.default_rng(2)
    truth, prediction = rng.normal(size=(2, 80, 2))
    sums = metrics.value_sums(truth, prediction, rng.integers(0, 9, 80))
    whole = metrics.bootstrap_intervals(sums, metrics.value_scores, resamples=100)
    monkeypatch.setattr(metrics, "_MAX_VALUES", 300)
    parts = metrics.bootstrap_intervals(sums, metrics.value_scores, resamples=100)
    for name, ends in whole.items():
        assert parts[name] == pytest.approx(ends), name


@pytest.mark.parametrize("number", range(1, 6))
def test_an_interval_lies_within_the_worst_and_the_best_group_or_is_not_given(number):
    truth = np.zeros(number * number, int)
    prediction = np.repeat(np.arange(number), number) > np.tile(np.arange(number), number)
    groups = np.repeat(np.arange(number), number)  # Accuracy 1, 1 - 1 / number, ...
    sums = metrics.class_sums(truth, prediction.astype(int), 2, groups)
    found = metrics.bootstrap_intervals(sums, metrics.class_scores)
    assert bool(found) == (number >= 4)
    if found:
        low, high = found["accuracy"]
        assert 1 / number < low < high < 1


def _class_result():
    predictions = Predictions(
        record=np.arange(5, dtype=np.int32),
        lengths=np.int32([2, 1, 1, 1, 1]),
        label=np.array([0, 0, 1, 2, 2, 2]),
        prediction=np.eye(3, dtype=np.float32)[[0, 1, 1, 2, 2, 0]],
    )
    result = {"split": "test", **evaluate(predictions, CLASS_PER_STEP, ["a", "a", "b", "c", "d"])}
    result["baselines"] = [majority_baseline(predictions.label, [5, 1, 1])]
    result["baseline"] = result["baselines"][0]
    return result


def test_an_evaluation_of_classes_is_complete_and_is_json():
    result = json.loads(json.dumps(_class_result()))
    assert result["metrics"]["accuracy"] == pytest.approx(4 / 6)
    assert result["groups"]["a"]["labels"] == 3
    assert result["groups"]["a"]["accuracy"] == pytest.approx(2 / 3)
    assert result["per_class"]["fall"]["support"] == 3
    assert result["intervals"].keys() == result["metrics"].keys()
    assert result["baseline"]["accuracy"] == pytest.approx(2 / 6)
    assert result["baseline"]["cohen_kappa"] == 0


def test_the_table_shows_metric_interval_and_baseline_in_80_columns():
    text = evaluation_table(_class_result())
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("test: 5 records of 4 groups, 6 labels\n")
    line = next(line for line in text.splitlines() if "balanced_accuracy" in line)
    assert line.split()[1] == "0.722"
    assert line.split()[-1] == "0.333"
    assert any(
        line.split() == ["move", "0.500", "1.000", "0.667", "1"] for line in text.split("\n")
    )


def test_the_table_of_one_group_says_why_it_has_no_interval():
    result = _class_result()
    result.update(records=1, labels=1, groups={"a": result["groups"]["a"]}, intervals={})
    text = evaluation_table(result)
    assert text.startswith("test: 1 record of 1 group, 1 label\n")
    assert "no interval: that takes at least four groups" in text


def test_an_evaluation_of_values_has_the_mean_predictor_beside_it():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(6, 2)).astype(np.float32)
    predictions = Predictions(np.int32([0, 1]), np.int32([4, 2]), truth, truth + np.float32(0.5))
    result = {"split": "test", **evaluate(predictions, VALUE_PER_STEP, ["a", "b"])}
    result["baselines"] = [mean_baseline(truth, truth.mean(0))]
    result["baseline"] = result["baselines"][0]
    assert result["metrics"]["mae"] == pytest.approx(0.5, rel=1e-5)
    assert result["baseline"]["r2"] == pytest.approx(0, abs=1e-6)
    text = evaluation_table(result)
    assert "mean predictor" in text
    assert any(line.split()[:3] == ["1", "0.5", "0.5"] for line in text.splitlines())
