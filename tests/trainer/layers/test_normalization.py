"""Normalization against NumPy, record by record."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.layers import Normalization, pack_steps

LENGTHS = [2, 0, 3]


def signal(dtype, *step_shape):
    return np.random.default_rng(0).integers(0, 100, size=(3, 4, *step_shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "bool"])
def test_none_only_casts(dtype):
    packed = tf.constant(signal(dtype, 5, 2)[0])
    outputs = Normalization()(packed, tf.constant(LENGTHS))
    assert outputs.dtype == "float32"
    np.testing.assert_array_equal(outputs, packed.numpy().astype("float32"))


def test_training_split_statistics_are_constants_of_the_layer():
    layer = Normalization("training_split", mean=[10, 20], deviation=[2, 0])
    packed = signal("int16", 5, 2)[0]
    outputs = layer(packed, tf.constant(LENGTHS))
    np.testing.assert_allclose(outputs, (packed - [10.0, 20.0]) / [2.0, 1.0], rtol=1e-6)
    assert layer.count_params() == 0
    assert Normalization.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("step_shape", [(2,), (5, 2), (3, 5, 2)])
@pytest.mark.parametrize("in_graph", [False, True])
def test_record_statistics_are_those_of_its_valid_samples(step_shape, in_graph):
    x = signal("int16", *step_shape)
    x[:, :, ..., 1] = 7  # A constant channel is centred, not divided by zero.
    lengths = tf.constant(LENGTHS)
    layer = Normalization("record")
    outputs = (tf.function(layer) if in_graph else layer)(pack_steps(x, lengths), lengths)
    expected = []
    for row, length in enumerate(LENGTHS):
        valid = x[row, :length].astype("float64")
        if length:
            axes = tuple(range(valid.ndim - 1))
            deviation = valid.std(axis=axes)
            expected.append((valid - valid.mean(axis=axes)) / np.where(deviation, deviation, 1))
    np.testing.assert_allclose(outputs, np.concatenate(expected), atol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1.1, -2.3, 1000.1])
def test_a_constant_channel_of_a_record_becomes_zeros(value):
    lengths = tf.constant([3, 7, 0, 11, 13])
    packed = tf.constant(value, shape=[34, 4, 1])
    np.testing.assert_array_equal(Normalization("record")(packed, lengths), tf.zeros([34, 4, 1]))


def test_a_batch_without_valid_steps():
    packed = tf.zeros([0, 5, 2], tf.int16)
    assert Normalization("record")(packed, tf.zeros([2], tf.int32)).shape == (0, 5, 2)


def test_an_offset_survives_half_precision():
    layer = Normalization("training_split", mean=[1000], deviation=[1], dtype="mixed_bfloat16")
    outputs = layer(np.array([[1000.5], [1001.0]], "float32"), tf.constant([2]))
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(outputs, tf.float32), [[0.5], [1.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("global",), "got 'global'"),
        (("training_split",), "0 means"),
        (("training_split", [1, 2], [1]), "2 means and 1 deviations"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        Normalization(*arguments)


def test_functional():
    inputs = keras.Input((5, 2), dtype="int16")
    outputs = Normalization("record")(inputs, keras.Input((), dtype="int32"))
    assert outputs.shape == (None, 5, 2)
    assert outputs.dtype == "float32"
