"""A loss of several labels beside models of one label each."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.several_labels import SEVERAL, records
from tfrecords_schema import DatasetError
from tfrecords_schema.labels import column_spans, of_head, output_spans
from trainer.metrics.table import epoch_figures
from trainer.step.task import Task

_LENGTHS = (6, 3, 0, 5)
_WEIGHTS = (2.0, 0.5, 0.01)


def _batch(*, missing: float) -> dict[str, tf.Tensor]:
    """Labels of four recordings, one of them none; padding is not a label."""
    found = records(4, "r", missing=missing)
    label = np.stack([record.label[:6] for record in found])
    label[np.arange(6) >= np.array(_LENGTHS)[:, None]] = 1.0
    return {"label": tf.constant(label), "lengths": tf.constant(_LENGTHS)}


def _outputs(seed: int = 0) -> tf.Variable:
    return tf.Variable(np.random.default_rng(seed).normal(size=(4, 6, 6)), dtype=tf.float32)


def _by_keras(name: str, label: np.ndarray, outputs: tf.Tensor) -> tf.Tensor:
    """The sum of Keras' own losses over what is known, `[n, ...]`."""
    if name == "stage":
        known = label >= 0
        losses = keras.losses.SparseCategoricalCrossentropy(True, reduction=None)
        return tf.reduce_sum(losses(label[known], tf.boolean_mask(outputs, known)))
    if name == "events":
        known = label >= 0
        losses = keras.losses.BinaryCrossentropy(True, reduction=None)
        chosen = tf.boolean_mask(outputs, known)[:, None]
        return tf.reduce_sum(losses(label[known][:, None].astype(np.float32), chosen))
    known = ~np.isnan(label)
    return tf.reduce_sum((tf.boolean_mask(outputs[:, 0], known) - label[known]) ** 2)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_loss_and_gradients_are_the_sum_of_those_of_each_label(missing):
    batch, outputs = _batch(missing=missing), _outputs()
    task = Task(SEVERAL, label_weights=_WEIGHTS)
    with tf.GradientTape() as tape:
        total, count = tf.unstack(task.loss_sum(batch, outputs))
    found = tape.gradient(total, outputs).numpy()
    valid = tf.sequence_mask(_LENGTHS, 6)
    rows = tf.boolean_mask(batch["label"], valid).numpy()
    assert count == (~np.isnan(rows)).any(-1).sum()
    expected = 0.0
    with tf.GradientTape() as tape:
        flat = tf.boolean_mask(outputs, valid)
        places = zip(column_spans(SEVERAL), output_spans(SEVERAL), _WEIGHTS, strict=True)
        for (head, columns), (_, units), weight in places:
            label = of_head(rows[:, columns], head.label)
            expected += weight * _by_keras(head.name, label, flat[:, units])
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    gradient = tf.convert_to_tensor(tape.gradient(expected, outputs))
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)


def test_a_label_that_no_record_of_a_batch_has_weighs_nothing():
    batch, outputs = _batch(missing=0.0), _outputs()
    label = batch["label"].numpy()
    label[..., 3] = np.nan
    task = Task(SEVERAL, label_weights=_WEIGHTS)
    with tf.GradientTape() as tape:
        total = task.loss_sum({**batch, "label": tf.constant(label)}, outputs)[0]
    gradient = tape.gradient(total, outputs).numpy()
    assert (gradient[..., 5] == 0).all()
    assert (gradient[0, :, :5] != 0).all()
    sums = task.metric_sums({**batch, "label": tf.constant(label)}, outputs)
    figures = epoch_figures({"loss": [0.0, 1.0]} | {n: s.numpy() for n, s in sums.items()})
    assert np.isnan(figures["age/rmse"])
    assert 0 < figures["stage/accuracy"] < 1


def test_weights_of_classes_are_those_of_their_label():
    batch, outputs = _batch(missing=0.0), _outputs()
    weights = (1.0, 3.0, 0.5, 2.0, 1.0)
    several = Task(SEVERAL, weights).loss_sum(batch, outputs)[0]
    expected = 0.0
    for (head, columns), (_, units) in zip(
        column_spans(SEVERAL), output_spans(SEVERAL), strict=True
    ):
        own = {"stage": weights[:3], "events": weights[3:]}.get(head.name)
        label = dataclasses.replace(head.label, per="step")
        labels = tf.constant(of_head(batch["label"].numpy()[..., columns], label))
        task = Task(label, own)
        expected += task.loss_sum({**batch, "label": labels}, outputs[..., units])[0]
    assert float(several) == pytest.approx(float(expected), rel=1e-6)


def test_what_is_measured_has_the_name_of_its_label():
    task = Task(SEVERAL)
    names = [*epoch_figures(dict.fromkeys(task.sum_names, (0.0, 1.0)))]
    assert {"loss", "stage/accuracy", "events/subset_accuracy", "age/rmse"} <= {*names}
    task.require_metric("events/average_precision")
    with pytest.raises(DatasetError.__base__, match="did you mean"):
        task.require_metric("stage/macrof1")


def test_what_does_not_suit_several_labels_is_refused():
    with pytest.raises(DatasetError, match="the dataset has several labels, leave it out"):
        Task(SEVERAL, activation="sigmoid")
    with pytest.raises(DatasetError.__base__, match=r"did you mean stage/accuracy\?"):
        Task(SEVERAL).require_metric("accuracy")
