"""One to many: against stock layers, one record at a time."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import VALUE_SEQUENCE, random_records, write_dataset
from tests.trainer.in_process import train
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from trainer.models.frames import FrameModelOptions
from trainer.models.sequence import build_sequence_model
from trainer.models.signal import SignalModelOptions
from trainer.step.task import Task

_RNG = np.random.default_rng(6)
_VECTOR = InputSpec("signal", "float32", (3,))
_IMAGE = InputSpec("frames", "uint8", (8, 6, 3))
_CLASSES = LabelSpec("sequence", "class", class_names=("a", "b", "c", "d"))
_LENGTHS = np.array([1, 1, 0, 1], np.int32)
_LABEL_LENGTHS = np.array([4, 1, 0, 2], np.int32)
_OPTIONS = SignalModelOptions(
    conv_filters=(), conv_strides=(), rnn_units=(5,), dropout=0.0, batch_normalization=False
)


def _model(input_spec=_VECTOR, label=VALUE_SEQUENCE, **options):
    keras.utils.set_random_seed(3)
    options = dataclasses.replace(_OPTIONS, **options)
    return build_sequence_model(options, FrameModelOptions(), input_spec, label)


def _inputs(input_spec=_VECTOR, steps=1):
    shape = (4, steps, *input_spec.step_shape)
    if input_spec.kind == "frames":
        data = _RNG.integers(0, 256, shape).astype(np.uint8)
    else:
        data = _RNG.normal(size=shape).astype(np.float32)
    return {input_spec.kind: data, "lengths": _LENGTHS, "label_lengths": _LABEL_LENGTHS}


def test_equals_a_repeated_vector_through_stock_layers():
    model, inputs = _model(), _inputs()
    outputs = model(inputs)
    assert outputs.shape == (4, 4, 2)
    for row, length in enumerate(_LABEL_LENGTHS):
        assert not np.any(outputs[row, length:])
        if length:
            x = keras.ops.repeat(inputs["signal"][row : row + 1], int(length), axis=1)
            np.testing.assert_allclose(outputs[row, :length], _stock(model, x)[0], atol=1e-5)


def _stock(model, x):
    gru = keras.layers.GRU(5, activation="relu", return_sequences=True)
    gru.build(x.shape)
    gru.set_weights(model.get_layer("rnn_0").get_weights())
    head = keras.layers.Dense(2)
    head.build((None, 5))
    head.set_weights(model.get_layer("head").get_weights())
    return head(gru(x))


@pytest.mark.parametrize(
    ("input_spec", "label", "units"),
    [(_VECTOR, VALUE_SEQUENCE, 2), (_VECTOR, _CLASSES, 4), (_IMAGE, _CLASSES, 4)],
)
def test_output_is_as_long_as_the_longest_label(input_spec, label, units):
    model = _model(input_spec, label)
    assert model(_inputs(input_spec)).shape == (4, 4, units)
    assert model.output.shape == (None, None, units)


@pytest.mark.parametrize("label", [VALUE_SEQUENCE, _CLASSES])
def test_property_08_padding_changes_no_loss_and_no_gradient(label):
    model, inputs, task = _model(label=label), _inputs(), Task(label)
    target = _RNG.integers(0, 4, (4, 4)) if label is _CLASSES else _RNG.normal(size=(4, 4, 2))
    wide = {**inputs, "signal": np.pad(inputs["signal"], [(0, 0), (0, 2), (0, 0)], mode="edge")}
    # Labels are padded to the longest of the global batch, which another replica may have.
    junk = np.concatenate([target, np.zeros((4, 3, *target.shape[2:]), target.dtype)], axis=1)
    results = [
        _loss_and_gradients(model, task, {**x, "label": y})
        for x, y in ((inputs, target), (wide, junk))
    ]
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6, rtol=1e-6)


def _loss_and_gradients(model, task, batch):
    batch = task.preparation({name: tf.constant(value) for name, value in batch.items()})
    with tf.GradientTape() as tape:
        outputs = model({tensor.name: batch[tensor.name] for tensor in model.inputs})
        loss = task.loss_sum(batch, outputs)
        mean = loss[0] / loss[1]
    return [loss, *tape.gradient(mean, [v.value for v in model.trainable_variables])]


def test_labels_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="one label per record; use --model=signal"):
        _model(label=LabelSpec("record", "class", class_names=("a", "b")))


@pytest.mark.parametrize("label", [VALUE_SEQUENCE, _CLASSES])
def test_a_training_from_vectors_to_sequences(label, tmp_path):
    schema = RecordSchema(_VECTOR, label)
    splits = {
        split: random_records([1] * count, schema, seed=count)
        for split, count in {"train": 7, "validation": 3, "test": 3}.items()
    }
    dataset = write_dataset(tmp_path / "data", splits, schema)
    train(dataset.path, tmp_path / "run", "--model=sequence", "--conv_filters=", "--conv_strides=")
    found = json.loads((tmp_path / "run" / "evaluation-test.json").read_text())
    assert found["labels"] == sum(len(record.label) for record in splits["test"])
    assert found["metrics"].keys() >= ({"accuracy"} if label is _CLASSES else {"rmse", "mae"})
