import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP
from trainer.metrics.table import epoch_figures
from trainer.step.task import Task

_LENGTHS = np.array([3, 1, 0], np.int32)
_RNG = np.random.default_rng(0)


def _step_batch(junk=0.0):
    valid = np.arange(4)[None] < _LENGTHS[:, None]
    outputs = np.where(valid[..., None], _RNG.normal(size=(3, 4, 3)), junk).astype(np.float32)
    label = np.where(valid, _RNG.integers(0, 3, (3, 4)), 0)
    return {"lengths": tf.constant(_LENGTHS), "label": tf.constant(label)}, outputs, valid


def _keras_loss(label, outputs, valid, weights=None):
    losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")(
        label[valid], outputs[valid]
    )
    weights = np.ones(3) if weights is None else np.array(weights)
    chosen = weights[label[valid]]
    return np.sum(losses.numpy() * chosen) / chosen.sum()


@pytest.mark.parametrize("junk", [0.0, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
def test_property_08_loss_is_that_of_the_valid_steps(junk, weights):
    batch, outputs, valid = _step_batch(junk)
    task = Task(CLASS_PER_STEP, weights)
    total, weight = task.loss_sum(batch, tf.constant(outputs)).numpy()
    expected = _keras_loss(batch["label"].numpy(), outputs, valid, weights)
    np.testing.assert_allclose(total / weight, expected, rtol=1e-6)


def test_accuracy_counts_valid_steps_whatever_their_class_weight():
    batch, outputs, valid = _step_batch()
    hits = (outputs.argmax(-1) == batch["label"].numpy())[valid]
    sums = Task(CLASS_PER_STEP, (0.0, 1.0, 5.0)).metric_sums(batch, tf.constant(outputs))
    np.testing.assert_allclose(sums["accuracy"], [hits.sum(), valid.sum()])


def test_a_row_that_is_no_record_does_not_count():
    batch = {"lengths": tf.constant(_LENGTHS), "label": tf.constant([0, 1, 0], tf.int64)}
    outputs = tf.constant(_RNG.normal(size=(3, 3)), tf.float32)
    sums = Task(CLASS_PER_RECORD).metric_sums(batch, outputs)
    assert sums["accuracy"].numpy()[1] == 2


def test_squared_error_is_averaged_over_the_values_of_a_label():
    label = _RNG.normal(size=(3, 4, 2)).astype(np.float32)
    outputs = _RNG.normal(size=(3, 4, 2)).astype(np.float32)
    batch = {"lengths": tf.constant(_LENGTHS), "label": tf.constant(label)}
    valid = np.arange(4)[None] < _LENGTHS[:, None]
    expected = np.mean((label - outputs)[valid] ** 2)
    sums = Task(VALUE_PER_STEP).metric_sums(batch, tf.constant(outputs))
    pairs = {name: tuple(pair.numpy()) for name, pair in sums.items()}
    values = epoch_figures({"loss": (0.0, 1.0), **pairs})
    np.testing.assert_allclose(values["mse"], expected, rtol=1e-5)
    np.testing.assert_allclose(values["rmse"], np.sqrt(expected), rtol=1e-5)


def test_label_smoothing_is_that_of_keras():
    batch, outputs, valid = _step_batch()
    total, weight = Task(CLASS_PER_STEP, label_smoothing=0.2).loss_sum(batch, outputs).numpy()
    one_hot = np.eye(3)[batch["label"].numpy()][valid]
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    np.testing.assert_allclose(total / weight, expected(one_hot, outputs[valid]), rtol=1e-5)


def test_the_loss_of_sigmoid_divides_the_probabilities_by_their_sum():
    batch, outputs, valid = _step_batch()
    task = Task(CLASS_PER_STEP, activation="sigmoid")
    total, weight = task.loss_sum(batch, tf.constant(outputs)).numpy()
    probabilities = task.predictions(tf.constant(outputs)).numpy()[valid]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-outputs[valid])), rtol=1e-5)
    label = batch["label"].numpy()[valid]
    shares = probabilities[np.arange(len(label)), label] / probabilities.sum(-1)
    np.testing.assert_allclose(total / weight, -np.log(shares).mean(), rtol=1e-5)
    expected = keras.losses.SparseCategoricalCrossentropy()(label, probabilities)
    np.testing.assert_allclose(total / weight, expected, rtol=1e-5)
