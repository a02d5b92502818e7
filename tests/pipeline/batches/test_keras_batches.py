"""Batches for stock `model.fit`: what is in them, and what Keras makes of them."""

import keras
import numpy as np
import pytest

from pipeline.batches import plan, plan_blocks
from pipeline.batches.keras_batches import keras_batches
from pipeline.batches.plan import BatchOptions, plan_epoch
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
    toy_dataset,
)
from tfrecords_schema import DatasetError, LabelSpec
from trainer import layers

_OPTIONS = BatchOptions(batch_size=6, num_buckets=3)
_NUMBER_PER_STEP = LabelSpec("step", "value", "float32")
_LABELS = [
    CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE,
    _NUMBER_PER_STEP,
]  # fmt: skip


def _signals(batches):
    """The signal of every record, as bytes, in the order of an iteration."""
    return [
        signal[:length].tobytes()
        for inputs, _, _ in batches.as_numpy_iterator()
        for signal, length in zip(inputs["signal"], inputs["lengths"], strict=True)
    ]


@pytest.mark.parametrize(
    "label", _LABELS, ids=lambda label: f"{label.per}-{label.kind}-{label.shape}"
)
def test_an_iteration_has_every_record_with_its_label_and_weight(label, tmp_path):
    dataset, splits = toy_dataset(tmp_path, label=label)
    expected = {record.data.tobytes(): record for record in splits["train"]}
    seen = []
    for inputs, labels, weights in keras_batches(dataset, "train", _OPTIONS).as_numpy_iterator():
        for row, length in enumerate(inputs["lengths"]):
            record = expected[inputs["signal"][row, :length].tobytes()]
            seen.append(record.id)
            valid = weights[row] == 1
            assert ((weights[row] == 0) | valid).all()
            found = labels[row] if label.per == "record" else labels[row][valid]
            np.testing.assert_array_equal(found.reshape(np.shape(record.label)), record.label)
    assert sorted(seen) == sorted(record.id for record in splits["train"])


def test_every_iteration_is_the_plan_of_another_epoch(tmp_path):
    dataset, splits = toy_dataset(tmp_path)
    batches = keras_batches(dataset, "train", _OPTIONS, seed=4)
    orders = [_signals(batches) for _ in range(3)]
    steps = dataset.split("train").steps
    for epoch, order in enumerate(orders):
        plan = plan_epoch(steps, _OPTIONS, seed=4, epoch=epoch)
        assert order == [splits["train"][row].data.tobytes() for row in plan.records]
    assert orders[0] != orders[1] != orders[2]


def test_without_shuffling_every_iteration_is_the_same(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    batches = keras_batches(dataset, "train", _OPTIONS, shuffle=False)
    assert _signals(batches) == _signals(batches)


def test_the_number_of_batches_is_known_and_right_in_every_iteration(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    batches = keras_batches(dataset, "train", _OPTIONS)
    assert len(batches) == 4  # 20 records in three lengths, 6 in a batch.
    assert [len(list(batches)) for _ in range(3)] == [4, 4, 4]
    budget = keras_batches(dataset, "train", BatchOptions(batch_size=None, batch_steps=24))
    assert [len(list(budget)) for _ in range(3)] == [len(budget)] * 3


@pytest.mark.parametrize("by_length", [True, False])
def test_epochs_may_have_more_batches_than_others(by_length, tmp_path, monkeypatch):
    """Where lengths meet at random, and where an epoch is planned in blocks."""
    if by_length:
        for module in (plan, plan_blocks):
            monkeypatch.setattr(module, "MOST_AT_ONCE", 12)
        monkeypatch.setattr(plan_blocks, "_RUN", 3)
        monkeypatch.setattr(plan_blocks, "_RUNS", 4)
    dataset, _ = toy_dataset(tmp_path)
    options = BatchOptions(batch_size=None, batch_steps=20, by_length=by_length)
    steps = dataset.split("train").steps
    plans = [plan_epoch(steps, options, seed=0, epoch=epoch).num_steps for epoch in range(4)]
    assert len({*plans}) > 1
    batches = keras_batches(dataset, "train", options)
    assert [sum(1 for _ in batches) for _ in plans] == plans


def test_class_weights_multiply_the_sample_weight(tmp_path):
    dataset, _ = toy_dataset(tmp_path, label=CLASS_PER_STEP)
    batches = keras_batches(dataset, "train", _OPTIONS, class_weights=[1.0, 2.0, 5.0])
    for inputs, label, weight in batches.as_numpy_iterator():
        valid = np.arange(label.shape[1]) < inputs["lengths"][:, None]
        np.testing.assert_array_equal(weight, np.array([1.0, 2.0, 5.0])[label] * valid)


def test_what_cannot_be_fitted_is_said(tmp_path):
    unlabelled, _ = toy_dataset(tmp_path / "a", label=None)
    with pytest.raises(DatasetError, match="no labels to fit"):
        keras_batches(unlabelled, "train")
    values, _ = toy_dataset(tmp_path / "b", label=VALUE_PER_STEP)
    with pytest.raises(DatasetError, match="got 2, expected one for each of the 0"):
        keras_batches(values, "train", class_weights=[1.0, 1.0])


def _own_model(label):
    """A model of a person's own, with our layers between stock ones."""
    signal = keras.Input((None, 3), name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    x = layers.PackSteps()(signal, lengths)
    x = keras.layers.Dense(8, activation="relu")(x)
    x = layers.GRU(8, return_sequences=label.per == "step")(x, lengths)
    x = layers.UnpackSteps()(x, lengths, signal) if label.per == "step" else x
    outputs = keras.layers.Dense(3)(x)
    model = keras.Model({"signal": signal, "lengths": lengths}, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.02), loss, weighted_metrics=["accuracy"])
    return model


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, CLASS_PER_STEP], ids=lambda label: label.per)
def test_stock_fit_trains_and_counts_valid_labels_alone(label, tmp_path):
    keras.utils.set_random_seed(0)
    dataset, splits = toy_dataset(tmp_path, label=label)
    model = _own_model(label)
    train = keras_batches(dataset, "train", _OPTIONS)
    # One batch: over several, Keras weighs per-step figures by rows, not by valid steps.
    one_batch = BatchOptions(batch_size=99, num_buckets=1)
    validation = keras_batches(dataset, "validation", one_batch, shuffle=False)
    history = model.fit(train, validation_data=validation, epochs=5, verbose=0).history
    assert len(history["val_loss"]) == 5
    assert history["loss"][-1] < history["loss"][0]
    found = model.evaluate(validation, verbose=0, return_dict=True)
    losses, hits = [], []
    for record in splits["validation"]:
        inputs = {"signal": record.data[None], "lengths": np.array([record.steps], np.int32)}
        logits = np.atleast_2d(np.asarray(model(inputs))[0])
        truth = np.atleast_1d(record.label)
        total = np.log(np.exp(logits).sum(-1))
        losses += (total - logits[np.arange(len(truth)), truth]).tolist()
        hits += (logits.argmax(-1) == truth).tolist()
    assert found["accuracy"] == pytest.approx(np.mean(hits))
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("label", [CLASS_PER_STEP, _NUMBER_PER_STEP], ids=lambda label: label.kind)
def test_stock_metrics_of_several_batches_count_steps_where_all_are_padded_alike(label, tmp_path):
    dataset, splits = toy_dataset(tmp_path, label=label)
    units, is_class = len(label.class_names) or 1, label.kind == "class"
    signal, lengths = keras.Input((None, 3), name="signal"), keras.Input((), name="lengths")
    model = keras.Model([signal, lengths], keras.layers.Dense(units)(signal))
    error = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="error")
    metric = error if is_class else keras.metrics.MeanSquaredError("error")
    loss = "sparse_categorical_crossentropy" if is_class else "mean_squared_error"
    model.compile(loss=loss, weighted_metrics=[metric])
    options = BatchOptions(batch_size=3, num_buckets=1)
    found = model.evaluate(keras_batches(dataset, "train", options), verbose=0, return_dict=True)
    kernel, bias = (variable.numpy() for variable in model.variables)
    errors = []
    for record in splits["train"]:
        outputs = record.data @ kernel + bias
        if is_class:
            chosen = outputs[np.arange(record.steps), record.label]
            errors += (np.log(np.exp(outputs).sum(-1)) - chosen).tolist()
        else:
            errors += ((outputs[:, 0] - record.label) ** 2).tolist()
    assert found["error"] == pytest.approx(np.mean(errors), rel=1e-5)
