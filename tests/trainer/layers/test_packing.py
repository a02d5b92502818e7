"""Packing against a plain loop over rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import layers

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)


def padded_batch(lengths, width=3, extra_steps=1):
    shape = (len(lengths), max(lengths) + extra_steps, width)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def valid_steps_of(x, lengths):
    rows = [x[row, :length] for row, length in enumerate(lengths)]
    return np.concatenate(rows, axis=0)


@settings(max_examples=30, deadline=None)
@given(LENGTHS, st.integers(0, 3))
def test_pack_then_unpack_is_the_batch_with_zero_padding(lengths, extra_steps):
    x = padded_batch(lengths, extra_steps=extra_steps)
    packed = layers.pack_steps(x, tf.constant(lengths))
    np.testing.assert_array_equal(packed, valid_steps_of(x, lengths))
    expected = x * (np.arange(x.shape[1])[None, :, None] < np.array(lengths)[:, None, None])
    unpacked = layers.unpack_steps(packed, tf.constant(lengths), x.shape[1])
    np.testing.assert_array_equal(unpacked, expected)


def test_in_a_graph_of_free_shapes_like_eagerly():
    free = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None], tf.int32)]

    @tf.function(input_signature=free)
    def there_and_back(x, lengths):
        return layers.unpack_steps(layers.pack_steps(x, lengths), lengths, tf.shape(x)[1])

    for lengths in ([2, 0, 4], [0, 0], [1]):
        x = padded_batch(lengths)
        packed = layers.pack_steps(x, tf.constant(lengths))
        expected = layers.unpack_steps(packed, tf.constant(lengths), x.shape[1])
        np.testing.assert_array_equal(there_and_back(x, tf.constant(lengths)), expected)


def test_records_of_length_zero_leave_and_come_back_as_zeros():
    x, lengths = np.ones((3, 2), "float32"), tf.constant([2, 0, 1])
    packed = layers.PackRecords()(x, lengths)
    assert packed.shape == (2, 2)
    np.testing.assert_array_equal(layers.UnpackRecords()(packed, lengths), [[1, 1], [0, 0], [1, 1]])


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_pack_layer_keeps_the_dtype_under_any_policy(dtype):
    layer = layers.PackSteps(dtype="mixed_bfloat16")
    assert layer(np.ones((2, 3), dtype), tf.constant([1, 2])).dtype == dtype
    assert layer(keras.Input((None, 4), dtype=dtype), keras.Input((), dtype="int32")).dtype == dtype


def block():
    return keras.Sequential(
        [
            layers.Conv1D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            keras.layers.Flatten(),
        ]
    )


def over_steps(layer, x, lengths, **kwargs):
    packed = layer(layers.pack_steps(x, lengths), **kwargs)
    return layers.unpack_steps(packed, lengths, x.shape[1])


def test_a_layer_over_packed_steps_equals_the_layer_on_each_step():
    lengths, layer = [2, 0, 3], block()
    x = np.random.default_rng(1).normal(size=(3, 4, 8, 2)).astype("float32")
    outputs = over_steps(layer, x, tf.constant(lengths))
    assert outputs.shape == (3, 4, 24)
    for row in range(3):
        for step in range(4):
            alone = layer(x[row, step][None])[0] if step < lengths[row] else np.zeros(24)
            np.testing.assert_allclose(outputs[row, step], alone, atol=1e-6)


@pytest.mark.parametrize("in_graph", [False, True])
def test_a_batch_without_valid_steps_gives_zeros_and_zero_gradients(in_graph):
    layer = block()
    x, lengths = np.ones((2, 3, 8, 2), "float32"), tf.zeros([2], tf.int32)
    layer.build((None, 8, 2))

    def step(x, lengths):
        with tf.GradientTape() as tape:
            outputs = over_steps(layer, x, lengths, training=True)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, layer.trainable_variables)

    before = [v.numpy() for v in layer.variables]
    outputs, gradients = (tf.function(step) if in_graph else step)(x, lengths)
    np.testing.assert_array_equal(outputs, np.zeros((2, 3, 24)))
    assert len(gradients) == 4
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))
    for old, variable in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_never_empty_backbone():
    backbone = keras.Sequential([keras.layers.DepthwiseConv2D(3), keras.layers.MaxPooling2D(2)])
    layer = layers.NeverEmpty(backbone)
    x = np.ones((2, 8, 8, 2), "float32")
    assert layer(x[:0]).shape == (0, 3, 3, 2)
    np.testing.assert_allclose(layer(x), backbone(x), atol=1e-6)
    assert layer(keras.Input((8, 8, 2))).shape == (None, 3, 3, 2)
