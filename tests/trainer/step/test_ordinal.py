"""Losses and figures of classes with an order, against plain loops and scikit-learn."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from tests.datasets import CLASS_PER_RECORD, CLASSES_PER_STEP, VALUE_PER_RECORD
from tfrecords_schema import DatasetError, InputSpec, LabelSpec
from tfrecords_schema.errors import UserError
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.predictions import Predictions
from trainer.models.family import ChosenModel, families
from trainer.step.task import Task

_LABEL = LabelSpec("record", "ordinal", class_names=("none", "mild", "severe", "worst"))
_INPUT = InputSpec("signal", "float32", (2,))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_cross_entropy_of_each_threshold(smoothing):
    rng = np.random.default_rng(0)
    logits, label = 2 * rng.normal(size=(30, 4)), rng.integers(0, 4, 30)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.zeros(30)
    for at in range(30):
        for threshold in range(3):
            above = shares[at, threshold + 1 :].sum()
            is_above = (1 - smoothing) * (label[at] > threshold) + smoothing * (3 - threshold) / 4
            expected[at] -= is_above * np.log(above) + (1 - is_above) * np.log(1 - above)
    task = Task(_LABEL, label_smoothing=smoothing)
    np.testing.assert_allclose(task.losses(tf.constant(label), tf.constant(logits)), expected, 1e-5)


def test_of_two_classes_it_is_the_cross_entropy():
    two = LabelSpec("record", "ordinal", class_names=("no", "yes"))
    rng = np.random.default_rng(1)
    label, logits = tf.constant(rng.integers(0, 2, 20)), tf.constant(rng.normal(size=(20, 2)))
    plain = Task(dataclasses.replace(two, kind="class"), label_smoothing=0.1)
    found = Task(two, label_smoothing=0.1).losses(label, logits)
    np.testing.assert_allclose(found, plain.losses(label, logits), 1e-5)


def test_a_miss_by_more_costs_more_and_far_logits_stay_finite():
    task, logits = Task(_LABEL), tf.Variable(100.0 * np.eye(4)[[3] * 4], dtype=tf.float32)
    with tf.GradientTape() as tape:
        losses = task.losses(tf.range(4, dtype=tf.int64), logits)
    assert (np.diff(losses) < 0).all()
    assert np.isfinite(tape.gradient(losses, logits)).all()


def test_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    truth, shares = rng.integers(0, 4, 300), rng.dirichlet(np.ones(4), 300).astype(np.float32)
    shares[np.arange(300), np.maximum(truth - rng.integers(0, 2, 300), 0)] += 0.4
    stated, records = shares.argmax(1), np.arange(300, dtype=np.int32)
    found = Predictions(records, np.ones(300, np.int32), truth, shares)
    result = evaluate(found, _LABEL, [f"g{at // 10}" for at in range(300)])
    kappa = metrics.cohen_kappa_score(truth, stated, weights="quadratic")
    error = metrics.mean_absolute_error(truth, stated)
    assert result["metrics"]["quadratic_kappa"] == pytest.approx(kappa, rel=1e-12)
    assert result["metrics"]["rank_mae"] == pytest.approx(error, rel=1e-12)
    plain = evaluate(found, dataclasses.replace(_LABEL, kind="class"), ["g"] * 300)["metrics"]
    assert {name: result["metrics"][name] for name in plain} == pytest.approx(plain, rel=1e-12)
    batch = {"label": tf.constant(truth), "lengths": tf.ones(300, tf.int32)}
    total, number = Task(_LABEL).metric_sums(batch, tf.constant(np.log(shares)))["rank_mae"]
    assert float(total / number) == pytest.approx(error, rel=1e-6)


def test_an_order_is_of_labels_of_one_class():
    chosen = ChosenModel(families()["hydra"], (), is_ordinal=True)
    found = chosen.label(_INPUT, CLASS_PER_RECORD)
    assert found == dataclasses.replace(CLASS_PER_RECORD, kind="ordinal")
    assert found.as_stored == CLASS_PER_RECORD
    for label, said in ((VALUE_PER_RECORD, "values"), (CLASSES_PER_STEP, "any number of classes")):
        with pytest.raises(UserError, match=f"the labels are {said}; leave it out"):
            chosen.label(_INPUT, label)
    with pytest.raises(DatasetError, match="--ordinal adds up the probabilities"):
        Task(_LABEL, activation="sigmoid")
