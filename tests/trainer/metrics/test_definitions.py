"""Metrics against plain loops over the labels, written from their definitions."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import CLASS_PER_RECORD, VALUE_PER_RECORD
from trainer.evaluation.group_sums import one_group
from trainer.metrics.table import epoch_figures, epoch_means, evaluated
from trainer.step.task import Task

_CLASSES = 3
_PAIRS = st.lists(
    st.tuples(st.integers(0, _CLASSES - 1), st.integers(0, _CLASSES - 1)), min_size=1, max_size=40
)
_NUMBERS = st.integers(-99, 99).map(float)


def _class_figures(truth, answers, classes):
    return one_group("class", truth, np.eye(classes)[answers]).total()


def _plain_class_table(pairs):
    table = []
    for wanted in range(_CLASSES):
        right = sum(t == p == wanted for t, p in pairs)
        true, predicted = (sum(pair[i] == wanted for pair in pairs) for i in (0, 1))
        precision = right / predicted if predicted else 0
        recall = right / true if true else 0
        f1 = 2 * precision * recall / (precision + recall) if right else 0
        table.append((recall, f1, true, predicted))
    return table


@settings(deadline=None, max_examples=80)
@given(_PAIRS)
def test_class_metrics_are_those_of_their_definitions(pairs):
    truth, answers = np.array(pairs).T
    found, rows = _class_figures(truth, answers, _CLASSES), _plain_class_table(pairs)
    accuracy = sum(t == p for t, p in pairs) / len(pairs)
    chance = sum(row[2] * row[3] for row in rows) / len(pairs) ** 2
    recalls = [row[0] for row in rows if row[2]]
    f1s = [row[1] for row in rows if row[2] or row[3]]
    expected = {
        "accuracy": accuracy,
        "balanced_accuracy": sum(recalls) / len(recalls),
        "macro_f1": sum(f1s) / len(f1s),
        "cohen_kappa": (accuracy - chance) / (1 - chance) if chance < 1 else 0,
    }
    known = {name: figure for name, figure in found.items() if name in expected}
    assert [*known] == [*expected]
    assert known == pytest.approx(expected)


def test_kappa_of_a_published_table():
    # Cohen's kappa worked example: 20 and 15 agreements, 5 and 10 disagreements; kappa is .4.
    cells = [((0, 0), 20), ((0, 1), 5), ((1, 0), 10), ((1, 1), 15)]
    truth, answers = np.array([cell for cell, count in cells for _ in range(count)]).T
    assert _class_figures(truth, answers, 2)["cohen_kappa"] == pytest.approx(0.4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS), min_size=2, max_size=30))
def test_value_metrics_are_those_of_their_definitions(rows):
    rows = np.array(rows)
    truth, prediction = rows[:, :2], rows[:, 2:]
    sums = one_group("value", truth, prediction)
    found, components = sums.total(), sums.per_component()
    error = truth - prediction
    r2 = []
    for column in range(2):
        spread = sum((y - np.mean(truth[:, column])) ** 2 for y in truth[:, column])
        squared = sum(error[:, column] ** 2)
        r2.append(1 - squared / spread if spread > 1e-9 else float(squared == 0))
        assert components[column]["rmse"] == pytest.approx(np.sqrt(squared / len(rows)))
        assert components[column]["r2"] == pytest.approx(r2[-1], rel=1e-6, abs=1e-6)
    assert [name for name in found if name in ("rmse", "mae", "r2")] == ["rmse", "mae", "r2"]
    assert found["rmse"] == pytest.approx(float(np.sqrt(np.mean(error**2))))
    assert found["mae"] == pytest.approx(float(np.mean(np.abs(error))))
    assert found["r2"] == pytest.approx(np.mean(r2), rel=1e-6, abs=1e-6)


def test_r2_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 1)) + 1e7
    prediction = truth + rng.normal(size=(200, 1)) * 0.5
    expected = 1 - np.sum((truth - prediction) ** 2) / np.sum((truth - truth.mean()) ** 2)
    assert one_group("value", truth, prediction).total()["r2"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, VALUE_PER_RECORD], ids=lambda x: x.kind)
def test_an_epoch_and_an_evaluation_measure_the_same(label):
    """On batches of several replicas, in a function or not, and on all predictions at once."""
    rng, task = np.random.default_rng(1), Task(label)
    units = len(label.class_names) or label.shape[0]
    outputs = rng.normal(size=(12, units)).astype(np.float32)
    is_class = label.kind == "class"
    truth = rng.integers(0, units, 12) if is_class else outputs[::-1] + 1
    totals = dict.fromkeys(task.means, 0.0)
    for part in np.split(np.arange(12), [1, 5, 10]):
        batch = {"lengths": tf.ones(len(part), tf.int32), "label": tf.constant(truth[part])}
        eager = task.metric_sums(batch, outputs[part])
        traced = tf.function(task.metric_sums)(batch, tf.constant(outputs[part]))
        for name, pair in traced.items():
            np.testing.assert_allclose(pair, eager[name], rtol=1e-6)
            totals[name] += pair.numpy()
    found = epoch_figures({"loss": (0.0, 1.0), **totals})
    assert found.keys() == {"loss", *epoch_means(label.kind)}
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    everything = one_group(label.kind, truth, shares if is_class else outputs).total()
    assert everything.keys() == evaluated(label.kind).keys()
    both = found.keys() & everything.keys()
    assert both >= ({"accuracy"} if is_class else {"rmse", "mae"})
    for name in both:
        assert found[name] == pytest.approx(everything[name], rel=1e-6)
