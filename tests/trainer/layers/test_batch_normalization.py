"""BatchNormalization against the stock layer, on one replica."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.layers import BatchNormalization


def values(*shape, offset=0.0):
    return np.random.default_rng(3).normal(offset, 2.0, size=shape).astype("float32")


def train_step(layer, x, upstream):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    return [outputs, *tape.gradient(loss, [x, *layer.trainable_variables])]


def both(shape):
    mine, stock = BatchNormalization(), keras.layers.BatchNormalization()
    for layer in (mine, stock):
        layer.build((None, *shape[1:]))
    weights = [np.linspace(i + 0.5, i + 1, shape[-1]) for i in range(4)]
    mine.set_weights(weights)
    stock.set_weights(weights)
    return mine, stock


@pytest.mark.parametrize("shape", [(7, 3), (5, 4, 3), (3, 2, 2, 3), (1, 3)])
@pytest.mark.parametrize("in_graph", [False, True])
def test_equals_the_stock_layer(shape, in_graph):
    mine, stock = both(shape)
    x, upstream = values(*shape), values(*shape, offset=1.0)
    step = tf.function(train_step, reduce_retracing=True) if in_graph else train_step
    step_of_stock = tf.function(train_step) if in_graph else train_step
    for got, expected in zip(
        step(mine, x, upstream), step_of_stock(stock, x, upstream), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    for got, expected in zip(mine.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mine(x), stock(x), atol=1e-6)


def test_same_variables_in_the_same_order():
    mine, stock = both((7, 3))
    assert [v.name for v in mine.variables] == [v.name for v in stock.variables]


def test_variance_survives_a_large_mean():
    mine, _ = both((64, 3))
    x = values(64, 3, offset=3000.0)
    old = mine.moving_variance.numpy()
    mine(x, training=True)
    batch_variance = (mine.moving_variance.numpy() - 0.99 * old) / 0.01
    np.testing.assert_allclose(batch_variance, x.astype("float64").var(axis=0), rtol=1e-2)


@pytest.mark.parametrize("in_graph", [False, True])
def test_without_rows_nothing_changes(in_graph):
    mine, _ = both((1, 4, 3))
    before = mine.get_weights()
    step = tf.function(train_step) if in_graph else train_step
    outputs, *gradients = step(mine, values(0, 4, 3), values(0, 4, 3))
    assert outputs.shape == (0, 4, 3)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    for old, new in zip(before, mine.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_bfloat16_is_computed_in_float32():
    layer = BatchNormalization(dtype="mixed_bfloat16")
    x = tf.cast(values(500, 3, offset=20.0), tf.bfloat16)
    outputs = layer(x, training=True)
    assert outputs.dtype == tf.bfloat16
    exact = np.asarray(tf.cast(x, tf.float32))
    np.testing.assert_allclose(layer.moving_mean, 0.01 * exact.mean(axis=0), rtol=1e-5)


def test_a_frozen_layer_uses_its_moving_averages():
    mine, stock = both((7, 3))
    mine.trainable = False
    np.testing.assert_allclose(mine(values(7, 3), training=True), stock(values(7, 3)), atol=1e-6)


def test_only_the_last_axis_can_be_the_channels():
    with pytest.raises(ValueError, match="axis=1"):
        BatchNormalization(axis=1).build((None, 3, 4))


def test_float64_is_refused():
    with pytest.raises(ValueError, match=r"a dtype other than float64, got .* float64"):
        BatchNormalization(dtype="float64").build((None, 3))


def test_config_round_trip():
    layer = BatchNormalization(momentum=0.5, name="norm")
    again = BatchNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_rows_are_normalized_in_float32(dtype):
    """Against the same rows in float32: only the rounding of inputs and outputs may show."""
    mine, _ = both((500, 3))
    half = BatchNormalization(dtype=keras.DTypePolicy(f"mixed_{dtype}"))
    half.build((None, 3))
    half.set_weights(mine.get_weights())
    x = tf.cast(values(500, 3, offset=1.0), dtype)
    upstream = tf.cast(values(500, 3), dtype)
    expected = train_step(mine, tf.cast(x, tf.float32), tf.cast(upstream, tf.float32))
    got = train_step(half, x, upstream)
    assert got[0].dtype == dtype
    scale = np.abs(expected[0]).max()
    np.testing.assert_allclose(tf.cast(got[0], tf.float32), expected[0], atol=0.01 * scale)
    for mine_value, half_value in zip(mine.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_allclose(half_value, mine_value, rtol=1e-5)
    for of_half, of_mine in zip(got[1:], expected[1:], strict=True):
        tolerance = 0.02 * float(np.abs(of_mine).max())
        np.testing.assert_allclose(tf.cast(of_half, tf.float32), of_mine, atol=tolerance)
