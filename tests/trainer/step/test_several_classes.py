"""A loss of any number of classes beside models of one class each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema import DatasetError, LabelSpec
from trainer.step.task import Task

_LABEL = LabelSpec("step", "classes", "int8", (3,), ("a", "b", "c"), has_missing=True)
_LENGTHS = tf.constant([5, 2, 0, 4])


def _batch(seed: int = 0, *, share_unknown: float = 0.0) -> dict[str, tf.Tensor]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (4, 5, 3)).astype(np.int8)
    label[rng.random(label.shape) < share_unknown] = -1
    return {"label": tf.constant(label), "lengths": _LENGTHS}


def _features() -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).normal(size=(4, 5, 6)), tf.float32)


def _head(seed: int, units: int) -> tf.Variable:
    return tf.Variable(np.random.default_rng(seed).normal(size=(6, units)), dtype=tf.float32)


@pytest.mark.parametrize("weights", [None, (2.0, 1.0, 7.5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_the_sum_of_those_of_a_head_for_each_class(weights, smoothing):
    """Of features that they share, with Keras' own loss on the steps that were recorded."""
    batch, features, kernel = _batch(), tf.Variable(_features()), _head(2, 3)
    task = Task(_LABEL, weights, label_smoothing=smoothing)
    with tf.GradientTape() as tape:
        total, count = tf.unstack(task.loss_sum(batch, features @ kernel))
    found = tape.gradient(total, [features, kernel])
    assert count == float(tf.reduce_sum(_LENGTHS))
    valid = tf.sequence_mask(_LENGTHS, 5)
    expected_loss, expected = 0.0, [0.0, np.zeros((6, 3))]
    for at in range(3):
        head = tf.Variable(kernel[:, at : at + 1])
        with tf.GradientTape() as tape:
            truth = tf.cast(tf.boolean_mask(batch["label"], valid)[:, at : at + 1], tf.float32)
            logits = tf.boolean_mask(features, valid) @ head
            smooth = truth * (1 - smoothing) + smoothing / 2
            losses = tf.nn.weighted_cross_entropy_with_logits(
                smooth, logits, weights[at] if weights else 1.0
            )
            loss = tf.reduce_sum(losses)
        of_features, of_head = tape.gradient(loss, [features, head])
        expected_loss += float(loss)
        expected[0] += tf.convert_to_tensor(of_features).numpy()
        expected[1][:, at] = of_head[:, 0]
    assert float(total) == pytest.approx(expected_loss, rel=1e-6)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, rtol=1e-6, atol=1e-6)


def test_the_loss_is_that_of_keras():
    batch, outputs = _batch(), tf.constant(np.random.default_rng(3).normal(size=(4, 5, 3)))
    losses = Task(_LABEL, label_smoothing=0.1).losses(batch["label"], outputs)
    loss = keras.losses.BinaryCrossentropy(True, label_smoothing=0.1, reduction=None)
    expected = 3 * loss(tf.cast(batch["label"], tf.float32), tf.cast(outputs, tf.float32))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_a_class_that_is_not_known_weighs_nothing():
    """Neither in the loss, nor in its gradients, nor against others; nor does padding."""
    batch, outputs = _batch(share_unknown=0.4), tf.Variable(_features()[..., :3])
    task = Task(_LABEL, (2.0, 1.0, 3.0))
    with tf.GradientTape() as tape:
        total, count = tf.unstack(task.loss_sum(batch, outputs))
    gradient = tape.gradient(total, outputs).numpy()
    label = batch["label"].numpy()
    counted = (label >= 0) & tf.sequence_mask(_LENGTHS, 5).numpy()[..., None]
    assert (gradient[counted] != 0).all()
    assert (gradient[~counted] == 0).all()
    assert count == counted.any(-1).sum()
    other = tf.where(counted, outputs, 99.0)
    np.testing.assert_array_equal(task.loss_sum(batch, other), (total, count))
    figures = task.metric_sums(batch, outputs)["subset_accuracy"].numpy()
    right = ((outputs.numpy() > 0) == (label > 0)) | (label < 0)
    known = counted.any(-1)
    np.testing.assert_array_equal(figures, (right.all(-1)[known].sum(), known.sum()))


def test_answers_tell_padding_and_what_is_not_finite_apart():
    task = Task(_LABEL)
    outputs = tf.constant([[[2.0, -1.0, 0.0], [np.nan, 1.0, 1.0], [9.0, 9.0, 9.0]]])
    found = task.kind.answers(task, task.predictions(outputs), tf.constant([[True, True, False]]))
    assert found["present"].numpy().tolist() == [[[1, 0, 1], [-1, -1, -1], [-1, -1, -1]]]
    np.testing.assert_allclose(found["probabilities"][0, 0], [0.880797, 0.268941, 0.5], rtol=1e-5)
    assert found["probabilities"].numpy()[0, 2].tolist() == [0.0, 0.0, 0.0]


def test_an_activation_without_effect_is_refused():
    with pytest.raises(DatasetError, match="a sigmoid for each already, leave it out"):
        Task(_LABEL, activation="sigmoid")
