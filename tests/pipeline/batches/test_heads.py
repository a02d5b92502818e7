"""Batches of several labels side by side: what is known, and what stock Keras takes."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.keras_batches import keras_batches
from pipeline.batches.plan import BatchOptions
from pipeline.batches.valid_labels import filled, flat_labels, is_known, known_rows, validity
from tests.datasets import Record, write_dataset
from tfrecords_schema import Dataset, DatasetError, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import Head, side_by_side

_HEADS = (
    Head("stage", LabelSpec("step", "class", class_names=("W", "N1", "N2"), has_missing=True)),
    Head("apnea", LabelSpec("step", "classes", "int8", (2,), ("a", "b"), True)),
    Head("age", LabelSpec("record", "value", "float32", (), has_missing=True)),
)
_SEVERAL = LabelSpec.of_heads(_HEADS)
_LABEL = np.array([[[0, 1, 0, 7], [np.nan] * 3 + [7], [np.nan] * 4, [2, np.nan, np.nan, np.nan]]])
_OPTIONS = BatchOptions(batch_size=4, num_buckets=2)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_label_is_known_where_one_of_its_heads_is(wrap) -> None:
    batch = {"label": tf.constant(_LABEL, tf.float32), "lengths": tf.constant([4])}
    known = wrap(lambda labels: is_known(labels, _SEVERAL))(batch["label"])
    assert known.numpy().tolist() == [[True, True, False, True]]
    assert validity(batch, _SEVERAL).numpy().tolist() == [[1, 1, 0, 1]]
    found = wrap(lambda labels: filled(labels, _SEVERAL))(batch["label"]).numpy()
    np.testing.assert_array_equal(found[0, 2], [0, 0, 0, 0])
    np.testing.assert_array_equal(found[0, [0, 1, 3]], _LABEL[0, [0, 1, 3]])
    assert known_rows(batch, _SEVERAL).tolist() == [True, True, False, True]
    np.testing.assert_array_equal(flat_labels(batch, _SEVERAL), _LABEL[0, [0, 1, 3]])


def _record(number: int) -> tuple[dict[str, np.ndarray], Record]:
    rng, steps = np.random.default_rng(number), 2 + number
    labels = {
        "stage": rng.integers(-1, 3, steps),
        "apnea": rng.integers(-1, 2, (steps, 2)).astype(np.int8),
        "age": np.float32(np.nan if number % 3 == 0 else number),
    }
    signal = rng.normal(size=(steps, 3)).astype(np.float32)
    return labels, Record(f"r{number}", signal, side_by_side(labels, _SEVERAL, steps))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    schema = RecordSchema(InputSpec("signal", "float32", (3,)), _SEVERAL)
    records = [_record(number)[1] for number in range(9)]
    folder = pathlib.Path(tmp_path_factory.mktemp("heads"))
    return write_dataset(folder, {"train": records}, schema)


def test_keras_gets_each_label_as_it_would_be_alone(dataset: Dataset) -> None:
    truth = {record.data.tobytes(): labels for labels, record in map(_record, range(9))}
    seen = 0
    for inputs, labels, weights in keras_batches(dataset, "train", _OPTIONS).as_numpy_iterator():
        assert (*labels,) == (*weights,) == ("stage", "apnea", "age")
        for row, length in enumerate(inputs["lengths"].tolist()):
            expected = truth[inputs["signal"][row, :length].tobytes()]
            seen += 1
            for head in _HEADS:
                given = np.broadcast_to(expected[head.name], (length, *head.label.shape))
                known = head.label.is_known(given)
                weight, found = weights[head.name][row], labels[head.name][row]
                np.testing.assert_array_equal(weight[:length], known)
                assert not weight[length:].any()
                found = found[:length][known].reshape(given[known].shape)
                np.testing.assert_array_equal(found, given[known])
                assert found.dtype == head.label.dtype
    assert seen == 9


def test_stock_keras_fits_a_model_of_an_output_for_each(dataset: Dataset) -> None:
    signal = keras.Input((None, 3), name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    units = {"stage": (3, "softmax"), "apnea": (2, "sigmoid"), "age": (1, None)}
    outputs = {
        name: keras.layers.Dense(size, activation)(signal)
        for name, (size, activation) in units.items()
    }
    model = keras.Model({"signal": signal, "lengths": lengths}, outputs)
    losses = {
        "stage": keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"),
        "apnea": keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"),
        "age": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
    }
    model.compile("sgd", losses)
    history = model.fit(keras_batches(dataset, "train", _OPTIONS), verbose=0).history
    assert np.isfinite([history[f"{name}_loss"] for name in units]).all()


def test_weights_of_classes_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="the labels are several"):
        keras_batches(dataset, "train", _OPTIONS, class_weights=[1.0, 1.0])
