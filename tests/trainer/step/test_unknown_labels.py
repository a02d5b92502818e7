"""Labels that are not known weigh nothing: as if their steps were not there."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.valid_labels import flat_labels, known_rows, validity
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
)
from tfrecords_schema import InputSpec, LabelSpec
from trainer.augmentation.augmentation import Recordings
from trainer.augmentation.mixup import Mixup
from trainer.layers import PackSteps
from trainer.models.family import DataSpec
from trainer.models.parts.random_convolutions import _gathered
from trainer.step.steps import Steps
from trainer.step.task import Task

_WEIGHTS = (1.0, 2.0, 0.5)
_LABELS = [CLASS_PER_STEP, CLASS_PER_RECORD, VALUE_PER_STEP, VALUE_PER_RECORD, VALUE_SEQUENCE]


def _with_gaps(label: LabelSpec) -> LabelSpec:
    return dataclasses.replace(label, has_missing=True)


def _name(label: LabelSpec) -> str:
    return f"{label.kind}_{label.per}"


def _batches(label: LabelSpec, share: float) -> tuple[dict, dict, np.ndarray, np.ndarray]:
    """A batch with gaps, its outputs, and the same with the labels that are known alone."""
    rng = np.random.default_rng(7)
    units = len(label.class_names) or 2
    lead = (5,) if label.per == "record" else (5, 6)
    lengths = np.array([6, 4, 1, 5, 0], np.int32)
    outputs = rng.normal(size=(*lead, units)).astype(np.float32)
    if label.kind == "class":
        values = rng.integers(0, units, lead)
        missing: float = -1
    else:
        values, missing = rng.normal(size=(*lead, units)).astype(np.float32), np.nan
    gone = rng.random(lead) < share
    values[gone] = missing
    if label.kind == "value":  # One component is enough.
        values[gone] = [np.nan, 1.0]
    batch = {"label": values, "lengths": lengths, "label_lengths": lengths}
    valid = lengths > 0 if label.per == "record" else np.arange(6) < lengths[:, None]
    kept = valid & ~gone
    alone = {"label": values[kept], "lengths": np.ones(kept.sum(), np.int32)}
    tensors = [{k: tf.constant(v) for k, v in each.items()} for each in (batch, alone)]
    return *tensors, outputs, outputs[kept]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0], ids=["all", "some", "none"])
@pytest.mark.parametrize("label", _LABELS, ids=_name)
def test_loss_metrics_and_gradients_are_those_without_the_labels_that_are_not_known(label, share):
    weights = _WEIGHTS if label.kind == "class" else None
    smoothing = 0.1 if label.kind == "class" else 0.0
    task = Task(_with_gaps(label), weights, label_smoothing=smoothing)
    reference = Task(dataclasses.replace(label, per="record"), weights, label_smoothing=smoothing)
    batch, alone, outputs, kept = _batches(label, share)
    found, expected = (
        _sums(one, each, tf.constant(made))
        for one, each, made in ((task, batch, outputs), (reference, alone, kept))
    )
    for name, value in expected[0].items():
        np.testing.assert_allclose(found[0][name], value, 1e-6, 1e-7, err_msg=name)
    known = validity(batch, _with_gaps(label)).numpy() > 0
    np.testing.assert_allclose(found[1][known], expected[1], 1e-6, 1e-7)
    assert not found[1][~known].any()
    flat = flat_labels(batch, _with_gaps(label))
    np.testing.assert_array_equal(flat.reshape(alone["label"].shape), alone["label"])
    assert known_rows(batch, _with_gaps(label)).sum() == len(flat)


def _sums(task: Task, batch: dict, outputs: tf.Tensor) -> tuple[dict, np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = task.loss_sum(batch, outputs)
        total = loss[0]
    sums = {"loss": loss, **task.metric_sums(batch, outputs)}
    return {k: v.numpy() for k, v in sums.items()}, tape.gradient(total, outputs).numpy()


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_STEP], ids=_name)
def test_a_batch_of_which_no_label_is_known_changes_no_weight(label):
    batch, *_ = _batches(label, 1.0)
    batch = {"signal": tf.random.normal([5, 6, 3]), **batch, "record": tf.range(5)}
    signal = keras.Input((None, 3), name="signal")
    units = len(label.class_names) or 2
    model = keras.Model({"signal": signal}, keras.layers.Dense(units)(signal))
    optimizer = keras.optimizers.SGD(0.1)
    strategy = tf.distribute.get_strategy()
    steps = Steps(strategy, model, optimizer, Task(_with_gaps(label)), clip_norm=1.0)
    before = [v.numpy() for v in model.variables]
    spec = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in batch.items()}
    result = steps.train(batch, spec)
    assert all(pair == [0.0, 0.0] for pair in result.sums.values())
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_STEP], ids=_name)
def test_what_is_mixed_in_counts_where_it_is_known(label):
    own, other, *_ = (_batches(label, share)[0] for share in (0.4, 0.0))
    gap = other["label"].numpy()
    gap[:, 1] = -1 if label.kind == "class" else np.nan
    values = tf.zeros([5, 6, 3, 1])
    partner_lengths = tf.constant([2, 6, 6, 0, 0])
    recordings = [
        Recordings(values, lengths, tf.constant(labels), tf.zeros([5], tf.int32))
        for lengths, labels in ((own["lengths"], own["label"]), (partner_lengths, gap))
    ]
    label = _with_gaps(label)
    mixed = Mixup(mixup=1.0).mixed(*recordings, label, _Draws())
    is_own, is_other = label.is_known(own["label"].numpy()), label.is_known(gap)
    is_mixed = np.arange(6) < partner_lengths.numpy()[:, None]
    if label.kind == "value":  # A mean of what is not known is not known.
        expected = is_own & (is_other | ~is_mixed)
        np.testing.assert_array_equal(label.is_known(mixed.label.numpy()), expected)
        return
    batch = {**own, "other_label": mixed.other_label, "other_share": mixed.other_share}
    _, weight = Task(label).loss_sum(batch, tf.zeros([5, 6, 3])).numpy()
    share = mixed.other_share.numpy()
    valid = np.arange(6) < own["lengths"].numpy()[:, None]
    expected = (valid * (is_own * (1 - share) + is_other * share)).sum()
    assert 0 < share.max() < 1
    assert weight == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_STEP], ids=_name)
def test_a_ridge_is_fitted_to_the_labels_that_are_known(label):
    batch, alone, *_ = _batches(label, 0.4)
    signal = tf.reshape(tf.range(5 * 6, dtype=tf.float32), [5, 6, 1])
    signals = keras.Input((None, 1), name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    features = keras.Model([signals, lengths], PackSteps()(signals, lengths))
    data = DataSpec(InputSpec("signal", "float32", (1,)), _with_gaps(label), None)
    batch |= {"signal": signal, "group": tf.range(5)}
    values, labels, groups = _gathered(features, data, [batch], 1_000)
    known = validity(batch, _with_gaps(label)).numpy() > 0
    np.testing.assert_array_equal(values[:, 0], signal.numpy()[known][:, 0])
    np.testing.assert_array_equal(groups, np.nonzero(known)[0])
    np.testing.assert_array_equal(labels.reshape(alone["label"].shape), alone["label"])


class _Draws:
    def uniform(self, number: int) -> tf.Tensor:
        return tf.fill([5], 0.4)
